"""New files of both local drivers: whatever byte is damaged, no reader gets wrong rows for right.

h5py and PyTables themselves read, for they are what other people use.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pytest
import tables

from h5backends import H5Backend
from h5backends.drivers._tables import opening
from h5backends.errors import UnsupportedError
from h5backends.superblock import read_superblock

ROWS = np.arange(1600, dtype=np.int32).reshape(200, 8)
CHUNK = 10
LOCAL = ["h5py", "tables"]
OLD = {"libver": "earliest"}


def record(
    path: pathlib.Path, driver: str, mode: str = "w", name: str = "a", **extra: Any
) -> None:
    with H5Backend(driver) as h5:
        h5.open_file(path, mode, **extra)
        h5.define_compression("gzip", 1, fletcher32=True)
        array = h5.create_earray("/", name, "int32", (8,), chunks=(CHUNK, 8))
        array.append(ROWS)


def index_bytes(content: bytes) -> Iterator[int]:
    """Positions in the pieces that say where chunks are, in either format."""
    for kind, size in ((b"EAHD", 72), (b"EAIB", 200), (b"EADB", 200), (b"TREE", 600)):
        for found in re.finditer(kind, content):
            yield from range(found.start(), min(found.start() + size, len(content)))


def wrong_reads(path: pathlib.Path, content: bytes) -> list[int]:
    """Change each byte of the index in turn; return those with which other rows are read."""
    wrong = []
    for place in index_bytes(content):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            with h5py.File(path, "r") as file:
                if not np.array_equal(file["a"][:], ROWS):
                    wrong.append(place)
        except (OSError, RuntimeError, KeyError, ValueError):
            continue
    return wrong


@pytest.mark.parametrize("driver", LOCAL)
def test_a_damaged_index_is_noticed(tmp_path: pathlib.Path, driver: str) -> None:
    path = tmp_path / "f.h5"
    record(path, driver)
    content = path.read_bytes()
    assert len(list(index_bytes(content))) > 200
    assert wrong_reads(path, content) == []


def test_in_the_oldest_format_it_is_not(tmp_path: pathlib.Path) -> None:
    """Why new files are not of that format; and that the test above can fail."""
    path = tmp_path / "f.h5"
    record(path, "tables", **OLD)
    assert wrong_reads(path, path.read_bytes())


@pytest.mark.parametrize("mode", ["w", "x", "a"])
def test_new_files(tmp_path: pathlib.Path, mode: str) -> None:
    """Superblock 2: with checksums, without a mark that keeps others out after a kill."""
    path = tmp_path / "f.h5"
    record(path, "tables", mode)
    for turn in range(2):
        assert read_superblock(path).version == 2
        assert b"TREE" not in path.read_bytes()
        record(path, "tables", "r+", name=f"b{turn}")
    with tables.open_file(path, "r+") as file:
        assert isinstance(file.root.a, tables.EArray)
        file.root.a.append(ROWS[:3])
    with h5py.File(path, "r") as file:
        assert np.array_equal(file["a"][:], np.vstack([ROWS, ROWS[:3]]))
        assert np.array_equal(file["b1"][:], ROWS)


@pytest.mark.parametrize("libver", ["earliest", ("earliest", "latest"), ["earliest", "v110"]])
def test_the_oldest_format_when_asked_for(tmp_path: pathlib.Path, libver: Any) -> None:
    path = tmp_path / "f.h5"
    record(path, "tables", libver=libver)
    content = path.read_bytes()
    assert read_superblock(path).version == 0
    assert b"OHDR" not in content
    assert b"TREE" in content


@pytest.mark.parametrize("libver", ["v110", ("v110", "v110"), None])
def test_the_default_by_its_name(tmp_path: pathlib.Path, libver: Any) -> None:
    path = tmp_path / "f.h5"
    record(path, "tables", libver=libver)
    assert read_superblock(path).version == 2


@pytest.mark.parametrize("libver", ["latest", "v108", ("v114", "latest"), "newest", ()])
def test_other_formats_are_refused(tmp_path: pathlib.Path, libver: Any) -> None:
    path = tmp_path / "f.h5"
    with pytest.raises(UnsupportedError, match=r"libver='v110'.*'earliest'"):
        record(path, "tables", libver=libver)
    assert not path.exists()


def test_in_a_file_that_exists_new_arrays_are_like_the_others(tmp_path: pathlib.Path) -> None:
    old, new = tmp_path / "old.h5", tmp_path / "new.h5"
    with tables.open_file(old, "w"):
        pass
    with h5py.File(new, "w", libver=("v110", "v110")):
        pass
    for path in (old, new):
        record(path, "tables", "r+")
    assert b"OHDR" not in old.read_bytes()
    assert b"TREE" not in new.read_bytes()
    assert (read_superblock(old).version, read_superblock(new).version) == (0, 3)


def test_long_attributes_are_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "f.h5"
    values = np.arange(20_000.0)
    record(path, "tables")
    with H5Backend("tables") as h5:
        h5.open_file(path, "r+")
        for node in (h5.root(), h5.get_set_group("/", "group"), h5.get_node("/a")):
            node.attrs["long"] = values
    with h5py.File(path, "r") as file:
        for each in (file, file["group"], file["a"]):
            assert np.array_equal(each.attrs["long"], values)
    with tables.open_file(path, "r") as file:
        assert np.array_equal(file.root.a._v_attrs.long, values)


WRITER = """
import os, sys
import numpy as np
from h5backends import H5Backend

h5 = H5Backend("tables")
h5.open_file(sys.argv[1], "w")
array = h5.create_earray("/", "a", "int32", (8,))
for number in range(200):
    array.append(np.full(8, number, "int32"))
h5.flush()
print("flushed", flush=True)
sys.stdin.read()
"""


def test_other_programs_open_what_a_kill_left_behind(tmp_path: pathlib.Path) -> None:
    """No mark is in their way, and nothing has to be mended first."""
    path = tmp_path / "f.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "flushed\n"
        writer.kill()
    right = np.repeat(np.arange(200, dtype="int32")[:, None], 8, axis=1)
    with h5py.File(path, "r") as file:
        assert np.array_equal(file["a"][:], right)
    with tables.open_file(path, "r") as file:
        assert np.array_equal(file.root.a[:], right)


def test_without_hdf5s_functions(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTables makes the file alone, in its format; long attributes are spread over several."""
    monkeypatch.setattr(opening, "_functions", lambda: None)
    path = tmp_path / "f.h5"
    record(path, "tables")
    assert read_superblock(path).version == 0
    with H5Backend("tables") as h5:
        h5.open_file(path, "r+")
        h5.get_node("/a").attrs["long"] = np.arange(20_000.0)
        assert np.array_equal(h5.get_node("/a").attrs["long"], np.arange(20_000.0))
