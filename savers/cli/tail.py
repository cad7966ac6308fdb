"""New rows of a file while another program writes it, until that program is done or dead."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from h5backends.backend import H5Backend
from h5backends.errors import (
    FileBusyError,
    FileFormatError,
    FileMissingError,
    H5Error,
    NodeKindError,
)
from h5backends.heartbeat import WriterState, WriterWatch
from h5backends.holders import process_start
from h5backends.nodes import EARRAY, VLARRAY, Node
from savers import layout
from savers.cli.console import Stop, note
from savers.cli.options import Place

__all__ = ["Batch", "End", "Stream", "Tail"]

_FILE_PATIENCE = 10.0
"""Seconds to wait for a file if nothing else was asked for."""
_BIRTH = 2.0
"""Seconds that a new file may take until it can be followed."""
_ORDER = 10.0
"""Seconds that a writer may take to put a file in order after its last row."""
_SHORTEST, _LONGEST = 0.001, 0.05
_QUIET = 0.02
"""Without a row for so long, it is worth asking whether the writer still lives."""
_BLOCK_ROWS = 1024
_BLOCK_BYTES = 4 << 20
_FAILURES = 20
"""Failed looks in a row before it is an error: each may be a row caught in the middle."""


class End(Enum):
    """Why there are no more rows."""

    FINISHED = "finished"
    CRASHED = "writer_crashed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Stream:
    """One growing array.

    Parameters
    ----------
    node : EARRAY
        The array.
    name, group, units : str
        Its name, the path of its group, and its unit.
    labels : tuple of str
        What each element of a row is.
    start : str or None
        For times: the moment they count from.
    """

    node: EARRAY
    name: str
    group: str
    units: str
    labels: tuple[str, ...]
    start: str | None

    @classmethod
    def of(cls, node: EARRAY) -> Stream:
        """Describe an array."""
        attrs = node.attrs.to_dict()
        group, _, name = node.path.rpartition("/")
        labels = attrs.get("labels", ())
        named = isinstance(labels, (list, tuple, np.ndarray))
        start = attrs.get("start")
        return cls(
            node,
            name,
            group or "/",
            str(attrs.get("units", "")),
            tuple(map(str, labels)) if named else (),
            start if isinstance(start, str) else None,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of the streams of one group.

    Parameters
    ----------
    streams : list of Stream
        The streams.
    first : int
        Index of the first row.
    rows : list of ndarray, each of shape (n or less, ...)
        The rows of each stream. After a crash a stream may have fewer than the others.
    """

    streams: list[Stream]
    first: int
    rows: list[NDArray[Any]]

    @property
    def count(self) -> int:
        """Number of rows."""
        return max(map(len, self.rows), default=0)


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
        self._watch: WriterWatch | _RemoteWatch | None = None
        self._location = ""
        self._identity: object = None
        self._groups: list[_Group] = []
        self.h5: H5Backend | None = None
        self.live = False
        self.end = End.STOPPED
        self.rows = self.skipped = 0
        self._failures = 0

    def batches(self) -> Iterator[Batch]:
        """Iterate over rows as they come, in order.

        Raises
        ------
        H5Error
            The file cannot be read, or not while it is written.
        """
        try:
            if not self._wait_for_file():
                return
            self._find_streams()
            yield from self._rows(final=not self.live)
            if self.live:
                yield from self._follow()
            else:
                self.end = End.FINISHED
        finally:
            if self.h5 is not None:
                self.h5.close_file()

    # -- opening --------------------------------------------------------------------------------
    def _wait_for_file(self) -> bool:
        """Open the file as soon as it can be; False if asked to stop, or too late."""
        started = time.monotonic()
        patience = _FILE_PATIENCE if self._timeout is None else self._timeout
        born: float | None = None
        waited = False
        while True:
            now = time.monotonic()
            try:
                self._open()
                if waited:
                    self._last = None  # nothing was there before: every row is new
                return True
            except FileMissingError:
                if now - started >= patience or not self._may_appear():
                    raise
                if not waited and patience:
                    note(f"waiting for {self._place.location}")
                waited = True
            except (FileBusyError, FileFormatError) as exc:
                born = now if born is None else born
                if now - born >= _BIRTH or not self._is_being_born():
                    raise _explained(exc)  # noqa: B904 - the same error, with better advice
                waited = True
            if not self._stop.sleep_until(now + 0.02):
                return False

    def _open(self) -> None:
        place = self._place
        self.h5 = place.open_for_reading()
        self._location = self.h5.filename
        if self._watch is None:
            self._watch = _RemoteWatch(self) if place.is_remote else WriterWatch(self._location)
            if not place.is_remote:
                self._identity = _identity(self._location)
        self.live = self.h5.swmr_mode or (
            place.is_remote and self._watch.state() is not WriterState.FINISHED
        )

    def _may_appear(self) -> bool:
        folder = os.path.dirname(self._place.location)
        return self._place.is_remote or os.path.isdir(folder)

    def _is_being_born(self) -> bool:
        """Tell whether the file, which cannot be opened, has a writer that may be busy with it."""
        try:
            state = WriterWatch(self._place.location).state()
        except OSError:
            return False
        return state not in {WriterState.FINISHED, WriterState.CRASHED}

    def _find_streams(self) -> None:
        assert self.h5 is not None
        nodes = [n for n in self.h5.walk_nodes(self._path) if _grows(n)]
        if not nodes:
            raise NodeKindError(
                "there is no array of rows that could be followed",
                file=self._location,
                node=self._path,
                remedy="What there is shows: h5backends tree",
            )
        groups: dict[str, list[Stream]] = {}
        for node in nodes:
            stream = Stream.of(node)
            groups.setdefault(stream.group, []).append(stream)
        for streams in groups.values():
            # Times first: for the eye, and because they are written last, see _Group.refresh.
            streams.sort(key=lambda stream: stream.start is None)
        self._groups = [_Group(streams) for streams in groups.values()]
        for group in self._groups:
            length = group.length(complete=not self.live)
            group.next = 0 if self._last is None else max(0, length - self._last)
            self.skipped += group.next

    # -- reading --------------------------------------------------------------------------------
    def _rows(self, final: bool) -> Iterator[Batch]:
        for group in self._groups:
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
                # Looking for a process can take long; it gets one part in a hundred of the time.
                ask = time.monotonic() + max(_LONGEST, 100 * (time.monotonic() - now))
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
                for batch in group.new(final=False):
                    self.rows += batch.count
                    yield batch
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
        assert self._watch is not None
        state = self._watch.state()
        if state is WriterState.CRASHED:
            self.end = End.CRASHED
        elif state is WriterState.FINISHED:
            self.end = End.FINISHED
        return state in {WriterState.CRASHED, WriterState.FINISHED}

    def _remainder(self) -> Iterator[Batch]:
        """Read what the writer left."""
        if self.end is End.REPLACED:
            return
        yield from self._look()
        assert self.h5 is not None
        self.h5.close_file()
        # From the beginning, for what was open may be older than the file's last state.
        self.h5 = self._reopened()
        done = {group.path: group.next for group in self._groups}
        self._last = None
        self._find_streams()
        for group in self._groups:
            group.next = done.get(group.path, 0)
        yield from self._rows(final=True)

    def _reopened(self) -> H5Backend:
        """Open the file again; its writer may be busy putting it in order."""
        deadline = time.monotonic() + _ORDER
        while True:
            try:
                return self._place.open_for_reading()
            except FileBusyError:
                if time.monotonic() > deadline or not self._stop.sleep_until(
                    time.monotonic() + _LONGEST
                ):
                    raise


class _Group:
    """The growing arrays of one group, read in step."""

    def __init__(self, streams: list[Stream]) -> None:
        self.streams = streams
        self.path = streams[0].group
        self.next = 0
        row_bytes = max(1, sum(_row_bytes(s.node) for s in streams))
        self._block = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // row_bytes))

    def refresh(self) -> None:
        """See what the writer flushed; the others only if the first has grown."""
        first, *others = self.streams
        first.node.refresh()
        if len(first.node) > self.next:
            for stream in others:
                stream.node.refresh()

    def length(self, complete: bool) -> int:
        """Rows that all streams have; or, where nothing more comes, any."""
        return (max if complete else min)(len(stream.node) for stream in self.streams)

    def new(self, final: bool) -> Iterator[Batch]:
        """Iterate over the rows not returned yet, in blocks of bounded size."""
        stop = self.length(complete=final)
        while self.next < stop:
            upto = min(stop, self.next + self._block)
            rows = [np.asarray(stream.node[self.next : upto]) for stream in self.streams]
            batch = Batch(self.streams, self.next, rows)
            self.next = upto
            yield batch


class _RemoteWatch:
    """Looks after the writer of a file on a server, by what it noted in the file."""

    _INTERVAL = 0.5

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._asked = -math.inf
        self._state = WriterState.UNKNOWN

    def state(self) -> WriterState:
        """Tell what is known about the writer; without its note the file counts as finished."""
        now = time.monotonic()
        if now - self._asked >= self._INTERVAL and self._tail.h5 is not None:
            self._asked = now
            attrs = self._tail.h5.root().attrs.to_dict()
            self._state = self._from(attrs)
        return self._state

    @staticmethod
    def _from(attrs: dict[str, Any]) -> WriterState:
        if attrs.get("writer_done", True):
            return WriterState.FINISHED
        if attrs.get("writer_host") != platform.node():
            return WriterState.WRITING
        alive = process_start(int(attrs["writer_pid"])) == attrs.get("writer_start")
        return WriterState.WRITING if alive else WriterState.CRASHED


def _pause(idle: float, cost: float) -> float:
    """How long to wait for the next look: a tenth of the time without news, so that this much
    delay comes at most, but never so short that looking takes much of the processor."""
    shortest, longest = max(_SHORTEST, 2 * cost), max(_LONGEST, 50 * cost)
    return min(max(idle / 10, shortest), longest)


def _grows(node: Node) -> TypeGuard[EARRAY]:
    # Rows of variable length cannot be read while they are written.
    return (
        isinstance(node, EARRAY)
        and not isinstance(node, VLARRAY)
        and node.name != layout.LIVE_LOGGER
    )


def _row_bytes(node: EARRAY) -> int:
    return node.dtype.itemsize * math.prod(node.shape[1:])


def _identity(location: str) -> object:
    """Tell one file from another that has taken its name."""
    try:
        status = os.stat(location)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _explained(error: H5Error) -> H5Error:
    if isinstance(error, FileBusyError):
        error.remedy = (
            "Live reading needs a writer in SWMR mode (h5backends record with h5py and without "
            "--no-swmr) or a server; this file can be read when its writer has closed it."
        )
    return error
