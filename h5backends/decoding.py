"""Chunks read around HDF5's filter pipeline and decoded here, outside its lock.

HDF5 decompresses under one lock for the whole process; the filters called from here do not, so
several chunks can be decoded at once (:mod:`h5backends.chunk_reader`).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import SupportsDirectChunk, SupportsPacking
from h5backends.errors import H5Error, SelectionError, StorageError
from h5backends.nodes import CARRAY
from h5backends.pipeline import UNREADABLE, FilterStep, Pipeline, pipeline

__all__ = ["ChunkDecoder", "Chunked", "chunk_decoder"]

_PLAIN_KINDS = "iufc"
_FAILURES = (OSError, RuntimeError, ValueError, TypeError, KeyError)

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
    filters : Pipeline
        Those of the array.
    """

    def __init__(self, array: Chunked, source: _Source, filters: Pipeline) -> None:
        assert array.chunks is not None
        self.chunks = array.chunks
        self._array = array
        self._dtype = array.dtype
        self._count = math.prod(array.chunks)
        self._source = source
        self._filters = filters

    @property
    def is_packed(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._filters)

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
            elements = self._filters.unpack(mask, raw)
            return np.frombuffer(elements, self._dtype, self._count).reshape(self.chunks)
        except UNREADABLE as exc:
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
        Any; only chunked ones in local files have chunks to read, and only filters that
        :mod:`h5backends.pipeline` can undo, without a word to HDF5, are undone here.
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
    found = (creation.get_filter(n) for n in range(creation.get_nfilters()))
    steps = tuple(FilterStep(int(each[0]), tuple(each[2])) for each in found)
    library, node = _Library(identifier), array.node
    if node is not None and isinstance(node.session.driver, SupportsDirectChunk):
        return _with_steps(array, _Driver(node, node.session.driver, library), steps)
    return _with_steps(array, library, steps)


def _node_decoder(array: Chunked) -> ChunkDecoder | None:
    """Return the way to read chunks with a driver that shows nothing but what all drivers do."""
    node = array.node
    driver = None if node is None else node.session.driver
    if node is None or not isinstance(driver, SupportsDirectChunk):
        return None
    if array.dtype.kind not in _PLAIN_KINDS or not array.dtype.isnative:
        return None
    if not isinstance(driver, SupportsPacking):
        return None
    with node.session.lock:
        steps = driver.filter_steps(node.handle)
    return None if steps is None else _with_steps(array, _Driver(node, driver), steps)


def _with_steps(
    array: Chunked, source: _Source, steps: tuple[FilterStep, ...]
) -> ChunkDecoder | None:
    found = pipeline(steps)
    return ChunkDecoder(array, source, found) if found is not None and found.quiet else None
