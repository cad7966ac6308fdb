"""Positions of pixels along an axis: evenly spaced or not, rising or falling, or unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "mean_of_blocks"]

_EVEN = 1e-3
"""Spacings that differ by no more than this part of them are drawn as equal."""
_MOST = 2000
"""Pixels onto which an uneven axis is drawn at most."""


class Grid:
    """The cells of an image along one axis.

    Parameters
    ----------
    positions : ndarray of float64, shape (n,)
        Centres of the cells. Where they neither rise nor fall throughout, cells are numbered.
    """

    def __init__(self, positions: NDArray[np.float64]) -> None:
        steps = np.diff(positions)
        rises, falls = bool((steps > 0).all()), bool((steps < 0).all())
        if not np.isfinite(positions).all() or not (rises or falls):
            positions = np.arange(len(positions), dtype=np.float64)
            steps = np.ones(max(0, len(positions) - 1))
            falls = False
        self._falls = falls and len(positions) > 1
        self._edges = _edges(positions[::-1] if self._falls else positions)
        mean = float(np.abs(steps).mean()) if len(steps) else 1.0
        self._even = not len(steps) or bool(np.ptp(np.abs(steps)) <= _EVEN * mean)

    @property
    def limits(self) -> tuple[float, float]:
        """Outer edges of the first and the last cell."""
        return float(self._edges[0]), float(self._edges[-1])

    def part(self, limits: tuple[float, float] | None) -> tuple[int, int]:
        """Return the cells that lie within limits, at least one.

        Parameters
        ----------
        limits : tuple of float, or None
            None for all.

        Returns
        -------
        start, stop : int
            Indexes along the array.
        """
        count = len(self._edges) - 1
        if limits is None:
            return 0, count
        start = int(np.searchsorted(self._edges, limits[0], "right")) - 1
        stop = int(np.searchsorted(self._edges, limits[1], "left"))
        start = min(max(0, start), count - 1)
        stop = min(max(start + 1, stop), count)
        return (count - stop, count - start) if self._falls else (start, stop)

    def spread(
        self, image: NDArray[Any], part: tuple[int, int], axis: int
    ) -> tuple[float, float, NDArray[Any]]:
        """Bring a part of an image onto evenly spaced pixels.

        Parameters
        ----------
        image : ndarray
            The part, possibly averaged over blocks of cells.
        part : tuple of int
            Which cells it shows.
        axis : int
            The axis of the image.

        Returns
        -------
        low, high : float
            The outer edges of the part.
        ndarray
            The image, rising along the axis.
        """
        count = len(self._edges) - 1
        start, stop = part
        if self._falls:
            start, stop = count - stop, count - start
            image = np.flip(image, axis)
        edges = self._edges[start : stop + 1]
        low, high = float(edges[0]), float(edges[-1])
        have = image.shape[axis]
        if self._even or have < 2:
            return low, high, image
        if have != stop - start:  # averaged: its cells have edges where the blocks begin
            block = -(-(stop - start) // have)
            edges = np.append(edges[:-1:block][:have], high)
        finest = float(np.diff(edges).min())
        pixels = int(np.clip((high - low) / max(finest, (high - low) / _MOST), have, _MOST))
        centres = low + (np.arange(pixels) + 0.5) * (high - low) / pixels
        which = np.clip(np.searchsorted(edges, centres, "right") - 1, 0, have - 1)
        return low, high, np.take(image, which, axis)


def _edges(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of cells: halfway between their centres."""
    if len(positions) < 2:
        centre = float(positions[0]) if len(positions) else 0.0
        return np.array([centre - 0.5, centre + 0.5])
    middle = (positions[1:] + positions[:-1]) / 2
    first = positions[0] - (middle[0] - positions[0])
    last = positions[-1] + (positions[-1] - middle[-1])
    return np.concatenate([[first], middle, [last]])


def mean_of_blocks(image: NDArray[np.float64], most: tuple[int, int]) -> NDArray[np.float64]:
    """Return an image averaged over blocks of pixels, so that it is no larger than wanted.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)
        NaN is left out of the average.
    most : tuple of int
        Rows and columns at most.
    """
    for axis in (0, 1):
        block = -(-image.shape[axis] // max(1, most[axis]))
        if block <= 1:
            continue
        edges = np.arange(0, image.shape[axis], block)
        present = ~np.isnan(image)
        total = np.add.reduceat(np.where(present, image, 0), edges, axis=axis)
        number = np.add.reduceat(present, edges, axis=axis, dtype=np.intp)
        with np.errstate(invalid="ignore", divide="ignore"):
            image = np.where(number > 0, total / number, np.nan)
    return image
