"""The writer of the soak: ``python -m tests.torture.soak_writer FILE SECONDS``.

One point every few milliseconds into a file that others read along; beside it a small file with
each driver every second, recorded, closed and compared. Once a second it says how many points it
wrote, its memory, its descriptors, and how many small files there were; at the end ``done N``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from h5backends import H5Backend
from tests.torture.rows import numbered, stored

CADENCE = 0.005
ROWS = 500


def state() -> str:
    """Return this process's memory in bytes, and how many descriptors it has."""
    process = psutil.Process()
    count = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return f"{process.memory_info().rss} {count}"


def record_beside(folder: Path, driver: str) -> None:
    """Record a small file, compare it, and take it away."""
    path = folder / f"small-{driver}.h5"
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        h5.define_compression("gzip", 1)
        array: Any = h5.create_earray("/", "array", "i8", chunks=(64,))
        for value in range(ROWS):
            array.append(value)
    if not np.array_equal(stored(path), numbered(ROWS)):
        raise SystemExit(f"{path} lost rows")
    path.unlink()


def main() -> None:
    """Record."""
    path, seconds = Path(sys.argv[1]), float(sys.argv[2])
    h5 = H5Backend("h5py")
    h5.open_file(path, "w", swmr_mode=True)
    rows: Any = h5.create_earray("/", "rows", "f8", (2,))
    frames: Any = h5.create_earray("/", "frames", "u2", (32, 32))
    keys: Any = h5.create_earray("/", "keys", "i8")
    h5.enable_swmr()
    frame = np.empty((32, 32), "u2")
    points = small = 0
    start = time.monotonic()
    told = start
    while (now := time.monotonic()) < start + seconds:
        frame[:] = points % 60_000
        with h5.session.hold():
            rows.append(np.array([now, points]))
            frames.append(frame)
            keys.append(points + 1)
        points += 1
        if now - told >= 1.0:
            told = now
            for driver in ("h5py", "tables"):
                record_beside(path.parent, driver)
                small += 1
            print(points, state(), small, flush=True)
        time.sleep(max(0.0, now + CADENCE - time.monotonic()))
    h5.close_file()
    print("done", points, flush=True)


if __name__ == "__main__":
    main()
