"""A program that writes frames into a file of its own, one of many.

It says ``ready`` when one frame is there. A number on its input has it write so many more, up to a
flush; the end of its input ends it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import H5Backend
from savers.bench.append import raw_array

__all__ = ["SHAPE"]

SHAPE = (1024, 1024)
"""Of uint16: 2 MiB."""

_Write = Callable[[int, Any], None]


@contextmanager
def _ours(path: Path) -> Iterator[tuple[_Write, Callable[[], None]]]:
    with H5Backend("h5py") as h5:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "uint16", SHAPE)
        yield (lambda number, frame: array.append(frame)), h5.flush


@contextmanager
def _raw(path: Path) -> Iterator[tuple[_Write, Callable[[], None]]]:
    with raw_array(path, SHAPE, np.uint16, 1) as (chunk, file):

        def write(number: int, frame: Any) -> None:
            chunk.set_extent((number + 1, *SHAPE))
            chunk.write_direct_chunk((number, 0, 0), frame)

        yield write, file.flush


def main() -> None:
    """Arguments: ``ours`` or ``raw``, and the file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input, not with Ctrl-C
    kind, path = sys.argv[1:]
    frame = np.random.default_rng(1).integers(0, 60_000, SHAPE, np.uint16)
    with (_ours if kind == "ours" else _raw)(Path(path)) as (write, flush):

        def put(number: int) -> None:
            frame[0, 0] = number
            write(number, frame)

        put(0)
        flush()
        _say("ready")
        done = 1
        for line in sys.stdin:
            for number in range(done, done + int(line)):
                put(number)
            flush()
            done += int(line)
            _say("done")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
