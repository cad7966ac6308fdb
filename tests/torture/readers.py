"""Readers that are killed while they read: the writer never notices."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from h5backends import H5Backend
from h5backends.heartbeat import WriterState, writer_state
from tests.torture.course import Course
from tests.torture.programs import Program, Recorder
from tests.torture.rows import compare_plan, right_rows, stored

NAME = "readers killed"
_TIMES = 3


def run(course: Course) -> None:
    """Kill readers, ours and plain h5py's, two at a time, beside one writer."""
    for _, folder in course.rounds():
        with course.attempt("SWMR"):
            _one(course, folder / "file.h5")


def _one(course: Course, path: Path) -> None:
    seed = course.chance.randrange(1, 10_000)
    with Recorder("h5py", path, seed, swmr=True) as writer:
        for _ in range(_TIMES):
            _kill_two(course, path, seed)
            state = writer_state(path)
            course.require(state is not WriterState.CRASHED, "a live writer is said to be dead")
        number = writer.finish()
    course.load["flushes"] += number + 1
    compare_plan(course, path, seed, number, exact=True)
    with H5Backend("h5py") as h5:  # no dead reader holds it
        h5.open_file(path, "a")
        points: Any = h5.get_node("/points")
        have = len(points)
        points.append(right_rows(seed, have, have + 5))
    course.compare("recorded on", stored(path, "points"), right_rows(seed, 0, have + 5))


def _kill_two(course: Course, path: Path, seed: int) -> None:
    with contextlib.ExitStack() as stack:
        readers = [
            stack.enter_context(Program("tests.torture.reader", path, seed, how))
            for how in ("ours", "h5py")
        ]
        for reader in readers:
            reader.hear()
        time.sleep(course.chance.uniform(0, 0.03))  # a random moment is what is wanted
        for reader in readers:
            reader.kill()
            course.finding.survived += 1
            course.require(not reader.errors, f"a reader failed: {reader.errors}")
            course.finding.flushed += int(reader.last)  # each of them it had compared
