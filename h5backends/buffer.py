"""Rows on their way into a growing array: collected in memory, written as whole chunks.

Appending costs a copy into a numpy buffer. The buffer is written when it reaches a chunk
boundary, when its array is read, and when the file is flushed; see `docs/explanations` for how
that bounds what a crash can lose.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.conform import conform, rows_of
from h5backends.errors import DataError, H5Error, NodeNotFoundError
from h5backends.types import ArraySpec, Handle

if TYPE_CHECKING:
    from h5backends.session import Session
    from h5backends.storage import Storage

__all__ = ["RaggedBuffer", "RowBuffer"]

_log = logging.getLogger(__name__)

_FIRST_ROWS = 64
"""Rows of a new buffer; it grows to a chunk only if the rows really come."""
_RAGGED_ROWS = 256

_FLOATS = (float, np.float64)


class RowBuffer:
    """Collects the rows of one ``EARRAY``.

    Parameters
    ----------
    session : Session
        The open file; its lock guards this buffer.
    handle : handle
        The array, in the driver's terms.
    spec : ArraySpec
        Its description at this moment.
    storage : Storage
        How its type is held in the file.
    """

    __slots__ = (
        "_appender",
        "_base",
        "_chunk",
        "_dtype",
        "_due",
        "_lock",
        "_noted",
        "_packed",
        "_plain",
        "_room",
        "_row_bytes",
        "_row_shape",
        "_rows",
        "_scalar",
        "_session",
        "_since",
        "_storage",
        "_used",
        "detached",
        "handle",
        "path",
    )

    def __init__(
        self, session: Session, handle: Handle, spec: ArraySpec, storage: Storage
    ) -> None:
        self._session = session
        self._lock = session.lock
        self.handle = handle
        self.path = session.driver.path(handle)
        self._storage = storage
        self._dtype = storage.dtype
        self._row_shape = spec.shape[1:]
        self._row_bytes = max(1, storage.dtype.itemsize * int(np.prod(self._row_shape)))
        self._scalar = not self._row_shape and self._dtype == np.float64
        self._appender = session.driver.appender(handle)
        self._base = spec.shape[0]  # rows in the file
        self._noted = -1  # rows that the attributes tell of
        self._used = 0  # rows in the buffer
        self._since = 0  # rows since the last flush
        self._chunk = spec.chunks[0] if spec.chunks else 1
        self._packed = bool(spec.filters)
        self._plain = storage.plain
        self._rows = np.empty((0, *self._row_shape), self._dtype)
        self._room = 0  # rows that fit before something must be decided
        self._due = 0  # rows in use at which the policy asks for a flush
        self.detached = False

    def __len__(self) -> int:
        return self._base + self._used

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of the array, rows still in memory included."""
        return (self._base + self._used, *self._row_shape)

    def append(self, value: ArrayLike, expand: bool = True) -> None:
        """Append one row or a block of rows.

        Parameters
        ----------
        value : array_like, shape ``row_shape`` or ``(k, *row_shape)``
            It is copied; the caller may change it afterwards.
        expand : bool
            See :func:`h5backends.conform.rows_of`.

        Raises
        ------
        DataError
            The value does not fit; nothing was appended.
        StorageError, RemoteError
            Rows collected before could not be written; they stay in memory and are tried again.
            This value was not taken.
        """
        # The common cases, one float or one row of the right type, must cost next to nothing.
        kind = type(value)
        if (self._scalar and kind in _FLOATS) or (
            kind is np.ndarray
            and value.dtype == self._dtype  # type: ignore[union-attr]
            and value.shape == self._row_shape  # type: ignore[union-attr]
        ):
            with self._lock:
                if self._used >= self._room:
                    self._make_room(1)
                used = self._used
                self._rows[used] = value
                self._used = used = used + 1
                if used >= self._due or not self._session.dirty:
                    self._session.touch(due=used >= self._due)
            return
        self._append_block(self._block_of(value, expand))

    def drain(self) -> None:
        """Write the collected rows into the file; the lock is held."""
        used = self._used
        if not used:
            return
        rows = self._storage.to_stored(self._rows[:used])
        self._session.require_room(rows.nbytes, kept=self._packed)
        try:
            self._appender.append(self._base, rows)
        except H5Error:
            self._look_elsewhere()
            raise
        # Only now: had the write failed, the rows would still be here to be tried again.
        self._base += used
        self._since += used
        self._used = 0
        self._set_marks()

    def flushed(self) -> None:
        """Take note of a flush; the lock is held."""
        self._since = 0
        self._set_marks()

    def obstruct(self) -> None:
        """Have the next append find out whether writing works again; the lock is held."""
        self._room = 0

    def detach(self) -> None:
        """Stop taking rows: the file is closed, or the array is gone or has moved."""
        self._used = self._room = 0
        self.detached = True

    def retract(self, count: int) -> None:
        """Take back the latest rows, because what belongs to them could not be written.

        Parameters
        ----------
        count : int
            How many; no more than were appended since the lock was taken.
        """
        with self._lock:
            kept = min(count, self._used)
            self._used -= kept
            if count > kept:
                self._session.driver.resize(self.handle, self._base - (count - kept))
                self._base -= count - kept
            self._set_marks()

    @property
    def stale_length(self) -> int | None:
        """The length that the ``shape`` attribute should tell, None if it tells it already."""
        return None if self._noted == self._base else self._base

    def note_length(self) -> None:
        """Take note that the ``shape`` attribute is up to date."""
        self._noted = self._base

    def _block_of(self, value: ArrayLike, expand: bool) -> NDArray[Any]:
        """Return what `append` was given as rows of the right type, or raise ``DataError``."""
        try:
            return rows_of(conform(value, self._dtype), self._row_shape, expand)
        except DataError as exc:
            exc.node, exc.file = self.path, self._session.driver.location
            raise

    def _append_block(self, block: NDArray[Any]) -> None:
        count = len(block)
        session = self._session
        with self._lock:
            if count > self._capacity():
                self._require_taking()
                self.drain()
                self._write_through(block)
            else:
                if self._used + count > self._room:
                    self._make_room(count)
                self._rows[self._used : self._used + count] = block
                self._used += count
            if self._used >= self._due or not session.dirty:
                session.touch(due=self._used >= self._due)

    def _write_through(self, block: NDArray[Any]) -> None:
        rows = block if self._plain else self._storage.to_stored(block)
        if not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        count = len(rows)
        self._session.require_room(rows.nbytes, kept=self._packed)
        try:
            self._appender.append(self._base, rows)
        except BaseException as exc:
            self._undo(exc)
            raise
        self._base += count  # no call in between, at whose end an interrupt could come
        self._since += count
        self._set_marks()

    def _undo(self, exc: BaseException) -> None:
        """Take back what the caller is told was not taken.

        The extent may have grown before the write failed, or an interrupt from the keyboard came
        when all was written.
        """
        try:
            self._session.driver.resize(self.handle, self._base)
        except H5Error as error:
            _log.warning("cannot shrink %s after a failed write: %s", self.path, error)
        if isinstance(exc, H5Error):
            self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        """Have HDF5 look up another chunk than the one that it could not write.

        It remembers the latest chunk it looked up, also where writing it failed before the chunk
        was entered into the index; writing it again would then go nowhere without an error.
        """
        row = self._base - self._base % self._chunk - self._chunk
        if row >= 0 and 0 not in self._row_shape:
            box = (slice(row, row + 1, 1), *(slice(0, 1, 1) for _ in self._row_shape))
            with contextlib.suppress(H5Error):
                self._session.driver.read(self.handle, box)

    def _capacity(self) -> int:
        """Rows from the end of the file's array to the next chunk boundary."""
        return self._chunk - self._base % self._chunk

    def _set_marks(self) -> None:
        self._room = min(len(self._rows), self._capacity())
        self._due = self._rows_due(self._chunk + 1)

    def _rows_due(self, due: int) -> int:
        """Return after how many rows the policy asks for a flush, if not after more than `due`."""
        policy = self._session.policy
        if policy.rows is not None:
            due = min(due, policy.rows - self._since)
        if policy.bytes is not None:
            due = min(due, -(-policy.bytes // self._row_bytes) - self._since)
        return due

    def _make_room(self, count: int) -> None:
        """Take the slow path: is the file usable, is a chunk full, is more memory needed."""
        self._require_taking()
        if self._used + count > self._capacity():
            self._make_way()
        needed = self._used + count
        if needed > len(self._rows):
            size = max(_FIRST_ROWS, 4 * len(self._rows), needed)
            grown = np.empty((max(min(size, self._chunk), needed), *self._row_shape), self._dtype)
            grown[: self._used] = self._rows[: self._used]
            self._rows = grown
        self._set_marks()

    def _make_way(self) -> None:
        """Empty the buffer."""
        self.drain()

    def _require_taking(self) -> None:
        self._session.require_writing()
        if self.detached:
            raise gone(self.path, self._session.driver.location)


def gone(path: str, file: str) -> NodeNotFoundError:
    """Return the error for a row that comes to an array another thread has just taken away."""
    return NodeNotFoundError(
        "the array was moved or removed meanwhile",
        file=file,
        node=path,
        remedy="Get the node again, from where it is now.",
    )


class RaggedBuffer:
    """Collects the rows of one ``VLARRAY``, each an array of its own length.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The array, in the driver's terms.
    length : int
        Rows it holds now.
    """

    def __init__(self, session: Session, handle: Handle, length: int) -> None:
        self._session = session
        self.handle = handle
        self.path = session.driver.path(handle)
        self._base = length
        self._noted = -1
        self._rows: list[NDArray[Any]] = []
        self.detached = False

    def __len__(self) -> int:
        return self._base + len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of the array, rows still in memory included."""
        return (len(self),)

    def append(self, row: NDArray[Any]) -> None:
        """Append one row, 1D and of the stored type; the caller gives it away."""
        with self._session.lock:
            self._session.require_writing()
            if self.detached:
                raise gone(self.path, self._session.driver.location)
            if len(self._rows) >= _RAGGED_ROWS:
                self.drain()
            self._rows.append(row)
            limit = self._session.policy.rows
            self._session.touch(due=limit is not None and len(self._rows) >= limit)

    def drain(self) -> None:
        """Write the collected rows into the file; the lock is held."""
        if self._rows:
            self._session.require_room(sum(row.nbytes + 16 for row in self._rows), kept=True)
            try:
                self._session.driver.append_ragged(self.handle, self._rows)
            except H5Error:
                self._keep_the_rest()
                raise
            self._base += len(self._rows)
            self._rows = []

    def _keep_the_rest(self) -> None:
        """Let go of the rows that got into the file before the others failed."""
        there = self._session.driver.shape(self.handle)[0]
        self._rows = self._rows[there - self._base :]
        self._base = there

    def flushed(self) -> None:
        """Take note of a flush; nothing to do here."""

    def obstruct(self) -> None:
        """Have the next append find out whether writing works again; nothing to do here."""

    def detach(self) -> None:
        """Stop taking rows: the file is closed, or the array is gone or has moved."""
        self._rows = []
        self.detached = True

    @property
    def stale_length(self) -> int | None:
        """The length that the ``shape`` attribute should tell, None if it tells it already."""
        return None if self._noted == self._base else self._base

    def note_length(self) -> None:
        """Take note that the ``shape`` attribute is up to date."""
        self._noted = self._base
