"""Arrays to read from, whoever opened them: numpy, h5py, h5pyd, PyTables, nodes of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import (
    DTypeError,
    FileClosedError,
    H5Error,
    SelectionError,
    ShapeError,
    StorageError,
)
from h5backends.nodes import CARRAY, Node
from h5backends.references.grouping import Cover, Index, runs_of
from h5backends.references.layout import ref_region_dtype

__all__ = ["Source", "look_up_table", "references"]

_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)
"""What the libraries raise for an array that is closed, gone or unreadable."""
_GAP_BYTES = 64 * 1024
"""What is cheaper to read along than to skip with a read of its own."""
_READS = 64
"""Most reads of one call; each is a request where the file is on a server."""
_DENSE = 4
"""Rows are read in one piece if no more than this many times as many as are wanted."""


class Source:
    """Rows of an array in memory or in a file, with this package's errors.

    Parameters
    ----------
    source : array_like or dataset
        A dataset is anything with ``shape``, ``dtype`` and slices that is not a numpy array.
    what : str
        What it is for, in messages.
    """

    def __init__(self, source: Any, what: str) -> None:
        self.what = what
        self.in_memory = isinstance(source, (np.ndarray, np.generic, list, tuple, range))
        if self.in_memory:
            source = _array(source, what)
        elif isinstance(source, Node) and not isinstance(source, CARRAY):
            raise DTypeError(
                f"{what} is not an array of fixed rows",
                node=source.path,
                found=type(source).__name__,
            )
        self._source = source
        try:
            shape, dtype = source.shape, source.dtype
            self.shape: tuple[int, ...] = tuple(int(n) for n in shape)
            self.dtype: np.dtype[Any] = np.dtype(dtype)
        except _FOREIGN as exc:
            raise self._unusable(exc) from exc

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def name(self) -> str | None:
        """Path in the file, if it can be told."""
        if self.in_memory:
            return None
        source = self._source
        if isinstance(source, CARRAY):
            return source.path if source.session.is_open else None
        try:
            # PyTables has the path under a name of its own.
            name = getattr(source, "_v_pathname", None) or getattr(source, "name", None)
        except _FOREIGN:
            return None
        return name if isinstance(name, str) else None

    @property
    def file(self) -> str | None:
        """Location of its file, if it can be told."""
        if isinstance(self._source, CARRAY):
            return self._source.session.driver.location
        try:
            name = getattr(getattr(self._source, "file", None), "filename", None)
        except _FOREIGN:
            return None
        return name if isinstance(name, str) else None

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop`.

        Raises
        ------
        SelectionError
            The array has become shorter meanwhile.
        FileClosedError, StorageError
            It cannot be read any more.
        """
        try:
            block: NDArray[Any] = np.asarray(self._source[start:stop])
        except _FOREIGN as exc:
            raise self._error(exc) from exc
        if len(block) != stop - start:
            raise SelectionError(
                f"{self.what} became shorter while it was read",
                file=self.file,
                node=self.name,
                expected=f"{stop} rows",
                found=f"{start + len(block)} rows",
            )
        return block

    def runs(self, cover: Cover) -> NDArray[Any]:
        """Read several runs of rows and join them."""
        if not cover.runs:
            return self.rows(0, 0)
        blocks = [self.rows(start, stop) for start, stop in cover.runs]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def cover(self, starts: Index, stops: Index) -> Cover:
        """Cover ranges of rows with as few reads as it is worth."""
        row_bytes = max(1, self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64)))
        return runs_of(starts, stops, max(1, _GAP_BYTES // row_bytes), _READS)

    def take(self, wanted: Index) -> NDArray[Any]:
        """Read single rows, in any order, repeated or not; all exist."""
        if self.in_memory:
            values: NDArray[Any] = self._source[wanted]
            return values
        if not wanted.size:
            return self.rows(0, 0)
        low, high = int(wanted.min()), int(wanted.max()) + 1
        if high - low <= _DENSE * wanted.size:
            block = self.rows(low, high)
            if len(block) == wanted.size and np.array_equal(wanted, np.arange(low, high)):
                return block
            return block[wanted - low]
        unique = np.unique(wanted)
        cover = self.cover(unique, unique + 1)
        result: NDArray[Any] = self.runs(cover)[cover.locate(wanted)]
        return result

    def _unusable(self, exc: Exception) -> H5Error:
        if not isinstance(exc, AttributeError) or _is_closed(self._source):
            return self._error(exc)
        return DTypeError(
            f"{self.what} is not an array",
            expected="a numpy array, or a dataset of h5py, h5pyd, PyTables or h5backends",
            found=type(self._source).__name__,
        )

    def _error(self, exc: Exception) -> H5Error:
        if isinstance(exc, H5Error):
            return exc
        if _is_closed(self._source):
            return FileClosedError(
                f"{self.what} cannot be read: its file is closed",
                found=exc,
                remedy="Open it again.",
            )
        return StorageError(
            f"{self.what} cannot be read", file=self.file, node=self.name, found=exc
        )


def references(ref: Any) -> Source:
    """Check references: pairs of integers.

    Raises
    ------
    ShapeError, DTypeError
    """
    source = Source(ref, "the references")
    if source.in_memory and source.shape == (0,):  # an empty list
        return Source(np.zeros((0, 2), np.int64), "the references")
    if len(source.shape) != 2 or source.shape[1] != 2:
        raise ShapeError(
            "references are pairs of indices",
            file=source.file,
            node=source.name,
            expected="shape (N, 2)",
            found=source.shape,
        )
    if source.dtype.kind not in "ui":
        raise DTypeError(
            "references are integers", file=source.file, node=source.name, found=source.dtype
        )
    return source


def look_up_table(region: Any) -> Source:
    """Check a look-up table: a row with ``start`` and ``stop`` for each parent.

    Raises
    ------
    ShapeError, DTypeError
    """
    source = Source(region, "the region")
    fields: Any = source.dtype.fields or {}
    if not {"start", "stop"} <= set(fields) or any(
        fields[name][0].kind not in "ui" for name in ("start", "stop")
    ):
        raise DTypeError(
            "a region has integer fields 'start' and 'stop'",
            file=source.file,
            node=source.name,
            expected=ref_region_dtype,
            found=source.dtype,
        )
    if len(source.shape) != 1:
        raise ShapeError(
            "a region has one axis", file=source.file, node=source.name, found=source.shape
        )
    return source


def _is_closed(source: Any) -> bool:
    """Tell whether a dataset of one of the libraries belongs to a file that is closed."""
    try:
        open_ = getattr(source, "_v_isopen", None)  # PyTables
        return not (bool(source) if open_ is None else open_)  # h5py and h5pyd
    except _FOREIGN:
        return False


def _array(source: Any, what: str) -> NDArray[Any]:
    try:
        return np.asarray(source)
    except ValueError as exc:
        raise ShapeError(f"{what} is not an array: its rows differ in length", found=exc) from exc
