"""Mapped datasets: rows of a list, in its order, of any array, under any index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.errors import DTypeError, SelectionError, ShapeError
from h5backends.readers import MappedHDF5Dataset, get_mapped_object, get_mapping_indices
from h5backends.readers import mapped as module
from tests.conftest import Place
from tests.readers.test_cache import compare, indices, same


def numbers(count: int) -> np.ndarray[Any, Any]:
    return np.arange(count * 6).reshape(count, 2, 3)


@given(st.data())
def test_any_mapping_and_any_index_as_in_numpy(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    kept = numbers(count)
    rows = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40)))
    chunks = data.draw(st.sampled_from([None, (1, 2, 3), (4, 1, 3), (50, 2, 3)]))
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        stored = file.create_dataset(
            "n",
            data=kept,
            chunks=chunks,
            maxshape=None if chunks is None else (None, 2, 3),
            compression=None if chunks is None else "gzip",
        )
        mapped = MappedHDF5Dataset(stored, rows)
        assert mapped.shape == kept[rows].shape
        assert len(mapped) == len(rows)
        assert mapped.dtype == kept.dtype
        for _ in range(4):
            compare(mapped, kept[rows], data.draw(indices(mapped.shape)))  # type: ignore[arg-type]
        again = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20)), int)
        twice = get_mapped_object(mapped, again)
        same(twice[:], kept[rows][again])
        assert twice.h5ds is stored
        same(np.asarray(twice), kept[rows][again])
        assert len(list(twice)) == len(again)


@pytest.mark.parametrize("mapping", [3, slice(1, 4), slice(None, None, -2), [4, 0, 0, -1], []])
def test_of_any_driver(place: Place, mapping: Any) -> None:
    kept = numbers(5)
    with place.open("w") as h5:
        array = h5.create_earray("/", "n", "int64", data_shape=(2, 3))
        array.append(kept)
        mapped = get_mapped_object(array, mapping)
        rows = slice(mapping) if isinstance(mapping, int) else mapping
        expected = kept[rows] if mapping != [] else kept[:0]
        same(mapped[:], expected)
        assert mapped.name == "/n"
        assert get_mapped_object(array) is array


def test_large_parts_are_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ_NBYTES", 1000)
    kept = numbers(500)
    rows = np.random.default_rng(3).integers(0, 500, 700)
    same(MappedHDF5Dataset(kept, rows)[:], kept[rows])


@pytest.mark.parametrize(
    ("mapping", "length", "expected"),
    [
        (3, None, [0, 1, 2]),
        (0, None, []),
        (np.int64(2), None, [0, 1]),
        (9, 4, [0, 1, 2, 3]),
        (slice(2, 8, 3), None, [2, 5]),
        (slice(5, 2, -1), None, [5, 4, 3]),
        (slice(-2, None), 5, [3, 4]),
        (slice(0, 100), 3, [0, 1, 2]),
        ([3, 1, 1], None, [3, 1, 1]),
        ((3, 1), None, [3, 1]),
        ([], None, []),
        ([-1, 0], 4, [3, 0]),
        (np.array([True, False, True]), 3, [0, 2]),
        (np.array([2, 0], "u8"), None, [2, 0]),
    ],
)
def test_mapping_indices(mapping: Any, length: int | None, expected: list[int]) -> None:
    found = get_mapping_indices(mapping, length)
    assert found.tolist() == expected
    assert found.dtype.kind in "ui"
    if isinstance(mapping, (list, tuple)):
        assert found.dtype == np.uint32


def test_rows_beyond_32_bits() -> None:
    assert get_mapping_indices([2**33]).tolist() == [2**33]


@pytest.mark.parametrize(
    ("mapping", "error"),
    [
        (-1, SelectionError),
        (slice(None, 3), SelectionError),
        (slice(3, None), SelectionError),
        (slice(-3, 5), SelectionError),
        (slice(0, 5, 0), SelectionError),
        ([-1], SelectionError),
        (True, DTypeError),
        ("0,1", DTypeError),
        (1.5, DTypeError),
        ([0.5], DTypeError),
        ([[1, 2]], DTypeError),
        ([[1], [2, 3]], DTypeError),
        ([True, False], DTypeError),
        (None, DTypeError),
    ],
)
def test_no_mapping(mapping: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        get_mapping_indices(mapping)


def test_rows_that_are_not_there() -> None:
    for rows in ([5], [0, 99], [-6]):
        with pytest.raises(SelectionError, match=r"not there|before the first"):
            get_mapped_object(numbers(5), rows)
    with pytest.raises(SelectionError, match="not there"):
        MappedHDF5Dataset(MappedHDF5Dataset(numbers(5), np.array([1, 2])), np.array([2]))
    with pytest.raises(SelectionError):
        get_mapped_object(numbers(5), [1, 2])[2]


def test_what_cannot_be_mapped() -> None:
    with pytest.raises(DTypeError, match="only arrays"):
        get_mapped_object("text", 3)
    with pytest.raises(ShapeError, match="scalar"):
        MappedHDF5Dataset(np.float64(3), np.array([0]))
    with pytest.raises(DTypeError, match="line of integers"):
        MappedHDF5Dataset(numbers(3), np.array([0.5]))
    with pytest.raises(DTypeError, match="line of integers"):
        MappedHDF5Dataset(numbers(3), np.array([[0]]))
