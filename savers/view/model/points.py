"""Points that lie anywhere, as those of an adaptive scan: read once, row by row as they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savers.view.model.frames import PointsFrame, Window, limits
from savers.view.model.subject import Subject

__all__ = ["Points"]

_STEP = 500_000
"""Points to read at one look."""
_MOST = 20_000
"""Points drawn at most; a browser would be slow with more, and nobody could tell them apart."""

Floats = NDArray[np.float64]


class Points:
    """The values of an array over the first two axes of its points.

    Where the array grows only new points are read. In others all are read again when the file
    changed, for any of them may have been measured meanwhile.

    Parameters
    ----------
    subject : Subject
        What to draw.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._axes = subject.array.spread
        self._shown: object = None
        self._taken = 0
        self._begin()

    def _begin(self) -> None:
        self._found = np.empty((3, 0))
        self._length = 0
        self._infinite = 0
        self._stale = False

    def update(self, window: Window, moved: bool) -> PointsFrame | None:
        """Take in what is new, see :meth:`savers.view.model.curve.Curve.update`."""
        if moved:
            self._subject.refresh()
        available = self._subject.available()
        self._stale |= moved and not self._axes[0].grows
        if (self._stale and self._length >= available) or available < self._length:
            self._begin()
        if self._length < available:
            self._take(min(available, self._length + _STEP))
            self._taken += 1
        if self._shown == (self._taken, window):
            return None
        self._shown = (self._taken, window)
        return self._frame(window, available)

    def _take(self, stop: int) -> None:
        start = self._length
        values, infinite = self._subject.read({self._axes[0].index: slice(start, stop)})
        x, y = (dim.positions(start, stop) for dim in self._axes[:2])
        block = np.stack([x, y, values.reshape(-1)])
        self._found = np.concatenate([self._found, block], axis=1)
        self._length = stop
        self._infinite += infinite

    def _frame(self, window: Window, available: int) -> PointsFrame:
        found = self._found
        measured = np.isfinite(found).all(axis=0)
        shown = np.flatnonzero(
            measured & _within(found[0], window.x) & _within(found[1], window.y)
        )
        notes = []
        if self._length < available:
            notes.append(f"reading, {100 * self._length // available} % so far")
        if self._infinite:
            notes.append(f"{self._infinite} infinite values not drawn")
        every = -(-len(shown) // _MOST)
        if every > 1:
            # Counted from the first of all: those that are drawn stay when others come.
            shown = shown[shown % every == 0]
            notes.append(f"one in {every} is drawn")
        if len(self._axes) > 2:
            names = ", ".join(dim.label for dim in self._axes[2:])
            notes.append(f"positions along {names} are not shown")
        x, y, values = found[:, shown]
        return PointsFrame(
            x,
            y,
            values,
            limits(found[0]),
            limits(found[1]),
            limits(found[2][measured]),
            int(measured.sum()),
            "; ".join(notes),
        )


def _within(positions: Floats, part: tuple[float, float] | None) -> NDArray[np.bool_]:
    if part is None:
        return np.ones(positions.shape, bool)
    return np.asarray((positions >= part[0]) & (positions <= part[1]))
