"""Rows of a stack in memory: the least recently used ones go first, the next ones come ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import H5Error, StorageError
from h5backends.types import Box

__all__ = ["Coming", "Lock", "Now", "Span", "Spans"]

Lock = AbstractContextManager[Any]
"""A lock that one thread may take several times."""


class Coming(Protocol):
    """Rows that were asked for; see :class:`h5backends.chunk_reader.Pending`."""

    def result(self) -> NDArray[Any]:
        """Wait for them."""

    def cancel(self) -> None:
        """Give up what was not begun."""


class Now:
    """Rows that are there already."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self._rows = rows

    def result(self) -> NDArray[Any]:
        """Return them."""
        return self._rows

    def cancel(self) -> None:
        """Do nothing."""


class Span:
    """Consecutive rows.

    Parameters
    ----------
    start, stop : int
        Which rows.
    data : ndarray, shape ``(stop - start, ...)``
        Made read-only.
    """

    __slots__ = ("data", "start", "stop")

    def __init__(self, start: int, stop: int, data: NDArray[Any]) -> None:
        self.start = start
        self.stop = stop
        self.data = data.view()
        self.data.flags.writeable = False


class Spans:
    """The rows of a stack that are in memory, and how others get there.

    A row that is read out of order brings its block; rows that are read one after the other
    bring windows that double, each asked for while the one before it is used.

    Parameters
    ----------
    begin : callable
        Asks for rows ``start`` to ``stop``; the first begins a block.
    length : int
        How many rows there are.
    block : int
        Rows that are read together anyway: those of one HDF5 chunk.
    window : int
        How many rows to read together at most when they are read in order.
    capacity : int
        Bytes to keep; a span that is larger is kept alone.
    row_nbytes : int
        Bytes of one row.
    ahead : bool
        Whether asking ahead gains anything.
    lock : lock, optional
        Held while rows are read; that of the file, if `begin` takes one: two locks that several
        threads take in different order would stop them all.
    """

    def __init__(
        self,
        begin: Callable[[int, int], Coming],
        *,
        length: int,
        block: int,
        window: int,
        capacity: int,
        row_nbytes: int,
        ahead: bool,
        lock: Lock | None = None,
    ) -> None:
        self.length = length
        self.block = block
        self.nbytes = 0
        self._begin = begin
        self._capacity = capacity
        most = min(window, capacity // (2 * max(1, row_nbytes)))
        self._most = max(block, most // block * block)
        self._asks_ahead = ahead and capacity >= 2 * block * row_nbytes
        self._lock = threading.RLock() if lock is None else lock
        self._kept: OrderedDict[int, Span] = OrderedDict()
        self._where: dict[int, Span] = {}
        self._latest = Span(0, 0, np.empty((0,)))
        self._window = block
        self._ahead: tuple[int, int, Coming] | None = None

    # -- reading --------------------------------------------------------------------------------
    def at(self, row: int) -> Span:
        """Return the span that holds a row, which is there."""
        span = self._latest
        if span.start <= row < span.stop:
            return span
        with self._lock:
            return self._used(row) or self._load(row, None)

    def covering(self, start: int, stop: int) -> Span:
        """Return a span that holds some rows; `start` begins a block."""
        with self._lock:
            span = self._used(start)
            if span is None or span.stop < stop:
                span = self._load(start, stop)
            if span.stop < stop:  # what was asked for ahead is not all of it
                span = self._load(start, stop)
            return span

    def gather(self, rows: range | NDArray[Any], tail: Box, out: NDArray[Any]) -> None:
        """Copy rows, in any order and repeated, or a part of each.

        Parameters
        ----------
        rows : range with a positive step, or ndarray of int
            Which ones.
        tail : tuple of slice
            The part, for each axis behind that of rows.
        out : ndarray, shape ``(len(rows), *part)``
            Where to.
        """
        if isinstance(rows, range):
            place = 0
            while place < len(rows):
                first = rows[place]
                span = self.at(first)
                count = min(len(range(first, span.stop, rows.step)), len(rows) - place)
                picked = slice(first - span.start, rows[place + count - 1] + 1 - span.start)
                part = span.data[picked.start : picked.stop : rows.step]
                out[place : place + count] = part[(slice(None), *tail)]
                place += count
            return
        order = np.argsort(rows, kind="stable")
        wanted, place = rows[order], 0
        while place < len(wanted):
            span = self.at(int(wanted[place]))
            end = int(np.searchsorted(wanted, span.stop))
            inside = wanted[place:end] - span.start
            out[order[place:end]] = span.data[(slice(None), *tail)][inside]
            place = end

    # -- keeping --------------------------------------------------------------------------------
    def _used(self, row: int) -> Span | None:
        """Return the span that holds a row and was read before, as the one used last."""
        span = self._where.get(row // self.block)
        if span is None or not span.start <= row < span.stop:
            return None
        self._kept.move_to_end(id(span))
        self._latest = span
        return span

    def _load(self, row: int, stop: int | None) -> Span:
        """Read the rows from the block of a row on: to `stop`, else as many as seem right."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] <= row < ahead[1]:
            self._window = min(2 * self._window, self._most)
            try:
                return self._keep(ahead[0], ahead[1], ahead[2].result(), in_order=True)
            except StorageError:
                return self._load_block(row)
        if ahead is not None:
            ahead[2].cancel()
        start = row - row % self.block
        in_order = self._latest.stop == start > 0
        if stop is not None:
            end = -(-stop // self.block) * self.block
            self._window = end - start
        else:
            self._window = min(2 * self._window, self._most) if in_order else self.block
            end = start + self._window
        end = min(end, self.length)
        try:
            rows = self._begin(start, end).result()
        except StorageError:
            if stop is not None or end - start <= self.block:
                raise
            return self._load_block(row)
        return self._keep(start, end, rows, in_order=in_order)

    def _load_block(self, row: int) -> Span:
        """Read the block of a row alone: of many, one that was not asked for may be damaged."""
        self._window = self.block
        start = row - row % self.block
        end = min(start + self.block, self.length)
        return self._keep(start, end, self._begin(start, end).result(), in_order=False)

    def _keep(self, start: int, stop: int, rows: NDArray[Any], *, in_order: bool) -> Span:
        span = Span(start, stop, rows)
        self._kept[id(span)] = self._latest = span
        if stop - start <= self.block:
            self._where[start // self.block] = span
        else:
            self._where.update(dict.fromkeys(self._blocks(span), span))
        self.nbytes += rows.nbytes
        while self.nbytes > self._capacity and len(self._kept) > 1:
            self._drop(self._kept.popitem(last=False)[1])
        if in_order and self._asks_ahead and stop < self.length:
            end = min(stop + self._window, self.length)
            try:
                self._ahead = (stop, end, self._begin(stop, end))
            except H5Error:
                self._ahead = None  # raised again when one of these rows is asked for
        return span

    def _blocks(self, span: Span) -> range:
        return range(span.start // self.block, -(-span.stop // self.block))

    def _drop(self, span: Span) -> None:
        self.nbytes -= span.data.nbytes
        for number in self._blocks(span):
            if self._where.get(number) is span:
                del self._where[number]

    # -- change ---------------------------------------------------------------------------------
    def resize(self, length: int) -> None:
        """Take in how many rows there are now; those that are gone are forgotten."""
        with self._lock:
            if length < self.length:
                self.clear()
            self.length = length

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            ahead, self._ahead = self._ahead, None
            if ahead is not None:
                ahead[2].cancel()
            self._kept.clear()
            self._where.clear()
            self.nbytes = 0
            self._window = self.block
            self._latest = Span(0, 0, np.empty((0,)))
