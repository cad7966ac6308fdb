"""A real HSDS that is killed and started again while two programs' worth of rows come in."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import H5Error, RemoteError
from tests.hsds import HSDS, h5pyd, why_unavailable
from tests.torture.course import CannotBeDoneError, Course
from tests.torture.programs import TIME_LIMIT
from tests.torture.rows import numbered, right_rows

NAME = "HSDS killed"
_WRITERS = 2


def run(course: Course) -> None:
    """Kill the service under load, again and again."""
    if reason := why_unavailable():
        raise CannotBeDoneError(reason)
    # Default settings, but for how long it tries to read a chunk that cannot be read.
    with HSDS(settings={"dn_max_retries": 2}) as hsds:
        for number, _ in course.rounds():
            with course.attempt("two writers"):
                if not hsds.running:
                    hsds.start()
                _one(course, hsds, number)


class _Writer(threading.Thread):
    """Records into a domain of its own; an append that raised took nothing."""

    def __init__(self, course: Course, hsds: HSDS, domain: str) -> None:
        super().__init__()
        self.domain = domain
        self.taken = 0
        self.salt = course.chance.randrange(1, 1000)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._course = course
        self._chance = course.chance
        self._h5 = H5Backend("h5pyd", FlushPolicy(seconds=0.1))
        self._h5.open_file(domain, "w", **hsds.login)
        self._points: Any = self._h5.create_earray("/", "points", "f8", (4,))
        self._numbers: Any = self._h5.create_earray("/", "numbers", "i8")
        self._h5.flush()

    def run(self) -> None:
        try:
            while not self.over.is_set():
                count = self._chance.choice([1, 5, 250])
                self._append(self._points, right_rows(self.salt, self.taken, self.taken + count))
                self._append(self._numbers, numbered(self.taken + count, self.taken))
                self.taken += count
                time.sleep(self._chance.choice([0.0, 0.0, 0.02]))
            self._until_done(self._h5.close_file)
        except BaseException as exc:  # noqa: BLE001 - handed on
            self.error = exc

    def _append(self, array: Any, rows: Any) -> None:
        self._until_done(lambda: array.append(rows))

    def _until_done(self, work: Any) -> None:
        deadline = time.monotonic() + TIME_LIMIT
        while True:
            try:
                work()
                return
            except RemoteError:
                self._course.finding.survived += 1
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)


def _one(course: Course, hsds: HSDS, number: int) -> None:
    writers = [
        _Writer(course, hsds, f"{hsds.home}torture-{number}-{each}.h5") for each in range(_WRITERS)
    ]
    for writer in writers:
        writer.start()
    try:
        for _ in range(1 if course.is_over else 2):
            time.sleep(course.chance.uniform(0.05, 1.0))  # a random moment is what is wanted
            hsds.kill()
            course.finding.survived += 1
            time.sleep(course.chance.choice([0.0, 0.3]))
            hsds.start()
        time.sleep(0.5)
    finally:
        for writer in writers:
            writer.over.set()
    for writer in writers:
        writer.join(2 * TIME_LIMIT)
        course.require(not writer.is_alive(), "a writer hangs")
        if writer.error is not None:
            kind = "" if isinstance(writer.error, H5Error) else "stranger: "
            course.problem(f"a writer failed: {kind}{writer.error!r}")
    hsds.kill()  # what is there after it was really stored
    hsds.start()
    for writer in writers:
        course.load["rows appended"] += 2 * writer.taken
        domain = writer.domain
        with contextlib.closing(h5pyd.File(domain, "r", use_cache=False, **hsds.login)) as file:
            right = right_rows(writer.salt, 0, writer.taken)
            course.compare("points", np.asarray(file["points"][:]), right)
            course.compare("numbers", np.asarray(file["numbers"][:]), numbered(writer.taken))
