"""Forks of a program that has files open and records from threads: the children harm nothing."""

from __future__ import annotations

import os
from pathlib import Path

from tests.torture.course import CannotBeDoneError, Course
from tests.torture.programs import Program
from tests.torture.rows import numbered, stored

NAME = "fork"
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))


def run(course: Course) -> None:
    """Have programs fork while they record."""
    if not hasattr(os, "fork"):
        raise CannotBeDoneError("this system has no fork")
    for number, folder in course.rounds(len(_KINDS)):
        driver, swmr = _KINDS[number % len(_KINDS)]
        with course.attempt(f"{driver}{', SWMR' * swmr}"):
            _one(course, folder / "file.h5", driver, swmr)


def _one(course: Course, path: Path, driver: str, swmr: bool) -> None:
    seed = course.chance.randrange(1000)
    arguments = (driver, path, "swmr" if swmr else "plain", seed)
    with Program("tests.torture.forking", *arguments) as program:
        code = program.wait()
        course.require(code == 0, f"it ended with code {code}: {program.errors}")
    forks, *counts = map(int, program.last.split())
    course.finding.survived += forks
    course.load["rows appended"] += sum(counts)
    for number, count in enumerate(counts):
        course.compare(f"array{number}", stored(path, f"array{number}"), numbered(count))
    for child in path.parent.glob("child-*"):
        course.compare(child.name, stored(child), numbered(10))
