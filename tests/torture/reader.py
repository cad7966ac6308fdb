"""A program that reads along with `tests.crash.writer`, and checks every row that it sees.

``python -m tests.torture.reader FILE SEED HOW``, HOW is ``ours``, or ``h5py``, the library alone.
It tells how many rows it saw, and ``done N`` when the writer has closed the file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

from h5backends import open_h5_file_for_reading
from h5backends.heartbeat import WriterState, WriterWatch
from h5backends.superblock import FileState, file_state
from tests.crash import plan

_POINTS = plan.STREAMS["points"]


@contextlib.contextmanager
def opened(path: str, how: str) -> Iterator[tuple[Any, Callable[[], bool]]]:
    """Open the file; with it comes a function that tells whether the writer is done with it."""
    if how == "h5py":
        with h5py.File(path, "r", swmr=True, locking=False) as file:
            yield file, lambda: file_state(path) is FileState.CLOSED
    else:
        over = {WriterState.FINISHED, WriterState.CRASHED}
        watch = WriterWatch(path)
        with open_h5_file_for_reading(path)[0] as file:
            yield file, lambda: watch.state() in over


def main() -> None:
    """Read along."""
    path, seed, how = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    seen = 0
    with opened(path, how) as (file, is_over):
        points = file["points"]
        while True:
            over = is_over()  # first: what it wrote before it ended is all there
            points.refresh()
            new = points[seen:]
            if not np.array_equal(new, plan.values(_POINTS, int(seed), seen, seen + len(new))):
                raise SystemExit(f"rows from {seen} on are wrong")
            seen += len(new)
            if len(new):
                os.write(1, f"{seen}\n".encode())
            if over:
                break
            time.sleep(0.001)
    os.write(1, f"done {seen}\n".encode())


if __name__ == "__main__":
    main()
