"""Rows cut at the boundaries of chunks, with the unfinished chunk stored whole each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chunkwise"]

Store = Callable[[int, NDArray[Any]], None]
"""Stores a chunk, given its first row and its values in memory."""


class Chunkwise:
    """Stores rows chunk by chunk.

    A chunk that is packed again at every flush changes its size and its place each time, and the
    place it left is given to another chunk before the index that says so is on disk: a program
    killed in that moment loses rows that were flushed. The unfinished chunk is therefore stored
    unpacked (HDF5 keeps a mask of skipped filters with every chunk), overwritten in place, and
    packed once, when it is full. That is also far cheaper.

    Parameters
    ----------
    chunk : int
        Rows of a chunk.
    row_shape : tuple of int
        Shape of one row.
    dtype : numpy.dtype
        The stored type.
    store : callable
        Stores a full chunk, filtered.
    store_raw : callable
        Stores an unfinished chunk, around the filters.
    load : callable
        Reads rows: given the first of them and the array to fill.
    """

    def __init__(
        self,
        chunk: int,
        row_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        store: Store,
        store_raw: Store,
        load: Store,
    ) -> None:
        self._chunk = chunk
        self._tail = np.zeros((chunk, *row_shape), dtype)
        self._tail_at = -1  # first row of the chunk that is in the tail
        self._store = store
        self._store_raw = store_raw
        self._load = load

    def put(self, start: int, rows: NDArray[Any]) -> None:
        """Store rows behind the first `start` ones; the extent covers them already."""
        stop = start + len(rows)
        position = start
        while position < stop:
            offset = position - start
            count = min(self._chunk - position % self._chunk, stop - position)
            if count == self._chunk:
                self._store(position, rows[offset : offset + count])
            else:
                self._put_part(position, rows[offset : offset + count])
            position += count

    def _put_part(self, start: int, rows: NDArray[Any]) -> None:
        within = start % self._chunk
        first = start - within
        if self._tail_at != first:
            self._tail[:] = np.zeros((), self._tail.dtype)
            if within:
                self._load(first, self._tail[:within])
            self._tail_at = first
        self._tail[within : within + len(rows)] = rows
        if within + len(rows) == self._chunk:
            self._store(first, self._tail)
            self._tail_at = -1
        else:
            self._store_raw(first, self._tail)
