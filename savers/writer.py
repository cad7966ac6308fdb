"""BackgroundWriter: a saver behind a queue, so that a slow disk does not hold up a measurement."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, get_args

from h5backends.errors import DTypeError
from h5backends.room import Room
from h5backends.types import Capability
from savers.call_queue import CallQueue, QueueThread
from savers.calls import Call, Failure, OnFull, QueueFullError
from savers.low_level import H5SaverLowLevel
from savers.snapshot import snapshot

__all__ = ["BackgroundWriter", "Call", "Failure", "QueueFullError", "WriterCounters"]

_MAX_BYTES = 256 * 1024 * 1024
_MIN_FREE = 16 * 1024 * 1024
_LOOK_SECONDS = 0.1
"""How long an answer on the free space of the disk holds."""


class _Saver(Protocol):
    """What a writer needs of a saver."""

    def add_data(self, *args: Any, **kwargs: Any) -> Any:
        """Save data."""

    @property
    def h5saver(self) -> H5SaverLowLevel:
        """The file."""


@dataclass(frozen=True, slots=True)
class WriterCounters:
    """What a writer has done so far.

    Parameters
    ----------
    queued : int
        Calls of ``add_data`` that were taken.
    written, failed : int
        Those of them that were written, and that the saver refused.
    dropped : int
        Calls that were not taken because the queue was full.
    bytes, most_bytes : int
        Memory of what waits, now and at most.
    longest_stall : float
        The longest time for which a caller waited for room, in seconds.
    longest_write : float
        The longest time that the saver took for one call, in seconds.
    """

    queued: int
    written: int
    failed: int
    dropped: int
    bytes: int
    most_bytes: int
    longest_stall: float
    longest_write: float

    @property
    def waiting(self) -> int:
        """Calls that were taken and not dealt with, abandoned ones included."""
        return self.queued - self.written - self.failed


class BackgroundWriter:
    """Takes the calls of a saver's ``add_data`` and makes them in a thread of its own.

    A call costs its caller a copy of the data, however slow the disk or the server is. Calls are
    made in their order, and none is lost silently:

    - **The storage fails** (disk full, server away, file closed): the call is kept and tried
      again, twice a second and at :meth:`flush` and :meth:`close`, until it works.
    - **The saver refuses the data** (wrong shape, ...): the call goes to :attr:`failures`, with
      its data; those behind it are written.

    Either is raised by the next call of :meth:`add_data`, once, whose data are then *not* taken,
    or by :meth:`flush` or :meth:`close`. Add data through the writer only, while there is one.

    Parameters
    ----------
    saver : DataManagement
        A saver with ``add_data``, such as :class:`~savers.timed.DataToExportTimedSaver`. The
        writer does not close its file.
    max_bytes : int
        How much may wait to be written.
    on_full : {"block", "drop", "raise"}
        What becomes of a call for which there is no room: it waits for it (unless the storage
        fails, for then it might wait for ever), is dropped and counted, or raises
        :class:`QueueFullError`.
    min_free : int
        Bytes of the disk to leave to others: with less the storage counts as failing, before it
        is full.

    Raises
    ------
    DTypeError
        This is not a saver with ``add_data``.
    ValueError
        `max_bytes`, `on_full` or `min_free` make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from savers import DataRaw, DataToExport, DataToExportTimedSaver
    >>> with DataToExportTimedSaver("log.h5", new_file=True) as saver:
    ...     with BackgroundWriter(saver, max_bytes=10_000_000) as writer:
    ...         for value in (20.1, 20.3):
    ...             point = DataRaw("temperature", units="degC", data=[np.array([value])])
    ...             _ = writer.add_data("/RawData", DataToExport("oven", [point]))
    ...     writer.counters.written
    2
    """

    def __init__(
        self,
        saver: _Saver,
        max_bytes: int = _MAX_BYTES,
        on_full: OnFull = "block",
        *,
        min_free: int = _MIN_FREE,
    ) -> None:
        _check(saver, max_bytes, on_full, min_free)
        self._saver = saver
        self._on_full = on_full
        h5saver = saver.h5saver
        name = h5saver.filename if h5saver.isopen() else type(saver).__name__
        self._queue = CallQueue(_Step(saver, min_free), max_bytes, name)
        # Not a daemon: the program ends when everything is written. It knows the queue only, so
        # that a writer that nobody refers to any more can go, and have the queue end.
        self._thread = QueueThread(target=self._queue.run, name=f"write {name}")
        self._thread.start()
        weakref.finalize(self, self._queue.end).atexit = False

    @property
    def saver(self) -> Any:
        """The saver behind the queue."""
        return self._saver

    def add_data(self, *args: Any, **kwargs: Any) -> bool:
        """Take a call of the saver's ``add_data``, with the same arguments.

        Arrays are copied: the caller may use them again at once.

        Parameters
        ----------
        *args, **kwargs
            As the saver has them.

        Returns
        -------
        bool
            Whether it was taken; False only if it was dropped.

        Raises
        ------
        QueueFullError
            There is no room for it, with ``on_full="raise"``; or it is larger than `max_bytes`.
        DTypeError
            An argument cannot be copied.
        FileClosedError
            The writer is closed, or this is a process that was forked off.
        Exception
            What went wrong with an earlier call; this one was not taken.
        """
        self._queue.require_own()
        return self._queue.put(Call(*snapshot(args, kwargs)), self._on_full)

    @property
    def counters(self) -> WriterCounters:
        """What was done so far."""
        return WriterCounters(**self._queue.counts())  # type: ignore[arg-type]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Calls that the saver refused, with their data, oldest first."""
        return tuple(self._queue.failures)

    def take_failures(self) -> list[Failure]:
        """Return the calls that the saver refused, and forget them; they take up room."""
        return self._queue.take_failures()

    def flush(self) -> None:
        """Return when everything taken so far is in the file, safe from the end of the program.

        Raises
        ------
        StorageError, RemoteError, FileClosedError
            It cannot be written. Everything is kept.
        Exception
            What was refused meanwhile.
        """
        self._queue.wait()
        self._saver.h5saver.flush()
        self._queue.report()

    def close(self) -> None:
        """Write everything taken so far, then end; a second call does nothing.

        The file is flushed, not closed. In a process that was forked off nothing happens.

        Raises
        ------
        StorageError, RemoteError, FileClosedError
            It cannot be written. Everything is kept and the writer stays open: make room and
            close it again.
        Exception
            What was refused meanwhile; the writer is closed then.
        """
        queue = self._queue
        if queue.closed or queue.foreign:
            return
        queue.closed = True  # no more data
        try:
            queue.wait()
            self._saver.h5saver.flush()
        except BaseException:
            queue.closed = False
            raise
        queue.end()
        self._thread.join()
        queue.report()

    def abandon(self) -> list[Call]:
        """End without writing what waits, and return it: to save it elsewhere, or to give up.

        Waits only for the write that the thread is at. Each of the calls has its arguments in
        ``values`` and ``keyword``: ``other.add_data(*call.values, **call.keyword)``.

        Returns
        -------
        list of Call
            In their order; none if the writer is closed already.
        """
        queue = self._queue
        queue.abandon()
        self._thread.join()
        return queue.take_calls()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._queue.closed else f"{self.counters.waiting} waiting"
        return f"BackgroundWriter({type(self._saver).__name__}, {state})"


class _Step:
    """Makes one call, if the disk has room enough."""

    def __init__(self, saver: _Saver, min_free: int) -> None:
        self._saver = saver
        self._min_free = min_free
        self._until = float("-inf")

    def __call__(self, call: Call) -> None:
        if self._min_free and time.monotonic() >= self._until:
            self._look()
        self._saver.add_data(*call.values, **call.keyword)

    def _look(self) -> None:
        driver = self._saver.h5saver.session.driver
        if Capability.LOCAL in driver.capabilities:
            Room(driver.location).require(self._min_free)
        self._until = time.monotonic() + _LOOK_SECONDS


def _check(saver: object, max_bytes: int, on_full: str, min_free: int) -> None:
    if not callable(getattr(saver, "add_data", None)) or not isinstance(
        getattr(saver, "h5saver", None), H5SaverLowLevel
    ):
        raise DTypeError(
            "a writer needs a saver that data can be added to",
            expected="for instance a DataToExportTimedSaver",
            found=type(saver).__name__,
        )
    if on_full not in get_args(OnFull):
        raise ValueError(f"on_full must be 'block', 'drop' or 'raise', not {on_full!r}")
    if not max_bytes > 0 or min_free < 0:
        raise ValueError(f"max_bytes must be positive, not {max_bytes!r}, and min_free not below")
