"""Arrays of data whose values stay in the file: they slice, and hold a few megabytes at most."""

from __future__ import annotations

from typing import Any

from h5backends import readers
from h5backends.nodes import CARRAY

__all__ = ["first_points", "in_file"]

_CACHE_NBYTES = 1 << 26


def in_file(node: CARRAY, points: int | None = None) -> Any:
    """Return an array of a file as it goes into data that are loaded lazily.

    Parameters
    ----------
    node : CARRAY
        The array.
    points : int, optional
        How many rows of it belong to the data; None for all.

    Returns
    -------
    CARRAY, MappedHDF5Dataset or HDF5ImageCache
        A cache for a compressed stack of images: each chunk is decoded once, the next ones ahead.
        In a file that this program writes never a cache, which would not see later writes.
    """
    array = first_points(node, points)
    compressed = node.chunks is not None and bool(node.filters.codec)
    if node.ndim == 3 and compressed and not node.session.writable and node.shape[0]:
        return readers.HDF5ImageCache(array, cache_bytes=_CACHE_NBYTES)
    return array


def first_points(array: Any, points: int | None) -> Any:
    """Return an array that has the first rows only, without reading them."""
    if points is None or points >= array.shape[0]:
        return array
    return readers.get_mapped_object(array, points)
