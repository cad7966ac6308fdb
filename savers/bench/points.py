"""Rows of the savers: one point of a log, and one point of a scan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import savers
from savers.bench.figures import Unit, times_the_speed
from savers.bench.harness import Row, Setting, Works, clock, require
from savers.bench.peers import PYMODAQ

__all__ = ["ROWS", "moved", "names_of", "opened", "points"]

_GIVEN = 20
"""Points that are made beforehand and added in turns."""
_BLOCK = 256 * 1024


def names_of(package: Any) -> SimpleNamespace:
    """Return the classes of pymodaq_data under the names that both packages have."""
    found: dict[str, Any] = {}
    for module in (package.data, package.saving, package.data_saving):
        found.update({name: getattr(module, name) for name in dir(module) if name[0].isupper()})
    return SimpleNamespace(**found)


def opened(names: Any, driver: str, path: Path) -> Any:
    """Return a saver of either package with a new file."""
    saver = names.H5SaverLowLevel("custom", driver)
    saver.init_file(path, new_file=True)
    return saver


def points(names: Any, *shapes: int) -> list[Any]:
    """Return some points with a signal of each length, made beforehand."""
    return [
        names.DataToExport(
            "point",
            data=[
                names.DataRaw(f"signal {length}", data=[np.arange(float(length)) + n], origin="o")
                for length in shapes
            ],
        )
        for n in range(_GIVEN)
    ]


def timed(names: Any, driver: str, path: Path, count: int) -> float:
    """Return the seconds that a point of a log takes, the first left out."""
    saver = opened(names, driver, path)
    log = names.DataToExportTimedSaver(saver)
    given = points(names, 1)
    log.add_data("/RawData", given[0])

    def work() -> None:
        for number in range(count):
            log.add_data("/RawData", given[number % _GIVEN])
        saver.flush()

    seconds = clock(work, count)
    length = len(saver.get_node("/RawData/Data0D/CH00/EnlData00"))
    saver.close_file()
    require(length == count + 1, f"{length} points are there, not {count + 1}")
    return seconds


def extended(names: Any, driver: str, path: Path, count: int) -> float:
    """Return the seconds that a point of a scan takes, the first left out."""
    saver = opened(names, driver, path)
    shape = (-(-count // 100), min(count, 100))
    scan = names.DataToExportExtendedSaver(saver, shape)
    given = points(names, 1, 1000)
    indexes = list(np.ndindex(shape))[:count]
    scan.add_data("/RawData", given[0], indexes[0])

    def work() -> None:
        for number, index in enumerate(indexes):
            scan.add_data("/RawData", given[number % _GIVEN], index)
        saver.flush()

    seconds = clock(work, count)
    found = saver.get_node("/RawData/Data1D/CH00/Data00")[indexes[-1]]
    saver.close_file()
    expected = np.arange(1000.0) + (count - 1) % _GIVEN
    require(np.array_equal(found, expected), "the last point is another one")
    return seconds


_Measured = Callable[[Any, str, Path, int], float]


@contextmanager
def _point(
    measured: _Measured, nbytes: int, full: int, driver: str, setting: Setting
) -> Iterator[Works]:
    count, their_count = setting.size(1_000, full), setting.size(20, 100)
    theirs = setting.peer(PYMODAQ)

    def work(names: Any, points_: int) -> float:
        path = setting.path("points.h5")
        seconds = measured(names, driver, path, points_)
        path.unlink()
        return seconds

    yield Works(
        lambda: work(savers, count),
        (lambda: work(names_of(theirs), their_count)) if theirs else None,
        lambda: moved(setting.path("raw"), nbytes, count),
    )


def moved(path: Path, nbytes: int, count: int) -> float:
    """Return what must be done for the bytes of a point: a copy, and writing that in blocks."""
    block = np.zeros(_BLOCK // nbytes * nbytes, np.uint8)
    source = np.ones(nbytes, np.uint8)
    with path.open("wb", buffering=0) as file:

        def move() -> None:
            for start in range(0, count * nbytes, block.size):
                for place in range(0, min(block.size, count * nbytes - start), nbytes):
                    block[place : place + nbytes] = source
                file.write(block.data)

        seconds = clock(move, count)
    path.unlink()
    return seconds


def _row(
    name: str, title: str, driver: str, bar: float, measured: _Measured, nbytes: int, full: int
) -> Row:
    return Row(
        f"{name}-{driver}",
        f"{title}, {driver}; per point",
        Unit.SECONDS,
        times_the_speed(bar),
        functools.partial(_point, measured, nbytes, full, driver),
        PYMODAQ,
        "numpy copy and raw writes of the same bytes",
        rounds=5,
    )


_LOG = "DataToExportTimedSaver.add_data, one 0D signal"
_SCAN = "DataToExportExtendedSaver.add_data, one 0D and one 1D(1000) signal"
ROWS = (
    _row("timed", _LOG, "h5py", 1000, timed, 16, 100_000),
    _row("timed", _LOG, "tables", 300, timed, 16, 100_000),
    _row("extended", _SCAN, "h5py", 400, extended, 1001 * 8, 20_000),
    _row("extended", _SCAN, "tables", 150, extended, 1001 * 8, 20_000),
)
