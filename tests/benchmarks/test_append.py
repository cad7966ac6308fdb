"""Appending to one growing array: scalars, frames, a million points, and through HSDS.

Run ``H5BACKENDS_BENCH=full python -m pytest tests/benchmarks -s`` for figures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import tables

from h5backends import H5Backend
from tests.benchmarks.harness import QUICK, clock, compare
from tests.conftest import LOCAL

SCALARS = 5_000 if QUICK else 200_000
FRAMES = 5 if QUICK else 300
MILLION = 20_000 if QUICK else 1_000_000
FRAME = np.random.default_rng(1).integers(0, 60_000, (512, 512)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: the disk would drown what is compared."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize("driver", LOCAL)
def test_append_one_float(driver: str, folder: Path) -> None:
    def ours() -> float:
        with H5Backend(driver) as h5:
            h5.open_file(folder / "ours.h5", "w")
            array = h5.create_earray("/", "a", "float64")

            def work() -> None:
                for _ in range(SCALARS):
                    array.append(1.5)
                h5.flush()

            seconds = clock(work, SCALARS)
            assert len(array) == SCALARS
            assert array[-1] == 1.5
        return seconds

    def peer() -> float:
        value = np.array([1.5])
        with tables.open_file(folder / "peer.h5", "w") as file:
            array = file.create_earray("/", "a", tables.Float64Atom(), (0,))

            def work() -> None:
                for _ in range(SCALARS):
                    array.append(value)
                file.flush()

            return clock(work, SCALARS)

    compare(f"append one float64, {driver}, against raw PyTables", ours, peer, "2 times as fast")


def _raw_frames(path: Path) -> float:
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        limits = {"maxshape": (None, 512, 512), "chunks": (1, 512, 512)}
        chunk = file.create_dataset("f", (0, 512, 512), "u2", **limits).id

        def work() -> None:
            for index in range(FRAMES):
                chunk.set_extent((index + 1, 512, 512))
                chunk.write_direct_chunk((index, 0, 0), FRAME)
            file.flush()

        return clock(work, FRAMES)


def _our_frames(driver: str, path: Path) -> float:
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "f", "uint16", (512, 512))

        def work() -> None:
            for _ in range(FRAMES):
                array.append(FRAME)
            h5.flush()

        seconds = clock(work, FRAMES)
        assert np.array_equal(array[FRAMES - 1], FRAME)
    return seconds


@pytest.mark.parametrize("driver", LOCAL)
def test_append_frame(driver: str, folder: Path) -> None:
    compare(
        f"append a 512x512 uint16 frame, {driver}, against raw write_direct_chunk",
        lambda: _our_frames(driver, folder / "ours.h5"),
        lambda: _raw_frames(folder / "peer.h5"),
        "0.95 times as fast",
        limit=lambda: clock(lambda: [FRAME.copy() for _ in range(FRAMES)], FRAMES),
        repeat=15,
    )


@pytest.mark.parametrize("driver", LOCAL)
def test_memory_stays_flat(driver: str, tmp_path: Path) -> None:
    process = psutil.Process()
    with H5Backend(driver) as h5:
        h5.open_file(tmp_path / "million.h5", "w")
        array = h5.create_earray("/", "a", "float64")
        for value in range(10_000):
            array.append(float(value))
        before = process.memory_info().rss
        for value in range(10_000, 10_000 + MILLION):
            array.append(float(value))
        growth = process.memory_info().rss - before
        assert array[-1] == 10_000 + MILLION - 1
    print(f"\n  {MILLION} appends, {driver}: memory grew by {growth / 2**20:.1f} MiB (bar: 20)")
    # Not a time: memory is asserted. The rows alone would take 8 MB of it if they were kept.
    assert growth < 20 * 2**20


def test_append_through_hsds(make_place: Any) -> None:
    rows = 2_000 if QUICK else 100_000
    place = make_place("h5pyd")
    with place.open("w") as h5:
        array = h5.create_earray("/", "a", "float64")

        def work() -> None:
            for value in range(rows):
                array.append(float(value))
            h5.flush()

        rate = 1 / clock(work, rows)
        assert np.array_equal(array[:], np.arange(rows, dtype=float))
    print(f"\n  append scalars through HSDS: {rate:.0f} rows/s (bar: 20000), pid {os.getpid()}")
