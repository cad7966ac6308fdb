"""Appending to the growing arrays of a PyTables file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from h5backends.drivers._tables.arrays import Array
from h5backends.drivers._tables.file import OpenFile
from h5backends.drivers._tables.tree import TablesHandle
from h5backends.pipeline import Packed, as_array

__all__ = ["PackedChunks", "TablesAppender"]


class TablesAppender:
    """Rows to the end of one array: whole chunks directly, the rest through HDF5's pipeline.

    Parameters
    ----------
    file : OpenFile
        The file.
    handle : TablesHandle
        The array's handle.
    array : Array, Ragged or Records
        The array.
    """

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Any) -> None:
        self._file = file
        self._array = array
        self._chunk = array.whole_row_chunk if isinstance(array, Array) else 0
        self._origin = (0,) * (len(array.shape) - 1)
        self._translation = file.translate(handle.path, writing=True)

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write `rows` behind the first `start` rows and grow the array to hold exactly them."""
        array, chunk, count = self._array, self._chunk, len(rows)
        with self._translation:
            self._file.require_open()
            if count == chunk and not start % chunk:  # one frame, as a rule
                array.append_chunk(start, rows)
                return
            if array.length != start:
                array.resize(start)
            if not chunk or count < chunk or not rows.size:
                array.append(rows)
                return
            # Up to the next chunk boundary, then whole chunks around the pipeline, then the rest.
            head = -start % chunk
            if head:
                array.append(rows[:head])
            whole = (count - head) // chunk * chunk
            if whole:
                array.resize(start + head + whole)
            for position in range(head, head + whole, chunk):
                array.write_chunk(
                    (start + position, *self._origin), rows[position : position + chunk]
                )
            if head + whole < count:
                array.append(rows[head + whole :])


class PackedChunks:
    """Chunks that were packed outside of HDF5, to the end of one array.

    Parameters
    ----------
    file, handle, array
        As for :class:`TablesAppender`.
    """

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Array) -> None:
        self._file = file
        self._handle = handle
        self._array = array

    def store(self, stop: int, chunks: Sequence[tuple[tuple[int, ...], Packed]]) -> None:
        """Grow the array and store the chunks that begin in its new rows."""
        file, array = self._file, self._array
        with file.translate(self._handle.path, writing=True):
            file.require_open()
            array.resize(stop)
            for offset, packed in chunks:
                array.write_chunk(offset, as_array(packed.data), packed.mask)
            if any(packed.mask for _, packed in chunks):
                # HDF5 remembers the latest chunk with the mask from before it was written
                # directly, and could not read it; another extent makes it look again.
                array.resize(stop + 1)
                array.resize(stop)
