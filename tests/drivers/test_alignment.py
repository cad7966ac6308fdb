"""Large pieces begin where copying is fast, whatever was stored before; h5py has a look."""

from __future__ import annotations

import ctypes
import pathlib
from typing import Any

import h5py
import numpy as np
import psutil
import pytest

from h5backends import H5Backend
from h5backends.drivers._tables import opening
from h5backends.errors import FileBusyError, H5Error

SHAPE = (512, 300)
LINE = (2**15,)
"""A line of doubles, in chunks of 256 KiB."""


def addresses(path: pathlib.Path, name: str) -> set[int]:
    with h5py.File(path, "r") as file:
        chunks = file[name].id
        return {
            chunks.get_chunk_info(index).byte_offset % 64
            for index in range(chunks.get_num_chunks())
        }


@pytest.mark.parametrize("mode", ["w", "x", "a", "r+"])
@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_frames_are_aligned(tmp_path: pathlib.Path, driver: str, mode: str) -> None:
    path = tmp_path / "f.h5"
    if mode == "r+":
        with H5Backend("h5py" if driver == "tables" else "tables") as h5:
            h5.open_file(path, "w")
    frames = np.random.default_rng(1).integers(0, 9, (5, *SHAPE)).astype(np.uint16)
    lines = np.random.default_rng(1).normal(size=(130, *LINE))
    with H5Backend(driver) as h5:
        h5.open_file(path, mode)
        h5.create_carray("/", "odd", np.arange(4999, dtype=np.uint8))
        a = h5.create_earray("/", "a", "uint16", SHAPE)
        b = h5.create_earray("/", "b", "float64", LINE)
        for frame in frames:
            a.append(frame)
        for line in lines:  # so many that HDF5's index of the old format needs several nodes
            b.append(line)
    assert addresses(path, "a") == addresses(path, "b") == {0}
    with h5py.File(path, "r") as file:
        assert np.array_equal(file["a"][:], frames)
        assert np.array_equal(file["b"][:], lines)


def test_a_file_of_pytables_is_as_pytables_makes_it(tmp_path: pathlib.Path) -> None:
    """Its first bytes, and what a user's parameters ask for."""
    seen = []
    for name, extra in (("plain", {}), ("block", {"user_block_size": 512})):
        path = tmp_path / f"{name}.h5"
        with H5Backend("tables") as h5:
            h5.open_file(path, "w", **extra)
        with h5py.File(path, "r") as file:
            seen.append((file.userblock_size, dict(file.attrs)))
    assert seen[0][0] == 0
    assert seen[1][0] == 512
    assert seen[0][1] == seen[1][1]
    assert "PYTABLES_FORMAT_VERSION" in seen[0][1]


@pytest.mark.parametrize("mode", ["w", "r+"])
def test_else_a_file_is_used_as_pytables_would(
    tmp_path: pathlib.Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caches are as large as PyTables makes them, with its parameters."""
    library = opening._library()
    assert library is not None
    seen = []
    for name in ("with", "without"):
        path = tmp_path / f"{name}.h5"
        if mode == "r+":
            with H5Backend("tables") as h5:
                h5.open_file(path, "w")
        with H5Backend("tables") as h5:
            h5.open_file(path, mode, chunk_cache_size=12345, chunk_cache_preempt=0.25)
            seen.append(settings(library, h5.session.driver._file.low._v_objectid))
        monkeypatch.setattr(opening, "_functions", lambda: None)
    assert seen[0][:3] == seen[1][:3]
    assert seen[0][1:] == (12345, 0.25, 64)
    assert seen[1][3] == 1


def settings(library: Any, file: int) -> tuple[float, ...]:
    """Return entries and size of the chunk cache, how it drops, and the alignment."""
    access = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(("H5Fget_access_plist", library))
    listed = access(file)
    elements, entries, size = ctypes.c_int(), ctypes.c_size_t(), ctypes.c_size_t()
    dropped = ctypes.c_double()
    pointers = [ctypes.c_void_p] * 4
    cache = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, *pointers)(("H5Pget_cache", library))
    cache(listed, *map(ctypes.addressof, (elements, entries, size, dropped)))
    least, aligned_to = ctypes.c_uint64(), ctypes.c_uint64()
    alignment = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, *pointers[:2])(
        ("H5Pget_alignment", library)
    )
    alignment(listed, *map(ctypes.addressof, (least, aligned_to)))
    ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64)(("H5Pclose", library))(listed)
    return entries.value, size.value, dropped.value, aligned_to.value


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
def test_no_descriptor_is_left(tmp_path: pathlib.Path, mode: str) -> None:
    """Neither by a file that was closed nor by one that could not be opened."""
    good, bad = tmp_path / "good.h5", tmp_path / "bad.h5"
    with H5Backend("tables") as h5:
        h5.open_file(good, "w")
    bad.write_bytes(b"no HDF5 file")

    def opened() -> list[Any]:
        return [each for each in psutil.Process().open_files() if str(tmp_path) in each.path]

    with H5Backend("tables") as h5:
        h5.open_file(good, mode)
    if mode == "w":
        bad = tmp_path / "no such folder" / "f.h5"
    with pytest.raises(H5Error):
        H5Backend("tables").open_file(bad, mode)
    assert not opened()


def test_while_another_has_the_file(tmp_path: pathlib.Path) -> None:
    """It stays as it is."""
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["there"] = 1
        file.flush()
        with pytest.raises(FileBusyError):
            H5Backend("tables").open_file(path, "w")
    with h5py.File(path, "r") as file:
        assert file["there"][()] == 1


@pytest.mark.parametrize("missing", ["the library", "a function", "the list"])
def test_without_hdf5s_functions(
    tmp_path: pathlib.Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTables opens the file alone."""
    if missing == "the library":
        monkeypatch.setattr(opening, "_library", lambda: None)
    elif missing == "a function":
        monkeypatch.setitem(opening._FUNCTIONS, "H5Fno_such_function", (None, ()))
    else:
        monkeypatch.setattr(opening, "_FILE_ACCESS", "H5P_no_such_list")
    opening._functions.cache_clear()
    try:
        assert opening._functions() is None
        path = tmp_path / "f.h5"
        for mode in ("w", "a"):
            with H5Backend("tables") as h5:
                h5.open_file(path, mode)
                h5.create_earray("/", mode, "uint16", SHAPE).append(np.ones(SHAPE, np.uint16))
        with h5py.File(path, "r") as file:
            assert np.all(file["w"][0] == 1)
            assert np.all(file["a"][0] == 1)
    finally:
        opening._functions.cache_clear()
