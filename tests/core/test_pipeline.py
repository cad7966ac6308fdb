"""Filters applied outside of HDF5: what HDF5 makes of the same bytes, and back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import zlib
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from h5backends import filter_plugins
from h5backends.filters import FILTER_IDS
from h5backends.pipeline import (
    FLETCHER32,
    SHUFFLE,
    FilterStep,
    Packed,
    Pipeline,
    as_array,
    pipeline,
)

CODECS: dict[str | None, dict[str, Any]] = {
    None: {},
    "gzip": {"compression": "gzip", "compression_opts": 6},
    "lz4": dict(hdf5plugin.LZ4()),
    "zstd": dict(hdf5plugin.Zstd(3)),
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
    "blosc": dict(hdf5plugin.Blosc("blosclz", 5)),
    "blosc2": dict(hdf5plugin.Blosc2("zstd", 3)),
}
DTYPES = ("u1", "<u2", ">i4", "<f8", "c16", "S7", "?")
RAW = bytes(range(256)) * 20
BROKEN = (zlib.error, isal_zlib.error)


def dataset(path: Path, values: np.ndarray, **filters: Any) -> h5py.Dataset:
    """Make an array of one chunk with HDF5's own filters."""
    file = h5py.File(path, "w")
    return file.create_dataset("a", data=values, chunks=values.shape, **filters)


def pipeline_of(made: h5py.Dataset) -> Pipeline:
    creation = made.id.get_create_plist()
    found = (creation.get_filter(i) for i in range(creation.get_nfilters()))
    steps = pipeline(tuple(FilterStep(each[0], each[2]) for each in found))
    assert steps is not None
    return steps


def packed(steps: Pipeline, raw: bytes) -> Packed:
    memory = steps.allocate(len(raw))
    as_array(memory)[...] = np.frombuffer(raw, np.uint8)
    return steps.pack(memory)


def values_of(dtype: str, count: int, noise: bool) -> np.ndarray:
    random = np.random.default_rng(count)
    size = np.dtype(dtype).itemsize * count
    raw = random.integers(0, 256 if noise else 4, size, np.uint8)
    return (raw % 2 if dtype == "?" else raw).view(dtype)


@pytest.mark.parametrize(
    ("codec", "shuffle", "fletcher32"), list(product(CODECS, (False, True), (False, True)))
)
def test_as_hdf5_does_it(
    codec: str | None, shuffle: bool, fletcher32: bool, tmp_path: Path
) -> None:
    """Packed here, read by HDF5; packed by HDF5, read here; the same bytes."""
    filters = {**CODECS[codec], "shuffle": shuffle, "fletcher32": fletcher32}
    cases = product(DTYPES, (1, 2, 63, 10_001), (False, True))
    for number, (dtype, count, noise) in enumerate(cases):
        values = values_of(dtype, count, noise)
        made = dataset(tmp_path / f"{number}.h5", values, **filters)
        steps = pipeline_of(made)
        mask, theirs = made.id.read_direct_chunk((0,))
        assert steps.unpack(mask, theirs).tobytes() == values.tobytes()
        ours = packed(steps, values.tobytes())
        if codec != "gzip":
            assert ours.mask == mask
            assert as_array(ours.data).tobytes() == theirs
        made.id.write_direct_chunk((0,), as_array(ours.data), ours.mask)
        made.file.close()
        with h5py.File(tmp_path / f"{number}.h5") as file:
            np.testing.assert_array_equal(file["a"][:], values)


@given(st.binary(min_size=0, max_size=3000), st.integers(0, 200))
def test_the_checksum(raw: bytes, repeat: int) -> None:
    """Against the sum written out as HDF5's documentation has it, over long and short bytes."""
    raw = raw * repeat
    padded = raw + b"\0" * (len(raw) % 2)
    low = high = 0
    for word in np.frombuffer(padded, ">u2").tolist():
        low += word
        low = (low & 0xFFFF) + (low >> 16)
        high += low
        high = (high & 0xFFFF) + (high >> 16)
    steps = pipeline((FilterStep(FLETCHER32, ()),))
    assert steps is not None
    done = as_array(packed(steps, raw).data).tobytes()
    assert done == raw + (high << 16 | low).to_bytes(4, "little")
    assert steps.unpack(0, done).tobytes() == raw


@cache
def made(codec: str) -> tuple[Pipeline, bytes]:
    """Return the filters of a codec with a checksum behind it, and what they make of RAW."""
    values = np.frombuffer(RAW, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        array = dataset(Path(folder) / "file.h5", values, **CODECS[codec], fletcher32=True)
        steps = pipeline_of(array)
        array.file.close()
    return steps, as_array(packed(steps, RAW).data).tobytes()


@pytest.mark.parametrize("codec", [name for name in CODECS if name])
@given(place=st.integers(0, 1 << 20), flip=st.integers(1, 255))
def test_a_damaged_chunk_is_refused(codec: str, place: int, flip: int) -> None:
    steps, good = made(codec)
    bad = bytearray(good)
    bad[place % len(good)] ^= flip
    with pytest.raises(ValueError, match="checksum"):
        steps.unpack(0, bytes(bad))
    assert steps.unpack(0, good).tobytes() == RAW


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
@given(place=st.integers(0, 1 << 20), flip=st.integers(1, 255))
def test_a_damaged_chunk_without_checksum_gives_an_error_or_other_bytes(
    codec: str, place: int, flip: int
) -> None:
    steps, good = made(codec)
    bad = bytearray(good)
    bad[place % (len(good) - 4)] ^= flip
    with contextlib.suppress(ValueError, OSError, RuntimeError, MemoryError, *BROKEN):
        steps.unpack(1 << 1, bytes(bad[:-4]))  # the checksum is left out


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 16, 40])
def test_bytes_are_shuffled_alike_with_and_without_blosc(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (0, 1, size, 2 * size - 1, 2 * size, 3 * size + 1, 5000, 70_001):
        raw = np.random.default_rng(count).integers(0, 256, count, np.uint8).tobytes()
        found = []
        for native in (True, False):
            with monkeypatch.context() as patch:
                pipeline.cache_clear()
                if not native:
                    patch.setattr(filter_plugins, "shuffles", lambda: None)
                steps = pipeline((FilterStep(SHUFFLE, (size,)),))
                assert steps is not None
                found.append(as_array(packed(steps, raw).data).tobytes())
                assert steps.unpack(0, found[-1]).tobytes() == raw
        pipeline.cache_clear()
        assert found[0] == found[1]


def test_filters_that_are_not_known_here_are_left_to_hdf5() -> None:
    assert pipeline((FilterStep(FILTER_IDS["lzf"], (4, 261, 80)),)) is None
    assert pipeline((FilterStep(1, (4,)), FilterStep(32013, ()))) is None
    # Damaged parameters, by which some plugins divide.
    for wrong in ((SHUFFLE, (0,)), (1, (77,)), (32001, (2, 2, 0, 9)), (32008, (0, 4, 0))):
        assert pipeline((FilterStep(*wrong),)) is None


def test_a_level_that_the_fast_libraries_lack_is_zlibs(tmp_path: Path) -> None:
    raw = np.arange(50_000, dtype=np.int32).tobytes()
    sizes = [
        len(as_array(packed(steps, raw).data))
        for level in range(10)
        if (steps := pipeline((FilterStep(1, (level,)),))) is not None
    ]
    assert sizes[0] > len(raw)  # level 0 stores
    assert max(sizes[1:]) < len(raw)
    assert sizes[9] <= sizes[4] <= 1.02 * sizes[1]


@pytest.mark.parametrize("codec", ["blosc", "blosc2"])
def test_blosc_starts_no_threads_of_its_own_unless_told(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (2, 2, 2, 0, 5, 1, 0)
    monkeypatch.setenv("BLOSC_NTHREADS", "3")
    assert pipeline.__wrapped__((FilterStep(FILTER_IDS[codec], values),))
    assert os.environ["BLOSC_NTHREADS"] == "3", "whoever has chosen their number keeps it"
    monkeypatch.delenv("BLOSC_NTHREADS")
    assert pipeline.__wrapped__((FilterStep(FILTER_IDS[codec], values),))
    assert os.environ.pop("BLOSC_NTHREADS") == "1"


@pytest.mark.parametrize("how", ["tells", "is silent", "reports an error"])
def test_a_filter_puts_larger_memory_in_place_of_what_it_got(how: str) -> None:
    """The silent ones are lz4 and blosc2 of hdf5plugin 5.1: the room stays as it was."""
    library = filter_plugins._library()
    if library is None:
        pytest.skip("the HDF5 library that plugins work for cannot be reached here")

    def doubles(_flags: int, _n: int, _values: Any, nbytes: int, room: Any, memory: Any) -> int:
        new = library.H5allocate_memory(2 * nbytes, False)
        old = ctypes.string_at(memory[0], nbytes)
        ctypes.memmove(new, old * 2, 2 * nbytes)
        library.H5free_memory(memory[0])
        memory[0] = new
        if how == "tells":
            room[0] = 2 * nbytes
        return 2**64 - 9 if how == "reports an error" else 2 * nbytes

    description = filter_plugins._Description(filter=filter_plugins._Filter(doubles))
    each = filter_plugins.PluginFilter(description)
    memory = filter_plugins.Memory(5)
    memory.array()[:] = np.frombuffer(b"abcde", np.uint8)
    if how == "reports an error":
        with pytest.raises(filter_plugins.BytesLostError):
            each.run(memory, (ctypes.c_uint * 1)(0))
        return
    assert each.run(memory, (ctypes.c_uint * 1)(0))
    assert memory.array().tobytes() == b"abcdeabcde"
    assert memory.room == 10
