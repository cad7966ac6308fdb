"""Cut a large array into blocks that fit into memory, whole chunks where it has some."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from h5backends.types import Box

__all__ = ["BLOCK_BYTES", "boxes"]

BLOCK_BYTES = 8 * 1024 * 1024
"""Size of a block: many times what a call costs, and nothing against the memory there is."""


def boxes(
    shape: Sequence[int],
    itemsize: int,
    chunks: Sequence[int] | None = None,
    limit: int = BLOCK_BYTES,
) -> Iterator[Box]:
    """Iterate over blocks that together are an array, each element once.

    Parameters
    ----------
    shape : sequence of int
        Extent of the array.
    itemsize : int
        Bytes of one element.
    chunks : sequence of int, optional
        What a block is made of. Without them single elements: then the blocks follow one another
        as the elements do in memory.
    limit : int
        Bytes of a block; a single chunk may have more.

    Yields
    ------
    Box
        One slice for each axis; none for an array without elements.
    """
    if 0 in shape:
        return
    units = chunks or [1] * len(shape)
    steps = [max(1, min(unit, length)) for unit, length in zip(units, shape, strict=True)]
    for axis in range(len(shape) - 1, -1, -1):
        others = max(1, itemsize * math.prod(steps) // steps[axis])
        room = limit // others
        if room < shape[axis]:
            steps[axis] *= max(1, room // steps[axis])
            break
        steps[axis] = shape[axis]
    starts = (range(0, n, step) for n, step in zip(shape, steps, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(start, min(start + step, n), 1)
            for start, step, n in zip(corner, steps, shape, strict=True)
        )
