"""Any value of a file as something that JSON has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return a value with which ``json.dumps(..., allow_nan=False)`` works.

    Parameters
    ----------
    value : object
        A number, text, an array, a structured scalar, or a container of these.

    Returns
    -------
    object
        Arrays become lists, structured values objects, complex numbers pairs; NaN and infinities
        become None; what JSON lacks becomes its text.
    """
    match value:
        case np.ndarray() if value.ndim == 0:
            return plain(value[()])
        case np.ndarray() | list() | tuple():
            return [plain(part) for part in value]
        case np.void() if value.dtype.names:
            return {name: plain(value[name]) for name in value.dtype.names}
        case dict():
            return {str(key): plain(part) for key, part in value.items()}
        case np.datetime64() | np.timedelta64():
            return str(value)
        case np.generic():
            return plain(value.item())
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case complex():
            return [plain(value.real), plain(value.imag)]
        case bytes():
            return value.decode("utf-8", "backslashreplace")
    return str(value)
