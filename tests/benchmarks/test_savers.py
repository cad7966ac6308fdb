"""The savers beside those of pymodaq_data: logs, scans, many data in a group, loading one of them.

Run ``H5BACKENDS_BENCH=full python -m pytest tests/benchmarks -s`` for figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

import savers
from savers import DataLoader, DataSaverLoader, DataToExportTimedSaver
from tests.benchmarks.harness import QUICK, clock, compare
from tests.benchmarks.test_append import folder  # noqa: F401 - a fixture
from tests.conftest import LOCAL
from tests.interop.conftest import pymodaq  # noqa: F401 - a fixture

POINTS = 2_000 if QUICK else 100_000
THEIR_POINTS = 20 if QUICK else 200
MANY = 300 if QUICK else 10_000
MILLION = 30_000 if QUICK else 1_000_000

pytestmark = [
    pytest.mark.filterwarnings("ignore:The specified dimensionality is not coherent:Warning"),
    pytest.mark.filterwarnings("ignore:The axis requested with index:Warning"),
]


def names_of(package: Any) -> SimpleNamespace:
    """The classes of pymodaq_data under the names that both packages have."""
    found: dict[str, Any] = {}
    for module in (package.data, package.saving, package.data_saving):
        found.update({name: getattr(module, name) for name in dir(module) if name[0].isupper()})
    return SimpleNamespace(**found)


def opened(names: Any, driver: str, path: Path) -> Any:
    """A saver of either package with a new file."""
    saver = names.H5SaverLowLevel("custom", driver)
    saver.init_file(path, new_file=True)
    return saver


def points(names: Any, *shapes: int) -> list[Any]:
    """Some points with a signal of each length, made beforehand."""
    return [
        names.DataToExport(
            "point",
            data=[
                names.DataRaw(f"signal {length}", data=[np.arange(float(length)) + n], origin="o")
                for length in shapes
            ],
        )
        for n in range(20)
    ]


def timed(names: Any, driver: str, path: Path, count: int) -> float:
    saver = opened(names, driver, path)
    log = names.DataToExportTimedSaver(saver)
    given = points(names, 1)
    log.add_data("/RawData", given[0])

    def work() -> None:
        for number in range(count):
            log.add_data("/RawData", given[number % 20])
        saver.flush()

    seconds = clock(work, count)
    assert len(saver.get_node("/RawData/Data0D/CH00/EnlData00")) == count + 1
    saver.close_file()
    return seconds


def extended(names: Any, driver: str, path: Path, count: int) -> float:
    saver = opened(names, driver, path)
    shape = (-(-count // 100), min(count, 100))
    scan = names.DataToExportExtendedSaver(saver, shape)
    given = points(names, 1, 1000)
    indexes = list(np.ndindex(shape))[:count]
    scan.add_data("/RawData", given[0], indexes[0])

    def work() -> None:
        for number, index in enumerate(indexes):
            scan.add_data("/RawData", given[number % 20], index)
        saver.flush()

    seconds = clock(work, count)
    found = saver.get_node("/RawData/Data1D/CH00/Data00")[indexes[-1]]
    np.testing.assert_array_equal(found, np.arange(1000.0) + (count - 1) % 20)
    saver.close_file()
    return seconds


BARS = {("timed", "tables"): 300, ("timed", "h5py"): 1000,
        ("extended", "tables"): 150, ("extended", "h5py"): 400}  # fmt: skip


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize("work", [timed, extended])
def test_a_point(
    work: Callable[[Any, str, Path, int], float],
    driver: str,
    folder: Path,  # noqa: F811
    pymodaq: Any,  # noqa: F811
) -> None:
    theirs = names_of(pymodaq)
    count = POINTS // 5 if work is extended else POINTS
    size = 1001 * 8 if work is extended else 16

    def limit() -> float:
        """What the bytes cost that must be moved: a copy into memory, and writing that."""
        block = np.zeros(256 * 1024 // size * size, np.uint8)
        source = np.ones(size, np.uint8)
        with (folder / "raw").open("wb", buffering=0) as file:

            def move() -> None:
                for start in range(0, count * size, block.size):
                    for place in range(0, min(block.size, count * size - start), size):
                        block[place : place + size] = source
                    file.write(block.data)

            return clock(move, count)

    compare(
        f"{work.__name__} saver, one point, {driver}, against pymodaq_data",
        lambda: work(savers, driver, folder / "ours.h5", count),
        lambda: work(theirs, driver, folder / "theirs.h5", THEIR_POINTS),
        f"{BARS[work.__name__, driver]} times as fast",
        limit=limit,
    )


@pytest.mark.parametrize("driver", LOCAL)
def test_many_data_in_one_group(driver: str, folder: Path) -> None:  # noqa: F811
    path = folder / "many.h5"
    with DataSaverLoader(path, new_file=True, backend=driver) as saver:
        costs = []
        for number in range(MANY + 1):
            axis = savers.Axis("e", "eV", np.linspace(0, 1, 50))
            data = savers.DataRaw("d", data=[np.arange(50.0) + number], axes=[axis])
            start = time.perf_counter()
            saver.add_data("/RawData", data)
            costs.append(time.perf_counter() - start)
    early, late = statistics.median(costs[5:60]), statistics.median(costs[-55:])
    print(
        f"\n  add_data into one group, {driver}: {1e6 * early:.0f} us at the beginning, "
        f"{1e6 * late:.0f} us as number {MANY}: {late / early:.2f} times (bar: 1.5)"
    )
    with DataLoader(path, backend=driver) as loader:
        found = []
        for number in np.random.default_rng(1).integers(0, MANY, 30):
            start = time.perf_counter()
            data = loader.load_data(f"/RawData/Data{number:02d}")
            found.append(time.perf_counter() - start)
            assert data.data[0][0] == number
            assert data.axes[0].units == "eV"
    print(f"  load one of them: {1e3 * statistics.median(found):.2f} ms (bar: 5)")


@pytest.mark.parametrize("driver", LOCAL)
def test_a_long_log(driver: str, folder: Path) -> None:  # noqa: F811
    process = psutil.Process()
    given = points(savers, 1)
    costs, memory = [], []
    with DataToExportTimedSaver(folder / "log.h5", new_file=True, backend=driver) as log:
        for _ in range(10):
            start = time.perf_counter()
            for number in range(MILLION // 10):
                log.add_data("/RawData", given[number % 20])
            costs.append((time.perf_counter() - start) / (MILLION // 10))
            memory.append(process.memory_info().rss)
        assert len(log.get_node("/RawData/Data0D/CH00/EnlData00")) == MILLION // 10 * 10
    growth = (memory[-1] - memory[0]) / 2**20
    print(
        f"\n  {MILLION} timed points, {driver}: {1e6 * costs[0]:.1f} us in the first tenth, "
        f"{1e6 * costs[-1]:.1f} in the last; memory grew by {growth:.1f} MiB (bar: 20)"
    )
    assert growth < 20  # not a time: memory is asserted
