"""Programs that a torture starts, hears, stops, has go on, and kills."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.crash.writer import Request

__all__ = ["TIME_LIMIT", "Program", "Recorder", "until"]

TIME_LIMIT = 60.0
_ROOT = Path(__file__).parents[2]


class Program:
    """A running module of these tests.

    Parameters
    ----------
    module : str
        Its name.
    *arguments : object
        What it is given.

    Attributes
    ----------
    last : str
        What it said last.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self.last = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        self._said: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._collect)
        ]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.last = line.strip()
            self._said.put(self.last)
        self._said.put(None)

    def _collect(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    # -- its words ------------------------------------------------------------------------------
    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def errors(self) -> str:
        """The end of what it wrote to its standard error."""
        return "".join(self._errors).strip()[-500:]

    def hear(self) -> str:
        """Wait for the next thing that it says."""
        said = self._said.get(timeout=TIME_LIMIT)
        if said is None:
            self.wait()
            raise RuntimeError(f"a program ended with code {self.wait()}: {self.errors}")
        return said

    def wait(self, limit: float = TIME_LIMIT) -> int:
        """Wait for its end and return its code; everything that it said is known by then."""
        code = self._process.wait(limit)
        for thread in self._threads:
            thread.join(limit)
        return code

    # -- its fate -------------------------------------------------------------------------------
    def stop(self) -> None:
        """Have it stand still (SIGSTOP)."""
        psutil.Process(self.pid).suspend()

    def go_on(self) -> None:
        """Have it go on (SIGCONT)."""
        psutil.Process(self.pid).resume()

    def kill(self) -> None:
        """Kill it, whatever it does, and wait for its end."""
        self._process.kill()
        self.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


class Recorder(Program):
    """A writer of the crash campaign, at full speed until it is told to end, or killed.

    Parameters
    ----------
    driver : str
        What it writes with.
    path : Path
        What it writes.
    seed : int
        Decides what it writes.
    swmr : bool
        Whether it lets readers in.
    through : str, optional
        A module that runs it.
    """

    def __init__(
        self, driver: str, path: Path, seed: int, swmr: bool, through: str | None = None
    ) -> None:
        self._end = path.with_name("end")
        request = Request(driver, str(path), seed=seed, swmr=swmr, end=str(self._end))
        module = "tests.crash.writer"
        super().__init__(*([through, module] if through else [module]), request.text())
        self.hear()

    @property
    def round(self) -> int:
        """The last round that it announced."""
        return int(self.last)

    def run_on(self, rounds: int) -> None:
        """Wait until it announced some more rounds."""
        goal = self.round + rounds
        until(lambda: self.round >= goal or not self.is_running, "the writer goes on")
        if not self.is_running:
            raise RuntimeError(f"the writer ended with code {self.wait()}: {self.errors}")

    def finish(self) -> int:
        """Have it close the file and end; return the last round that it announced."""
        self._end.touch()
        if code := self.wait():
            raise RuntimeError(f"the writer ended with code {code}: {self.errors}")
        return self.round


def until(condition: Callable[[], Any], what: str, limit: float = TIME_LIMIT) -> Any:
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + limit
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit:.0f} s in vain: {what}")
        time.sleep(0.002)
    return found
