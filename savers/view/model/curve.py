"""A curve or several lines: read once, row by row as they come, and drawn by the pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savers.view.model.envelope import Envelope, reduced
from savers.view.model.frames import CurveFrame, Window, limits
from savers.view.model.subject import Subject

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
    subject : Subject
        What to draw.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._dim = subject.dims[0]
        self._lines = subject.choice.lines
        self._columns = 1 if self._lines is None else subject.array.shape[self._lines]
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
            self._subject.refresh()
        available = self._subject.available()
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

    def _take(self, start: int, stop: int) -> None:
        x, values, infinite = self._rows(start, stop)
        self._envelope.append(x, values)
        self._infinite += infinite

    def _rows(self, start: int, stop: int) -> tuple[Floats, Floats, int]:
        """Read positions, values as they are drawn, and how many infinities there are."""
        parts = {self._dim.index: slice(start, stop)}
        if self._lines is not None:
            parts[self._lines] = slice(None)
        drawn, infinite = self._subject.read(parts)
        if self._lines is not None and self._lines < self._dim.index:
            drawn = drawn.T
        return self._dim.positions(start, stop), drawn.reshape(stop - start, -1), infinite

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
