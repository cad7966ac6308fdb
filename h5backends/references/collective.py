"""Writing with all MPI ranks at once: the one way into compressed arrays of a parallel file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.conform import conform
from h5backends.drivers.base import SupportsParallel, box_shape
from h5backends.errors import SelectionError, ShapeError
from h5backends.nodes import CARRAY
from h5backends.selection import select
from h5backends.types import Box, Capability

__all__ = ["prepared", "write"]


def prepared(array: CARRAY, key: Any, data: ArrayLike) -> tuple[Box | None, NDArray[Any]]:
    """Return the part of an array to write, and what to write there, in the file's own type.

    Whatever can be wrong about it is found here: the writing itself must not fail on one rank.

    Raises
    ------
    SelectionError, ShapeError, DTypeError
        One piece of the array it is not, or the data do not fit.
    """
    chosen = select(key, array.shape)
    if len(chosen.boxes) > 1 or not chosen.covers:
        raise SelectionError(
            "ranks write compressed data in one piece each", node=array.path, found=repr(key)[:60]
        )
    box = chosen.boxes[0]
    storage = array.session.storage(array.handle)
    try:
        values = np.broadcast_to(conform(data, storage.dtype), box_shape(box))
    except ValueError as exc:
        raise ShapeError(
            "the values do not fit the selection",
            node=array.path,
            expected=box_shape(box),
            found=np.shape(data),
        ) from exc
    stored = np.ascontiguousarray(storage.to_stored(np.ascontiguousarray(values)))
    return (box if stored.size else None), stored


def write(array: CARRAY, box: Box | None, values: NDArray[Any]) -> None:
    """Write prepared parts, one of each rank; None by a rank that has none."""
    session = array.session
    with session.lock:
        session.driver.require(Capability.PARALLEL, "write with several ranks")
        if isinstance(session.driver, SupportsParallel):
            session.driver.write_together(array.handle, box, values)
        session.touch()
