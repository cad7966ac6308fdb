"""The order in which the points of a scan are visited, and which ones were."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savers.extended import point_number

__all__ = ["Visited", "lines", "snake"]


def lines(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return the points of a grid line by line, the last axis fastest.

    Parameters
    ----------
    shape : tuple of int
        Of the grid.
    """
    return itertools.product(*map(range, shape))


def snake(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return the points of a grid on a path that never jumps: every second line backwards.

    Parameters
    ----------
    shape : tuple of int
        Of the grid.

    Examples
    --------
    >>> list(snake((2, 3)))
    [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]
    """
    # Of each axis: its length, and how many points come before it moves by one.
    axes = [(length, math.prod(shape[n + 1 :])) for n, length in enumerate(shape)]
    for number in range(math.prod(shape)):
        indexes = []
        for length, inner in axes:
            line, index = divmod(number // inner, length)
            indexes.append(length - 1 - index if line % 2 else index)
        yield tuple(indexes)


class Visited:
    """Which points of a grid are written; of a scan that grows, how many.

    Parameters
    ----------
    shape : tuple of int
        Of the grid; empty for a scan that grows.
    """

    __slots__ = ("_marks", "_shape", "count")

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        # One byte each, which takes memory only where a point was written.
        self._marks = np.zeros(math.prod(shape) if shape else 0, bool)
        self.count = 0

    def __contains__(self, indexes: tuple[int, ...]) -> bool:
        return bool(self._marks[point_number(indexes, self._shape)])

    def add(self, indexes: tuple[int, ...]) -> None:
        """Take note of a point that was written."""
        if self._shape:
            number = point_number(indexes, self._shape)
            self.count += not self._marks[number]
            self._marks[number] = True
        else:
            self.count += 1

    def update(self, points: NDArray[Any]) -> None:
        """Take note of points that were written before, one a row."""
        if self._shape and len(points):
            self._marks[np.ravel_multi_index(tuple(points.T), self._shape)] = True
        self.count = len(points)
