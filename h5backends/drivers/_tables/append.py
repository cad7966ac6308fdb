"""Appending to the growing arrays of a PyTables file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import c_int64
from typing import Any

from numpy.typing import NDArray

from h5backends.drivers._tables.arrays import Array
from h5backends.drivers._tables.file import LOCK, OpenFile
from h5backends.drivers._tables.tree import TablesHandle
from h5backends.drivers.base import Appender
from h5backends.drivers.frame_calls import Counted, frame_calls
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
    direct = file.low.direct
    if direct is not None and isinstance(array, Array) and array.whole_row_chunk == 1:
        frames = _Frames(file, handle, array)
        append_frame = frame_calls(direct.library, array.shape[1:], array.dtype, frames)
        if append_frame is not None:
            return _FrameAppender(file, handle, array, append_frame)
    return _Appender(file, handle, array)


class _Appender:
    """Rows to the end of one array: whole chunks directly, the rest through HDF5's pipeline.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
    """

    __slots__ = ("_array", "_chunk", "_file", "_origin", "_translation")

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
            array.resize(start + rest)
            for position in range(head, rest, chunk):
                array.write_chunk(
                    (start + position, *self._origin), rows[position : position + chunk]
                )
            if rest < count:
                array.append(rows[rest:])


class _FrameAppender(_Appender):
    """Chunks of one row each, around PyTables too."""

    __slots__ = ("append_frame",)

    def __init__(
        self,
        file: OpenFile,
        handle: TablesHandle,
        array: Array,
        append_frame: Callable[[int, NDArray[Any]], None],
    ) -> None:
        super().__init__(file, handle, array)
        self.append_frame = append_frame


class _Frames:
    """What is around the two calls of HDF5's own that write a frame.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
    """

    lock = LOCK

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Array) -> None:
        self.raise_ours = file.translate(handle.path, writing=True).raise_ours
        self.journal = file.journal
        self.dataset = c_int64(array.low._v_objectid)
        self.counted: Counted | None = array
        self._file = file
        self._array = array

    def append_slowly(self, start: int, frame: NDArray[Any]) -> None:
        """Write a frame through PyTables, which says what is wrong."""
        array = self._array
        self._file.require_open()
        array.resize(start + 1)
        array.write_chunk((start, *(0 for _ in frame.shape)), frame)
        self.dataset.value = array.low._v_objectid  # in case that it was opened anew


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
