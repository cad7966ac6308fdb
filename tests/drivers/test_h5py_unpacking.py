"""Large compressed boxes read in threads: the same values as HDF5 gives, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h5backends import FlushPolicy, H5Backend
from h5backends.drivers._h5py import unpacking
from h5backends.errors import H5Error
from tests.core.plain_program import PlainProgram

CODECS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "lzf": {"compression": "lzf"},
    "lz4": dict(hdf5plugin.LZ4()),
    "zstd": dict(hdf5plugin.Zstd()),
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
    "blosc": dict(hdf5plugin.Blosc("zstd")),
    "blosc2": dict(hdf5plugin.Blosc2()),
}
SHAPE, CHUNKS = (23, 300, 41), (4, 128, 41)


@pytest.fixture(scope="module")
def plain() -> Iterator[PlainProgram]:
    with PlainProgram() as program:
        yield program


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Have small boxes decoded in threads too; the list says for each whether it was."""
    monkeypatch.setattr(unpacking, "_LEAST_BYTES", 1)
    read, done = unpacking.read, []

    def counted(*arguments: Any) -> Any:
        found = read(*arguments)
        done.append(found is not None)
        return found

    monkeypatch.setattr(unpacking, "read", counted)
    return done


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).poisson(30, SHAPE)


def boxes() -> st.SearchStrategy[tuple[slice, ...]]:
    edges = [st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted) for n in SHAPE]
    return st.tuples(*edges).map(lambda box: tuple(slice(*edge) for edge in box))


@pytest.mark.parametrize(
    ("codec", "shuffle", "fletcher32"), list(product(CODECS, (False, True), (False, True)))
)
def test_what_others_wrote(
    codec: str,
    shuffle: bool,
    fletcher32: bool,
    plain: PlainProgram,
    values: np.ndarray,
    always: list[bool],
    tmp_path: Path,
) -> None:
    for dtype in ("<u2", ">i4", "<f8", "<c8"):
        path = tmp_path / f"{dtype[1:]}.h5"
        expected = values.astype(dtype)
        filters = {**CODECS[codec], "shuffle": shuffle, "fletcher32": fletcher32}
        plain.write(path, expected, CHUNKS, filters)
        with H5Backend("h5py") as h5:
            h5.open_file(path, "r")
            array = h5.get_node("/array")
            np.testing.assert_array_equal(array[:], expected)
            np.testing.assert_array_equal(array[3:9, 100:299, 5:], expected[3:9, 100:299, 5:])
            assert array[:].dtype == expected.dtype
    filtered = codec != "none" or shuffle or fletcher32
    assert all(always) if filtered and codec != "lzf" else not any(always)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(box=boxes())
def test_any_box(
    box: tuple[slice, ...], values: np.ndarray, always: list[bool], tmp_path: Path
) -> None:
    path = tmp_path / "file.h5"
    if not path.exists():
        with h5py.File(path, "w") as file:
            file.create_dataset("array", data=values, chunks=CHUNKS, compression="gzip")
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        np.testing.assert_array_equal(h5.get_node("/array")[box], values[box])


def test_rows_that_are_not_on_the_disk_yet(always: list[bool], tmp_path: Path) -> None:
    """Of an unfinished chunk, of elements that were changed, and of chunks nobody wrote."""
    rows = np.random.default_rng(0).poisson(30, (60, 1000))
    with H5Backend("h5py", FlushPolicy(seconds=None)) as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        h5.define_compression("zstd")
        array = h5.create_earray("/", "array", "i8", (1000,), chunks=(8, 1000))
        for count, row in enumerate(rows, 1):
            array.append(row)
            if count % 3 == 0:
                np.testing.assert_array_equal(array[:], rows[:count])
            if count % 7 == 0:
                array[count - 5] = rows[count - 5] = row + 1
                np.testing.assert_array_equal(array[:], rows[:count])
        assert any(always)
        fixed = h5.create_carray("/", "fixed", shape=(16, 1000), dtype="i8", chunks=(8, 1000))
        fixed[8:] = rows[:8]
        np.testing.assert_array_equal(fixed[:], np.concatenate([np.zeros((8, 1000)), rows[:8]]))


def test_a_damaged_chunk_is_named(always: list[bool], tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "array", data=np.arange(80_000.0), chunks=(8_000,), compression="gzip"
        )
        place = made.id.get_chunk_info(3).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place + 100)
        raw.write(bytes(50))
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        array = h5.get_node("/array")
        np.testing.assert_array_equal(array[:24_000], np.arange(24_000.0))
        with pytest.raises(H5Error, match=r"file\.h5"):
            array[:]
    assert always == [True, False]
