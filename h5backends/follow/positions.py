"""Flat indices of a scan and positions in it, for raster and snake scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "convert_stack_to_grid",
    "get_position",
    "get_position_snake",
    "get_position_snake_row",
    "get_row_slice",
]


def get_position(index: int, shape: Sequence[int], scan_rank: int) -> tuple[Any, ...]:
    """Return the position of a point in a raster scan.

    Parameters
    ----------
    index : int
        Flat index of the point, in row-major order.
    shape : sequence of int
        Extent of an array whose first axes are those of the scan.
    scan_rank : int
        How many axes are those of the scan.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        The scan has no such point.

    Examples
    --------
    >>> tuple(map(int, get_position(5, [3, 4, 100], 2)))
    (1, 1)
    """
    return tuple(np.unravel_index(index, tuple(shape[:scan_rank])))


def get_position_snake_row(
    index: int, shape: Sequence[int], scan_rank: int
) -> tuple[tuple[Any, ...], bool]:
    """Return the position of a point in a snake scan, and whether its row runs backwards.

    In a snake scan every axis turns round where the axes outside it take a step.

    Parameters
    ----------
    index, shape, scan_rank : object
        As for :func:`get_position`.

    Returns
    -------
    position : tuple of int
    backwards : bool
        Whether the fastest axis runs from its end to its start here.

    Examples
    --------
    >>> position, backwards = get_position_snake_row(5, [3, 4], 2)
    >>> tuple(map(int, position)), backwards
    ((1, 2), True)
    """
    raster = get_position(index, shape, scan_rank)
    position: list[Any] = [raster[0]]
    backwards = False
    for axis in range(1, len(raster)):
        backwards = bool(sum(position) % 2)
        position.append(shape[axis] - 1 - raster[axis] if backwards else raster[axis])
    return tuple(position), backwards


def get_position_snake(index: int, shape: Sequence[int], scan_rank: int) -> tuple[Any, ...]:
    """Return the position of a point in a snake scan, see `get_position_snake_row`."""
    return get_position_snake_row(index, shape, scan_rank)[0]


def get_row_slice(index: int, shape: Sequence[int], scan_rank: int) -> tuple[slice, ...]:
    """Return slices that take the whole row that a point of a raster scan is in.

    Parameters
    ----------
    index, shape, scan_rank : object
        As for :func:`get_position`.

    Returns
    -------
    tuple of slice, length `scan_rank`
    """
    outer = get_position(index, shape, scan_rank)[:-1]
    return (*(slice(n, n + 1) for n in outer), slice(None))


def convert_stack_to_grid(
    slices: Sequence[slice], scan_shape: Sequence[int], snake: bool = False
) -> list[slice]:
    """Replace the slice of one point of a stack by those of its place in a grid.

    Parameters
    ----------
    slices : sequence of slice
        The first takes one point of the stack.
    scan_shape : sequence of int
        Extent of the grid.
    snake : bool
        Whether the grid is scanned back and forth.

    Returns
    -------
    list of slice
        One per axis of the grid, then what followed in `slices`.
    """
    place = get_position_snake if snake else get_position
    position = place(slices[0].start, scan_shape, len(scan_shape))
    return [*(slice(n, n + 1, 1) for n in position), *slices[1:]]
