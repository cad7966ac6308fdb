"""The threads of this process that filter chunks, in both directions: the same for all files."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["at_once", "cores", "count", "submit", "submit_and_wait"]

_MOST = 32

P = ParamSpec("P")
T = TypeVar("T")

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
"""Number of the process and of the threads -> the threads."""


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


def _submit(threads: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    try:
        return _pool(threads).submit(work, *args, **kwargs)
    except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
        return at_once(work, *args, **kwargs)


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads of this process; those of a parent do not live on after a fork."""
    key = os.getpid(), threads
    pool = _pools.get(key)
    if pool is None:
        for other in [known for known in _pools if known[0] != key[0]]:
            del _pools[other]
        pool = _pools.setdefault(key, ThreadPoolExecutor(threads, "h5backends-filter"))
    return pool
