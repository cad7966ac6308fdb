"""What all commands share: exit codes, messages, signals that ask to stop, units for people."""

from __future__ import annotations

import codecs
import contextlib
import logging
import math
import signal
import sys
import time
from collections.abc import Iterator
from enum import IntEnum
from types import FrameType
from typing import Any

from rich.console import Console

from h5backends.errors import FileBusyError, FileCrashedError, H5Error
from h5backends.file_text import readable

__all__ = [
    "REPLACEMENT",
    "Exit",
    "Stop",
    "complain",
    "counted",
    "duration",
    "ended_like_ctrl_c",
    "err",
    "note",
    "out",
    "quantity",
    "show_warnings",
]

REPLACEMENT = "h5backends.replacement"
"""How streams write what they cannot, for their ``errors``."""


def _replacement(exc: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    text = readable(exc.object[exc.start : exc.end])
    return text.encode(exc.encoding, "replace"), exc.end


codecs.register_error(REPLACEMENT, _replacement)

out = Console(highlight=False)
"""For what a command is asked for."""
err = Console(stderr=True, highlight=False)
"""For everything beside: notes, progress, warnings, errors."""

_SLICE = 0.1
_PREFIXES = ("", "k", "M", "G", "T", "P")
_REPEAT = 10.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILURE = 1
    """The command could not do what it was asked for; the message says why."""
    USAGE = 2
    """The arguments make no sense."""
    CRASHED = 3
    """The program that wrote the file died before closing it."""
    TIMEOUT = 4
    """Nothing came within the time given."""
    DAMAGED = 5
    """The file is damaged, and mending its header would not help."""
    BUSY = 6
    """Another program is writing the file, or has it open."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C; other signals give 128 plus their number."""


class Stop:
    """Asks to stop: Ctrl-C, SIGTERM, a closed terminal. Use it as a context manager.

    A first signal only sets :attr:`number`, so that the work in hand is finished and files are
    closed. From the third on, signals interrupt as usual: closing may wait for a dead server.

    Attributes
    ----------
    number : int
        The first signal that came; 0 so far none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._count = 0
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.number != 0

    def __enter__(self) -> Stop:
        for name in _NAMES:  # not every system has all of them
            number = getattr(signal, name, None)
            if number is None:
                continue
            # A program started with nohup wants to outlive its terminal.
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        self.number = self.number or number
        if self._count == 2:
            sys.stderr.write("\nclosing the file; once more gives up what is not saved yet\n")
        elif self._count > 2:
            raise KeyboardInterrupt

    def sleep_until(self, when: float) -> bool:
        """Sleep until a moment of the monotonic clock; False if asked to stop before.

        In slices, for on Windows not every signal wakes a sleeping program.
        """
        while not self:
            left = when - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _SLICE))
        return False

    @property
    def exit_code(self) -> int:
        """The code to leave with: 0, or 128 plus the number of the signal."""
        return 128 + self.number if self else Exit.OK


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Have whoever ends this program leave no files behind, and show what there is."""
    # Not every system has all of them.
    numbers = [getattr(signal, name) for name in _NAMES[1:] if hasattr(signal, name)]
    # A program started with nohup wants to outlive its terminal.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {n: signal.signal(n, signal.default_int_handler) for n in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def note(text: str) -> None:
    """Say something beside the results."""
    err.print(text, markup=False, soft_wrap=True)


def complain(error: H5Error) -> Exit:
    """Print an error in a form that can be read at a glance, and return its exit code."""
    err.print("Error:", style="bold red", end=" ")
    err.print(error.what, markup=False, soft_wrap=True)
    for label, text in (
        ("file", error.file),
        ("node", error.node),
        ("expected", error.expected),
        ("found", error.found),
        ("help", error.remedy),
    ):
        if text:
            err.print(f"  {label + ':':<10}", style="dim", end="")
            err.print(text, markup=False, soft_wrap=True)
    if isinstance(error, FileBusyError):
        return Exit.BUSY
    return Exit.CRASHED if isinstance(error, FileCrashedError) else Exit.FAILURE


class _Warnings(logging.Handler):
    """Shows warnings of this project, each at most every few seconds: many come once a point."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("h5backends", "savers")):
            return  # libraries also log what then reaches us as an error
        now = time.monotonic()
        if now - self._shown.get(record.msg, -math.inf) >= _REPEAT:
            self._shown[record.msg] = now
            note(f"Warning: {record.getMessage()}")


def show_warnings() -> None:
    """Show what the packages log, in the common style."""
    root = logging.getLogger()
    if not any(isinstance(handler, _Warnings) for handler in root.handlers):
        root.addHandler(_Warnings())


def quantity(value: float, units: str = "") -> str:
    """Write a number for people: bytes with their prefix, everything else with six digits."""
    if units not in {"byte", "B"} or not math.isfinite(value):
        return f"{value:.6g}"
    step = 0
    while abs(value) >= 1000 and step < len(_PREFIXES) - 1:
        value /= 1000
        step += 1
    return f"{value:.4g} {_PREFIXES[step]}B"


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Write a time for people."""
    if seconds < 1:
        return f"{1e3 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"
