"""Image caches and mapped datasets against dcnum and raw h5py in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import readers
from tests.benchmarks.harness import QUICK, clock, compare

IMAGES = 300 if QUICK else 1200
PICKS = 60 if QUICK else 200
SHAPE = (80, 320)
PER_CHUNK = 10


@pytest.fixture(scope="module", params=["gzip", "none"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images like those of deformability cytometry: noise around a grey level, and an object."""
    path = tmp_path_factory.mktemp("images") / f"{request.param}.h5"
    noise = np.random.default_rng(0)
    images = noise.normal(180, 3, (IMAGES, *SHAPE)).clip(0, 255).astype("u1")
    images[:, 30:50, 100:140] = 60
    options = {} if request.param == "none" else {"compression": request.param}
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=images, chunks=(PER_CHUNK, *SHAPE), **options)
        file.attrs["sum"] = int(images[:, 0, 0].sum())
        file.attrs["codec"] = request.param
    return path


def _in_order(cache: Any, expected: int) -> None:
    assert sum(int(cache[n][0, 0]) for n in range(len(cache))) == expected


def test_in_order(stack: Path, dcnum: Any) -> None:
    with h5py.File(stack) as file:
        images, expected = file["image"], file.attrs["sum"]

        def read(kind: Any) -> float:
            return clock(lambda: _in_order(kind(images), expected), IMAGES)

        compare(
            f"{IMAGES} images of 80x320 in order, {file.attrs['codec']}, against dcnum",
            lambda: read(readers.HDF5ImageCache),
            lambda: read(dcnum.read.HDF5ImageCache),
            "1.7 times as fast" if file.attrs["codec"] == "gzip" else "as fast",
            limit=lambda: clock(lambda: images[...], IMAGES),
            repeat=9,
        )


def test_chunk_by_chunk(stack: Path, dcnum: Any) -> None:
    with h5py.File(stack) as file:
        images = file["image"]

        def read(kind: Any) -> float:
            cache = kind(images, 100)
            return clock(lambda: [cache.get_chunk(n).shape for n in cache.iter_chunks()], IMAGES)

        compare(
            f"{IMAGES} images in chunks of 100, {file.attrs['codec']}, against dcnum",
            lambda: read(readers.HDF5ImageCache),
            lambda: read(dcnum.read.HDF5ImageCache),
            "1.7 times as fast" if file.attrs["codec"] == "gzip" else "as fast",
            repeat=9,
        )


@pytest.mark.parametrize("peer", ["raw h5py", "dcnum"])
def test_out_of_order(stack: Path, dcnum: Any, peer: str) -> None:
    order = np.random.default_rng(1).integers(0, IMAGES, PICKS).tolist()
    with h5py.File(stack) as file:
        images = file["image"]

        def read(source: Any) -> float:
            return clock(lambda: [source[n] for n in order], PICKS)

        compare(
            f"{PICKS} images out of order, {file.attrs['codec']}, against {peer}",
            # As much as HDF5 keeps of a dataset.
            lambda: read(readers.HDF5ImageCache(images, cache_bytes=8 << 20)),
            lambda: read(images if peer == "raw h5py" else dcnum.read.HDF5ImageCache(images, 100)),
            "0.91 times as fast" if peer == "raw h5py" else "faster",
            repeat=9,
        )


def test_mapped(stack: Path, dcnum: Any) -> None:
    rows = np.sort(np.random.default_rng(2).integers(0, IMAGES, PICKS))
    with h5py.File(stack) as file:
        images = file["image"]

        def read(package: Any) -> float:
            mapped = package.get_mapped_object(images, rows)
            return clock(lambda: mapped[:], PICKS)

        compare(
            f"{PICKS} mapped images at once, {file.attrs['codec']}, against dcnum",
            lambda: read(readers),
            lambda: read(dcnum.read),
            "as fast",
        )


def test_measurement(dcnum: Any) -> None:
    """A real measurement from opening to closing: every feature, mask and corrected image."""
    path = dcnum.measurements["cytoshot_full-features_2023"]

    def read(package: Any) -> None:
        with package.HDF5Data(path) as data:
            for name in data.keys():  # noqa: SIM118 - the peer has no iterator
                data[name][:]
            data.image_corr[:]

    compare(
        "a real measurement of 40 events with 48 features, against dcnum",
        lambda: clock(lambda: read(readers), 1),
        lambda: clock(lambda: read(dcnum.read), 1),
        "as fast",
    )
