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
from savers.enums import DataType
from savers.exporters.axis_column import AxisColumn, alike, axes_of, completed
from savers.exporters.belonging import arrays_below, belonging, kind_of, refreshed
from savers.loader import DataLoader
from savers.management import child

__all__ = ["Signal", "Table", "heading"]

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
        for part in belonging(loader, node):
            refreshed(part)
        signals = _named([_signal(array) for array in _chosen(node)])
        if not signals:
            raise NodeKindError(
                "there are no signals at or below this node",
                file=loader.h5saver.filename,
                node=node.path,
                found=type(node).__name__,
            )
        first = signals[0]
        axes = axes_of(loader, first.node, first.nav)
        shape = _extent(first, axes)
        for other in signals[1:]:
            found = axes_of(loader, other.node, other.nav)
            if _extent(other, found)[1:] != shape[1:] or not alike(axes, found):
                raise _misfit(loader, node, first, other)
            length = _extent(other, found)[0]
            if length != shape[0] and not isinstance(other.node, EARRAY):
                raise _misfit(loader, node, first, other)
            shape = (min(shape[0], length), *shape[1:])
        return cls(loader.h5saver.filename, node.path, shape, completed(axes, shape), signals)

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


def _misfit(loader: DataLoader, node: Node, first: Signal, other: Signal) -> ShapeError:
    return ShapeError(
        "the signals below this node do not fit into one table: they differ in shape or axes",
        file=loader.h5saver.filename,
        node=node.path,
        expected=f"{first.node.shape} as {first.node.path}",
        found=f"{other.node.shape}, {other.node.path}",
        remedy="Export one of them, or all to npz or h5.",
    )
