"""Programs of their own that rows need: what they say, and their end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Child", "child", "number"]

_TIME_LIMIT = 600.0
_END_SECONDS = 30.0
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""What ends a program; not every system has all of them."""


def number(module: str, *arguments: object, env: Mapping[str, str] | None = None) -> float:
    """Run a module in a process of its own and return the number that it prints last.

    Parameters
    ----------
    module : str
        Full name of the module, or ``-c`` with the code as the first argument.
    *arguments : object
        Its arguments.
    env : mapping, optional
        Its environment; as this process's without it.

    Raises
    ------
    RuntimeError
        It failed; the message ends with what it said.
    """
    how = ["-c"] if module == "-c" else ["-m", module]
    command = [sys.executable, *how, *map(str, arguments)]
    with _started(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as running:
        try:
            said, errors = running.communicate(timeout=_TIME_LIMIT)
        except BaseException:  # Ctrl-C too: nothing is left running
            running.kill()
            running.wait()
            raise
    words = said.split()
    if running.returncode or not words:
        last = errors.strip().splitlines()[-1:] or ["nothing"]
        raise RuntimeError(f"a process ended with code {running.returncode} and said: {last[0]}")
    return float(words[-1])


class Child:
    """A running module that is told what to do, line by line.

    Parameters
    ----------
    process : Popen
        With pipes for its input and output.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def hear(self) -> str:
        """Wait for the next line that it says.

        Raises
        ------
        RuntimeError
            It ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process that a row needs ended early")
        return line.strip()

    def tell(self, line: str) -> None:
        """Tell it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def child(module: str, *arguments: object | Path) -> Iterator[Child]:
    """Start a module; at the end its input is closed, and it is killed if that does not end it."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with _started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield Child(running)
            assert running.stdin is not None
            running.stdin.close()
            running.wait(_END_SECONDS)
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()


def _started(command: list[str], **how: Any) -> subprocess.Popen[str]:
    """Start a process; Ctrl-C and the like wait meanwhile, or they would leave it running."""
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in filter(None, (getattr(signal, name, None) for name in _ENDING)):
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, lambda which, _: came.append(which))
    try:
        running = subprocess.Popen[str](command, **how)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        with running:
            running.kill()
        signal.raise_signal(number)
    return running
