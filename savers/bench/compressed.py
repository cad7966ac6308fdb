"""Rows of compressed frames: filtered in threads around HDF5, against HDF5's own filters."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from h5backends import H5Backend
from h5backends.drivers import registry
from savers.bench.figures import Unit, times_the_speed
from savers.bench.harness import Row, RowSkippedError, Setting, Works, clock, require
from savers.bench.peers import H5PY

__all__ = ["ROWS", "detector_frame"]

_SHAPE = (512, 512)
_DRIVER = "h5py"
_ROUNDS = 35
"""Of 0.2 s: how much of a second processor there is changes from one second to the next."""


def detector_frame() -> Any:
    """Return a frame like a detector's: a smooth picture with noise in the lowest bits."""
    y, x = np.ogrid[-1 : 1 : _SHAPE[0] * 1j, -1 : 1 : _SHAPE[1] * 1j]
    picture = 4000 * np.exp(-4 * (x**2 + y**2)) + 200
    return np.random.default_rng(1).poisson(picture).astype(np.uint16)


def _raw_filters(codec: str) -> dict[str, Any]:
    """Return what h5py is told to have the same filters from HDF5."""
    if codec == "gzip":
        return {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    import hdf5plugin

    if codec == "zstd":
        return {"shuffle": True, **hdf5plugin.Zstd()}
    return dict(hdf5plugin.Bitshuffle() if codec == "bitshuffle" else hdf5plugin.Blosc2())


@contextmanager
def _frames(codec: str, level: int | None, setting: Setting) -> Iterator[Works]:
    if codec not in registry.load(_DRIVER).codecs():
        raise RowSkippedError(f"{codec} needs hdf5plugin: pip install 'h5backends[compression]'")
    count = setting.size(8, 100)
    frames = [np.roll(detector_frame(), shift, 0) for shift in range(8)]
    path = setting.path("ours.h5")
    peer_path, limit_path = setting.path("peer.h5"), setting.path("limit.h5")

    def ours() -> float:
        with H5Backend(_DRIVER) as h5:
            h5.open_file(path, "w")
            h5.define_compression(codec, level)
            array = h5.create_earray("/", "f", "uint16", _SHAPE)

            def work() -> None:
                for index in range(count):
                    array.append(frames[index % 8])
                h5.flush()

            seconds = clock(work, count)
        with h5py.File(path) as file:
            require(np.array_equal(file["f"][count - 1], frames[(count - 1) % 8]), "another frame")
            ours_filters = _filters(file["f"])
        if peer_path.exists():
            with h5py.File(peer_path) as file:
                require(ours_filters == _filters(file["f"]), "the peer has other filters")
        return seconds

    def peer() -> float:
        with h5py.File(peer_path, "w", libver=("v110", "v110")) as file:
            array = file.create_dataset(
                "f", (0, *_SHAPE), "u2", maxshape=(None, *_SHAPE), chunks=(1, *_SHAPE),
                **_raw_filters(codec),
            )  # fmt: skip

            def work() -> None:
                for index in range(count):
                    array.resize(index + 1, 0)
                    array[index] = frames[index % 8]
                file.flush()

            return clock(work, count)

    def limit() -> float:
        """Store chunks that are compressed already."""
        with h5py.File(peer_path) as kept, h5py.File(limit_path, "w") as file:
            source = kept["f"].id
            chunks = [source.read_direct_chunk((index, 0, 0)) for index in range(8)]
            target = file.create_dataset(
                "f", (count, *_SHAPE), "u2", chunks=(1, *_SHAPE), **_raw_filters(codec)
            ).id

            def work() -> None:
                for index in range(count):
                    mask, data = chunks[index % 8]
                    target.write_direct_chunk((index, 0, 0), data, mask)
                file.flush()

            return clock(work, count)

    yield Works(ours, peer, limit)


def _filters(array: Any) -> list[tuple[int, tuple[int, ...]]]:
    """Return the filters of an array: number and parameters."""
    listed = array.id.get_create_plist()
    found = (listed.get_filter(index) for index in range(listed.get_nfilters()))
    return [(number, values) for number, _, values, _ in found]


ROWS = tuple(
    Row(
        f"compressed-{name}",
        f"append a frame of 512x512 uint16, {name}",
        Unit.SECONDS,
        times_the_speed(1.7),
        functools.partial(_frames, codec, level),
        H5PY,
        "storing chunks that are compressed already",
        rounds=_ROUNDS,
        note="the peer is HDF5's own filter with the same codec and level",
    )
    for name, codec, level in (
        ("gzip-1", "gzip", 1),
        ("zstd", "zstd", None),
        ("bitshuffle-lz4", "bitshuffle", None),
        ("blosc2", "blosc2", None),
    )
)
