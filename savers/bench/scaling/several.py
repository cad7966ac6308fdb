"""Laws of several files: programs that write one each, and a master that joins them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path

import h5py
import numpy as np

from savers import Rotation, Scan
from savers.bench import process
from savers.bench.figures import Unit, median
from savers.bench.harness import Setting, require
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes
from savers.bench.scaling.writer_process import SHAPE

__all__ = ["LAWS", "MASTER", "OWN", "RAW_WRITERS", "WRITERS", "WRITER_BYTES"]

_WRITER = "savers.bench.scaling.writer_process"
_WRITERS = (1, 2, 4, 8)
WRITERS = "frame, h5py"
RAW_WRITERS = "write_direct_chunk"
WRITER_BYTES = 2 * SHAPE[0] * SHAPE[1]
"""Of one of their frames."""

_FILES = (1, 3, 10, 30, 100, 300)
_IN_FILE = 4
_IMAGE = (32, 32)
_LOOKS = 5
MASTER = "open the master and read one point"
OWN = "open one file with h5py and read one point"
_RECORD = "record a file of the set"


# -- programs that write ------------------------------------------------------------------------
def _written_by(writers: int, kind: str, setting: Setting) -> float:
    """Return the seconds per frame of so many programs together."""
    count = setting.size(4, 320) // writers
    paths = [setting.path("frames.h5") for _ in range(writers)]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(process.child(_WRITER, kind, path)) for path in paths]
        for writer in running:
            writer.hear()
        begin = time.perf_counter()
        for writer in running:
            writer.tell(str(count))
        for writer in running:
            writer.hear()
        seconds = time.perf_counter() - begin
    for path in paths:
        with h5py.File(path) as file:
            numbers = file["a"][:, 0, 0]
            require(np.array_equal(numbers, np.arange(count + 1)), "frames lack")
        path.unlink()
    return seconds / (writers * count)


def _writers(setting: Setting) -> Generator[Sample]:
    for writers in sizes(_WRITERS, setting.size(2, _WRITERS[-1])):
        yield Sample(RAW_WRITERS, writers, _written_by(writers, "raw", setting))
        yield Sample(WRITERS, writers, _written_by(writers, "ours", setting))


# -- files in one master ------------------------------------------------------------------------
def _recorded(path: Path, files: int) -> float:
    """Record a scan into so many files; return the seconds per file."""
    points = files * _IN_FILE
    begin = time.perf_counter()
    with Scan(
        path, ("x", "mm", np.arange(float(points))), rotate=Rotation(points=_IN_FILE)
    ) as scan:
        for point in scan:
            point.write(image=np.full(_IMAGE, float(point.number)))
    return (time.perf_counter() - begin) / files


def _look(path: Path, point: int, expected: int) -> float:
    """Return the seconds to open a file and read one point."""
    begin = time.perf_counter()
    with h5py.File(path) as file:
        found = file["RawData/Scan000/Data2D/CH00/Data00"][point]
    seconds = time.perf_counter() - begin
    require((found == expected).all(), "another point was read")
    return seconds


def _files(setting: Setting) -> Generator[Sample]:
    for files in sizes(_FILES, setting.size(3, _FILES[-1])):
        master = setting.path("set.h5")
        yield Sample(_RECORD, files, _recorded(master, files))
        chosen = np.random.default_rng(1).integers(0, files * _IN_FILE, _LOOKS)
        looks = [_look(master, int(point), int(point)) for point in chosen]
        yield Sample(MASTER, files, median(looks))
        parts = sorted(master.parent.glob(f"{master.stem}_*"))
        require(len(parts) == files, "there are more files, or fewer")
        own = [_look(parts[int(p) // _IN_FILE], int(p) % _IN_FILE, int(p)) for p in chosen]
        yield Sample(OWN, files, median(own))
        with h5py.File(master) as file:
            whole = file["RawData/Scan000/Data2D/CH00/Data00"][:, 0, 0]
        require(np.array_equal(whole, np.arange(files * _IN_FILE)), "points lack")
        for path in (master, *parts):
            path.unlink()


LAWS = (
    Law(
        "writers",
        f"Programs that write frames of {WRITER_BYTES >> 20} MiB, each into a file of its own",
        "programs that write",
        "time per frame, all together",
        Scale.COUNT,
        Unit.SECONDS,
        (Curve(WRITERS), Curve(RAW_WRITERS, limit=True)),
        _writers,
        rounds=3,
        budget=40,
    ),
    Law(
        "files",
        "A scan in many files, joined by a virtual master",
        "files",
        "time of each",
        Scale.COUNT,
        Unit.SECONDS,
        (Curve(_RECORD, flat=True), Curve(MASTER), Curve(OWN, limit=True)),
        _files,
        rounds=2,
        budget=40,
    ),
)
