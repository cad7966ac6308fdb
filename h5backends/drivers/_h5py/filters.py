"""Compression in h5py's words: which codecs are there, how to ask for them, how to read them."""

from __future__ import annotations

from functools import cache
from typing import Any

from h5py import h5p, h5z

from h5backends.filters import FILTER_IDS, register_plugins
from h5backends.pipeline import FLETCHER32, SHUFFLE, FilterStep
from h5backends.types import Filters

__all__ = ["apply", "available", "read", "steps"]

_DEFAULT_GZIP = 4
_BITSHUFFLE_LZ4 = 2
_BLOSC_SHUFFLE = 1
_NAMES = {identifier: name for name, identifier in FILTER_IDS.items()}


@cache
def available() -> frozenset[str]:
    """Name the codecs this process can write, with those of hdf5plugin where it is installed."""
    register_plugins()
    found = {name for name, identifier in FILTER_IDS.items() if h5z.filter_avail(identifier)}
    return frozenset(found | {"shuffle", "fletcher32"})


def apply(creation: h5p.PropDCID, filters: Filters, itemsize: int) -> None:
    """Add filters to the properties of a dataset to be created."""
    if not filters:
        return
    available()
    if filters.shuffle:
        creation.set_shuffle()
    if filters.codec == "gzip":
        creation.set_deflate(_DEFAULT_GZIP if filters.level is None else filters.level)
    elif filters.codec is not None:
        # Optional: a chunk that does not get smaller is then stored as it is. HDF5 could not
        # write it otherwise, and would lose it with all that it has to flush behind it.
        creation.set_filter(
            FILTER_IDS[filters.codec], h5z.FLAG_OPTIONAL, _options(filters, itemsize)
        )
    if filters.fletcher32:
        creation.set_fletcher32()


def _options(filters: Filters, itemsize: int) -> tuple[int, ...]:
    """Return the client data that the filter expects."""
    match filters.codec:
        case "blosc":
            level = 5 if filters.level is None else filters.level
            return (0, 0, 0, 0, level, _BLOSC_SHUFFLE, 0)
        case "blosc2":
            level = 5 if filters.level is None else filters.level
            return (0, 0, 0, 0, level, _BLOSC_SHUFFLE, 0)
        case "bitshuffle":
            return (0, _BITSHUFFLE_LZ4)
        case "zstd":
            return (3 if filters.level is None else filters.level,)
    return ()


def read(creation: h5p.PropDCID) -> Filters:
    """Describe the filters of an existing dataset; unknown ones count as no codec."""
    codec: str | None = None
    level: int | None = None
    shuffle = fletcher32 = False
    for index in range(creation.get_nfilters()):
        identifier, _, values, _ = creation.get_filter(index)
        if identifier == SHUFFLE:
            shuffle = True
        elif identifier == FLETCHER32:
            fletcher32 = True
        elif identifier in _NAMES:
            codec = _NAMES[identifier]
            level = _level(codec, values)
    return Filters(codec, level, shuffle, fletcher32)


def steps(creation: h5p.PropDCID) -> tuple[FilterStep, ...]:
    """Return the filters of an existing dataset in their order, with their client data."""
    found = (creation.get_filter(index) for index in range(creation.get_nfilters()))
    return tuple(FilterStep(int(each[0]), tuple(map(int, each[2]))) for each in found)


def _level(codec: str, values: tuple[Any, ...]) -> int | None:
    position = {"gzip": 0, "zstd": 0, "blosc": 4, "blosc2": 4}.get(codec)
    if position is None or len(values) <= position:
        return None
    return int(values[position])
