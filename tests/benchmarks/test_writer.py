"""What a call costs its caller: directly, and through a writer in the background.

Run ``H5BACKENDS_BENCH=full python -m pytest tests/benchmarks/test_writer.py -s`` for figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import FlushPolicy
from savers import BackgroundWriter, DataRaw, DataToExport, DataToExportTimedSaver
from tests.benchmarks.harness import QUICK, compare

POINTS = 200 if QUICK else 5_000
FRAMES = 20 if QUICK else 300
SYNCED = 10 if QUICK else 200
_PERIOD = 0.002

Call = Callable[[], object]
Pace = Callable[[Call, int], list[float]]


def burst(call: Call, count: int) -> list[float]:
    """Call as fast as it goes; return the seconds that each call took."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return taken


def cadence(call: Call, count: int) -> list[float]:
    """The same every two milliseconds, as a measurement does."""
    taken = []
    due = time.perf_counter()
    for _ in range(count):
        while (start := time.perf_counter()) < due:
            time.sleep(max(0.0, due - start))
        call()
        taken.append(time.perf_counter() - start)
        due += _PERIOD
    return taken


def point(shape: tuple[int, ...]) -> DataToExport:
    dtype = np.uint16 if len(shape) > 1 else np.float64
    return DataToExport("p", [DataRaw("signal", origin="o", data=[np.ones(shape, dtype)])])


def calls(
    path: Path, shape: tuple[int, ...], count: int, pace: Pace, queued: bool, **kwargs: Any
) -> list[float]:
    """Record points and return the seconds that each call kept its caller."""
    given = point(shape)
    with DataToExportTimedSaver(path, new_file=True, **kwargs) as saver:
        saver.add_data("/RawData", given)
        if not queued:
            return pace(lambda: saver.add_data("/RawData", given), count)
        with BackgroundWriter(saver, max_bytes=1 << 30) as writer:
            taken = pace(lambda: writer.add_data("/RawData", given), count)
        assert writer.counters.written == count
        assert writer.counters.longest_stall == 0.0
    return taken


@pytest.mark.parametrize(
    ("name", "shape", "count", "pace", "policy"),
    [
        ("a number, burst", (1,), POINTS, burst, None),
        ("a number, every 2 ms", (1,), POINTS, cadence, None),
        ("a frame of 512x512, every 2 ms", (512, 512), FRAMES, cadence, None),
        ("a number, every 2 ms, each one synced to the disk", (1,), SYNCED, cadence,
         FlushPolicy(rows=1, fsync=True)),
        ("a frame, every 2 ms, each one synced to the disk", (512, 512), SYNCED, cadence,
         FlushPolicy(rows=1, fsync=True)),
    ],
)  # fmt: skip
def test_what_the_caller_waits(
    folder: Path,
    name: str,
    shape: tuple[int, ...],
    count: int,
    pace: Pace,
    policy: FlushPolicy | None,
) -> None:
    worst: dict[bool, list[float]] = {False: [], True: []}

    def median(queued: bool) -> float:
        path = folder / "caller.h5"
        taken = calls(path, shape, count, pace, queued, flush_policy=policy)
        worst[queued] += taken
        return statistics.median(taken)

    compare(f"{name}: queued, direct as peer", lambda: median(True), lambda: median(False), "-")
    for queued, taken in worst.items():
        p99 = np.quantile(taken, 0.99) * 1e6
        print(f"    {'queued' if queued else 'direct'}: 99 % {p99:.0f} us, "
              f"longest {max(taken) * 1e6:.0f} us")  # fmt: skip
