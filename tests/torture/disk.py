"""A disk that is full during appends, flushes, the end of a recording, and a repair.

It is a real one, small, in memory; another file takes its room, and gives it back. Rows that an
append took have to be there in the end, and what was flushed before, all the time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import H5Error, StorageError
from h5backends.journal import read_journal
from h5backends.swmr import repair
from tests.small_disk import Ballast, CannotMountError, mounted
from tests.torture.course import CannotBeDoneError, Course
from tests.torture.programs import Recorder
from tests.torture.rows import compare_plan, on_disk, right_rows, stored

NAME = "disk full"
_SIZE = 4 * 2**20
_KINDS = (("h5py", False), ("h5py", True), ("tables", False))
_MOST = 400_000


def run(course: Course) -> None:
    """Fill the disk at every stage of a recording, for every kind of writer."""
    stages: tuple[Callable[..., None], ...] = (_append, _flush, _finalize, _repair, _rival)
    for number, folder in course.rounds(len(stages)):
        driver, swmr = _KINDS[(number + number // len(stages)) % len(_KINDS)]
        stage = stages[number % len(stages)]
        with course.attempt(f"{stage.__name__[1:]}, {driver}{', SWMR' * swmr}"):
            try:
                with mounted(folder / "disk", _SIZE) as disk:
                    stage(course, disk, driver, swmr)
            except CannotMountError as exc:
                raise CannotBeDoneError(str(exc)) from None


class _Recording:
    """A file on the small disk, and how many rows were taken."""

    def __init__(self, course: Course, disk: Path, driver: str, swmr: bool) -> None:
        self.course = course
        self.disk = disk
        self.path = disk / "file.h5"
        self.salt = course.chance.randrange(1, 1000)
        self.ballast = Ballast(disk)
        self.taken = 0
        self._swmr = swmr
        self._driver = driver
        self._rows = right_rows(self.salt, 0, _MOST)
        seconds = course.chance.choice([None, 0.002])
        self.h5 = H5Backend(driver, FlushPolicy(seconds=seconds))
        self.h5.open_file(self.path, "w", **({"swmr_mode": True} if swmr else {}))
        if course.chance.random() < 0.3:
            self.h5.define_compression("gzip", 1)
        self.array: Any = self.h5.create_earray("/", "array", "f8", (4,), chunks=(256, 4))
        if swmr:
            self.h5.enable_swmr()
        self.append(600)
        self.h5.flush()

    def append(self, count: int) -> None:
        self.array.append(self._rows[self.taken : self.taken + count])
        self.taken += count

    def fill(self, leave: int) -> None:
        """Take the room on the disk."""
        with contextlib.suppress(OSError):  # the recording was faster: full is full
            self.ballast.fill(leave)

    def refused(self, work: Callable[[], object]) -> bool:
        """Do something for which there is no room; return whether it was refused."""
        try:
            work()
        except StorageError as exc:
            self.course.finding.survived += 1
            self.course.require(exc.file and exc.remedy, f"an error that says too little: {exc}")
            return True
        return False

    def fill_up(self) -> None:
        """Append until the disk is full."""
        while self.taken < _MOST - 1000:
            if self.refused(lambda: self.append(self.course.chance.choice([1, 7, 300]))):
                return
        self.course.problem("the disk was never full")

    def safe(self, rows: int) -> None:
        """Rows that were flushed are on the disk now."""
        with self.h5.session.lock:  # not in the middle of a flush
            found = on_disk(self.path)
        count = min(len(found), self.taken)
        self.course.compare("while full", found, self._rows[: self.taken + 1000], rows)
        self.course.require(count == len(found), "more rows than were taken")

    def end(self) -> None:
        self.h5.close_file()
        self.course.load["rows appended"] += self.taken
        self.course.compare("in the end", stored(self.path), self._rows[: self.taken])


def _append(course: Course, disk: Path, driver: str, swmr: bool) -> None:
    recording = _Recording(course, disk, driver, swmr)
    for _ in range(3):
        recording.fill(leave=course.chance.choice([0, 20_000, 300_000, 700_000]))
        recording.fill_up()
        recording.safe(600)
        recording.ballast.drop()
        recording.append(1)
        recording.h5.flush()
    recording.end()


def _flush(course: Course, disk: Path, driver: str, swmr: bool) -> None:
    recording = _Recording(course, disk, driver, swmr)
    for _ in range(5):
        flushed = recording.taken
        recording.refused(lambda: recording.append(course.chance.randrange(1, 2000)))
        recording.fill(leave=course.chance.choice([0, 5000, 100_000, 250_000]))
        recording.refused(recording.h5.flush)
        recording.safe(flushed)
        recording.ballast.drop()
        recording.h5.flush()
        recording.safe(recording.taken)
    recording.end()


def _finalize(course: Course, disk: Path, driver: str, swmr: bool) -> None:
    recording = _Recording(course, disk, driver, swmr)
    recording.append(course.chance.randrange(1, 5000))
    recording.fill(leave=course.chance.choice([0, 5000, 100_000]))
    end = recording.h5.finalize_swmr if swmr else recording.h5.close_file
    for _ in range(3):
        if recording.refused(end):
            course.require(recording.h5.isopen(), "closing was refused, and it is closed")
            recording.safe(600)
    recording.ballast.drop()
    recording.end()


def _rival(course: Course, disk: Path, driver: str, swmr: bool) -> None:
    """Another thread takes the room and gives it back at any moment."""
    recording = _Recording(course, disk, driver, swmr)
    over = threading.Event()
    chance = course.chance

    def compete() -> None:
        while not over.is_set():
            recording.fill(leave=chance.choice([0, 0, 30_000, 300_000, 10**6]))
            over.wait(chance.uniform(0, 0.01))
            recording.ballast.drop()
            over.wait(chance.uniform(0, 0.01))

    rival = threading.Thread(target=compete)
    rival.start()
    try:
        for number in range(300):
            recording.refused(lambda: recording.append(chance.choice([1, 20, 200])))
            if number % 5 == 0:
                recording.refused(recording.h5.flush)
    finally:
        over.set()
        rival.join()
    recording.append(1)
    recording.end()


def _repair(course: Course, disk: Path, driver: str, swmr: bool) -> None:
    """A file that a crash left behind, and no room to put aside what is mended."""
    path = disk / "file.h5"
    seed = course.chance.randrange(1, 10_000)
    with Recorder(driver, path, seed, swmr) as writer:
        writer.run_on(course.chance.randrange(2, 20))
        writer.kill()
    number = writer.round
    course.load["flushes"] += number
    ballast = Ballast(disk)
    ballast.fill()
    before = path.read_bytes()
    journal = read_journal(path)  # its flush is completed first, and that needs no room
    try:
        report = repair(path)
    except H5Error as exc:
        course.finding.survived += 1
        course.require(isinstance(exc, StorageError), f"{type(exc).__name__}: {exc}")
        unchanged = journal is not None or path.read_bytes() == before
        course.require(unchanged, "refused, and yet the file was changed")
    else:
        course.require(report.exit_code == 0, f"repair: {report}")
    ballast.drop()
    report = repair(path)
    course.require(report.exit_code == 0, f"repair: {report}")
    compare_plan(course, path, seed, number, exact=False)
    with H5Backend(driver) as h5:  # and it can be recorded on
        h5.open_file(path, "a")
        points: Any = h5.get_node("/points")
        have = len(points)
        points.append(right_rows(seed, have, have + 5))
    course.compare("after the repair", stored(path, "points"), right_rows(seed, 0, have + 5))
