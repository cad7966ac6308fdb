"""The HDF5 library that h5py or PyTables is linked with, for functions of its own.

Each of the two comes with an HDF5 of its own, and an identifier of one means nothing, or something
else, to the other. So a library is looked for through the package, and asked whether it knows the
file. Its functions keep the interpreter's lock: HDF5 is not made for several threads.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Mapping
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_ssize_t
from functools import cache
from typing import Any

__all__ = ["Signatures", "find_library", "functions", "libraries"]

_DLL = r"hdf5(-[^_]+)?\.dll"
"""Its name on Windows, where it has to be looked for by name."""
Signatures = Mapping[str, tuple[Any, tuple[Any, ...]]]
"""Functions of HDF5 -> type of the result, types of the arguments."""
_FILE = 1
"""HDF5's word for an identifier of a file."""


@cache
def libraries(extension: str) -> tuple[Any, ...]:
    """Return the HDF5 libraries that an extension module may be linked with.

    Take functions by item, ``library["H5Fopen"]``: others, who use the same object, would get the
    one that is taken by attribute, with its types.

    Parameters
    ----------
    extension : str
        Path of the module.
    """
    found = []
    for path in _loaded() if sys.platform == "win32" else [extension]:
        try:
            # What is loaded already is not loaded again. Elsewhere than on Windows a look-up in
            # an extension module goes on into the libraries that the module is linked with.
            found.append(ctypes.PyDLL(path))
        except OSError:
            continue
    return tuple(found)


def _loaded() -> list[str]:
    """List the HDF5 libraries of this process."""
    import psutil

    loaded: set[str] = {entry.path for entry in psutil.Process().memory_maps()}
    names = {path: os.path.basename(path).lower() for path in loaded}
    return sorted(path for path, name in names.items() if re.fullmatch(_DLL, name))


def functions(library: Any, signatures: Signatures) -> dict[str, Any]:
    """Return functions of a library, with their types.

    Parameters
    ----------
    library : ctypes library
        The HDF5 library.
    signatures : Signatures
        The functions.

    Raises
    ------
    AttributeError
        It lacks one.
    """
    found = {}
    for name, (result, arguments) in signatures.items():
        found[name] = function = library[name]
        function.restype, function.argtypes = result, arguments
    return found


def find_library(extension: str, file_id: int, path: str) -> Any | None:
    """Return the library that an open file belongs to, None if it cannot be reached.

    Parameters
    ----------
    extension : str
        Path of an extension module that is linked with it.
    file_id : int
        HDF5's identifier of the file.
    path : str
        The name that the file was opened by.
    """
    return next((each for each in libraries(extension) if _knows(each, file_id, path)), None)


def _knows(library: Any, file_id: int, path: str) -> bool:
    try:
        kind, name_of = library["H5Iget_type"], library["H5Fget_name"]
    except AttributeError:
        return False
    kind.argtypes, kind.restype = (c_int64,), c_int
    name_of.argtypes, name_of.restype = (c_int64, c_char_p, c_size_t), c_ssize_t
    if kind(file_id) != _FILE:
        return False
    size = name_of(file_id, None, 0)
    name = ctypes.create_string_buffer(max(0, size) + 1)
    name_of(file_id, name, len(name))
    return size > 0 and name.value in {path.encode(errors="surrogateescape"), os.fsencode(path)}
