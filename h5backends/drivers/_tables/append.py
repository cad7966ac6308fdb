"""Appending to the growing arrays of a PyTables file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from h5backends.drivers._tables.arrays import Array
from h5backends.drivers._tables.direct import Direct
from h5backends.drivers._tables.file import OpenFile
from h5backends.drivers._tables.lowlevel import extents
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
    direct = file.low.direct
    if direct is not None and isinstance(array, Array) and array.whole_row_chunk == 1:
        return _FrameAppender(file, handle, array, direct)
    return _Appender(file, handle, array)


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
    """Chunks of one row each, and HDF5's own function for the extent.

    PyTables' looks up the extent before and its shape anew after, for each frame.

    Parameters
    ----------
    file, handle, array
        As for :func:`appender_for`.
    direct : Direct
        The library.
    """

    def __init__(self, file: OpenFile, handle: TablesHandle, array: Array, direct: Direct) -> None:
        super().__init__(file, handle, array)
        self._guard = self._translation.guard or nullcontext()
        self._set_extent = direct.H5Dset_extent
        self._extent, self._position = extents(*array.shape), extents(0, *self._origin)
        self._extent_address = self._extent.ctypes.data

    def append_frame(self, start: int, frame: NDArray[Any]) -> None:
        file, array = self._file, self._array
        low = array.low
        try:
            with self._guard:
                if not file.is_open:
                    file.require_open()
                self._extent[0] = stop = start + 1
                if self._set_extent(low._v_objectid, self._extent_address) < 0:
                    raise tables.HDF5ExtError(f"cannot grow {low._v_pathname!r}")
                array.length = stop
                self._position[0] = start
                low._g_write_chunk(self._position, np.frombuffer(frame, np.uint8), 0)
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
