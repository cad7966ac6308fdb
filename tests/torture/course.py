"""The course of one torture: its time, its chance, its folder, and what it notes."""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.torture.finding import Finding

__all__ = ["CannotBeDoneError", "Course"]

_ENOUGH = 5
"""After so many rounds that failed, another one tells nothing new."""


_HARDLY = 4.0
"""With fewer seconds not everything is tried."""


class CannotBeDoneError(Exception):
    """This machine cannot be tortured in this way; the message says why."""


class Course:
    """One torture at work.

    Parameters
    ----------
    line : str
        Its name.
    seconds : float
        How long new rounds begin.
    seed : int
        Decides all that is left to chance, round by round.
    folder : Path
        Where to put files.

    Attributes
    ----------
    finding : Finding
        What it came to so far.
    chance : Random
        The chance of this round.
    load : Counter
        Figures of the load, under the words that stand behind them in the table.
    flat : list of str
        Further words about it.
    """

    def __init__(self, line: str, seconds: float, seed: int, folder: Path) -> None:
        self.finding = Finding(line)
        self.seconds = seconds
        self.seed = seed
        self.folder = folder
        self.chance = random.Random(f"{line} {seed}")
        self.load: Counter[str] = Counter()
        self.flat: list[str] = []
        self._start = time.monotonic()
        self._where = ""

    @property
    def is_over(self) -> bool:
        """Whether no new round begins."""
        return time.monotonic() - self._start >= self.seconds

    def rounds(self, least: int = 1) -> Iterator[tuple[int, Path]]:
        """Go from round to round until the time is over.

        Parameters
        ----------
        least : int
            Rounds that are gone through however long they take; where there is hardly any time,
            a third of them, which ones is decided by the seed.

        Yields
        ------
        number : int
            Of the round, the seed for the first.
        folder : Path
            A new one for it, which is removed afterwards.
        """
        failed, number = 0, self.seed
        last = number + (least if self.seconds >= _HARDLY else -(-least // 3))
        while (number < last or not self.is_over) and failed < _ENOUGH:
            before = len(self.finding.problems)
            self.chance = random.Random(f"{self.finding.line} {self.seed} {number}")
            self._where = f"seed {self.seed}, round {number}"
            folder = self.folder / f"round-{number}"
            folder.mkdir()
            yield number, folder
            shutil.rmtree(folder, ignore_errors=True)
            failed += len(self.finding.problems) > before
            number += 1
            self.publish()

    @contextlib.contextmanager
    def attempt(self, where: str) -> Iterator[None]:
        """Note whatever is raised within as a problem, and go on."""
        self._where = f"{self._where.split(' (')[0]} ({where})"
        try:
            yield
        except CannotBeDoneError:
            raise
        except Exception as exc:  # noqa: BLE001 - all are told
            calls = traceback.extract_tb(exc.__traceback__)[-4:]
            place = " < ".join(f"{Path(c.filename).name}:{c.lineno}" for c in reversed(calls))
            self.problem(f"{type(exc).__name__} at {place}: {exc}")

    # -- what is noted --------------------------------------------------------------------------
    def problem(self, words: str) -> None:
        """Note something that is wrong."""
        self.finding.problem(f"{self._where}: {words}")

    def require(self, holds: object, words: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problem(words)

    def compare(
        self, what: str, found: np.ndarray, right: np.ndarray, promised: int | None = None
    ) -> None:
        """Compare rows that were found with those that must be there.

        Parameters
        ----------
        what : str
            Which rows.
        found : ndarray
            As they are in the file; shape ``(rows, ...)``.
        right : ndarray
            As they were given, at least as many as were found.
        promised : int, optional
            How many of them have to be there; all where it is not given.
        """
        promised = len(right) if promised is None else promised
        self.finding.flushed += promised
        have = min(len(found), promised)
        same = (found[:have] == right[:have]).reshape(have, -1).all(axis=1) if have else ()
        lost = promised - int(np.sum(same))
        if lost:
            self.finding.lost += lost
            self.problem(f"{what}: {lost} of {promised} rows lost, {len(found)} there")
        elif not np.array_equal(found[promised:], right[promised : len(found)]):
            self.problem(f"{what}: rows beyond the {promised} promised are not as appended")

    def publish(self) -> None:
        """Tell what there is so far."""
        self.finding.seconds = time.monotonic() - self._start
        if self.load:
            figures = [f"{n:,} {words}" for words, n in self.load.items()]
            self.finding.load = "; ".join([", ".join(figures), *self.flat])
        print(self.finding.text(), file=sys.stdout, flush=True)
