"""The file driver inside an HDF5 library: the table of functions that every file goes through.

HDF5 reads and writes files through a table of functions, ``H5FD_class_t``, whose form is public
and belongs to the interface for programs that bring a driver of their own. Its usual driver, named
"sec2" on every system, is looked up here from an open file, and recognised by its name and by
which of its entries are empty; a table that does not look like that is left alone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from ctypes import (
    CFUNCTYPE,
    POINTER,
    PYFUNCTYPE,
    byref,
    c_int,
    c_int64,
    c_size_t,
    c_uint64,
    c_void_p,
    cast,
)
from typing import Any, NamedTuple

from h5backends.drivers.hdf5_library import libraries

__all__ = [
    "SIGNATURES",
    "FileDriver",
    "find_file_driver",
    "functions",
    "replace",
]

_ID = c_int64
_WORD = 8
_FILE = 1
_NAME = b"sec2"
_LONGEST_HEAD = 20
"""Words in which the common part of an open file's description ends, in every version."""

_LARGEST_VERSION = 2**16
"""What is larger where newer libraries keep a version is the address of a name."""

SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "close": (c_int, (c_void_p,)),
    "get_eoa": (c_uint64, (c_void_p, c_int)),
    "get_eof": (c_uint64, (c_void_p, c_int)),
    "read": (c_int, (c_void_p, c_int, _ID, c_uint64, c_size_t, c_void_p)),
    "write": (c_int, (c_void_p, c_int, _ID, c_uint64, c_size_t, c_void_p)),
    "flush": (c_int, (c_void_p, _ID, c_int)),
    "truncate": (c_int, (c_void_p, _ID, c_int)),
}
"""The entries that matter: type of the result, types of the arguments."""

_COMMON = (
    "name", "maxaddr", "fc_degree", "terminate", "sb_size", "sb_encode", "sb_decode",
    "fapl_size", "fapl_get", "fapl_copy", "fapl_free", "dxpl_size", "dxpl_copy", "dxpl_free",
    "open", "close", "cmp", "query", "get_type_map", "alloc", "free", "get_eoa", "set_eoa",
    "get_eof", "get_handle", "read", "write",
)  # fmt: skip
_LAYOUTS = (
    # HDF5 1.13 and later
    ("version", *_COMMON, "read_vector", "write_vector", "read_selection", "write_selection",
     "flush", "truncate", "lock", "unlock"),
    # HDF5 1.10 and 1.12
    (*_COMMON, "flush", "truncate", "lock", "unlock"),
)  # fmt: skip
"""The entries in their order; each takes a word."""

_EMPTY = {
    "sb_size", "sb_encode", "sb_decode", "fapl_size", "fapl_get", "fapl_copy", "fapl_free",
    "dxpl_size", "dxpl_copy", "dxpl_free", "get_type_map", "alloc", "free", "flush",
    "read_vector", "write_vector", "read_selection", "write_selection",
}  # fmt: skip
"""The entries that the driver "sec2" leaves empty."""
_FILLED = {"name", "open", "cmp", "query", "set_eoa", "get_handle", "lock", "unlock"} | {
    name for name in SIGNATURES if name != "flush"
}


class FileDriver(NamedTuple):
    """The file driver of one open file.

    Parameters
    ----------
    table : int
        Address of the table of functions; the same for all files of the library.
    slots : dict
        Name of an entry to its address.
    file : int
        The library's description of the open file, which every function is given.
    descriptor : int
        The operating system's descriptor of it.
    """

    table: int
    slots: dict[str, int]
    file: int
    descriptor: int


def find_file_driver(
    extension: str, file_id: int, path: str, known: Mapping[int, dict[str, int]]
) -> FileDriver | None:
    """Look up the driver of an open file.

    Parameters
    ----------
    extension : str
        Path of an extension module that is linked with the file's HDF5 library.
    file_id : int
        HDF5's identifier of the file.
    path : str
        The file: another library may have one of the same identifier.
    known : mapping of int to dict
        Address of a table to its slots, of tables that were looked up before: while there are
        other functions in them they would not be recognised.

    Returns
    -------
    FileDriver or None
        None if the file has another driver, or the library is not one that is known here.
    """
    if ctypes.sizeof(c_void_p) != _WORD:
        return None
    for library in libraries(extension):
        try:
            found = _ask(library, file_id, known)
            if found and os.path.samestat(os.fstat(found.descriptor), os.stat(path)):
                return found
        except (OSError, AttributeError):
            continue
    return None


def _ask(library: Any, file_id: int, known: Mapping[int, dict[str, int]]) -> FileDriver | None:
    def function(name: str, result: Any, *arguments: Any) -> Any:
        found = library[name]
        found.restype, found.argtypes = result, arguments
        return found

    if function("H5Iget_type", c_int, _ID)(file_id) != _FILE:
        return None
    access = function("H5Fget_access_plist", _ID, _ID)(file_id)
    if access < 0:
        return None
    try:
        driver_id = function("H5Pget_driver", _ID, _ID)(access)
        handle = c_void_p()
        ask = function("H5Fget_vfd_handle", c_int, _ID, _ID, POINTER(c_void_p))
        if driver_id < 0 or ask(file_id, access, byref(handle)) < 0 or not handle.value:
            return None
    finally:
        function("H5Pclose", c_int, _ID)(access)
    return _from_handle(handle.value, driver_id, known)


def _from_handle(
    handle: int, driver_id: int, known: Mapping[int, dict[str, int]]
) -> FileDriver | None:
    """Find the description of a file from where its descriptor stands, right behind the head.

    The head begins with the driver's identifier and the address of its table.
    """
    for distance in range(1, _LONGEST_HEAD):
        file = handle - distance * _WORD
        if _words(file, 1)[0] == driver_id:
            table = _words(file, 2)[1]
            slots = known.get(table) or _slots(table)
            descriptor = int(cast(handle, POINTER(c_int))[0])
            return None if slots is None else FileDriver(table, slots, file, descriptor)
    return None


def _words(address: int, count: int) -> list[int]:
    return list(cast(address, POINTER(c_uint64))[:count])


def _slots(table: int) -> dict[str, int] | None:
    for layout in _LAYOUTS:
        words = dict(zip(layout, _words(table, len(layout)), strict=True))
        empty = {name for name, word in words.items() if not word}
        if not (_EMPTY & set(layout)) <= empty or _FILLED & empty:
            continue
        if words.get("version", 0) > _LARGEST_VERSION:
            continue
        if ctypes.string_at(words["name"], len(_NAME) + 1) == _NAME + b"\0":
            return {name: table + index * _WORD for index, name in enumerate(layout)}
    return None


def functions(driver: FileDriver, keep_lock: bool) -> Iterator[tuple[str, Any]]:
    """Iterate over the driver's own functions, as they stand in its table now.

    Parameters
    ----------
    driver : FileDriver
        The driver.
    keep_lock : bool
        Whether a call keeps the interpreter's lock.
    """
    kind: Any = PYFUNCTYPE if keep_lock else CFUNCTYPE
    for name, (result, arguments) in SIGNATURES.items():
        address = _words(driver.slots[name], 1)[0]
        if address:
            yield name, kind(result, *arguments)(address)


def replace(driver: FileDriver, name: str, address: int) -> int:
    """Put another function into the table; return the address of the one that was there."""
    slot = cast(driver.slots[name], POINTER(c_uint64))
    before, slot[0] = int(slot[0]), address
    return before
