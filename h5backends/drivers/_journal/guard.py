"""Nothing may come between while HDF5 is at work and calls back into Python.

An interrupt from the keyboard, handled at the first line of such a call, would make the call fail
unseen; the garbage collector could close HDF5 objects in the middle of a flush. Both wait while a
driver is inside its library.

The program's signal handlers stay where they are as long as nothing is recorded. While a file is,
each has a `_Seen` around it, put there once rather than at every call.
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
_CALLS_LOOKED_AT = 20
_LATER = 0.002
"""Seconds, after which HDF5 has probably got what it called for."""

try:
    # Without the enumerations that the module signal makes of everything: twenty times as fast.
    _fast: Any = importlib.import_module("_signal")
except ImportError:
    _fast = signal
_get_handler, _set_handler = _fast.getsignal, _fast.signal
_get_ident = _thread.get_ident
_collects, _collect_not, _collect = gc.isenabled, gc.disable, gc.enable


class _Seen:
    """A handler of the program's, called when nothing can be harmed by what it raises.

    One that the program puts around this one, or puts back later, works as it would without.
    """

    __slots__ = ("__wrapped__", "_guard")

    def __init__(self, handler: Any, guard: _Guard) -> None:
        self.__wrapped__ = handler
        self._guard = guard

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._guard.puts_off(number, frame):
            self.__wrapped__(number, frame)


class _Guard:
    """The one guard of this process.

    Attributes
    ----------
    callbacks : set of code objects
        The functions that HDF5 calls.
    inside_main : int
        How often the main thread entered, and did not leave yet.
    users : int
        How many libraries have files that are recorded to; without any, the program gets its
        handlers back.
    """

    __slots__ = (
        "_collecting", "_found", "_inside", "_lock", "_main", "_put", "_waiting",
        "callbacks", "inside_main", "users",
    )  # fmt: skip

    def __init__(self) -> None:
        self.callbacks: set[Any] = set()
        self.inside_main = 0
        self.users = 0
        self._main = threading.main_thread().ident
        self._lock = threading.Lock()
        self._inside = 0
        self._collecting = False
        self._put: dict[int, _Seen] = {}
        self._found: list[Any] = []
        self._waiting: set[int] = set()

    def enter(self) -> None:
        """Begin: until `leave`, signals wait and nothing is collected."""
        if _get_ident() == self._main:
            if list(map(_get_handler, _SIGNALS)) != self._found:
                self._look_after_handlers()
            self.inside_main += 1
        with self._lock:
            if not self._inside:
                self._collecting = _collects()
                _collect_not()
            self._inside += 1

    def leave(self, *_: object) -> None:
        """End; what waited is handled at the next opportunity."""
        with self._lock:
            self._inside -= 1
            if not self._inside and self._collecting:
                _collect()
        if _get_ident() == self._main:
            self.inside_main -= 1
            if not self.inside_main:
                if not self.users:
                    self.give_back()
                if self._waiting:
                    self._let_go()

    __enter__, __exit__ = enter, leave

    def forget(self) -> None:
        """Begin anew in a process that was forked off, by whichever thread."""
        inside, self._inside = self._inside, 0
        self._lock = threading.Lock()
        self._main = threading.main_thread().ident
        if inside and self._collecting:
            gc.enable()
        self.inside_main = self.users = 0
        self.give_back()
        self._let_go()

    def watch(self) -> None:
        """From now on keep signals out of what HDF5 calls, also outside `enter` and `leave`.

        To be called by what HDF5 calls: programs may use the library's own objects. Only the
        main thread ever gets signals.
        """
        if _get_ident() == self._main and list(map(_get_handler, _SIGNALS)) != self._found:
            self._look_after_handlers()

    def give_back(self) -> None:
        """Put the program's handlers back, where they are ours to put back."""
        if _get_ident() != self._main:
            return
        put, self._put = self._put, {}
        self._found = []
        for number, seen in put.items():
            if _get_handler(number) is seen:  # else the program put another one around it
                _set_handler(number, seen.__wrapped__)

    def puts_off(self, number: int, frame: FrameType | None) -> bool:
        """Tell whether a signal has to wait, and see to it that it comes again."""
        if self.inside_main:
            self._waiting.add(number)
            return True
        for _ in range(_CALLS_LOOKED_AT):
            if frame is None:
                break
            if frame.f_code in self.callbacks:
                _thread.start_new_thread(_once_more, (number,))
                return True
            frame = frame.f_back
        return False

    def _look_after_handlers(self) -> None:
        """Put one around each that is new: programs change their handlers at any time."""
        for number in _SIGNALS:
            handler = _get_handler(number)
            # The rest of them is none of Python's, or nothing at all.
            if callable(handler) and not isinstance(handler, _Seen):
                self._put[number] = seen = _Seen(handler, self)
                _set_handler(number, seen)
        self._found = list(map(_get_handler, _SIGNALS))

    def _let_go(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for number in waiting:
            _thread.interrupt_main(signal.Signals(number))


def _once_more(number: int) -> None:
    time.sleep(_LATER)
    _thread.interrupt_main(signal.Signals(number))


GUARD = _Guard()
