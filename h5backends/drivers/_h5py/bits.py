"""PyTables' booleans: bits in the file, which h5py shows as ``uint8``."""

from __future__ import annotations

from typing import Any

import numpy as np
from h5py import h5t
from numpy.typing import NDArray

__all__ = ["as_written", "dtype_of"]


def dtype_of(kind: h5t.TypeID, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of an array's elements, with bool where the file has bits.

    Parameters
    ----------
    kind : h5py.h5t.TypeID
        The type in the file.
    dtype : numpy.dtype
        What h5py makes of it.
    """
    if dtype.kind not in "uV":
        return dtype
    if isinstance(kind, h5t.TypeBitfieldID) and dtype == np.uint8:
        return np.dtype(np.bool_)
    if isinstance(kind, h5t.TypeArrayID) and dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((dtype_of(kind.get_super(), base), shape))
    if isinstance(kind, h5t.TypeCompoundID) and dtype.names:
        fields: dict[str, Any] = dict(dtype.fields or {})
        names, offsets = list(dtype.names), [fields[name][1] for name in dtype.names]
        kinds = [kind.get_member_type(index) for index in range(kind.get_nmembers())]
        formats = [dtype_of(k, dtype[name]) for k, name in zip(kinds, names, strict=True)]
        if all(new is dtype[name] for new, name in zip(formats, names, strict=True)):
            return dtype
        return np.dtype(
            {"names": names, "formats": formats, "offsets": offsets, "itemsize": dtype.itemsize}
        )
    return dtype


def as_written(kind: h5t.TypeID, values: NDArray[Any]) -> NDArray[Any]:
    """Return what h5py read as it was written: the same bytes, with bool where bits are."""
    dtype = dtype_of(kind, values.dtype)
    return values if dtype is values.dtype else values.view(dtype)
