"""Files of programs that write Latin-1: names of nodes and attributes, units, texts."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import matplotlib.image
import numpy as np
import pytest

from h5backends import H5Backend, open_h5_file_for_reading
from h5backends.errors import (
    AttributeValueError,
    FileFormatError,
    NodeNameError,
    NodeNotFoundError,
)
from h5backends.file_text import decoded, encoded, readable
from h5backends.follow import KeyFollower
from h5backends.swmr import check
from tests.cli.conftest import Result, run  # noqa: F401 - a fixture
from tests.conftest import LOCAL, Place

GROUP = "Me\udcdfger\udce4t"
"""What the bytes of "Meßgerät" in Latin-1 become."""
ARRAY = f"/{GROUP}/L\udce4nge"
INSIDE = f"/{GROUP}/inside"
TREE = ["/", f"/{GROUP}", "/plain"]
UNITS = "\udcb5m"
NOBODY = "/nobo\udce9dy"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as a program of old leaves it, with links that lead nowhere among the rest."""
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        group = h5py.Group(h5py.h5g.create(file.id, encoded(GROUP)))
        _add_array(group, encoded("L\udce4nge"))
        _add_array(group, b"inside", b"comment")
        _add_array(file, b"plain")
        file.id.links.create_soft(b"l\xe4ngst", b"/verl\xf6scht")
        file.id.links.create_external(b"au\xdfen", b"w\xe9g.h5", b"/x")
    return path


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """A file in which only values of attributes are Latin-1."""
    path = tmp_path / "values.h5"
    with h5py.File(path, "w") as file:
        _add_array(file, b"plain", b"comment")
        file["tags"] = np.array([b"\xb5m"], "S4")
    return path


def _add_array(group: Any, name: bytes, comment: bytes = b"Bem\xe4rkung") -> None:
    space = h5py.h5s.create_simple((5,))
    array = h5py.Dataset(h5py.h5d.create(group.id, name, h5py.h5t.IEEE_F64LE, space))
    array[:] = np.arange(1.0, 6.0)
    array.attrs["units"] = np.bytes_(encoded(UNITS))
    kind = h5py.h5t.NATIVE_INT32
    number = h5py.h5a.create(array.id, comment, kind, h5py.h5s.create(h5py.h5s.SCALAR))
    number.write(np.array(7, "i4"))


def _opened(path: Path, driver: str, mode: Any = "r") -> H5Backend:
    h5 = H5Backend(driver)
    h5.open_file(path, mode)
    return h5


def test_what_the_bytes_become() -> None:
    for raw in (b"", b"\xb5m", "µm".encode(), b"\xff\xfe", "日本".encode()):
        assert encoded(decoded(raw)) == raw
    assert readable("plain") == "plain"
    assert readable(UNITS) == "µm"
    assert readable("µm 日本") == "µm 日本"
    assert readable("\ud83d") == "\N{REPLACEMENT CHARACTER}"


def test_everything_is_found_and_read(path: Path) -> None:
    with _opened(path, "h5py") as h5:
        assert [node.path for node in h5.walk_nodes("/")] == [*TREE, ARRAY, INSIDE]
        assert list(h5.get_children("/")) == [GROUP, "plain"]
        assert h5.is_node_in_group("/", GROUP)
        assert GROUP in h5.root()
        assert "l\udce4ngst" not in h5.root()
        node = h5.get_node(ARRAY)
        assert node.name == "L\udce4nge"
        assert node.parent_node == h5.get_node(f"/{GROUP}")
        assert h5.get_node(f"/{GROUP}").get_child("L\udce4nge") == node
        assert node.read().tolist() == [1, 2, 3, 4, 5]
        assert dict(node.attrs) == {"units": UNITS, "Bem\udce4rkung": 7}
        assert node.attrs["Bem\udce4rkung"] == 7
        assert "Bem\udce4rkung" in node.attrs


@pytest.mark.parametrize("name", [NOBODY, "/l\udce4ngst", "/au\udcdfen", "/half\ud800"])
@pytest.mark.parametrize("driver", LOCAL)
def test_what_is_not_there(path: Path, driver: str, name: str) -> None:
    with _opened(path, driver) as h5, pytest.raises(NodeNotFoundError):
        h5.get_node(name)


def test_changed_in_place(path: Path) -> None:
    with _opened(path, "h5py", "r+") as h5:
        node = h5.get_node(ARRAY)
        del node.attrs["Bem\udce4rkung"]
        with pytest.raises(AttributeValueError):
            node.attrs["\udce4"] = 1
        with pytest.raises(NodeNameError):
            h5.get_set_group("/", "\udce4")
        assert h5.move_node(node, f"/{GROUP}", "length").path == f"/{GROUP}/length"
        h5.move_node(f"/{GROUP}", "/", "device")
        assert h5.get_node("/device/length").read().tolist() == [1, 2, 3, 4, 5]
    with h5py.File(path) as file:
        assert list(file["device/length"].attrs) == ["units"]
    with _opened(path, "h5py", "r+") as h5:
        h5.remove_node("/device")
        assert h5.root().children_name() == ["au\udcdfen", "l\udce4ngst", "plain"]


def test_pytables_would_die_of_such_names(path: Path) -> None:
    """Its extension ends the program by a segmentation fault."""
    with _opened(path, "tables") as h5:
        for ask in (lambda: list(h5.walk_nodes("/")), h5.root().children, h5.root().children_name):
            with pytest.raises(FileFormatError, match="driver 'h5py'"):
                ask()
        assert dict(h5.get_node("/plain").attrs) == {"units": UNITS, "Bem\udce4rkung": 7}
        assert h5.get_node("/plain").attrs["Bem\udce4rkung"] == 7


_INTERRUPTED = """
import signal, sys
from h5backends import H5Backend
from h5backends.errors import H5Error

class Interrupt(Exception):
    pass

def interrupt(*_):
    raise Interrupt

sys.unraisablehook = lambda _: lost.append(1)
signal.signal(signal.SIGALRM, interrupt)
lost, told = [], 0
with H5Backend("tables") as h5:
    h5.open_file(sys.argv[1], "r")
    driver, node = h5.session.driver, h5.get_node("/full").handle
    names = driver.attr_names(node)
    for tenth in range(2000):
        try:
            signal.setitimer(signal.ITIMER_REAL, 2e-5 * (1 + tenth % 10))
            assert driver.attr_names(node) == names, "a part of them, and no error"
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (H5Error, Interrupt):
            told += 1
print(len(names), "names,", len(lost), "lost in a call back,", told, "told")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timers that send signals")
def test_interrupted_lists_are_told_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "full.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("full", data=1).attrs.update({f"name{n}": n for n in range(300)})
    command = [sys.executable, "-c", _INTERRUPTED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 names")
    print(done.stdout)


@pytest.mark.parametrize("driver", [*LOCAL, "memory"])
def test_names_are_not_written_into_other_files(path: Path, tmp_path: Path, driver: str) -> None:
    with _opened(path, "h5py") as source, _opened(tmp_path / "copy.h5", driver, "w") as target:
        with pytest.raises(NodeNameError, match="move_node"):
            source.copy_to(target)
        with pytest.raises(AttributeValueError, match="Bem"):
            target.copy_node(source.get_node("/plain"), "/")
        assert target.root().children_name() == []
        copy = target.copy_node(source.get_node(INSIDE), "/")
        assert (copy.path, copy.attrs["comment"]) == ("/inside", 7)
        group = source.get_node(f"/{GROUP}")
        with pytest.raises(NodeNameError, match="not UTF-8"):
            target.copy_node(group, "/", "device")


def test_values_go_into_other_files(values: Path, place: Place) -> None:
    with _opened(values, "h5py") as source, place.open("w") as target:
        source.copy_to(target)
    with place.open("r+" if place.driver == "memory" else "r") as target:
        copy = target.get_node("/plain")
        assert copy.attrs["units"] == UNITS
        assert copy.attrs["comment"] == 7
    if place.driver == "h5py":  # as it was, for everybody
        with h5py.File(place.location) as file:
            assert file["plain"].attrs["units"] == UNITS


def test_looked_at_and_followed(path: Path) -> None:
    report = check(path)
    assert [array.path for array in report.arrays] == [ARRAY, INSIDE, "/plain"]
    assert report.exit_code == 0
    file, _ = open_h5_file_for_reading(path)
    with file:
        assert file[encoded(ARRAY)].shape == (5,)
    with _opened(path, "h5py") as h5, KeyFollower([h5.get_node(ARRAY)], timeout=0.0) as follower:
        assert list(follower) == [0, 1, 2, 3, 4]


def test_archive_of_old_text(run: Any, values: Path, tmp_path: Path) -> None:  # noqa: F811
    """Without a warning of numpy's about what h5py notes in the type."""
    found = run("export", str(values), "-o", str(tmp_path / "all.npz"))
    assert (found.code, found.err) == (0, "")
    with np.load(tmp_path / "all.npz") as archive:
        assert archive["tags"].tolist() == [b"\xb5m"]


def test_shown_to_people(run: Any, path: Path, tmp_path: Path) -> None:  # noqa: F811
    tree: Result = run("tree", str(path))
    assert "Meßgerät" in tree.out
    assert "[µm]" in tree.out
    assert "Bemärkung = 7" in run("info", str(path), ARRAY).out
    picture = tmp_path / "picture.png"
    assert run("plot", str(path), ARRAY, "-o", str(picture)).code == 0
    assert matplotlib.image.imread(picture).std() > 0
    archive = tmp_path / "all.npz"
    assert run("export", str(path), "-o", str(archive)).code == 0
    with zipfile.ZipFile(archive) as found:
        assert r"Me\udcdfger\udce4t/L\udce4nge.npy" in found.namelist()
