"""A journal put in between HDF5 and a file: a flush is in the file as a whole, or not at all.

While a file is tapped, HDF5 reads and writes it as always, with its own file driver, its locks and
its descriptor. Only what would change bytes of the last complete flush is held back in memory
(reads see it), and goes into the file when HDF5 says that a flush is over: first into the journal,
then into its place, then the journal is cleared. What lies behind the end of the last complete
flush is written at once, since nothing in the file refers to it yet.
See `docs/explanations/decisions/0011-journal.md`.
"""

from __future__ import annotations

import ctypes
import logging
import os
import weakref
from collections.abc import Callable
from ctypes import c_void_p, cast
from typing import TYPE_CHECKING

from h5backends.drivers._journal.guard import GUARD
from h5backends.drivers._journal.library import FileDriver
from h5backends.drivers._journal.pieces import Pieces
from h5backends.journal import JournalFile, sample
from h5backends.lifetime import divert

if TYPE_CHECKING:
    from h5backends.drivers._journal.hooks import Hooks

__all__ = ["Tap"]

_log = logging.getLogger(__name__)

_MOST_HELD = 32 * 2**20
"""With so many bytes held back it is time to flush."""
_LARGEST_RAW = 32 * 2**20
"""Values written in one go beyond this size, over values flushed before, are not held back."""
_RAW = 3
"""HDF5's word for values, as opposed to metadata."""
_ANY = 0
_PAGE = 4096
_ONE_SECTOR = 512
_EVERYTHING = 2**63
_FAILED = -1


class Tap:
    """The journal of one open file.

    Parameters
    ----------
    hooks : Hooks
        The functions of the library's file driver.
    driver : FileDriver
        The open file.
    path : str
        Its name.
    flush : bound method
        Has the library flush the file.

    Attributes
    ----------
    sync : bool
        Whether the next flush has to survive a power failure.
    paused : bool
        Whether a flush that HDF5 reports is not yet all that belongs together.
    full : bool
        Whether something could not be written, so that everything is held back.
    due : bool
        Whether the library has to flush: for something could not be written that nobody was told
        of yet, or too much is held back.
    guard : context manager
        As this object, but that one has to look at `due` oneself.
    writing : context manager
        As this object, for what brings rows: its end tells of a full disk.
    """

    __slots__ = (
        "_descriptor", "_failed", "_file", "_flush", "_hooks", "_journal", "_late", "_ordered",
        "_path", "_relieving", "_shrink", "due", "end", "full", "paused", "pieces", "sync",
        "writing",
    )  # fmt: skip

    def __init__(
        self,
        hooks: Hooks,
        driver: FileDriver,
        path: str,
        flush: Callable[[], None],
        new: bool,
    ) -> None:
        status = os.fstat(driver.descriptor)
        self.sync = False
        self.paused = False
        self.full = self.due = False
        self.writing = _Writing(self)
        self.end = 0 if new else status.st_size
        self.pieces = Pieces()
        self._hooks = hooks
        self._file = driver.file
        self._descriptor = driver.descriptor
        self._path = path
        self._flush = weakref.WeakMethod(flush)
        self._shrink = False
        self._failed = False
        self._relieving = False
        self._ordered = False
        self._late: list[tuple[int, int, bytes]] = []  # kind, place, bytes: in HDF5's order
        self._journal = JournalFile(path, (status.st_dev, status.st_ino))

    guard = GUARD

    # -- around the driver's work ---------------------------------------------------------------
    __enter__ = GUARD.enter

    def __exit__(self, *error: object) -> None:
        try:
            if self.pieces.nbytes > _MOST_HELD and error[0] is None and not self.full:
                self.relieve()
        finally:
            GUARD.leave()

    def relieve(self) -> None:
        """Have the library flush, unless it does so already."""
        flush = self._flush()
        if flush is None or self._relieving:
            return
        self._relieving = True
        try:
            with GUARD:
                flush()
        finally:
            self._relieving = False

    def let_readers_in(self) -> None:
        """Write everything at once and in HDF5's order from now on, for readers beside it.

        HDF5 orders its writes for them so that every moment is a good one, if each write is in
        the file as a whole. Linux ends one at the edge of a page when the program is killed: so
        what goes over such an edge is noted in the journal first.
        """
        if self.commit(0) >= 0:
            self._ordered = True
            self.end = _EVERYTHING

    def release(self) -> None:
        """Let the library write the file directly from now on.

        Not to be called within a ``with`` of this object.
        """
        if self._hooks.drop(self._file):
            done = self.commit(0)
            if done < 0:
                # What the library still writes would make a file look complete that is not.
                divert(self._descriptor)
            self._journal.remove() if done >= 0 else self._journal.leave()

    def forget(self) -> None:
        """Let go of everything, in a process that was forked off."""
        self.pieces.clear()
        self._late.clear()
        self.full = self.due = False
        self._journal.leave()

    # -- what HDF5 calls ------------------------------------------------------------------------
    def write(self, kind: int, access: int, place: int, size: int, memory: int) -> int:
        """Write, or hold back, what changes bytes of the last complete flush."""
        if self.full:
            return self.keep(kind, place, size, memory)
        if self._ordered:
            done = self._write_whole(kind, access, place, size, memory)
            return done if done >= 0 else self.keep(kind, place, size, memory)
        through = self._hooks.through
        beyond = place + size - self.end
        if beyond > 0:
            inside = size - beyond
            rest = memory + inside
            if through(self._file, kind, access, self.end, beyond, rest) < 0:
                self.keep(kind, self.end, beyond, rest)
            size = inside
        if kind == _RAW and size > _LARGEST_RAW and not self.full:
            self.pieces.cut(place, place + size)
            if through(self._file, kind, access, place, size, memory) >= 0:
                return 0
        self.pieces.put(place, ctypes.string_at(memory, size))
        if self.pieces.nbytes > _MOST_HELD:
            self.due = True
        return 0

    def keep(self, kind: int, place: int, size: int, memory: int) -> int:
        """Hold back what could not be written, or comes after such."""
        data = ctypes.string_at(memory, size)
        self.full = self.due = True
        if self._ordered:
            self._late.append((kind, place, data))
        self.pieces.put(place, data)
        return 0

    def truncate(self, access: int, closing: int) -> int:
        """Bring the file to the length that HDF5 wants, unless that cuts off flushed bytes."""
        own = self._hooks.own
        if not self._ordered and own["get_eoa"](self._file, _ANY) < self.end:
            self._shrink = True
            return 0
        return int(own["truncate"](self._file, access, closing))

    def commit(self, access: int) -> int:
        """Take what is held back into the file: a flush is over."""
        own = self._hooks.own
        if self.paused:
            return 0
        self.due = False
        if self._ordered:
            return self._catch_up(access)
        if self.full and not self._write_behind(access):
            return _FAILED
        if self.pieces or self._shrink:
            noted = not self._is_atomic() and self._note()
            for place, data in self.pieces:
                if own["write"](self._file, _ANY, access, place, len(data), data) < 0:
                    return _FAILED  # the journal stays, and the next flush tries again
            if self._shrink and own["truncate"](self._file, access, 0) < 0:
                return _FAILED
            self._shrink = False
            self.pieces.clear()
            if noted:
                self._clear()
        self.full = False
        self.end = own["get_eof"](self._file, _ANY)
        return 0

    def _write_behind(self, access: int) -> bool:
        """Write what is held back behind the end of the last flush; tell whether all could be."""
        write = self._hooks.own["write"]
        for place, data in list(self.pieces):
            first = max(place, self.end)
            part = data[first - place :]
            if part:
                if write(self._file, _ANY, access, first, len(part), part) < 0:
                    return False
                self.pieces.cut(first, first + len(part))
        return True

    def _catch_up(self, access: int) -> int:
        """Write in HDF5's order what is held back."""
        late, self._late = self._late, []
        self.pieces.clear()
        self.full = False
        for number, (kind, place, data) in enumerate(late):
            memory = ctypes.create_string_buffer(data, len(data))
            size, address = len(data), ctypes.addressof(memory)
            if self._write_whole(kind, access, place, size, address) < 0:
                for rest in late[number:]:
                    self.pieces.put(*rest[1:])
                self._late, self.full = late[number:], True
                return _FAILED
        return 0

    def close(self, access: int = 0) -> int:
        """Take everything into the file and close it."""
        done = self.commit(access)
        self._hooks.drop(self._file)
        closed = int(self._hooks.own["close"](self._file))
        self._journal.remove() if done >= 0 else self._journal.leave()
        return min(done, closed)

    def _write_whole(self, kind: int, access: int, place: int, size: int, memory: int) -> int:
        noted = False
        if kind != _RAW and place // _PAGE != (place + size - 1) // _PAGE:
            self.pieces.put(place, ctypes.string_at(memory, size))
            noted = self._note()
            self.pieces.clear()
        done = self._hooks.through(self._file, kind, access, place, size, memory)
        if noted and done >= 0:
            self._clear()
        return done

    # -- the journal ----------------------------------------------------------------------------
    def _is_atomic(self) -> bool:
        """Tell whether it is one small piece, which the system writes as a whole."""
        if self._shrink or len(self.pieces) != 1:
            return False
        ((place, data),) = self.pieces
        return len(data) <= _ONE_SECTOR and place // _PAGE == (place + len(data) - 1) // _PAGE

    def _note(self) -> bool:
        """Write the journal; return whether it could be written."""
        pieces = list(self.pieces)
        own = self._hooks.own
        there = own["get_eof"](self._file, _ANY)
        end = min(self.end, there, own["get_eoa"](self._file, _ANY))
        try:
            if self.sync:
                os.fsync(self._descriptor)  # what the pieces refer to
            self._journal.write(pieces, end, sample(self._read, end, pieces), self.sync)
            self._failed = False
            return True
        except OSError as exc:
            if not self._failed:
                _log.warning(
                    "%s: no journal can be written (%s): if this program is killed within a "
                    "flush, rows flushed before can be lost",
                    self._path,
                    exc,
                )
            self._failed = True
            self._clear()
            return False

    def _clear(self) -> None:
        try:
            if self.sync:
                os.fsync(self._descriptor)
            self._journal.clear()
        except OSError as exc:
            _log.warning("%s: its journal cannot be cleared: %s", self._path, exc)
            self._journal.remove()

    def _read(self, place: int, size: int) -> bytes:
        room = ctypes.create_string_buffer(size)
        self._hooks.own["read"](self._file, _ANY, 0, place, size, cast(room, c_void_p))
        return room.raw


class _Writing:
    """What a driver is in while its library takes rows.

    The library was not told of what could not be written: the flush at the end tells the caller.
    """

    __slots__ = ("_tap",)

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    __enter__ = GUARD.enter

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if self._tap.due and kind is None:
                self._tap.relieve()
        finally:
            GUARD.leave()
