"""What must be in a file, and what is: read with plain h5py, around everything of this project."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from h5backends.overlay import MendedFile
from tests.crash import plan
from tests.torture.course import Course

__all__ = ["compare_plan", "numbered", "on_disk", "right_rows", "stored"]

_POINTS = plan.STREAMS["points"]


def right_rows(salt: int, start: int, stop: int) -> np.ndarray:
    """Return rows known from their numbers alone; float64, shape ``(stop - start, 4)``."""
    return plan.values(_POINTS, salt, start, stop)


def numbered(stop: int, start: int = 0) -> np.ndarray:
    """Return rows that are just numbers; int64, shape ``(stop - start,)``."""
    return np.arange(start, stop, dtype="i8")


def stored(path: str | Path, node: str = "/array") -> np.ndarray:
    """Return the rows of a closed file."""
    with h5py.File(path, "r") as file:
        return np.asarray(file[node][:])


def on_disk(path: str | Path, node: str = "/array") -> np.ndarray:
    """Return the rows as they are on the disk, whoever holds the file or let it stand."""
    with h5py.File(MendedFile(path), "r") as file:
        return np.asarray(file[node][:])


def compare_plan(course: Course, path: str | Path, seed: int, number: int, exact: bool) -> None:
    """Compare a closed file of `tests.crash.writer` with what was announced.

    Parameters
    ----------
    course : Course
        Where to note what is missing.
    path : path-like
        The file.
    seed : int
        What the writer was given.
    number : int
        The last round that it announced.
    exact : bool
        Whether it ended there, so that not a row more may be there.
    """
    promised = plan.rows_after(seed, number)
    with h5py.File(path, "r") as file:
        for name, rows in promised.items():
            found = np.asarray(file[name][:])
            right = plan.values(plan.STREAMS[name], seed, 0, max(rows, len(found)))
            course.compare(name, found, right, rows)
            course.require(not exact or len(found) == rows, f"{name}: {len(found)} rows there")
        for made in range(0, number + 1, plan.LATE):
            if "log" not in file or made < number + 2 - plan.LATE * plan.KEPT:
                continue
            late = plan.LATE_STREAM
            right = plan.values(late, made, 0, plan.count(late, seed, made))
            course.compare(f"late{made}", np.asarray(file[f"late{made}/array"][:]), right)
