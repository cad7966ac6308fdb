"""How far data are: how many points there are, of how many, and when the newest one came."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from h5backends.nodes import EARRAY
from savers.view.model.dims import Array
from savers.view.model.source import Source

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far data are.

    Parameters
    ----------
    points, total : int or None
        Points there are, and will be; None where nobody knows.
    newest : float or None
        When the newest point came, in seconds since 1970.
    latest : tuple of int or None
        Its indexes, one for each dimension of the scan.
    """

    points: int | None = None
    total: int | None = None
    newest: float | None = None
    latest: tuple[int, ...] | None = None

    def of(self, source: Source, array: Array) -> Progress:
        """Return how far an array is now.

        Parameters
        ----------
        source : Source
            The file; its lock is held.
        array : Array
            What this was the progress of before.
        """
        times = array.times
        if array.grows:
            if array.dims:  # rows of any length cannot be followed
                source.refresh(array.node)
            points = array.node.shape[0]
            newest = self._newest_row(source, array, points)
            return Progress(points, None, newest, (points - 1,) if points else None)
        if times is None:
            return Progress()
        source.refresh(times)
        stamps = np.asarray(times[...])
        done = np.isfinite(stamps)
        count = int(done.sum())
        if not count:
            return Progress(0, stamps.size)
        last = int(np.argmax(np.where(done, stamps, -np.inf)))
        latest = tuple(int(n) for n in np.unravel_index(last, stamps.shape))
        return Progress(count, stamps.size, float(stamps[latest]), latest)

    def _newest_row(self, source: Source, array: Array, points: int) -> float | None:
        """Return when the last row came: by the file, or else when it was seen."""
        if not points:
            return None
        if points == self.points:
            return self.newest
        rows = array.dims[0] if array.dims else None
        if rows is not None and rows.epoch is not None and rows.axis is not None:
            source.refresh(rows.axis)
            length = rows.axis.shape[0]
            stamp = float(rows.positions(length - 1, length)[0]) if length else math.nan
            if math.isfinite(stamp):
                return stamp
        if isinstance(array.times, EARRAY):
            source.refresh(array.times)
            length = array.times.shape[0]
            stamp = float(array.times[length - 1]) if length else math.nan
            if math.isfinite(stamp):
                return stamp
        return None if self.points is None else time.time()
