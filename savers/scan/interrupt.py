"""Ctrl-C between two points and never within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Shield"]


class Shield:
    """While it is entered, Ctrl-C waits until it is left.

    What happens then is what would have happened without it: ``KeyboardInterrupt``, or a handler
    of the program's own. Other threads than the main one never see Ctrl-C and pass freely.
    """

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._before: Any = None
        self._depth = 0
        self._waiting = False
        self._passing = False

    def put_up(self) -> None:
        """Begin to look after Ctrl-C: once per scan, for it costs more than a point does."""
        before = signal.getsignal(signal.SIGINT)
        if threading.get_ident() == self._main and callable(before) and self._before is None:
            self._before = before
            signal.signal(signal.SIGINT, self._handle)

    def take_down(self) -> None:
        """Leave Ctrl-C to whoever had it before."""
        # Not if somebody has put another handler around this one meanwhile, except for what the
        # drivers put around any handler as long as a file is recorded.
        now = signal.getsignal(signal.SIGINT)
        if self._before is not None and getattr(now, "__wrapped__", now) == self._handle:
            signal.signal(signal.SIGINT, self._before)
        self._let_through()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._waiting = True
            return
        if self._passing:  # the handler before leads back here
            raise KeyboardInterrupt
        self._passing = True
        try:
            self._before(number, frame)
        finally:
            self._passing = False

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *error: object) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            self._let_through()

    def _let_through(self) -> None:
        if self._waiting and not self._depth:
            self._waiting = False
            self._handle(signal.SIGINT, None)
