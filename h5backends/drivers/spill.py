"""Attributes too long for one attribute of an old-format file, spread over several.

HDF5 files with a superblock of version 0 or 1 (what PyTables makes by itself) hold an attribute in
the header of its object, at most 64 KiB of it. (Text of variable length is held elsewhere and has
no such limit.) A longer value is cut into parts of bytes:

``NAME``
    a sentence for other programs, saying where the value is;
``H5B_TYPE.NAME``
    ``text``, or the numpy type and shape of an array, as in ``<f8 (100, 2)``;
``H5B_PART.0001.NAME``, ``H5B_PART.0002.NAME``, ...
    arrays of uint8, the UTF-8 text or the array's bytes in C order.

Attributes whose names begin with ``H5B_`` are this package's own and are not listed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from h5backends.file_text import decoded
from h5backends.types import Stored

__all__ = ["HIDDEN", "LIMIT", "is_hidden", "is_spilled", "join", "owned_by", "split", "visible"]

HIDDEN = "H5B_"
"""Prefix of the attributes that are not listed."""
LIMIT = 60_000
"""Bytes in one part; an old object header takes 65,535 with name, type and shape."""

_TYPE = HIDDEN + "TYPE."
_PART = HIDDEN + "PART."
_ARRAY = re.compile(r"([<>|=][biufcSU]\d+) \(([\d, ]*)\)")


def split(name: str, value: Stored) -> dict[str, Stored]:
    """Return the attributes that stand for one long one, ``NAME`` itself last."""
    if isinstance(value, str):
        raw, kind = value.encode(), "text"
    else:
        array = np.asarray(value)
        raw, kind = array.tobytes(), f"{array.dtype.str} {array.shape}"
    parts: dict[str, Stored] = {_TYPE + name: kind}
    for index, start in enumerate(range(0, len(raw), LIMIT), 1):
        parts[f"{_PART}{index:04d}.{name}"] = np.frombuffer(raw[start : start + LIMIT], np.uint8)
    parts[name] = (
        f"{len(raw)} bytes, too long for one attribute of this file: "
        f"joined from {_PART}0001.{name} on"
    )
    return parts


def is_spilled(name: str, names: object) -> bool:
    """Tell whether an attribute of this name is spread over several, from all names of a node."""
    return _TYPE + name in names  # type: ignore[operator]


def owned_by(name: str, names: list[str]) -> list[str]:
    """List the attributes that belong to a spilled one, beside itself."""
    if not is_spilled(name, names):
        return []
    part = re.compile(re.escape(_PART) + r"\d+\." + re.escape(name))
    return [_TYPE + name, *sorted(other for other in names if part.fullmatch(other))]


def join(name: str, stored: Mapping[str, Stored]) -> Stored:
    """Return the value that parts stand for.

    Parameters
    ----------
    name : str
        Name of the attribute.
    stored : mapping
        At least what :func:`owned_by` lists, and the attribute itself.

    Returns
    -------
    str or ndarray
        The sentence in the attribute itself, if a part is missing or does not fit.
    """
    parts = [stored[key] for key in owned_by(name, list(stored))[1:]]
    raw = b"".join(np.asarray(part, np.uint8).tobytes() for part in parts)
    kind = str(stored[_TYPE + name])
    if kind == "text":
        return decoded(raw)
    described = _ARRAY.fullmatch(kind)
    if described is None:
        return stored[name]
    dtype = np.dtype(described[1])
    shape = tuple(int(n) for n in described[2].split(",") if n.strip())
    if dtype.itemsize * math.prod(shape) != len(raw):
        return stored[name]
    return np.frombuffer(bytearray(raw), dtype).reshape(shape)


def is_hidden(name: str) -> bool:
    """Tell whether an attribute is a part, which is not listed."""
    return name.startswith(HIDDEN)


def visible(found: dict[str, Stored]) -> dict[str, Stored]:
    """Return the attributes of a node that are listed, long ones put together again."""
    if HIDDEN not in "".join(found):  # in one step for all, for it is so at nearly every node
        return found
    return {
        name: join(name, found) if is_spilled(name, found) else value
        for name, value in found.items()
        if not is_hidden(name)
    }
