"""Laws of files with many nodes: cost of a point, of a flush, of adding and of loading."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

import savers
from savers.bench.figures import Unit, median
from savers.bench.harness import LOCAL, Setting, require
from savers.bench.points import opened
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes

__all__ = ["LAWS"]

_NODES = (30, 100, 300, 1_000, 3_000, 10_000, 20_000)
_PER_SIGNAL = 2
"""Nodes: the array and its axis."""
_POINTS = 2_000
_TIMES = 15


def _signal(number: int) -> Any:
    axis = savers.Axis("e", "eV", np.linspace(0, 1, 10))
    return savers.DataRaw("d", data=[np.arange(10.0) + number], axes=[axis])


def _point(number: int) -> Any:
    return savers.DataToExport(
        "log", [savers.DataRaw("v", data=[np.array([float(number)])], origin="o")]
    )


class _File:
    """A file that gets more and more signals in one group while a log goes on in another."""

    def __init__(self, driver: str, setting: Setting) -> None:
        self._driver = driver
        self.path = setting.path("crowded.h5")
        self.saver = opened(savers, driver, self.path)
        self._adder = savers.DataSaverLoader(self.saver)
        self._log = savers.DataToExportTimedSaver(self.saver)
        self.saver.get_set_group("/RawData", "Many")
        self.saver.get_set_group("/RawData", "Log")
        self._signals = self._logged = 0
        self._log_point()

    def _log_point(self) -> None:
        self._log.add_data("/RawData/Log", _point(self._logged))
        self._logged += 1

    def grow(self, nodes: int) -> Iterator[Sample]:
        """Add signals up to so many nodes, and measure there."""
        costs = []
        while _PER_SIGNAL * self._signals < nodes:
            data = _signal(self._signals)
            begin = time.perf_counter()
            self._adder.add_data("/RawData/Many", data)
            costs.append(time.perf_counter() - begin)
            self._signals += 1
        yield self._sample("add a signal", nodes, median(costs[-_TIMES:]))
        yield self._sample("load a signal", nodes, median([*self._loads()]))
        self.saver.flush()
        yield self._sample("point", nodes, self._points() / _POINTS)
        flushes = []
        for _ in range(_TIMES):
            begin = time.perf_counter()
            self._log_point()
            self.saver.flush()
            flushes.append(time.perf_counter() - begin)
        yield self._sample("point and flush", nodes, median(flushes))

    def _sample(self, what: str, nodes: int, seconds: float) -> Sample:
        return Sample(f"{what}, {self._driver}", nodes, seconds)

    def _points(self) -> float:
        """Return the seconds of some points of the log, made beforehand."""
        given = [_point(self._logged + number) for number in range(_POINTS)]
        begin = time.perf_counter()
        for point in given:
            self._log.add_data("/RawData/Log", point)
        seconds = time.perf_counter() - begin
        self._logged += _POINTS
        return seconds

    def _loads(self) -> Iterator[float]:
        """Load signals from all over the file."""
        for number in np.random.default_rng(1).integers(0, self._signals, _TIMES):
            begin = time.perf_counter()
            data = self._adder.load_data(f"/RawData/Many/Data{number:02d}")
            yield time.perf_counter() - begin
            right = np.array_equal(data.data[0], np.arange(10.0) + number)
            require(right and data.axes[0].units == "eV", "another signal was loaded")

    def close(self) -> None:
        """Look whether all points are there, and remove the file."""
        node = self.saver.get_node("/RawData/Log/Data0D/CH00/EnlData00")
        right = np.array_equal(node.read().ravel(), np.arange(self._logged))
        self.saver.close_file()
        require(right, "other points are there")
        self.path.unlink()


def _nodes(setting: Setting) -> Generator[Sample]:
    for driver in LOCAL:
        file = _File(driver, setting)
        for nodes in sizes(_NODES, setting.size(300, _NODES[-1])):
            yield from file.grow(nodes)
        file.close()


_WORK = ("add a signal", "load a signal", "point and flush", "point")
LAWS = (
    Law(
        "nodes",
        "Costs in a file with many nodes",
        "nodes in the file",
        "time of each",
        Scale.COUNT,
        Unit.SECONDS,
        tuple(Curve(f"{what}, {driver}", flat=True) for what in _WORK for driver in LOCAL),
        _nodes,
        rounds=1,
        budget=60,
    ),
)
