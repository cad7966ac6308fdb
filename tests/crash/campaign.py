"""Kill writers at random moments, mend what they leave, and count what is missing."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h5backends import H5Backend
from h5backends.errors import H5Error
from h5backends.journal import read_journal
from h5backends.swmr import check, repair
from tests.crash import plan
from tests.crash.writer import Request

__all__ = ["KINDS", "Tally", "campaign", "table"]

KINDS = {
    "h5py, SWMR": 300,
    "h5py, plain": 300,
    "tables": 200,
    "h5pyd": 100,
}
"""What is killed, and how often in a full campaign."""

_LONGEST_LIFE = 0.4
_LONGEST_REMOTE_LIFE = 2.0


@dataclass
class Tally:
    """What a campaign found.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    killed : int
        Writers that were killed.
    rounds : int
        Flushes that they had announced.
    rows : int
        Rows in these.
    opened : int
        Files that could be opened and read afterwards.
    completed : int
        Files whose last flush was completed from the journal.
    more : int
        Rows that had not been flushed, and were there all the same.
    lost, torn : list of str
        What was wrong.
    """

    kind: str
    killed: int = 0
    rounds: int = 0
    rows: int = 0
    opened: int = 0
    completed: int = 0
    more: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether the contract was kept."""
        return self.killed > 0 and self.opened == self.killed and not self.lost and not self.torn

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kind,
            *(getattr(self, name) + getattr(other, name) for name in list(vars(self))[1:]),
        )


def campaign(
    kind: str, count: int, make_place: Callable[[str], tuple[str, dict[str, Any]]], first: int = 0
) -> Tally:
    """Kill `count` writers, two at a time.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    count : int
        How many.
    make_place : callable
        Turns a name into a location that is not taken, and what ``open_file`` needs beside it.
    first : int
        Seed of the first.
    """

    def one(seed: int) -> Tally:
        location, options = make_place(f"{kind.split(',', maxsplit=1)[0]}-{seed}.h5")
        driver = kind.split(",", maxsplit=1)[0]
        request = Request(driver, location, options, seed, swmr="SWMR" in kind)
        return _examine(request, kind, kill_one(request, random.Random(f"{kind} {seed}")))

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(one, range(first, first + count)), Tally(kind))


def kill_one(request: Request, chance: random.Random) -> int:
    """Start a writer, kill it, and return the last round that it announced."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", request.text()],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.strip() == b"0", f"the writer failed: {first!r}"
        # A random moment is what is wanted here, not a condition.
        longest = _LONGEST_REMOTE_LIFE if request.driver == "h5pyd" else _LONGEST_LIFE
        time.sleep(chance.uniform(0, longest))
        process.kill()
        rest = process.stdout.read().split()
    return int(rest[-1]) if rest else 0


def _examine(request: Request, kind: str, number: int) -> Tally:
    """Mend what the writer left, and compare it with what it had announced."""
    rows = sum(plan.rows_after(request.seed, number).values())
    found = Tally(kind, killed=1, rounds=number + 1, rows=rows)
    where = f"seed {request.seed}, round {number}"
    try:
        if request.driver != "h5pyd":
            path = Path(request.location)
            if request.seed % 2:
                _note(found, where + ", unmended", _inspect(request, "h5py", number))
            found.completed = read_journal(path) is not None
            report = repair(path, backup=False)
            if not report.is_whole:
                found.lost.append(f"{where}: {report}")
            again = check(path)
            if again.exit_code:
                found.lost.append(f"{where}: not mended: {again}")
        _note(found, where, _inspect(request, request.driver, number))
        if request.driver != "h5pyd":
            _go_on(request)
        found.opened = 1
    except (H5Error, OSError, RuntimeError) as exc:
        found.lost.append(f"{where}: {exc}")
    _tidy(request)
    return found


def _inspect(request: Request, driver: str, number: int) -> plan.Losses:
    with H5Backend(driver) as h5:
        h5.open_file(request.location, "r", **request.options)
        return plan.inspect(h5, request.seed, number, request.plain)


def _note(found: Tally, where: str, losses: plan.Losses) -> None:
    found.lost.extend(f"{where}: {loss}" for loss in losses.lost)
    found.torn.extend(f"{where}: {tear}" for tear in losses.torn)
    found.more = losses.more


def _go_on(request: Request) -> None:
    """A mended file grows on."""
    with H5Backend(request.driver) as h5:
        h5.open_file(request.location, "a")
        points = h5.get_node("/points")
        have = len(points)
        rows = plan.values(plan.STREAMS["points"], request.seed, have, have + 100)
        points.append(rows)
        h5.get_set_group("/", "after")
    with H5Backend(request.driver) as h5:
        h5.open_file(request.location, "r")
        if not (h5.get_node("/points")[have:] == rows).all() or "after" not in h5.root():
            raise RuntimeError("the mended file did not grow on")


def _tidy(request: Request) -> None:
    if request.driver != "h5pyd":
        for path in Path(request.location).parent.glob(f"*{Path(request.location).name}*"):
            path.unlink()


@contextlib.contextmanager
def places(driver: str) -> Iterator[Callable[[str], tuple[str, dict[str, Any]]]]:
    """A folder for a driver of local files, or a running server for the other one."""
    if driver != "h5pyd":
        with tempfile.TemporaryDirectory() as folder:
            yield lambda name: (str(Path(folder, name)), {})
        return
    from tests.hsds import HSDS, QUICK

    with HSDS(settings=QUICK) as server:
        options = {
            "endpoint": server.endpoint,
            "username": server.username,
            "password": server.password,
        }
        yield lambda name: (f"/home/{server.username}/{name}", options)


def table(tallies: list[Tally]) -> str:
    """Return the table of losses, as it stands in the documentation."""
    lines = [
        "| writer | killed | opened afterwards | last flush completed from the journal "
        "| flushed rows | of these lost | torn rows |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in tallies:
        lost = "**none**" if not t.lost else f"in {len(t.lost)} cases"
        torn = "**none**" if not t.torn else f"in {len(t.torn)} cases"
        lines.append(
            f"| {t.kind} | {t.killed} | {t.opened} | {t.completed} | {t.rows:,} in {t.rounds:,} "
            f"flushes | {lost} | {torn} |"
        )
    return "\n".join(lines)
