"""Any numpy index -> boxes that every driver can read, and what is left to do in memory."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import SelectionError
from h5backends.types import Box

__all__ = ["Selection", "bounds", "picks", "select"]

_GAP = 16
"""Rows that are cheaper to read along than to skip with a read of their own."""

_Basic = int | slice


@dataclass(frozen=True, slots=True)
class Selection:
    """What to read, and how to index what was read.

    Parameters
    ----------
    boxes : list of Box
        Read these and join them along :attr:`axis`; one box unless a list picks distant rows.
    axis : int
        Where several boxes are joined.
    key : tuple or ndarray
        The numpy index to apply to the joined block; None where the block is the result.
    covers : bool
        Whether the key names every element of the block exactly once, so that a write need not
        read first.
    """

    boxes: list[Box]
    axis: int
    key: Any
    covers: bool


def select(key: Any, shape: tuple[int, ...]) -> Selection:
    """Resolve an index with numpy's meaning: integers, slices of any step, lists, masks.

    Parameters
    ----------
    key : object
        What stood between the brackets.
    shape : tuple of int
        Current extent of the array.

    Raises
    ------
    SelectionError
        Too many indices, an index out of range, a mask of the wrong length.
    """
    if isinstance(key, np.ndarray) and key.dtype == bool and key.ndim > 1:
        return _select_mask(key, shape)
    items, gap = _expand(key if isinstance(key, tuple) else (key,), shape)
    box: list[slice] = []
    after: list[Any] = []
    trivial = covers = True
    runs: list[tuple[int, int]] | None = None
    runs_axis = 0
    for axis, item in enumerate(items):
        length = shape[axis]
        if isinstance(item, int):
            index = _check(item, length, axis)
            box.append(slice(index, index + 1, 1))
            after.append(0)
            trivial = False
        elif isinstance(item, slice):
            part, reverse = _forward(item, length)
            box.append(part)
            after.append(slice(None, None, -1) if reverse else slice(None))
            trivial = trivial and not reverse
        else:
            chosen = picks(item, length, axis)
            axis_runs, positions = _runs(chosen)
            if runs is None:
                runs, runs_axis = axis_runs, axis
            else:  # numpy pairs several lists: one read around the second is enough
                low, high = axis_runs[0][0], axis_runs[-1][1]
                axis_runs, positions = [(low, high)], chosen - low
            box.append(slice(axis_runs[0][0], axis_runs[-1][1], 1))
            after.append(positions)
            trivial = covers = False
    _check_lists(after)
    if gap is not None:
        after.insert(gap, ...)
    boxes = [tuple(box)]
    if runs is not None:
        boxes = [
            (*box[:runs_axis], slice(start, stop, 1), *box[runs_axis + 1 :])
            for start, stop in runs
        ]
    return Selection(boxes, runs_axis, None if trivial else tuple(after), covers)


def _expand(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[list[Any], int | None]:
    """Replace the ellipsis, complete with full slices, bring integers and lists to one form.

    Also returns where an ellipsis stood for no axis at all: numpy lets it part two lists even
    then, and puts their axis first.
    """
    items: list[Any] = []
    for item in key:
        if item is None:
            raise SelectionError("None adds no axis here", remedy="Index the result of [...].")
        if isinstance(item, (EllipsisType, slice)):
            items.append(item)
        elif isinstance(item, (bool, np.bool_)):
            raise SelectionError("a single bool is not an index", found=str(item))
        elif hasattr(item, "__index__") and not (isinstance(item, np.ndarray) and item.ndim):
            items.append(int(item.__index__()))
        else:
            items.append(item)
    if sum(item is ... for item in items) > 1:
        raise SelectionError("an index can have only one '...'")
    if ... not in [item for item in items if isinstance(item, EllipsisType)]:
        items.append(...)
    missing = len(shape) - (len(items) - 1)
    if missing < 0:
        raise SelectionError(
            "too many indices", expected=f"at most {len(shape)}", found=str(len(items) - 1)
        )
    place = next(n for n, item in enumerate(items) if item is ...)
    gap = place if not missing and place < len(items) - 1 else None
    return [*items[:place], *[slice(None)] * missing, *items[place + 1 :]], gap


def _check(index: int, length: int, axis: int) -> int:
    if not -length <= index < length:
        raise SelectionError(
            f"index {index} is out of range on axis {axis}", expected=f"{-length} to {length - 1}"
        )
    return index % length


def _forward(item: slice, length: int) -> tuple[slice, bool]:
    """Return the slice with a positive step, and whether the result must be reversed."""
    start, stop, step = bounds(item, length)
    count = len(range(start, stop, step))
    if not count:
        return slice(0, 0, 1), False
    last = start + (count - 1) * step
    if step > 0:
        return slice(start, last + 1, step), False
    return slice(last, start + 1, -step), True


def bounds(item: slice, length: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice, as ``range`` takes them.

    Raises
    ------
    SelectionError
        It is not made of integers, or its step is 0.
    """
    try:
        return item.indices(length)
    except (TypeError, ValueError) as exc:
        raise SelectionError("not a slice of integers", found=str(item)) from exc


def picks(item: Any, length: int, axis: int = 0) -> NDArray[np.intp]:
    """Return the rows that a list of integers or a mask picks, counted from the start.

    Parameters
    ----------
    item : array_like of int or bool
        Integers of any shape, negative ones counted from the end, or a mask of that length.
    length : int
        How many rows there are.
    axis : int
        Which axis it is, for errors.

    Raises
    ------
    SelectionError
        A row that is not there, a mask of another length, neither integers nor a mask.
    """
    try:
        rows = np.asarray(item)
    except ValueError as exc:
        raise SelectionError(
            "the lists of an index differ in length", found=repr(item)[:60]
        ) from exc
    if rows.dtype == bool:
        if rows.shape != (length,):
            raise SelectionError(
                f"the mask of axis {axis} has the wrong length",
                expected=str(length),
                found=str(rows.shape),
            )
        return np.flatnonzero(rows)
    if rows.size == 0:
        return np.zeros(rows.shape, np.intp)
    if rows.dtype.kind not in "ui":
        raise SelectionError("an index must be integers, slices or masks", found=repr(item)[:60])
    if rows.min() < -length or rows.max() >= length:
        raise SelectionError(
            f"a list index is out of range on axis {axis}",
            expected=f"{-length} to {length - 1}",
            found=f"{rows.min()} to {rows.max()}",
        )
    return np.where(rows < 0, rows + length, rows).astype(np.intp)


def _check_lists(after: list[Any]) -> None:
    """Make sure that several lists in one index can be paired, as numpy pairs them."""
    lists = [item.shape for item in after if isinstance(item, np.ndarray)]
    try:
        np.broadcast_shapes(*lists)
    except ValueError as exc:
        raise SelectionError(
            "the lists of an index differ in length", found=" and ".join(map(str, lists))
        ) from exc


def _runs(picks: NDArray[np.intp]) -> tuple[list[tuple[int, int]], NDArray[np.intp]]:
    """Cover the picked rows with runs, and say where each pick stands in the joined runs."""
    if not picks.size:
        return [(0, 0)], picks
    wanted = np.unique(picks)
    breaks = np.flatnonzero(np.diff(wanted) > _GAP)
    starts = wanted[np.concatenate(([0], breaks + 1))]
    stops = wanted[np.concatenate((breaks, [len(wanted) - 1]))] + 1
    offsets = np.concatenate(([0], np.cumsum(stops - starts)[:-1]))
    which = np.searchsorted(starts, picks, side="right") - 1
    positions = picks - starts[which] + offsets[which]
    return list(zip(starts.tolist(), stops.tolist(), strict=True)), positions


def _select_mask(mask: NDArray[Any], shape: tuple[int, ...]) -> Selection:
    if mask.shape != shape:
        raise SelectionError("the mask has another shape", expected=str(shape), found=mask.shape)
    where = np.nonzero(mask)
    if not where[0].size:
        empty = tuple(slice(0, 0, 1) for _ in shape)
        return Selection([empty], 0, np.zeros((0,) * len(shape), bool), False)
    box = tuple(slice(int(w.min()), int(w.max()) + 1, 1) for w in where)
    return Selection([box], 0, mask[box], False)
