"""A program with little memory: an allocation that fails is an error, and costs no row.

Where chunks are packed in threads, the memory of the program is sometimes found corrupted when
there is none left ("corrupted double-linked list"), and it ends at once. Such deaths are told
apart, and the rows that were flushed have to be there all the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from h5backends.swmr import repair
from tests.torture.course import CannotBeDoneError, Course
from tests.torture.hungry import WIDTH
from tests.torture.programs import Program
from tests.torture.rows import stored

_DEATHS = {-6, -11}
"""SIGABRT, by which the C library ends a program whose memory it finds corrupted, and SIGSEGV."""

_LONG = 4.0
NAME = "memory limit"
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))


def run(course: Course) -> None:
    """Have programs record more than they have memory for."""
    if os.name != "posix":
        raise CannotBeDoneError("this system has no limit on memory that a program can set")
    for number, folder in course.rounds(len(_KINDS)):
        driver, swmr = _KINDS[number % len(_KINDS)]
        with course.attempt(f"{driver}{', SWMR' * swmr}"):
            _one(course, folder / "file.h5", driver, swmr)


def _one(course: Course, path: Path, driver: str, swmr: bool) -> None:
    chance = course.chance
    spare = chance.choice([8, 20, 40, 80])
    end = chance.choice(["close", "die"])
    # The short form is to be relied on, and packing without memory is not (see above).
    packed = chance.choice(["packed", "unpacked"]) if course.seconds >= _LONG else "unpacked"
    mode, seed = "swmr" if swmr else "plain", chance.randrange(1000)
    arguments = (driver, path, mode, packed, spare, end, seed)
    with Program("tests.torture.hungry", *arguments) as program:
        code = program.wait()
    died = code in _DEATHS and packed == "packed"
    known = {"close": code == 0, "die": code == -9}[end]
    course.require(known or died, f"{arguments}: ended with code {code}: {program.errors}")
    course.load["programs died in a library"] += died
    refused, flushed = map(int, program.last.split())
    course.finding.survived += refused
    course.load["rows appended"] += flushed
    if code != 0:
        report = repair(path)
        course.require(report.exit_code == 0, f"repair: {report}")
    found = stored(path)
    right = np.repeat(np.arange(max(flushed, len(found)), dtype="u4")[:, None], WIDTH, axis=1)
    course.compare(f"{arguments[:1] + arguments[2:]}", found, right, flushed)
