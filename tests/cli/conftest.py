"""Real processes of the command, and the same command within the test's own process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pytest

from h5backends.superblock import FileState, file_state
from savers.cli import main

DEADLINE = 90.0  # seconds that nothing takes, on however busy a machine
GROUP = "/RawData/Detector000"

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


class Running:
    """The command in a process of its own, its output read as it comes."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "savers", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # Windows sends its signals to groups; the tests are not to get them.
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            env=os.environ
            | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error", **environment},
        )
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return "".join(self._errors)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def next_line(self) -> str | None:
        """Return the next line of its output, None at the end."""
        try:
            line = self._new.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"no line in time; errors: {self.errors}") from None
        if line is not None:
            self.lines.append(line)
        return line

    def next_row(self) -> dict[str, Any] | None:
        line = self.next_line()
        return None if line is None else json.loads(line)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows until its end."""
        found = []
        while (row := self.next_row()) is not None:
            found.append(row)
        return found

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Poll a condition until it holds."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            state = f"exit code {self.process.poll()}, said: {self.errors}"
            assert time.monotonic() < deadline, f"not in time: {what}; {state}"
            assert self.alive or condition(), f"ended before: {what}; {state}"
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        while self._new.qsize() and self.next_line() is not None:
            pass
        return code

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.alive:
            self.process.kill()
        self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Return a function that starts the command in a process of its own."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: object, **environment: str) -> Running:
            running = Running(*map(str, arguments), **environment)
            stack.callback(running.end)
            return running

        yield begin


@dataclass(frozen=True)
class Result:
    """What one run of the command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return a function that runs the command in this process, where that makes no difference."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["h5backends", *map(str, arguments)])
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        capfd.readouterr()
        with pytest.raises(SystemExit) as ending:
            main()
        assert handlers == {n: signal.getsignal(n) for n in handlers}, "signals are as before"
        code = ending.value.code
        found = capfd.readouterr()
        return Result(code if isinstance(code, int) else 0, found.out, found.err)

    return run


def live_length(path: Path, name: str = "time") -> int:
    """Return how many rows a reader of a file sees, 0 while there is nothing to see."""
    if file_state(path) is not FileState.SWMR_WRITING:
        return 0
    with contextlib.suppress(OSError), h5py.File(path, "r", swmr=True, locking=False) as file:
        return len(file[f"{GROUP}/{name}"])
    return 0


def saved(text: str) -> int:
    """Return how many points a recording says it has saved."""
    found = re.search(r"(\d+) points? saved", text)
    assert found, text
    return int(found.group(1))


def due(text: str) -> int:
    """Return how many points a recording was to save: a busy computer may leave some out."""
    lost = re.search(r"(\d+) left out", text)
    return saved(text) + (int(lost.group(1)) if lost else 0)


def lengths(path: Path, **options: Any) -> dict[str, int]:
    """Return the lengths of all streams of a recording."""
    with h5py.File(path, "r", **options) as file:
        return {name: len(stream) for name, stream in file[GROUP].items()}
