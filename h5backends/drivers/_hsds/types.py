"""Types, attribute values and ragged rows <-> the JSON and bytes that HSDS speaks."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import AttributeValueError, DTypeError
from h5backends.types import Box, NodeKind, Stored

__all__ = [
    "attribute_json",
    "attribute_value",
    "check",
    "dtype_of",
    "is_ragged",
    "is_text",
    "pack_rows",
    "packed",
    "select",
    "shape_of",
    "type_json",
    "unpack_rows",
]

_TEXT_TYPE: dict[str, Any] = {
    "class": "H5T_STRING",
    "charSet": "H5T_CSET_UTF8",
    "strPad": "H5T_STR_NULLTERM",
    "length": "H5T_VARIABLE",
}
_BOOL_TYPE: dict[str, Any] = {
    "class": "H5T_ENUM",
    "base": {"class": "H5T_INTEGER", "base": "H5T_STD_I8LE"},
    "mapping": {"FALSE": 0, "TRUE": 1},
}
_NUMBERS = {
    "i": ("H5T_INTEGER", "STD_I"),
    "u": ("H5T_INTEGER", "STD_U"),
    "f": ("H5T_FLOAT", "IEEE_F"),
}
_COUNT = struct.Struct("<i")


# -- types ------------------------------------------------------------------------------------
def check(dtype: np.dtype[Any], kind: NodeKind) -> None:
    """Raise ``DTypeError`` unless HSDS can hold arrays of this kind and type."""
    if kind is NodeKind.VLARRAY and dtype.kind not in "iuf":
        raise DTypeError(
            "HSDS cannot hold rows of variable length of this type",
            expected="rows of integers or floats",
            found=str(dtype),
        )
    type_json(dtype)


def type_json(dtype: np.dtype[Any]) -> dict[str, Any]:
    """Describe a numpy type to HSDS.

    Raises
    ------
    DTypeError
        HSDS has nothing that corresponds to it.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        if base.kind in "iufS":  # of other types HSDS makes no array type
            return {"class": "H5T_ARRAY", "dims": list(shape), "base": type_json(base)}
    elif dtype.names:
        fields = [{"name": name, "type": type_json(dtype[name])} for name in dtype.names]
        if all(name.isascii() for name in dtype.names):
            return {"class": "H5T_COMPOUND", "fields": fields}
    elif dtype.kind == "b":
        return _BOOL_TYPE
    elif dtype.kind in _NUMBERS and dtype.itemsize <= 8:
        return _number(dtype)
    elif dtype.kind == "c" and dtype.itemsize <= 16:
        part = _number(np.empty(0, dtype).real.dtype)
        fields = [{"name": name, "type": part} for name in ("r", "i")]
        return {"class": "H5T_COMPOUND", "fields": fields}
    elif dtype.kind == "S" and dtype.itemsize:
        text = {"class": "H5T_STRING", "charSet": "H5T_CSET_ASCII", "strPad": "H5T_STR_NULLPAD"}
        return {**text, "length": dtype.itemsize}
    raise DTypeError(
        "HSDS cannot hold this type",
        expected="bool, integers, floats up to 64 bits, complex up to 128, bytes of fixed width, "
        "or a structured type of these",
        found=str(dtype),
    )


def _number(dtype: np.dtype[Any]) -> dict[str, Any]:
    kind, name = _NUMBERS[dtype.kind]
    order = "BE" if dtype.str[0] == ">" else "LE"
    return {"class": kind, "base": f"H5T_{name}{8 * dtype.itemsize}{order}"}


def packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type without the padding between fields, which HSDS does not know."""
    if dtype.names:
        return np.dtype([(name, packed(dtype[name])) for name in dtype.names])
    return dtype


def dtype_of(described: Any) -> np.dtype[Any]:
    """Return the numpy type of what HSDS describes; of one element for ragged rows.

    Raises
    ------
    DTypeError
        A type of a foreign file that numpy cannot express.
    """
    if isinstance(described, str):
        return _predefined(described)
    match described.get("class"):
        case "H5T_INTEGER" | "H5T_FLOAT":
            return _predefined(described["base"])
        case "H5T_ENUM":
            base = dtype_of(described["base"])
            is_bool = base == np.int8 and described.get("mapping") == _BOOL_TYPE["mapping"]
            return np.dtype(np.bool_) if is_bool else base
        case "H5T_STRING":
            length = described["length"]
            return np.dtype("O") if length == "H5T_VARIABLE" else np.dtype(f"S{length}")
        case "H5T_COMPOUND":
            return _structure(described["fields"])
        case "H5T_ARRAY":
            dims = described["dims"]
            dims = (dims,) if isinstance(dims, int) else tuple(dims)
            return np.dtype((dtype_of(described["base"]), dims))
        case "H5T_VLEN":
            return dtype_of(described["base"])
        case "H5T_OPAQUE":
            return np.dtype(f"V{int(described['size'])}")
    raise DTypeError("numpy has no such type", found=str(described)[:120])


def _predefined(name: str) -> np.dtype[Any]:
    for kind, (_, prefix) in _NUMBERS.items():
        if name.startswith(f"H5T_{prefix}"):
            bits = name.removeprefix(f"H5T_{prefix}")
            order = ">" if bits.endswith("BE") else "<"
            return np.dtype(f"{order}{kind}{int(bits.rstrip('LBE')) // 8}")
    raise DTypeError("numpy has no such type", found=name)


def _structure(fields: list[dict[str, Any]]) -> np.dtype[Any]:
    dtype = np.dtype([(field["name"], dtype_of(field["type"])) for field in fields])
    if dtype.names == ("r", "i") and dtype["r"] == dtype["i"] and dtype["r"].kind == "f":
        part = dtype["r"]
        if part.itemsize in (4, 8):
            return np.dtype(f"{part.str[0]}c{2 * part.itemsize}")
    return dtype


def is_ragged(described: Any) -> bool:
    """Tell whether rows have their own lengths."""
    return isinstance(described, dict) and described.get("class") == "H5T_VLEN"


def is_text(described: Any) -> bool:
    """Tell whether elements are texts of variable length."""
    return isinstance(described, dict) and (
        described.get("class") == "H5T_STRING" and described.get("length") == "H5T_VARIABLE"
    )


def shape_of(described: dict[str, Any]) -> tuple[int, ...]:
    """Return the extent that HSDS describes; ``(0,)`` for an empty dataspace."""
    if described.get("class") == "H5S_NULL":
        return (0,)
    return tuple(int(n) for n in described.get("dims", ()))


# -- attributes -------------------------------------------------------------------------------
def attribute_json(name: str, value: Stored) -> dict[str, Any]:
    """Describe an attribute, type, shape and value, to HSDS.

    Raises
    ------
    AttributeValueError
        HSDS cannot hold it.
    """
    if isinstance(value, str):
        return {"type": _TEXT_TYPE, "shape": [], "value": str(value)}
    array = np.asarray(value)
    described = {"type": _TEXT_TYPE, "shape": list(array.shape)}
    if array.dtype.kind != "U":
        try:
            if array.dtype.kind not in "biufc":
                raise DTypeError("not a number, bool or text")
            described["type"] = type_json(array.dtype)
        except DTypeError as exc:
            raise AttributeValueError(
                f"HSDS cannot hold the attribute {name!r}", found=f"type {array.dtype}"
            ) from exc
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    described["value"] = array.tolist()
    return described


def attribute_value(described: dict[str, Any]) -> Stored:
    """Return the value of an attribute as HSDS describes it."""
    shape = described["shape"]
    kind = described["type"]
    value = described.get("value")
    is_string = isinstance(kind, dict) and kind.get("class") == "H5T_STRING"
    if is_string:
        return _text_value(shape, value)
    try:
        dtype = dtype_of(kind)
    except DTypeError:
        dtype = np.dtype("O")
    if dtype.hasobject or is_ragged(kind):
        # Ragged or reference attributes of foreign files: shown as text, never followed.
        return f"<{kind.get('class') if isinstance(kind, dict) else kind} attribute>"
    if value is None and "encoding" in described:
        return "<attribute that the server cannot show>"
    dims = shape_of(shape)
    if not math.prod(dims) or value is None:
        return np.zeros(dims, dtype)
    if dtype.kind == "c":
        parts = np.array(value, dtype=np.empty(0, dtype).real.dtype)
        array = np.ascontiguousarray(parts).view(dtype).reshape(dims)
    else:
        array = np.array(_rows_to_tuples(value, len(dims)) if dtype.names else value, dtype=dtype)
        array = array.reshape((*dims, *dtype.shape))
    return array if array.shape else array[()]


def _text_value(shape: dict[str, Any], value: Any) -> Stored:
    if shape.get("class") == "H5S_NULL" or value is None:
        return ""
    if shape.get("class") == "H5S_SCALAR":
        return str(value)
    return np.array(value, dtype=np.str_).reshape(shape_of(shape))


def _rows_to_tuples(value: Any, depth: int) -> Any:
    """Make tuples of the structured elements in nested lists, as numpy wants them."""
    if depth:
        return [_rows_to_tuples(item, depth - 1) for item in value]
    return tuple(value)


# -- selections and rows ----------------------------------------------------------------------
def select(box: Box) -> str:
    """Write a box in HSDS's notation, as in ``[0:10:1,3:4:1]``."""
    return "[" + ",".join(f"{s.start}:{s.stop}:{s.step}" for s in box) + "]"


def pack_rows(rows: Sequence[NDArray[Any]]) -> bytes:
    """Encode ragged rows: for each its length in bytes as int32, then its bytes."""
    parts: list[bytes] = []
    for row in rows:
        data = row.tobytes()
        parts += (_COUNT.pack(len(data)), data)
    return b"".join(parts)


def unpack_rows(data: bytes, count: int, dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Decode `count` ragged rows into arrays of their own.

    Raises
    ------
    ValueError
        The bytes end too early.
    """
    rows: list[NDArray[Any]] = []
    position = 0
    for _ in range(count):
        if position + _COUNT.size > len(data):
            raise ValueError(f"{len(rows)} rows where {count} were asked for")
        (size,) = _COUNT.unpack_from(data, position)
        position += _COUNT.size
        rows.append(np.frombuffer(data, dtype, size // dtype.itemsize, position).copy())
        position += size
    return rows
