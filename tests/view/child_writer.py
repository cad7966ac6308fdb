"""A program that writes a scan or a log; told what to do on its standard input.

``child_writer.py PATH KIND``: KIND is ``scan`` (a raster of SIDE x SIDE points, each a power and a
spectrum), ``log`` (a temperature by time), or ``plain`` (a log without SWMR). Commands, one a
line: ``points N``, ``run N PERIOD``, ``line TEXT`` and ``close``. Each is answered, after a flush,
with the number of points, the time of the flush in seconds since 1970, and the seconds that it
took by the clock and of the processor.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from savers import (
    Axis,
    DataRaw,
    DataToExport,
    DataToExportExtendedSaver,
    DataToExportTimedSaver,
)

SIDE = 12
WAVELENGTHS = np.linspace(400.0, 700.0, 50)


def power(row: int, column: int) -> float:
    """Return what is measured at a point: falls off on all sides of the middle."""
    x, y = (column - SIDE / 2) / 3, (row - SIDE / 2) / 3
    return float(1e3 * np.exp(-(x * x) - y * y) + 1)


class Scan:
    """A raster scan."""

    def __init__(self, path: str) -> None:
        self.saver = DataToExportExtendedSaver(path, (SIDE, SIDE), new_file=True, swmr_mode=True)
        self.group = self.saver.add_scan_group(title="raster")
        self.saver.get_set_logger()
        axes = [
            Axis(f"stage {name}", "um", np.linspace(-4.0, 4.0, SIDE), index)
            for index, name in enumerate("yx")
        ]
        self.saver.add_nav_axes(self.group, axes)
        self.count = 0

    def point(self) -> None:
        row, column = divmod(self.count, SIDE)
        value = power(row, column)
        spectrum = value * np.exp(-(((WAVELENGTHS - 550) / 40) ** 2))
        axis = Axis("wavelength", "nm", WAVELENGTHS, 0)
        data = [
            DataRaw("power", units="uW", data=[np.array([value])]),
            DataRaw("spectrum", units="counts", data=[spectrum], axes=[axis]),
        ]
        self.saver.add_data(self.group, DataToExport("detector", data), (row, column))
        self.count += 1


class Log:
    """A temperature by time."""

    def __init__(self, path: str, swmr: bool = True) -> None:
        self.saver: Any = DataToExportTimedSaver(path, new_file=True, swmr_mode=swmr)
        self.saver.get_set_logger()
        self.count = 0

    def point(self) -> None:
        value = 21 + np.sin(self.count / 10)
        data = DataRaw("temperature", units="degC", data=[np.array([value])])
        self.saver.add_data("/RawData", DataToExport("oven", [data]))
        self.count += 1


def main() -> None:
    path, kind = sys.argv[1:3]
    recording = Scan(path) if kind == "scan" else Log(path, kind == "log")
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        clock, used = time.perf_counter(), time.process_time()
        if command == "points":
            for _ in range(int(rest)):
                recording.point()
        elif command == "run":
            count, period = rest.split()
            due = time.monotonic()
            for _ in range(int(count)):
                recording.point()
                due += float(period)
                time.sleep(max(0.0, due - time.monotonic()))
        elif command == "line":
            recording.saver.add_log(rest)
        elif command == "close":
            recording.saver.close_file()
        if command != "close":
            recording.saver.flush()
        flushed = time.time()
        took = time.perf_counter() - clock, time.process_time() - used
        os.write(1, f"{recording.count} {flushed} {took[0]} {took[1]}\n".encode())
        if command == "close":
            return


if __name__ == "__main__":
    main()
