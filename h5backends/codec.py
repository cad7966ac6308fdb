"""Attribute values <-> what HDF5 stores, so that PyMoDAQ and every other tool read them.

The rules are those of the file layout: text and floats natively, numpy arrays natively, Python
types that PyMoDAQ's loader needs exactly (``int``, ``bool``, tuples, dates, ...) in PyMoDAQ's JSON
form ``{"module": ..., "type": ..., "data": repr(value)}``. Reading accepts both and evaluates
nothing (see :mod:`h5backends.literal`).
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
import reprlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import literal
from h5backends.errors import AttributeValueError
from h5backends.file_text import is_utf8
from h5backends.types import Stored, packed

__all__ = ["decode", "decode_all", "encode"]

_PLAIN = frozenset({"TITLE", "CLASS", "VERSION", "FLAVOR", "PYTABLES_FORMAT_VERSION"})
"""Names whose text other libraries read themselves, hence never wrapped for looking like JSON."""

_NATIVE_BOOLEANS = frozenset({"swmr_compatible", "swmr_active"})
"""Flags that programs without a decoder look at."""

_WRAPPED_KEYS = frozenset({"module", "type", "data"})

_WRAPPED_TYPES: dict[str, type | tuple[type, ...]] = {
    "float": float,
    "float64": float,
    "int": int,
    "str": str,
    "bool": bool,
    "bytes": bytes,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "complex": complex,
    "NoneType": type(None),
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "datetime64": np.datetime64,
    "timedelta64": np.timedelta64,
}
"""JSON type name -> what its literal must turn out to be. The first nine PyMoDAQ reads too."""

_JSON_BEGINS = "{"
_SHORT = 128
"""Length of a text up to which it is remembered."""
_UNKNOWN = object()
_PLAIN_TEXT = re.compile(r"'[^'\\]*'")
"""A text whose representation needs no escapes."""
_INTEGERS = re.compile(r"\((?:\d{1,18}(?:, ?\d{1,18})*,?)?\)")
"""A tuple of plain integers, as every ``shape`` is."""

_USUAL = re.compile(r'\{"module": "builtins", "type": "(\w+)", "data": "([^"\\]*)"\} *')
"""The JSON form without escapes, as json.dumps writes it; reading it so saves the parser."""

_TIME_TYPES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)


def encode(name: str, value: Any) -> Stored:
    """Turn a Python value into what a driver stores.

    Parameters
    ----------
    name : str
        Name of the attribute.
    value : object
        str, bytes, bool, int, float, complex, None, a date or time, a tuple, list or dict of
        these, a numpy scalar or array (numbers, bool, text, bytes, times, structured). Arrays of
        text come back as wide as their longest text.

    Returns
    -------
    str, numpy scalar or ndarray
        The stored form.

    Raises
    ------
    AttributeValueError
        The value, or something in it, cannot be stored.
    """
    match value:
        case str():
            return _encode_text(name, str(value))
        case bool() | np.bool_():
            return np.bool_(value) if name in _NATIVE_BOOLEANS else _wrap(bool(value))
        case float() | complex():  # covers np.float64 and np.complex128
            return np.complex128(value) if isinstance(value, complex) else np.float64(value)
        case np.ndarray():
            return _encode_array(name, value)
        case np.datetime64() | np.timedelta64():
            return _wrap(value)
        case np.bytes_():
            return _wrap(bytes(value))
        case np.generic():
            return _encode_array(name, np.asarray(value))
        case None | int() | bytes() | tuple() | list() | dict():
            return _wrap(_plain(name, value))
    if isinstance(value, _TIME_TYPES):
        return _wrap(_plain(name, value))
    raise _unstorable(name, value)


def decode(name: str, stored: Any) -> Any:
    """Turn what a driver read into the Python value that was set.

    Text that looks like the JSON form but is not one this reader trusts comes back as that text.

    Parameters
    ----------
    name : str
        Name of the attribute.
    stored : str, numpy scalar or ndarray
        As the driver returned it.
    """
    if isinstance(stored, str):
        return _decode_text(str(stored))
    if isinstance(stored, np.float64):
        return float(stored)
    if isinstance(stored, np.complex128):
        return complex(stored)
    if isinstance(stored, np.bool_):
        return bool(stored)
    return stored


def decode_all(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Turn all attributes of a node into the values that were set; see :func:`decode`."""
    return {
        # Plain text, as most of it, without a call.
        name: value if type(value) is str and value[:1] != _JSON_BEGINS else decode(name, value)
        for name, value in stored.items()
    }


def _encode_text(name: str, text: str) -> Stored:
    if "\0" in text or not is_utf8(text):
        return _wrap(text)
    if name in _PLAIN:
        return _wrap(text) if _unwrap(text) is not None else text
    # json.loads is what PyMoDAQ tries first: text that it accepts would come back as another type.
    first = text.lstrip()[:1]
    if first and (first in '{["-' or first.isdigit() or first in "tfnNI"):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return text
        return _wrap(text)
    return text


def _encode_array(name: str, array: NDArray[Any]) -> Stored:
    if np.any(getattr(array, "mask", False)):
        raise _unstorable(name, array)  # HDF5 has no mask: what is under it would look real
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind == "O":
        if array.size and all(isinstance(item, str) for item in array.flat):
            array = array.astype(np.str_)
            kind = "U"
        else:
            raise _unstorable(name, array)
    if kind == "U" and not _native_text(array):
        return _wrap_array(array)
    native = kind in "biucU" or (kind == "f" and array.dtype.itemsize <= 8)
    if kind == "c" and array.dtype.itemsize > 16:
        native = False
    if not native:
        if array.dtype.hasobject:
            raise _unstorable(name, array)
        return _wrap_array(array)
    if kind == "U":
        # Strings of HDF5 have no width of their own: on every driver it is that of the longest.
        array = np.array(array.tolist(), np.str_)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 0:
        scalar = array.reshape(1)[0]
        return str(scalar) if kind == "U" else scalar
    return array


def _native_text(array: NDArray[Any]) -> bool:
    """Whether HDF5 strings hold these texts: no NUL inside, no half of a surrogate pair."""
    return array.size > 0 and all("\0" not in text and is_utf8(text) for text in array.flat)


def _wrap(value: Any) -> str:
    kind = type(value)
    module = "numpy" if isinstance(value, np.generic) else kind.__module__
    return json.dumps({"module": module, "type": kind.__name__, "data": _repr(value)})


def _repr(value: Any) -> str:
    if isinstance(value, (np.datetime64, np.timedelta64)):
        unit = np.datetime_data(value.dtype)[0]
        # The count of units, not ISO text: numpy cannot parse back its own text for every unit.
        count = "'NaT'" if np.isnat(value) else int(value.astype(np.int64))
        step = np.datetime_data(value.dtype)[1]
        return f"np.{type(value).__name__}({count}, {(unit, step)!r})"
    return repr(value)


def _wrap_array(array: NDArray[Any]) -> str:
    array = np.asarray(array, packed(array.dtype), order="C")
    descr = array.dtype.descr if array.dtype.names else array.dtype.str
    return json.dumps(
        {
            "module": "numpy",
            "type": "ndarray",
            "data": base64.b64encode(array.tobytes()).decode(),
            "dtype": repr(descr),
            "shape": list(array.shape),
        }
    )


def _plain(name: str, value: Any) -> Any:
    """Copy a value with numpy scalars inside containers turned into Python's, or refuse it."""
    match value:
        case tuple():
            return tuple(_plain(name, item) for item in value)
        case list():
            return [_plain(name, item) for item in value]
        case dict():
            return {_plain(name, k): _plain(name, v) for k, v in value.items()}
        case np.datetime64() | np.timedelta64():
            raise _unstorable(name, value)
        case np.generic():
            return _plain(name, value.item())
        case bool():
            return value
        case int():
            return int(value) if type(value) in (int, bool) else _exact(name, value, int)
        case str():
            return _exact(name, value, str)
        case None | float() | complex() | bytes():
            return value
    if type(value) in _TIME_TYPES:
        zone = getattr(value, "tzinfo", None)
        if zone is None or type(zone) is datetime.timezone:
            return value
    raise _unstorable(name, value)


def _exact(name: str, value: Any, kind: type) -> Any:
    # Members of an IntEnum or StrEnum would come back as something else than they were.
    if type(value) is not kind:
        raise _unstorable(name, value)
    return value


def _unstorable(name: str, value: Any) -> AttributeValueError:
    found = type(value).__name__
    if isinstance(value, np.ndarray):
        found = f"an array of {value.dtype}"
    return AttributeValueError(
        f"the attribute {name!r} cannot hold this value",
        expected="text, numbers, bool, None, bytes, dates and times, tuples, lists and dicts of "
        "these, or a numpy array of them",
        found=f"{found} ({reprlib.repr(value)})",
        remedy="Store its parts or str(value); for an enum member its name.",
    )


def _unwrap(text: str) -> dict[str, Any] | None:
    """Return the JSON form's dictionary, None if the text is not in that form."""
    if text[:1] != _JSON_BEGINS:
        return None
    try:
        wrapped = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(wrapped, dict) and wrapped.keys() >= _WRAPPED_KEYS:
        return wrapped
    return None


def _decode_text(text: str) -> Any:
    if text[:1] != _JSON_BEGINS:
        return text
    if len(text) <= _SHORT:
        known = _decode_short(text)
        if known is not _UNKNOWN:
            return known
    wrapped = _unwrap(text)
    if wrapped is None:
        return text
    if wrapped["type"] == "ndarray":
        return _decode_array(wrapped, text)
    wanted = _WRAPPED_TYPES.get(str(wrapped["type"]))
    if wanted is None or not isinstance(wrapped["data"], str):
        return text
    try:
        value = _parse(str(wrapped["type"]), wrapped["data"])
    except (ValueError, KeyError):  # NotALiteralError among them
        return text
    return value if isinstance(value, wanted) else text


@lru_cache(maxsize=1024)
def _decode_short(text: str) -> Any:
    """Decode what every array carries, told apart by eye and remembered; nothing mutable.

    The same few texts stand at thousands of nodes: ``shape``, ``dtype``, ``backend``.
    """
    usual = _USUAL.fullmatch(text)
    if usual is None:
        return _UNKNOWN
    kind, data = usual.groups()
    if kind == "str" and _PLAIN_TEXT.fullmatch(data):
        return data[1:-1]
    if kind == "tuple" and _INTEGERS.fullmatch(data):
        return tuple(map(int, data.strip("(),").split(","))) if len(data) > 2 else ()
    if kind == "bool" and data in {"True", "False"}:
        return data == "True"
    if kind == "int" and data.isascii() and data.isdigit():
        return int(data)
    return _UNKNOWN


def _parse(kind: str, data: str) -> Any:
    if kind == "float" and data in {"nan", "inf", "-inf"}:
        return float(data)
    if kind == "complex" and ("nan" in data or "inf" in data):
        return complex(data)
    return literal.parse(data)


def _decode_array(wrapped: dict[str, Any], text: str) -> Any:
    try:
        dtype = np.dtype(literal.parse(wrapped["dtype"]))
        if dtype.hasobject:
            return text
        shape = tuple(int(n) for n in wrapped["shape"])
        raw = base64.b64decode(wrapped["data"], validate=True)
        if len(raw) != dtype.itemsize * math.prod(shape):
            return text
        array = np.frombuffer(bytearray(raw), dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, literal.NotALiteralError):
        return text
    return array if shape else array[()]
