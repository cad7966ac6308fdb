"""Chunks of a stack put into a grid: which part of which chunk goes where in the rows of a scan.

The grid is written in blocks, none of which is written twice: pieces of a row as long as a chunk
of the stack, counted from the row's first column; or whole rows where a chunk is longer than
those. A block is written as soon as the chunk with its last point is there, together with what
the chunk before has of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.follow.positions import get_position, get_position_snake_row

__all__ = [
    "ChunkSliceCollection",
    "SliceInOut",
    "SliceSize",
    "get_slice_structure",
    "write_data",
]


@dataclass
class SliceInOut:
    """Points to take from a chunk, and where they go.

    Parameters
    ----------
    input, output : slice
        Along the first axis of the chunk; along the fastest axis of the scan, or of the block.
    """

    input: slice
    output: slice


@dataclass
class SliceSize:
    """A block of a row that is put together before it is written.

    Parameters
    ----------
    slice : slice
        Where in the row it goes.
    size : int
        How many points it has.
    """

    slice: slice
    size: int


@dataclass
class ChunkSliceCollection:
    """One block of a row, and what it is made from.

    Parameters
    ----------
    type : {"current", "last", "combined"}
        Whether its points are in the chunk that has come, in the one before, or in both.
    position : tuple of int
        Position of the block's first column in the scan.
    current, last : SliceInOut or None
        What to take from each chunk.
    intermediate : SliceSize or None
        The block, if it is of both.

    Raises
    ------
    RuntimeError
        Another type.
    """

    types: ClassVar[tuple[str, ...]] = ("current", "last", "combined")

    type: str
    position: tuple[int, ...]
    current: SliceInOut | None = field(default=None)
    last: SliceInOut | None = field(default=None)
    intermediate: SliceSize | None = field(default=None)

    def __post_init__(self) -> None:
        if self.type not in self.types:
            raise RuntimeError(f"{self.type!r} is not one of {self.types}")


def get_slice_structure(
    index: int, n_points_chunk: int, scan_shape: Sequence[int], snake: bool
) -> list[ChunkSliceCollection]:
    """Tell which blocks of a grid are complete when a chunk of its stack has come.

    Parameters
    ----------
    index : int
        Flat index of the chunk's first point.
    n_points_chunk : int
        Points in a chunk.
    scan_shape : sequence of int
        Extent of the grid.
    snake : bool
        Whether it is scanned back and forth.

    Returns
    -------
    list of ChunkSliceCollection
        For :func:`write_data`; may be empty.

    Examples
    --------
    >>> get_slice_structure(0, 100, [123, 456], False)[0].current
    SliceInOut(input=slice(0, 100, 1), output=slice(0, 100, 1))
    """
    shape = [int(n) for n in scan_shape]
    stop = min(index + n_points_chunk, math.prod(shape))
    found = []
    for row in range(index // shape[-1], (stop - 1) // shape[-1] + 1):
        for block in _blocks(row, min(n_points_chunk, shape[-1]), shape, snake):
            if index < block.stop <= stop:
                found.append(block.pieces(index, n_points_chunk))
    return found


@dataclass
class _Block:
    """Columns of one row, and the points of the stack that belong there."""

    outer: tuple[int, ...]
    columns: slice
    start: int
    stop: int
    backwards: bool

    def pieces(self, index: int, chunk: int) -> ChunkSliceCollection:
        """Tell where its points are once the chunk that begins at `index` is there."""
        position = (*self.outer, self.columns.start)
        if self.start >= index:
            whole = self._taken(self.start - index, self.stop - index)
            return ChunkSliceCollection(
                "current", position, current=SliceInOut(whole, self.columns)
            )
        size, before = self.stop - self.start, index - self.start
        return ChunkSliceCollection(
            "combined",
            position,
            current=SliceInOut(slice(0, size - before), self._put(before, size, size)),
            last=SliceInOut(slice(chunk - before, chunk), self._put(0, before, size)),
            intermediate=SliceSize(self.columns, size),
        )

    def _taken(self, start: int, stop: int) -> slice:
        return _reversed(start, stop) if self.backwards else slice(start, stop, 1)

    def _put(self, start: int, stop: int, size: int) -> slice:
        if not self.backwards:
            return slice(start, stop, 1)
        return _reversed(size - stop, size - start)


def _reversed(start: int, stop: int) -> slice:
    return slice(stop - 1, start - 1 if start else None, -1)


def _blocks(row: int, length: int, shape: list[int], snake: bool) -> Iterator[_Block]:
    width = shape[-1]
    first = row * width
    if snake:
        position, backwards = get_position_snake_row(first, shape, len(shape))
    else:
        position, backwards = get_position(first, shape, len(shape)), False
    outer = tuple(int(n) for n in position[:-1])
    for left in range(0, width, length):
        right = min(left + length, width)
        low, high = (width - right, width - left) if backwards else (left, right)
        yield _Block(outer, slice(left, right, 1), first + low, first + high, backwards)


def write_data(
    slice_structure: Sequence[ChunkSliceCollection],
    data: NDArray[Any],
    last_data: NDArray[Any] | None,
    output: Any,
) -> None:
    """Write the blocks that are complete into the grid.

    Parameters
    ----------
    slice_structure : list of ChunkSliceCollection
        From :func:`get_slice_structure`.
    data, last_data : ndarray, shape ``(points, *frame_shape)``
        The chunk that has come, and the one before; None before the second.
    output : ndarray, dataset or array node, shape ``(*scan_shape, *frame_shape)``
        Changed in place.
    """
    for piece in slice_structure:
        if piece.type == "combined":
            assert piece.current is not None
            assert piece.last is not None
            assert piece.intermediate is not None
            assert last_data is not None
            block = np.zeros((piece.intermediate.size, *data.shape[1:]), data.dtype)
            block[piece.last.output] = last_data[piece.last.input]
            block[piece.current.output] = data[piece.current.input]
            columns = piece.intermediate.slice
        else:
            part = piece.current if piece.type == "current" else piece.last
            chunk = data if piece.type == "current" else last_data
            assert part is not None
            assert chunk is not None
            block, columns = chunk[part.input], part.output
        outer = tuple(slice(n, n + 1) for n in piece.position[:-1])
        frame = (slice(0, None),) * (data.ndim - 1)
        shape = (*[1] * len(outer), *block.shape)
        output[(*outer, columns, *frame)] = block.reshape(shape)
