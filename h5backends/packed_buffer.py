"""Rows on their way into a compressed array: whole chunks are packed by threads, around HDF5.

The rows of an unfinished chunk, written because of a flush or a read, and those that come to
complete it go through HDF5's own filters: one chunk is never written both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.buffer import RowBuffer
from h5backends.drivers.base import SupportsPacking
from h5backends.packing import ChunkQueue
from h5backends.pipeline import pipeline
from h5backends.types import ArraySpec, Handle

if TYPE_CHECKING:
    from h5backends.session import Session
    from h5backends.storage import Storage

__all__ = ["PackedFrameBuffer", "PackedRowBuffer", "queue_for"]

_LEAST_CHUNK = 16 * 1024
"""Bytes of a chunk that are worth handing to a thread."""


def queue_for(session: Session, handle: Handle, spec: ArraySpec) -> ChunkQueue | None:
    """Return the way for whole chunks of an array around HDF5; None where there is none.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The array.
    spec : ArraySpec
        Its description.
    """
    driver = session.driver
    if not (spec.filters and spec.chunks) or not isinstance(driver, SupportsPacking):
        return None
    if 0 in spec.shape[1:] or spec.dtype.itemsize * int(np.prod(spec.chunks)) < _LEAST_CHUNK:
        return None
    steps = driver.filter_steps(handle)
    filters = None if steps is None else pipeline(steps)
    store = driver.chunk_store(handle) if filters else None
    if filters is None or store is None:
        return None
    return ChunkQueue(session, handle, spec, store, filters)


class PackedRowBuffer(RowBuffer):
    """Collects the rows of one compressed ``EARRAY``.

    Parameters
    ----------
    session, handle, spec, storage
        See :class:`RowBuffer`.
    queue : ChunkQueue
        The way for whole chunks.
    """

    __slots__ = ("_owed", "_queue")

    def __init__(
        self,
        session: Session,
        handle: Handle,
        spec: ArraySpec,
        storage: Storage,
        queue: ChunkQueue,
    ) -> None:
        self._owed: int | None = None  # a length that the array could not be cut to yet
        super().__init__(session, handle, spec, storage)
        self._queue = queue

    def __len__(self) -> int:
        return super().__len__() if self._owed is None else self._owed

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of the array, rows still in memory included."""
        return (len(self), *self._row_shape)

    def drain(self) -> None:
        """Have all rows in the file; the lock is held."""
        self._settle()
        self._pass_on()
        self._queue.drain()
        super().drain()

    def detach(self) -> None:
        """Stop taking rows: the file is closed, or the array is gone or has moved."""
        self._owed = None
        self._queue.forget()
        super().detach()

    def retract(self, count: int) -> None:
        """Take back the latest rows, because what belongs to them could not be written.

        Parameters
        ----------
        count : int
            How many; no more than were appended since the lock was taken.
        """
        with self._lock:
            self._cut(len(self) - count)

    def _append_block(self, block: NDArray[Any]) -> None:
        session = self._session
        with self._lock:
            if self._used + len(block) <= self._room:
                self._rows[self._used : self._used + len(block)] = block
                self._used += len(block)
            else:
                self._take(block)
            if self._used >= self._due or not session.dirty:
                session.touch(due=self._used >= self._due)

    def _take(self, block: NDArray[Any]) -> None:
        """Take rows across the ends of chunks, all or none."""
        self._require_taking()
        before = len(self)
        try:
            while len(block):
                if self._used == 0 and self._base % self._chunk == 0:
                    whole = len(block) - len(block) % self._chunk
                    self._hand_over(block[:whole])
                    block = block[whole:]
                if self._used == self._capacity():
                    self._make_way()
                part = block[: self._capacity() - self._used]
                if len(part):
                    self._make_room(len(part))
                    self._rows[self._used : self._used + len(part)] = part
                    self._used += len(part)
                    block = block[len(part) :]
        except BaseException:
            self._cut(before)
            raise
        finally:
            self._set_marks()

    def _make_way(self) -> None:
        self._pass_on()
        if self._used:
            self.drain()

    def _pass_on(self) -> None:
        """Hand over the buffer if it holds exactly one chunk."""
        if self._used == self._chunk and self._base % self._chunk == 0:
            used, self._used = self._used, 0
            try:
                self._hand_over(self._rows[:used])
            except BaseException:
                self._used = used
                raise
            self._set_marks()

    def _hand_over(self, rows: NDArray[Any]) -> None:
        """Give whole chunks to the threads."""
        if len(rows):
            self._queue.put(self._base, self._storage.to_stored(rows))
            self._base += len(rows)
            self._since += len(rows)

    def _cut(self, length: int) -> None:
        """Take back the rows behind a length; if that fails, before anything else is done."""
        self._owed = length
        self._settle()

    def _settle(self) -> None:
        """Take back what is owed: it may have failed for want of memory."""
        length = self._owed
        if length is None:
            return
        if length >= self._base:
            self._used = length - self._base
        else:
            kept = self._storage.from_stored(self._queue.kept(length))
            if len(kept) > len(self._rows):
                self._rows = np.empty((self._chunk, *self._row_shape), self._dtype)
            self._base = self._queue.cut(length, self._base)
            self._used = len(kept)
            self._rows[: len(kept)] = kept
        self._owed = None
        self._set_marks()

    def _require_taking(self) -> None:
        super()._require_taking()
        self._settle()

    def _set_marks(self) -> None:
        super()._set_marks()
        if self._owed is not None:
            self._room = 0  # the next append settles it


class PackedFrameBuffer(PackedRowBuffer):
    """Hands over each row of one ``EARRAY`` as it comes: a row is a chunk.

    Parameters
    ----------
    session, handle, spec, storage, queue
        See :class:`PackedRowBuffer`.
    """

    __slots__ = ()

    def append(self, value: ArrayLike, expand: bool = True) -> None:
        """Append one row or a block of rows; see :meth:`RowBuffer.append`."""
        self._append_block(self._block_of(value, expand))
