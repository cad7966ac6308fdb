"""One text of an attribute by HDF5's own functions: nearly every attribute is one.

h5py makes an object of everything it touches, and remembers it: for an attribute that takes longer
than reading it.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_int64, c_uint64, c_void_p
from functools import cache
from typing import Any

from h5backends.drivers.hdf5_library import functions
from h5backends.file_text import decoded

__all__ = ["TextReader", "text_reader"]

TextReader = Callable[[int, bytes, bool], str | None]
"""Takes HDF5's identifier of an object, the name of an attribute that is there, and whether a text
of this name is known to be no array of one text. Returns None for anything but one text of
variable length. h5py's lock must be held."""

_ONE_TEXT = 16
"""Bytes that it takes in a file: length, heap address and index."""
_SCALAR = 0
_ID = c_int64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "H5Aopen": (_ID, (_ID, c_char_p, _ID)),
    "H5Aget_storage_size": (c_uint64, (_ID,)),
    "H5Aget_type": (_ID, (_ID,)),
    "H5Tis_variable_str": (c_int, (_ID,)),
    "H5Aget_space": (_ID, (_ID,)),
    "H5Sget_simple_extent_type": (c_int, (_ID,)),
    "H5Sclose": (c_int, (_ID,)),
    "H5Aread": (c_int, (_ID, _ID, c_void_p)),
    "H5free_memory": (c_int, (c_void_p,)),
    "H5Tclose": (c_int, (_ID,)),
    "H5Aclose": (c_int, (_ID,)),
}


@cache
def text_reader(library: Any) -> TextReader | None:
    """Make what reads texts.

    Parameters
    ----------
    library : ctypes library or None
        The HDF5 library of h5py.

    Returns
    -------
    callable or None
        None where the library cannot be reached or lacks a function.
    """
    if library is None:
        return None
    try:
        found = list(functions(library, _FUNCTIONS).values())
    except AttributeError:
        return None
    open_, size_of, type_of, is_variable, space_of, extent_of, close_space = found[:7]
    read, free, close_type, close = found[7:]

    def is_one(attribute: int) -> bool:
        space = space_of(attribute)
        try:
            return bool(extent_of(space) == _SCALAR)
        finally:
            close_space(space)

    def text(node: int, name: bytes, known: bool) -> str | None:
        attribute = open_(node, name, 0)
        if attribute < 0:
            return None
        try:
            if size_of(attribute) != _ONE_TEXT:
                return None
            kind = type_of(attribute)
            try:
                if is_variable(kind) <= 0 or not (known or is_one(attribute)):
                    return None
                raw = c_char_p()
                if read(attribute, kind, byref(raw)) < 0:
                    return None
                try:
                    return decoded(raw.value or b"")
                finally:
                    free(raw)
            finally:
                close_type(kind)
        finally:
            close(attribute)

    return text
