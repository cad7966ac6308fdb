"""Nothing may come between while HDF5 is at work and calls back into Python.

An interrupt from the keyboard, handled at the first line of such a call, would make the call fail
unseen; the garbage collector could close HDF5 objects in the middle of a flush. Both wait while a
driver is inside its library.
"""

from __future__ import annotations

import _thread
import gc
import importlib
import signal
import threading
import time
from types import FrameType
from typing import Any

__all__ = ["GUARD"]

_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGTERM", "SIGHUP", "SIGALRM", "SIGBREAK", "SIGINT")
    if hasattr(signal, name)
)
"""That of the keyboard last, see `_Guard._let_go`."""
_CALLS_LOOKED_AT = 20
_WATCHED = 8
"""Handlers that are kept beside the first one, of programs that change them again and again."""
_LATER = 0.002
"""Seconds, after which HDF5 has probably got what it called for."""

try:
    # Without the enumerations that the module signal makes of everything: twenty times as fast.
    _fast: Any = importlib.import_module("_signal")
except ImportError:
    _fast = signal
_get_handler, _set_handler = _fast.getsignal, _fast.signal


class _Guard:
    """The one guard of this process.

    Attributes
    ----------
    callbacks : set of code objects
        The functions that HDF5 calls.
    inside_main : int
        How often the main thread entered, and did not leave yet.
    """

    def __init__(self) -> None:
        self.callbacks: set[Any] = set()
        self._main = threading.main_thread().ident
        self._lock = threading.Lock()
        self._inside = 0
        self.inside_main = 0
        self._collecting = False
        self._handlers: dict[Any, Any] = {}
        self._waiting: set[signal.Signals] = set()
        self._watched: list[Any] = []
        self._call: Any = None
        self._passed = 0

    def enter(self) -> None:
        """Begin: until `leave`, signals wait and nothing is collected."""
        if _thread.get_ident() == self._main:
            if not self.inside_main:
                self._hold_signals()
            self.inside_main += 1
        with self._lock:
            if not self._inside:
                self._collecting = gc.isenabled()
                gc.disable()
            self._inside += 1

    def leave(self) -> None:
        """End; what waited is handled at the next opportunity."""
        with self._lock:
            self._inside -= 1
            if not self._inside and self._collecting:
                gc.enable()
        if _thread.get_ident() == self._main:
            self.inside_main -= 1
            if not self.inside_main:
                self._let_go()

    def forget(self) -> None:
        """Begin anew in a process that was forked off, by whichever thread."""
        inside, self._inside = self._inside, 0
        self._lock = threading.Lock()
        self._main = threading.main_thread().ident
        if inside and self._collecting:
            gc.enable()
        self.inside_main = 0
        self._let_go()

    # -- signals --------------------------------------------------------------------------------
    def _hold_signals(self) -> None:
        try:
            for number in _SIGNALS:
                handler = _get_handler(number)
                if handler.__class__ is not int and handler is not None:
                    self._handlers[number] = handler
                    _set_handler(number, self._wait)
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        handlers, self._handlers = self._handlers, {}
        try:
            for number, handler in handlers.items():
                _set_handler(number, handler)  # with the last one, an interrupt may be raised
        finally:
            if self._waiting:
                waiting, self._waiting = self._waiting, set()
                for number in waiting:
                    _thread.interrupt_main(number)

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._waiting.add(signal.Signals(number))

    # -- for those who use the library's own objects --------------------------------------------
    def watch(self) -> None:
        """From now on keep interrupts from the keyboard out of what HDF5 calls.

        To be called by what HDF5 calls. Only needed in the main thread, others never get any, at
        work with the library's own objects, outside `enter` and `leave`.
        """
        if _thread.get_ident() != self._main:
            return
        handler = _get_handler(signal.SIGINT)
        if callable(handler) and handler != self._outside_callbacks:
            # Whoever put a handler around ours calls it again: each call goes one handler back.
            if handler in self._watched:  # put back, and with it what was before it
                del self._watched[self._watched.index(handler) :]
            self._watched = [*self._watched[:1], *self._watched[1:][-_WATCHED:], handler]
            # A single one directly: at once, for the next interrupt may be on its way.
            self._call = handler if len(self._watched) == 1 else self._one_back
            _set_handler(signal.SIGINT, self._outside_callbacks)

    def _once_more(self) -> None:
        time.sleep(_LATER)
        _thread.interrupt_main(signal.SIGINT)

    def _outside_callbacks(self, number: int, frame: FrameType | None) -> None:
        at = frame
        for _ in range(_CALLS_LOOKED_AT):
            if at is None:
                break
            if at.f_code in self.callbacks:
                _thread.start_new_thread(self._once_more, ())
                return
            at = at.f_back
        self._call(number, frame)

    def _one_back(self, number: int, frame: FrameType | None) -> None:
        """Call the last handler; within it, the one before that; and so on to the first."""
        passed, self._passed = self._passed, self._passed + 1
        try:
            self._watched[max(0, len(self._watched) - 1 - passed)](number, frame)
        finally:
            self._passed = passed


GUARD = _Guard()
