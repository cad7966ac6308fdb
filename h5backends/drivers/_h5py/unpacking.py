"""Large boxes of compressed arrays: chunks fetched as they stand in the file, decoded in threads.

HDF5 decompresses one chunk after the other. Here the chunks are read a few at a time and decoded
together, between the calls into HDF5, so that a filter that has something to tell HDF5 does not
meet it at work.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from h5backends import workers
from h5backends.chunks import parts
from h5backends.drivers._h5py.append import FOREIGN
from h5backends.drivers._h5py.filters import steps
from h5backends.pipeline import UNREADABLE, Pipeline, pipeline
from h5backends.types import Box

__all__ = ["read"]

_LEAST_BYTES = 1 << 20
"""Boxes from this size on gain from threads."""
_LEAST_CHUNK = 16 * 1024
_PLAIN_KINDS = "iufc"
_FAILURES: tuple[type[Exception], ...] = (*FOREIGN, *UNREADABLE)


def read(dataset: h5d.DatasetID, dtype: np.dtype[Any], box: Box) -> NDArray[Any] | None:
    """Read a box.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array.
    dtype : numpy.dtype
        Type of its elements, which HDF5 does not convert.
    box : tuple of slice
        Inside the extent.

    Returns
    -------
    ndarray or None
        None where HDF5 has to do it: it is as fast, knows the filters or has the chunks, or what
        is wrong with them.
    """
    if not box or dtype.kind not in _PLAIN_KINDS or any(part.step != 1 for part in box):
        return None
    shape = tuple(part.stop - part.start for part in box)
    if math.prod(shape) * dtype.itemsize < _LEAST_BYTES:
        return None
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5d.CHUNKED or not creation.get_nfilters():
        return None
    chunks = creation.get_chunk()
    filters = pipeline(steps(creation))
    if not filters or math.prod(chunks) * dtype.itemsize < _LEAST_CHUNK:
        return None
    out = np.empty(shape, dtype)
    touched = parts(box, chunks)
    try:
        while some := list(itertools.islice(touched, 2 * (workers.count() + 1))):
            raw = [dataset.read_direct_chunk(part.offset) for part in some]
            futures = [
                workers.submit_and_wait(
                    _decode, filters, each, chunks, part.inner, out[part.place]
                )
                for each, part in zip(raw, some, strict=True)
            ]
            for future in futures:
                future.result()
    except _FAILURES:
        return None  # a chunk that nobody wrote, or a damaged one: HDF5 knows what to give or say
    return out


def _decode(
    filters: Pipeline,
    raw: tuple[int, bytes],
    chunks: tuple[int, ...],
    inner: tuple[slice, ...],
    place: NDArray[Any],
) -> None:
    elements = np.frombuffer(filters.unpack(*raw), place.dtype, math.prod(chunks))
    place[...] = elements.reshape(chunks)[inner]
