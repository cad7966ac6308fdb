"""The outline of a trace: lowest and highest value of blocks of rows, kept as rows come.

Blocks of blocks are kept too, so that a picture of any part of a trace of any length costs what
its pixels cost, and new rows cost what they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Envelope", "reduced"]

BLOCK = 64
"""Rows of the smallest blocks."""
_FACTOR = 8
"""Blocks of one level in a block of the next."""

Floats = NDArray[np.float64]


class _Grown:
    """An array that grows along its first axis, at the cost of what is added."""

    def __init__(self, columns: int) -> None:
        self._data = np.empty((64, columns))
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, rows: Floats) -> None:
        needed = self._length + len(rows)
        if needed > len(self._data):
            grown = np.empty((max(needed, 2 * len(self._data)), self._data.shape[1]))
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._data[self._length : needed] = rows
        self._length = needed

    @property
    def rows(self) -> Floats:
        return self._data[: self._length]


class _Level:
    """Lowest and highest values, and the positions of the first rows, of blocks of one size."""

    def __init__(self, size: int, columns: int) -> None:
        self.size = size
        self.low, self.high, self.x = _Grown(columns), _Grown(columns), _Grown(1)

    def add(self, low: Floats, high: Floats, x: Floats) -> None:
        self.low.add(low)
        self.high.add(high)
        self.x.add(x.reshape(-1, 1))


class Envelope:
    """The outline of a trace that grows.

    Parameters
    ----------
    columns : int
        Values of a row.

    Attributes
    ----------
    length : int
        Rows taken.
    rising : bool
        Whether positions never went back so far; only then a part can be found by them.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.length = 0
        self.rising = True
        self._levels = [_Level(BLOCK, columns)]
        self._rest = np.empty((0, columns))
        self._rest_x = np.empty(0)
        self._last = -np.inf
        self._bounds = (np.inf, -np.inf)

    def append(self, x: Floats, values: Floats) -> None:
        """Take rows.

        Parameters
        ----------
        x : ndarray of float64, shape (n,)
            Their positions.
        values : ndarray of float64, shape (n, columns)
            NaN for values that are not to be drawn.
        """
        self.length += len(values)
        known = x[np.isfinite(x)]
        if known.size:
            self.rising &= bool(known[0] >= self._last and (np.diff(known) >= 0).all())
            self._last = float(known[-1])
            low, high = self._bounds
            self._bounds = min(low, float(known.min())), max(high, float(known.max()))
        values = np.concatenate([self._rest, values])
        x = np.concatenate([self._rest_x, x])
        whole = len(values) // BLOCK * BLOCK
        self._rest, self._rest_x = values[whole:].copy(), x[whole:].copy()
        if not whole:
            return
        blocks = values[:whole].reshape(-1, BLOCK, self.columns)
        level = self._levels[0]
        level.add(np.fmin.reduce(blocks, axis=1), np.fmax.reduce(blocks, axis=1), x[:whole:BLOCK])
        self._raise()

    def _raise(self) -> None:
        """Build the blocks of blocks that became whole."""
        number = 0
        while number < len(self._levels):
            lower = self._levels[number]
            number += 1
            if number == len(self._levels):
                if len(lower.x) < _FACTOR * _FACTOR:
                    return
                self._levels.append(_Level(_FACTOR * lower.size, self.columns))
            upper = self._levels[number]
            start, stop = _FACTOR * len(upper.x), len(lower.x) // _FACTOR * _FACTOR
            if start < stop:
                low = lower.low.rows[start:stop].reshape(-1, _FACTOR, self.columns)
                high = lower.high.rows[start:stop].reshape(-1, _FACTOR, self.columns)
                x = lower.x.rows[start:stop:_FACTOR]
                upper.add(np.fmin.reduce(low, axis=1), np.fmax.reduce(high, axis=1), x)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest position; None without any."""
        low, high = self._bounds
        return (low, high) if low <= high else None

    def rows_within(self, low: float, high: float) -> tuple[int, int]:
        """Return rows that include those at positions within limits: up to a block more.

        Parameters
        ----------
        low, high : float
            The limits; where positions went back, all rows are returned.
        """
        if not self.rising:
            return 0, self.length
        x = self._levels[0].x.rows[:, 0]
        start = max(0, int(np.searchsorted(x, low, "left")) - 1) * BLOCK
        stop = (int(np.searchsorted(x, high, "right")) + 1) * BLOCK
        return min(start, self.length), min(max(stop, start), self.length)

    def is_fine(self, start: int, stop: int, pixels: int) -> bool:
        """Tell whether blocks are fine enough for a part, or its rows themselves are needed."""
        return stop - start > BLOCK * pixels

    def part(self, start: int, stop: int, pixels: int) -> tuple[Floats, Floats, Floats]:
        """Return the outline of a part.

        Parameters
        ----------
        start, stop : int
            Rows of the part; up to a block more is returned.
        pixels : int
            About how many steps to return, at least.

        Returns
        -------
        x : ndarray of float64, shape (n,)
        low, high : ndarray of float64, shape (n, columns)
        """
        wanted = max(BLOCK, (stop - start) // max(1, pixels))
        number = max(n for n, level in enumerate(self._levels) if level.size <= wanted)
        xs, lows, highs = [], [], []
        at = start
        for level in reversed(self._levels[: number + 1]):
            first, last = at // level.size, min(len(level.x), -(-stop // level.size))
            if first < last:
                xs.append(level.x.rows[first:last, 0])
                lows.append(level.low.rows[first:last])
                highs.append(level.high.rows[first:last])
                at = last * level.size
        if at < stop and len(self._rest):
            xs.append(self._rest_x[:1])
            lows.append(np.fmin.reduce(self._rest, axis=0)[None])
            highs.append(np.fmax.reduce(self._rest, axis=0)[None])
        if not xs:
            return np.empty(0), np.empty((0, self.columns)), np.empty((0, self.columns))
        return np.concatenate(xs), np.concatenate(lows), np.concatenate(highs)


def reduced(x: Floats, low: Floats, high: Floats, pixels: int) -> tuple[Floats, Floats]:
    """Return points to draw: for each pixel the lowest and the highest value.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Positions.
    low, high : ndarray of float64, shape (n, columns)
        The same array twice for rows, or the outline of blocks.
    pixels : int
        Steps to return at most; fewer rows than two a pixel are returned as they are.

    Returns
    -------
    x : ndarray of float64, shape (m,)
    y : ndarray of float64, shape (m, columns)
    """
    count = len(x)
    if low is high and count <= 2 * pixels:
        return x, low
    if count > pixels:
        edges = np.unique(np.linspace(0, count, pixels, endpoint=False).astype(np.intp))
        x, low, high = x[edges], np.fmin.reduceat(low, edges), np.fmax.reduceat(high, edges)
    y = np.empty((2 * len(x), low.shape[1]))
    # High and low in turns, so that neighbours join without crossing the whole height.
    y[0::2], y[1::2] = low, high
    y[2::4], y[3::4] = high[1::2], low[1::2]
    return np.repeat(x, 2), y
