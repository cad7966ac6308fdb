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
from h5backends.drivers.frame_writer import FrameWriter, frame_writer
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
    if isinstance(array, Array) and array.whole_row_chunk == 1:
        write = _writer(file, array)
        if write is not None:
            return _FrameAppender(file, handle, array, write)
    return _Appender(file, handle, array)


def _writer(file: OpenFile, array: Array) -> FrameWriter | None:
    direct = file.low.direct
    if direct is None:
        return None
    return frame_writer(direct.library, array.low._v_objectid, array.shape[1:])


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
    """Chunks of one row each, around PyTables too.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
    write : callable
        See :func:`h5backends.drivers.frame_writer.frame_writer`.
    """

    __slots__ = ("_guard", "_write_frame")

    def __init__(
        self, file: OpenFile, handle: TablesHandle, array: Array, write: FrameWriter
    ) -> None:
        super().__init__(file, handle, array)
        self._guard = self._translation.guard or nullcontext()
        self._write_frame = write

    def append_frame(self, start: int, frame: NDArray[Any]) -> None:
        array = self._array
        try:
            with self._guard:
                if not self._file.is_open:
                    self._file.require_open()
                if not self._write_frame(start, frame):
                    # PyTables says what is wrong, or has opened the array anew meanwhile.
                    array.resize(start + 1)
                    array.write_chunk((start, *self._origin), frame)
                    self._write_frame = _writer(self._file, array) or self._write_frame
                array.length = start + 1
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
