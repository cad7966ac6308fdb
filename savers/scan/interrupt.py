"""Ctrl-C between two points and never within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Shield"]


class Shield:
    """While it is entered, Ctrl-C waits until it is left.

    Only where Ctrl-C would raise ``KeyboardInterrupt``: programs with a handler of their own, and
    other threads than the main one, are left alone.
    """

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._raised = False
        self._depth = 0
        self._waiting = False

    def raise_it(self) -> None:
        """Begin to look after Ctrl-C; once per scan, since it costs more than a point does."""
        if threading.get_ident() != self._main:
            return
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._raised = True

    def lower(self) -> None:
        """Leave Ctrl-C to Python again."""
        if self._raised and threading.get_ident() == self._main:
            self._raised = False
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._let_through()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._depth:
            raise KeyboardInterrupt
        self._waiting = True

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *error: Any) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            self._let_through()

    def _let_through(self) -> None:
        if self._waiting and not self._depth:
            self._waiting = False
            raise KeyboardInterrupt
