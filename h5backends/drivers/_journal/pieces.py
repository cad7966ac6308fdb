"""Bytes that were written but are held back: disjoint pieces of a file, in order."""

from __future__ import annotations

import ctypes
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from h5backends.journal import Piece

__all__ = ["Pieces"]


class Pieces:
    """What is to be laid over a file.

    Attributes
    ----------
    nbytes : int
        How many bytes are held.
    """

    __slots__ = ("_blocks", "_starts", "nbytes")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: list[bytes] = []
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Piece]:
        return zip(self._starts, self._blocks, strict=True)

    def clear(self) -> None:
        """Let go of everything."""
        self._starts.clear()
        self._blocks.clear()
        self.nbytes = 0

    def put(self, start: int, data: bytes) -> None:
        """Hold bytes; what was held for the same places before is forgotten."""
        at = bisect_left(self._starts, start)
        same = at < len(self._starts) and self._starts[at] == start
        if same and len(self._blocks[at]) == len(data):
            self._blocks[at] = data  # metadata come again and again in the same size
            return
        at = self.cut(start, start + len(data))
        self._starts.insert(at, start)
        self._blocks.insert(at, data)
        self.nbytes += len(data)

    def cut(self, start: int, stop: int) -> int:
        """Forget what is held between two positions; return the index where it would stand."""
        starts, blocks = self._starts, self._blocks
        first = self._first_behind(start)
        last = bisect_left(starts, stop, first)
        if first == last:
            return first
        kept: list[Piece] = []
        head, block = starts[first], blocks[first]
        if head < start:
            kept.append((head, block[: start - head]))
        tail, block = starts[last - 1], blocks[last - 1]
        if tail + len(block) > stop:
            kept.append((stop, block[stop - tail :]))
        self.nbytes += sum(len(data) for _, data in kept)
        self.nbytes -= sum(map(len, blocks[first:last]))
        starts[first:last] = [place for place, _ in kept]
        blocks[first:last] = [data for _, data in kept]
        return first + (head < start)

    def lay_over(self, start: int, size: int, address: int) -> None:
        """Put what is held over `size` bytes of memory that were read from position `start`."""
        stop = start + size
        for index in range(self._first_behind(start), len(self._starts)):
            place, data = self._starts[index], self._blocks[index]
            if place >= stop:
                return
            first, last = max(start, place), min(stop, place + len(data))
            part = data[first - place : last - place]
            ctypes.memmove(address + first - start, part, len(part))

    def _first_behind(self, start: int) -> int:
        """Return the index of the first piece that ends behind a position."""
        at = bisect_right(self._starts, start) - 1
        if at >= 0 and self._starts[at] + len(self._blocks[at]) > start:
            return at
        return at + 1
