"""Points of a scan by their flat index: the largest box that holds the next ones in order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from h5backends.types import Box

__all__ = ["box_at", "box_size", "points"]


def box_at(start: int, stop: int, extent: tuple[int, ...]) -> Box:
    """Return a box that begins at a point and holds the points behind it in scan order.

    Parameters
    ----------
    start, stop : int
        Flat indices in row-major order, ``0 <= start < stop <= prod(extent)``; the box ends at
        `stop` or before.
    extent : tuple of int
        Shape of the scan.

    Returns
    -------
    Box
        At least one point. Called again at its end, the pieces follow one another without gaps.
    """
    box: list[slice] = []
    block = math.prod(extent)
    offset = start
    for axis, length in enumerate(extent):
        block //= length
        position, offset = divmod(offset, block)
        whole = (stop - start) // block
        if offset == 0 and whole:
            box.append(slice(position, min(position + whole, length), 1))
            box.extend(slice(0, n, 1) for n in extent[axis + 1 :])
            break
        box.append(slice(position, position + 1, 1))
    return tuple(box)


def box_size(box: Box) -> int:
    """Return how many points a box of step 1 holds."""
    return math.prod(part.stop - part.start for part in box)


def points(box: Box) -> Iterator[Box]:
    """Iterate over the points of a box, each as slices of length 1, in scan order."""
    return itertools.product(
        *[[slice(n, n + 1) for n in range(part.start, part.stop)] for part in box]
    )
