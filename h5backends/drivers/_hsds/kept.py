"""What is kept of a file until an HSDS has stored it: changes of structure, and rows of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Connection
from h5backends.drivers._hsds.types import select

__all__ = ["Kept", "Note", "Rows"]

_MERGE_BYTES = 64 * 1024
_ENTRY_BYTES = 256
"""About what an entry takes beside its data."""


@dataclass(slots=True)
class Note:
    """A change of structure or attributes.

    Parameters
    ----------
    time : int
        When it was made, in ticks of the retention.
    target : str
        Id of the object on the server that holds it.
    redo : callable
        Makes it again; makes no difference where it is made already.
    what : str
        For messages.
    """

    time: int
    target: str
    redo: Callable[[Connection], None]
    what: str


@dataclass(slots=True)
class Rows:
    """Values that were appended, or written into a box.

    Parameters
    ----------
    time : int
        When, in ticks of the retention.
    first, last : int
        The chunk rows (rows of chunks along axis 0) that hold them.
    start, stop : int
        The rows of the array.
    data : bytearray
        The values as the server takes them.
    select : str or None
        The box they were written into; None if they were appended.
    stored : bool
        Whether the server has been seen to store them.
    """

    time: int
    first: int
    last: int
    start: int
    stop: int
    data: bytearray
    select: str | None = None
    stored: bool = False

    def takes(self, start: int, chunk_row: int, size: int) -> bool:
        """Tell whether rows that are appended next can be kept together with these."""
        small = len(self.data) + size <= _MERGE_BYTES
        return self.select is None and self.stop == start and self.first == chunk_row and small


class Kept:
    """What is kept of one array.

    Parameters
    ----------
    array : Array
        The array.

    Attributes
    ----------
    rows : list of Rows
        In the order in which they were written.
    length_time : int or None
        When its length was changed, if that may not be stored.
    longest : int
        How long it was before it was made shorter, if that may not be stored.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.rows: list[Rows] = []
        self.length_time: int | None = None
        self.longest = 0
        self._hot: tuple[int, int] | None = None  # chunk rows touched since the wait began

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return sum(len(rows.data) + _ENTRY_BYTES for rows in self.rows)

    @property
    def unstored(self) -> bool:
        """Whether anything here may not be stored."""
        return self.length_time is not None or any(not rows.stored for rows in self.rows)

    @property
    def most(self) -> int:
        """The most rows that the server may have of it by the work of this process."""
        return max(self.array.reach, self.array.length or 0, self.longest)

    @property
    def what(self) -> str:
        """What would be lost, for messages."""
        unstored = [rows for rows in self.rows if not rows.stored]
        if not unstored:
            return f"the length of {self.array.path}"
        first = min(rows.start for rows in unstored)
        last = max(rows.stop for rows in unstored)
        return f"rows {first} to {last - 1} of {self.array.path}"

    # -- keeping --------------------------------------------------------------------------------
    def begin(self) -> None:
        """Take note that a wait for storage begins."""
        self._hot = None

    def append(self, time: int, start: int, stop: int, data: bytes) -> None:
        """Keep rows that were appended."""
        first, last = self._touch(start, stop)
        before = self.rows[-1] if self.rows else None
        if before is not None and before.takes(start, last, len(data)):
            before.data += data
            before.stop, before.time, before.stored = stop, time, False
        else:
            self.rows.append(Rows(time, first, last, start, stop, bytearray(data)))

    def write(self, time: int, box: str, start: int, stop: int, data: bytes) -> None:
        """Keep values that were written into a box; what the same box held before is let go."""
        first, last = self._touch(start, stop)
        self.rows = [rows for rows in self.rows if rows.select != box]
        self.rows.append(Rows(time, first, last, start, stop, bytearray(data), box))

    def shorten(self, length: int, longest: int) -> None:
        """Cut what is kept to the array's new length; no box may reach beyond it."""
        array = self.array
        self.longest = max(self.longest, longest)
        self.rows = [rows for rows in self.rows if rows.start < length]
        edge, _ = self._touch(length, longest)
        for rows in self.rows:
            if rows.stop > length:
                del rows.data[(length - rows.start) * array.row_bytes :]
                rows.stop, rows.last = length, (length - 1) // array.chunk_rows
            rows.stored = rows.stored and rows.last < edge

    def _touch(self, start: int, stop: int) -> tuple[int, int]:
        first, last = start // self.array.chunk_rows, (stop - 1) // self.array.chunk_rows
        low, high = self._hot or (first, last)
        self._hot = min(first, low), max(last, high)
        return first, last

    # -- letting go -----------------------------------------------------------------------------
    def release(self, mark: int) -> None:
        """Drop what was stored before `mark`, and is safe.

        Not safe is what shares a chunk with something that is not stored yet, or with the next
        rows: the server writes a chunk over its only copy, and if it dies in between, that is the
        end of all that was in it. Nor may anything be dropped before what it was written over.
        """
        for rows in self.rows:
            rows.stored = rows.stored or (rows.time <= mark and not self._is_hot(rows))
        unsafe = [(rows.first, rows.last) for rows in self.rows if not rows.stored]
        length = self.array.length or 0
        if self.array.grows and length % self.array.chunk_rows:
            tail = length // self.array.chunk_rows
            unsafe.append((tail, tail))
        low = min((first for first, _ in unsafe), default=0)
        high = max((last for _, last in unsafe), default=-1)
        remaining: list[Rows] = []
        for rows in self.rows:
            if rows.first <= high and rows.last >= low:
                remaining.append(rows)
                low, high = min(low, rows.first), max(high, rows.last)
        self.rows = remaining

    def _is_hot(self, rows: Rows) -> bool:
        return self._hot is not None and rows.first <= self._hot[1] and rows.last >= self._hot[0]

    # -- looking --------------------------------------------------------------------------------
    def holds(self, row: int) -> bool:
        """Tell whether a row that was appended is kept."""
        latest = reversed(self.rows)
        return any(rows.select is None and rows.start <= row < rows.stop for rows in latest)

    def held_from(self) -> int:
        """Return the first of the last rows of the array that are kept without a gap."""
        start = self.array.length or 0
        appended = [rows for rows in self.rows if rows.select is None]
        for rows in sorted(appended, key=lambda rows: -rows.stop):
            if rows.stop >= start > rows.start:
                start = rows.start
        return start

    def selection(self, rows: Rows) -> str:
        """Write where these rows stand, in the server's notation."""
        return self.span(rows.start, rows.stop) if rows.select is None else rows.select

    def span(self, start: int, stop: int) -> str:
        """Write some whole rows of the array in the server's notation."""
        return select((slice(start, stop, 1), *(slice(0, n, 1) for n in self.array.row_shape)))
