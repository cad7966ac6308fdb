"""Chunks read around HDF5's filter pipeline and decoded here, outside its lock.

HDF5 decompresses under one lock for the whole process; zlib, ISA-L and blosc called from here do
not, so several chunks can be decoded at once (:mod:`h5backends.chunk_reader`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import SupportsDirectChunk
from h5backends.errors import H5Error, SelectionError, StorageError
from h5backends.filters import FILTER_IDS
from h5backends.nodes import CARRAY
from h5backends.types import Filters

__all__ = ["ChunkDecoder", "Chunked", "chunk_decoder"]

_SHUFFLE = 2
_PLAIN_KINDS = "iufc"
_FAILURES = (OSError, RuntimeError, ValueError, TypeError, KeyError, zlib.error)

Step = Callable[[bytes], bytes]
Raw = tuple[int, bytes]
"""Which filters were left out for a chunk, as a bit mask, and its bytes in the file."""


class Chunked(Protocol):
    """What has to be known of an array, see :class:`h5backends.arrays.Array`."""

    native: Any
    node: CARRAY | None

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunk shape; None without chunks."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    @property
    def is_written_here(self) -> bool:
        """Whether this process may write to it."""

    @property
    def name(self) -> str | None:
        """Path in the file."""

    def error_for(self, exc: Exception) -> H5Error:
        """Return this package's error for what a library raised."""


class ChunkDecoder:
    """Reads whole chunks of one array.

    Parameters
    ----------
    array : Chunked
        Where from.
    source : object
        Knows the chunks in the file.
    steps : list of callable
        How to undo each filter, in the order in which they were applied.
    """

    def __init__(self, array: Chunked, source: _Source, steps: list[Step]) -> None:
        assert array.chunks is not None
        self.chunks = array.chunks
        self._array = array
        self._dtype = array.dtype
        self._count = math.prod(array.chunks)
        self._source = source
        self._steps = list(reversed(list(enumerate(steps))))

    @property
    def is_packed(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._steps)

    def is_written(self, offset: tuple[int, ...]) -> bool:
        """Tell whether the chunk that begins at an element is in the file."""
        return self._source.is_written(offset)

    def fetch(self, offset: tuple[int, ...]) -> Raw | None:
        """Return a chunk as it stands in the file, None if nobody wrote to it yet.

        Raises
        ------
        FileClosedError, StorageError
            The file is closed, or cannot be read.
        """
        try:
            # Asking first makes HDF5 write a chunk that it has in memory only. Without that, the
            # size of such a chunk is undefined, and reading it fails for want of memory.
            if self._array.is_written_here and not self._source.is_written(offset):
                return None
            return self._source.read(offset)
        except SelectionError:
            return None
        except _FAILURES as exc:
            try:
                if not self._source.is_written(offset):
                    return None
            except _FAILURES:
                pass  # the first error tells more
            raise self._array.error_for(exc) from exc

    def decode(self, mask: int, raw: bytes) -> NDArray[Any]:
        """Return the elements of a chunk; may be called from any thread.

        Returns
        -------
        ndarray, shape of a chunk, the array's dtype

        Raises
        ------
        StorageError
            The bytes are not what the filters of the array make.
        """
        try:
            for number, step in self._steps:
                if not mask >> number & 1:
                    raw = step(raw)
            return np.frombuffer(raw, self._dtype, self._count).reshape(self.chunks)
        except _failures() as exc:
            raise StorageError(
                "a chunk cannot be decoded", node=self._array.name, found=exc
            ) from exc


class _Source(Protocol):
    """The chunks of one array as they stand in the file."""

    def is_written(self, offset: tuple[int, ...]) -> bool: ...

    def read(self, offset: tuple[int, ...]) -> Raw: ...


class _Library:
    """Chunks of an h5py dataset."""

    def __init__(self, identifier: Any) -> None:
        self._identifier = identifier

    def is_written(self, offset: tuple[int, ...]) -> bool:
        return self._identifier.get_chunk_info_by_coord(offset).byte_offset is not None

    def read(self, offset: tuple[int, ...]) -> Raw:
        mask, raw = self._identifier.read_direct_chunk(offset)
        return int(mask), raw


class _Driver:
    """Chunks of a node whose driver reads them; what is buffered for it is written first."""

    def __init__(
        self, node: CARRAY, driver: SupportsDirectChunk, library: _Library | None = None
    ) -> None:
        self._node = node
        self._driver = driver
        self._library = library

    def is_written(self, offset: tuple[int, ...]) -> bool:
        if self._library is None:
            try:
                self.read(offset)
            except SelectionError:
                return False
            return True
        with self._node.session.lock:
            self._node.session.settle(self._node.handle)
            return self._library.is_written(offset)

    def read(self, offset: tuple[int, ...]) -> Raw:
        session = self._node.session
        with session.lock:
            session.settle(self._node.handle)
            return self._driver.read_chunk(self._node.handle, offset)


def chunk_decoder(array: Chunked) -> ChunkDecoder | None:
    """Return the way to read an array's chunks directly, None where there is none.

    Parameters
    ----------
    array : Chunked
        Any; only chunked ones in local files have chunks to read, and only filters that can be
        undone here are: none, gzip, shuffle; blosc and zstd with their packages.
    """
    if array.chunks is None or array.dtype.hasobject:
        return None
    identifier = getattr(array.native, "id", None)
    if not hasattr(identifier, "read_direct_chunk"):
        return _node_decoder(array)
    if array.native.dtype != array.dtype:
        return None  # text and times, converted after reading
    assert identifier is not None
    creation = identifier.get_create_plist()
    numbers = [creation.get_filter(n)[0] for n in range(creation.get_nfilters())]
    library, node = _Library(identifier), array.node
    if node is not None and isinstance(node.session.driver, SupportsDirectChunk):
        return _with_steps(array, _Driver(node, node.session.driver, library), numbers)
    return _with_steps(array, library, numbers)


def _node_decoder(array: Chunked) -> ChunkDecoder | None:
    """Return the way to read chunks with a driver that shows nothing but what all drivers do."""
    node = array.node
    if node is None or not isinstance(node.session.driver, SupportsDirectChunk):
        return None
    dtype = array.dtype
    numbers = _filter_numbers(node.filters)
    if dtype.kind not in _PLAIN_KINDS or not dtype.isnative or numbers is None:
        return None
    return _with_steps(array, _Driver(node, node.session.driver), numbers)


def _filter_numbers(filters: Filters) -> list[int] | None:
    """Return the HDF5 filters, in order, that stand for ours; None if one cannot be undone."""
    if filters.fletcher32:
        return None
    numbers = [_SHUFFLE] if filters.shuffle else []
    if filters.codec is not None:
        numbers.append(FILTER_IDS[filters.codec])
    return numbers


def _with_steps(array: Chunked, source: _Source, numbers: list[int]) -> ChunkDecoder | None:
    assert array.chunks is not None
    itemsize = array.dtype.itemsize
    size = math.prod(array.chunks) * itemsize
    steps = [_undo(number, itemsize, size) for number in numbers]
    known = [step for step in steps if step is not None]
    return ChunkDecoder(array, source, known) if len(known) == len(steps) else None


def _undo(identifier: int, itemsize: int, size: int) -> Step | None:
    """Return how to undo a filter, None where nothing here can."""
    if identifier == FILTER_IDS["gzip"]:
        return partial(_inflate(), bufsize=size)
    if identifier == _SHUFFLE:
        return partial(_unshuffled, itemsize=itemsize)
    if identifier == FILTER_IDS["blosc"]:
        return _optional("blosc", "decompress") or _optional("numcodecs.blosc", "decompress")
    if identifier == FILTER_IDS["zstd"]:
        return _optional("compression.zstd", "decompress") or _optional(
            "numcodecs.zstd", "decompress"
        )
    return None


@cache
def _inflate() -> Callable[..., bytes]:
    """Return what undoes gzip: ISA-L takes half the time of zlib, where it is installed."""
    found: Callable[..., bytes] = _optional("isal.isal_zlib", "decompress") or zlib.decompress
    return found


@cache
def _failures() -> tuple[type[Exception], ...]:
    """Return what the steps raise for bytes that they cannot make sense of."""
    isal: Any = _optional("isal.isal_zlib", "error")
    return _FAILURES if isal is None else (*_FAILURES, isal)


@cache
def _optional(module: str, name: str) -> Step | None:
    try:
        found: Step = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return found


def _unshuffled(raw: bytes, itemsize: int) -> bytes:
    count = len(raw) // itemsize
    planes = np.frombuffer(raw, np.uint8, count * itemsize).reshape(itemsize, count)
    return planes.T.tobytes() + raw[count * itemsize :]
