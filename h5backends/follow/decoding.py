"""Chunks read around HDF5's filter pipeline and decoded here, several at once.

HDF5 decompresses under one lock for the whole process; zlib and blosc called from here do not.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.filters import FILTER_IDS
from h5backends.follow.arrays import Array

__all__ = ["ChunkDecoder", "chunk_decoder"]

_SHUFFLE = 2

Step = Callable[[bytes], bytes]


class ChunkDecoder:
    """Reads whole chunks of one array.

    Parameters
    ----------
    array : Array
        Where from; an h5py dataset underneath.
    steps : list of callable
        How to undo each filter, in the order in which they were applied.
    """

    def __init__(self, array: Array, steps: list[Step]) -> None:
        assert array.chunks is not None
        self.chunks = array.chunks
        self._dtype = array.dtype
        self._identifier = array.native.id
        self._steps = steps

    def is_written(self, offset: tuple[int, ...]) -> bool:
        """Tell whether the chunk that begins at an element is in the file."""
        return self._identifier.get_chunk_info_by_coord(offset).byte_offset is not None

    def fetch(self, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return which filters were left out for a chunk, as a bit mask, and its raw bytes."""
        mask, raw = self._identifier.read_direct_chunk(offset)
        return int(mask), raw

    def decode(self, mask: int, raw: bytes) -> NDArray[Any]:
        """Return the elements of a chunk.

        Returns
        -------
        ndarray, shape of a chunk, the array's dtype
        """
        for number, step in reversed(list(enumerate(self._steps))):
            if not mask >> number & 1:
                raw = step(raw)
        return np.frombuffer(raw, self._dtype, math.prod(self.chunks)).reshape(self.chunks)


def chunk_decoder(array: Array) -> ChunkDecoder | None:
    """Return the way to read an array's chunks directly, None where there is none.

    Parameters
    ----------
    array : Array
        Any; only chunked ones in local files, read with h5py, have chunks to read.
    """
    identifier = getattr(array.native, "id", None)
    chunked = array.chunks is not None and hasattr(identifier, "read_direct_chunk")
    if not chunked or array.dtype.hasobject:
        return None
    assert identifier is not None
    creation = identifier.get_create_plist()
    steps = []
    for number in range(creation.get_nfilters()):
        step = _undo(creation.get_filter(number)[0], array.dtype.itemsize)
        if step is None:
            return None
        steps.append(step)
    return ChunkDecoder(array, steps)


def _undo(identifier: int, itemsize: int) -> Step | None:
    """Return how to undo a filter, None where nothing here can."""
    if identifier == FILTER_IDS["gzip"]:
        return zlib.decompress
    if identifier == _SHUFFLE:
        return lambda raw: _unshuffled(raw, itemsize)
    if identifier == FILTER_IDS["blosc"]:
        return _optional("blosc", "decompress") or _optional("numcodecs.blosc", "decompress")
    if identifier == FILTER_IDS["zstd"]:
        return _optional("numcodecs.zstd", "decompress")
    return None


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
