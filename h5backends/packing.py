"""Chunks of growing arrays that are compressed in threads, and stored in the order of their rows.

The threads do nothing but filter; who appends faster than they can filters too. A chunk is stored,
and the array grows to hold it, by whoever holds the file's lock: with the next append, when the
array is read, and when the file is flushed.
So no reader and no crash ever meets a row that is not there, and HDF5 is never called by two.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from h5backends import workers
from h5backends.drivers.base import ChunkStore
from h5backends.errors import H5Error, StorageError
from h5backends.pipeline import Buffer, Packed, Pipeline, as_array
from h5backends.types import ArraySpec, Handle

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["Budget", "ChunkQueue"]

_log = logging.getLogger(__name__)

_LEAST_BYTES = 1024 * 1024
_MOST_BYTES = 512 * 1024 * 1024


class Budget:
    """How many bytes of one file may wait to be compressed and stored, all its arrays together.

    Two chunks for each thread keep the threads busy; while they have them, whoever appends filters
    too. Beyond eight it waits. More would not help: memory that was used a moment ago is in the
    processor's caches, and need not be had from the system. Up to 1 MiB may always wait, more than
    512 MiB may not, except for one chunk.
    """

    __slots__ = ("_handed", "_queues", "used")

    def __init__(self) -> None:
        self.used = 0
        self._handed: deque[Future[Packed]] = deque()  # to the threads
        self._queues: dict[ChunkQueue, None] = {}  # in the order in which they got something

    def make_room(self, nbytes: int, queue: ChunkQueue, session: Session) -> None:
        """Wait until there is room for more chunks of a queue, in memory and on the disk.

        Raises
        ------
        StorageError
            There will be none: what waits cannot be stored.
        """
        limit = min(max(8 * workers.count() * nbytes, _LEAST_BYTES), _MOST_BYTES)
        while self.used and self.used + nbytes > limit:
            (queue if queue else next(iter(self._queues))).store_oldest()
        try:
            session.require_room(self.used + nbytes)  # even if nothing gets smaller
        except StorageError:
            # Rows are taken only if they can be stored: find out what those before them need.
            while self._queues:
                next(iter(self._queues)).drain()
            session.require_room(nbytes)

    def pack(self, pipeline: Pipeline, memory: Buffer) -> Future[Packed]:
        """Have a chunk filtered, by a thread or here."""
        handed = self._handed
        while handed and handed[0].done():
            handed.popleft()
        if len(handed) >= 2 * workers.count():
            return workers.at_once(pipeline.pack, memory)
        future = workers.submit(pipeline.pack, memory)
        handed.append(future)
        return future

    def take(self, nbytes: int, queue: ChunkQueue) -> None:
        """Take note that chunks of a queue wait from now on."""
        self.used += nbytes
        self._queues[queue] = None

    def give_back(self, nbytes: int, queue: ChunkQueue) -> None:
        """Take note that chunks of a queue do not wait any more."""
        self.used -= nbytes
        if not queue:
            self._queues.pop(queue, None)


class _Block:
    """Rows that fill one chunk along the first axis, on their way."""

    __slots__ = ("parts", "start")

    def __init__(self, start: int, parts: list[tuple[tuple[int, ...], Future[Packed]]]) -> None:
        self.start = start
        self.parts = parts

    @property
    def is_packed(self) -> bool:
        return all(future.done() for _, future in self.parts)

    def packed(self) -> list[tuple[tuple[int, ...], Packed]]:
        """Wait for its chunks."""
        return [(offset, future.result()) for offset, future in self.parts]


class ChunkQueue:
    """The chunks of one array on their way into the file; true while there are any.

    The session's lock is held in every call.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The array.
    spec : ArraySpec
        Its description.
    store : ChunkStore
        Where its chunks go.
    pipeline : Pipeline
        Its filters.
    """

    __slots__ = (
        "_blocks",
        "_budget",
        "_chunk_bytes",
        "_chunks",
        "_dtype",
        "_handle",
        "_nbytes",
        "_pipeline",
        "_row_shape",
        "_rows",
        "_session",
        "_store",
        "_tiles",
    )

    def __init__(
        self,
        session: Session,
        handle: Handle,
        spec: ArraySpec,
        store: ChunkStore,
        pipeline: Pipeline,
    ) -> None:
        assert spec.chunks is not None
        self._session = session
        self._handle = handle
        self._store = store
        self._pipeline = pipeline
        self._budget = session.budget
        self._dtype = spec.dtype
        self._chunks = spec.chunks
        self._rows = spec.chunks[0]
        self._row_shape = spec.shape[1:]
        self._tiles = list(_tiles(spec.shape[1:], spec.chunks[1:]))
        self._chunk_bytes = spec.dtype.itemsize * math.prod(spec.chunks)
        self._nbytes = self._chunk_bytes * len(self._tiles)
        self._blocks: deque[_Block] = deque()
        workers.start()

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def put(self, start: int, rows: NDArray[Any]) -> None:
        """Take rows, and store what is packed meanwhile.

        Parameters
        ----------
        start : int
            Number of the first, at the beginning of a chunk.
        rows : ndarray, shape ``(k, *row_shape)``, the stored dtype
            Whole chunks. They are copied.

        Raises
        ------
        StorageError
            Rows taken before cannot be stored; none of `rows` was taken.
        """
        self.store_packed()
        taken = 0
        try:
            for taken in range(0, len(rows), self._rows):
                self._begin(start + taken, rows[taken : taken + self._rows])
        except BaseException:
            self.cut(start, start + taken)
            raise

    def _begin(self, start: int, rows: NDArray[Any]) -> None:
        self._budget.make_room(self._nbytes, self, self._session)
        parts = []
        for origin, place in self._tiles:
            memory = self._pipeline.allocate(self._chunk_bytes)
            elements = as_array(memory).view(self._dtype).reshape(self._chunks)
            tile = rows[(slice(None), *place)]
            if tile.shape != elements.shape:  # at the edge: the rest is outside of the array
                elements[...] = np.zeros((), self._dtype)
            elements[tuple(map(slice, tile.shape))] = tile
            del elements
            parts.append(((start, *origin), self._budget.pack(self._pipeline, memory)))
        self._blocks.append(_Block(start, parts))
        self._budget.take(self._nbytes, self)

    def store_packed(self) -> None:
        """Store the blocks that can be stored without waiting."""
        while self._blocks and self._blocks[0].is_packed:
            self.store_oldest()

    def drain(self) -> None:
        """Wait for all blocks and store them."""
        while self._blocks:
            self.store_oldest()

    def store_oldest(self) -> None:
        """Wait for the first block and store it; it stays the first if that fails."""
        block = self._blocks[0]
        chunks = block.packed()
        session = self._session
        session.require_room(sum(len(as_array(packed.data)) for _, packed in chunks))
        try:
            self._store.store(block.start + self._rows, chunks)
        except H5Error:
            self._take_back(block.start)
            raise
        self._blocks.popleft()
        self._budget.give_back(self._nbytes, self)

    def kept(self, length: int) -> NDArray[Any]:
        """Return the rows that `cut` cuts off with a chunk, but that stay.

        Parameters
        ----------
        length : int
            How many rows of the array stay.

        Returns
        -------
        ndarray, shape ``(k, *row_shape)``, the stored dtype
            Those from the beginning of the chunk to the new end, if it is on its way.
        """
        for block in self._blocks:
            if block.start < length < block.start + self._rows:
                return self._unpacked(block)[: length - block.start]
        return np.empty((0, *self._row_shape), self._dtype)

    def cut(self, length: int, base: int) -> int:
        """Take back rows, whether they are on their way or in the file; all or none.

        Parameters
        ----------
        length : int
            How many rows stay.
        base : int
            How many there are in the file and on their way.

        Returns
        -------
        int
            How many there are now; `kept` are not among them.
        """
        gone = [block for block in self._blocks if block.start + self._rows > length]
        if gone:
            base = gone[0].start
        if base > length:
            self._session.driver.resize(self._handle, length)
            base = length
        for block in gone:  # only now: had it failed, it could be tried again
            self._blocks.pop()
            self._budget.give_back(self._nbytes, self)
            for _, future in block.parts:
                future.cancel()
        return base

    def forget(self) -> None:
        """Give up all blocks: the file is closed, or the array is gone."""
        # Not cancelled: in a process that was forked off, a future may be locked for ever.
        while self._blocks:
            self._blocks.pop()
            self._budget.give_back(self._nbytes, self)

    def _unpacked(self, block: _Block) -> NDArray[Any]:
        rows = np.empty((self._rows, *self._row_shape), self._dtype)
        for (_, packed), (_, place) in zip(block.packed(), self._tiles, strict=True):
            raw = self._pipeline.unpack(*packed)
            elements = raw.view(self._dtype).reshape(self._chunks)
            tile = rows[(slice(None), *place)]
            tile[...] = elements[tuple(map(slice, tile.shape))]
        return rows

    def _take_back(self, length: int) -> None:
        """Have the array end before a chunk that could not be stored, and HDF5 forget that chunk.

        It remembers the latest chunk it looked up, also where writing it failed before the chunk
        was entered into the index; writing it again would then go nowhere without an error. So it
        is made to look up one that is not there. One that is may be in its cache, and is then not
        looked up.
        """
        driver, behind = self._session.driver, length + self._rows
        box = (slice(behind, behind + 1, 1), *(slice(0, 1, 1) for _ in self._row_shape))
        try:
            driver.resize(self._handle, behind + 1)
            driver.read(self._handle, box)
        except H5Error as exc:
            _log.debug("%s: %s", driver.location, exc)
        try:
            driver.resize(self._handle, length)
        except H5Error as exc:
            _log.warning("cannot shrink an array after a failed write: %s", exc)


def _tiles(
    row_shape: tuple[int, ...], chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Iterate over the chunks that a row is cut into: where each begins, and its part."""
    grid = [range(0, size, step) for size, step in zip(row_shape, chunks, strict=True)]
    for origin in itertools.product(*grid):
        yield (
            origin,
            tuple(
                slice(first, min(first + step, size))
                for first, step, size in zip(origin, chunks, row_shape, strict=True)
            ),
        )
