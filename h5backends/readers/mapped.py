"""A dataset seen through a list of rows: a part of it, in another order, with repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from h5backends.arrays import Array, Followable
from h5backends.chunk_reader import ChunkReader
from h5backends.errors import DTypeError, H5Error, SelectionError, ShapeError
from h5backends.readers.indexing import Rows, index_array
from h5backends.selection import bounds
from h5backends.types import Box

__all__ = [
    "IndexMapping",
    "MappedHDF5Dataset",
    "get_mapped_object",
    "get_mapping_indices",
]

IndexMapping = int | slice | Sequence[int] | NDArray[Any]
"""Which rows: the first n, those of a slice, or those of a list; a mask where the length is known.
"""

_GAP = 16
"""Rows that are cheaper to read along than to skip with a read of their own."""
_READ_NBYTES = 1 << 26
"""How much of a dataset is in memory at once, beside the result."""


class MappedHDF5Dataset:
    """The rows of a dataset that a list names, in its order; reads like an array.

    Only what is asked for is read, each part of the file once, in order.

    Parameters
    ----------
    h5ds : array node, h5py or h5pyd dataset, numpy array or MappedHDF5Dataset
        What to read from. Of a mapped dataset, what that one reads from.
    mapping_indices : ndarray of int, shape ``(n,)``
        Rows of it, in any order, also repeated.

    Raises
    ------
    SelectionError
        A row that `h5ds` does not have.
    ShapeError, DTypeError
        `h5ds` is a scalar; the indices are not a line of integers.
    """

    h5ds: Any
    mapping_indices: NDArray[Any]

    def __init__(self, h5ds: Any, mapping_indices: NDArray[Any]) -> None:
        rows = np.asarray(mapping_indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "ui"):
            raise DTypeError(
                "a mapping is a line of integers",
                expected="shape (n,), integers",
                found=f"shape {rows.shape}, {rows.dtype}",
            )
        if isinstance(h5ds, MappedHDF5Dataset):
            rows = _checked(rows, len(h5ds), h5ds.name)
            rows, h5ds = h5ds.mapping_indices[rows], h5ds.h5ds
        self._array = h5ds if isinstance(h5ds, Array) else Array(h5ds)
        if not self._array.shape:
            raise ShapeError("a scalar has no rows to choose from", node=self._array.name)
        self.h5ds = self._array.source
        self.mapping_indices = _checked(rows, self._array.shape[0], self._array.name)
        self._reader = ChunkReader(self._array)

    @property
    def array(self) -> Array:
        """What it reads from."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent: as many rows as the mapping has."""
        return (self.mapping_indices.size, *self._array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def name(self) -> str | None:
        """Path in the file of what it reads from."""
        return self._array.name

    def __len__(self) -> int:
        return int(self.mapping_indices.size)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: Any) -> Any:
        """Read a part.

        Parameters
        ----------
        index : int, slice, list, mask, or a tuple of these
            With numpy's meaning.

        Returns
        -------
        ndarray or scalar
            A copy.

        Raises
        ------
        SelectionError
            No such row.
        """
        return index_array(index, self.shape, self._gather)

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array of a file cannot be used without a copy: copy=False")
        return np.asarray(self[:], dtype=dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name!r}, shape {self.shape}, {self.dtype}>"

    def _gather(self, rows: Rows, tail: Box) -> NDArray[Any]:
        base = self.mapping_indices[_as_index(rows)]
        return read_rows(self._reader, base.astype(np.intp), tail)


def read_rows(reader: ChunkReader, rows: NDArray[np.intp], tail: Box) -> NDArray[Any]:
    """Read rows in any order, each part of the file once.

    Parameters
    ----------
    reader : ChunkReader
        Where from.
    rows : ndarray of int, shape ``(n,)``
        In range.
    tail : tuple of slice
        The part of each row.

    Returns
    -------
    ndarray, shape ``(n, *part)``
    """
    array = reader.array
    part = tuple(len(range(s.start, s.stop, s.step)) for s in tail)
    out = np.empty((len(rows), *part), array.dtype)
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    gap = max(_GAP, (array.chunks or (1,))[0])
    breaks = np.flatnonzero(np.diff(wanted) > gap) + 1
    ends = np.append(breaks, len(wanted))
    most = max(1, _READ_NBYTES // max(1, out.itemsize * int(np.prod(array.shape[1:]))))
    around = tuple(slice(s.start, s.stop, 1) for s in tail)
    inner = tuple(slice(None, None, s.step) for s in tail)
    place = 0
    while place < len(wanted):
        first = int(wanted[place])
        end = int(ends[np.searchsorted(ends, place, side="right")])
        end = min(end, int(np.searchsorted(wanted, first + most)))
        last = int(wanted[end - 1])
        block = reader.read((slice(first, last + 1, 1), *around))[(slice(None), *inner)]
        out[order[place:end]] = block[wanted[place:end] - first]
        place = end
    return out


def get_mapping_indices(
    index_mapping: IndexMapping | Integral, length: int | None = None
) -> NDArray[Any]:
    """Return which rows a mapping names.

    Parameters
    ----------
    index_mapping : int, slice, list or ndarray
        The first n rows; those of a slice; those of a list, or of a mask if `length` is given.
    length : int, optional
        How many rows there are. With it, numpy's rules apply: slices may be open and are cut to
        what is there, negative numbers count from the end.

    Returns
    -------
    ndarray of int, shape ``(n,)``
        Of a list, ``uint32`` (``uint64`` where that is too small).

    Raises
    ------
    SelectionError
        Rows that cannot be told without a length, or that are not there.
    DTypeError
        None of these types.
    """
    if isinstance(index_mapping, (bool, np.bool_)):
        raise _not_a_mapping(index_mapping)
    if isinstance(index_mapping, Integral):
        count = int(index_mapping)
        if count < 0:
            raise SelectionError("the first rows cannot be fewer than none", found=str(count))
        return np.arange(count if length is None else min(count, length))
    if isinstance(index_mapping, slice):
        return _of_slice(index_mapping, length)
    if isinstance(index_mapping, (list, tuple, range, np.ndarray)):
        try:
            return _of_list(np.asarray(index_mapping), length)
        except (ValueError, OverflowError) as exc:
            if isinstance(exc, H5Error):
                raise
            raise _not_a_mapping(index_mapping) from exc
    raise _not_a_mapping(index_mapping)


def _of_slice(index_mapping: slice, length: int | None) -> NDArray[Any]:
    if length is not None:
        return np.arange(*bounds(index_mapping, length))
    start, stop, step = index_mapping.start, index_mapping.stop, index_mapping.step
    if start is None or stop is None or min(start, stop) < 0:
        raise SelectionError(
            "without the length of the data a slice has to say where it begins and ends",
            expected="start and stop, counted from the beginning",
            found=str(index_mapping),
        )
    if step == 0:
        raise SelectionError("the step of a slice cannot be 0", found=str(index_mapping))
    return np.arange(start, stop, 1 if step is None else step)


def _of_list(rows: NDArray[Any], length: int | None) -> NDArray[Any]:
    if not rows.size:
        return np.zeros(0, np.uint32)
    if rows.dtype == bool and length is not None and rows.shape == (length,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "ui":
        raise DTypeError(
            "a mapping is a line of integers",
            expected="a list of integers, or a mask as long as the data",
            found=f"shape {rows.shape}, {rows.dtype}",
        )
    if rows.dtype.kind == "i" and rows.min() < 0:
        if length is None or rows.min() < -length:
            raise SelectionError("a mapping names a row before the first", found=str(rows.min()))
        rows = np.where(rows < 0, rows + length, rows)
    return rows.astype(np.uint32 if rows.max() <= np.iinfo(np.uint32).max else np.uint64)


def _not_a_mapping(index_mapping: object) -> DTypeError:
    return DTypeError(
        "this does not say which rows to take",
        expected="an integer, a slice, or a list of integers",
        found=f"{type(index_mapping).__name__} {index_mapping!r}"[:80],
    )


def get_mapped_object(obj: Any, index_mapping: IndexMapping | Integral | None = None) -> Any:
    """Return a dataset, seen through a mapping if there is one.

    Parameters
    ----------
    obj : array node, h5py or h5pyd dataset, numpy array or MappedHDF5Dataset
        Any array; an image cache as well.
    index_mapping : int, slice, list or ndarray, optional
        See :func:`get_mapping_indices`.

    Returns
    -------
    MappedHDF5Dataset, or `obj` itself without a mapping

    Raises
    ------
    DTypeError
        `obj` is not an array.
    SelectionError
        It has no such rows.
    """
    if index_mapping is None:
        return obj
    if not isinstance(obj, (Array, Followable)):
        raise DTypeError(
            "only arrays can be mapped",
            expected="something with shape, dtype and rows",
            found=f"{type(obj).__name__} {obj!r}"[:80],
        )
    length = obj.shape[0] if obj.shape else 0
    return MappedHDF5Dataset(obj, get_mapping_indices(index_mapping, length))


def _checked(rows: NDArray[Any], length: int, name: str | None) -> NDArray[Any]:
    if rows.size and (rows.max() >= length or rows.min() < 0):
        raise SelectionError(
            "a mapping names a row that is not there",
            node=name,
            expected=f"0 to {length - 1}",
            found=f"{rows.min()} to {rows.max()}",
        )
    return rows


def _as_index(rows: Rows) -> Any:
    if not isinstance(rows, range):
        return rows
    return slice(rows.start, rows.stop, rows.step)
