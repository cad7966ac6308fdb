"""A program that writes a scan through the facade; told what to do on its standard input."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

from h5backends import H5Backend

SIDE = 8


def frame(index: int) -> np.ndarray[Any, Any]:
    """Return the frame of a point: every element tells which it is."""
    return np.full((SIDE, SIDE), index, dtype="int32")


class Scan:
    """A growing stack of frames with keys behind them, and a flag."""

    def __init__(self, location: str, mode: str, backend: str, options: dict[str, Any]) -> None:
        self.h5 = H5Backend(backend)
        self.h5.open_file(location, mode, swmr_mode=backend == "h5py", **options)
        if mode == "w":
            self.h5.create_earray("/", "frames", "int32", data_shape=(SIDE, SIDE))
            self.h5.create_earray("/", "times", "float64")
            self.h5.create_earray("/", "keys", "int64")
            self.h5.create_carray("/", "finished", np.zeros(1, "int32"))
        self.frames = self.h5.get_node("/frames")
        self.times = self.h5.get_node("/times")
        self.keys = self.h5.get_node("/keys")
        self.count = len(self.keys)
        if backend == "h5py":
            self.h5.enable_swmr()

    def point(self) -> None:
        """Write one point; its key comes last."""
        with self.h5.session.hold():
            self.frames.append(frame(self.count))
            self.times.append(time.monotonic())
            self.count += 1
            self.keys.append(self.count)


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


def main() -> None:
    location, mode, backend, options = sys.argv[1:5]
    scan = Scan(location, mode, backend, json.loads(options))
    say("ready")
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "points":
            for _ in range(int(arguments[0])):
                scan.point()
            scan.h5.flush()
        elif command == "cadence":
            count, period = int(arguments[0]), float(arguments[1])
            say("started")
            due = time.monotonic()
            for _ in range(count):
                due += period
                time.sleep(max(0.0, due - time.monotonic()))
                scan.point()
            scan.h5.flush()
        elif command == "run":
            say("started")
            until = time.monotonic() + float(arguments[0])
            while time.monotonic() < until:
                scan.point()
            scan.h5.flush()
        elif command == "flag":
            scan.h5.get_node("/finished")[0] = 1
            scan.h5.flush()
        elif command == "close":
            scan.h5.close_file()
            say(scan.count)
            return
        say(scan.count)


if __name__ == "__main__":
    main()
