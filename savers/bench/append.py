"""Rows of appending to one growing array: numbers, frames, and what it does to memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tables

from h5backends import H5Backend
from h5backends.drivers._journal.hooks import aside
from savers.bench import process
from savers.bench.figures import Against, Unit, at_most, times_the_speed
from savers.bench.harness import LOCAL, Row, Setting, Works, clock, require
from savers.bench.peers import H5PY, TABLES

__all__ = ["ROWS", "raw_array"]

_SHAPE = (512, 512)
_CHUNK_ROWS = 1 << 17
"""Numbers in a chunk of 1 MiB."""
_TURN = 10
"""Frames written to one file before it is the other's turn."""


@contextmanager
def _numbers(driver: str, setting: Setting) -> Iterator[Works]:
    count, theirs = setting.size(5_000, 200_000), setting.size(5_000, 50_000)

    def ours() -> float:
        with H5Backend(driver) as h5:
            h5.open_file(setting.path("ours.h5"), "w")
            array = h5.create_earray("/", "a", "float64")

            def work() -> None:
                for _ in range(count):
                    array.append(1.5)
                h5.flush()

            seconds = clock(work, count)
            require(len(array) == count and array[-1] == 1.5, "appended numbers are not there")
        return seconds

    def peer() -> float:
        value = np.array([1.5])
        with tables.open_file(setting.path("peer.h5"), "w") as file:
            array = file.create_earray("/", "a", tables.Float64Atom(), (0,))

            def work() -> None:
                for _ in range(theirs):
                    array.append(value)
                file.flush()

            return clock(work, theirs)

    def limit() -> float:
        with raw_array(setting.path("limit.h5"), (), np.float64, _CHUNK_ROWS) as (chunk, file):
            block = np.zeros(_CHUNK_ROWS)

            def work() -> None:
                for start in range(0, count, _CHUNK_ROWS):
                    block[: min(_CHUNK_ROWS, count - start)] = 1.5
                    chunk.set_extent((min(start + _CHUNK_ROWS, count),))
                    chunk.write_direct_chunk((start,), block)
                file.flush()

            return clock(work, count)

    yield Works(ours, peer, limit)


@contextmanager
def raw_array(
    path: Path, shape: tuple[int, ...], dtype: Any, chunk_rows: int
) -> Iterator[tuple[Any, Any]]:
    """Make a growing array with h5py; give its low-level handle and the file."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        array = file.create_dataset(
            "a", (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk_rows, *shape)
        )
        yield array.id, file


@contextmanager
def _frames(driver: str, setting: Setting) -> Iterator[Works]:
    count = setting.size(5, 1000)
    # Written anew in every round: frames fill a folder in memory soon.
    ours_path, peer_path, limit_path = (setting.path(f"{n}.h5") for n in ("ours", "peer", "limit"))
    frame = np.random.default_rng(1).integers(0, 60_000, _SHAPE).astype(np.uint16)
    told: dict[str, float] = {}

    def in_turns() -> tuple[float, float]:
        """Return what a frame takes here, and at the limit, written a few here and a few there.

        One after the other, each gets its own part of the memory over and over, and what parts
        there are differ more than a tenth: by which figures of this row once differed. The limit
        is h5py's alone: the journal, which stands between h5py and every file, steps aside for it.
        """
        ours = limit = 0.0
        with (
            H5Backend(driver) as h5,
            raw_array(limit_path, _SHAPE, np.uint16, 1) as (chunk, file),
        ):
            h5.open_file(ours_path, "w")
            array = h5.create_earray("/", "f", "uint16", _SHAPE)

            def append(start: int, stop: int) -> None:
                for _ in range(start, stop):
                    array.append(frame)

            def write(start: int, stop: int) -> None:
                for index in range(start, stop):
                    chunk.set_extent((index + 1, *_SHAPE))
                    chunk.write_direct_chunk((index, 0, 0), frame)

            append(0, 1)
            write(0, 1)
            for start in range(1, count, _TURN):
                stop = min(start + _TURN, count)
                ours += clock(functools.partial(append, start, stop), 1)
                with h5.session.lock, aside():  # or its flusher would write without a journal
                    limit += clock(functools.partial(write, start, stop), 1)
            ours += clock(h5.flush, 1)
            with h5.session.lock, aside():
                limit += clock(file.flush, 1)
            require(np.array_equal(array[count - 1], frame), "the last frame is another one")
        return ours / (count - 1), limit / (count - 1)

    def figure(which: str) -> float:
        """Measure both, or tell what the other's turn has measured."""
        if which not in told:
            told["ours"], told["limit"] = in_turns()
        return told.pop(which)

    def peer() -> float:
        with h5py.File(peer_path, "w", libver=("v110", "v110")) as file:
            array = file.create_dataset(
                "f", (0, *_SHAPE), "u2", maxshape=(None, *_SHAPE), chunks=(1, *_SHAPE)
            )

            def work() -> None:
                for index in range(count):
                    array.resize(index + 1, 0)
                    array[index] = frame
                file.flush()

            return clock(work, count)

    yield Works(functools.partial(figure, "ours"), peer, functools.partial(figure, "limit"))


@contextmanager
def _memory(driver: str, setting: Setting) -> Iterator[Works]:
    count, their_count = setting.size(20_000, 1_000_000), setting.size(20_000, 200_000)

    def growth(how: str, numbers: int) -> float:
        return process.number("savers.bench.memory_process", how, numbers, setting.path("m.h5"))

    yield Works(lambda: growth(driver, count), lambda: growth("raw", their_count))


@contextmanager
def _memory_of_log(driver: str, setting: Setting) -> Iterator[Works]:
    count = setting.size(20_000, 1_000_000)
    arguments = ("savers.bench.memory_process", f"log-{driver}", count)
    yield Works(lambda: process.number(*arguments, setting.path("log.h5")))


def _row(name: str, driver: str, prepare: Any, title: str, **rest: Any) -> Row:
    return Row(f"{name}-{driver}", f"{title}, {driver}", prepare=functools.partial(
        prepare, driver), **rest)  # fmt: skip


ROWS = (
    *(
        _row(
            "append-number", driver, _numbers, "append one float64",
            unit=Unit.SECONDS, bar=times_the_speed(2), peer=TABLES,
            limit="filling and writing whole chunks",
        )
        for driver in LOCAL
    ),
    *(
        _row(
            "append-frame", driver, _frames, "append a frame of 512x512 uint16",
            unit=Unit.SECONDS, bar=times_the_speed(0.95, Against.LIMIT), peer=H5PY,
            limit="write_direct_chunk", rounds=15,
        )
        for driver in LOCAL
    ),
    *(
        _row(
            "memory", driver, _memory, "growth of memory over 1,000,000 appends",
            unit=Unit.BYTES, bar=at_most(20 * 2**20), peer=TABLES, rounds=2,
        )
        for driver in LOCAL
    ),
    *(
        _row(
            "memory-log", driver, _memory_of_log,
            "growth of memory over 1,000,000 points of a DataToExportTimedSaver",
            unit=Unit.BYTES, bar=at_most(20 * 2**20), rounds=1,
        )
        for driver in LOCAL
    ),
)  # fmt: skip
