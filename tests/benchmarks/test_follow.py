"""Following a scan, live and finished, against swmr_tools in the same run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend, follow
from tests.benchmarks.harness import QUICK, clock, compare
from tests.follow.scans import Writer

peer = pytest.importorskip("swmr_tools", reason="swmr-tools and blosc are not installed")

FRAMES = 4000 if QUICK else 32_000
POINTS = 50 if QUICK else 1000
CADENCE = 0.01


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A complete stack of 16x16 int32 frames with keys and flag."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        data = np.random.default_rng(0).integers(0, 1000, (FRAMES, 16, 16), dtype="i4")
        file.create_dataset("data", data=data, chunks=(256, 16, 16), maxshape=(None, 16, 16))
        file.create_dataset(
            "keys", data=np.arange(1, FRAMES + 1), chunks=(4096,), maxshape=(None,)
        )
        file["finished"] = [1]
    return tmp_path / "scan.h5"


def _count(items: Iterable[Any]) -> None:
    assert sum(1 for _ in items) == FRAMES


def test_complete_file(scan: Path) -> None:
    with h5py.File(scan) as file:
        keys, data, flag = file["keys"], file["data"], file["finished"]

        def source(kind: Any) -> Any:
            # The peer sleeps a twentieth of the timeout before it looks at the flag.
            return kind([keys], {"d": data}, 0.01, flag)

        compare(
            f"follow a complete file of {FRAMES} frames of 16x16 int32, against swmr_tools",
            lambda: clock(lambda: _count(source(follow.DataSource)), FRAMES),
            lambda: clock(lambda: _count(source(peer.DataSource)), FRAMES),
            "2 us a frame",
            limit=lambda: clock(lambda: data[...], FRAMES),
        )


def test_batches(scan: Path) -> None:
    with h5py.File(scan) as file:
        keys, data, flag = file["keys"], file["data"], file["finished"]

        def blocks() -> None:
            source = follow.DataSource([keys], {"d": data}, 0, flag)
            assert sum(len(block["d"]) for block in source.batches(1024)) == FRAMES

        compare(
            f"follow {FRAMES} frames of 16x16 int32 in blocks, against one bulk read",
            lambda: clock(blocks, FRAMES),
            lambda: clock(lambda: data[...], FRAMES),
            "at least 0.77 times as fast",
        )


@pytest.mark.parametrize("done", [1000, 100_000] if QUICK else [1000, 100_000, 3_000_000])
def test_cost_of_a_poll(done: int, tmp_path: Path) -> None:
    """A look for news when there is none; it must not depend on how many keys are done."""
    keys = np.zeros(2 * done, "i8")
    keys[:done] = 1
    with h5py.File(tmp_path / "keys.h5", "w") as file:
        kept = file.create_dataset("keys", data=keys, chunks=(4096,), maxshape=(None,))
        ours, theirs = follow.KeyFollower([kept]), peer.KeyFollower([kept])
        assert ours.refresh()
        assert theirs.refresh()

        def poll(follower: Any, times: int) -> float:
            assert not follower.refresh()
            return clock(lambda: [follower.refresh() for _ in range(times)], times)

        compare(
            f"a poll with {done} keys done, against swmr_tools",
            lambda: poll(ours, 200),
            lambda: poll(theirs, 3),
            "independent of the keys done",
        )


def _latencies(kind: Any, path: Path) -> tuple[np.ndarray[Any, Any], float]:
    """Return the delay of each point in seconds, and the share of a core that the reader took."""
    with Writer(path) as writer, H5Backend("h5py") as h5:
        writer.tell("points 1")  # the peer cannot look at keys while there are none
        h5.open_file(path, "r", swmr_mode=True)
        file = h5.h5file
        data = {"t": file["times"]}
        source = kind([file["keys"]], data, 2, file["finished"])
        next(source)
        writer.tell(f"cadence {POINTS} {CADENCE}")
        start, used = time.monotonic(), time.process_time()
        delays = [time.monotonic() - item["t"].item() for item in itertools.islice(source, POINTS)]
        share = (time.process_time() - used) / (time.monotonic() - start)
        writer.hear()
    return np.array(delays), share


def _sleeps_too_long() -> float:
    """Return by how many seconds one in a hundred sleeps of a millisecond is late here."""
    late = []
    for _ in range(POINTS):
        start = time.monotonic()
        time.sleep(0.001)
        late.append(time.monotonic() - start - 0.001)
    return float(np.percentile(late, 99))


def test_live_latency(tmp_path: Path) -> None:
    """From the moment a point is appended in the writer to the frame in the reader."""
    for name, kind, number in (
        ("h5backends", follow.DataSource, 0),
        ("swmr_tools", peer.DataSource, 1),
    ):
        delays, share = _latencies(kind, tmp_path / f"{number}.h5")
        late_sleep = 1e3 * _sleeps_too_long()
        median, late = 1e3 * np.percentile(delays, [50, 99])
        print(
            f"\n  live, a point every {CADENCE * 1e3:.0f} ms, {name}: median {median:.2f} ms, "
            f"p99 {late:.2f} ms, {share:.1%} of a core "
            f"(bar: median 3 ms, p99 15 ms; this machine alone: p99 {late_sleep:.1f} ms)"
        )
        assert len(delays) == POINTS


def test_idle_reader(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer, H5Backend("h5py") as h5:
        writer.tell("points 10")
        h5.open_file(tmp_path / "a.h5", "r", swmr_mode=True)
        source = follow.DataSource(
            [h5.get_node("/keys")], {"t": h5.get_node("/times")}, 1 if QUICK else 10
        )
        for _ in range(10):
            next(source)
        start, used = time.monotonic(), time.process_time()
        assert list(source) == []
        share = (time.process_time() - used) / (time.monotonic() - start)
        assert source.end is follow.EndState.TIMED_OUT
        print(f"\n  an idle reader takes {share:.2%} of a core (bar: 2%)")
