"""Any numpy index of a stack that is read row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import SelectionError
from h5backends.selection import picks, select
from h5backends.types import Box

__all__ = ["Rows", "index_array", "row_number"]

Rows = range | NDArray[np.intp]
"""Rows that are there: a range with a positive step, or a list in any order."""

Gather = Callable[[Rows, Box], NDArray[Any]]
"""Returns rows, or a part of each: an array of its own."""


def row_number(index: Any, length: int) -> int | None:
    """Return the row that an integer means, None if it is no integer.

    Raises
    ------
    SelectionError
        There is no such row.
    """
    if isinstance(index, (bool, np.bool_)) or not hasattr(index, "__index__"):
        return None
    if isinstance(index, np.ndarray) and index.ndim:
        return None
    row = int(index.__index__())
    if not -length <= row < length:
        raise SelectionError(
            f"row {row} is out of range",
            expected=f"{-length} to {length - 1}" if length else "nothing: there are no rows",
        )
    return row % length


def index_array(index: Any, shape: tuple[int, ...], gather: Gather) -> Any:
    """Return what numpy would for an index, reading only the rows that it takes.

    Parameters
    ----------
    index : object
        What stood between the brackets.
    shape : tuple of int
        Extent of the stack.
    gather : callable
        How to read rows.

    Returns
    -------
    ndarray or scalar
        A copy.

    Raises
    ------
    SelectionError
        As numpy's ``IndexError``.
    """
    whole = tuple(slice(0, n, 1) for n in shape[1:])
    row = row_number(index, shape[0])
    if row is not None:
        return gather(range(row, row + 1), whole)[0]
    if _is_list(index):
        return gather(picks(index, shape[0]), whole)
    chosen = select(index, shape)
    blocks = [
        gather(range(box[0].start, box[0].stop, box[0].step), box[1:]) for box in chosen.boxes
    ]
    block = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, chosen.axis)
    result = block if chosen.key is None else block[chosen.key]
    return result[()] if isinstance(result, np.ndarray) and not result.ndim else result


def _is_list(index: Any) -> bool:
    """Tell whether an index is a line of integers, or a mask of rows."""
    if isinstance(index, np.ndarray):
        return index.ndim == 1
    return isinstance(index, list) and not any(isinstance(n, (list, tuple)) for n in index)
