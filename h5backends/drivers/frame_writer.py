"""A frame to the end of an array in two calls of HDF5's own functions.

While a frame of half a megabyte is copied, the processor's cache loses everything else, and what a
library does around HDF5 then takes as long as HDF5 itself. So all that can be is made beforehand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ctypes import c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameWriter", "frame_writer"]

FrameWriter = Callable[[int, NDArray[Any]], bool]
"""Takes the number of rows before and a frame; tells whether HDF5 wrote it."""

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


def frame_writer(library: Any, dataset: int, row_shape: tuple[int, ...]) -> FrameWriter | None:
    """Make what writes frames to an array with chunks of one row, and without filters.

    Parameters
    ----------
    library : ctypes library or None
        The HDF5 library; its functions must keep the interpreter's lock.
    dataset : int
        HDF5's identifier of the array.
    row_shape : tuple of int
        Shape of a frame.

    Returns
    -------
    callable or None
        It gets frames of the array's type and shape, with the lock of the library held, and does
        not write those that are not C-contiguous. None where that is not possible, and the
        library's usual way has to be taken.
    """
    if library is None or not _KNOWN:
        return None
    try:
        # By item, not by name: else others who use this object would get the same functions.
        set_extent, write_chunk = library["H5Dset_extent"], library["H5Dwrite_chunk"]
    except AttributeError:
        return None
    set_extent.restype = write_chunk.restype = c_int
    extent = np.array((0, *row_shape), np.uint64)
    position = np.zeros(1 + len(row_shape), np.uint64)
    itself, extent_at = c_int64(dataset), c_void_p(extent.ctypes.data)
    # The default way of transfer, no filter left out.
    before = (itself, c_int64(0), c_uint32(0), c_void_p(position.ctypes.data))
    values_of = c_void_p.from_address

    def write(start: int, frame: NDArray[Any]) -> bool:
        extent[0] = start + 1
        if not frame.flags.c_contiguous or set_extent(itself, extent_at) < 0:
            return False
        position[0] = start
        done: int = write_chunk(*before, c_size_t(frame.nbytes), values_of(id(frame) + _HEAD))
        return done >= 0

    return write
