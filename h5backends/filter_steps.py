"""The filters one by one: applied to the bytes of a chunk and undone, outside of HDF5."""

from __future__ import annotations

import ctypes
import os
import threading
import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends import filter_plugins
from h5backends.filter_plugins import Memory, PluginFilter
from h5backends.filters import FILTER_IDS

__all__ = [
    "FLETCHER32",
    "SHUFFLE",
    "UNREADABLE",
    "Allocate",
    "Buffer",
    "Step",
    "as_array",
    "plain_memory",
    "step",
]

SHUFFLE = 2
FLETCHER32 = 3
_MOST_LEVEL = 9
_MOST_ZSTD_LEVEL = 22
_SIZED = frozenset({"blosc", "blosc2", "bitshuffle"})
_SIZE_AT = 2
"""Where in the client data of those the size of an element stands; they divide by it."""
_INT_MAX = 2**31 - 1
_CODECS = {identifier: name for name, identifier in FILTER_IDS.items()}

Buffer = Memory | NDArray[Any] | bytes
Allocate = Callable[[int], Buffer]


class Step(Protocol):
    """One filter, ready to be used from any thread."""

    @property
    def quiet(self) -> bool:
        """Whether it never calls HDF5, which is not made for several threads.

        Some do, to say that they cannot make sense of bytes.
        """

    def allocate(self, nbytes: int) -> Buffer:
        """Return memory for what it is applied to."""

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        """Return the filtered bytes; None, with `data` untouched, if they get no smaller."""

    def undo(self, data: Buffer) -> Buffer:
        """Return the bytes before they were filtered; ValueError or alike if there are none."""


def as_array(data: Buffer) -> NDArray[np.uint8]:
    """Return bytes as an array that shares their memory."""
    return np.asarray(data) if isinstance(data, Memory) else np.frombuffer(data, np.uint8)


def plain_memory(nbytes: int) -> NDArray[np.uint8]:
    """Return memory of the interpreter's."""
    return np.empty(nbytes, np.uint8)


def step(identifier: int, values: tuple[int, ...]) -> Step | None:
    """Return one filter, None if it is not known here.

    Parameters
    ----------
    identifier : int
        Its number in HDF5.
    values : tuple of int
        Its client data in the file. With such that HDF5 does not write, it is left to HDF5.
    """
    first = values[0] if values else 0
    if identifier == SHUFFLE:
        return _Shuffle(first) if first > 0 else None
    if identifier == FLETCHER32:
        return _Fletcher32()
    codec = _CODECS.get(identifier)
    if codec == "gzip":
        return _Gzip(first) if len(values) == 1 and first <= _MOST_LEVEL else None
    if codec is None or (codec in _SIZED and not (len(values) > _SIZE_AT and values[_SIZE_AT])):
        return None
    if codec == "zstd" and len(values) == 1 and 0 < first <= _MOST_ZSTD_LEVEL:
        compressor = _optional("zstandard", "ZstdCompressor")
        if compressor is not None:
            return _Zstd(compressor, first)
    plugin = filter_plugins.find(codec)
    return None if plugin is None else _Plugin(plugin, codec, values)


class _Shuffle:
    """The first bytes of all elements, then their second ones, and so on."""

    quiet = True
    allocate = staticmethod(plain_memory)

    def __init__(self, itemsize: int) -> None:
        self._itemsize = itemsize
        self._native = filter_plugins.shuffles()

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        raw, size = as_array(data), self._itemsize
        if size == 1 or len(raw) < 2 * size:
            return data
        out = allocate(len(raw))
        place = as_array(out)
        if self._native is not None and len(raw) < _INT_MAX:
            self._native[0](size, len(raw), raw.ctypes.data, place.ctypes.data)
            return out
        count, whole = len(raw) // size, len(raw) // size * size
        place[:whole].reshape(size, count)[...] = raw[:whole].reshape(count, size).T
        place[whole:] = raw[whole:]
        return out

    def undo(self, data: Buffer) -> Buffer:
        raw, size = as_array(data), self._itemsize
        if size == 1 or len(raw) < 2 * size:
            return data
        out = plain_memory(len(raw))
        if self._native is not None and len(raw) < _INT_MAX:
            self._native[1](size, len(raw), raw.ctypes.data, out.ctypes.data)
            return out
        count, whole = len(raw) // size, len(raw) // size * size
        elements = out[:whole].reshape(count, size)
        for index in range(size):  # one by one: numpy would go along the short axis
            elements[:, index] = raw[index * count : (index + 1) * count]
        out[whole:] = raw[whole:]
        return out


class _Gzip:
    """zlib's format, written by the fastest library that keeps to the level.

    ISA-L takes a tenth of zlib's time for what comes out within two percent as small as at zlib's
    lowest levels; zlib-ng takes half, and from level 3 on makes it no larger.
    """

    quiet = True
    allocate = staticmethod(plain_memory)

    def __init__(self, level: int) -> None:
        self._level = level
        self._compress = _compressor(level)
        self._decompress = _optional("isal.isal_zlib", "decompress") or zlib.decompress

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        packed: bytes = self._compress(as_array(data), self._level)
        return packed

    def undo(self, data: Buffer) -> Buffer:
        raw: bytes = self._decompress(as_array(data).data)
        return raw


_ISAL_LEVELS = (1, 2)
_ZLIB_NG_LEVELS = (3, 4, 5, 6, 7, 8, 9)


def _compressor(level: int) -> Callable[..., Any]:
    found = None
    if level in _ISAL_LEVELS:
        found = _optional("isal.isal_zlib", "compress")
    elif level in _ZLIB_NG_LEVELS:
        found = _optional("zlib_ng.zlib_ng", "compress")
    return found or zlib.compress


@cache
def _optional(module: str, name: str) -> Callable[..., Any] | None:
    try:
        found: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return found


def _errors() -> tuple[type[Exception], ...]:
    isal: Any = _optional("isal.isal_zlib", "error")
    return (zlib.error,) if isal is None else (zlib.error, isal)


UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError),
    *_errors(),
)
"""What undoing a filter raises for bytes that it cannot make sense of."""


class _Zstd:
    """Frames of Zstandard, made with what each thread keeps for the next one.

    The plugin has its tables made anew for every chunk, in memory that the system clears first;
    that takes about a quarter of its time.
    """

    quiet = True
    allocate = staticmethod(plain_memory)

    def __init__(self, compressor: Callable[..., Any], level: int) -> None:
        self._compressor = compressor
        self._level = level
        self._kept = threading.local()

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        kept = self._kept
        if not hasattr(kept, "compress"):
            kept.compress = self._compressor(level=self._level).compress
        packed: bytes = kept.compress(as_array(data))
        return packed

    def undo(self, data: Buffer) -> Buffer:
        kept = self._kept
        zstandard = import_module("zstandard")
        if not hasattr(kept, "decompress"):
            kept.decompress = zstandard.ZstdDecompressor().decompress
        try:
            raw: bytes = kept.decompress(as_array(data))
        except zstandard.ZstdError as exc:
            raise ValueError(str(exc)) from exc
        return raw


class _Fletcher32:
    """The bytes and, behind them, their checksum."""

    quiet = True
    allocate = staticmethod(plain_memory)

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        raw = as_array(data)
        out = plain_memory(len(raw) + 4)
        out[:-4] = raw
        out[-4:] = np.frombuffer(_checksum(raw).to_bytes(4, "little"), np.uint8)
        return out

    def undo(self, data: Buffer) -> Buffer:
        raw = as_array(data)
        if len(raw) < 4:
            raise ValueError("shorter than its checksum")
        content = raw[:-4]
        stored, found = int.from_bytes(raw[-4:].tobytes(), "little"), _checksum(content)
        # HDF5 before 1.6.3 wrote the two bytes of each half the other way round.
        swapped = (found & 0x00FF00FF) << 8 | (found & 0xFF00FF00) >> 8
        if stored not in (found, swapped):
            raise ValueError("the checksum does not fit the bytes")
        return content


_PIECE = 1 << 15
"""Words that are summed at once: their weighted sum stays below 2**63."""


def _checksum(raw: NDArray[np.uint8]) -> int:
    """Return Fletcher's checksum as HDF5 forms it: of 16-bit words, the first byte the higher."""
    if len(raw) % 2:
        raw = np.append(raw, np.uint8(0))
    words = raw.view(">u2")
    low = high = 0
    for start in range(0, len(words), _PIECE):
        piece = words[start : start + _PIECE].astype(np.int64)
        count = len(piece)
        high += count * low + int(np.dot(piece, np.arange(count, 0, -1, dtype=np.int64)))
        low += int(piece.sum())
        low, high = _folded(low), _folded(high)
    return high << 16 | low


def _folded(total: int) -> int:
    """Return a sum modulo 65535, where only the sum of nothing is 0."""
    return (total - 1) % 0xFFFF + 1 if total else 0


class _Plugin:
    """A filter of hdf5plugin."""

    @staticmethod
    def allocate(nbytes: int) -> Buffer:
        return Memory(nbytes)

    def __init__(self, plugin: PluginFilter, codec: str, values: tuple[int, ...]) -> None:
        self._plugin = plugin
        self._codec = codec
        self._values = (ctypes.c_uint * len(values))(*values)
        self._decompress = _decompressor(codec)
        if codec in _THREADED:
            os.environ.setdefault("BLOSC_NTHREADS", "1")
        self.quiet = codec in _QUIET or self._decompress is not None

    def apply(self, data: Buffer, allocate: Allocate) -> Buffer | None:
        memory = data if isinstance(data, Memory) else _copied(data)
        return memory if self._plugin.run(memory, self._values) else None

    def undo(self, data: Buffer) -> Buffer:
        if self._decompress is not None:
            raw: bytes = self._decompress(as_array(data).tobytes())
            return raw
        memory = data if isinstance(data, Memory) else _copied(data)
        if not self._plugin.run(memory, self._values, undo=True):
            raise ValueError(f"{self._codec} cannot make sense of the bytes")
        return memory


_THREADED = frozenset({"blosc", "blosc2"})
"""Plugins that start threads of their own for every chunk, which costs more than it saves: here
several chunks are filtered at once. Whoever has chosen their number keeps it."""
_QUIET = frozenset({"lz4", "zstd"})
"""Plugins that do not tell HDF5 of bytes they cannot make sense of."""


def _decompressor(codec: str) -> Callable[..., Any] | None:
    """Return what undoes a filter without a word to HDF5, where its plugin does not."""
    if codec != "blosc":
        return None
    return _optional("blosc", "decompress") or _optional("numcodecs.blosc", "decompress")


def _copied(data: Buffer) -> Memory:
    raw = as_array(data)
    memory = Memory(len(raw))
    memory.array()[...] = raw
    return memory
