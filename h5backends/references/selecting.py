"""Which parents are meant: integers, slices of any step, lists, masks, in numpy's sense."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import selection
from h5backends.errors import DTypeError, SelectionError, ShapeError
from h5backends.references.grouping import Index

__all__ = ["is_count", "rows_of", "selected", "wanted_rows"]


def selected(sel: Any, parents: int | None, mask: Any) -> tuple[Index, NDArray[np.bool_] | None]:
    """Return the selected parents as integers, and which of them are masked.

    Parameters
    ----------
    sel : int, slice, array_like of int or of bool
        The selection; a masked array brings a mask of its own.
    parents : int or None
        How many there are; None if that is not known.
    mask : array_like of bool, or None
        True where nothing is to be loaded; as long as the selection.

    Returns
    -------
    wanted : ndarray, shape (n,), int64
    left_out : ndarray, shape (n,), bool, or None

    Raises
    ------
    SelectionError
        A parent that does not exist, or whose number cannot be told.
    ShapeError, DTypeError
        The mask is not one.
    """
    left_out = None
    if isinstance(sel, np.ma.MaskedArray):
        left_out = np.ma.getmaskarray(sel)
        wanted = np.zeros(sel.shape, np.int64)
        wanted[~left_out] = _picked(sel.compressed(), parents)
    else:
        wanted = _bounded(sel, parents) if isinstance(sel, slice) else _picked(sel, parents)
    if mask is not None and mask is not np.ma.nomask:
        given = np.asarray(mask)
        if given.dtype != bool:
            raise DTypeError("a mask is made of bool", found=given.dtype)
        if given.shape != wanted.shape:
            raise ShapeError(
                "the mask has the wrong length", expected=wanted.size, found=given.shape
            )
        left_out = given if left_out is None else left_out | given
    return wanted, left_out


def _bounded(sel: slice, parents: int | None) -> Index:
    if parents is None:
        *_, step = selection.bounds(sel, 0)
        last = sel.stop if step > 0 else sel.start  # counted from the end without it
        if last is None or min(sel.start or 0, sel.stop or 0) < 0:
            raise _unknown(sel)
        parents = max(sel.start or 0, sel.stop or 0) + 1
    return np.arange(*selection.bounds(sel, parents))


def _picked(sel: Any, parents: int | None) -> Index:
    picked = sel if isinstance(sel, (np.ndarray, int)) else _listed(sel)
    values = np.atleast_1d(np.asarray(picked))
    if values.ndim != 1:
        raise ShapeError("a selection has one axis", found=values.shape)
    if parents is None:
        if values.dtype == bool:
            parents = values.size
        elif values.size and values.dtype.kind in "ui":
            if values.min() < 0:
                raise _unknown(sel)
            parents = int(values.max()) + 1
    return selection.picks(values, parents or 0, 0).astype(np.int64, copy=False)


def _listed(sel: Any) -> Any:
    if isinstance(sel, (str, bytes)) or not (
        hasattr(sel, "__iter__") or hasattr(sel, "__index__")
    ):
        raise SelectionError(
            "parents are selected by integers, slices or masks", found=repr(sel)[:60]
        )
    return list(sel) if hasattr(sel, "__iter__") and not hasattr(sel, "__array__") else sel


def _unknown(sel: Any) -> SelectionError:
    return SelectionError(
        "the number of parents is not known",
        expected="non-negative indices and bounds",
        found=repr(sel)[:60],
        remedy="Give the look-up table as region=, which has a row for each parent.",
    )


def is_count(spec: Any) -> bool:
    """Tell whether something is a number of rows."""
    return hasattr(spec, "__index__") and not isinstance(spec, (bool, np.bool_, np.ndarray))


def wanted_rows(spec: Any, length: int, counts: bool = True) -> tuple[int, int]:
    """Return how many new rows are asked for, and how long the dataset must be.

    Parameters
    ----------
    spec : int, slice, list of int or list of slice
    length : int
        Present length of the dataset.
    counts : bool
        Whether an integer is a number of rows, or one of them.
    """
    if is_count(spec) and counts:
        if operator.index(spec) < 0:
            raise SelectionError("a number of rows cannot be negative", found=spec)
        return operator.index(spec), 0
    if isinstance(spec, slice):
        step = 1 if spec.step is None else spec.step
        bounds = (spec.start or 0, length if spec.stop is None else spec.stop)
        if not all(map(is_count, (*bounds, step))) or min(bounds) < 0 or step < 1:
            raise SelectionError(
                "rows are named by a slice that goes forwards from the beginning", found=spec
            )
        return 0, operator.index(bounds[1]) if bounds[1] > bounds[0] else 0
    if isinstance(spec, (list, tuple)) and any(isinstance(part, slice) for part in spec):
        return 0, max(wanted_rows(part, length, counts=False)[1] for part in spec)
    rows = np.atleast_1d(np.asarray(spec))
    if rows.dtype == bool:
        return 0, rows.size
    if rows.size and (rows.dtype.kind not in "ui" or rows.min() < 0):
        raise SelectionError(
            "rows are named by a number, a slice, or a list of these", found=repr(spec)[:60]
        )
    return 0, int(rows.max()) + 1 if rows.size else 0


def rows_of(sel: Any, length: int) -> Any:
    """Return a selection of rows that exist: an array of row numbers, or a slice as it is."""
    if isinstance(sel, slice):
        return np.arange(*selection.bounds(sel, length))
    return selection.picks(np.atleast_1d(np.asarray(sel)), length, 0)
