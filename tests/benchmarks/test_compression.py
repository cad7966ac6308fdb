"""Compressed frames against HDF5's own filter pipeline, with the same codec in the same run.

Run ``H5BACKENDS_BENCH=full python -m pytest tests/benchmarks/test_compression.py -s`` for figures.
Times are those of the clock; beside them stand those of the processors, which other programs
do not change much: with the same codec the work is the same, and is shared by the threads.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from h5backends import FlushPolicy, H5Backend, filter_steps
from h5backends.pipeline import pipeline
from tests.benchmarks.harness import QUICK, clock, compare

CODECS: dict[str, dict[str, Any]] = {
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "lz4": {**hdf5plugin.LZ4(), "shuffle": True},
    "zstd": {**hdf5plugin.Zstd(3), "shuffle": True},
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
    "blosc": dict(hdf5plugin.Blosc("blosclz", 5)),
    "blosc2": dict(hdf5plugin.Blosc2("blosclz", 5)),
}
LEVELS = {"gzip": 1}
SIZES = {512: 6 if QUICK else 200, 2048: 3 if QUICK else 24}
"""Edge of a frame -> how many."""


def frames(edge: int) -> np.ndarray:
    """Return four frames like those of a camera: a spot, fringes, and the noise of the photons."""
    y, x = np.mgrid[:edge, :edge]
    spot = 1000 * np.exp(-((x - edge / 2) ** 2 + (y - edge / 2) ** 2) / (edge / 6) ** 2)
    fringes = 200 * (1 + np.sin(x / 17) * np.cos(y / 23))
    return np.random.default_rng(1).poisson(spot + fringes, (4, edge, edge)).astype(np.uint16)


class Processors:
    """Seconds of all processors for each unit, and the ratio of two kinds of work."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.peer: list[float] = []

    def measured(self, into: list[float], work: Callable[[], object], units: int) -> float:
        start = time.process_time()
        seconds = clock(work, units)
        into.append((time.process_time() - start) / units)
        return seconds

    def __str__(self) -> str:
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        return f"    processors: {ours * 1e6:.0f} us here, {peer * 1e6:.0f} us in the peer"


@pytest.mark.parametrize("edge", SIZES)
@pytest.mark.parametrize("codec", CODECS)
def test_append_compressed_frames(codec: str, edge: int, folder: Path) -> None:
    record(codec, edge, folder, codec)


@pytest.mark.parametrize("edge", SIZES)
def test_append_gzip_by_zlib_itself(
    edge: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without ISA-L and zlib-ng: what the threads alone give."""
    pipeline.cache_clear()
    monkeypatch.setattr(filter_steps, "_ISAL_LEVELS", ())
    monkeypatch.setattr(filter_steps, "_ZLIB_NG_LEVELS", ())
    try:
        record("gzip", edge, folder, "gzip by zlib")
    finally:
        pipeline.cache_clear()


def record(codec: str, edge: int, folder: Path, name: str) -> None:
    values, count, shape = frames(edge), SIZES[edge], (edge, edge)
    used = Processors()

    def ours() -> float:
        with H5Backend("h5py", FlushPolicy(seconds=None)) as h5:
            h5.open_file(folder / "ours.h5", "w")
            h5.define_compression(codec, LEVELS.get(codec))
            array = h5.create_earray("/", "a", "u2", shape)

            def work() -> None:
                for index in range(count):
                    array.append(values[index % 4])
                h5.flush()

            return used.measured(used.ours, work, count)

    def peer() -> float:
        with h5py.File(folder / "peer.h5", "w", libver=("v110", "v110")) as file:
            limits = {"maxshape": (None, *shape), "chunks": (1, *shape)}
            array = file.create_dataset("a", (0, *shape), "u2", **limits, **CODECS[codec])

            def work() -> None:
                for index in range(count):
                    array.resize(index + 1, axis=0)
                    array[index] = values[index % 4]
                file.flush()

            return used.measured(used.peer, work, count)

    compare(f"append {edge}x{edge} uint16, {name}", ours, peer, "1.7 times as fast on 2 cores")
    print(used)
    with h5py.File(folder / "ours.h5") as mine, h5py.File(folder / "peer.h5") as theirs:
        np.testing.assert_array_equal(mine["a"][count - 1], values[(count - 1) % 4])
        np.testing.assert_array_equal(mine["a"][0], theirs["a"][0])
        sizes = [file["a"].id.get_storage_size() for file in (mine, theirs)]
        print(f"    bytes in the file: {sizes[0] / sizes[1]:.3f} of the peer's")
        assert sizes[0] < 1.05 * sizes[1]


@pytest.mark.parametrize("codec", CODECS)
def test_read_compressed_frames(codec: str, folder: Path) -> None:
    values, count = frames(512), SIZES[512]
    path = folder / "frames.h5"
    with h5py.File(path, "w") as file:
        stack = np.resize(values, (count, 512, 512))
        file.create_dataset("a", data=stack, chunks=(1, 512, 512), **CODECS[codec])
    used = Processors()

    def ours() -> float:
        with H5Backend("h5py") as h5:
            h5.open_file(path, "r")
            array = h5.get_node("/a")
            assert array[count - 1][0, 0] == stack[-1, 0, 0]
            return used.measured(used.ours, lambda: array[:], count)

    def peer() -> float:
        with h5py.File(path) as file:
            array = file["a"]
            return used.measured(used.peer, lambda: array[:], count)

    compare(f"read 512x512 uint16, {codec}", ours, peer, "faster than HDF5 on 2 cores")
    print(used)
