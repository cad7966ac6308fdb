"""Two writers on one file: the second is refused, however it comes, and the first is unharmed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.torture.course import Course
from tests.torture.programs import Program, Recorder
from tests.torture.rows import compare_plan

NAME = "two writers"
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))


def run(course: Course) -> None:
    """Have other programs try every way to get at a file that is recorded."""
    for number, folder in course.rounds(len(_KINDS)):
        driver, swmr = _KINDS[number % len(_KINDS)]
        with course.attempt(f"{driver}{', SWMR' * swmr}"):
            _one(course, folder / "file.h5", driver, swmr)


def _one(course: Course, path: Path, driver: str, swmr: bool) -> None:
    seed = course.chance.randrange(1, 10_000)
    with Recorder(driver, path, seed, swmr) as writer:
        names = [path, *_other_names(path)]
        for name in course.chance.sample(names, len(names)):
            if course.is_over and name is not names[0] and course.finding.survived:
                continue
            with Program("tests.torture.intruder", name) as intruder:
                course.require(intruder.wait() == 0, f"the second: {intruder.errors}")
                words = intruder.last.split()  # "refused N", or "got in: ..." and how
            course.require(words[:1] == ["refused"], f"by {name.name}: {intruder.last}")
            course.finding.tried += int(words[1]) if words[:1] == ["refused"] else 0
            writer.run_on(3)
            course.finding.survived += 1
        number = writer.finish()
    course.load["flushes"] += number + 1
    compare_plan(course, path, seed, number, exact=True)


def _other_names(path: Path) -> Iterator[Path]:
    """Other names of the same file, as far as the system has such."""
    for name, make in (("symbolic.h5", os.symlink), ("hard.h5", os.link)):
        try:
            make(path, path.with_name(name))
        except OSError:
            continue  # Windows wants a privilege for the one, some disks have not the other
        yield path.with_name(name)
