"""The threads of this process that filter chunks, in both directions: one pool for all files."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["cores", "count", "submit"]

_MOST = 32

P = ParamSpec("P")
T = TypeVar("T")

_pools: dict[int, ThreadPoolExecutor] = {}


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere a process has them all
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count() -> int:
    """Return how many threads there are: about as many as processors."""
    return max(2, min(_MOST, cores()))


def submit(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have something done by one of the threads.

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
    try:
        return _pool().submit(work, *args, **kwargs)
    except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
        future: Future[T] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(exc)
        return future


def _pool() -> ThreadPoolExecutor:
    """Return the threads of this process; those of a parent do not live on after a fork."""
    pid = os.getpid()
    pool = _pools.get(pid)
    if pool is None:
        _pools.clear()
        pool = _pools.setdefault(pid, ThreadPoolExecutor(count(), "h5backends-filter"))
    return pool
