"""The values that every driver has to bring back: types of arrays, attributes, names."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ATTRIBUTES",
    "LOGICAL_DTYPES",
    "NAMES",
    "NUMBERS",
    "STORED_ATTRIBUTES",
    "STORED_DTYPES",
    "UNSTORABLE",
    "sample",
]

_COMPOUND = np.dtype([("time", "<f8"), ("counts", "<u4", (2,)), ("ok", "?"), ("tag", "S4")])
NUMBERS = (
    *("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"),
    *("bool", "f2", "f4", "f8", "c8", "c16"),
)
"""Every type of number that a file holds."""

STORED_DTYPES: dict[str, np.dtype[Any]] = {
    **{name: np.dtype(name) for name in (*NUMBERS, "S1", "S7")},
    "compound": _COMPOUND,
}
"""What arrays hold in a file, see :mod:`h5backends.storage`."""

LOGICAL_DTYPES: dict[str, np.dtype[Any]] = {
    **STORED_DTYPES,
    **{name: np.dtype(name) for name in ("U1", "U5", "M8[ns]", "M8[D]", "m8[us]", "m8[s]")},
    "compound with text": np.dtype([("when", "M8[ms]"), ("what", "U6"), ("x", "f4", (3,))]),
    "compound with gaps": np.dtype(
        {"names": ["a", "b"], "formats": ["i1", "U3"], "offsets": [0, 8]}
    ),
    "big-endian": np.dtype(">f8"),
    "big-endian integer": np.dtype(">i2"),
}
"""What callers may give and get back."""

_TEXTS = ("", "a", "ab cd", "\u00e4\u20ac", "\u4e2d\u6587", "\U0001f600x")
_RANGES = {"f2": 6e4, "f4": 3e38, "f8": 1e308, "c8": 3e38, "c16": 1e308}


def sample(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int = 0) -> NDArray[Any]:
    """Return an array of values that are easily damaged: limits, NaN, -0.0, non-ASCII text.

    Parameters
    ----------
    dtype : numpy.dtype
        Numbers, bool, text, bytes, times, or structured.
    shape : tuple of int
        Shape of the result.
    seed : int
        Another seed, other values.

    Returns
    -------
    ndarray, shape `shape`, `dtype`
    """
    random = np.random.default_rng(seed)
    if dtype.names:
        result = np.zeros(shape, dtype)
        for index, name in enumerate(dtype.names):
            field = dtype[name]
            result[name] = sample(field.base, (*shape, *field.shape), seed + index)
        return result
    count = int(np.prod(shape, dtype=np.int64))
    return _flat(dtype, count, random).reshape(shape)


def _flat(dtype: np.dtype[Any], count: int, random: np.random.Generator) -> NDArray[Any]:
    kind = dtype.kind
    if kind == "b":
        return random.random(count) < 0.5
    if kind in "ui":
        limits = np.iinfo(dtype)
        values = random.integers(limits.min, limits.max, count, dtype.newbyteorder("="), True)
        return _with(values.astype(dtype), [limits.min, limits.max, 0])
    if kind == "f":
        largest = float(np.finfo(dtype).max)
        values = ((random.random(count) - 0.5) * largest).astype(dtype)
        return _with(values, [np.nan, -0.0, np.inf, -np.inf, largest])
    if kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        result = np.empty(count, dtype)
        result.real, result.imag = _flat(part, count, random), _flat(part, count, random)[::-1]
        return result
    if kind in "mM":
        values = random.integers(-(10**9), 10**9, count).astype(dtype)
        return _with(values, [np.array("NaT", dtype), 0])
    width = dtype.itemsize // (4 if kind == "U" else 1)
    texts = [_TEXTS[n % len(_TEXTS)][:width] for n in range(count)]
    if kind == "U":
        return np.array(texts, dtype)
    return np.array([text.encode("utf-8", "replace")[:width] for text in texts], dtype)


def _with(values: NDArray[Any], special: list[Any]) -> NDArray[Any]:
    for index, value in enumerate(special[: len(values)]):
        values[index] = value
    return values


_ZONE = datetime.timezone(datetime.timedelta(hours=2))

ATTRIBUTES: dict[str, Any] = {
    "text": "counts per second",
    "text not ascii": "\u00e4\u20ac \u4e2d\u6587 \U0001f600",
    "text empty": "",
    "text blank": "  \n\t ",
    "text like a number": "12",
    "text like json": '{"a": [1, null]}',
    "text like nan": "NaN",
    "text like ours": '{"module": "builtins", "type": "int", "data": "3"}',
    "text with nul": "a\0b",
    "text half a pair": "\ud800x",
    "text of 100 KiB": "0123456789abcdef" * 6400,
    "text of 100 KiB not ascii": "\u00e4" * 51200,
    "bool true": True,
    "bool false": False,
    "int": 42,
    "int negative": -1,
    "int huge": 2**80,
    "float": 0.1,
    "float nan": float("nan"),
    "float inf": float("-inf"),
    "float zero": -0.0,
    "complex": 1.5 - 2j,
    "complex nan": complex("nan+infj"),
    "none": None,
    "bytes": b"\x00\xff\x80",
    "bytes empty": b"",
    "date": datetime.date(2026, 1, 31),
    "time": datetime.time(23, 59, 1, 7),
    "datetime": datetime.datetime(2026, 1, 31, 12, 0, 0, 1),
    "datetime with zone": datetime.datetime(2026, 1, 31, tzinfo=_ZONE),
    "datetime utc": datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC),
    "timedelta": datetime.timedelta(days=-1, microseconds=3),
    "tuple": (1, 2.5, "three", None, True),
    "tuple empty": (),
    "tuple nested": (1, (2, (3.0, [b"x"])), {"k": (4,)}),
    "list": [1, 2, 3],
    "list empty": [],
    "list with nan": [float("nan"), float("inf")],
    "dict": {"a": 1, "b": [2, 3]},
    **{
        f"scalar {name}": np.array(sample(np.dtype(name), (9,), 1))[8]
        for name in NUMBERS
        if name not in {"bool", "f8", "c16"}
    },
    "scalar datetime64": np.datetime64("2026-01-31T12:00:00.000000001", "ns"),
    "scalar NaT": np.datetime64("NaT", "s"),
    "scalar timedelta64": np.timedelta64(-5, "ms"),
    "scalar structured": np.zeros((), [("a", "i4"), ("b", "f8")])[()],
    **{f"array {name}": sample(dtype, (7,), 2) for name, dtype in STORED_DTYPES.items()},
    "array of text": np.array(["", "a", "\u00e4\u20ac", "longer text"]),
    "array of one text": np.array(["one"]),
    "array of text in 2D": np.array([["a", "b"], ["c", ""]]),
    "array of text with nul": np.array(["a\0b", "c"]),
    "array of no text": np.empty(0, "U4"),
    "array datetime64": sample(np.dtype("M8[us]"), (5,)),
    "array timedelta64": sample(np.dtype("m8[h]"), (5,)),
    "array of one": np.array([1.5]),
    "array in 2D": np.arange(6, dtype="i4").reshape(2, 3),
    "array empty": np.empty(0, "f4"),
    "array empty in 2D": np.empty((3, 0), "i2"),
    "array of 100 KiB": np.arange(12800, dtype="f8"),
    "array structured with text": sample(np.dtype([("a", "U3"), ("b", "M8[s]")]), (4,)),
}
"""What attributes have to bring back, by a name that is also the name of the attribute."""


class Custom:
    """A class that no file knows."""


UNSTORABLE: dict[str, Any] = {
    "object": Custom(),
    "class": Custom,
    "function": sample,
    "set": {1, 2},
    "object in a list": [1, Custom()],
    "object in a dict": {"a": Custom()},
    "array of objects": np.array([Custom(), 1], dtype=object),
    "structured with objects": np.zeros(2, [("a", object)]),
    "masked array": np.ma.masked_array([1.0, 2.0], [False, True]),
    "generator": iter([1]),
    "ellipsis": ...,
    "range": range(3),
}
"""What no attribute can hold."""

STORED_ATTRIBUTES: dict[str, Any] = {
    "text": "volts",
    "text not ascii": "\u00e4\u20ac \u4e2d\u6587",
    "text empty": "",
    "text long": "x" * 102400,
    **{f"scalar {name}": sample(np.dtype(name), (9,), 3)[8] for name in NUMBERS},
    **{f"array {name}": sample(np.dtype(name), (4,), 4) for name in NUMBERS},
    "array of text": np.array(["", "a", "\u00e4\u20ac"]),
    "array of one text": np.array(["one"]),
    "array of text in 2D": np.array([["a", "b"], ["c", ""]]),
    "array of one": np.array([1.5]),
    "array in 2D": np.arange(6, dtype="i4").reshape(2, 3),
    "array empty": np.empty(0, "f4"),
    "array empty in 2D": np.empty((3, 0), "i2"),
    "array long": np.arange(12800, dtype="f8"),
}
"""What drivers have to hold as attributes: text, numpy scalars and arrays."""

NAMES = (
    "Data00",
    "a",
    "with space",
    "gr\u00f6\u00dfe",
    "\u4e2d\u6587",
    "a.b",
    "1st",
    "_private",
    "class",
    "50%",
    "a#b?c&d=e",
    "quote'\"",
    "back\\slash",
    "a+b",
    "CamelCase",
    "x" * 200,
)
"""Names that a node can have on every driver."""
