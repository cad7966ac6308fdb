"""No file descriptor left, while a file is opened, recorded, flushed, read and looked at."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from h5backends import FlushPolicy, H5Backend, open_h5_file_for_reading
from h5backends.errors import H5Error
from h5backends.heartbeat import WriterState, writer_state
from h5backends.swmr import check
from tests.few_descriptors import exhausted
from tests.torture.course import CannotBeDoneError, Course
from tests.torture.rows import on_disk, right_rows, stored

NAME = "file descriptors"
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))
_LIVE = {WriterState.WRITING, WriterState.STALLED}


def run(course: Course) -> None:
    """Take all descriptors, or all but a few, again and again."""
    if os.name != "posix":
        raise CannotBeDoneError("this system has no limit on descriptors that a program can set")
    for number, folder in course.rounds(len(_KINDS)):
        driver, swmr = _KINDS[number % len(_KINDS)]
        with course.attempt(f"{driver}{', SWMR' * swmr}"):
            _record(course, folder / "file.h5", driver, swmr)


def _record(course: Course, path: Path, driver: str, swmr: bool) -> None:
    chance, salt, taken = course.chance, course.chance.randrange(1, 1000), 0
    h5 = H5Backend(driver, FlushPolicy(seconds=chance.choice([None, 0.002])))

    def opened() -> object:
        return h5.open_file(path, "w", **({"swmr_mode": True} if swmr else {}))

    with exhausted(chance.randrange(3)):
        _tried(course, opened)
    if not h5.isopen():
        opened()
    array: Any = h5.create_earray("/", "array", "f8", (4,), chunks=(64, 4))
    if swmr:
        with exhausted(chance.randrange(3)):
            _tried(course, h5.enable_swmr)
        h5.enable_swmr()
    for _ in range(chance.randrange(2, 6)):
        leave = chance.choice([0, 0, 1, 2, 3])
        with exhausted(leave):
            for _ in range(chance.randrange(1, 60)):
                rows = right_rows(salt, taken, taken + chance.choice([1, 5, 500]))
                if _tried(course, lambda rows=rows: array.append(rows)):
                    taken += len(rows)
            _tried(course, h5.flush)
            _look(course, path, swmr)
        h5.flush()
        course.compare("on the disk", on_disk(path), right_rows(salt, 0, taken))
        if swmr:
            state = writer_state(path)
            course.require(state in _LIVE, f"a live writer is said to be {state.value!r}")
            with open_h5_file_for_reading(path)[0] as file:
                course.compare("seen live", file["array"][:], right_rows(salt, 0, taken))
    with exhausted(chance.randrange(2)):
        _tried(course, h5.close_file)
    h5.close_file()
    course.load["rows appended"] += taken
    course.compare("in the end", stored(path), right_rows(salt, 0, taken))


def _tried(course: Course, work: Callable[[], object]) -> bool:
    """Do something; only an error of ours may come of it. Return whether it was done."""
    try:
        work()
    except H5Error:
        course.finding.survived += 1
        return False
    return True


def _look(course: Course, path: Path, swmr: bool) -> None:
    """Whoever looks at the file meanwhile is told the truth, or that it cannot be told."""
    ways: tuple[Callable[[], Any], ...] = (
        lambda: open_h5_file_for_reading(path)[0].close(),  # noqa: PLW0108 - it opens when called
        lambda: H5Backend("h5py").open_file(path, "a"),
        lambda: H5Backend("h5py").open_file(path.with_name("other.h5"), "w"),
    )
    for way in ways:
        _tried(course, way)
    try:
        state = writer_state(path)
        course.require(state in _LIVE, f"a live writer is said to be {state.value!r}")
        course.require(check(path, 5).writer in _LIVE, "check says that a live writer is dead")
    except (OSError, H5Error) as exc:
        known = isinstance(exc, H5Error) or exc.errno in {errno.EMFILE, errno.ENFILE}
        course.require(known, f"{type(exc).__name__}: {exc}")
        course.finding.survived += 1
