"""What becomes of open files when the program ends or forks: rows are saved, once."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from h5backends.errors import H5Error

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["both_locked", "divert", "enrol", "release"]

_log = logging.getLogger(__name__)

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_writers: dict[Session, None] = {}
"""Kept alive until closed: rows in memory must not vanish with the last reference.

In the order in which they were opened: MPI ranks that end have to close theirs in one order.
"""


def divert(descriptor: int) -> None:
    """Have what a library still writes through a descriptor go nowhere.

    Parameters
    ----------
    descriptor : int
        The operating system's, of a file that is to stay as it is.
    """
    sink = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(sink, descriptor)
    finally:
        os.close(sink)


def enrol(session: Session) -> None:
    """Take note of a file that was opened."""
    _sessions.add(session)
    _watch_forks(type(session.driver))
    if session.writable:
        _writers[session] = None
        # Last registered runs first: before the libraries, loaded meanwhile, shut down.
        atexit.unregister(_close_all)
        atexit.register(_close_all)


def release(session: Session) -> None:
    """Take note of a file that was closed."""
    _sessions.discard(session)
    _writers.pop(session, None)


def _close_all() -> None:
    """At interpreter exit: nothing that was appended may be lost for want of a close."""
    for session in list(_writers):
        try:
            session.close()
        except H5Error:
            _log.exception("%s: rows were lost at exit", session.driver.location)


@contextlib.contextmanager
def both_locked(first: Session, second: Session) -> Iterator[None]:
    """Hold the locks of two sessions, which may be one.

    Always in the same order, so that two threads that copy in opposite directions, or one that
    copies and one that forks, do not wait for each other for ever.
    """
    with contextlib.ExitStack() as stack:
        for session in _in_order([first, second]):
            stack.enter_context(session.lock)
        yield


def _in_order(sessions: Iterable[Session]) -> list[Session]:
    return sorted(sessions, key=lambda session: id(session.lock))


_forking: list[Session] = []
"""The sessions whose locks are held for a fork; others may be opened meanwhile."""


_watched: set[type] = set()
"""The drivers whose libraries were loaded when `_before_fork` was last registered."""


def _watch_forks(driver: type) -> None:
    """Have the locks of open files taken before a library takes its own for a fork.

    Last registered runs first. h5py takes its lock too: if it came first, a thread that holds the
    lock of a file and waits for h5py's would be waited for, for ever.
    """
    if driver not in _watched and hasattr(os, "register_at_fork"):
        _watched.add(driver)
        os.register_at_fork(before=_before_fork)


def _before_fork() -> None:
    if _forking:
        return  # registered again meanwhile, and called already
    for session in _in_order(list(_sessions)):
        session.lock.acquire()
        _forking.append(session)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().lock.release()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().abandon()


if hasattr(os, "register_at_fork"):  # Windows has no fork, and needs none of this
    os.register_at_fork(after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
