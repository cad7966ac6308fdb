"""Keep what an HSDS has acknowledged until it has stored it, and give it again if it forgot.

HSDS answers a write as soon as the data stand in the memory of one of its nodes, and stores them
when they have rested for a second. A server that is stopped, even in good order, forgets what it
has not stored. And data that do not rest are not stored: with its default settings a dataset that
grows more often than once a second stays in memory, and so does its last chunk, however long the
recording lasts; the call that waits for storage counts them as done.

So everything that changes the file is kept here too, in a form that can be sent again without
harm, until the server has been seen to store it: a wait for storage began after the change, ended
well, nothing touched the same object meanwhile, and the server is the same as before. When it is
not, all that is kept is sent again, in order.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from h5backends.drivers._hsds.absence import ABSENCES
from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Away, Connection, Refused
from h5backends.drivers._hsds.kept import Kept, Note
from h5backends.drivers._hsds.others import interference, lengths
from h5backends.drivers._hsds.replay import give_again
from h5backends.errors import H5Error, RemoteError

__all__ = ["KEPT_BYTES", "Retention"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

KEPT_BYTES = 128 * 1024 * 1024
"""Beyond this the server is waited for. Its nodes hold no more than that unstored either."""
TEND_SECONDS = 2.0
"""Time between two waits for storage in the background, while something is kept."""
_RESTART_SECONDS = 0.25
"""A server that answered this recently cannot have been restarted since."""
_FAILURES = 3
"""How often a server may fail (status 500) at one request, as it does while a node is away."""
_ROUNDS = 5


class Retention:
    """All that one open file keeps, and the requests that need it.

    Parameters
    ----------
    http, aside : Connection
        Two ways to the server: for the caller and for the background.
    lock : RLock
        The file's lock; held by every caller, taken by the background.
    patience : float
        Seconds to keep trying while the server is away, those included that another file of this
        program has waited for it just before.
    limit : int
        Bytes to keep at most before waiting for the server.
    """

    def __init__(
        self,
        http: Connection,
        aside: Connection,
        lock: Any,
        patience: float,
        limit: int,
    ) -> None:
        self._http = http
        self._aside = aside
        self._lock = lock
        self._patience = patience
        self._limit = limit
        self._clock = 0
        self._mark = 0  # the time at which the present wait for storage began
        self._round = 0  # counts these waits
        self._notes: dict[tuple[str, str], Note] = {}
        self._arrays: dict[str, Kept] = {}
        self._touched: set[str] = set()
        self._unstored: set[str] = set()  # ids of arrays
        self._bytes = 0
        self._epoch: tuple[tuple[str, ...], Any] | None = None
        self._nodes: tuple[str, ...] = ()
        self._suspect = True  # whether the server may be another one
        self._down = False  # whether patience ran out already
        self._tender: threading.Thread | None = None
        self._end = threading.Event()

    # -- requests -------------------------------------------------------------------------------
    def run(self, operation: Callable[[], _T], changes: bool = False) -> _T:
        """Make requests that may be repeated; wait for a server that is away.

        Parameters
        ----------
        operation : callable
            Is called again if the outcome of the last call is open.
        changes : bool
            Whether it changes the file: then the server must be known.

        Raises
        ------
        Away, Refused
            The server stayed away, or refuses.
        RemoteError
            What the server forgot cannot be given to it again.
        """
        with self._lock:
            return self._run(operation, changes)

    def _run(self, operation: Callable[[], _T], changes: bool) -> _T:
        started = time.monotonic()
        pause, failures = 0.05, 0
        while True:
            try:
                if changes or self.pending:
                    self._meet()
                result = operation()
            except (Away, Refused) as exc:
                if isinstance(exc, Refused):
                    failures += 1
                    if not exc.failed or failures > _FAILURES:
                        raise
                self._suspect = True
                started = min(started, ABSENCES.missed(self._http.endpoint, self._patience))
                if self._down or time.monotonic() - started > self._patience:
                    # Whoever tries again later must not wait as long every time.
                    self._down = True
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
            else:
                self._down = False
                ABSENCES.answered(self._http.endpoint)
                return result

    def _meet(self) -> None:
        """Make sure that the server is the one that acknowledged what is kept."""
        quiet = time.monotonic() - self._http.last_answer > _RESTART_SECONDS
        if self._suspect or quiet:
            self._suspect = True  # until all is well again
            epoch = self._http.epoch()
            if epoch != self._epoch:
                self._replay()
                self._epoch, self._nodes = epoch, epoch[0]
            self._suspect = False

    # -- keeping --------------------------------------------------------------------------------
    @property
    def pending(self) -> bool:
        """Whether there is anything that the server may not have stored."""
        return bool(self._notes or self._unstored)

    @property
    def kept_bytes(self) -> int:
        """Bytes of array data kept now."""
        return self._bytes

    def keep_change(
        self, target: str, key: str, what: str, redo: Callable[[Connection], None]
    ) -> None:
        """Keep a change of structure or attributes.

        Parameters
        ----------
        target : str
            Id of the object on the server that holds it.
        key : str
            What it is about: a later change of the same takes its place.
        what : str
            For the message, should it be lost.
        redo : callable
            Makes it again; makes no difference where it is made already.
        """
        with self._lock:
            self._notes.pop((target, key), None)
            self._notes[target, key] = Note(self._tick(), target, redo, what)
            self._touched.add(target)

    def keep_rows(self, array: Array, start: int, stop: int, data: bytes) -> None:
        """Keep rows that were appended."""
        with self._lock:
            self._kept(array).append(self._tick(), start, stop, data)
            self._bytes += len(data)
            self.keep_length(array)

    def keep_box(self, array: Array, box: str, rows: slice, data: bytes) -> None:
        """Keep values that were written into a box; `rows` is its part along the first axis."""
        with self._lock:
            self._kept(array).write(self._tick(), box, rows.start, rows.stop, data)
            self._bytes += len(data)

    def keep_length(self, array: Array) -> None:
        """Keep the length of an array."""
        with self._lock:
            self._kept(array).length_time = self._tick()
            self._touched.add(array.id)

    def before_shortening(self, array: Array, length: int) -> None:
        """Make sure that nothing is kept that could not be written again afterwards."""
        with self._lock:
            kept = self._arrays.get(array.id)
            boxes = [rows for rows in kept.rows if rows.select is not None] if kept else []
            if any(rows.stop > length for rows in boxes):
                self.store()
                self.forget(array.id)

    def shorten(self, array: Array, longest: int) -> None:
        """Take note that an array was made shorter than `longest`."""
        with self._lock:
            self._kept(array).shorten(array.length or 0, longest)
            self.keep_length(array)
            self._count()

    def hold_tail(self, array: Array) -> None:
        """Keep the rows that share a chunk with the next ones; they may be from long ago."""
        length = array.length or 0
        start = length - length % array.chunk_rows
        if start == length:
            return
        with self._lock:
            kept = self._arrays.get(array.id) or Kept(array)
            if kept.holds(start):
                return
            url, params = f"/datasets/{array.id}/value", {"select": kept.span(start, length)}
            data = self.run(lambda: self._http.get_bytes(url, params), changes=True)
            self.keep_rows(array, start, length, data)

    def forget(self, array_id: str) -> None:
        """Let go of an array that was removed, or is stored."""
        with self._lock:
            self._arrays.pop(array_id, None)
            self._unstored.discard(array_id)
            self._count()

    def make_room(self, size: int) -> None:
        """Wait for the server if keeping `size` more bytes would be too much."""
        with self._lock:
            if self._bytes and self._bytes + size > self._limit:
                self.store()
                if self._bytes + size > self._limit:
                    self._arrays.clear()  # what is left is stored
                    self._bytes = 0

    def what(self) -> str:
        """Say what is kept, for an error message."""
        items = [kept.what for kept in self._arrays.values() if kept.unstored]
        items += [note.what for note in self._notes.values()]
        shown = ", ".join(items[:10])
        return shown + (f" and {len(items) - 10} more" if len(items) > 10 else "")

    def _kept(self, array: Array) -> Kept:
        self._unstored.add(array.id)
        kept = self._arrays.get(array.id)
        if kept is None:
            kept = self._arrays[array.id] = Kept(array)
        return kept

    def _tick(self) -> int:
        self._clock += 1
        if self._tender is None and not self._end.is_set():
            self._tender = threading.Thread(
                target=_tend, args=(weakref.ref(self), self._end), name="HSDS storage", daemon=True
            )
            self._tender.start()
        return self._clock

    def _count(self) -> None:
        self._bytes = sum(kept.size for kept in self._arrays.values())

    # -- storage --------------------------------------------------------------------------------
    def store(self) -> None:
        """Return when the server has stored everything; the lock is held, so nothing moves.

        Raises
        ------
        Away, Refused, RemoteError
            It could not be stored; it is kept.
        """
        with self._lock:
            for _ in range(_ROUNDS):
                if not self.pending:
                    return
                self._begin()
                nodes = self.run(self._http.flush)
                if self.run(self._http.epoch) != self._epoch:
                    self._suspect = True
                elif self.run(functools.partial(self._is_from, nodes)):
                    self._check_lengths(self.run(lambda: self._lengths(self._http)))
                    self._release()
            if self.pending:
                raise Away("it was restarted again and again while it should store data")

    def tend(self) -> bool:
        """Let go of what the server has stored; one round of the background's work.

        Returns
        -------
        bool
            Whether there may be more to do.
        """
        with self._lock:
            if self._end.is_set() or not self.pending:
                self._tender = None
                return False
            self._begin()
            this_round = self._round
        try:
            nodes = self._aside.flush()
            epoch = self._aside.epoch()
            found = self._lengths(self._aside)
        except (Away, Refused, H5Error) as exc:
            _log.debug("cannot wait for storage: %s", exc)
            self._suspect = True
            return True
        with self._lock, contextlib.suppress(Away, Refused):
            if self._end.is_set() or self._round != this_round:
                return True
            try:
                if epoch != self._epoch:
                    self._suspect = True
                    self._meet()
                elif self._is_from(nodes):
                    self._check_lengths(found)
                    self._release()
            except RemoteError as exc:
                self._suspect = True  # so that the next call that changes anything raises it
                _log.warning("%s", exc)
        return True

    def _is_from(self, nodes: tuple[str, ...]) -> bool:
        """Tell whether these nodes acknowledged what is kept; if not, give it to them again.

        The nodes know it before the service does, which asks them only now and then.
        """
        if not nodes or nodes == self._nodes:  # an old server does not say
            return True
        self._replay()
        self._nodes = nodes
        return False

    def _lengths(self, http: Connection) -> list[tuple[Array, int]]:
        kept = [self._arrays.get(array_id) for array_id in list(self._unstored)]
        return lengths(http, [item for item in kept if item is not None])

    def _check_lengths(self, found: list[tuple[Array, int]]) -> None:
        """Raise ``RemoteError`` if another program has interfered with an array."""
        for array, length in found:
            kept = self._arrays.get(array.id)
            error = interference(self._http, kept, length) if kept else None
            if error is not None:
                self.forget(array.id)
                raise error

    def stop(self) -> None:
        """End the background's work; what is kept is dropped."""
        self._end.set()
        tender = self._tender
        if tender is not None and tender is not threading.current_thread():
            tender.join(0.5)  # it may be waiting for the server; it will find the end by itself
        self._notes.clear()
        self._arrays.clear()
        self._unstored.clear()
        self._bytes = 0

    def abandon(self) -> None:
        """Stop in a process that was forked off: there is no background here, and no requests."""
        self._end.set()
        self._tender = None
        self._notes.clear()
        self._arrays.clear()
        self._unstored.clear()

    def _begin(self) -> None:
        self._round += 1
        self._mark = self._clock
        self._touched.clear()
        for kept in self._arrays.values():
            kept.begin()

    def _release(self) -> None:
        """Drop what was kept before the wait began and not touched since."""
        for key, note in list(self._notes.items()):
            if note.time <= self._mark and note.target not in self._touched:
                del self._notes[key]
        for array_id, kept in list(self._arrays.items()):
            kept.release(self._mark)
            stored = kept.length_time is not None and kept.length_time <= self._mark
            if stored and array_id not in self._touched:
                kept.length_time, kept.longest = None, 0
            if not kept.unstored:
                self._unstored.discard(array_id)
                if not kept.rows:
                    del self._arrays[array_id]
        self._count()

    def _replay(self) -> None:
        """Give everything that is kept to the server again."""
        if not self.pending:
            return
        domain = self._http.domain
        _log.warning("%s: the HSDS was restarted; sending again %s", domain, self.what())
        give_again(self._http, list(self._notes.values()), list(self._arrays.values()))
        for note in self._notes.values():
            note.time = self._tick()
        for kept in self._arrays.values():
            for rows in kept.rows:
                rows.time, rows.stored = self._tick(), False
            self.keep_length(kept.array)
        self._round += 1  # a wait that began before tells nothing about this


def _tend(reference: weakref.ref[Retention], end: threading.Event) -> None:
    """Look after a file's kept data until there are none, or the file is closed or gone."""
    while not end.wait(TEND_SECONDS):
        retention = reference()
        if retention is None or not retention.tend():
            return
        del retention
