"""What is particular to the h5py driver: packed streams, followers' handles, crashed files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import CARRAY, EARRAY, GROUP, VLARRAY, FlushPolicy, H5Backend
from h5backends.drivers import registry
from h5backends.errors import FileCrashedError
from h5backends.journal import JournalFile

CODECS = sorted(registry.load("h5py").codecs() - {"shuffle", "fletcher32"})

# Opens a file, appends and flushes, says so, and waits to be killed.
WRITER = """
import sys
from h5backends import H5Backend
h5 = H5Backend("h5py")
h5.open_file(sys.argv[1], "w", swmr_mode=True)
array = h5.create_earray("/", "a", "float64", (3,))
if sys.argv[2] == "swmr":
    h5.enable_swmr()
for row in range(100):
    array.append([row, row, row])
h5.flush()
print("flushed", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("codec", CODECS)
def test_a_packed_stream_flushed_at_every_row(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "packed.h5"
    rows = np.arange(100 * 50, dtype=np.int32).reshape(100, 50)
    with H5Backend("h5py", FlushPolicy(seconds=None)) as h5:
        h5.open_file(path, "w")
        h5.define_compression(codec, fletcher32=True)
        array = h5.create_earray("/", "a", "int32", (50,), chunks=(16, 50))
        for count, row in enumerate(rows, 1):
            array.append(row)
            h5.flush()
            if count in {1, 17, 90}:
                assert np.array_equal(array[:], rows[:count])
    with h5py.File(path) as file:
        assert np.array_equal(file["a"][:], rows)
    # Going on after it was closed finds the unfinished chunk and finishes it.
    with H5Backend("h5py") as h5:
        h5.open_file(path, "a")
        h5.get_node("/a").append(rows[:12])
        h5.get_node("/a").append(rows[0])
    with h5py.File(path) as file:
        assert np.array_equal(file["a"][:], np.concatenate([rows, rows[:12], rows[:1]]))


def test_two_nodes_of_one_array_can_both_follow(tmp_path: Path) -> None:
    path = tmp_path / "live.h5"
    with H5Backend("h5py") as writer, H5Backend("h5py") as reader:
        writer.open_file(path, "w", swmr_mode=True)
        array = writer.create_earray("/", "a", "float64", (4, 4))
        writer.enable_swmr()
        reader.open_file(path, "r", swmr_mode=True)
        first, second = reader.get_node("/a"), reader.root()["a"]
        third = next(node for node in reader.walk_nodes("/") if node.name == "a")
        for count in range(1, 6):
            array.append(np.full((4, 4), count, float))
            writer.flush()
            for node in (first, second, third):
                node.refresh()
                assert node.shape == (count, 4, 4)
                assert node[-1, 0, 0] == count
        assert first == second == third


@pytest.mark.parametrize("mode", ["plain", "swmr"])
def test_a_crashed_file_is_shown_and_not_written(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "crashed.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"flushed"
        child.kill()
    before = path.read_bytes()
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        assert np.array_equal(h5.get_node("/a")[:, 0], np.arange(100))
        with pytest.raises(FileCrashedError, match="repair"):
            h5.open_file(path, "a")
    assert path.read_bytes() == before


def test_kinds_of_arrays_that_lie_in_one_piece(tmp_path: Path) -> None:
    """Rows of any length are found among them, also where their storage looks like numbers."""
    path = tmp_path / "kinds.h5"
    with h5py.File(path, "w") as file:
        for count in (1, 2, 3):
            rows = file.create_dataset(f"ragged{count}", (count,), h5py.vlen_dtype("f8"))
            rows[0] = [1.0, 2.0]
            file[f"eights{count}"] = np.arange(float(count))
            file[f"pairs{count}"] = np.arange(count) * 1j
            file[f"bytes{count}"] = np.arange(count, dtype="u1")
        file["scalar"] = 1.0
        file.create_dataset("never written", (3,), "f8")
        file.create_dataset("grows", (0,), "f8", maxshape=(None,))
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        kinds = {node.name: type(node) for node in h5.walk_nodes("/", only_groups=False)}
        for name, kind in kinds.items():
            expected: type = CARRAY
            if name.startswith("ragged"):
                expected = VLARRAY
            elif name in {"grows", "/"}:
                expected = {"grows": EARRAY, "/": GROUP}[name]
            assert kind is expected, name
        assert len(kinds) == 16
        assert [list(row) for row in h5.read("/ragged2")] == [[1.0, 2.0], []]


def test_a_dataset_found_by_a_walk_is_a_whole_one(tmp_path: Path) -> None:
    """It is set up only when it is used; then nothing of h5py's is missing."""
    path = tmp_path / "late.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.arange(100), chunks=(10,), compression="gzip")
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        (found,) = [node.node for node in h5.walk_nodes("/") if node.name == "a"]
        assert isinstance(found, h5py.Dataset)
        assert (found.chunks, found.compression) == ((10,), "gzip")
        assert np.array_equal(found[5:15], np.arange(5, 15))
        assert list(found.iter_chunks())[1] == (slice(10, 20, 1),)
        assert not hasattr(found, "no_such_thing")
        assert not hasattr(found, "_no_such_thing")


@pytest.mark.parametrize("codec", CODECS)
def test_rows_that_do_not_get_smaller_are_kept(codec: str, tmp_path: Path) -> None:
    """Some filters refuse them; HDF5 then fails to flush, unless it may leave the filter out."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 100_000), np.uint8)
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        h5.define_compression(codec)
        array = h5.create_earray("/", "array", "u1", (100_000,), chunks=(2, 100_000))
        for row in noise:
            array.append(row)
        h5.flush()
        np.testing.assert_array_equal(array.read(), noise)
    with h5py.File(tmp_path / "file.h5") as file:
        np.testing.assert_array_equal(file["array"], noise)


# -- the chunk cache ----------------------------------------------------------------------------
def _found(h5: H5Backend, how: str) -> EARRAY:
    """Return the array as programs come to it: by its path, its name, or a walk."""
    if how == "path":
        node = h5.get_node("/g/a")
    elif how == "name":
        node = h5.get_node("/g").children()["a"]
    else:
        (node,) = (each for each in h5.walk_nodes("/") if each.name == "a")
    assert isinstance(node, EARRAY)
    return node


@pytest.mark.parametrize("how", ["path", "name", "walk"])
@pytest.mark.parametrize("again", [False, True], ids=["the same file", "opened again"])
def test_a_flush_writes_what_was_appended_and_not_the_chunk(
    how: str, again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 writes whole chunks of an array that is opened with a chunk cache."""
    written: list[int] = []
    write = JournalFile.write

    def counted(self: JournalFile, pieces: Any, *args: Any) -> None:
        written.append(sum(len(data) for _, data in pieces))
        write(self, pieces, *args)

    with H5Backend("h5py", FlushPolicy(seconds=None)) as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.create_earray(h5.get_set_group("/", "g"), "a", "float64")
        if again:
            h5.close_file()
            h5.open_file(tmp_path / "a.h5", "a")
        array = _found(h5, how)
        array.append(np.zeros(10))
        h5.flush()
        monkeypatch.setattr(JournalFile, "write", counted)
        for row in range(3):
            array.append(float(row))
            h5.flush()
        assert np.array_equal(array[-3:], [0, 1, 2])
    assert len(written) >= 3
    assert max(written[:3]) < 2048, "a chunk is 64 KiB"


@pytest.mark.parametrize(("codec", "room"), [(None, 0), ("gzip", 1 << 21)])
def test_an_array_opened_again_has_the_cache_of_a_new_one(
    codec: str | None, room: int, tmp_path: Path
) -> None:
    """A packed one holds a chunk, which would be unpacked and packed again for every row."""
    rows = np.arange(2000.0).reshape(20, 100)
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.define_compression(codec, 1)
        h5.create_earray("/", "a", "float64", (100,), chunks=((1 << 21) // 800 + 1, 100))
        h5.close_file()
        h5.open_file(tmp_path / "a.h5", "a")
        array = h5.get_node("/a")
        assert isinstance(array, EARRAY)
        size = array.handle.id.get_access_plist().get_chunk_cache()[1]
        assert size >= room if room else size == 0
        array.append(rows)
        assert np.array_equal(array[:], rows)
        h5.close_file()
        h5.open_file(tmp_path / "a.h5", "r")
        assert np.array_equal(h5.get_node("/a")[:], rows)  # type: ignore[index]


def test_arrays_of_other_layouts_are_opened_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["whole"] = np.arange(5)
        file.create_dataset("none", dtype="f8", shape=(4,))  # not allocated
        file.create_dataset("ragged", dtype=h5py.vlen_dtype("i4"), shape=(2,), chunks=(1,))
        layout = h5py.VirtualLayout((5,), "i8")
        layout[:] = h5py.VirtualSource(".", "whole", (5,))
        file.create_virtual_dataset("virtual", layout)
        file["linked"] = h5py.SoftLink("/grown")
        file.create_dataset("grown", data=np.arange(6), maxshape=(None,), chunks=(4,))
    with H5Backend("h5py") as h5:
        h5.open_file(path, "a")
        for name in ("whole", "virtual"):
            assert np.array_equal(h5.get_node(f"/{name}")[:], np.arange(5))  # type: ignore[index]
        assert h5.get_node("/none").shape == (4,)  # type: ignore[attr-defined]
        linked = h5.get_node("/linked")
        assert isinstance(linked, EARRAY)
        linked.append(6)
        assert np.array_equal(h5.get_node("/grown")[:], np.arange(7))  # type: ignore[index]
        names = {node.name for node in h5.walk_nodes("/")}
        assert names >= {"whole", "none", "ragged", "virtual", "grown"}
