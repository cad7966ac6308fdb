"""Rows of following a finished scan, and of the cost of a look for news."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from h5backends import follow
from savers.bench.figures import Against, Unit, at_most, times_the_cost
from savers.bench.harness import Row, Setting, Works, clock, require
from savers.bench.peers import H5PY, SWMR_TOOLS

__all__ = ["ROWS"]

_SHAPE = (16, 16)
_BLOCK = 1024
_PEER_SECONDS = 0.01
"""The peer sleeps a twentieth of its timeout before it looks at the flag."""


def _scan(setting: Setting) -> tuple[Path, int]:
    """Return a complete stack of frames with keys and flag, and the number of frames."""
    count = setting.size(2_000, 32_000)

    def make() -> Path:
        path = setting.shared_path("scan.h5")
        with h5py.File(path, "w") as file:
            data = np.random.default_rng(0).integers(0, 1000, (count, *_SHAPE), dtype="i4")
            file.create_dataset("data", data=data, chunks=(256, *_SHAPE), maxshape=(None, *_SHAPE))
            file.create_dataset(
                "keys", data=np.arange(1, count + 1), chunks=(4096,), maxshape=(None,)
            )
            file["finished"] = [1]
        return path

    return setting.once("scan", make), count


@contextmanager
def _frames(setting: Setting) -> Iterator[Works]:
    path, count = _scan(setting)
    theirs = setting.peer(SWMR_TOOLS)
    with h5py.File(path) as file:
        keys, data, flag = file["keys"], file["data"], file["finished"]

        def read(kind: Any) -> float:
            found: list[int] = []

            def work() -> None:
                found.append(sum(1 for _ in kind([keys], {"d": data}, _PEER_SECONDS, flag)))

            seconds = clock(work, count)
            require(found == [count], "frames were left out")
            return seconds

        yield Works(
            lambda: read(follow.DataSource),
            (lambda: read(theirs.DataSource)) if theirs else None,
            lambda: clock(lambda: data[...], count),
        )


@contextmanager
def _blocks(setting: Setting) -> Iterator[Works]:
    path, count = _scan(setting)
    with h5py.File(path) as file:
        keys, data, flag = file["keys"], file["data"], file["finished"]

        def ours() -> float:
            found: list[int] = []

            def work() -> None:
                source = follow.DataSource([keys], {"d": data}, 0, flag)
                found.append(sum(len(block["d"]) for block in source.batches(_BLOCK)))

            seconds = clock(work, count)
            require(found == [count], "frames were left out")
            return seconds

        def one_by_one() -> float:
            return clock(lambda: [data[index] for index in range(count)], count)

        yield Works(ours, one_by_one, lambda: clock(lambda: data[...], count))


@contextmanager
def _polls(setting: Setting) -> Iterator[Works]:
    theirs = setting.peer(SWMR_TOOLS)
    many = setting.size(100_000, 3_000_000)
    with h5py.File(setting.path("keys.h5"), "w") as file:
        few, much = (_keys(file, done) for done in (1_000, many))

        def growth(kind: Any, times: int) -> float:
            return _poll(kind, much, times) / _poll(kind, few, times)

        yield Works(
            lambda: growth(follow.KeyFollower, setting.size(20, 500)),
            (lambda: growth(theirs.KeyFollower, 3)) if theirs else None,
        )


def _keys(file: h5py.File, done: int) -> h5py.Dataset:
    """Store keys of which the first half is done."""
    keys = np.zeros(2 * done, "i8")
    keys[:done] = 1
    return file.create_dataset(f"keys {done}", data=keys, chunks=(4096,), maxshape=(None,))


def _poll(kind: Any, keys: h5py.Dataset, times: int) -> float:
    """Return the seconds that a look for news takes when there is none."""
    follower = kind([keys])
    require(follower.refresh(), "the keys that are done were not seen")
    require(not follower.refresh(), "keys were seen that are not done")
    return clock(lambda: [follower.refresh() for _ in range(times)], times)


ROWS = (
    Row(
        "follow-complete",
        "follow a complete file of 32,000 frames of 16x16 int32, frame by frame",
        Unit.SECONDS,
        at_most(2e-6),
        _frames,
        SWMR_TOOLS,
        "one bulk read",
    ),
    Row(
        "follow-batches",
        "follow a complete file of 32,000 frames of 16x16 int32, in batches",
        Unit.SECONDS,
        times_the_cost(1.3, Against.LIMIT),
        _blocks,
        H5PY,
        "one bulk read",
        rounds=15,
        note="the peer reads frame by frame",
    ),
    Row(
        "poll",
        "a look for news with 3,000,000 keys done, against one with 1,000",
        Unit.FACTOR,
        at_most(1.5),
        _polls,
        SWMR_TOOLS,
        note="independent of the keys done would be 1; the bar leaves room for noise",
    ),
)
