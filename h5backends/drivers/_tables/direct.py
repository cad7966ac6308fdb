"""What PyTables' extension cannot do, by direct calls into the HDF5 library it is linked with.

PyTables' extension cannot say what type an attribute has before it reads it, and then reads some
wrongly: other byte orders unswapped, HDF5 booleans as None, padded compounds beyond its buffer,
missing text through a wild pointer. It also opens every dataset twice. So the few functions that
are missing are called in its own library through ctypes, where that library can be found and
proves to be the right one; where not, :mod:`h5backends.drivers._tables.reader` does the work. The
library is not made for threads: ``PyDLL`` keeps the interpreter's lock during the calls, as
PyTables does.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
import tables
from tables import hdf5extension

from h5backends.drivers.hdf5_library import find_library, functions
from h5backends.file_text import decoded, encoded
from h5backends.types import Stored

__all__ = ["Direct", "find"]


class _Class(IntEnum):
    """HDF5's classes of types."""

    INTEGER = 0
    FLOAT = 1
    TIME = 2
    STRING = 3
    BITFIELD = 4
    OPAQUE = 5
    COMPOUND = 6
    REFERENCE = 7
    ENUM = 8
    VLEN = 9
    ARRAY = 10
    COMPLEX = 11


_NULL_SPACE = 2
_BIG_ENDIAN = 1
_SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 12, 16)}

_ID = c_int64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "H5Aclose": (c_int, (_ID,)),
    "H5Acreate2": (_ID, (_ID, c_char_p, _ID, _ID, _ID, _ID)),
    "H5Adelete": (c_int, (_ID, c_char_p)),
    "H5Aexists": (c_int, (_ID, c_char_p)),
    "H5Aget_num_attrs": (c_int, (_ID,)),
    "H5Aget_space": (_ID, (_ID,)),
    "H5Aget_storage_size": (c_uint64, (_ID,)),
    "H5Aget_type": (_ID, (_ID,)),
    "H5Aopen": (_ID, (_ID, c_char_p, _ID)),
    "H5Aread": (c_int, (_ID, _ID, c_void_p)),
    "H5Arename": (c_int, (_ID, c_char_p, c_char_p)),
    "H5Awrite": (c_int, (_ID, _ID, c_void_p)),
    "H5Dvlen_reclaim": (c_int, (_ID, _ID, _ID, c_void_p)),
    "H5Gget_info": (c_int, (_ID, c_void_p)),
    "H5Oclose": (c_int, (_ID,)),
    "H5Oopen": (_ID, (_ID, c_char_p, _ID)),
    "H5Sclose": (c_int, (_ID,)),
    "H5Screate": (_ID, (c_int,)),
    "H5Screate_simple": (_ID, (c_int, POINTER(c_uint64), c_void_p)),
    "H5Sget_simple_extent_dims": (c_int, (_ID, POINTER(c_uint64), c_void_p)),
    "H5Sget_simple_extent_ndims": (c_int, (_ID,)),
    "H5Sget_simple_extent_type": (c_int, (_ID,)),
    "H5Tclose": (c_int, (_ID,)),
    "H5Tcreate": (_ID, (c_int, c_size_t)),
    "H5Tequal": (c_int, (_ID, _ID)),
    "H5Tget_array_dims2": (c_int, (_ID, POINTER(c_uint64))),
    "H5Tget_array_ndims": (c_int, (_ID,)),
    "H5Tget_class": (c_int, (_ID,)),
    "H5Tget_member_name": (c_void_p, (_ID, ctypes.c_uint)),
    "H5Tget_member_offset": (c_size_t, (_ID, ctypes.c_uint)),
    "H5Tget_member_type": (_ID, (_ID, ctypes.c_uint)),
    "H5Tget_member_value": (c_int, (_ID, ctypes.c_uint, c_void_p)),
    "H5Tget_nmembers": (c_int, (_ID,)),
    "H5Tget_order": (c_int, (_ID,)),
    "H5Tget_sign": (c_int, (_ID,)),
    "H5Tget_size": (c_size_t, (_ID,)),
    "H5Tget_super": (_ID, (_ID,)),
    "H5Tis_variable_str": (c_int, (_ID,)),
    "H5Tset_cset": (c_int, (_ID, c_int)),
    "H5free_memory": (c_int, (c_void_p,)),
}
"""HDF5's functions -> type of the result, types of the arguments (as in HDF5 1.10 and later)."""


_ITERATE = {
    "iterate_links": ("H5Literate2", "H5Literate"),
    "iterate_attributes": ("H5Aiterate2",),
}
"""What goes through names, and what HDF5 calls it; newer versions first."""
_Visit = ctypes.PYFUNCTYPE(c_int, _ID, c_char_p, c_void_p, c_void_p)
_BY_NAME, _NATIVE_ORDER = 0, 2
_GROUP_INFO_WORDS = 4
"""Size of what HDF5 tells of a group, in words of 8 bytes; the second is the number of links."""


class _UnreadableError(Exception):
    """The attribute is of a type that is not read here; the message names it."""


class Direct:
    """The functions of one HDF5 library.

    Parameters
    ----------
    library : ctypes library
        It must have all of them, else AttributeError.
    """

    def __init__(self, library: Any) -> None:
        self.library = library
        vars(self).update(functions(library, _FUNCTIONS))
        for name, symbols in _ITERATE.items():
            function = library[next(s for s in symbols if hasattr(library, s))]
            function.restype = c_int
            function.argtypes = (_ID, c_int, c_int, POINTER(c_uint64), _Visit, c_void_p)
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def link_names(self, group_id: int) -> list[bytes]:
        """List the names in a group, in no order."""
        info = (c_uint64 * _GROUP_INFO_WORDS)()
        self.H5Gget_info(group_id, info)
        return self._names(self.iterate_links, group_id, info[1])

    def attribute_names(self, object_id: int) -> list[str]:
        """List the names of an object's attributes, in no order."""
        count = self.H5Aget_num_attrs(object_id)
        return list(map(decoded, self._names(self.iterate_attributes, object_id, count)))

    def _names(self, iterate: Any, object_id: int, count: int) -> list[bytes]:
        found: list[bytes] = []

        def visit(_: int, name: bytes, *__: Any) -> int:
            found.append(name)
            return 0

        failed = iterate(object_id, _BY_NAME, _NATIVE_ORDER, None, _Visit(visit), None) < 0
        # What a signal handler raises at the first line of the call back is lost in there.
        if failed or len(found) != count:
            raise tables.HDF5ExtError("the names were not listed to their end")
        return found

    def open(self, parent_id: int, name: str) -> int:
        """Open the object of this name or path."""
        found: int = self.H5Oopen(parent_id, encoded(name), 0)
        if found < 0:
            raise tables.HDF5ExtError(f"cannot open {name!r}")
        return found

    def close(self, object_id: int) -> None:
        """Close what :meth:`open` opened."""
        self.H5Oclose(object_id)

    def read(self, node: Any, names: Iterable[str]) -> dict[str, Stored]:
        """Return attributes of an open object which are there."""
        return {name: self.read_one(node, name) for name in names}

    def read_one(self, node: Any, name: str) -> Stored:
        """Return one attribute of an open object which is there."""
        attribute = self.H5Aopen(node._v_objectid, encoded(name), 0)
        if attribute < 0:
            raise tables.HDF5ExtError(f"cannot open the attribute {name!r}")
        kind = self.H5Aget_type(attribute)
        try:
            if self.H5Tget_class(kind) == _Class.STRING:
                return self._text(attribute, kind)
            return self._values(attribute, kind)
        except _UnreadableError as exc:
            return f"<attribute of type {exc}, which is not read>"
        finally:
            self.H5Tclose(kind)
            self.H5Aclose(attribute)

    def _text(self, attribute: int, kind: int) -> Stored:
        if self.H5Tis_variable_str(kind) > 0:
            return self._long_text(attribute, kind)
        total, size = self.H5Aget_storage_size(attribute), self.H5Tget_size(kind)
        room = ctypes.create_string_buffer(max(1, total))
        if total:
            self._read(attribute, kind, room)
        shape = self.shape(attribute)
        if not shape:  # one text, or none at all, which is how PyTables writes an empty one
            return _decoded(room.raw)
        texts = [_decoded(room.raw[i : i + size]) for i in range(0, total, size)]
        return np.array(texts, np.str_).reshape(shape)

    def _long_text(self, attribute: int, kind: int) -> Stored:
        shape = self.shape(attribute)
        if shape is None:
            return ""
        room = (c_char_p * math.prod(shape))()
        space = self.H5Aget_space(attribute)
        try:
            if len(room):
                self._read(attribute, kind, room)
            texts = [_decoded(raw or b"") for raw in room]
            self.H5Dvlen_reclaim(kind, space, 0, room)
        finally:
            self.H5Sclose(space)
        return np.array(texts, np.str_).reshape(shape) if shape else texts[0]

    def _values(self, attribute: int, kind: int) -> Stored:
        dtype = self._dtype(kind)
        shape = self.shape(attribute)
        values = np.zeros((0,) if shape is None else shape, dtype)
        if values.size:
            self._read(attribute, kind, values.ctypes.data)
        values = values.astype(dtype.newbyteorder("="), copy=False)
        return values if values.ndim else values[()]

    def _read(self, attribute: int, kind: int, room: Any) -> None:
        if self.H5Aread(attribute, kind, room) < 0:
            raise tables.HDF5ExtError("cannot read an attribute")

    def shape(self, attribute: int) -> tuple[int, ...] | None:
        """Return the shape of an open attribute, None for "no value"."""
        space = self.H5Aget_space(attribute)
        try:
            rank = self.H5Sget_simple_extent_ndims(space)
            if not rank:
                return None if self.H5Sget_simple_extent_type(space) == _NULL_SPACE else ()
            extent = (c_uint64 * max(1, rank))()
            self.H5Sget_simple_extent_dims(space, extent, None)
            return tuple(extent[:rank])
        finally:
            self.H5Sclose(space)

    def _dtype(self, kind: int) -> np.dtype[Any]:
        """Return the numpy type of the same bytes as in the file."""
        size = self.H5Tget_size(kind)
        try:
            dtype = self._dtype_of_class(kind, self.H5Tget_class(kind), size)
        except (TypeError, ValueError) as exc:  # numpy cannot lay it out
            raise _UnreadableError(str(exc)) from exc
        if dtype.itemsize != size:
            raise _UnreadableError(f"unusual size, {size} bytes")
        return dtype

    def _dtype_of_class(self, kind: int, class_: int, size: int) -> np.dtype[Any]:
        match class_:
            case _Class.INTEGER:
                return self._number("i" if self.H5Tget_sign(kind) else "u", kind, size)
            case _Class.FLOAT:
                return self._number("f", kind, size)
            case _Class.STRING if self.H5Tis_variable_str(kind) == 0:
                return np.dtype(f"S{size}")
            case _Class.BITFIELD:
                return np.dtype(bool) if size == 1 else self._number("u", kind, size)
            case _Class.COMPOUND:
                return self._compound(kind, size)
            case _Class.ENUM:
                return self._enumeration(kind)
            case _Class.ARRAY:
                extent = (c_uint64 * max(1, self.H5Tget_array_ndims(kind)))()
                self.H5Tget_array_dims2(kind, extent)
                return np.dtype((self._super(kind), tuple(extent)))
            case _Class.COMPLEX:
                return np.dtype(f"c{2 * self._super(kind).itemsize}")
        raise _UnreadableError(_name_of(class_))

    def _number(self, letter: str, kind: int, size: int) -> np.dtype[Any]:
        if size not in _SIZES[letter]:
            raise _UnreadableError(f"number of {size} bytes")
        order = ">" if self.H5Tget_order(kind) == _BIG_ENDIAN else "<"
        return np.dtype(f"{order}{letter}{size}")

    def _super(self, kind: int) -> np.dtype[Any]:
        base = self.H5Tget_super(kind)
        try:
            return self._dtype(base)
        finally:
            self.H5Tclose(base)

    def _enumeration(self, kind: int) -> np.dtype[Any]:
        base = self._super(kind)
        members = {}
        for index in range(self.H5Tget_nmembers(kind)):
            value = np.zeros((), base)
            self.H5Tget_member_value(kind, index, value.ctypes.data)
            members[self._member_name(kind, index)] = int(value)
        is_boolean = base.itemsize == 1 and members == {"FALSE": 0, "TRUE": 1}
        return np.dtype(bool) if is_boolean else base

    def _compound(self, kind: int, size: int) -> np.dtype[Any]:
        names, formats, offsets = [], [], []
        for index in range(self.H5Tget_nmembers(kind)):
            member = self.H5Tget_member_type(kind, index)
            try:
                formats.append(self._dtype(member))
            finally:
                self.H5Tclose(member)
            names.append(self._member_name(kind, index))
            offsets.append(self.H5Tget_member_offset(kind, index))
        if names == ["r", "i"] and formats[0] == formats[1] and formats[0].kind == "f":
            return np.dtype(f"{formats[0].byteorder}c{size}")
        fields: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
        dtype: np.dtype[Any] = np.dtype(fields)
        return dtype

    def _member_name(self, kind: int, index: int) -> str:
        raw = self.H5Tget_member_name(kind, index)
        try:
            return _decoded(ctypes.string_at(raw))
        finally:
            self.H5free_memory(raw)


def _decoded(raw: bytes) -> str:
    return decoded(raw.partition(b"\0")[0])


def _name_of(class_: int) -> str:
    return next((known.name for known in _Class if known == class_), str(class_)).lower()


@cache
def _direct(library: Any) -> Direct | None:
    try:
        return Direct(library)
    except AttributeError:
        return None


def find(file_id: int, path: str) -> Direct | None:
    """Return the library that an open file belongs to, None if it cannot be reached.

    Parameters
    ----------
    file_id : int
        PyTables' identifier of the file.
    path : str
        The name that the file was opened by.
    """
    library = find_library(hdf5extension.__file__, file_id, path)
    return None if library is None else _direct(library)
