"""The functions of HDF5's filter plugins, called around HDF5: without its lock, in any thread.

A plugin is a shared library with one documented entry, ``H5PLget_plugin_info``, that describes the
filter and points to the function that applies and undoes it. Those of hdf5plugin are loaded
anyway, so a chunk filtered here has the very bytes that HDF5 would have stored.

The function replaces the memory it is given. HDF5 allocates and frees that memory on its side, the
plugin on its own, so both use one allocator wherever plugins work at all; and so does this module,
by asking HDF5 for its memory (``H5allocate_memory``, ``H5free_memory``).
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import sys
from ctypes import CFUNCTYPE, POINTER, byref, c_bool, c_char_p, c_int, c_size_t, c_uint, c_void_p
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.filters import FILTER_IDS, register_plugins

__all__ = ["BytesLostError", "Memory", "PluginFilter", "find", "shuffles"]

_log = logging.getLogger(__name__)

_CLASS_VERSION = 1
_REVERSE = 0x0100
_MOST_BYTES = 2**48
_PLUGIN_NAMES = {"bitshuffle": "bshuf"}
"""Where hdf5plugin calls a filter otherwise than we do."""

_Filter = CFUNCTYPE(
    c_size_t, c_uint, c_size_t, c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_void_p)
)


class _Description(ctypes.Structure):
    """What ``H5PLget_plugin_info`` points to: ``H5Z_class2_t``."""

    _fields_ = (
        ("version", c_int),
        ("identifier", c_int),
        ("encodes", c_uint),
        ("decodes", c_uint),
        ("name", c_char_p),
        ("can_apply", c_void_p),
        ("set_local", c_void_p),
        ("filter", _Filter),
    )


class BytesLostError(RuntimeError):
    """A filter failed, out of memory or on damaged bytes, and has not kept them."""


class Memory:
    """Memory that a filter plugin may take and replace; freed with the object.

    Parameters
    ----------
    nbytes : int
        How much.

    Raises
    ------
    MemoryError
        There is not so much.
    """

    __slots__ = ("_address", "_free", "nbytes", "room")

    def __init__(self, nbytes: int) -> None:
        library = _library()
        assert library is not None
        self._address: int | None = library.H5allocate_memory(max(1, nbytes), False)
        if not self._address:
            raise MemoryError(f"{nbytes:,} bytes")
        self._free = library.H5free_memory
        self.nbytes = nbytes  # in use
        self.room = nbytes  # allocated

    def __del__(self) -> None:
        address, self._address = getattr(self, "_address", None), None
        if address:
            self._free(address)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """How numpy sees it, as bytes; an array made of it keeps it alive."""
        return {
            "version": 3,
            "shape": (self.nbytes,),
            "typestr": "|u1",
            "data": (self._address, False),
        }

    def array(self) -> NDArray[np.uint8]:
        """Return it as an array of bytes."""
        return np.asarray(self)

    def give_away(self) -> int:
        """Return the address, which is somebody else's to free from now on."""
        address, self._address = self._address, None
        assert address is not None
        return address

    def receive(self, address: int | None, nbytes: int, room: int) -> None:
        """Own what came back."""
        self._address, self.nbytes, self.room = address, nbytes, room


class PluginFilter:
    """One filter of a plugin.

    Parameters
    ----------
    description : ctypes structure
        What the plugin says of it.
    """

    def __init__(self, description: Any) -> None:
        self._description = description
        self._filter = description.filter

    def run(self, memory: Memory, values: Any, *, undo: bool = False) -> bool:
        """Apply or undo the filter; the interpreter's lock is not held meanwhile.

        Parameters
        ----------
        memory : Memory
            The bytes; replaced by what becomes of them. Nobody else may look at it meanwhile.
        values : ctypes array of c_uint
            The filter's parameters, as they stand in the file.
        undo : bool
            Whether to undo it.

        Returns
        -------
        bool
            False, and the bytes are as before, if the filter does not want them (they do not get
            smaller) or cannot make sense of them.

        Raises
        ------
        BytesLostError
            It failed, and the bytes are gone.
        """
        nbytes, room = memory.nbytes, c_size_t(memory.room)
        # Not ours while the filter may free it: a process that is forked off in this moment has
        # a copy of this object, and must not free what it points to.
        address = memory.give_away()
        pointer = c_void_p(address)
        flags = _REVERSE if undo else 0
        done = self._filter(flags, len(values), values, nbytes, byref(room), byref(pointer))
        replaced = pointer.value != address
        # One of them (zstd) answers with the number of an error, larger than any memory. Others
        # (lz4 and blosc2 up to hdf5plugin 5.1) do not say how large the memory is that they put
        # in the place of what they were given.
        worked = 0 < done <= (_MOST_BYTES if replaced else min(room.value, _MOST_BYTES))
        lost = replaced and not worked
        if worked:
            memory.receive(pointer.value, done, max(room.value, done))
        else:
            memory.receive(pointer.value, nbytes, room.value)
        if lost:
            memory.nbytes = 0
            raise BytesLostError("a filter failed and left nothing of what it was given")
        return bool(worked)


@cache
def find(codec: str) -> PluginFilter | None:
    """Return the filter of a codec, None where its plugin or HDF5's memory cannot be reached.

    Parameters
    ----------
    codec : str
        One of :data:`h5backends.filters.CODECS`.
    """
    path = _path(codec)
    if path is None or _library() is None:
        return None
    try:
        entry = ctypes.CDLL(path).H5PLget_plugin_info  # loaded already
    except (OSError, AttributeError) as exc:
        _log.debug("%s: not called directly: %s", path, exc)
        return None
    entry.restype = POINTER(_Description)
    description = entry().contents
    known = (_CLASS_VERSION, FILTER_IDS[codec])
    return PluginFilter(description) if _identity(description) == known else None


@cache
def shuffles() -> tuple[Any, Any] | None:
    """Return how to shuffle bytes and back, with the instructions of this processor for it.

    They are blosc2's own, exported by its plugin where the system exports what it can; each takes
    the size of an element, the number of bytes, the address of the bytes and that of the result,
    and answers with the number of bytes. Both below 2 GiB.
    """
    path = _path("blosc2")
    if path is None:
        return None
    try:
        library = ctypes.CDLL(path)
        found = library.blosc2_shuffle, library.blosc2_unshuffle
    except (OSError, AttributeError):
        return None
    for function in found:
        function.restype = c_int
        function.argtypes = (c_int, c_int, c_void_p, c_void_p)
    return found


def _path(codec: str) -> str | None:
    """Return the file of a codec's plugin."""
    register_plugins()
    try:
        registered = importlib.import_module("hdf5plugin").get_config().registered_filters
    except (ImportError, AttributeError):
        return None
    path: str | None = registered.get(_PLUGIN_NAMES.get(codec, codec))
    return path if path is not None and os.path.isfile(path) else None


def _identity(description: Any) -> tuple[int, int]:
    return description.version, description.identifier


@cache
def _library() -> Any:
    """Return the HDF5 library that the plugins work for, None if it cannot be reached."""
    extension = importlib.import_module("h5py").h5f.__file__
    # Elsewhere than on Windows a look-up in an extension module goes on into the libraries that
    # it is linked with; what is loaded already is not loaded again.
    path = os.path.join(os.path.dirname(extension), "hdf5.dll")
    if sys.platform == "win32" and not os.path.isfile(path):
        path = "hdf5"
    try:
        # Without the interpreter's lock: HDF5 may have one of its own, held by a thread that
        # waits for the interpreter's.
        library = ctypes.CDLL(path if sys.platform == "win32" else extension)
        library.H5allocate_memory.restype = c_void_p
        library.H5allocate_memory.argtypes = (c_size_t, c_bool)
        library.H5free_memory.restype = c_int
        library.H5free_memory.argtypes = (c_void_p,)
    except (OSError, AttributeError) as exc:
        _log.debug("HDF5's memory cannot be had: %s", exc)
        return None
    return library
