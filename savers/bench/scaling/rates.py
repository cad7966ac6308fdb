"""Laws of live reading: delay against the rate of points, and against readers."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import H5Backend, follow
from savers.bench import process
from savers.bench.figures import Unit, median
from savers.bench.harness import Setting, require
from savers.bench.live import followed, late_sleeps
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes

__all__ = ["LAWS"]

_RATES = (1, 3, 10, 30, 100, 300, 1_000, 2_000, 5_000)
_FEWEST, _MOST, _SECONDS = 6, 6_000, 3.0
_SLOW = 0.9
"""Of the rate asked for; below, the writer did not keep it."""
_TIMEOUT = 10
_READERS = (1, 2, 4, 8, 16)
_READERS_RATE = 20
_WRITER = "savers.bench.live_process"
_READER = "savers.bench.scaling.reader_process"
_SLEEP = "a sleep of 1 ms"


# -- rate ---------------------------------------------------------------------------------------
def _delays(rate: int, setting: Setting) -> Iterator[Sample | str]:
    """Follow a writer that appends at a rate."""
    wanted = min(_MOST, max(_FEWEST, int(rate * _SECONDS)))
    count = min(wanted, 200) if setting.quick else wanted
    with followed(setting, follow.DataSource, _TIMEOUT) as (source, writer):
        writer.tell(f"{count} {1 / rate}")
        stamps, delays = [], []
        for item in itertools.islice(source, count):
            stamp = item["t"].item()
            delays.append(time.perf_counter() - stamp)
            stamps.append(stamp)
    require(len(stamps) == count and (np.diff(stamps) > 0).all(), "points lack, or come twice")
    reached = (count - 1) / (stamps[-1] - stamps[0])
    if reached < _SLOW * rate and not setting.quick:
        yield f"at {rate:,} Hz the writer itself reached {reached:,.0f} Hz"
    yield Sample("median, one reader", rate, float(np.percentile(delays, 50)))
    yield Sample("99 % of the points, one reader", rate, float(np.percentile(delays, 99)))


def _rates(setting: Setting) -> Generator[Sample | str]:
    rates = (100, 1_000) if setting.quick else _RATES
    for rate in rates:
        yield Sample(_SLEEP, rate, median(list(late_sleeps(setting))))
        yield from _delays(rate, setting)


# -- readers ------------------------------------------------------------------------------------
def _read_by(readers: int, setting: Setting) -> Iterator[Sample]:
    """Have so many programs follow one writer."""
    path = setting.path("live.h5")
    count = setting.size(10, 60)
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(process.child(_WRITER, path))
        writer.hear()
        reading = [stack.enter_context(process.child(_READER, path)) for _ in range(readers)]
        for reader in reading:
            reader.hear()
        for reader in reading:
            reader.tell(str(count))
        writer.tell(f"{count} {1 / _READERS_RATE}")
        found = [json.loads(reader.hear()) for reader in reading]
    require(all(each["seen"] == count for each in found), "a reader lacks points")
    require(_written(path, count), "the file lacks points")
    yield Sample("median, each reader", readers, median([each["median"] for each in found]))
    late = max(each["late"] for each in found)
    yield Sample("99 % of the points, slowest reader", readers, late)
    share = sum(each["share"] for each in found)
    yield Sample("processor time of a reader per point", readers, _per_point(share, readers))


def _per_point(share: float, readers: int) -> float:
    """Return the seconds of a processor that a reader takes from one point to the next."""
    return share / readers / _READERS_RATE


def _written(path: Path, count: int) -> bool:
    """Whether the frames are there, the first of which was there before."""
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        node: Any = h5.get_node("/frames")
        frames = node.read()
        return bool((frames[:, 0, 0] == np.arange(count + 1)).all()) and len(frames) == count + 1


def _readers(setting: Setting) -> Generator[Sample]:
    for readers in sizes(_READERS, setting.size(2, _READERS[-1])):
        yield Sample(_SLEEP, readers, median(list(late_sleeps(setting))))
        yield from _read_by(readers, setting)


LAWS = (
    Law(
        "latency",
        "From the append in one program to the frame in another",
        "points a second",
        "delay",
        Scale.HERTZ,
        Unit.SECONDS,
        (
            Curve("99 % of the points, one reader"),
            Curve("median, one reader"),
            Curve(_SLEEP, limit=True),
        ),
        _rates,
        rounds=2,
        budget=70,
    ),
    Law(
        "readers",
        f"Readers of one writer, {_READERS_RATE} points a second",
        "programs that follow",
        "delay, processor time",
        Scale.COUNT,
        Unit.SECONDS,
        (
            Curve("99 % of the points, slowest reader"),
            Curve("median, each reader"),
            Curve("processor time of a reader per point"),
            Curve(_SLEEP, limit=True),
        ),
        _readers,
        rounds=2,
        budget=70,
    ),
)
