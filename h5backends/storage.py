"""Array types <-> what every HDF5 library can hold: text as UTF-8 bytes, times as integers.

A converter is chosen once for an array and then used for every read and write. The type that the
caller sees is remembered in the array's ``dtype`` attribute (numpy's name, as PyMoDAQ writes it)
and, for structured types with converted fields, in ``dtype_descr``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import literal
from h5backends.errors import DTypeError
from h5backends.types import packed

__all__ = ["Storage"]

_PLAIN_KINDS = "biufcS"
_UTF8_WIDTH = 4
"""Bytes that one character can take."""


class Storage:
    """How one array type is held in the file.

    Parameters
    ----------
    dtype : numpy.dtype
        The type that callers give and get.
    stored : numpy.dtype
        The type in the file.
    """

    __slots__ = ("dtype", "plain", "stored")

    def __init__(self, dtype: np.dtype[Any], stored: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.stored = stored
        self.plain = dtype == stored

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Storage:
        """Choose how to hold a type.

        Raises
        ------
        DTypeError
            Nothing in HDF5 corresponds to it (Python objects, raw void).
        """
        dtype = packed(dtype)
        return cls(dtype, _stored_dtype(dtype))

    @classmethod
    def restore(cls, stored: np.dtype[Any], name: object, descr: object = None) -> Storage:
        """Find the caller's type again from the file's type and the array's attributes.

        Parameters
        ----------
        stored : numpy.dtype
            The type in the file.
        name, descr : object
            The attributes ``dtype`` and ``dtype_descr``; whatever does not fit `stored` is
            ignored, so that a foreign file reads as it is.
        """
        dtype = _logical_dtype(stored, name, descr)
        return cls(dtype, stored)

    @property
    def attrs(self) -> dict[str, str]:
        """The attributes that :meth:`restore` needs."""
        attrs = {"dtype": self.dtype.name}
        if not self.plain and self.dtype.names:
            attrs["dtype_descr"] = repr(self.dtype.descr)
        return attrs

    def to_stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert values of :attr:`dtype` (any shape) into the stored type."""
        if self.plain:
            return values
        return _to_stored(values, self.stored)

    def from_stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert what was read back into values of :attr:`dtype`."""
        if self.plain:
            return values
        return _from_stored(values, self.dtype)


def _stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.names:
        return np.dtype([(name, _stored_dtype(dtype[name])) for name in dtype.names])
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((_stored_dtype(base), shape))
    if dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic":
        raise DTypeError(
            "times need a unit", found=str(dtype), remedy="For instance 'datetime64[ns]'."
        )
    if dtype.kind in "mM":
        return np.dtype(np.int64)
    if dtype.kind in "US" and not dtype.itemsize:
        raise DTypeError(
            "text and bytes in an array need a width",
            found=dtype.name,
            remedy="For instance 'U32' or 'S32'; or take a VLARRAY with dtype='string'.",
        )
    if dtype.kind == "U":
        return np.dtype(f"S{dtype.itemsize // 4 * _UTF8_WIDTH}")
    if dtype.kind in _PLAIN_KINDS:
        return dtype
    raise DTypeError(
        "arrays cannot hold this type",
        expected="numbers, bool, text, bytes, times, or a structured type of these",
        found=str(dtype),
        remedy="Convert Python objects first; rows of different lengths go into a VLARRAY.",
    )


def _logical_dtype(stored: np.dtype[Any], name: object, descr: object) -> np.dtype[Any]:
    if not isinstance(name, str):
        return stored
    try:
        if stored.names and isinstance(descr, str):
            wanted = np.dtype(literal.parse(descr))
            return wanted if _stored_dtype(wanted) == packed(stored) else stored
        if (
            stored.kind == "i"
            and stored.itemsize == 8
            and name.startswith(("datetime64", "timed"))
        ):
            return np.dtype(name)
        if name == "bool" and stored == np.uint8:
            return np.dtype(bool)  # the bit fields of PyTables, as h5py reads them
        if stored.kind == "S" and name.startswith("str") and name[3:].isdigit():
            # A character takes a byte at least: no more memory than the file's own type says.
            return np.dtype(f"U{min(max(1, int(name[3:]) // 32), stored.itemsize)}")
        if stored.kind == "S" and name == "str":
            return np.dtype(f"U{stored.itemsize}")
    except (TypeError, ValueError, DTypeError):
        return stored
    return stored


def _to_stored(values: NDArray[Any], stored: np.dtype[Any]) -> NDArray[Any]:
    if values.dtype == stored:
        return values
    if values.dtype.names:
        result = np.empty(values.shape, stored)
        for name in values.dtype.names:
            result[name] = _to_stored(values[name], stored[name].base)
        return result
    if values.dtype.kind in "mM":
        return values.view(np.int64) if values.ndim else values.astype(np.int64)
    if values.dtype.kind == "U":
        # Half of a surrogate pair (a name of a file, say) must not make the whole array fail.
        encoded = np.char.encode(values, "utf-8", "surrogatepass")
        return np.asarray(encoded).astype(stored, copy=False).reshape(values.shape)
    return values.astype(stored, copy=False)


def _from_stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if values.dtype == dtype:
        return values
    if dtype.names:
        result = np.empty(values.shape, dtype)
        for name in dtype.names:
            result[name] = _from_stored(values[name], dtype[name].base)
        return result
    if dtype.kind in "mM":
        return np.ascontiguousarray(values).view(dtype).reshape(values.shape)
    if dtype.kind == "U":
        try:
            decoded = np.char.decode(values, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # Text that was cut in the middle of a character still shows what is left.
            decoded = np.char.decode(values, "utf-8", "replace")
        return np.asarray(decoded).astype(dtype).reshape(values.shape)
    return values.astype(dtype)
