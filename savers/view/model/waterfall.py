"""An image of rows that come one after the other: averaged as they come, at constant cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from savers.view.model.frames import ImageFrame, Window, limits
from savers.view.model.grid import Grid, mean_of_blocks
from savers.view.model.subject import Subject

__all__ = ["Waterfall"]

_ROWS = 1024
"""Rows kept at most; when they are full, each two become one."""
_COLUMNS = 1024
_STEP = 2_000_000
"""Values to read at one look."""
_DIRECT = 2_000_000
"""A part with no more values than this is read from the file, row by row."""

Floats = NDArray[np.float64]


class Waterfall:
    """The growing dimension of an array and another one.

    Parameters
    ----------
    subject : Subject
        What to draw.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._rows, self._columns = subject.dims
        self._width = subject.array.shape[self._columns.index]
        self._x = Grid(self._columns.positions(0, self._width))
        kept = mean_of_blocks(np.zeros((1, max(1, self._width))), (1, _COLUMNS)).shape[1]
        self._total = np.zeros((_ROWS, kept))
        self._number = np.zeros((_ROWS, kept))
        self._block = 1
        self._taken = 0
        self._infinite = False
        self._shown: object = None

    def update(self, window: Window, moved: bool) -> ImageFrame | None:
        """Take in what is new, see :meth:`savers.view.model.curve.Curve.update`."""
        if moved:
            self._subject.refresh()
        available = self._subject.available()
        step = max(1, _STEP // max(1, self._width))
        if self._taken < available:
            self._take(min(available, self._taken + step))
        if self._shown == (self._taken, window) or not self._taken or not self._width:
            return None
        self._shown = (self._taken, window)
        return self._frame(window, available)

    def _read(self, start: int, stop: int, columns: slice) -> Floats:
        parts = {0: slice(start, stop), self._columns.index: columns}
        drawn, infinite = self._subject.read(parts)
        self._infinite |= infinite > 0
        return drawn

    def _take(self, stop: int) -> None:
        """Add rows to the averages they belong to."""
        rows = self._read(self._taken, stop, slice(None))
        rows = mean_of_blocks(rows, (len(rows), _COLUMNS))
        while math.ceil(stop / self._block) > _ROWS:
            half = _ROWS // 2
            for kept in (self._total, self._number):
                kept[:half] = kept[0::2] + kept[1::2]
                kept[half:] = 0
            self._block *= 2
        where = np.arange(self._taken, stop) // self._block
        present = ~np.isnan(rows)
        np.add.at(self._total, where, np.where(present, rows, 0))
        np.add.at(self._number, where, present)
        self._taken = stop

    def _frame(self, window: Window, available: int) -> ImageFrame:
        low, high = self._edge(0), self._edge(self._taken)
        start, stop = self._part_of(window, low, high)
        columns = self._x.part(window.x)
        if self._block > 1 and (stop - start) * (columns[1] - columns[0]) <= _DIRECT:
            image = self._read(start, stop, slice(*columns))
            bottom, top = start, stop
        else:
            first, last = start // self._block, -(-stop // self._block)
            total, number = self._total[first:last], self._number[first:last]
            with np.errstate(invalid="ignore", divide="ignore"):
                image = np.where(number > 0, total / number, np.nan)
            columns = (0, self._width)
            bottom, top = first * self._block, min(last * self._block, self._taken)
        image = mean_of_blocks(image, (max(64, window.height), max(64, window.width)))
        left, right, image = self._x.spread(image, columns, 1)
        notes = ["infinite values are not drawn"] if self._infinite else []
        if self._taken < available:
            notes.append(f"reading, {100 * self._taken // available} % so far")
        return ImageFrame(
            np.ascontiguousarray(image, np.float32),
            (left, right),
            (self._edge(bottom), self._edge(top)),
            self._x.limits,
            (low, high),
            limits(image),
            (self._taken, self._width),
            "; ".join(notes),
        )

    def _edge(self, row: int) -> float:
        """Return where a row begins: its own position, behind the last one as far on as before."""
        if row < self._taken:
            return float(self._rows.positions(row, row + 1)[0])
        ends = self._rows.positions(max(0, row - 2), row)
        step = float(ends[-1] - ends[0]) if len(ends) > 1 else 1.0
        return float(ends[-1]) + (step or 1.0)

    def _part_of(self, window: Window, low: float, high: float) -> tuple[int, int]:
        """Return the rows in a window, as if they were evenly spaced, with one to spare."""
        if window.y is None or not high > low:
            return 0, self._taken
        scale = self._taken / (high - low)
        start = math.floor((window.y[0] - low) * scale) - 1
        stop = math.ceil((window.y[1] - low) * scale) + 1
        start = min(max(0, start), self._taken - 1)
        return start, min(max(start + 1, stop), self._taken)
