"""What a scripted scan costs beyond the savers underneath, and many points through many files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from savers import DataRaw, DataToExport, DataToExportExtendedSaver, Rotation, Scan
from tests.benchmarks.harness import QUICK, clock, compare
from tests.conftest import LOCAL

POINTS = 2_000 if QUICK else 50_000
MANY = 20_000 if QUICK else 500_000
SPECTRUM = np.arange(1000.0)


def scripted(path: Path, driver: str) -> float:
    """Seconds a point of a scan, the first left out."""
    with Scan(path, _axes(), backend=driver, new_file=True, progress=False) as scan:
        points = iter(scan)
        next(points).write(power=0.0, spectrum=SPECTRUM)

        def work() -> None:
            for point in points:
                point.write(power=point["y"], spectrum=SPECTRUM)
            scan.flush()

        return clock(work, POINTS - 1)


def by_hand(path: Path, driver: str) -> float:
    """The same with the saver underneath, its data made for every point."""
    indexes = list(np.ndindex(POINTS // 100, 100))
    live = {"swmr_mode": True} if driver == "h5py" else {}
    with DataToExportExtendedSaver(
        path, (POINTS // 100, 100), backend=driver, new_file=True, **live
    ) as saver:

        def write(index: tuple[int, ...]) -> None:
            power = DataRaw("power", origin="scan", data=[np.array([float(index[1])])])
            spectrum = DataRaw("spectrum", origin="scan", data=[SPECTRUM])
            saver.add_data("/RawData", DataToExport("scan", [power, spectrum]), index)

        write(indexes[0])

        def work() -> None:
            for index in indexes[1:]:
                write(index)
            saver.flush()

        return clock(work, POINTS - 1)


def _axes() -> list[Any]:
    return [("x", "mm", range(POINTS // 100)), ("y", "mm", np.arange(100.0))]


@pytest.mark.parametrize("driver", LOCAL)
def test_a_point(driver: str, folder: Path) -> None:
    compare(
        f"{driver}, a point of a scripted scan",
        lambda: scripted(folder / "ours.h5", driver),
        lambda: by_hand(folder / "peer.h5", driver),
        "at least 0.5 times as fast as the saver underneath",
    )


def test_memory_over_many_points(folder: Path) -> None:
    """Flat: a log over several files keeps nothing."""
    process = psutil.Process()
    path = folder / "log.h5"
    with Scan(path, rotate=Rotation(points=MANY // 4), progress=False) as scan:
        points = iter(scan)
        for _ in range(MANY // 2):
            next(points).write(power=1.0)
        before = process.memory_info().rss
        for _ in range(MANY // 2):
            next(points).write(power=1.0)
        grown = process.memory_info().rss - before
    print(f"\n  {MANY // 2} points later: {grown / 2**20:.1f} MiB more")
    assert grown < 20 * 2**20
