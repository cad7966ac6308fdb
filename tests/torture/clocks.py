"""Clocks that jump: the wall clock of writer and readers, and the times of files.

The clock of the machine stays as it is: programs get a `time.time` that jumps by up to a day at
every call, and files get times of the future and the past.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import h5py

from h5backends import open_h5_file_for_reading
from h5backends.heartbeat import WriterState, sidecar, writer_state
from h5backends.journal import read_journal
from h5backends.journal import sidecar as journal_beside
from h5backends.swmr import repair
from tests.crash import plan
from tests.torture.course import Course
from tests.torture.journal_writer import ROWS
from tests.torture.programs import Program, Recorder
from tests.torture.rows import compare_plan, right_rows, stored

NAME = "clock jumps"
_KINDS = (("h5py", True), ("h5py", False), ("tables", False))
_DAY = 86_400.0
_ALIVE = {WriterState.WRITING, WriterState.STALLED}


def run(course: Course) -> None:
    """Record and read with clocks that jump."""
    ways: tuple[Callable[[Course, Path], None], ...] = (
        lambda course, folder: _record(course, folder / "file.h5", *_KINDS[0]),
        lambda course, folder: _record(course, folder / "file.h5", *_KINDS[1]),
        lambda course, folder: _record(course, folder / "file.h5", *_KINDS[2]),
        lambda course, folder: _journal(course, folder / "file.h5"),
    )
    for number, folder in course.rounds(len(ways)):
        with course.attempt(("h5py, SWMR", "h5py", "tables", "journal")[number % len(ways)]):
            ways[number % len(ways)](course, folder)


def _shift(course: Course, *paths: Path) -> None:
    """Have files be of another time, all of the same."""
    moment = time.time() + course.chance.uniform(-_DAY, _DAY)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # the writer made it anew, or took it away
            os.utime(path, (moment, moment))
    course.finding.survived += 1


def _record(course: Course, path: Path, driver: str, swmr: bool) -> None:
    seed, dies = course.chance.randrange(1, 10_000), course.chance.random() < 0.5
    with contextlib.ExitStack() as stack:
        jumping = "tests.torture.jumping"
        writer = stack.enter_context(Recorder(driver, path, seed, swmr, through=jumping))
        readers = [
            stack.enter_context(Program(jumping, "tests.torture.reader", path, seed, how))
            for how in (("ours", "h5py") if swmr and not dies else ())
        ]
        for _ in range(4):
            writer.run_on(5)
            _shift(course, path, sidecar(path), journal_beside(path))
            state = writer_state(path)
            course.require(state in _ALIVE, f"a living writer is {state.value!r}")
            if swmr:
                _read_live(course, path, seed, writer)
        if dies:
            writer.kill()
        number = writer.round if dies else writer.finish()
        rows = plan.rows_after(seed, number)["points"]
        for reader in readers:
            course.require(reader.wait() == 0, f"a reader failed: {reader.errors}")
            course.require(reader.last == f"done {rows}", f"a reader said: {reader.last}")
            course.finding.flushed += rows
    _shift(course, path, sidecar(path), journal_beside(path))
    state = writer_state(path)
    wanted = WriterState.CRASHED if dies else WriterState.FINISHED
    course.require(state is wanted, f"{state.value!r} instead of {wanted.value!r}")
    if dies:
        report = repair(path)
        course.require(report.exit_code == 0, f"repair: {report}")
    course.load["flushes"] += number + 1
    compare_plan(course, path, seed, number, exact=not dies)


def _read_live(course: Course, path: Path, seed: int, writer: Recorder) -> None:
    promised = plan.rows_after(seed, writer.round)["points"]
    with open_h5_file_for_reading(path)[0] as file:
        course.require(isinstance(file, h5py.File) and file.swmr_mode, "not opened with SWMR")
        found = file["points"][:]
    right = plan.values(plan.STREAMS["points"], seed, 0, len(found) + promised)
    course.compare("seen live", found, right, promised)


def _journal(course: Course, path: Path) -> None:
    """A flush that was cut short is completed, whenever that was by the clock."""
    seed, at = course.chance.randrange(1, 1000), course.chance.randrange(1, 8)
    arguments = ("h5py", path, seed, "dies", 0, at)
    with Program("tests.torture.journal_writer", *arguments) as writer:
        writer.wait()
    course.load["flushes"] += at
    _shift(course, path, journal_beside(path))
    course.require(read_journal(path) is not None, "the journal does not count any more")
    report = repair(path)
    course.require(report.exit_code == 0, f"repair: {report}")
    course.compare("array", stored(path), right_rows(seed, 0, (at + 1) * ROWS))
