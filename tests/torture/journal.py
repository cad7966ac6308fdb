"""A disk that is full while the journal of plain mode is written, and death around it.

Without its journal a flush is as safe as the library makes it, but nothing may be lost as long as
the program lives, and a program killed before it touches the file leaves the flush before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from h5backends.errors import StorageError
from h5backends.journal import read_journal
from h5backends.swmr import Report, repair
from tests.small_disk import CannotMountError, mounted
from tests.torture.course import CannotBeDoneError, Course
from tests.torture.journal_writer import ROUNDS, ROWS, fixed_after
from tests.torture.programs import Program
from tests.torture.rows import right_rows, stored

NAME = "disk full in the journal"
_SIZE = 8 * 2**20
_HOW = ("full", "full-dies", "dies")


def run(course: Course) -> None:
    """Have the disk full, or death come, at the journal of one flush after the other."""
    for number, folder in course.rounds(2 * len(_HOW)):
        driver = ("h5py", "tables")[number // len(_HOW) % 2]
        how = _HOW[number % len(_HOW)]
        with course.attempt(f"{how}, {driver}"):
            try:
                with mounted(folder / "disk", _SIZE) as disk:
                    _one(course, disk / "file.h5", driver, how)
            except CannotMountError as exc:
                raise CannotBeDoneError(str(exc)) from None


def _one(course: Course, path: Path, driver: str, how: str) -> None:
    seed, at = course.chance.randrange(1, 1000), course.chance.randrange(1, ROUNDS)
    leave = course.chance.choice([0, 0, 4096, 12_288])
    arguments = (driver, path, seed, how, leave, at)
    with Program("tests.torture.journal_writer", *arguments) as writer:
        said = []
        while len(said) <= ROUNDS:
            try:
                said.append(writer.hear())
            except RuntimeError:
                break  # it ended, one way or the other
        code = writer.wait()
    last = max(int(word) for word in said if word.isdigit())
    course.load["flushes"] += last + 1
    course.require(how == "dies" or "full" in said, "the journal found room")
    if how == "full":
        course.require(code == 0, f"it ended with code {code}: {writer.errors}")
        last = ROUNDS - 1
    else:
        course.require(code != 0 and last == at - 1, f"it was not killed in time: {said}")
        whole = read_journal(path) is not None
        course.require(whole is (how == "dies"), f"the journal counts: {whole}")
        last = at if whole else last  # the flush was complete, but for the announcement
        report = _repaired(course, path)
        course.require(report.exit_code == 0, f"repair: {report}")
    course.finding.survived += 1
    course.compare("array", stored(path), right_rows(seed, 0, (last + 1) * ROWS))
    course.compare("fixed", stored(path, "fixed"), fixed_after(last))
    for number in range(last + 1):
        right = np.full(10, number)
        course.compare(f"group{number}", stored(path, f"group{number}/made"), right)


def _repaired(course: Course, path: Path) -> Report:
    """Repair the file, first without room where the disk is still full, then with."""
    ballast = path.with_name("ballast")
    if ballast.exists():
        before = path.read_bytes()
        try:
            return repair(path)  # where nothing has to be made longer, none is needed
        except StorageError:
            course.finding.survived += 1
            course.require(path.read_bytes() == before, "refused, and yet the file was changed")
        ballast.unlink()
    return repair(path)
