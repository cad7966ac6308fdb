"""A program that writes into a domain of an HSDS, one of many.

The first line on its input says, as JSON, which domain and how to log in; it says ``ready`` when
it has made that. Every further line, as in ``numbers 100 1``, has it send so many requests with so
many rows each; the end of its input ends it.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import numpy as np

from h5backends import H5Backend

__all__ = ["FRAME_SHAPE"]

FRAME_SHAPE = (256, 512)
"""Of uint16: 256 KiB."""


def main() -> None:
    """No arguments: logins do not belong where other users see them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input, not with Ctrl-C
    place = json.loads(sys.stdin.readline())
    with H5Backend("h5pyd") as h5:
        h5.open_file(place["location"], "w", **place["login"])
        arrays = {
            "numbers": h5.create_earray("/", "numbers", "float64"),
            "frames": h5.create_earray("/", "frames", "uint16", FRAME_SHAPE),
        }
        h5.flush()
        probe = h5.h5file["numbers"]
        _say("ready")
        for line in sys.stdin:
            kind, requests, rows = line.split()
            for _ in range(int(requests)):
                if kind == "empty":
                    probe.refresh()
                else:
                    _send(h5, arrays[kind], int(rows))
            _say("done")


def _send(h5: H5Backend, array: Any, rows: int) -> None:
    """Append rows that tell their number, and flush."""
    first = len(array)
    for row in range(first, first + rows):
        array.append(float(row) if array.ndim == 1 else np.full(FRAME_SHAPE, row, np.uint16))
    h5.flush()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
