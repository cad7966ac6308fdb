"""Eight threads that append to different arrays and to the same one, while another closes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import FileClosedError
from tests.core.test_threads_and_fork import check_rows, in_threads
from tests.torture.course import Course
from tests.torture.rows import numbered, stored

NAME = "threads"
_THREADS = 8
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))


def run(course: Course) -> None:
    """Record from many threads, and close under their feet."""
    for number, folder in course.rounds(2 * len(_KINDS)):
        driver, swmr = _KINDS[number // 2 % len(_KINDS)]
        work = (_share, _close_meanwhile)[number % 2]
        with course.attempt(f"{work.__name__[1:]}, {driver}{', SWMR' * swmr}"):
            work(course, folder / "file.h5", driver, swmr)


def _opened(course: Course, path: Path, driver: str, swmr: bool) -> H5Backend:
    h5 = H5Backend(driver, FlushPolicy(seconds=course.chance.choice([0.002, 0.02])))
    h5.open_file(path, "w", **({"swmr_mode": True} if swmr else {}))
    if course.chance.random() < 0.3:
        h5.define_compression("gzip", 1)
    return h5


def _share(course: Course, path: Path, driver: str, swmr: bool) -> None:
    """Each appends to its own array and to a common one; none is lost, and its order is kept."""
    count = course.chance.randrange(100, 600)
    with _opened(course, path, driver, swmr) as h5:
        common: Any = h5.create_earray("/", "common", "f8", (3,), chunks=(16, 3))
        own: list[Any] = [h5.create_earray("/", f"own{n}", "i8") for n in range(_THREADS)]
        if swmr:
            h5.enable_swmr()

        def append(thread: int) -> None:
            for number in range(count):
                common.append(np.array([thread, number, thread * number], "f8"))
                own[thread].append(number)

        in_threads(append, _THREADS)
    course.load["rows appended"] += 2 * _THREADS * count
    course.finding.survived += 1
    for thread in range(_THREADS):
        course.compare(f"own{thread}", stored(path, f"own{thread}"), numbered(count))
    found = stored(path, "common")
    course.finding.flushed += _THREADS * count
    if len(found) != _THREADS * count:
        course.finding.lost += abs(_THREADS * count - len(found))
        course.problem(f"common: {len(found)} rows there, {_THREADS * count} appended")
    else:
        check_rows(found, _THREADS, count)


def _close_meanwhile(course: Course, path: Path, driver: str, swmr: bool) -> None:
    """What an append took is in the file, and every thread is told that the file is closed."""
    taken = [0] * _THREADS
    sent: list[list[int]] = [[] for _ in range(_THREADS)]
    pause = course.chance.uniform(0, 0.1)
    h5 = _opened(course, path, driver, swmr)
    common: Any = h5.create_earray("/", "common", "i8", chunks=(32,))
    own: list[Any] = [h5.create_earray("/", f"own{n}", "i8", chunks=(8,)) for n in range(_THREADS)]
    if swmr:
        h5.enable_swmr()

    def append(thread: int) -> None:
        if thread == _THREADS:
            time.sleep(pause)  # a random moment is what is wanted
            h5.close_file()
            return
        try:
            while True:
                own[thread].append(taken[thread])
                taken[thread] += 1
                mark = thread * 1_000_000 + taken[thread]
                common.append(mark)
                sent[thread].append(mark)
        except FileClosedError:
            course.finding.survived += 1

    in_threads(append, _THREADS + 1)
    course.load["rows appended"] += 2 * sum(taken)
    for thread in range(_THREADS):
        course.compare(f"own{thread}", stored(path, f"own{thread}"), numbered(taken[thread]))
    found = stored(path, "common")
    for thread in range(_THREADS):
        mine = found[found // 1_000_000 == thread]
        course.compare(f"common, thread {thread}", mine, np.array(sent[thread], "i8"))
