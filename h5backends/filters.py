"""One vocabulary for compression, the same on every driver.

A name stands for one HDF5 filter, so a file written with it opens wherever that filter is
installed, whichever driver wrote it.
"""

from __future__ import annotations

import contextlib
import importlib
from functools import cache
from typing import TYPE_CHECKING

from h5backends.errors import DriverError, UnsupportedError
from h5backends.types import Filters

if TYPE_CHECKING:
    from h5backends.drivers.base import Driver

__all__ = ["CODECS", "FILTER_IDS", "check", "parse", "register_plugins"]

FILTER_IDS: dict[str, int] = {
    "gzip": 1,
    "lzf": 32000,
    "blosc": 32001,
    "lz4": 32004,
    "bitshuffle": 32008,
    "zstd": 32015,
    "blosc2": 32026,
}
"""Codec name -> registered HDF5 filter."""

CODECS = frozenset(FILTER_IDS)

_ALIASES = {"zlib": "gzip", "deflate": "gzip"}
_NEED_PLUGIN = frozenset({"blosc", "lz4", "bitshuffle", "zstd", "blosc2"})
_MAX_LEVEL = {"gzip": 9, "blosc": 9, "blosc2": 9, "zstd": 22}


def parse(
    compression: str | None,
    level: int | None = None,
    *,
    shuffle: bool | None = None,
    fletcher32: bool = False,
) -> Filters:
    """Understand a request for compression.

    Parameters
    ----------
    compression : str or None
        A name of :data:`CODECS`; ``zlib`` and ``deflate`` mean ``gzip``. None, an empty string
        or ``"none"`` for none.
    level : int or None
        Effort; None for the codec's default. 0 with gzip means no compression, as in PyMoDAQ.
    shuffle : bool or None
        Rearrange bytes by significance first; None for yes with gzip, lzf, zstd and lz4 (which
        gain from it) and no otherwise (blosc, blosc2 and bitshuffle do it themselves).
    fletcher32 : bool
        Store a checksum with every chunk.

    Raises
    ------
    UnsupportedError
        No such codec, or a level it does not have.
    """
    name = (compression or "").strip().lower()
    name = _ALIASES.get(name, name)
    if name in {"", "none"} or (name == "gzip" and level == 0):
        return Filters(shuffle=bool(shuffle), fletcher32=fletcher32)
    if name not in CODECS:
        raise UnsupportedError(
            f"unknown compression {compression!r}",
            expected=f"one of {', '.join(sorted(CODECS))}, or None",
        )
    highest = _MAX_LEVEL.get(name)
    if level is not None and highest is not None and not 0 <= level <= highest:
        raise UnsupportedError(
            f"{name} has no level {level}", expected=f"a level from 0 to {highest}, or None"
        )
    if highest is None:
        level = None
    if shuffle is None:
        shuffle = name in {"gzip", "lzf", "zstd", "lz4"}
    return Filters(name, level, shuffle, fletcher32)


@cache
def register_plugins() -> None:
    """Let HDF5 in h5py know the codecs of hdf5plugin, where that is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")  # importing it registers the filters


def check(filters: Filters, driver: type[Driver]) -> None:
    """Raise unless a driver can write these filters now.

    Raises
    ------
    UnsupportedError
        It lacks the codec or the checksum; the message says what to install or which driver to
        take.
    """
    available = driver.codecs()
    wanted = [filters.codec] if filters.codec else []
    wanted += ["fletcher32"] if filters.fletcher32 else []
    wanted += ["shuffle"] if filters.shuffle else []
    for name in wanted:
        if name not in available:
            raise UnsupportedError(
                f"the driver {driver.name!r} cannot write {name}",
                expected=f"one of {', '.join(sorted(available))}",
                remedy=_remedy(name, driver),
            )


def _remedy(name: str, driver: type[Driver]) -> str:
    from h5backends.drivers import registry

    if name in _NEED_PLUGIN and driver.name == "h5py":
        return "Install it with: python -m pip install 'h5backends[compression]'"
    others = []
    for other in registry.driver_names():
        try:
            if name in registry.load(other).codecs() and other != driver.name:
                others.append(other)
        except DriverError:
            continue
    return f"Drivers that have it here: {', '.join(others) or 'none'}."
