"""Laws of frames: cost against their size, and the rate of several programs that write them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import H5Backend
from h5backends.drivers import registry
from savers.bench.append import raw_array
from savers.bench.compressed import detector_frame
from savers.bench.figures import Unit
from savers.bench.harness import LOCAL, Setting, require
from savers.bench.scaling.law import Constant, Curve, Law, Sample, Scale, sizes

__all__ = ["CODEC", "COMPRESSED", "DISK", "FRAME", "LAWS", "RATIO", "RAW"]

CODEC = "bitshuffle"
"""With lz4."""
COMPRESSED = "bitshuffle-lz4 frame, h5py"
DISK = "raw write to the disk, fsync"
FRAME = "frame"
RATIO = "compression of the frames"
RAW = "write_direct_chunk"
COPY = "numpy copy"

_KIB, _MIB = 1 << 10, 1 << 20
_SIZES = tuple(_KIB << power for power in range(0, 17, 2))
"""Bytes of a frame, 1 KiB to 64 MiB."""
_TOTAL, _QUICK_TOTAL = 256 * _MIB, 128 * _KIB
"""Bytes of all frames of one size together."""
_MOST, _FEWEST = 2_000, 4
_DISK_TOTAL = 128 * _MIB
_VARIANTS = 4


def _shape(nbytes: int) -> tuple[int, int]:
    """Return the shape of a frame of uint16 with so many bytes, as square as powers of 2 allow."""
    pixels = nbytes // 2
    width = 1 << (pixels.bit_length() // 2)
    return pixels // width, width


def _frames(nbytes: int) -> list[NDArray[np.uint16]]:
    """Return some different frames with the noise of a detector."""
    height, width = _shape(nbytes)
    tile = detector_frame()
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]))
    whole = np.tile(tile, repeats)[:height, :width]
    return [np.ascontiguousarray(np.roll(whole, shift, 1)) for shift in range(_VARIANTS)]


def _count(nbytes: int, setting: Setting) -> int:
    total = _QUICK_TOTAL if setting.quick else _TOTAL
    return max(_FEWEST, min(_MOST, total // nbytes))


def _ratio(frames: Sequence[Any], setting: Setting) -> float:
    """Return how many times smaller such frames are when they are packed."""
    path = setting.path("packed.h5")
    with H5Backend("h5py") as h5:
        h5.open_file(path, "w")
        h5.define_compression(CODEC, None)
        array = h5.create_earray("/", "f", "uint16", frames[0].shape)
        for frame in frames:
            array.append(frame)
        h5.flush()
        stored = h5.h5file["f"].id.get_storage_size()
    path.unlink()
    return float(sum(frame.nbytes for frame in frames) / stored)


def _appended(
    driver: str, frames: Sequence[Any], count: int, setting: Setting, codec: str | None = None
) -> float:
    """Return the seconds per frame of a new file, and check all that is in it."""
    path = setting.path("frames.h5")
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        if codec:
            h5.define_compression(codec, None)
        array = h5.create_earray("/", "f", "uint16", frames[0].shape)
        array.append(frames[0])  # the first makes room
        h5.flush()
        begin = time.perf_counter()
        for number in range(1, count + 1):
            array.append(frames[number % _VARIANTS])
        h5.flush()
        seconds = (time.perf_counter() - begin) / count
        same = (np.array_equal(array[n], frames[n % _VARIANTS]) for n in range(count + 1))
        require(len(array) == count + 1 and all(same), "other frames are there")
    path.unlink()
    return seconds


def _raw(frames: Sequence[Any], count: int, setting: Setting) -> float:
    path = setting.path("raw.h5")
    shape = frames[0].shape
    begin = 0.0
    with raw_array(path, shape, np.uint16, 1) as (chunk, file):
        for number in range(count + 1):
            if number == 1:
                begin = time.perf_counter()
            chunk.set_extent((number + 1, *shape))
            chunk.write_direct_chunk((number, 0, 0), frames[number % _VARIANTS])
        file.flush()
        seconds = (time.perf_counter() - begin) / count
    path.unlink()
    return seconds


def _copied(frames: Sequence[Any], count: int) -> float:
    place = np.empty_like(frames[0])
    place[...] = 0  # have its memory before the clock runs
    begin = time.perf_counter()
    for number in range(count):
        np.copyto(place, frames[number % _VARIANTS])
    return (time.perf_counter() - begin) / count


def _to_disk(frames: Sequence[Any], count: int) -> float:
    """Write into the folder for temporary files and wait for the device."""
    with tempfile.TemporaryFile(buffering=0, dir=tempfile.gettempdir()) as file:
        begin = time.perf_counter()
        for number in range(count):
            file.write(frames[number % _VARIANTS])
        os.fsync(file.fileno())
        return (time.perf_counter() - begin) / count


def _sizes(setting: Setting) -> Generator[Sample | Constant | str]:
    packs = CODEC in registry.load("h5py").codecs()
    if not packs:
        yield f"{COMPRESSED}: needs hdf5plugin, pip install 'h5backends[compression]'"
    else:
        yield Constant(RATIO, _ratio(_frames(setting.size(64 * _KIB, 4 * _MIB)), setting))
    for nbytes in sizes(_SIZES, setting.size(64 * _KIB, _SIZES[-1])):
        frames, count = _frames(nbytes), _count(nbytes, setting)
        yield Sample(COPY, nbytes, _copied(frames, count))
        yield Sample(RAW, nbytes, _raw(frames, count, setting))
        for driver in LOCAL:
            yield Sample(f"{FRAME}, {driver}", nbytes, _appended(driver, frames, count, setting))
        if packs:
            cost = _appended("h5py", frames, count, setting, CODEC)
            yield Sample(COMPRESSED, nbytes, cost)
        some = max(_FEWEST, min(count, _DISK_TOTAL // nbytes))
        yield Sample(DISK, nbytes, _to_disk(frames, some))


LAWS = (
    Law(
        "frames",
        "Cost of a frame by its size",
        "size of a frame",
        "time per frame, flush included",
        Scale.BYTES,
        Unit.SECONDS,
        (
            Curve(COMPRESSED, optional=True),
            *(Curve(f"{FRAME}, {driver}") for driver in LOCAL),
            Curve(RAW, limit=True),
            Curve(COPY, limit=True),
            Curve(DISK, limit=True),
        ),
        _sizes,
        rounds=3,
        budget=70,
    ),
)
