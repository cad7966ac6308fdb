"""Where a selection leads, step by step, and loading what stands there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import DTypeError, SelectionError, ShapeError
from h5backends.references.grouping import Groups, Index, spread
from h5backends.references.sources import Source

__all__ = ["Path"]


class Path:
    """Where a selection leads: for each parent some rows, in a layout padded to one width.

    Parameters
    ----------
    wanted : ndarray, shape (n,), int64
        The selected parents.
    left_out : ndarray, shape (n,), bool, or None
        Which of them lead nowhere.
    """

    def __init__(self, wanted: Index, left_out: NDArray[np.bool_] | None) -> None:
        self.shape: tuple[int, ...] = (wanted.size,)
        self._dtype = np.dtype(np.int64)
        self._rows = wanted
        self._present = np.ones(wanted.size, bool)  # where in the padded layout the rows stand
        self._counts = np.ones(wanted.size, np.int64)
        if left_out is not None and left_out.any():
            self._present = ~left_out
            self._rows = wanted[self._present]

    def step(
        self,
        ref: Source,
        table: Source | None,
        direction: tuple[int, int],
        parents: int | None,
        by_place: bool,
    ) -> None:
        """Go on from every row to those that it refers to."""
        rows = self._rows
        if parents is not None and rows.size:
            _check_rows(rows, parents, ref)
        regions = None
        if table is not None:
            regions = _regions(table, np.flatnonzero(self._present) if by_place else rows, ref)
        pairs, positions = _read(ref, regions)
        owners, children = (_column(pairs, column) for column in direction)
        if rows.size and owners.size:
            low, high = rows.min(), rows.max()
            if owners.min() < low or owners.max() > high:  # the less to sort, the better
                near = np.flatnonzero((owners >= low) & (owners <= high))
                owners, children = owners[near], children[near]
                positions = near if positions is None else positions[near]
        groups = Groups(owners, positions)
        starts, counts = groups.find(rows, regions)
        self._dtype = pairs.dtype
        with _fitting(self.shape, int(counts.sum())):
            chosen = spread(starts, counts)
            found = children[chosen if groups.order is None else groups.order[chosen]]
            self._rows = found.astype(np.int64, copy=False)
            self._widen(counts)

    def _widen(self, counts: Index) -> None:
        """Add a dimension to the layout, wide enough for the most rows."""
        width = max(1, int(counts.max())) if counts.size else 1
        if len(counts) < self._present.size:
            every = np.zeros(self._present.size, np.int64)
            every[self._present] = counts
            counts = every
        self._counts = counts
        self.shape = (*self.shape, width)
        self._present = (np.arange(width) < counts[:, None]).reshape(-1)

    def values(self, data: Any, indices_only: bool) -> NDArray[Any]:
        """Load the rows found, or only their indices."""
        if indices_only:
            return self._rows.astype(self._dtype)
        if data is None:
            raise DTypeError(
                "there are no data to load from", remedy="Give data=, or indices_only=True."
            )
        source = Source(data, "the data")
        if not source.shape:
            raise ShapeError("the data have no rows", node=source.name, found="a scalar")
        if self._rows.size:
            _check_rows(self._rows, len(source), source)
        return source.take(self._rows)

    def masked(self, values: NDArray[Any]) -> np.ma.MaskedArray[Any, Any]:
        """Put the values into the padded layout."""
        size, rest = self._present.size, values.shape[1:]
        with _fitting(self.shape, len(values)):
            padded = np.zeros((size, *rest), values.dtype)
            padded[self._present] = values
            missing = ~self._present
            if rest or values.dtype.names:
                # Made in its full type here: numpy would go through the rows one by one.
                missing = np.zeros((size, *rest), np.ma.make_mask_descr(values.dtype))
                missing[~self._present] = True
        shape = (*self.shape, *rest)
        return np.ma.MaskedArray(padded.reshape(shape), mask=missing.reshape(shape))

    def listed(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the values of each parent as an array of its own."""
        stops = np.cumsum(self._counts)
        bounds = zip((stops - self._counts).tolist(), stops.tolist(), strict=True)
        return [values[start:stop] for start, stop in bounds]


def _column(pairs: NDArray[Any], column: int) -> NDArray[Any]:
    """Return one column, in the type it is stored in or one in which differences do not wrap."""
    dtype = np.uint32 if pairs.dtype == np.uint32 else np.int64
    return np.ascontiguousarray(pairs[:, column], dtype)


def _regions(table: Source, rows: Index, ref: Source) -> tuple[Index, Index]:
    """Load the look-up table's rows; those that it does not have are empty."""
    present = rows < len(table)
    inside = bool(present.all())
    block = table.take(rows if inside else rows[present])
    starts, stops = (block[name].astype(np.int64) for name in ("start", "stop"))
    wrong = (starts < 0) | (stops < starts) | ((stops > len(ref)) & (stops > starts))
    if wrong.any():
        which = int(np.flatnonzero(wrong)[0])
        raise SelectionError(
            "the look-up table names references that do not exist",
            file=table.file,
            node=table.name,
            expected=f"rows 0 to {len(ref)} of the references",
            found=f"{starts[which]} to {stops[which]} for parent {(rows[present])[which]}",
            remedy="Leave region out to search all references.",
        )
    if inside:
        return starts, stops
    padded = np.zeros((2, rows.size), np.int64)
    padded[:, present] = starts, stops
    return padded[0], padded[1]


def _read(ref: Source, regions: tuple[Index, Index] | None) -> tuple[NDArray[Any], Index | None]:
    """Read the references that may be needed, and where each stands in the file."""
    if regions is None:
        return ref.rows(0, len(ref)), None
    cover = ref.cover(*regions)
    return ref.runs(cover), cover.positions


def _check_rows(rows: Index, length: int, source: Source) -> None:
    low, high = int(rows.min()), int(rows.max())
    if low < 0 or high >= length:
        raise SelectionError(
            "a reference leads beyond the array it refers to",
            file=source.file,
            node=source.name,
            expected=f"0 to {length - 1}" if length else "none: it is empty",
            found=low if low < 0 else high,
            remedy="indices_only=True shows where the references lead.",
        )


@contextlib.contextmanager
def _fitting(shape: tuple[int, ...], rows: int) -> Iterator[None]:
    """Say what was too large for memory."""
    try:
        yield
    except MemoryError as exc:
        raise ShapeError(
            "the rows that the references lead to do not fit into memory",
            found=f"{rows} rows, from a layout of shape {shape}",
            remedy="Select fewer parents; as_masked=False leaves out what pads the layout.",
        ) from exc
