"""Chunk shapes: chosen for how the data arrive, never left to the library.

Automatic chunking sees an empty growing array and picks tiny chunks; for frames it cuts every
image into pieces, which costs tenfold in time. See `docs/explanations/decisions`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from h5backends.types import Box

__all__ = ["Part", "block_chunks", "parts", "stream_chunks"]

_STREAM_BYTES = 64 * 1024
"""Target of a stream's chunk: large against the cost of a write, small against a short scan."""
_PACKED_BYTES = _STREAM_BYTES // 2
"""The same with compression; PyTables' chunk cache is made to hold these, and not the others."""
_BLOCK_BYTES = 1024 * 1024
"""Target for arrays of known shape."""
_CHUNK_LIMIT = 2**31
"""Stay well below the 4 GiB that a chunk may have."""


def stream_chunks(
    row_shape: tuple[int, ...], itemsize: int, packed: bool = False
) -> tuple[int, ...]:
    """Choose chunks for an array that grows row by row.

    Small rows are collected to about 64 KiB; a row beyond that (an image) is one chunk.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row.
    itemsize : int
        Bytes of one element.
    packed : bool
        Whether the chunks are compressed.
    """
    row_shape = tuple(max(1, n) for n in row_shape)
    row_bytes = max(1, itemsize * math.prod(row_shape))
    if row_bytes > _CHUNK_LIMIT:
        return (1, *block_chunks(row_shape, itemsize))
    target = _PACKED_BYTES if packed else _STREAM_BYTES
    return (max(1, target // row_bytes), *row_shape)


def block_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Choose chunks for an array of known shape: whole trailing axes up to about 1 MiB.

    Parameters
    ----------
    shape : tuple of int
        The full extent; axes of length zero count as one.
    itemsize : int
        Bytes of one element.
    """
    chunks = [1] * len(shape)
    budget = max(1, _BLOCK_BYTES // max(1, itemsize))
    for axis in range(len(shape) - 1, -1, -1):
        chunks[axis] = max(1, min(shape[axis], budget))
        budget //= chunks[axis]
        if chunks[axis] < shape[axis] or not budget:
            break
    return tuple(chunks)


class Part(NamedTuple):
    """What a box and one chunk have in common."""

    offset: tuple[int, ...]
    """Where the chunk begins."""
    outer: Box
    """The part, counted from the beginning of the array."""
    inner: Box
    """From that of the chunk."""
    place: Box
    """From that of the box."""


def parts(box: Box, chunks: tuple[int, ...]) -> Iterator[Part]:
    """Iterate over the chunks that a box touches.

    Parameters
    ----------
    box : tuple of slice
        Inside the extent, all steps 1.
    chunks : tuple of int
        Chunk shape.
    """
    grid = [
        range(each.start // size * size, each.stop, size)
        for each, size in zip(box, chunks, strict=True)
    ]
    for offset in itertools.product(*grid):
        outer, inner, place = [], [], []
        for start, size, each in zip(offset, chunks, box, strict=True):
            low, high = max(start, each.start), min(start + size, each.stop)
            outer.append(slice(low, high, 1))
            inner.append(slice(low - start, high - start))
            place.append(slice(low - each.start, high - each.start))
        yield Part(offset, tuple(outer), tuple(inner), tuple(place))
