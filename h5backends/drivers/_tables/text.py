"""Text attributes of variable length, as h5py writes them, which PyTables reads but cannot write.

Text of fixed length, PyTables' own, comes back as bytes in h5py (and in PyMoDAQ through h5py), is
limited to 64 KiB, and cannot be empty.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_uint64
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from h5backends.drivers._tables.direct import Direct

__all__ = ["REFERENCE_SIZE", "TextWriter"]

REFERENCE_SIZE = 16
"""Bytes that a text of variable length takes in its attribute; the text itself is elsewhere."""

_STRING = 3
_VARIABLE = ctypes.c_size_t(-1).value
_UTF8 = 1
_SCALAR = 0
_PASSING = "H5B_NEW."
"""Prefix of the name under which an attribute is written while the old one still stands."""


class TextWriter:
    """Writes text attributes.

    Parameters
    ----------
    direct : Direct
        The HDF5 library of the files.
    """

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._type = _checked(direct.H5Tcreate(_STRING, _VARIABLE))
        _checked(direct.H5Tset_cset(self._type, _UTF8))
        self._scalar = _checked(direct.H5Screate(_SCALAR))

    def close(self) -> None:
        """Give the HDF5 objects back."""
        self._direct.H5Tclose(self._type)
        self._direct.H5Sclose(self._scalar)

    def write(self, node: Any, name: str, value: str | NDArray[np.str_]) -> None:
        """Create or replace an attribute.

        Parameters
        ----------
        node : Group or Dataset
            The open object.
        name : str
            Name of the attribute.
        value : str or ndarray of kind ``U``
            One text or an array of them, without NUL inside.
        """
        texts = np.asarray(value)
        memory = (c_char_p * max(1, texts.size))(*[str(text).encode() for text in texts.flat])
        if texts.ndim == 0:
            self._put(node._v_objectid, name, self._scalar, memory, scalar=True)
            return
        shape = (c_uint64 * texts.ndim)(*texts.shape)
        space = _checked(self._direct.H5Screate_simple(texts.ndim, shape, None))
        try:
            self._put(node._v_objectid, name, space, memory, scalar=False)
        finally:
            self._direct.H5Sclose(space)

    def _put(self, node_id: int, name: str, space: int, memory: Any, scalar: bool) -> None:
        direct, raw = self._direct, name.encode()
        if direct.H5Aexists(node_id, raw) <= 0:
            self._create(node_id, raw, space, memory)
        elif not (scalar and self._overwritten(node_id, raw, memory)):
            # The old one goes when the new one is there, for want of room can prevent that.
            passing = (_PASSING + name).encode()
            if direct.H5Aexists(node_id, passing) > 0:
                _checked(direct.H5Adelete(node_id, passing))
            self._create(node_id, passing, space, memory)
            _checked(direct.H5Adelete(node_id, raw))
            _checked(direct.H5Arename(node_id, passing, raw))

    def _create(self, node_id: int, name: bytes, space: int, memory: Any) -> None:
        attribute = _checked(self._direct.H5Acreate2(node_id, name, self._type, space, 0, 0))
        try:
            _checked(self._direct.H5Awrite(attribute, self._type, memory))
        finally:
            self._direct.H5Aclose(attribute)

    def _overwritten(self, node_id: int, name: bytes, memory: Any) -> bool:
        """Overwrite an attribute that is one text of variable length already, or return False."""
        direct = self._direct
        attribute = _checked(direct.H5Aopen(node_id, name, 0))
        kind = direct.H5Aget_type(attribute)
        try:
            same = direct.H5Tequal(kind, self._type) > 0
            if not same or direct.shape(attribute) != ():
                return False
            _checked(direct.H5Awrite(attribute, self._type, memory))
            return True
        finally:
            direct.H5Tclose(kind)
            direct.H5Aclose(attribute)


def _checked(answer: int) -> int:
    """Return what HDF5 answered, or raise with what it said."""
    if answer < 0:
        raise tables.HDF5ExtError("cannot write an attribute")
    return answer
