"""Rows of following a scan while another program writes it: delay, and cost of waiting."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import H5Backend, follow
from savers.bench import process
from savers.bench.figures import Unit, at_most
from savers.bench.harness import Row, Setting, Works, require
from savers.bench.peers import SWMR_TOOLS

__all__ = ["ROWS", "followed", "late_sleeps"]

_CADENCE = 0.01
_PEER_TIMEOUT = 2
_WRITER = "savers.bench.live_process"
_ROUNDS = 5


@contextmanager
def followed(setting: Setting, kind: Any, timeout: float) -> Iterator[tuple[Any, process.Child]]:
    """Start a writer and follow it; the first point has been taken already."""
    path = setting.path("live.h5")
    with process.child(_WRITER, path) as writer, H5Backend("h5py") as h5:
        writer.hear()
        h5.open_file(path, "r", swmr_mode=True)
        file = h5.h5file
        source = kind([file["keys"]], {"t": file["times"]}, timeout, file["finished"])
        next(source)
        yield source, writer


def _delays(setting: Setting, kind: Any) -> NDArray[np.float64]:
    """Return the seconds from the moment that a point is appended to its frame here."""
    count = setting.size(30, 300)
    with followed(setting, kind, _PEER_TIMEOUT) as (source, writer):
        writer.tell(f"{count} {_CADENCE}")
        found = [
            time.perf_counter() - item["t"].item() for item in itertools.islice(source, count)
        ]
    require(len(found) == count, "points were left out")
    return np.array(found)


def late_sleeps(setting: Setting) -> NDArray[np.float64]:
    """Return by how many seconds sleeps of a millisecond are late here, that millisecond included.

    Nobody who sleeps between looks is sooner.
    """
    found = []
    for _ in range(setting.size(30, 300)):
        start = time.perf_counter()
        time.sleep(0.001)
        found.append(time.perf_counter() - start)
    return np.array(found)


@contextmanager
def _latency(percent: float, setting: Setting) -> Iterator[Works]:
    theirs = setting.peer(SWMR_TOOLS)

    def work(name: str, sample: Callable[[], NDArray[np.float64]]) -> Callable[[], float]:
        """The rows of median and 99 % are about the same points."""
        numbers = itertools.count()
        return lambda: float(np.percentile(setting.once((name, next(numbers)), sample), percent))

    yield Works(
        work("live ours", lambda: _delays(setting, follow.DataSource)),
        work("live peer", lambda: _delays(setting, theirs.DataSource)) if theirs else None,
        work("late sleeps", lambda: late_sleeps(setting)),
    )


@contextmanager
def _idle(setting: Setting) -> Iterator[Works]:
    theirs = setting.peer(SWMR_TOOLS)
    seconds = setting.size(1, 10)

    def share(kind: Any) -> float:
        with followed(setting, kind, seconds) as (source, _):
            start, used = time.perf_counter(), time.process_time()
            require(list(source) == [], "points came that nobody wrote")
            return (time.process_time() - used) / (time.perf_counter() - start)

    yield Works(
        lambda: share(follow.DataSource), (lambda: share(theirs.DataSource)) if theirs else None
    )


def _row(name: str, what: str, bar: float, percent: float) -> Row:
    return Row(
        name,
        f"from the append in a writer to the frame in a follower, a point every 10 ms: {what}",
        Unit.SECONDS,
        at_most(bar),
        functools.partial(_latency, percent),
        SWMR_TOOLS,
        "a sleep of 1 ms",
        rounds=_ROUNDS,
    )


ROWS = (
    _row("live-median", "median", 0.003, 50),
    _row("live-p99", "99 % of the points", 0.015, 99),
    Row(
        "live-idle",
        "a follower that waits",
        Unit.SHARE,
        at_most(0.02),
        _idle,
        SWMR_TOOLS,
        rounds=3,
    ),
)
