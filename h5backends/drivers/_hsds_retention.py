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
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from h5backends.drivers._hsds_array import Array
from h5backends.drivers._hsds_http import Away, Connection, Refused
from h5backends.drivers._hsds_types import shape_of
from h5backends.errors import H5Error, RemoteError

__all__ = ["Retention"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

KEPT_BYTES = 128 * 1024 * 1024
"""Beyond this the server is waited for. Its nodes hold no more than that unstored either."""
TEND_SECONDS = 2.0
"""Time between two waits for storage in the background, while something is kept."""
_RESTART_SECONDS = 0.25
"""A server that answered this recently cannot have been restarted since."""
_MERGE_BYTES = 64 * 1024
_FAILURES = 3
"""How often a server may fail (status 500) at one request, as it does while a node is away."""
_ROUNDS = 5


@dataclass(slots=True)
class _Note:
    """A change of structure or attributes."""

    time: int
    target: str
    redo: Callable[[Connection], None]
    what: str


@dataclass(slots=True)
class _Rows:
    """Values that were written: `first` and `last` are the chunk rows that hold them."""

    time: int
    first: int
    last: int
    select: str | None
    start: int
    stop: int
    data: bytearray
    appended: bool


class _Kept:
    """What is kept of one array."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.rows: list[_Rows] = []
        self.length_time: int | None = None
        self.longest = 0  # before it was made shorter
        self.hot: tuple[int, int] | None = None  # chunk rows touched since the wait began

    def touch(self, first: int, last: int) -> None:
        if self.hot is not None:
            first, last = min(first, self.hot[0]), max(last, self.hot[1])
        self.hot = (first, last)

    def is_hot(self, rows: _Rows) -> bool:
        return self.hot is not None and rows.first <= self.hot[1] and rows.last >= self.hot[0]

    def what(self) -> str:
        """Say what would be lost, for an error message."""
        if not self.rows:
            return f"the length of {self.array.path}"
        first = min(rows.start for rows in self.rows)
        last = max(rows.stop for rows in self.rows)
        return f"rows {first} to {last - 1} of {self.array.path}"


class Retention:
    """All that one open file keeps, and the requests that need it.

    Parameters
    ----------
    http, aside : Connection
        Two ways to the server: for the caller and for the background.
    lock : RLock
        The file's lock; held by every caller, taken by the background.
    patience : float
        Seconds to keep trying while the server is away.
    limit : int
        Bytes to keep at most before waiting for the server.
    """

    def __init__(
        self,
        http: Connection,
        aside: Connection,
        lock: Any,
        patience: float,
        limit: int = KEPT_BYTES,
    ) -> None:
        self._http = http
        self._aside = aside
        self._lock = lock
        self._patience = patience
        self._limit = limit
        self._clock = 0
        self._mark = 0  # the time at which the present wait for storage began
        self._round = 0  # counts these waits
        self._notes: dict[tuple[str, str], _Note] = {}
        self._arrays: dict[str, _Kept] = {}
        self._touched: set[str] = set()
        self._bytes = 0
        self._epoch: tuple[Any, ...] | None = None
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
                    if exc.status != 500 or failures > _FAILURES:
                        raise
                self._suspect = True
                if self._down or time.monotonic() - started > self._patience:
                    # Whoever tries again later must not wait as long every time.
                    self._down = True
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
            else:
                self._down = False
                return result

    def _meet(self) -> None:
        """Make sure that the server is the one that acknowledged what is kept."""
        quiet = time.monotonic() - self._http.last_answer > _RESTART_SECONDS
        if self._suspect or quiet:
            epoch = self._http.epoch()
            if epoch != self._epoch:
                self._replay()
                self._epoch = epoch
            self._suspect = False

    # -- keeping --------------------------------------------------------------------------------
    @property
    def pending(self) -> bool:
        """Whether there is anything that the server may not have stored."""
        return bool(self._notes or self._arrays)

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
        self._notes.pop((target, key), None)
        self._notes[target, key] = _Note(self._tick(), target, redo, what)
        self._touched.add(target)

    def keep_rows(self, array: Array, start: int, stop: int, data: bytes) -> None:
        """Keep rows that were appended."""
        kept = self._kept(array)
        first, last = start // array.chunk_rows, (stop - 1) // array.chunk_rows
        kept.touch(first, last)
        before = kept.rows[-1] if kept.rows else None
        self._bytes += len(data)
        if (
            before is not None
            and before.appended
            and before.stop == start
            and before.first == last
            and len(before.data) + len(data) <= _MERGE_BYTES
        ):
            before.data += data
            before.stop, before.time = stop, self._tick()
        else:
            rows = _Rows(
                self._tick(), first, last, None, start, stop, bytearray(data), appended=True
            )
            kept.rows.append(rows)
        self.keep_length(array)

    def keep_box(self, array: Array, select: str | None, rows: slice, data: bytes) -> None:
        """Keep values that were written into a box; `rows` is its part along the first axis."""
        kept = self._kept(array)
        first, last = rows.start // array.chunk_rows, (rows.stop - 1) // array.chunk_rows
        kept.touch(first, last)
        entry = _Rows(
            self._tick(), first, last, select, rows.start, rows.stop, bytearray(data), False
        )
        kept.rows.append(entry)
        self._bytes += len(data)

    def keep_length(self, array: Array) -> None:
        """Keep the length of an array."""
        kept = self._kept(array)
        kept.length_time = self._tick()
        self._touched.add(array.id)

    def before_shortening(self, array: Array, length: int) -> None:
        """Make sure that nothing is kept that could not be written again afterwards."""
        kept = self._arrays.get(array.id)
        if kept and any(rows.stop > length and not rows.appended for rows in kept.rows):
            self.store()

    def shorten(self, array: Array, longest: int) -> None:
        """Take note that an array was made shorter than `longest`."""
        kept = self._kept(array)
        kept.longest = max(kept.longest, longest)
        length = array.length or 0
        kept.rows = [rows for rows in kept.rows if rows.start < length]
        for rows in kept.rows:
            if rows.stop > length:
                del rows.data[(length - rows.start) * array.row_bytes :]
                rows.stop, rows.last = length, (length - 1) // array.chunk_rows
        kept.touch(length // array.chunk_rows, longest // array.chunk_rows)
        self._count()
        self.keep_length(array)

    def forget(self, array_id: str) -> None:
        """Let go of an array that was removed."""
        self._arrays.pop(array_id, None)
        self._count()

    def make_room(self, size: int) -> None:
        """Wait for the server if keeping `size` more bytes would be too much."""
        if self._bytes and self._bytes + size > self._limit:
            self.store()

    def what(self) -> str:
        """Say what is kept, for an error message."""
        items = [kept.what() for kept in self._arrays.values()]
        items += [note.what for note in self._notes.values()]
        shown = ", ".join(items[:10])
        return shown + (f" and {len(items) - 10} more" if len(items) > 10 else "")

    def _kept(self, array: Array) -> _Kept:
        kept = self._arrays.get(array.id)
        if kept is None:
            kept = self._arrays[array.id] = _Kept(array)
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
        self._bytes = sum(len(rows.data) for kept in self._arrays.values() for rows in kept.rows)

    # -- storage --------------------------------------------------------------------------------
    def store(self) -> None:
        """Return when the server has stored everything; the lock is held, so nothing moves.

        Raises
        ------
        Away, Refused, RemoteError
            It could not be stored; it is kept.
        """
        for _ in range(_ROUNDS):
            if not self.pending:
                return
            self._begin()
            self.run(self._http.flush)
            if self.run(self._http.epoch) == self._epoch:
                self._release()
            else:
                self._suspect = True
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
            self._aside.flush()
            epoch = self._aside.epoch()
        except (Away, Refused, H5Error) as exc:
            _log.debug("cannot wait for storage: %s", exc)
            self._suspect = True
            return True
        with self._lock, contextlib.suppress(Away, Refused):
            if self._end.is_set() or self._round != this_round:
                return True
            if epoch == self._epoch:
                self._release()
                return True
            self._suspect = True
            try:
                self._meet()
            except RemoteError as exc:
                _log.warning("%s", exc)  # the next call that changes anything raises it
                self._suspect = True
        return True

    def stop(self) -> None:
        """End the background's work; what is kept is dropped."""
        self._end.set()
        tender = self._tender
        if tender is not None and tender is not threading.current_thread():
            tender.join(0.5)  # it may be waiting for the server; it will find the end by itself
        self._notes.clear()
        self._arrays.clear()
        self._bytes = 0

    def abandon(self) -> None:
        """Stop in a process that was forked off: there is no background here, and no requests."""
        self._end.set()
        self._tender = None
        self._notes.clear()
        self._arrays.clear()

    def _begin(self) -> None:
        self._round += 1
        self._mark = self._clock
        self._touched.clear()
        for kept in self._arrays.values():
            kept.hot = None

    def _release(self) -> None:
        """Drop what was kept before the wait began and not touched since."""
        for key, note in list(self._notes.items()):
            if note.time <= self._mark and note.target not in self._touched:
                del self._notes[key]
        for array_id, kept in list(self._arrays.items()):
            kept.rows = [r for r in kept.rows if r.time > self._mark or kept.is_hot(r)]
            stored = kept.length_time is not None and kept.length_time <= self._mark
            if stored and array_id not in self._touched:
                kept.length_time, kept.longest = None, 0
            if not kept.rows and kept.length_time is None:
                del self._arrays[array_id]
        self._count()

    # -- giving it again ------------------------------------------------------------------------
    def _replay(self) -> None:
        """Give everything that is kept to the server again."""
        if not self.pending:
            return
        domain = self._http.domain
        _log.warning("%s: the HSDS was restarted; sending again %s", domain, self.what())
        lost: list[str] = []
        for note in self._notes.values():
            try:
                note.redo(self._http)
            except Refused as exc:
                if exc.status == 500:
                    raise
                lost.append(f"{note.what} ({exc})")
        for kept in self._arrays.values():
            lost += self._replay_array(kept)
        if lost:
            raise RemoteError(
                "the server was restarted, and does not take again what it had not stored",
                file=domain,
                found=f"not stored: {', '.join(lost)}",
                remedy="The rows are kept in memory while the file is open; save them elsewhere.",
            )
        for note in self._notes.values():
            note.time = self._tick()
        for kept in self._arrays.values():
            kept.hot = None
            for rows in kept.rows:
                rows.time = self._tick()
            if kept.length_time is not None:
                kept.length_time = self._tick()
        self._round += 1  # a wait that began before tells nothing about this

    def _replay_array(self, kept: _Kept) -> Iterator[str]:
        array = kept.array
        path = f"/datasets/{array.id}"
        try:
            if array.grows and array.length is not None:
                found = shape_of(self._http.get(path)["shape"])[0]
                allowed = max(array.length, array.reach, kept.longest)
                if found > allowed:
                    yield f"{kept.what()} (it has {found} rows now: another program appends to it)"
                    return
                if found < array.length or found > max(array.length, array.reach):
                    self._http.put(f"{path}/shape", {"shape": [array.length, *array.row_shape]})
            for rows in kept.rows:
                select = rows.select
                if rows.appended:
                    tail = "".join(f",0:{n}" for n in array.row_shape)
                    select = f"[{rows.start}:{rows.stop}{tail}]"
                params = {"select": select} if select else {}
                self._http.put_bytes(f"{path}/value", bytes(rows.data), params)
        except Refused as exc:
            if exc.status == 500:
                raise
            yield f"{kept.what()} ({exc})"


def _tend(reference: weakref.ref[Retention], end: threading.Event) -> None:
    """Look after a file's kept data until there are none, or the file is closed or gone."""
    while not end.wait(TEND_SECONDS):
        retention = reference()
        if retention is None or not retention.tend():
            return
        del retention
