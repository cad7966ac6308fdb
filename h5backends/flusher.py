"""The thread that flushes a file when its time has come, and shows that its writer lives."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from h5backends.errors import H5Error

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["Flusher"]

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 2.0
"""How long to look after an idle file before going to sleep."""
_NAP = 60.0
"""Seconds after which a sleeper looks whether the file is still open."""
_DUTY = 20
"""A live flush may take one part in this many of the time."""


class Flusher:
    """The thread that flushes a file when its policy's time has come."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # What wakes it. An event would keep its lock if Ctrl-C came while the main thread sets it.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._parked = False
        self._thread = threading.Thread(
            target=self._run, name=f"flush {session.driver.location}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as exc:
            # From Python 3.12 on no thread starts while the program ends; closing writes all.
            _log.debug("%s: not flushed by time: %s", session.driver.location, exc)
            self._stopped = True

    def wake(self) -> None:
        """Have the file looked after from now on; next to free while it is already."""
        if self._parked:
            self._calls.put(None)

    def stop(self, wait: bool = True) -> None:
        """End the thread; wait for it unless the caller holds the session's lock."""
        self._stopped = True
        self._calls.put(None)
        started = self._thread.ident is not None
        if wait and started and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        session = self._session
        due = time.monotonic() + self._interval(0.0)
        idle_since = time.monotonic()
        while True:
            self._sleep(self._pause(due))
            if self._ended:
                return
            session.beat()
            now = time.monotonic()
            if now < due:
                continue  # woke up only for the sign of life
            cost = 0.0
            if session.dirty:
                cost = self._flush()
                idle_since = now
            elif now - idle_since > _IDLE_SECONDS:
                self._park()
                idle_since = time.monotonic()
            due = time.monotonic() + self._interval(cost)

    def _pause(self, due: float) -> float:
        """Return the seconds to the next flush, or to the next sign of life if that is earlier."""
        pause = max(0.0, due - time.monotonic())
        beat = self._session.beat()
        return pause if beat is None else min(pause, beat)

    def _park(self) -> None:
        """Sleep until the next write."""
        self._parked = True
        # A write that came between the last look and parking did not see the flag.
        while not (self._session.dirty or self._ended):
            self._sleep(self._session.beat() or _NAP)
        self._parked = False

    @property
    def _ended(self) -> bool:
        """Whether there is nothing left to do; the library's own file may have been closed."""
        return self._stopped or not self._session.is_open

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until called, or for so long."""
        with contextlib.suppress(queue.Empty):
            self._calls.get(timeout=seconds)

    def _interval(self, cost: float) -> float:
        seconds = self._session.policy.seconds
        if seconds is None:
            return _IDLE_SECONDS
        # A flush that takes long must not eat the time of the program that appends.
        return min(max(seconds, _DUTY * cost), max(seconds, 1.0))

    def _flush(self) -> float:
        session = self._session
        start = time.monotonic()
        with session.lock:
            if session.dirty and session.is_open and session.policy.seconds is not None:
                try:
                    session.flush()
                except H5Error as exc:
                    # The rows stay in memory; the next append, flush or close tells the caller.
                    _log.warning("%s: cannot flush: %s", session.driver.location, exc)
                    return 1.0
        return time.monotonic() - start
