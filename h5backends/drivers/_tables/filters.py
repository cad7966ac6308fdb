"""Compression in PyTables' words: what there is, how to ask for it, how to recognise it."""

from __future__ import annotations

import os
from functools import cache

import tables

from h5backends.drivers._tables.lowlevel import FilterRequest
from h5backends.errors import UnsupportedError
from h5backends.filters import FILTER_IDS
from h5backends.pipeline import FLETCHER32, SHUFFLE, FilterStep
from h5backends.types import Filters

__all__ = ["available", "avoid_shortcuts", "check_readable", "read", "request", "steps"]

_DEFAULT_LEVEL = {"gzip": 4, "blosc": 5, "blosc2": 5}
_LIBRARY = {"gzip": "zlib", "blosc": "blosc", "blosc2": "blosc2"}
_LEVEL_AT = {"gzip": 0, "zstd": 0, "blosc": 4, "blosc2": 4}
"""Where in a filter's client data its level stands."""

_STORED_NAMES = (
    ("deflate", "gzip"),
    ("blosc2", "blosc2"),
    ("blosc", "blosc"),
    ("lzf", "lzf"),
    ("bitshuffle", "bitshuffle"),
    ("hdf5 lz4", "lz4"),
    ("zstandard", "zstd"),
    ("hdf5 zstd", "zstd"),
)
"""How the names begin under which filters are recorded in files -> our names."""


@cache
def available() -> frozenset[str]:
    """Name what this PyTables can write under the same HDF5 filter as every other driver."""
    found = {
        name for name, library in _LIBRARY.items() if tables.which_lib_version(library) is not None
    }
    return frozenset(found | {"shuffle", "fletcher32"})


def request(filters: Filters) -> FilterRequest:
    """Return what to ask PyTables for.

    The blosc codecs shuffle by themselves, as through the h5py driver; shuffling without a codec
    changes nothing and is left out.
    """
    if filters.codec is None:
        return FilterRequest(0, "", 0, filters.fletcher32)
    level = _DEFAULT_LEVEL[filters.codec] if filters.level is None else filters.level
    shuffle = filters.shuffle or filters.codec.startswith("blosc")
    # Level 0 would mean "no codec" to PyTables.
    return FilterRequest(max(1, level), _LIBRARY[filters.codec], int(shuffle), filters.fletcher32)


def avoid_shortcuts() -> None:
    """Have PyTables read and write blosc2 through HDF5, for the rest of this program.

    By its shortcut it decompresses what is on the disk, and misses what HDF5 has not yet written
    there: rows appended to an unfinished chunk come back as zeros until the next flush.
    """
    os.environ.setdefault("BLOSC2_FILTER", "1")


def check_readable(filters: Filters, exc: BaseException) -> None:
    """Raise ``UnsupportedError`` if it was for want of a codec that an array was not read."""
    if filters.codec is not None and filters.codec not in available():
        raise UnsupportedError(
            f"PyTables cannot read data compressed with {filters.codec}",
            expected=f"one of {', '.join(sorted(_LIBRARY))}",
            remedy="Open the file with the driver 'h5py'; "
            "python -m pip install 'h5backends[compression]' brings the codecs.",
        ) from exc


def read(stored: dict[str, tuple[int, ...]]) -> Filters:
    """Describe the filters of an existing array; unknown ones count as no codec.

    Parameters
    ----------
    stored : dict
        Name in the file -> client data.
    """
    codec: str | None = None
    level: int | None = None
    for name, values in stored.items():
        found = _codec(name)
        if found is not None:
            codec = found
            position = _LEVEL_AT.get(codec)
            level = values[position] if position is not None and len(values) > position else None
    return Filters(codec, level, "shuffle" in stored, "fletcher32" in stored)


def steps(stored: dict[str, tuple[int, ...]]) -> tuple[FilterStep, ...] | None:
    """Return the filters of an existing array in their order; None if one is not known.

    Parameters
    ----------
    stored : dict
        Name in the file -> client data.
    """
    identifiers = {"shuffle": SHUFFLE, "fletcher32": FLETCHER32}
    found = []
    for name, values in stored.items():
        codec = _codec(name)
        identifier = identifiers.get(name) if codec is None else FILTER_IDS[codec]
        if identifier is None:
            return None
        found.append(FilterStep(identifier, tuple(values)))
    return tuple(found)


def _codec(name: str) -> str | None:
    return next((ours for start, ours in _STORED_NAMES if name.lower().startswith(start)), None)
