"""Run a torture in a process of its own, so that it may hang or crash, and clean up behind it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.small_disk import unmount_all
from tests.torture.family import Family, words
from tests.torture.finding import Finding

__all__ = ["run_line"]

_ROOT = Path(__file__).parents[2]
_GRACE = 120.0
"""Seconds beyond three times its own that a torture may take before it counts as hung."""
_INTERRUPTED_SECONDS = 15.0
_LEFT_SECONDS = 3.0


def run_line(
    module: str,
    seconds: float,
    seed: int,
    told: Callable[[Finding], None] = lambda _: None,
    grace: float = _GRACE,
) -> Finding:
    """Run one torture to its end.

    Parameters
    ----------
    module : str
        Full name of the module with ``NAME`` and ``run(course)``.
    seconds : float
        How long.
    seed : int
        Decides what is left to chance.
    told : callable
        Gets what there is so far, after every round.
    grace : float
        Seconds beyond three times `seconds` after which it counts as hung.

    Returns
    -------
    Finding
        Whatever became of it.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, with what there was so far as its argument. No process is left behind.
    """
    folder = Path(tempfile.mkdtemp(prefix="h5backends-torture-"))
    family = Family()
    try:
        line = _Line(module, seconds, seed, folder, family, told)
        try:
            line.wait(3 * seconds + grace)
        except KeyboardInterrupt:
            line.interrupt()
            raise KeyboardInterrupt(line.finding) from None
        finally:
            family.end()
            line.close()
    finally:
        family.end()
        unmount_all(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return line.finding


class _Line:
    """The process, and what it said last."""

    def __init__(
        self,
        module: str,
        seconds: float,
        seed: int,
        folder: Path,
        family: Family,
        told: Callable[[Finding], None],
    ) -> None:
        self.finding = Finding(module.rpartition(".")[2])
        self._family = family
        self._told = told
        self._start = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        work = folder / "work"
        work.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.line", module, str(seconds), str(seed), work],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=_ROOT,
            env={**os.environ, **family.environment},
            **_apart(),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for said in self._process.stdout:
            with contextlib.suppress(ValueError, TypeError):  # what a library prints
                self.finding = Finding.restore(said)
                self._told(self.finding)

    def wait(self, limit: float) -> None:
        """Wait until it ends, and note how it did."""
        try:
            code = self._process.wait(limit)
        except subprocess.TimeoutExpired:
            self.finding.seconds = time.monotonic() - self._start
            self.finding.problem(f"hung: it did not end within {limit:.0f} s")
            return
        left = [words(process) for process in self._family.left(_LEFT_SECONDS)]
        self._family.end()  # what is left would keep the listener waiting
        self._listener.join(_LEFT_SECONDS)
        if code:
            self.finding.problem(f"crashed: it ended with code {code}. {self._last_words()}")
        elif left:
            self.finding.problem(f"left behind: {', '.join(left)}")

    def interrupt(self) -> None:
        """Have it stop what it does, and wait until it has cleaned up, but not for ever."""
        with contextlib.suppress(OSError):
            windows = sys.platform == "win32"
            self._process.send_signal(signal.CTRL_BREAK_EVENT if windows else signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.wait(_INTERRUPTED_SECONDS)
        self._listener.join(1.0)

    def close(self) -> None:
        """Let go of it; it is dead by now."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEFT_SECONDS)
        self._listener.join(_LEFT_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])


def _apart() -> dict[str, object]:
    """Ctrl-C in the terminal is for the program that runs the tortures."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
