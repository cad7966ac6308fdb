"""Writers killed at random moments: the campaign of `tests.crash`, as long as there is time."""

from __future__ import annotations

import sys
import time

from tests.crash.campaign import KINDS, campaign, places
from tests.torture.course import Course

NAME = "crash campaign"
_BATCH = 24
_FIRST_BATCH = 2


def run(course: Course) -> None:
    """Kill writers of every kind, in equal shares of the time."""
    share = course.seconds / len(KINDS)
    for kind in KINDS:
        driver = kind.split(",", maxsplit=1)[0]
        if driver == "h5pyd" and sys.platform == "win32":
            continue  # HSDS is reached through a Unix socket here, which Windows lacks
        with places(driver) as make_place:
            end = time.monotonic() + share
            first, count = course.seed * 10_000, _FIRST_BATCH
            while True:
                with course.attempt(f"{kind}, seeds from {first}"):
                    _batch(course, kind, count, make_place, first)
                course.publish()
                first, count = first + count, _BATCH if driver != "h5pyd" else 4
                if time.monotonic() >= end or not course.finding.is_clean:
                    break


def _batch(course: Course, kind: str, count: int, make_place: object, first: int) -> None:
    found = campaign(kind, count, make_place, first)  # type: ignore[arg-type]
    course.load["flushes"] += found.rounds
    course.finding.survived += found.killed
    course.finding.flushed += found.rows
    course.finding.lost += len(found.lost)
    for words in [*found.lost, *found.torn]:
        course.problem(f"{kind}: {words}")
