"""Which references belong to which parents: one sort, no loop over parents.

References are grouped as in a compressed sparse row matrix: sorted by parent, with a table of
where each parent's group begins. Inside a group they keep the order of the file, so the rows that
a look-up table names are a part of the group, found by bisection where it is not the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cover", "Groups", "Index", "runs_of", "spread"]

Index = NDArray[np.int64]

_DENSE = 4
"""A table over a range of parents may have this many times as many entries as there is data."""


class Groups:
    """References sorted by parent.

    Parameters
    ----------
    parents : ndarray, shape (k,), integer
        Parent of each reference, in the order of the file.
    positions : ndarray, shape (k,), int64, or None
        Row of the file that each stands in, ascending; None for ``0 .. k-1``.
    """

    def __init__(self, parents: NDArray[Any], positions: Index | None = None) -> None:
        self.order = _stable_order(parents)
        self._parents = parents  # as they come: counting needs no order
        self._positions = positions

    def find(
        self, wanted: Index, regions: tuple[Index, Index] | None = None
    ) -> tuple[Index, Index]:
        """Return which references belong to each wanted parent.

        Parameters
        ----------
        wanted : ndarray, shape (n,), int64
            Parents, in any order, repeated or not.
        regions : tuple of two ndarray, shape (n,), int64, optional
            First row and last row + 1 that count for each.

        Returns
        -------
        starts, counts : ndarray, shape (n,), int64
            Where the references of each begin in the sorted order, and how many there are.
        """
        starts, stops = self._bounds(wanted)
        if regions is not None and wanted.size and self._parents.size:
            starts, stops = self._trim(starts, stops, *regions)
        return starts, np.maximum(stops - starts, 0)

    def _bounds(self, wanted: Index) -> tuple[Index, Index]:
        parents = self._parents
        if not parents.size or not wanted.size:
            return np.zeros(wanted.shape, np.int64), np.zeros(wanted.shape, np.int64)
        low, high = int(parents.min()), int(parents.max())
        if high - low > _DENSE * (wanted.size + parents.size):
            ordered = parents if self.order is None else parents[self.order]
            ordered = ordered.astype(np.int64)
            starts = np.searchsorted(ordered, wanted, side="left").astype(np.int64)
            return starts, np.searchsorted(ordered, wanted, side="right").astype(np.int64)
        # One entry more at either end, for parents that have none.
        table = np.zeros(high - low + 4, np.int64)
        np.cumsum(np.bincount(parents - parents.dtype.type(low)), out=table[2:-1])
        table[-1] = table[-2]
        if wanted[0] >= low - 1 and wanted[-1] <= high + 1 and _is_run(wanted):
            first = int(wanted[0]) - low + 1
            return table[first : first + wanted.size], table[first + 1 : first + 1 + wanted.size]
        entry = np.clip(wanted, low - 1, high + 1) - (low - 1)
        return table[entry], table[entry + 1]

    def _trim(
        self, starts: Index, stops: Index, begins: Index, ends: Index
    ) -> tuple[Index, Index]:
        """Leave out the references that stand outside of the rows that count for a parent."""
        filled = np.flatnonzero(stops > starts)
        first = self._place(starts[filled])
        last = self._place(stops[filled] - 1)
        outside = filled[(begins[filled] > first) | (ends[filled] <= last)]
        if not outside.size:
            return starts, stops
        starts, stops = starts.copy(), stops.copy()
        for bound, limit in ((starts, begins), (stops, ends)):
            bound[outside] = self._bisect(starts[outside], stops[outside], limit[outside])
        return starts, stops

    def _place(self, sorted_index: Index) -> Index:
        """Return the rows of the file that entries of the sorted order stand in."""
        place = sorted_index if self.order is None else self.order[sorted_index]
        return place if self._positions is None else self._positions[place]

    def _bisect(self, low: Index, high: Index, limit: Index) -> Index:
        """Return the first entry of each group, from `low` on, whose row is not before `limit`."""
        low, high = low.copy(), high.copy()
        while np.any(open_ := low < high):
            middle = (low + high) // 2
            before = np.zeros(low.shape, bool)
            before[open_] = self._place(middle[open_]) < limit[open_]
            low = np.where(open_ & before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)
        return low


@dataclass(frozen=True)
class Cover:
    """Rows to read: runs, and where each run stands when they are joined."""

    runs: list[tuple[int, int]]

    @property
    def positions(self) -> Index | None:
        """Rows of the joined runs; None where they are ``0 .. k-1``."""
        if not self.runs or (len(self.runs) == 1 and self.runs[0][0] == 0):
            return None
        return np.concatenate([np.arange(a, b, dtype=np.int64) for a, b in self.runs])

    def locate(self, rows: Index) -> Index:
        """Return where rows that are covered stand in the joined runs."""
        firsts = np.array([start for start, _ in self.runs], np.int64)
        lengths = np.array([stop - start for start, stop in self.runs], np.int64)
        which = np.searchsorted(firsts, rows, side="right") - 1
        shifts = np.cumsum(lengths) - lengths - firsts
        return rows + shifts[which]


def runs_of(starts: Index, stops: Index, gap: int, most: int) -> Cover:
    """Cover ranges of rows with few runs.

    Parameters
    ----------
    starts, stops : ndarray, shape (n,), int64
        The ranges; they may overlap. Empty ones do not count.
    gap : int
        Rows that are cheaper to read along than to skip.
    most : int
        Runs at most.
    """
    filled = stops > starts
    starts, stops = starts[filled], stops[filled]
    if not starts.size:
        return Cover([])
    low, high = int(starts.min()), int(stops.max())
    if high - low - int((stops - starts).sum()) <= gap:
        return Cover([(low, high)])
    if np.any(starts[1:] < starts[:-1]):
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], stops[order]
    reach = np.maximum.accumulate(stops)
    gaps = starts[1:] - reach[:-1]
    breaks = np.flatnonzero(gaps > gap)
    if breaks.size >= most:
        widest = np.argpartition(gaps[breaks], -(most - 1))[-(most - 1) :]
        breaks = np.sort(breaks[widest])
    firsts = starts[np.concatenate(([0], breaks + 1))]
    lasts = reach[np.concatenate((breaks, [reach.size - 1]))]
    return Cover(list(zip(firsts.tolist(), lasts.tolist(), strict=True)))


def spread(starts: Index, counts: Index) -> Index | slice:
    """Return ``starts[i], starts[i] + 1, ...`` (``counts[i]`` of them) for every i, joined.

    Returns
    -------
    ndarray, shape (counts.sum(),), int64, or slice
        A slice where the ranges follow each other without a gap.
    """
    total = int(counts.sum())
    filled = np.flatnonzero(counts)
    if not filled.size:
        return slice(0, 0)
    begins, lengths = starts[filled], counts[filled]
    if np.array_equal(begins[1:], begins[:-1] + lengths[:-1]):
        return slice(int(begins[0]), int(begins[0]) + total)
    steps = np.ones(total, np.int64)
    steps[0] = begins[0]
    edges = np.cumsum(lengths[:-1])
    steps[edges] = begins[1:] - begins[:-1] - lengths[:-1] + 1
    return np.cumsum(steps, out=steps)


def _is_run(values: Index) -> bool:
    """Tell whether values ascend by one."""
    return bool(values[-1] - values[0] == values.size - 1 and np.all(values[1:] > values[:-1]))


def _stable_order(keys: NDArray[Any]) -> NDArray[np.intp] | None:
    """Return the order that sorts, equal keys as they come; None if they are sorted.

    By 16 bits at a time, which numpy sorts without comparing.
    """
    if keys.size < 2 or bool(np.all(keys[1:] >= keys[:-1])):
        return None
    low = keys.min()
    span = int(keys.max()) - int(low)
    if span >> 32:
        return np.argsort(keys, kind="stable")
    keys = (keys - low).astype(np.uint32, copy=False)
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    if span >> 16:
        upper = (keys >> np.uint32(16)).astype(np.uint16)
        order = order[np.argsort(upper[order], kind="stable")]
    return order
