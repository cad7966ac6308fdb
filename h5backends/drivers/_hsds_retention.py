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
from dataclasses import dataclass
from typing import Any, TypeVar

from h5backends.drivers._hsds_array import Array
from h5backends.drivers._hsds_http import Away, Connection, Refused
from h5backends.drivers._hsds_types import select, shape_of
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
    start: int
    stop: int
    data: bytearray
    appended: bool = True
    select: str | None = None  # of a box; None for all of an array
    stored: bool = False

    def takes(self, start: int, chunk_row: int, size: int) -> bool:
        """Tell whether rows that are appended next can be kept together with these."""
        small = len(self.data) + size <= _MERGE_BYTES
        return self.appended and self.stop == start and self.first == chunk_row and small


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
        unstored = [rows for rows in self.rows if not rows.stored]
        if not unstored:
            return f"the length of {self.array.path}"
        first = min(rows.start for rows in unstored)
        last = max(rows.stop for rows in unstored)
        return f"rows {first} to {last - 1} of {self.array.path}"

    @property
    def tail(self) -> int | None:
        """The chunk row that the next append will change, None if it will begin a new one."""
        length = self.array.length or 0
        if not self.array.grows or length % self.array.chunk_rows == 0:
            return None
        return length // self.array.chunk_rows

    def held_from(self) -> int:
        """Return the first of the last rows of the array that are kept without a gap."""
        start = self.array.length or 0
        for rows in sorted((r for r in self.rows if r.appended), key=lambda r: -r.stop):
            if rows.stop >= start > rows.start:
                start = rows.start
        return start

    def release(self, mark: int) -> None:
        """Drop what was stored before `mark`, and is safe.

        Not safe is what shares a chunk with something that is not stored yet, or with the next
        rows: the server writes a chunk over its only copy, and if it dies in between, that is the
        end of all that was in it. Nor may anything be dropped before what it was written over.
        """
        for rows in self.rows:
            rows.stored = rows.stored or (rows.time <= mark and not self.is_hot(rows))
        unsafe = [(rows.first, rows.last) for rows in self.rows if not rows.stored]
        if self.tail is not None:
            unsafe.append((self.tail, self.tail))
        low = min((first for first, _ in unsafe), default=0)
        high = max((last for _, last in unsafe), default=-1)
        remaining: list[_Rows] = []
        for rows in self.rows:
            if rows.first <= high and rows.last >= low:
                remaining.append(rows)
                low, high = min(low, rows.first), max(high, rows.last)
        self.rows = remaining

    @property
    def unstored(self) -> bool:
        """Whether anything here may not be stored."""
        return self.length_time is not None or any(not rows.stored for rows in self.rows)


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
        self._notes: dict[tuple[str, str], _Note] = {}
        self._arrays: dict[str, _Kept] = {}
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
            self._notes[target, key] = _Note(self._tick(), target, redo, what)
            self._touched.add(target)

    def keep_rows(self, array: Array, start: int, stop: int, data: bytes) -> None:
        """Keep rows that were appended."""
        first, last = start // array.chunk_rows, (stop - 1) // array.chunk_rows
        with self._lock:
            kept = self._kept(array)
            kept.touch(first, last)
            before = kept.rows[-1] if kept.rows else None
            if before is not None and before.takes(start, last, len(data)):
                before.data += data
                before.stop, before.time, before.stored = stop, self._tick(), False
            else:
                kept.rows.append(_Rows(self._tick(), first, last, start, stop, bytearray(data)))
            self._bytes += len(data)
            self.keep_length(array)

    def keep_box(self, array: Array, select: str | None, rows: slice, data: bytes) -> None:
        """Keep values that were written into a box; `rows` is its part along the first axis."""
        first, last = rows.start // array.chunk_rows, (rows.stop - 1) // array.chunk_rows
        with self._lock:
            kept = self._kept(array)
            kept.touch(first, last)
            written = _Rows(self._tick(), first, last, rows.start, rows.stop, bytearray(data))
            written.appended, written.select = False, select
            kept.rows.append(written)
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
            if kept and any(rows.stop > length and not rows.appended for rows in kept.rows):
                self.store()

    def shorten(self, array: Array, longest: int) -> None:
        """Take note that an array was made shorter than `longest`."""
        length = array.length or 0
        with self._lock:
            kept = self._kept(array)
            kept.longest = max(kept.longest, longest)
            kept.rows = [rows for rows in kept.rows if rows.start < length]
            edge = length // array.chunk_rows
            for rows in kept.rows:
                if rows.stop > length:
                    del rows.data[(length - rows.start) * array.row_bytes :]
                    rows.stop, rows.last = length, (length - 1) // array.chunk_rows
                rows.stored = rows.stored and rows.last < edge
            kept.touch(edge, longest // array.chunk_rows)
            self._count()
            self.keep_length(array)

    def forget(self, array_id: str) -> None:
        """Let go of an array that was removed."""
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
                self._arrays.clear()  # all of it is stored
                self._bytes = 0

    def hold_tail(self, array: Array) -> None:
        """Keep the rows that share a chunk with the next ones; they may be from long ago."""
        length = array.length or 0
        start = length - length % array.chunk_rows
        if start == length:
            return
        with self._lock:
            kept = self._arrays.get(array.id)
            for rows in reversed(kept.rows if kept else []):
                if rows.appended and rows.start <= start < rows.stop:
                    return
            url, params = f"/datasets/{array.id}/value", {"select": _select(array, start, length)}
            data = self.run(lambda: self._http.get_bytes(url, params), changes=True)
            self.keep_rows(array, start, length, data)

    def what(self) -> str:
        """Say what is kept, for an error message."""
        items = [kept.what() for kept in self._arrays.values() if kept.unstored]
        items += [note.what for note in self._notes.values()]
        shown = ", ".join(items[:10])
        return shown + (f" and {len(items) - 10} more" if len(items) > 10 else "")

    def _kept(self, array: Array) -> _Kept:
        self._unstored.add(array.id)
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
        with self._lock:
            for _ in range(_ROUNDS):
                if not self.pending:
                    return
                self._begin()
                nodes = self.run(self._http.flush)
                if self.run(self._http.epoch) != self._epoch:
                    self._suspect = True
                elif self.run(functools.partial(self._is_from, nodes)):
                    lengths = self.run(lambda: self._lengths(self._http))
                    self._check_lengths(lengths)
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
            lengths = self._lengths(self._aside)
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
                    self._check_lengths(lengths)
                    self._release()
            except RemoteError as exc:
                self._suspect = True  # so that the next call that changes anything raises it
                _log.warning("%s", exc)
        return True

    def _is_from(self, nodes: tuple[str, ...]) -> bool:
        """Tell whether these nodes acknowledged what is kept; if not, give it to them again.

        The nodes know it before the service does, which asks them only now and then.
        """
        if nodes == self._nodes:
            return True
        self._replay()
        self._nodes = nodes
        return False

    def _lengths(self, http: Connection) -> list[tuple[Array, int]]:
        """Ask how long the growing arrays are; -1 for one that is gone."""
        found = []
        for array in [kept.array for kept in list(self._arrays.values()) if kept.array.grows]:
            try:
                shape = shape_of(http.get(f"/datasets/{array.id}")["shape"])
            except Refused as exc:
                if not exc.missing:
                    raise
                shape = (-1,)
            found.append((array, shape[0]))
        return found

    def _check_lengths(self, lengths: list[tuple[Array, int]]) -> None:
        """Notice another program that appends to the same array, or removed it.

        Raises
        ------
        RemoteError
            The rows of this process are not where it believes them to be.
        """
        for array, found in lengths:
            kept = self._arrays.get(array.id)
            most = max(array.reach, array.length or 0, kept.longest if kept else 0)
            if kept is None or 0 <= found <= most or array.shared:
                continue
            array.shared = True  # the next append looks first
            if found > most and self._in_place(kept):
                continue  # the other program began behind the last of our rows
            self.forget(array.id)
            raise RemoteError(
                "another program appends to this array"
                if found > most
                else "another program removed this array",
                file=self._http.domain,
                node=array.path,
                expected=f"{most} rows",
                found=f"{found} rows, in the order in which they arrived"
                if found > most
                else None,
                remedy="Let one program write an array, or give each an array of its own.",
            )

    def _in_place(self, kept: _Kept) -> bool:
        """Tell whether the last rows that were appended stand where they should."""
        for rows in reversed(kept.rows):
            if rows.appended:
                chosen = {"select": _select(kept.array, rows.start, rows.stop)}
                return (
                    self._http.get_bytes(f"/datasets/{kept.array.id}/value", chosen) == rows.data
                )
        return True

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
            kept.hot = None

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
                remedy="It is kept in memory while the file is open, and sent again at the next "
                "call. A damaged chunk is an empty file in the server's store: remove it.",
            )
        for note in self._notes.values():
            note.time = self._tick()
        for kept in self._arrays.values():
            kept.hot = None
            for rows in kept.rows:
                rows.time, rows.stored = self._tick(), False
            self.keep_length(kept.array)
        self._round += 1  # a wait that began before tells nothing about this

    def _replay_array(self, kept: _Kept) -> list[str]:
        """Give back one array; return what could not be."""
        try:
            self._give_length(kept)
            try:
                self._give_rows(kept)
            except Refused as exc:
                if exc.status != 500 or not self._drop_damaged(kept):
                    raise
                self._give_rows(kept)
        except Refused as exc:
            damaged = exc.status == 500
            return [f"{kept.what()} ({'a chunk in its store is damaged' if damaged else exc})"]
        return []

    def _give_length(self, kept: _Kept) -> None:
        array = kept.array
        if not array.grows or array.length is None:
            return
        url = f"/datasets/{array.id}"
        found = shape_of(self._http.get(url)["shape"])[0]
        if found > max(array.length, array.reach, kept.longest):
            raise Refused(409, f"it has {found} rows now: another program appends to it")
        if found < array.length or found > max(array.length, array.reach):
            self._http.put(f"{url}/shape", {"shape": [array.length, *array.row_shape]})

    def _give_rows(self, kept: _Kept) -> None:
        array = kept.array
        for rows in kept.rows:
            chosen = _select(array, rows.start, rows.stop) if rows.appended else rows.select
            params = {"select": chosen} if chosen else {}
            data = bytes(rows.data)
            try:
                self._http.put_bytes(f"/datasets/{array.id}/value", data, params)
            except Refused as exc:
                if exc.status != 500:
                    raise
                time.sleep(0.2)  # the node may not be quite there yet
                self._http.put_bytes(f"/datasets/{array.id}/value", data, params)

    def _drop_damaged(self, kept: _Kept) -> bool:
        """Have the server drop the chunks whose rows are all kept; tell whether it could.

        A chunk that was being stored when the server died is cut off, and the server fails
        whenever it comes near it. Making the array shorter removes chunks, if there is but one
        in a row; nothing else does.
        """
        array, start = kept.array, kept.held_from()
        if not array.grows or array.row_shape or start % array.chunk_rows:
            return False
        url = f"/datasets/{array.id}/shape"
        self._http.put(url, {"shape": [start]})
        self._http.put(url, {"shape": [array.length]})
        return True


def _select(array: Array, start: int, stop: int) -> str:
    box = (slice(start, stop, 1), *(slice(0, n, 1) for n in array.row_shape))
    return select(box)


def _tend(reference: weakref.ref[Retention], end: threading.Event) -> None:
    """Look after a file's kept data until there are none, or the file is closed or gone."""
    while not end.wait(TEND_SECONDS):
        retention = reference()
        if retention is None or not retention.tend():
            return
        del retention
