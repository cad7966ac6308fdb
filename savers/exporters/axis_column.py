"""The axes of exported signals as columns of a table: found, not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import CARRAY, EARRAY
from h5backends.types import Box
from savers.axis import AxisSaverLoader
from savers.enums import DataType
from savers.exporters.belonging import arrays_below, kind_of
from savers.loader import DataLoader
from savers.management import child
from savers.plan import POSITIONS

__all__ = ["AxisColumn", "alike", "axes_of", "completed"]


@dataclass(frozen=True, slots=True)
class AxisColumn:
    """The positions along one dimension.

    Parameters
    ----------
    label, units : str
        What is varied.
    index, order : int
        Its dimension, and its place among several axes of that.
    node : CARRAY or None
        The positions; None for an axis that only counts.
    moved : CARRAY or None
        The positions at every point, where they changed; NaN for those of `node`.
    points : int
        How many dimensions of `moved` are those of the points.
    """

    label: str
    units: str
    index: int
    order: int = 0
    node: CARRAY | None = None
    moved: CARRAY | None = None
    points: int = 0

    def along(self, part: slice) -> NDArray[Any]:
        """Return the positions of a part of the dimension, shape (n,)."""
        if self.node is None:
            return np.arange(part.start, part.stop)
        return np.asarray(self.node[part], self.node.dtype)

    def at(self, box: Box) -> NDArray[Any]:
        """Return the positions of all elements of a block, of the block's shape."""
        shape = tuple(part.stop - part.start for part in box)
        line = self.along(box[self.index])
        sides = [1] * len(shape)
        sides[self.index] = len(line)
        positions = np.broadcast_to(line.reshape(sides), shape)
        if self.moved is None:
            return positions
        # An axis of one position has no dimension of its own there.
        inner = (box[self.index],) if self.moved.ndim > self.points else ()
        own = np.asarray(self.moved[(*box[: self.points], *inner)], self.moved.dtype)
        sides[: self.points] = shape[: self.points]
        own = own.reshape(sides)
        return np.where(np.isnan(own), positions, own)


def axes_of(loader: DataLoader, node: CARRAY, nav: tuple[int, ...]) -> list[AxisColumn]:
    """Return the axes of a signal, without reading their positions.

    Parameters
    ----------
    loader : DataLoader
        The file.
    node : CARRAY
        The array of the signal.
    nav : tuple of int
        Its dimensions along which points were visited.
    """
    group = node.parent_node
    if kind_of(node) not in (DataType.data, DataType.data_enlargeable) or group is None:
        return []
    found: dict[tuple[int, int], AxisColumn] = {}
    for array in AxisSaverLoader(loader.h5saver).arrays_of(node):
        if isinstance(array, CARRAY):
            moved = child(group, array.name + POSITIONS)
            axis = _axis(array)
            if isinstance(moved, CARRAY):
                axis = replace(axis, moved=moved, points=len(nav))
            found.setdefault((axis.index, axis.order), axis)
    shared = loader.get_nav_group(node) if nav else None
    for array in arrays_below(shared) if shared is not None else ():
        if kind_of(array) is DataType.axis:
            axis = _axis(array, nav)
            found.setdefault((axis.index, axis.order), axis)
    shape = node.shape
    return [found[key] for key in sorted(found) if _fits(found[key], node, shape)]


def _axis(array: CARRAY, nav: tuple[int, ...] | None = None) -> AxisColumn:
    """Describe an axis; one that all signals share counts navigation dimensions only."""
    attrs = array.attrs.to_dict()
    index, order = (
        value if isinstance(value := attrs.get(name), int) else 0
        for name in ("index", "spread_order")
    )
    if nav is not None:
        index = nav[index] if index < len(nav) else -1
    label = str(attrs.get("label", attrs.get("TITLE", "")))
    return AxisColumn(label, str(attrs.get("units", "")), index, order, array)


def _fits(axis: AxisColumn, node: CARRAY, shape: tuple[int, ...]) -> bool:
    if axis.node is None or not 0 <= axis.index < len(shape):
        return False
    size, length = len(axis.node), shape[axis.index]
    # While the file is written a growing axis may be longer or shorter than the array.
    growing = axis.index == 0 and isinstance(node, EARRAY) and isinstance(axis.node, EARRAY)
    return (growing and size > 0) or size == length


def alike(one: Sequence[AxisColumn], other: Sequence[AxisColumn]) -> bool:
    """Tell whether two signals have the same axes."""

    def facts(axes: Sequence[AxisColumn]) -> list[tuple[object, ...]]:
        return [(a.label, a.units, a.index, a.order) for a in axes]

    if facts(one) != facts(other):
        return False
    return all(_same(a, b) for a, b in zip(one, other, strict=True))


def _same(one: AxisColumn, other: AxisColumn) -> bool:
    if one.moved is not None or other.moved is not None:
        return False
    if one.node is None or other.node is None or one.node == other.node:
        return one.node == other.node
    return bool(np.array_equal(one.node.read(), other.node.read()))


def completed(axes: list[AxisColumn], shape: tuple[int, ...]) -> list[AxisColumn]:
    """Return axes with one that counts where a dimension of several elements has none."""
    known = {axis.index for axis in axes}
    counted = [
        AxisColumn("index" if len(shape) == 1 else f"index {n}", "", n)
        for n, length in enumerate(shape)
        if n not in known and (length > 1 or len(shape) > 1)
    ]
    return sorted([*axes, *counted], key=lambda axis: (axis.index, axis.order))
