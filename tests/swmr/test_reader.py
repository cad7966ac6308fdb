"""Opening a file for reading whatever its writer is doing, and keeping up with it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import (
    collect_datasets,
    is_file_swmr_active,
    open_h5_file_for_reading,
    refresh_cached,
    refresh_datasets,
)
from h5backends.errors import (
    FileBusyError,
    FileClosedError,
    FileCrashedError,
    FileFormatError,
    FileMissingError,
    StorageError,
)
from h5backends.overlay import MendedFile
from h5backends.superblock import patched, read_superblock
from h5backends.swmr import reader
from tests.swmr.child_writer import expected
from tests.swmr.writers import (
    ALL_KINDS,
    PLAIN_KINDS,
    SWMR_KINDS,
    Writer,
    assert_rows,
    crashed,
    digest,
    small_file,
    until,
)

V110 = ("v110", "v110")


# -- finished files ---------------------------------------------------------------------------
@pytest.mark.parametrize("swmr", ["auto", False, True])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_finished_file(tmp_path: Path, swmr: Any, as_text: bool) -> None:
    path = small_file(tmp_path / "f.h5", libver=V110)
    file, is_swmr = open_h5_file_for_reading(str(path) if as_text else path, swmr=swmr)
    with file:
        assert is_swmr is (swmr is True)
        assert_rows(file, 200)


def test_what_is_not_there_or_not_hdf5(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError):
        open_h5_file_for_reading(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("a,b\n1,2\n")
    for content, found in (("a,b\n", "text"), ("", "empty")):
        text.write_text(content)
        started = time.monotonic()
        with pytest.raises(FileFormatError, match=found):
            open_h5_file_for_reading(text)
        assert time.monotonic() - started < 5
    with pytest.raises(FileFormatError, match="directory"):
        open_h5_file_for_reading(tmp_path)
    path = small_file(tmp_path / "f.h5")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="cut short"):
        open_h5_file_for_reading(path)
    with pytest.raises(ValueError, match="swmr"):
        open_h5_file_for_reading(path, swmr="always")  # type: ignore[arg-type]


# -- beside a writer --------------------------------------------------------------------------
@pytest.mark.parametrize("beat", [None, 0.5])
@pytest.mark.parametrize("kind", SWMR_KINDS)
@pytest.mark.parametrize("swmr", ["auto", True])
def test_beside_a_swmr_writer(tmp_path: Path, kind: str, beat: float | None, swmr: Any) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, beat=beat) as writer:
        assert is_file_swmr_active(path)
        file, is_swmr = open_h5_file_for_reading(path, swmr=swmr)
        with file:
            assert is_swmr
            cache = collect_datasets(file["group"])
            array = cache["/group/array"]
            assert array.shape == (1000, 4)
            assert int(writer.tell("append")) == 1010
            refresh_cached(cache)
            assert array.shape == (1010, 4)
            np.testing.assert_array_equal(array[:], expected(0, 1010))
            assert int(writer.tell("append")) == 1020
            refresh_datasets(file)
            assert file["group/array"].shape == (1020, 4)
            np.testing.assert_array_equal(file["group/array"][:], expected(0, 1020))
            # A reader's lock must not keep the writer from finishing and starting anew.
            writer.close()
            reopen = "import h5py, sys; h5py.File(sys.argv[1], 'r+').close()"
            subprocess.run([sys.executable, "-c", reopen, str(path)], check=True)
    assert not is_file_swmr_active(path)


@pytest.mark.parametrize("kind", SWMR_KINDS)
def test_refreshing_beside_datasets_that_are_held(tmp_path: Path, kind: str) -> None:
    """HDF5 cannot read an array that was refreshed while open through two handles."""
    path = tmp_path / "f.h5"
    with Writer(path, kind) as writer, open_h5_file_for_reading(path)[0] as file:
        held = file["group/array"]
        held[:]
        for count in range(1, 5):
            rows = 1000 + 10 * count
            assert int(writer.tell("append")) == rows
            refresh_datasets(file if count % 2 else file["group"])
            assert held.id.shape == (rows, 4)
            np.testing.assert_array_equal(held[:1000], expected(0, 1000))
            refresh_cached({"x": held})
            np.testing.assert_array_equal(held[:], expected(0, rows))
        del held
        assert int(writer.tell("append")) == 1050
        refresh_datasets(file)
        assert_rows(file, 1050)


def test_swmr_false_beside_a_swmr_writer(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "swmr") as writer:
        with pytest.raises(FileBusyError, match="auto") as caught:
            open_h5_file_for_reading(path, swmr=False)
        assert str(writer.pid) in str(caught.value)


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_beside_a_plain_writer(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind) as writer:
        assert not is_file_swmr_active(path)
        for swmr in ("auto", True, False):
            with pytest.raises(FileBusyError) as caught:
                open_h5_file_for_reading(path, swmr=swmr)  # type: ignore[arg-type]
            assert str(writer.pid) in str(caught.value)
            assert swmr is True or "enable_swmr" in str(caught.value)
        writer.close()
        file, is_swmr = open_h5_file_for_reading(path)
        with file:
            assert not is_swmr
            assert_rows(file, 1000)


def test_beside_a_writer_in_the_same_program(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver=V110) as writer:
        array = writer.create_dataset("x", (0,), maxshape=(None,), dtype="f8", chunks=(8,))
        writer.flush()
        file, is_swmr = open_h5_file_for_reading(path)
        file.close()
        assert not is_swmr
        writer.swmr_mode = True
        file, is_swmr = open_h5_file_for_reading(path)
        assert is_swmr
        array.resize((5,))
        array.flush()
        refresh_datasets(file)
        assert file["x"].shape == (5,)
        file.close()


def test_waits_for_the_switch_to_swmr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "swmr-late") as writer:
        with pytest.raises(FileBusyError):
            open_h5_file_for_reading(path)
        monkeypatch.setattr(reader, "_PATIENCE", 60.0)
        timer = threading.Timer(0.05, writer.tell, ["swmr"])
        timer.start()
        file, is_swmr = open_h5_file_for_reading(path)
        timer.join()
        with file:
            assert is_swmr
            assert_rows(file, 1000)


CREATE_SLOWLY = """
import sys, time
import h5py
path = sys.argv[1]
open(path, "wb").close()
print("empty", flush=True)
sys.stdin.readline()
time.sleep(0.1)
with h5py.File(path, "w", libver=("v110", "v110")) as file:
    file["x"] = 1
    file.swmr_mode = True
    print("there", flush=True)
    sys.stdin.readline()
"""


def test_waits_while_a_file_is_being_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PATIENCE", 60.0)  # on a loaded machine the child is slow
    path = tmp_path / "f.h5"
    with subprocess.Popen(
        [sys.executable, "-c", CREATE_SLOWLY, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "empty\n"
        child.stdin.write("\n")
        child.stdin.flush()
        file, is_swmr = open_h5_file_for_reading(path)
        with file:
            assert is_swmr
            assert file["x"][()] == 1
        child.stdin.write("\n")


# -- after a crash ----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("beat", [None, 0.5])
def test_after_a_crash(tmp_path: Path, kind: str, beat: float | None) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, beat=beat) as writer:
        rows = writer.kill()
    before = digest(path)
    assert not is_file_swmr_active(path)
    for swmr in ("auto", False):
        file, is_swmr = open_h5_file_for_reading(path, swmr=swmr)  # type: ignore[arg-type]
        with file:
            assert not is_swmr
            assert_rows(file, rows)
            refresh_datasets(file)
            assert Path(file.filename) == path
            with pytest.raises((ValueError, OSError, KeyError)):
                file["new"] = 1
    assert digest(path) == before


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_swmr_true_after_a_crash(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    rows = crashed(path, kind)
    if kind.startswith("swmr"):
        file, is_swmr = open_h5_file_for_reading(path, swmr=True)
        with file:
            assert is_swmr
            assert_rows(file, rows)
    else:
        with pytest.raises(FileCrashedError, match="repair"):
            open_h5_file_for_reading(path, swmr=True)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["swmr", "plain", "tables"])
def test_killed_at_a_random_moment(tmp_path: Path, kind: str, seed: int) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, "run") as writer:
        goal = 50 * 3**seed
        until(lambda: writer.rows >= min(goal, 4000))
        rows = writer.kill()
    file, _ = open_h5_file_for_reading(path)
    with file:
        assert_rows(file, rows)
        array = file["group/array"]
        if kind != "tables":
            # What was not promised may be there, but is never torn. PyTables may have written the
            # extent of a flush that was cut short, and not its rows: they read as zeros.
            np.testing.assert_array_equal(array[:], expected(0, array.shape[0]))


def test_rows_behind_the_recorded_end(tmp_path: Path) -> None:
    """A file whose mark was cleared by another tool, but not its end."""
    path = tmp_path / "f.h5"
    rows = crashed(path, "swmr")
    block = read_superblock(path)
    assert block.end < block.file_size
    with open(path, "r+b") as file:
        file.write(patched(block, end=block.end))
    with open_h5_file_for_reading(path)[0] as file:
        assert_rows(file, rows)


def test_a_crashed_file_that_makes_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain")
    block = read_superblock(path)
    content = bytearray(path.read_bytes())
    assert block.root is not None
    content[block.root : block.root + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="h5backends check"):
        open_h5_file_for_reading(path)


def test_a_file_that_is_replaced_under_its_reader(tmp_path: Path) -> None:
    path, new = tmp_path / "f.h5", tmp_path / "new.h5"
    with Writer(path, "swmr") as writer:
        old, _ = open_h5_file_for_reading(path)
        with h5py.File(new, "w", libver=V110) as file:
            file["other"] = 1
        if sys.platform == "win32":
            old.close()
            pytest.skip("Windows does not let a file be replaced that is open")
        new.replace(path)
        with old:
            assert int(writer.tell("append")) == 1010
            refresh_datasets(old)
            assert_rows(old, 1010)
        with open_h5_file_for_reading(path)[0] as file:
            assert list(file) == ["other"]


# -- the overlay ------------------------------------------------------------------------------
def test_the_overlay_reads_like_the_mended_file(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "swmr-userblock")
    block = read_superblock(path)
    mended = bytearray(path.read_bytes())
    mended[block.offset : block.offset + len(block.raw)] = patched(block)
    overlay = MendedFile(path)
    assert overlay.read() == mended
    assert overlay.tell() == overlay.seek(0, 2) == len(mended)
    for start in (
        0,
        1000,
        block.offset - 3,
        block.offset + 10,
        block.offset + 47,
        len(mended) - 5,
    ):
        overlay.seek(start)
        assert overlay.read(20) == mended[start : start + 20]
    buffer = np.zeros(3, "i8")
    overlay.seek(block.offset)
    assert overlay.readinto(buffer.data) == 24
    assert buffer.tobytes() == mended[block.offset : block.offset + 24]
    with pytest.raises(PermissionError):
        overlay.write(b"x")
    with pytest.raises(PermissionError):
        overlay.truncate(0)
    overlay.close()
    overlay.close()


def test_the_overlay_fills_what_was_claimed_but_never_written(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    rows = crashed(path, "plain")
    block = read_superblock(path)
    with open(path, "r+b") as file:
        file.write(patched(block, end=block.file_size + 5000, flags=block.flags))
    overlay = MendedFile(path)
    overlay.seek(block.file_size - 2)
    assert overlay.read()[2:] == bytes(5000)
    overlay.close()
    with open_h5_file_for_reading(path)[0] as file:
        assert_rows(file, rows)


# -- keeping up -------------------------------------------------------------------------------
def test_collecting(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["a"] = 1
        file["deep/er/b"] = [1, 2]
        file["deep/soft"] = h5py.SoftLink("/nowhere")
        file["deep/external"] = h5py.ExternalLink("none.h5", "/")
        file["deep/type"] = np.dtype("f8")
        file.create_group("empty")
    with h5py.File(path, "r") as file:
        assert sorted(collect_datasets(file)) == ["/a", "/deep/er/b"]
        assert sorted(collect_datasets(file["deep"])) == ["/deep/er/b"]
        assert collect_datasets(file["empty"]) == {}
        cache = collect_datasets(file)
        refresh_cached(cache)
    for work in (lambda: refresh_cached(cache), lambda: collect_datasets(file)):
        with pytest.raises(FileClosedError):
            work()


class Node:
    """An array of the facade, as these functions see one."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.refreshed = 0
        self.trouble = trouble

    def refresh(self) -> None:
        self.refreshed += 1
        if self.trouble:
            raise self.trouble


class Group:
    """A group of the facade."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = nodes

    def walk_arrays(self) -> Iterator[tuple[str, Node]]:
        yield from self.nodes.items()


def test_nodes_of_the_facade() -> None:
    one, two = Node(), Node()
    group = Group(one=one, two=two)
    assert collect_datasets(group) == {"one": one, "two": two}
    refresh_datasets(group)
    refresh_cached({"one": one})
    assert (one.refreshed, two.refreshed) == (2, 1)
    with pytest.raises(StorageError, match="node 'x'"):
        refresh_cached({"x": Node(RuntimeError("bad heap pointer"))})


def test_not_active_whatever_the_attribute_says(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver=V110) as file:
        file.attrs["swmr_active"] = True
    assert not is_file_swmr_active(path)
    assert not is_file_swmr_active(tmp_path / "none.h5")
    assert not is_file_swmr_active(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    assert not is_file_swmr_active(tmp_path / "text.h5")


def test_importing_loads_no_library() -> None:
    program = (
        "import sys, h5backends.swmr; "
        "from h5backends import open_h5_file_for_reading; "
        "assert not {'h5py', 'tables', 'h5pyd', 'psutil'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
