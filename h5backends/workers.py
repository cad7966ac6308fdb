"""The threads of this process that filter chunks, in both directions: the same for all files."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["at_once", "cores", "count", "start", "submit", "submit_and_wait"]

_log = logging.getLogger(__name__)

_MOST = 32
_RETRY_SECONDS = 30.0
"""After threads could not be started."""

P = ParamSpec("P")
T = TypeVar("T")

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
"""Number of the process and of the threads -> the threads."""
_again: dict[tuple[int, int], float] = {}
"""When it is worth a try again, of those that could not be had."""


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere a process has them all
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count() -> int:
    """Return how many threads work beside a caller: with it, as many as there are processors."""
    return max(1, min(_MOST, cores() - 1))


def submit(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have something done by a thread, while the caller goes on with work of its own.

    Parameters
    ----------
    work : callable
        It must neither call HDF5 nor wait for a lock or for another task.
    *args, **kwargs : object
        Its arguments.

    Returns
    -------
    Future
        Of its result. Done already where no thread can be had, as at the end of the program.
    """
    return _submit(count(), work, *args, **kwargs)


def submit_and_wait(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have something done by a thread, while the caller waits: one more than for :func:`submit`.

    Parameters and result are the same.
    """
    return _submit(count() + 1, work, *args, **kwargs)


def at_once(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Do it in this thread; parameters and result are those of :func:`submit`."""
    future: Future[T] = Future()
    try:
        future.set_result(work(*args, **kwargs))
    except Exception as exc:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(exc)
    return future


def start() -> None:
    """Start the threads for :func:`submit`, while there is memory for them."""
    _pool(count())


def _submit(threads: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    pool = _pool(threads)
    if pool is None:
        return at_once(work, *args, **kwargs)
    try:
        return pool.submit(work, *args, **kwargs)
    except RuntimeError:  # the interpreter is shutting down
        return at_once(work, *args, **kwargs)


def _pool(threads: int) -> ThreadPoolExecutor | None:
    """Return threads of this process; those of a parent do not live on after a fork.

    None where the system does not give them. That is not asked too often: programs in which they
    could not be started for want of memory died later, Python's list of threads broken (3.11).
    """
    key = os.getpid(), threads
    pool = _pools.get(key)
    if pool is None and time.monotonic() >= _again.get(key, 0.0):
        for other in [known for known in _pools if known[0] != key[0]]:
            del _pools[other]
        try:
            pool = _pools.setdefault(key, _started(threads))
        except (RuntimeError, MemoryError) as exc:
            _again[key] = time.monotonic() + _RETRY_SECONDS
            _log.debug("no threads to filter with: %r", exc)
    return pool


def _started(threads: int) -> ThreadPoolExecutor:
    """Return a pool whose threads run already.

    Otherwise they would be started one by one with the work, and where that fails the work is done
    here, and once more by the next thread that starts.
    """
    pool = ThreadPoolExecutor(threads, "h5backends-filter")
    together = threading.Barrier(threads + 1)
    try:
        for _ in range(threads):
            pool.submit(together.wait)
        together.wait()
    except BaseException:  # Ctrl-C too: none may wait for ever
        together.abort()
        pool.shutdown(wait=False)
        raise
    return pool
