"""Virtual arrays for the h5py driver: elements that are in other files, joined by HDF5 itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from h5backends.types import ArraySpec, VirtualPart

__all__ = ["create"]


def create(
    parent: h5g.GroupID, name: str, spec: ArraySpec, parts: Iterable[VirtualPart]
) -> h5d.DatasetID:
    """Create an array whose elements are in other files.

    Parameters
    ----------
    parent : GroupID
        Where to.
    name : str
        Its name.
    spec : ArraySpec
        Type, shape (of what is there by now, for one that grows) and fill value.
    parts : iterable of VirtualPart
        Which rows are where.
    """
    limits = tuple(h5s.UNLIMITED if n is None else n for n in spec.maxshape)
    whole = h5s.create_simple(spec.shape, limits)
    creation = h5p.create(h5p.DATASET_CREATE)
    if spec.fill is not None:
        creation.set_fill_value(np.asarray(spec.fill, spec.dtype))
    for part in parts:
        own = _rows(whole.copy(), part.start, part.length, spec.shape)
        length = h5s.UNLIMITED if part.length is None else part.length
        shape = (0 if part.length is None else part.length, *spec.shape[1:])
        there = _rows(h5s.create_simple(shape, (length, *spec.shape[1:])), 0, part.length, shape)
        creation.set_virtual(own, part.file.encode(), part.node.encode(), there)
    kind = h5t.py_create(spec.dtype, logical=True)
    return h5d.create(parent, name.encode(), kind, whole, dcpl=creation)


def _rows(
    space: h5s.SpaceID, start: int, length: int | None, shape: tuple[int, ...]
) -> h5s.SpaceID:
    """Select rows of a space; all that there will ever be, if their number is not known."""
    ones = (1,) * len(shape)
    block = (h5s.UNLIMITED if length is None else length, *shape[1:])
    space.select_hyperslab((start, *(0 for _ in shape[1:])), ones, block=block)
    return space
