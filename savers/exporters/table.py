"""Signals of one shape as the columns of a table, read block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.blocks import boxes
from h5backends.errors import NodeKindError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node
from h5backends.types import Box
from savers import layout
from savers.axis import AxisSaverLoader
from savers.enums import DataType
from savers.exporters.belonging import arrays_below, kind_of, refreshed
from savers.loader import DataLoader
from savers.management import child
from savers.plan import POSITIONS

__all__ = ["AxisColumn", "Signal", "Table", "heading"]

_DATA = (DataType.data, DataType.data_enlargeable)


@dataclass(frozen=True, slots=True)
class Signal:
    """One array, and its error bars.

    Parameters
    ----------
    node : CARRAY
        The array.
    name, origin, units : str
        What it holds.
    nav : tuple of int
        Its dimensions along which points were visited.
    errors : CARRAY or None
        Error bars of the same shape.
    """

    node: CARRAY
    name: str
    origin: str
    units: str
    nav: tuple[int, ...]
    errors: CARRAY | None = None

    def columns(self) -> Iterator[tuple[CARRAY, str]]:
        """Iterate over the arrays and what stands above them."""
        yield self.node, self.name
        if self.errors is not None:
            yield self.errors, f"{self.name} error"


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


@dataclass(frozen=True, slots=True)
class Table:
    """Signals that share shape and axes.

    Parameters
    ----------
    file, path : str
        Where they come from.
    shape : tuple of int
        Of each signal; of growing ones the points that all of them have.
    axes : list of AxisColumn
        At least one for each dimension.
    signals : list of Signal
        The signals.
    """

    file: str
    path: str
    shape: tuple[int, ...]
    axes: list[AxisColumn]
    signals: list[Signal]

    @classmethod
    def of(cls, loader: DataLoader, node: Node) -> Table:
        """Find the signals at and below a node.

        Raises
        ------
        NodeKindError
            There are none.
        ShapeError
            They differ in shape or axes.
        """
        refreshed(node)
        nav_group = loader.get_nav_group(node)
        if nav_group is not None:
            refreshed(nav_group)
        signals = _named([_signal(array) for array in _chosen(node)])
        if not signals:
            raise NodeKindError(
                "there are no signals at or below this node",
                file=loader.h5saver.filename,
                node=node.path,
                found=type(node).__name__,
            )
        first = signals[0]
        axes = _axes(loader, first)
        shape = _extent(first, axes)
        for other in signals[1:]:
            found = _axes(loader, other)
            if _extent(other, found)[1:] != shape[1:] or not _alike(axes, found):
                raise _misfit(loader, node, first, other)
            length = _extent(other, found)[0]
            if length != shape[0] and not isinstance(other.node, EARRAY):
                raise _misfit(loader, node, first, other)
            shape = (min(shape[0], length), *shape[1:])
        return cls(loader.h5saver.filename, node.path, shape, _complete(axes, shape), signals)

    @property
    def columns(self) -> list[tuple[CARRAY, str, str]]:
        """The arrays of the table, with name and unit."""
        return [(node, name, s.units) for s in self.signals for node, name in s.columns()]

    @property
    def is_matrix(self) -> bool:
        """Whether it is one array of numbers in lines and columns."""
        columns = self.columns
        return len(self.shape) > 1 and len(columns) == 1 and columns[0][0].dtype.kind in "biuf"

    def blocks(self) -> Iterator[Box]:
        """Iterate over blocks of the signals, in the order of the elements."""
        itemsize = sum(node.dtype.itemsize for node, _, _ in self.columns)
        itemsize += 8 * len(self.axes)  # every element comes with its positions
        yield from boxes(self.shape, itemsize)

    def read(self, node: CARRAY, box: Box) -> NDArray[Any]:
        """Return a block of one of the arrays, shape of the block."""
        if node.ndim > len(self.shape):  # single values of growing arrays have an axis of one
            box = (*box, *(slice(0, 1, 1) for _ in node.shape[len(box) :]))
        elif not node.ndim:
            box = ()
        block = np.asarray(node[box], node.dtype)
        return block.reshape(tuple(part.stop - part.start for part in box[: len(self.shape)]) or 1)


def heading(name: str, units: str) -> str:
    """Return what stands above a column: ``delay (fs)``."""
    return f"{name} ({units})" if units else name


# -- signals ------------------------------------------------------------------------------------


def _chosen(node: Node) -> list[CARRAY]:
    """Return the arrays of data at and below a node; without any, the other arrays in it."""
    if not isinstance(node, GROUP):
        return list(arrays_below(node))
    arrays = [array for array in arrays_below(node) if not isinstance(array, VLARRAY)]
    return [array for array in arrays if kind_of(array) in _DATA] or [
        array for array in arrays if array.path.count("/") == node.path.rstrip("/").count("/") + 1
    ]


def _signal(node: CARRAY) -> Signal:
    attrs = node.attrs.to_dict()
    nav = attrs.get("nav_indexes")
    nav = tuple(int(n) for n in nav) if isinstance(nav, (tuple, list, np.ndarray)) else ()
    name, label = str(attrs.get("TITLE", "")), str(attrs.get("label", ""))
    if label and label not in (name, layout.channel_name(0)):
        name = f"{name} {label}".strip()
    kind, group = kind_of(node), node.parent_node
    errors = None
    if kind in _DATA and group is not None:
        assert kind is not None
        number = layout.array_number(kind, node.name)
        beside = (
            None if number is None else child(group, layout.array_name(DataType.error, number))
        )
        errors = beside if isinstance(beside, CARRAY) else None
    origin, units = str(attrs.get("origin", "")), str(attrs.get("units", ""))
    return Signal(node, name or node.name, origin, units, nav, errors)


def _named(signals: Sequence[Signal]) -> list[Signal]:
    """Return signals whose names differ: by their origin, by the node where that is not enough."""
    for rename in (_with_origin, _with_path):
        names = [signal.name for signal in signals]
        signals = [s if names.count(s.name) == 1 else rename(s) for s in signals]
    return list(signals)


def _with_origin(signal: Signal) -> Signal:
    return replace(signal, name=f"{signal.origin}/{signal.name}".lstrip("/"))


def _with_path(signal: Signal) -> Signal:
    return replace(signal, name=f"{signal.name} {signal.node.path}")


def _extent(signal: Signal, axes: Sequence[AxisColumn]) -> tuple[int, ...]:
    """Return the shape of a signal without the axis of one that growing single values have."""
    shape = signal.node.shape or (1,)
    lone = [n for n in range(len(shape)) if n not in signal.nav]
    if (
        len(shape) == 2
        and lone == [1]
        and shape[1] == 1
        and not any(axis.index == 1 for axis in axes)
    ):
        shape = shape[:1]
    lengths = [len(signal.errors)] if signal.errors is not None and signal.errors.ndim else []
    if isinstance(signal.node, EARRAY):
        lengths += [len(a.node) for a in axes if a.index == 0 and isinstance(a.node, EARRAY)]
        lengths += [len(a.moved) for a in axes if a.moved is not None]
    return (min([shape[0], *lengths]), *shape[1:])


# -- axes ---------------------------------------------------------------------------------------


def _axes(loader: DataLoader, signal: Signal) -> list[AxisColumn]:
    """Return the axes of a signal, without reading their positions."""
    node, group = signal.node, signal.node.parent_node
    if kind_of(node) not in _DATA or group is None:
        return []
    found: dict[tuple[int, int], AxisColumn] = {}
    for array in AxisSaverLoader(loader.h5saver).arrays_of(node):
        if isinstance(array, CARRAY):
            moved = child(group, array.name + POSITIONS)
            axis = _axis(array)
            if isinstance(moved, CARRAY):
                axis = replace(axis, moved=moved, points=len(signal.nav))
            found.setdefault((axis.index, axis.order), axis)
    shared = loader.get_nav_group(node) if signal.nav else None
    for array in arrays_below(shared) if shared is not None else ():
        if kind_of(array) is DataType.axis:
            axis = _axis(array, signal.nav)
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


def _alike(one: Sequence[AxisColumn], other: Sequence[AxisColumn]) -> bool:
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


def _complete(axes: list[AxisColumn], shape: tuple[int, ...]) -> list[AxisColumn]:
    """Add an axis that counts where a dimension of several elements has none."""
    known = {axis.index for axis in axes}
    counted = [
        AxisColumn("index" if len(shape) == 1 else f"index {n}", "", n)
        for n, length in enumerate(shape)
        if n not in known and (length > 1 or len(shape) > 1)
    ]
    return sorted([*axes, *counted], key=lambda axis: (axis.index, axis.order))


def _misfit(loader: DataLoader, node: Node, first: Signal, other: Signal) -> ShapeError:
    return ShapeError(
        "the signals below this node do not fit into one table: they differ in shape or axes",
        file=loader.h5saver.filename,
        node=node.path,
        expected=f"{first.node.shape} as {first.node.path}",
        found=f"{other.node.shape}, {other.node.path}",
        remedy="Export one of them, or all to npz or h5.",
    )
