"""A program that scans, to be watched and killed: ``python -m tests.savers.scan_program``.

It takes its task as JSON, says the number of each point once it is safe in the file, and waits
for a word where it is told to.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from savers import Axis, Rotation, Scan

AXES = {
    "1d": [("x", "mm", np.linspace(0, 1, 40))],
    "2d": [("x", "mm", np.arange(6.0)), Axis("y", "um", offset=1.0, scaling=0.5, size=7)],
    "3d": [("x", "mm", range(4)), ("y", "mm", range(3)), ("z", "mm", range(5))],
    "chosen": [("x", "mm"), ("y", "mm")],
    "log": None,
}
SPECTRUM = 50


def measured(number: int) -> dict[str, Any]:
    """What a point of a scan gives, by its number: a value, a count, a spectrum, an image."""
    return {
        "power": number / 4,
        "counts": number,
        "spectrum": np.arange(float(SPECTRUM)) + number,
        "image": np.full((5, 6), number, np.uint16),
    }


def number_of(point: Any, shape: tuple[int, ...]) -> int:
    """The number of a point in a grid, or the one that is in its position."""
    if shape:
        return int(np.ravel_multi_index(point.indexes, shape))
    return int(point["x"])


def describe(scan: Scan) -> None:
    """Say what the values mean."""
    energy = Axis("energy", "eV", np.linspace(1, 2, SPECTRUM))
    scan.signal("power", "W", origin="meter")
    scan.signal("spectrum", "V", origin="spectrometer", axes=energy)


def run(task: dict[str, Any]) -> None:
    """Scan."""
    rotate = Rotation(**task["rotate"]) if "rotate" in task else None
    stop = task.get("stop", -1)
    with Scan(
        task["location"],
        AXES[task["axes"]],
        rotate=rotate,
        snake=task.get("snake", False),
        resume=task.get("resume", False),
        progress=False,
        **task.get("options", {}),
    ) as scan:
        describe(scan)
        say(f"begun {scan.done}")
        if scan.shape:
            points = iter(scan)
        else:
            places = range(scan.done, task["count"])
            points = iter(scan) if task["axes"] == "log" else scan.visit((n, -n) for n in places)
        first = scan.done
        for count, point in enumerate(points):
            number = first + count if task["axes"] == "log" else number_of(point, scan.shape)
            if count == stop:
                input()
            point.write(measured(number))
            scan.flush()
            say(str(number))
            if task["axes"] == "log" and scan.done == task["count"]:
                break
        if task.get("wait"):
            input()
    say("end")


def say(text: str) -> None:
    """Tell who listens."""
    print(text, flush=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
