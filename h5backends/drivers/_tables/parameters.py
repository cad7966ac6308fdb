"""How PyTables opens a file: its own parameters, ours, and those of the caller."""

from __future__ import annotations

from typing import Any

import tables

from h5backends.errors import UnsupportedError

__all__ = ["library_parameters", "wants_oldest_format"]

_DEFAULTS = {
    # Whatever is evicted from this cache between two flushes overwrites, in the file, what the
    # last flush left there, and a crash then finds a mixture. The largest that HDF5 allows.
    "METADATA_CACHE_SIZE": 32 * 2**20,
    # Per array, and an experiment has hundreds: 16 MiB each, PyTables' default, is too much.
    "CHUNK_CACHE_SIZE": 2**20,
    # Entries of its table, at 8 bytes, set to zero for each array that is opened.
    "CHUNK_CACHE_NELMTS": 521,
}
_WRITING = {
    # A full disk must show up while the rows are still in our hands: chunks of plain streams
    # (64 KiB) are too large for this cache and written at once. Packed ones (32 KiB, see
    # `h5backends.chunks`) fit: packing one on a full disk would destroy what it replaces, so they
    # wait in the cache until there is room.
    "CHUNK_CACHE_SIZE": 48 * 2**10,
}


def library_parameters(extra: dict[str, Any], writable: bool) -> dict[str, Any]:
    """Return the parameters of a file: PyTables' defaults, ours, the caller's.

    Parameters
    ----------
    extra : dict
        Names of :mod:`tables.parameters` in small letters.
    writable : bool
        Whether the file is opened for writing.

    Raises
    ------
    UnsupportedError
        PyTables has no such parameter (it would ignore it without a word).
    """
    known = {
        name: value
        for name, value in vars(tables.parameters).items()
        if name.isupper() and not name.startswith("_")
    }
    asked = {name.upper(): value for name, value in extra.items()}
    for name in asked:
        if name not in known:
            raise UnsupportedError(
                f"PyTables has no parameter {name.lower()!r} for opening a file",
                expected="a name of the module tables.parameters, in small letters",
            )
    return known | _DEFAULTS | (_WRITING if writable else {}) | asked


def wants_oldest_format(libver: Any) -> bool:
    """Tell whether a new file is to be of HDF5's oldest format.

    Parameters
    ----------
    libver : str or (str, str) or None
        As in h5py: 'earliest', with any second word; or 'v110', the default.

    Raises
    ------
    UnsupportedError
        PyTables' files are written in no other format.
    """
    lowest = libver[0] if isinstance(libver, tuple | list) and libver else libver
    if lowest not in (None, "earliest", "v110"):
        raise UnsupportedError(
            "PyTables' files are written in two formats",
            expected="libver='v110' (HDF5 1.10, the default) or 'earliest'",
            found=repr(libver),
        )
    return bool(lowest == "earliest")
