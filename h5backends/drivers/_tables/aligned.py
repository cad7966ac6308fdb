"""Files of PyTables in which large pieces begin at aligned addresses.

PyTables has no parameter for that. But whoever opens a file first says how it is used, and HDF5
lets others in the same program share it: so the file is opened here, by HDF5's own functions and
with the settings that PyTables would give it, and then by PyTables.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from ctypes import c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint64
from functools import cache
from typing import Any

from tables import hdf5extension

from h5backends.drivers._tables.parameters import library_parameters
from h5backends.drivers.alignment import ALIGNMENT, LEAST_BYTES
from h5backends.drivers.hdf5_library import find_library, functions

__all__ = ["opened_before"]

_ID = c_int64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "H5Fclose": (c_int, (_ID,)),
    "H5Fcreate": (_ID, (c_char_p, c_uint, _ID, _ID)),
    "H5Fopen": (_ID, (c_char_p, c_uint, _ID)),
    "H5Pclose": (c_int, (_ID,)),
    "H5Pcreate": (_ID, (_ID,)),
    "H5Pset_alignment": (c_int, (_ID, c_uint64, c_uint64)),
    "H5Pset_cache": (c_int, (_ID, c_int, c_size_t, c_size_t, c_double)),
}
"""HDF5's functions -> type of the result, types of the arguments."""
_FILE_ACCESS = "H5P_CLS_FILE_ACCESS_ID_g"
_WRITE, _REPLACE = 1, 2
_USUAL = 0
_NONE = -1
_PROBE = "h5backends: which library is this"


@contextlib.contextmanager
def opened_before(path: str, mode: str, params: dict[str, Any]) -> Iterator[bool]:
    """Have a file open, with large pieces aligned, while PyTables opens it.

    Where that is not possible, PyTables opens it alone, or says what is wrong.

    Parameters
    ----------
    path : str
        The file.
    mode : str
        'r', 'r+', 'a' or 'w'.
    params : dict
        PyTables' parameters.

    Yields
    ------
    bool
        Whether the file was made just now, and is to be opened as one that exists.
    """
    new = mode == "w" or (mode == "a" and not os.path.exists(path))
    file = _NONE
    calls = _functions() if mode != "r" and _is_usual(params) else None
    if calls is not None:
        file = _open(calls, os.fsencode(path), new, params)
    try:
        yield new and file >= 0
    finally:
        if calls is not None and file >= 0:
            calls["H5Fclose"](file)


def _is_usual(params: dict[str, Any]) -> bool:
    return params["DRIVER"] in {None, "H5FD_SEC2"} and not params["USER_BLOCK_SIZE"]


def _open(calls: dict[str, Any], path: bytes, new: bool, params: dict[str, Any]) -> int:
    """Return HDF5's identifier of the file, a negative one if it cannot be opened."""
    access = calls["H5Pcreate"](calls[_FILE_ACCESS])
    if access < 0:
        return _NONE
    try:
        if (
            calls["H5Pset_alignment"](access, LEAST_BYTES, ALIGNMENT) < 0
            or calls["H5Pset_cache"](
                access, 0, params["CHUNK_CACHE_NELMTS"], params["CHUNK_CACHE_SIZE"],
                params["CHUNK_CACHE_PREEMPT"],
            ) < 0
        ):  # fmt: skip
            return _NONE
        if new:
            return int(calls["H5Fcreate"](path, _REPLACE, _USUAL, access))
        return int(calls["H5Fopen"](path, _WRITE, access))
    finally:
        calls["H5Pclose"](access)


@cache
def _functions() -> dict[str, Any] | None:
    """Return the functions of PyTables' HDF5, None if they cannot be reached."""
    library = _library()
    if library is None:
        return None
    try:
        access = _ID.in_dll(library, _FILE_ACCESS).value
        return functions(library, _FUNCTIONS) | {_FILE_ACCESS: access}
    except (AttributeError, ValueError):
        return None


class _File(hdf5extension.File):  # type: ignore[misc]
    """PyTables' extension type, with attributes."""


def _library() -> Any | None:
    """Return PyTables' HDF5, which knows a file in memory that PyTables makes."""
    probe = _File()
    in_memory = {"driver": "H5FD_CORE", "driver_core_backing_store": 0}
    probe._g_new(_PROBE, "w", **library_parameters(in_memory, writable=True))
    try:
        return find_library(hdf5extension.__file__, probe._get_file_id(), _PROBE)
    finally:
        probe._close_file()
