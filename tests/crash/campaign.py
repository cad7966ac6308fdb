"""Kill writers at random moments, mend what they leave, and count what is missing."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

from h5backends import H5Backend
from h5backends.errors import H5Error
from h5backends.journal import read_journal
from h5backends.swmr import inspection, probe, repair
from tests.crash import plan
from tests.crash.writer import Request, write

__all__ = ["KINDS", "Tally", "campaign", "table"]

KINDS = {
    "h5py, SWMR": 300,
    "h5py, plain": 300,
    "tables": 200,
    "h5pyd": 100,
}
"""What is killed, and how often in a full campaign."""

_LONGEST_LIFE = 0.25
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

    driver = kind.split(",", maxsplit=1)[0]
    requests = []
    for seed in range(first, first + count):
        location, options = make_place(f"{driver}-{seed}.h5")
        requests.append(Request(driver, location, options, seed, swmr="SWMR" in kind))
    # Processes, not threads: each of them forks.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(_one, repeat(kind), requests), Tally(kind))


def _one(kind: str, request: Request) -> Tally:
    logging.disable(logging.WARNING)  # each file that a crash left behind is warned of
    chance = random.Random(f"{kind} {request.seed}")
    forks = hasattr(os, "fork") and request.driver != "h5pyd"
    if forks:
        inspection._probe = _probe_in_fork
    number = (_kill_fork if forks else _kill_program)(request, chance)
    return _examine(request, kind, number)


def _kill_fork(request: Request, chance: random.Random) -> int:
    """Start a writer, kill it, and return the last round that it announced.

    A fork of this process has loaded everything already, so that more writers can be killed.
    """
    hear, say = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(hear)
            write(request, say)
        except BaseException:  # noqa: BLE001 - this process must not live on
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(say)
    with open(hear, "rb") as said:
        first = said.readline()
        time.sleep(chance.uniform(0, _LONGEST_LIFE))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return _last([first, *said])


def _probe_in_fork(path: Path, how: str, seconds: float) -> list[dict[str, Any]]:
    """Have a fork of this process look into a file, as `repair` has a new one."""
    hear, say = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(say, 1)
            sys.stdout = os.fdopen(1, "w")
            request = {"path": str(path), "how": how, "seconds": seconds}
            sys.stdin = io.StringIO(json.dumps(request))
            probe.main()
        finally:
            os._exit(1)
    os.close(say)
    with open(hear, "rb") as said:
        findings = [json.loads(line) for line in said]
    os.waitpid(child, 0)
    return findings if findings and "done" in findings[-1] else [{"problem": "the library died"}]


def _kill_program(request: Request, chance: random.Random) -> int:
    """Do the same with a program of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", request.text()],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        # A random moment is what is wanted here, not a condition.
        longest = _LONGEST_REMOTE_LIFE if request.driver == "h5pyd" else _LONGEST_LIFE
        time.sleep(chance.uniform(0, longest))
        process.kill()
        return _last([first, *process.stdout])


def _last(said: list[bytes]) -> int:
    assert said[0].strip() == b"0", f"the writer failed: {said[0]!r}"
    return int(said[-1])


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
            if report.exit_code:
                found.lost.append(f"{where}: {report}")
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
