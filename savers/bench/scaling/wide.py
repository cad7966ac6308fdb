"""Laws of points with many signals: cost per point against signals."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

import savers
from savers.bench.figures import Unit
from savers.bench.harness import LOCAL, Setting, require
from savers.bench.points import moved, opened
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes

__all__ = ["LAWS"]

_SIGNALS = (1, 3, 10, 30, 100, 300, 1000)
_VALUES = 100_000
"""In all points together."""
_FEWEST = 30
_GIVEN = 4
_FLUSHES = 5
_LIMIT = "numpy copy and raw write"


def _given(signals: int) -> list[Any]:
    """Return some points; each signal of each has a value of its own."""
    return [
        savers.DataToExport(
            "point",
            [
                savers.DataRaw(f"s{number}", data=[np.array([number + turn / 10])], origin="o")
                for number in range(signals)
            ],
        )
        for turn in range(_GIVEN)
    ]


def _log(driver: str, signals: int, setting: Setting) -> Iterator[Sample]:
    """Add points of so many signals to a log."""
    path = setting.path("wide.h5")
    saver = opened(savers, driver, path)
    log, given = savers.DataToExportTimedSaver(saver), _given(signals)
    count = max(_FEWEST, setting.size(1_000, _VALUES) // signals)
    begin = time.perf_counter()
    log.add_data("/RawData", given[0])
    yield Sample(f"first point, {driver}", signals, time.perf_counter() - begin)
    begin = time.perf_counter()
    for number in range(1, count):
        log.add_data("/RawData", given[number % _GIVEN])
    saver.flush()
    yield Sample(f"point, {driver}", signals, (time.perf_counter() - begin) / (count - 1))
    begin = time.perf_counter()
    for number in range(count, count + _FLUSHES):
        log.add_data("/RawData", given[number % _GIVEN])
        saver.flush()
    seconds = (time.perf_counter() - begin) / _FLUSHES
    yield Sample(f"point and flush, {driver}", signals, seconds)
    turns = np.arange(count + _FLUSHES) % _GIVEN
    for number in range(signals):
        node = saver.get_node(f"/RawData/Data0D/CH{number:02d}/EnlData00")
        expected = number + turns / 10
        require(np.array_equal(node.read().ravel(), expected), "other values are there")
    saver.close_file()
    path.unlink()


def _signals(setting: Setting) -> Generator[Sample]:
    for signals in sizes(_SIGNALS, setting.size(10, _SIGNALS[-1])):
        count = max(_FEWEST, setting.size(1_000, _VALUES) // signals)
        # A value of each signal, and the time.
        cost = moved(setting.path("raw"), 8 * (signals + 1), count)
        yield Sample(_LIMIT, signals, cost)
        for driver in LOCAL:
            yield from _log(driver, signals, setting)


LAWS = (
    Law(
        "signals",
        "Cost of a point with many signals",
        "signals in a point",
        "time per point",
        Scale.COUNT,
        Unit.SECONDS,
        (
            *(Curve(f"first point, {driver}") for driver in LOCAL),
            *(Curve(f"point and flush, {driver}") for driver in LOCAL),
            *(Curve(f"point, {driver}") for driver in LOCAL),
            Curve(_LIMIT, limit=True),
        ),
        _signals,
        rounds=2,
        budget=45,
    ),
)
