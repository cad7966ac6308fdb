"""Our functions in the place of those of HDF5's file driver, for the files that have a journal."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, c_void_p, cast
from typing import Any

from h5backends.drivers._journal.guard import GUARD
from h5backends.drivers._journal.library import (
    SIGNATURES,
    FileDriver,
    find_file_driver,
    functions,
    replace,
)
from h5backends.drivers._journal.tap import Tap
from h5backends.journal import discard

__all__ = ["Hooks", "aside", "tap"]

_log = logging.getLogger(__name__)

_BULK = 2**16
"""Writing so many bytes may let other threads of the program run."""
_FAILED = -1


class Hooks:
    """The functions of an HDF5 library's file driver, its own and ours.

    Ours stand in the library's table as long as a file is tapped; for other files they only pass
    the call on.

    Parameters
    ----------
    driver : FileDriver
        The driver, as found from any open file.
    keep_lock : bool
        Whether the interpreter's lock is kept while the library writes.
    """

    __slots__ = ("_before", "_bulk", "_driver", "_ours", "_write", "own", "slots", "taps")

    def __init__(self, driver: FileDriver, keep_lock: bool) -> None:
        self.own: dict[str, Any] = dict(functions(driver, keep_lock=True))
        self._write = self.own["write"]
        self._bulk = self._write if keep_lock else dict(functions(driver, False))["write"]
        self._driver = driver
        self.slots = driver.slots
        self._before: dict[str, int] = {}
        self.taps: dict[int, Tap] = {}
        ours: dict[str, Callable[..., int]] = {
            "read": self._on_read,
            "write": self._make_on_write(),
            "flush": self._on_flush,
            "truncate": self._on_truncate,
            "close": self._on_close,
        }
        self._ours = {
            name: CFUNCTYPE(SIGNATURES[name][0], *SIGNATURES[name][1])(function)
            for name, function in ours.items()
        }
        GUARD.callbacks.update(function.__code__ for function in ours.values())

    def add(self, file: int, tap: Tap) -> None:
        """Have the calls for a file go to its tap."""
        if not self.taps:
            self.put_in()
            GUARD.users += 1
            GUARD.watch()
        self.taps[file] = tap

    def drop(self, file: int) -> bool:
        """Have the calls for a file go to the library again; return whether they did not."""
        known = self.taps.pop(file, None) is not None
        if known and not self.taps:
            self._end()
        return known

    def forget(self) -> None:
        """Undo everything, in a process that was forked off."""
        for each in self.taps.values():
            each.forget()
        if self.taps:
            self.taps.clear()
            self._end()

    def _end(self) -> None:
        self.take_out()
        GUARD.users -= 1

    def put_in(self) -> None:
        """Put ours into the library's table."""
        for name, function in self._ours.items():
            address = cast(function, c_void_p).value or 0
            self._before[name] = replace(self._driver, name, address)

    def take_out(self) -> None:
        """Put the library's own functions back into its table."""
        for name, address in self._before.items():
            replace(self._driver, name, address)

    def through(
        self, file: int, kind: int, access: int, place: int, size: int, memory: int
    ) -> int:
        """Write directly."""
        write = self._write if size < _BULK else self._bulk
        return int(write(file, kind, access, place, size, memory))

    # -- what stands in the table: nothing may be raised here -------------------------------------
    def _make_on_write(self) -> Callable[..., int]:
        """Make what takes the place of `write`.

        Each frame comes by, after its copy has driven everything else out of the processor's
        cache: so it has at hand what it needs, and passes on the arguments as they are.
        """
        own, bulk = self._write, self._bulk

        def on_write(*call: int) -> int:
            if not GUARD.inside_main:
                GUARD.watch()
            file, kind, _, place, size, memory = call
            found = self.taps.get(file)
            if found is None or (place >= found.end and not found.full):
                done: int = (own if size < _BULK else bulk)(*call)
                if done < 0 and found is not None:
                    return _safely(found.keep, kind, place, size, memory)
                return done
            return _safely(found.write, *call[1:])

        return on_write

    def _on_read(
        self, file: int, kind: int, access: int, place: int, size: int, memory: int
    ) -> int:
        done = int(self.own["read"](file, kind, access, place, size, memory))
        found = self.taps.get(file)
        if done >= 0 and found is not None and found.pieces and (place < found.end or found.full):
            return _safely(found.pieces.lay_over, place, size, memory)
        return done

    def _on_flush(self, file: int, access: int, closing: int) -> int:
        found = self.taps.get(file)
        return 0 if found is None else _safely(found.commit, access)

    def _on_truncate(self, file: int, access: int, closing: int) -> int:
        found = self.taps.get(file)
        if found is None:
            return int(self.own["truncate"](file, access, closing))
        return _safely(found.truncate, access, closing)

    def _on_close(self, file: int) -> int:
        found = self.taps.get(file)
        if found is None:
            return int(self.own["close"](file))
        done = _safely(found.close)
        if not GUARD.users and not GUARD.inside_main:
            GUARD.give_back()
        return done


def _safely(work: Callable[..., int | None], *arguments: int) -> int:
    try:
        return work(*arguments) or 0
    except Exception as exc:  # noqa: BLE001 - HDF5 cannot be given one
        _log.critical("the journal of a file failed: %r", exc, exc_info=exc)
        return _FAILED


_libraries: dict[int, Hooks] = {}
"""Address of a library's table -> its functions."""
_warned: set[str] = set()


def tap(
    extension: str,
    file_id: int,
    path: str,
    flush: Callable[[], None],
    keep_lock: bool,
    new: bool = False,
) -> Tap | None:
    """Put a journal in between HDF5 and a file that was just opened for writing.

    Parameters
    ----------
    extension, file_id
        See :func:`find_file_driver`.
    path : str
        Name of the file.
    flush : bound method
        Has the library flush the file.
    keep_lock : bool
        Whether the library is used with the interpreter's lock alone, which must then be kept.
    new : bool
        Whether the file was made just now, so that nothing in it has to be kept.

    Returns
    -------
    Tap or None
        None where that is not possible; the file is then as safe as the library makes it.
    """
    known = {table: hooks.slots for table, hooks in _libraries.items()}
    driver = find_file_driver(extension, file_id, path, known)
    own = None if driver is None else _libraries.get(driver.table)
    if driver is not None and own is not None and driver.file in own.taps:
        return own.taps[driver.file]  # the library has it open already
    discard(path)  # one that fits would have kept the file from being opened
    if driver is None:
        if extension not in _warned:
            _warned.add(extension)
            _log.warning(
                "%s: written without a journal, for the file driver of this HDF5 library is not "
                "known: if this program is killed within a flush, rows flushed before can be lost",
                path,
            )
        return None
    if own is None:
        own = _libraries[driver.table] = Hooks(driver, keep_lock)
    made = Tap(own, driver, path, flush, new)
    own.add(driver.file, made)
    return made


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Have the libraries work without us, for measuring what they cost alone.

    No file that has a journal may be touched meanwhile, by no thread.
    """
    out = [own for own in _libraries.values() if own.taps]
    for own in out:
        own.take_out()
    try:
        yield
    finally:
        for own in out:
            own.put_in()


def _release_all() -> None:
    """At interpreter exit: the library may yet write, when no Python can be called any more."""
    for own in _libraries.values():
        for each in list(own.taps.values()):
            each.release()


def _forget_all() -> None:
    for own in _libraries.values():
        own.forget()
    GUARD.forget()


atexit.register(_release_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
