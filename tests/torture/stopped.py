"""Writers and readers that stand still for a while (SIGSTOP), at any moment."""

from __future__ import annotations

import time
from pathlib import Path

from h5backends import H5Backend, open_h5_file_for_reading
from h5backends.errors import FileBusyError, H5Error
from h5backends.heartbeat import WriterState, read_heartbeat, writer_state
from h5backends.swmr import repair
from tests.crash import plan
from tests.torture.course import Course
from tests.torture.programs import Program, Recorder, until
from tests.torture.rows import compare_plan, on_disk

NAME = "SIGSTOP"
_KINDS = (("h5py", True), ("h5py", False), ("tables", False))


def run(course: Course) -> None:
    """Stop writers, then readers."""
    for number, folder in course.rounds(len(_KINDS) + 1):
        which = number % (len(_KINDS) + 1)
        if which == len(_KINDS):
            with course.attempt("readers"):
                _stop_readers(course, folder / "file.h5")
        else:
            driver, swmr = _KINDS[which]
            with course.attempt(f"writer, {driver}{', SWMR' * swmr}"):
                _stop_writer(course, folder / "file.h5", driver, swmr)


def _stop_writer(course: Course, path: Path, driver: str, swmr: bool) -> None:
    chance = course.chance
    seed = chance.randrange(1, 10_000)
    dies = chance.random() < 0.5
    with Recorder(driver, path, seed, swmr) as writer:
        for _ in range(3):
            time.sleep(chance.uniform(0, 0.05))  # a random moment is what is wanted
            writer.stop()
            course.finding.survived += 1
            _look_at_stopped(course, path, seed, writer.round, swmr)
            writer.go_on()
            writer.run_on(2)
        if dies:
            writer.stop()
            writer.kill()
        number = writer.round if dies else writer.finish()
    course.load["flushes"] += number + 1
    if dies:
        report = repair(path)
        course.require(report.exit_code == 0, f"repair: {report}")
    compare_plan(course, path, seed, number, exact=not dies)


def _look_at_stopped(course: Course, path: Path, seed: int, number: int, swmr: bool) -> None:
    """A writer that stands still is not dead, and what it flushed can be read."""
    promised = plan.rows_after(seed, number)["points"]
    if swmr and read_heartbeat(path) is not None and course.chance.random() < 0.3:
        # Long enough for its sign of life to be missed.
        state = until(lambda: _unlike(path, WriterState.WRITING), "a stopped writer's state")
        course.require(state is WriterState.STALLED, f"a stopped writer is {state.value!r}")
    if swmr:
        with open_h5_file_for_reading(path)[0] as file:
            found = file["points"][:]
    else:
        found = on_disk(path, "points")
    right = plan.values(plan.STREAMS["points"], seed, 0, len(found) + promised)
    course.compare("points", found, right, promised)
    state = writer_state(path)
    course.require(state is not WriterState.CRASHED, "a stopped writer is said to be dead")
    for driver in ("h5py", "tables"):
        try:
            with H5Backend(driver) as h5:
                h5.open_file(path, "a")
            course.problem(f"{driver} opened for writing what a stopped writer holds")
        except FileBusyError:
            course.finding.tried += 1
    try:
        repair(path)
        course.problem("a stopped writer's file was repaired under its hands")
    except H5Error:
        course.finding.tried += 1


def _unlike(path: Path, state: WriterState) -> WriterState | None:
    found = writer_state(path)
    return None if found is state else found


def _stop_readers(course: Course, path: Path) -> None:
    """A reader that stands still holds nobody up, and misses nothing."""
    seed = course.chance.randrange(1, 10_000)
    with (
        Recorder("h5py", path, seed, swmr=True) as writer,
        Program("tests.torture.reader", path, seed, "ours") as ours,
        Program("tests.torture.reader", path, seed, "h5py") as plain,
    ):
        readers = (ours, plain)
        for reader in readers:
            reader.hear()
        for _ in range(5):
            for reader in readers:
                reader.stop()
            writer.run_on(10)
            course.finding.survived += len(readers)
            for reader in readers:
                reader.go_on()
        number = writer.finish()
        rows = plan.rows_after(seed, number)["points"]
        for reader in readers:
            code = reader.wait()
            course.require(code == 0, f"a reader ended with code {code}: {reader.errors}")
            course.require(reader.last == f"done {rows}", f"a reader said: {reader.last}")
            course.finding.flushed += rows
    course.load["flushes"] += number + 1
    compare_plan(course, path, seed, number, exact=True)
