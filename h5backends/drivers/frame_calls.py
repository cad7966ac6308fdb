"""A frame to the end of an array in two calls of HDF5's own functions.

While a frame of half a megabyte is copied, the processor's cache loses everything else, and what a
library does around HDF5 then takes as long as HDF5 itself. So all that can be is made beforehand,
and what is left is one function.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from ctypes import c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counted", "Journal", "Surroundings", "frame_calls"]

_HEAD = object.__basicsize__
"""Bytes of Python's own in front of an array's fields, the first of which is where its values
are (``PyArrayObject_fields``, part of numpy's binary interface). numpy tells it in a microsecond,
from there it takes none."""


def _fields_are_known() -> bool:
    """Tell whether the address of an array's values is where it is looked for."""
    if sys.implementation.name != "cpython":
        return False
    array = np.zeros(1)
    return c_void_p.from_address(id(array) + _HEAD).value == array.ctypes.data


_KNOWN = _fields_are_known()


class Counted(Protocol):
    """What knows how many rows an array has."""

    length: int


class Journal(Protocol):
    """The part of a file's journal that frames have to do with.

    Attributes
    ----------
    guard : context manager
        To be in while HDF5 is at work.
    due : bool
        Whether :meth:`relieve` has to be called after that.
    """

    due: bool

    @property
    def guard(self) -> AbstractContextManager[Any]: ...

    def relieve(self) -> None:
        """Have the library flush, which tells of what could not be written."""


class Surroundings(Protocol):
    """What a driver has around the two calls.

    Attributes
    ----------
    dataset : c_int64
        HDF5's identifier of the array.
    journal : Journal or None
        The file's.
    lock : context manager
        The lock of the library, to be in while HDF5 is at work.
    counted : Counted or None
        Its length is brought up to date.
    """

    dataset: c_int64
    lock: Any
    counted: Counted | None

    @property
    def journal(self) -> Journal | None: ...

    def append_slowly(self, start: int, frame: NDArray[Any]) -> None:
        """Write a frame through the library, or raise what is wrong; within guard and lock."""

    def raise_ours(self, exc: BaseException) -> None:
        """Raise our error for one of the library's; return if it is none."""


def frame_calls(
    library: Any, row_shape: tuple[int, ...], dtype: np.dtype[Any], around: Surroundings
) -> Callable[[int, NDArray[Any]], None] | None:
    """Make what appends frames to an array with chunks of one row, and without filters.

    Parameters
    ----------
    library : ctypes library or None
        The HDF5 library; its functions must keep the interpreter's lock.
    row_shape : tuple of int
        Shape of a frame.
    dtype : numpy.dtype
        Type of its elements in the file.
    around : Surroundings
        The driver's.

    Returns
    -------
    callable or None
        :meth:`h5backends.drivers.base.FrameAppender.append_frame`. None where that is not
        possible, and the library's usual way has to be taken.
    """
    if library is None or not _KNOWN:
        return None
    try:
        set_extent, write_chunk = library["H5Dset_extent"], library["H5Dwrite_chunk"]
    except AttributeError:
        return None
    set_extent.restype = write_chunk.restype = c_int
    extent = np.array((0, *row_shape), np.uint64)
    position = np.zeros(1 + len(row_shape), np.uint64)
    extent_at, position_at = c_void_p(extent.ctypes.data), c_void_p(position.ctypes.data)
    first, length = c_uint64.from_buffer(position.data), c_uint64.from_buffer(extent.data)
    usual_transfer, no_filter_left_out = c_int64(0), c_uint32(0)
    values_of = c_void_p.from_address
    dataset, counted, lock, journal = around.dataset, around.counted, around.lock, around.journal
    guard = nullcontext() if journal is None else journal.guard
    size = c_size_t(math.prod(row_shape) * dtype.itemsize)

    def append_frame(start: int, frame: NDArray[Any]) -> None:
        try:
            with guard, lock:
                first.value = start
                length.value = stop = start + 1
                if (
                    not frame.flags.c_contiguous
                    or set_extent(dataset, extent_at) < 0
                    or write_chunk(
                        dataset, usual_transfer, no_filter_left_out, position_at, size,
                        values_of(id(frame) + _HEAD),
                    ) < 0
                ):  # fmt: skip
                    around.append_slowly(start, frame)
                if counted is not None:
                    counted.length = stop
            if journal is not None and journal.due:
                journal.relieve()
        except Exception as exc:
            around.raise_ours(exc)
            raise

    return append_frame
