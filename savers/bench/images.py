"""Rows of image caches: in order and out of order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from h5backends import readers
from savers.bench.figures import Against, Unit, times_the_cost, times_the_speed
from savers.bench.harness import Row, Setting, Works, clock, require
from savers.bench.peers import DCNUM

__all__ = ["ROWS"]

_SHAPE = (80, 320)
_PER_CHUNK = 10
_CACHE_BYTES = 1 << 20
_CHUNK = 100
"""Images that the peer keeps at once."""


def _stack(setting: Setting) -> tuple[Path, int, int]:
    """Return images like those of deformability cytometry, their number and a sum to check."""
    count = setting.size(100, 1200)

    def make() -> tuple[Path, int, int]:
        noise = np.random.default_rng(0)
        images = noise.normal(180, 3, (count, *_SHAPE)).clip(0, 255).astype("u1")
        images[:, 30:50, 100:140] = 60
        path = setting.shared_path("images.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "image", data=images, chunks=(_PER_CHUNK, *_SHAPE), compression="gzip"
            )
        return path, count, int(images[:, 0, 0].sum())

    return setting.once("images", make)


@contextmanager
def _in_order(setting: Setting) -> Iterator[Works]:
    path, count, expected = _stack(setting)
    theirs = setting.peer(DCNUM)
    with h5py.File(path) as file:
        images = file["image"]

        def read(kind: Any) -> float:
            found: list[int] = []

            def work() -> None:
                cache = kind(images)
                found.append(sum(int(cache[n][0, 0]) for n in range(count)))

            seconds = clock(work, count)
            require(found == [expected], "other images")
            return seconds

        yield Works(
            lambda: read(readers.HDF5ImageCache),
            (lambda: read(theirs.HDF5ImageCache)) if theirs else None,
            lambda: clock(lambda: images[...], count),
        )


@contextmanager
def _out_of_order(setting: Setting) -> Iterator[Works]:
    path, count, _ = _stack(setting)
    theirs = setting.peer(DCNUM)
    order = np.random.default_rng(1).integers(0, count, setting.size(30, 200)).tolist()
    with h5py.File(path) as file:
        images = file["image"]

        def read(source: Any) -> float:
            return clock(lambda: [source[n] for n in order], len(order))

        yield Works(
            lambda: read(readers.HDF5ImageCache(images, cache_bytes=_CACHE_BYTES)),
            (lambda: read(theirs.HDF5ImageCache(images, _CHUNK))) if theirs else None,
            lambda: read(images),
        )


ROWS = (
    Row(
        "images-random",
        "images of 80x320 out of order, gzip; per image",
        Unit.SECONDS,
        times_the_cost(1.1, Against.LIMIT),
        _out_of_order,
        DCNUM,
        "raw h5py",
        rounds=9,
    ),
    Row(
        "images-sequential",
        "images of 80x320 in order, gzip; per image",
        Unit.SECONDS,
        times_the_speed(1.7),
        _in_order,
        DCNUM,
        "one bulk read",
        rounds=9,
    ),
)
