"""Attributes of datasets that nobody opened: HDF5 takes as long to open one as to read three.

Only texts of a fixed length, one in each attribute, which is how PyTables writes nearly all. They
are read as what they are without asking for their type: a read of anything else fails.
"""

from __future__ import annotations

from ctypes import (
    Structure,
    byref,
    c_byte,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint,
    c_uint64,
    c_ulong,
    c_void_p,
    create_string_buffer,
)
from functools import cache
from typing import Any

from h5backends.drivers.hdf5_library import functions
from h5backends.file_text import decoded

__all__ = ["ByName", "by_name"]

_ID = c_int64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "H5Aclose": (c_int, (_ID,)),
    "H5Aget_space": (_ID, (_ID,)),
    "H5Aget_storage_size": (c_uint64, (_ID,)),
    "H5Aget_type": (_ID, (_ID,)),
    "H5Aopen_by_name": (_ID, (_ID, c_char_p, c_char_p, _ID, _ID)),
    "H5Aread": (c_int, (_ID, _ID, c_void_p)),
    "H5Oget_info_by_name3": (c_int, (_ID, c_char_p, c_void_p, c_uint, _ID)),
    "H5Sclose": (c_int, (_ID,)),
    "H5Sget_simple_extent_type": (c_int, (_ID,)),
    "H5Tclose": (c_int, (_ID,)),
    "H5Tcopy": (_ID, (_ID,)),
    "H5Tget_class": (c_int, (_ID,)),
    "H5Tset_cset": (c_int, (_ID, c_int)),
    "H5Tset_size": (c_int, (_ID, c_size_t)),
}
"""HDF5's functions -> type of the result, types of the arguments (HDF5 1.12 and later)."""
_TEXT_TYPE = "H5T_C_S1_g"
_NUMBER_OF_ATTRIBUTES = 4
_STRING, _SCALAR = 3, 0
_ASCII, _UTF8 = 0, 1
_USUAL = 0
_LONGEST = 1024


class _Info(Structure):
    """What HDF5 tells of an object (``H5O_info2_t``)."""

    _fields_ = (
        ("fileno", c_ulong),
        ("token", c_byte * 16),
        ("type", c_int),
        ("rc", c_uint),
        ("times", c_int64 * 4),
        ("num_attrs", c_uint64),
    )


class ByName:
    """The functions of one HDF5 library.

    Parameters
    ----------
    library : ctypes library
        It must have all of them, else AttributeError or ValueError.
    """

    def __init__(self, library: Any) -> None:
        vars(self).update(functions(library, _FUNCTIONS))
        self._one_character = _ID.in_dll(library, _TEXT_TYPE).value
        self._types: dict[tuple[int, int], int] = {}
        self._encodings: dict[bytes, int] = {}  # name of an attribute -> what its text was last
        self._info = _Info()
        self._room = create_string_buffer(_LONGEST)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def count(self, group_id: int, child: bytes) -> int:
        """Return how many attributes a child of a group has, -1 if it cannot be told."""
        info = self._info
        failed = self.H5Oget_info_by_name3(
            group_id, child, byref(info), _NUMBER_OF_ATTRIBUTES, _USUAL
        )
        return -1 if failed < 0 else int(info.num_attrs)

    def text(self, group_id: int, child: bytes, name: bytes) -> str | None:
        """Return the text in an attribute of a child of a group.

        Parameters
        ----------
        group_id : int
            HDF5's identifier of the group.
        child, name : bytes
            Names of the child and of the attribute.

        Returns
        -------
        str or None
            None for anything but one text of a fixed length that it fills, and where there is
            no such attribute.
        """
        attribute = self.H5Aopen_by_name(group_id, child, name, _USUAL, _USUAL)
        if attribute < 0:
            return None
        try:
            size = self.H5Aget_storage_size(attribute)
            if not size:
                return "" if self._is_text(attribute) else None
            if size > _LONGEST or not self._is_one(attribute):
                return None
            encoding = self._encodings.get(name, _ASCII)
            if self.H5Aread(attribute, self._type(size, encoding), self._room) < 0:
                encoding = _UTF8 - encoding
                if self.H5Aread(attribute, self._type(size, encoding), self._room) < 0:
                    return None
                self._encodings[name] = encoding
        finally:
            self.H5Aclose(attribute)
        raw: Any = self._room[:size]
        # HDF5 cuts off what other programs pad with, and the last character where it would be 0.
        return None if b"\0" in raw else decoded(raw)

    def _is_one(self, attribute: int) -> bool:
        space = self.H5Aget_space(attribute)
        try:
            return bool(self.H5Sget_simple_extent_type(space) == _SCALAR)
        finally:
            self.H5Sclose(space)

    def _is_text(self, attribute: int) -> bool:
        kind = self.H5Aget_type(attribute)
        try:
            return bool(self.H5Tget_class(kind) == _STRING)
        finally:
            self.H5Tclose(kind)

    def _type(self, size: int, encoding: int) -> int:
        """Return the identifier of a type for texts of so many bytes."""
        known = self._types.get((size, encoding))
        if known is None:
            known = self._types[size, encoding] = self.H5Tcopy(self._one_character)
            self.H5Tset_size(known, size)
            self.H5Tset_cset(known, encoding)
        return known


@cache
def by_name(library: Any) -> ByName | None:
    """Return the functions of a library, None if it lacks one.

    Parameters
    ----------
    library : ctypes library
        PyTables' HDF5; its functions must keep the interpreter's lock.
    """
    try:
        return ByName(library)
    except (AttributeError, ValueError):
        return None
