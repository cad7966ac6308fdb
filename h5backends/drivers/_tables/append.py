"""Appending to the growing arrays of a PyTables file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from numpy.typing import NDArray

from h5backends.drivers._tables.arrays import Array
from h5backends.drivers._tables.file import OpenFile
from h5backends.drivers._tables.tree import TablesHandle
from h5backends.drivers.base import Appender
from h5backends.pipeline import Packed, as_array

__all__ = ["PackedChunks", "appender_for"]


def appender_for(file: OpenFile, handle: TablesHandle, array: Any) -> Appender:
    """Choose the fastest safe way to the end of an array.

    Parameters
    ----------
    file : OpenFile
        The file.
    handle : TablesHandle
        The array's handle.
    array : Array, Ragged or Records
        The array.
    """
    frames = isinstance(array, Array) and array.whole_row_chunk == 1
    return (_FrameAppender if frames else _Appender)(file, handle, array)


class _Appender:
    """Rows to the end of one array: whole chunks directly, the rest through HDF5's pipeline.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
    """

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Any) -> None:
        self._file = file
        self._array = array
        self._chunk = array.whole_row_chunk if isinstance(array, Array) else 0
        self._translation = file.translate(handle.path, writing=True)

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write `rows` behind the first `start` rows and grow the array to hold exactly them."""
        array, chunk, count = self._array, self._chunk, len(rows)
        with self._translation:
            self._file.require_open()
            if array.length != start:
                array.resize(start)
            if not chunk or count < chunk or not rows.size:
                array.append(rows)
                return
            # Up to the next chunk boundary, then whole chunks around the pipeline, then the rest.
            head = -start % chunk
            if head:
                array.append(rows[:head])
            rest = head + (count - head) // chunk * chunk
            for position in range(head, rest, chunk):
                array.append_chunk(start + position, chunk, rows[position : position + chunk])
            if rest < count:
                array.append(rows[rest:])


class _FrameAppender(_Appender):
    """Chunks of one row each."""

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Array) -> None:
        super().__init__(file, handle, array)
        self._guard = self._translation.guard or nullcontext()

    def append_frame(self, start: int, frame: NDArray[Any]) -> None:
        file = self._file
        try:
            with self._guard:
                if not file.is_open:
                    file.require_open()
                self._array.append_chunk(start, 1, frame)
        except Exception as exc:
            self._translation.raise_ours(exc)
            raise


class PackedChunks:
    """Chunks that were packed outside of HDF5, to the end of one array.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
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
