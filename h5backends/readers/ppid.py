"""Pipeline identifiers of data: which events, at which pixel size, a result was computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from h5backends.errors import PipelineIdentifierError

__all__ = ["CODE", "identifier", "index_mapping_part", "keywords"]

CODE = "hdf"
"""What stands for data out of HDF5 files."""

_OPEN = "n"


def identifier(keywords: Mapping[str, Any]) -> str:
    """Return the identifier for a pixel size and an index mapping.

    Parameters
    ----------
    keywords : mapping
        ``pixel_size`` in micrometres, and ``index_mapping``, None or missing for all events.
    """
    if "pixel_size" not in keywords:
        raise PipelineIdentifierError("the pixel size is part of an identifier")
    pixel_size = f"{keywords['pixel_size']:.8f}".rstrip("0")
    return f"{CODE}:p={pixel_size}^i={index_mapping_part(keywords.get('index_mapping'))}"


def index_mapping_part(index_mapping: Any) -> str:
    """Return what stands for an index mapping.

    Parameters
    ----------
    index_mapping : int, slice, list, ndarray or None
    """
    if index_mapping is None:
        return "0"
    if isinstance(index_mapping, Integral):
        return str(int(index_mapping))
    if isinstance(index_mapping, slice):
        ends = (index_mapping.start, index_mapping.stop, index_mapping.step)
        return "-".join(_OPEN if n is None else str(n) for n in ends)
    if isinstance(index_mapping, (list, np.ndarray)):
        rows = np.asarray(index_mapping).astype(np.uint32)
        return f"h-{hashlib.md5(rows.tobytes(), usedforsecurity=False).hexdigest()[:8]}"
    return "unknown"


def keywords(ppid: str) -> dict[str, Any]:
    """Return what an identifier was made from.

    Parameters
    ----------
    ppid : str
        For instance ``"hdf:p=0.2645^i=0-100-n"``.

    Returns
    -------
    dict
        ``pixel_size`` and ``index_mapping``, as far as they are in it.

    Raises
    ------
    PipelineIdentifierError
        It is none, or stands for a list of events, which cannot be told from it.
    """
    code, colon, rest = ppid.partition(":")
    if code != CODE or not colon:
        raise PipelineIdentifierError(
            "not the identifier of data", expected=f"{CODE}:p=...", found=ppid
        )
    found: dict[str, Any] = {}
    for item in rest.split("^"):
        name, _, value = item.partition("=")
        try:
            if name == "p":
                found["pixel_size"] = float(value)
            elif name == "i":
                found["index_mapping"] = _index_mapping(value)
            else:
                raise PipelineIdentifierError(f"unknown parameter {name!r}", found=ppid)
        except PipelineIdentifierError:
            raise
        except ValueError as exc:
            raise PipelineIdentifierError(
                f"the parameter {name!r} cannot be read", found=ppid
            ) from exc
    return found


def _index_mapping(text: str) -> int | slice | None:
    if text.startswith("h-") or text == "unknown":
        raise PipelineIdentifierError("the events of a list cannot be told from it", found=text)
    if text == "0":
        return None
    try:
        return int(text)
    except ValueError:
        pass
    ends = [None if n == _OPEN else int(n) for n in _split(text)]
    if len(ends) != 3:
        raise PipelineIdentifierError("a slice has start, stop and step", found=text)
    return slice(*ends)


def _split(text: str) -> list[str]:
    """Split at the dashes that are not the sign of a number."""
    parts: list[str] = []
    for piece in text.split("-"):
        if parts and parts[-1] == "-":
            parts[-1] = f"-{piece}"
        else:
            parts.append(piece or "-")
    return parts
