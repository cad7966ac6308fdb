"""Files of PyTables whose large pieces are aligned, and whose tables have checksums.

PyTables has no parameters for either. But whoever opens a file first says how it is used, and HDF5
lets others in the same program share it: so the file is opened here, by HDF5's own functions and
with the settings that PyTables would give it, and then by PyTables.

In HDF5's oldest format, which PyTables writes, nothing tells that an index of chunks is damaged:
rows are then read as zeros, or are those of another chunk, for the checksum of `fletcher32` goes
along with a chunk wherever it is looked for. So new files have the objects of HDF5 1.10, whose
headers and indices have checksums, behind a superblock of version 2: version 3 would have a mark
of its writer as well, and no library opens what bears one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from ctypes import c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint64
from functools import cache
from typing import Any, NamedTuple

from tables import hdf5extension

from h5backends.drivers._tables.parameters import library_parameters
from h5backends.drivers.alignment import ALIGNMENT, LEAST_BYTES
from h5backends.drivers.hdf5_library import find_library, functions
from h5backends.superblock import read_superblock

__all__ = ["Before", "opened_before"]

_ID = c_int64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "H5Fclose": (c_int, (_ID,)),
    "H5Fcreate": (_ID, (c_char_p, c_uint, _ID, _ID)),
    "H5Fopen": (_ID, (c_char_p, c_uint, _ID)),
    "H5Fset_libver_bounds": (c_int, (_ID, c_int, c_int)),
    "H5Pclose": (c_int, (_ID,)),
    "H5Pcreate": (_ID, (_ID,)),
    "H5Pset_alignment": (c_int, (_ID, c_uint64, c_uint64)),
    "H5Pset_cache": (c_int, (_ID, c_int, c_size_t, c_size_t, c_double)),
    "H5Pset_libver_bounds": (c_int, (_ID, c_int, c_int)),
}
"""HDF5's functions -> type of the result, types of the arguments."""
_FILE_ACCESS = "H5P_CLS_FILE_ACCESS_ID_g"
_WRITE, _REPLACE = 1, 2
_USUAL = 0
_NONE = -1
_V18, _V110 = 1, 2
"""HDF5's words for the versions whose formats are written."""
_CHECKED_FROM = 2
"""Version of the superblock, which has a checksum itself."""
_PROBE = "h5backends: which library is this"


class Before(NamedTuple):
    """What was done before PyTables opens a file."""

    new: bool
    """Whether the file was made just now, and is to be opened as one that exists."""
    checked: bool
    """Whether what is made in it from now on has checksums, and attributes of any length."""


@contextlib.contextmanager
def opened_before(
    path: str, mode: str, params: dict[str, Any], oldest: bool = False
) -> Iterator[Before]:
    """Have a file open, with the settings that PyTables has no parameters for, while it opens it.

    Where that is not possible, PyTables opens it alone, or says what is wrong.

    Parameters
    ----------
    path : str
        The file.
    mode : str
        'r', 'r+', 'a' or 'w'.
    params : dict
        PyTables' parameters.
    oldest : bool
        Whether a new file is to be of the format that PyTables writes by itself. In one that
        exists, new objects are like the others.
    """
    new = mode == "w" or (mode == "a" and not os.path.exists(path))
    if mode == "r":
        yield Before(new=False, checked=False)
        return
    checked = not oldest if new else read_superblock(path).version >= _CHECKED_FROM
    file = _NONE
    calls = _functions() if _is_usual(params) else None
    if calls is not None:
        file = _open(calls, os.fsencode(path), new, checked, params)
    made = new and file >= 0
    try:
        # A new file that PyTables makes alone is of the oldest format.
        yield Before(made, checked and made == new)
    finally:
        if calls is not None and file >= 0:
            calls["H5Fclose"](file)


def _is_usual(params: dict[str, Any]) -> bool:
    return params["DRIVER"] in {None, "H5FD_SEC2"} and not params["USER_BLOCK_SIZE"]


def _open(
    calls: dict[str, Any], path: bytes, new: bool, checked: bool, params: dict[str, Any]
) -> int:
    """Return HDF5's identifier of the file, a negative one if it cannot be opened."""
    access = calls["H5Pcreate"](calls[_FILE_ACCESS])
    if access < 0:
        return _NONE
    lowest = _V18 if new else _V110
    try:
        if (
            calls["H5Pset_alignment"](access, LEAST_BYTES, ALIGNMENT) < 0
            or calls["H5Pset_cache"](
                access, 0, params["CHUNK_CACHE_NELMTS"], params["CHUNK_CACHE_SIZE"],
                params["CHUNK_CACHE_PREEMPT"],
            ) < 0
            or (checked and calls["H5Pset_libver_bounds"](access, lowest, _V110) < 0)
        ):  # fmt: skip
            return _NONE
        if not new:
            return int(calls["H5Fopen"](path, _WRITE, access))
        file = int(calls["H5Fcreate"](path, _REPLACE, _USUAL, access))
        if file >= 0 and checked:
            # Only now: it would have given the file a superblock of version 3.
            calls["H5Fset_libver_bounds"](file, _V110, _V110)
        return file
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
