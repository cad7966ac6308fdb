"""The queue between a program that measures and the thread that writes: bounded, never lossy.

A call whose write fails for want of storage stays first and is tried again; one that the saver
refuses is put aside with its error. Both are told to the program at its next call.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from h5backends.errors import FileClosedError, FileError, H5Error, RemoteError
from savers.calls import Call, Failure, OnFull, QueueFullError, noted

__all__ = ["CallQueue", "QueueThread"]

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
"""How long to leave a storage alone that failed, unless somebody asks for another attempt."""
_GLANCE_SECONDS = 0.25
"""Longest sleep: on Windows no signal ends a wait, and no event tells of the program's end."""


class CallQueue:
    """Calls on their way to a thread, which :meth:`run` is the work of.

    Parameters
    ----------
    write : callable
        Makes one call, given a :class:`Call`.
    max_bytes : int
        How much may wait.
    name : str
        What is written, for messages.

    Attributes
    ----------
    queued, written, dropped, failed : int
        Calls that were taken; of these written, and refused by the saver; calls not taken for
        want of room.
    nbytes, most_bytes : int
        Memory of what waits, refused calls included, now and at most.
    longest_stall, longest_write : float
        The longest time that a caller waited for room, and that one write took, in seconds.
    """

    def __init__(self, write: Callable[[Call], None], max_bytes: int, name: str) -> None:
        self._write = write
        self.max_bytes = max_bytes
        self._name = name
        self.queued = self.written = self.dropped = self.failed = 0
        self.nbytes = self.most_bytes = 0
        self.longest_stall = self.longest_write = 0.0
        self.failures: list[Failure] = []
        self._calls: deque[Call] = deque()
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)  # for the thread
        self._progress = threading.Condition(self._lock)  # for callers
        self._asleep = self._hurry = self._ending = self._gone = self.closed = False
        self._abandoned = self._last_attempt = False
        self._begun = self._failed_at = 0  # attempts to write, and which of them failed last
        self._trouble: H5Error | None = None
        self._unreported: BaseException | None = None
        self._pid = os.getpid()

    # -- for callers ----------------------------------------------------------------------------
    def put(self, call: Call, on_full: OnFull) -> bool:
        """Take a call; return False if it was dropped.

        Raises
        ------
        FileClosedError
            The queue is closed, or belongs to the parent process.
        QueueFullError
            There is no room.
        Exception
            What went wrong with an earlier call; this one was not taken.
        """
        self.require_own()
        with self._lock:
            self._require_open()
            self._report()
            nbytes = self.nbytes + call.nbytes
            if nbytes > self.max_bytes:
                if not self._wait_for_room(call.nbytes, on_full):
                    self.dropped += 1
                    return False
                nbytes = self.nbytes + call.nbytes
            self._calls.append(call)
            self.nbytes = nbytes
            self.most_bytes = max(self.most_bytes, nbytes)
            self.queued += 1
            if self._asleep:
                self._asleep = False
                self._news.notify()
        return True

    def _wait_for_room(self, nbytes: int, on_full: OnFull) -> bool:
        if nbytes > self.max_bytes:
            raise self._full("these data are larger than all that may wait", nbytes)
        start = time.monotonic()
        try:
            while self.nbytes + nbytes > self.max_bytes:
                if on_full == "drop":
                    return False
                if on_full == "raise":
                    raise self._full("too much waits to be written", nbytes) from self._trouble
                if self._trouble is not None:
                    raise noted(self._trouble)  # who knows when it will be over
                if not self._calls:
                    raise self._full("calls that the saver refused take up all room", nbytes)
                self._progress.wait(_GLANCE_SECONDS)
                self._require_open()
                self._report()
        finally:
            self.longest_stall = max(self.longest_stall, time.monotonic() - start)
        return True

    def _full(self, what: str, nbytes: int) -> QueueFullError:
        return QueueFullError(
            f"{what}; these data were not taken",
            file=self._name,
            expected=f"at most {self.max_bytes:,} bytes",
            found=f"{self.nbytes:,} waiting and {nbytes:,} more",
            remedy="Raise max_bytes, take_failures(), or measure less often.",
        )

    def wait(self) -> None:
        """Return when all calls taken so far are dealt with.

        Raises
        ------
        FileError, RemoteError
            The storage fails, also at an attempt made for this; the calls are kept.
        """
        self.require_own()
        with self._lock:
            target, begun = self.queued, self._begun
            while self.written + self.failed < target:
                self._require_thread()
                if self._failed_at > begun and self._trouble is not None:
                    if self._unreported is self._trouble:
                        self._unreported = None
                    raise noted(self._trouble)
                self._hurry = True
                self._news.notify()
                self._progress.wait(_GLANCE_SECONDS)

    def report(self) -> None:
        """Raise what was refused since somebody was told of it."""
        with self._lock:
            self._report()

    def _report(self) -> None:
        error, self._unreported = self._unreported, None
        if error is not None:
            raise noted(error)

    def take_failures(self) -> list[Failure]:
        """Return the calls that were refused, and make room of them."""
        self.require_own()
        with self._lock:
            taken, self.failures = self.failures, []
            self.nbytes -= sum(failure.nbytes for failure in taken)
            self._progress.notify_all()
        return taken

    def require_own(self) -> None:
        """Raise in a process that was forked off, where the thread does not exist."""
        if self.foreign:
            raise FileClosedError(
                "the writer belongs to the parent process; its thread did not survive the fork",
                file=self._name,
                remedy="Make a saver and a writer in this process.",
            )

    @property
    def foreign(self) -> bool:
        """Whether this is a copy in a process that was forked off."""
        return os.getpid() != self._pid

    def _require_open(self) -> None:
        if self.closed:
            raise FileClosedError(
                "the writer is closed", file=self._name, remedy="Make another one."
            )

    def _require_thread(self) -> None:
        if self._gone:
            raise FileClosedError(
                f"the program ended before {len(self._calls)} calls could be written",
                file=self._name,
            )

    def abandon(self) -> None:
        """Have the thread end after the write that it is at; what waits stays in the queue."""
        self.require_own()
        with self._lock:
            self.closed = self._abandoned = self._hurry = True
            self._news.notify()
            self._progress.notify_all()

    def take_calls(self) -> list[Call]:
        """Return what waits, once the thread has ended."""
        with self._lock:
            taken = list(self._calls)
            self._calls.clear()
            self.nbytes -= sum(call.nbytes for call in taken)
        return taken

    def end(self) -> None:
        """Have the thread end when everything is written."""
        if self.foreign:
            return
        with self._lock:
            self._ending = True
            self._news.notify()

    def counts(self) -> dict[str, int | float]:
        """Return the numbers of the class, all of one moment."""
        if self.foreign:  # where a lock may be held for ever
            return self._counts()
        with self._lock:
            return self._counts()

    def _counts(self) -> dict[str, int | float]:
        return {
            "queued": self.queued,
            "written": self.written,
            "failed": self.failed,
            "dropped": self.dropped,
            "bytes": self.nbytes,
            "most_bytes": self.most_bytes,
            "longest_stall": self.longest_stall,
            "longest_write": self.longest_write,
        }

    # -- the thread -----------------------------------------------------------------------------
    def run(self) -> None:
        """Write calls until the end; the work of the thread."""
        while (call := self._next()) is not None:
            start = time.monotonic()
            try:
                self._write(call)
            except (FileError, RemoteError) as exc:
                self._leave_alone(exc)
            except BaseException as exc:  # noqa: BLE001 - whatever it is, the program is told
                self._put_aside(call, exc)
            else:
                self._done(call, time.monotonic() - start)
        with self._lock:
            self.closed = self._gone = True
            self._progress.notify_all()

    def _next(self) -> Call | None:
        """Return the first call, which stays in the queue; None at the end."""
        with self._lock:
            while not self._calls and not self._abandoned:
                if self._ending or _program_ends():
                    return None
                self._asleep = True
                self._news.wait(_GLANCE_SECONDS)
                self._asleep = False
            if self._abandoned:
                return None
            if self._trouble is not None and _program_ends():
                if self._last_attempt:  # and nobody is left who could make room
                    lost, trouble = len(self._calls), self._trouble
                    _log.error("%s: %d calls of add_data are lost: %s", self._name, lost, trouble)
                    return None
                self._last_attempt = True
            self._begun += 1
            return self._calls[0]

    def _done(self, call: Call, seconds: float) -> None:
        with self._lock:
            self._calls.popleft()
            self.nbytes -= call.nbytes
            self.written += 1
            self.longest_write = max(self.longest_write, seconds)
            if self._trouble is not None:
                _log.warning("%s: the storage takes data again; all were kept", self._name)
                if self._unreported is self._trouble:
                    self._unreported = None
                self._trouble = None
            self._progress.notify_all()

    def _put_aside(self, call: Call, error: BaseException) -> None:
        with self._lock:
            if self._unreported is None:
                _log.warning("%s: data were refused, and are kept: %s", self._name, error)
            self._calls.popleft()
            self.failed += 1
            self.failures.append(Failure(call.values, call.keyword, error, call.nbytes))
            self._unreported = self._unreported or error
            self._progress.notify_all()

    def _leave_alone(self, error: FileError | RemoteError) -> None:
        """Give a storage that failed some time, unless somebody is in a hurry."""
        with self._lock:
            if self._trouble is None:
                _log.warning("%s: cannot write, will try again: %s", self._name, error)
                self._unreported = error
            self._trouble = error
            self._failed_at = self._begun
            self._hurry = False
            self._progress.notify_all()
            self._news.wait_for(lambda: self._hurry, _RETRY_SECONDS)


class QueueThread(threading.Thread):
    """A thread that ends, unlike others of its kind, when the program has nothing else to do."""


def _program_ends() -> bool:
    """Tell whether only queues keep the program from its end."""
    main = threading.main_thread()
    if main.is_alive():
        return False
    others = (thread for thread in threading.enumerate() if thread is not main)
    return all(thread.daemon or isinstance(thread, QueueThread) for thread in others)
