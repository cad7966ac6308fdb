"""New rows of a file while another program writes it, until that program is done or dead."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from enum import Enum

from h5backends.backend import H5Backend
from h5backends.errors import FileBusyError, H5Error
from h5backends.heartbeat import WriterState, WriterWatch
from savers.cli.arrival import Arrival
from savers.cli.console import Stop
from savers.cli.options import Place
from savers.cli.streams import Batch, StreamGroup, find_streams
from savers.marks import MarkWatch

__all__ = ["End", "Tail"]

_ORDER = 10.0
"""Seconds that a writer may take to put a file in order after its last row."""
_SHORTEST, _LONGEST = 0.001, 0.05
_QUIET = 0.02
"""Without a row for so long, it is worth asking whether the writer still lives."""
_ASK = 0.2
"""But not more often than this."""
_FAILURES = 20
"""Failed looks in a row before it is an error: each may be a row caught in the middle."""


class End(Enum):
    """Why there are no more rows."""

    FINISHED = "finished"
    CRASHED = "writer_crashed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    REPLACED = "replaced"


class Tail:
    """Follows the growing arrays of a file.

    Parameters
    ----------
    place : Place
        The file; it need not exist yet.
    node : str
        The array, or the group whose arrays, to follow.
    last : int or None
        Of the rows that are there already, how many to return; None for all.
    timeout : float or None
        Seconds to wait for the file, and for each row; None for 10 seconds and without end.
    stop : Stop
        Asks to end.

    Attributes
    ----------
    end : End
        Why :meth:`batches` ended.
    rows, skipped : int
        Rows returned, and rows there were before them.
    """

    def __init__(
        self, place: Place, node: str, last: int | None, timeout: float | None, stop: Stop
    ) -> None:
        self._place = place
        self._path = node
        self._last = last
        self._timeout = timeout
        self._stop = stop
        self._failures = 0
        self.end = End.STOPPED
        self.rows = self.skipped = 0

    def batches(self) -> Iterator[Batch]:
        """Iterate over rows as they come, in order.

        Raises
        ------
        H5Error
            The file cannot be read, or not while it is written.
        """
        arrival = Arrival(self._place, self._timeout, self._stop)
        h5 = arrival.wait()
        if h5 is None:
            return
        self._h5 = h5
        try:
            self._location = h5.filename
            self._identity = None if self._place.is_remote else _identity(self._location)
            self._watch: WriterWatch | MarkWatch = (
                MarkWatch(h5) if self._place.is_remote else WriterWatch(self._location)
            )
            live = self._is_live()
            # What was not there when following began is new, every row of it.
            self._begin(None if arrival.waited else self._last, live)
            if live:
                yield from self._follow()
            else:
                yield from self._rows(final=True)
        finally:
            self._h5.close_file()

    def _is_live(self) -> bool:
        """Tell whether more rows may come; where not, :attr:`end` says why."""
        ended = self._has_ended()
        if self._h5.swmr_mode or (self._place.is_remote and not ended):
            self.end = End.STOPPED  # so far; what it left is read after the last look
            return True
        if not ended:
            self.end = End.FINISHED
        return False

    def _begin(self, last: int | None, live: bool) -> None:
        self._groups = find_streams(self._h5, self._path)
        for group in self._groups:
            if last is not None:
                group.next = max(0, group.length(final=not live) - last)
                self.skipped += group.next

    def _rows(self, final: bool) -> Iterator[Batch]:
        for group in self._groups:
            yield from self._new(group, final)

    def _new(self, group: StreamGroup, final: bool) -> Iterator[Batch]:
        for batch in group.new(final):
            self.rows += batch.count
            yield batch

    def _follow(self) -> Iterator[Batch]:
        news = ask = time.monotonic()
        while True:
            began = time.monotonic()
            count = self.rows
            yield from self._look()
            now = time.monotonic()
            if self.rows > count:
                news = now
            elif now - news > _QUIET and now > ask:
                if self._has_ended():
                    yield from self._remainder()
                    return
                # Looking for a process can take long, so it gets a small part of the time.
                ask = time.monotonic() + max(_ASK, 200 * (time.monotonic() - now))
            if self._timeout is not None and now - news >= self._timeout:
                self.end = End.TIMED_OUT
                return
            if not self._stop.sleep_until(now + _pause(now - news, now - began)):
                return

    def _look(self) -> Iterator[Batch]:
        """Return new rows if there are any."""
        try:
            for group in self._groups:
                group.refresh()
                yield from self._new(group, final=False)
            self._failures = 0
        except H5Error:
            # A row caught in the middle of being written; or the writer is closing the file.
            self._failures += 1
            if self._failures >= _FAILURES:
                raise

    def _has_ended(self) -> bool:
        if self._identity is not None and _identity(self._location) != self._identity:
            self.end = End.REPLACED
            return True
        state = self._watch.state()
        if state is WriterState.CRASHED:
            self.end = End.CRASHED
        elif state is WriterState.FINISHED:
            self.end = End.FINISHED
        return state in {WriterState.CRASHED, WriterState.FINISHED}

    def _remainder(self) -> Iterator[Batch]:
        """Read what the writer left."""
        yield from self._look()
        if self.end is End.REPLACED:
            return
        # Then afresh, for what was open may be older than the last state of the file.
        done = {group.path: group.next for group in self._groups}
        self._h5.close_file()
        self._h5 = self._reopened()
        self._begin(None, live=False)
        for group in self._groups:
            group.next = done.get(group.path, 0)
        yield from self._rows(final=True)

    def _reopened(self) -> H5Backend:
        """Open the file again; its writer may be busy putting it in order."""
        deadline = time.monotonic() + _ORDER
        while True:
            now = time.monotonic()
            try:
                return self._place.open_for_reading()
            except FileBusyError:
                if now > deadline or not self._stop.sleep_until(now + _LONGEST):
                    raise


def _pause(idle: float, cost: float) -> float:
    """How long to wait for the next look.

    A tenth of the time without news, so that this much delay comes at most; but never so short
    that looking takes much of the processor.
    """
    shortest, longest = max(_SHORTEST, 2 * cost), max(_LONGEST, 50 * cost)
    return min(max(idle / 10, shortest), longest)


def _identity(location: str) -> object:
    """Tell one file from another that has taken its name."""
    try:
        status = os.stat(location)
    except OSError:
        return None
    return status.st_dev, status.st_ino
