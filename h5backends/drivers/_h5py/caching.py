"""The chunk cache of arrays that are written: none for plain streams, enough for packed ones."""

from __future__ import annotations

import math

from h5py import h5d, h5g, h5p, h5t

from h5backends.drivers.base import no_filters
from h5backends.types import ArraySpec, NodeKind

__all__ = ["chunk_cache", "with_own_cache"]

_LEAST_CACHE = 1 << 20
_SLOTS = 521


def chunk_cache(spec: ArraySpec) -> h5p.PropDAID:
    """Choose the chunk cache of a new array.

    Without filters a cache only makes every flush write whole chunks where a few bytes changed,
    and a full disk shows up after the rows were taken. With filters it must hold at least one
    chunk, or each partial write unpacks and packs again, on a full disk to nowhere.
    """
    if spec.chunks is None:
        return h5p.create(h5p.DATASET_ACCESS)
    chunk_bytes = spec.dtype.itemsize * math.prod(spec.chunks)
    return _cache(chunk_bytes, no_filters(spec) and spec.kind is not NodeKind.VLARRAY)


def with_own_cache(dataset: h5d.DatasetID, parent: h5g.GroupID, name: bytes) -> h5d.DatasetID:
    """Open an array again as a new one would be, for writing.

    HDF5 gives every array that is opened without being asked its cache of megabytes. What another
    object of this program has open keeps the cache it has.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array; closed if another is returned.
    parent : h5py.h5g.GroupID
        From where it was opened.
    name : bytes
        Its path from there.
    """
    if dataset.get_offset() is not None:
        return dataset  # in one piece
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5d.CHUNKED:
        return dataset
    kind = dataset.get_type()
    plain = not creation.get_nfilters() and not isinstance(kind, h5t.TypeVlenID)
    access = _cache(kind.get_size() * math.prod(creation.get_chunk()), plain)
    dataset._close()
    return h5d.open(parent, name, access)


def _cache(chunk_bytes: int, plain: bool) -> h5p.PropDAID:
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(_SLOTS, 0 if plain else max(chunk_bytes, _LEAST_CACHE), 0.75)
    return access
