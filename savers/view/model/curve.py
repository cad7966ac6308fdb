"""A curve or several lines: read once, row by row as they come, and drawn by the pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savers.view.model.choice import Choice, Part
from savers.view.model.dims import Array
from savers.view.model.envelope import Envelope, reduced
from savers.view.model.frames import CurveFrame, Window, limits, plottable
from savers.view.model.source import Source

__all__ = ["Curve"]

_STEP = 2_000_000
"""Values to read at one look; what is more is read at the next ones, and the picture fills in."""
_MARGIN = 0.05

Floats = NDArray[np.float64]


class Curve:
    """One line or several along one dimension of an array.

    Along a dimension that grows only new rows are read. Along others all is read again when the
    file changed, for any part of it may have.

    Parameters
    ----------
    source : Source
        The file; its lock is held at every call.
    array : Array
        What to draw.
    choice : Choice
        Along which dimension.
    indexes : mapping of int to int
        Index shown of each other dimension.
    part : Part or None
        What of complex numbers.
    """

    def __init__(
        self,
        source: Source,
        array: Array,
        choice: Choice,
        indexes: Mapping[int, int],
        part: Part | None,
    ) -> None:
        self._source = source
        self._array = array
        self._dim = array.dims[choice.along[0]]
        self._lines = choice.lines
        self._part = part
        self._index = [indexes.get(n, 0) for n in range(len(array.dims))]
        self._columns = 1 if choice.lines is None else array.shape[choice.lines]
        self._version = -1
        self._shown: object = None
        self._taken = 0
        self._begin()

    def _begin(self) -> None:
        self._envelope = Envelope(self._columns)
        self._infinite = 0
        self._stale = False

    @property
    def length(self) -> int:
        """Points read so far."""
        return self._envelope.length

    def update(self, window: Window, moved: bool) -> CurveFrame | None:
        """Take in what is new.

        Parameters
        ----------
        window : Window
            What part is looked at.
        moved : bool
            Whether the file may have changed since the last call.

        Returns
        -------
        CurveFrame or None
            None if there is nothing new to draw.
        """
        if moved:
            if self._dim.axis is not None and self._dim.grows:
                self._source.refresh(self._dim.axis)
            self._source.refresh(self._array.node)
        available = self._available()
        self._stale |= moved and not self._dim.grows
        # What is read in several steps is finished first, or it never would be in a live file.
        if (self._stale and self.length >= available) or available < self.length:
            self._begin()
        step = max(1, _STEP // self._columns)
        if self.length < available:
            self._take(self.length, min(available, self.length + step))
            self._taken += 1
        if self._shown == (self._taken, window):
            return None
        self._shown = (self._taken, window)
        return self._frame(window, available)

    def _available(self) -> int:
        length = self._array.node.shape[self._dim.index]
        if self._dim.grows and self._dim.axis is not None:
            return min(length, self._dim.axis.shape[0])
        return length

    def _take(self, start: int, stop: int) -> None:
        x, values, infinite = self._rows(start, stop)
        self._envelope.append(x, values)
        self._infinite += infinite

    def _rows(self, start: int, stop: int) -> tuple[Floats, Floats, int]:
        """Read positions, values as they are drawn, and how many infinities there are."""
        key: list[Any] = [*self._index]
        key += [0] * (len(self._array.node.shape) - len(key))
        key[self._dim.index] = slice(start, stop)
        if self._lines is not None:
            key[self._lines] = slice(None)
        values = np.asarray(self._array.node[tuple(key)])
        if self._lines is not None and self._lines < self._dim.index:
            values = values.T
        drawn, infinite = plottable(values.reshape(stop - start, -1), self._part)
        return self._dim.positions(start, stop), drawn, infinite

    def _frame(self, window: Window, available: int) -> CurveFrame:
        envelope = self._envelope
        start, stop = 0, envelope.length
        if window.x is not None:
            start, stop = envelope.rows_within(*window.x)
        pixels = max(100, window.width)
        if envelope.is_fine(start, stop, pixels):
            x, low, high = envelope.part(start, stop, pixels)
        elif start < stop:
            x, low, _ = self._rows(start, stop)
            high = low
        else:
            x, low = np.empty(0), np.empty((0, self._columns))
            high = low
        x, y = reduced(x, low, high, pixels)
        return CurveFrame(
            x, y, envelope.bounds, self._heights(x, y, window), available, self._note(available)
        )

    def _heights(self, x: Floats, y: Floats, window: Window) -> tuple[float, float] | None:
        if window.x is not None:
            inside = (x >= window.x[0]) & (x <= window.x[1])
            if inside.any():
                y = y[inside]
        return limits(y, _MARGIN)

    def _note(self, available: int) -> str:
        notes = []
        if self.length < available:
            notes.append(f"reading, {100 * self.length // available} % so far")
        if self._infinite:
            notes.append(f"{self._infinite} infinite values not drawn")
        return "; ".join(notes)
