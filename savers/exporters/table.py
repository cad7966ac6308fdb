"""Signals of one shape as the columns of a table, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.blocks import boxes
from h5backends.errors import NodeKindError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, Node
from h5backends.types import Box
from savers.exporters.axis_column import AxisColumn, alike, axes_of, completed
from savers.exporters.belonging import belonging, refreshed
from savers.exporters.signals import Signal, extent, named, signal_of, signals_below
from savers.loader import DataLoader

__all__ = ["Table", "heading"]


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
        signals = named([signal_of(array) for array in signals_below(node)])
        if not signals:
            raise NodeKindError(
                "there are no signals at or below this node",
                file=loader.h5saver.filename,
                node=node.path,
                found=type(node).__name__,
            )
        first = signals[0]
        axes = axes_of(loader, first.node, first.nav)
        shape = extent(first, axes)
        for other in signals[1:]:
            found = axes_of(loader, other.node, other.nav)
            if extent(other, found)[1:] != shape[1:] or not alike(axes, found):
                raise _misfit(loader, node, first, other)
            length = extent(other, found)[0]
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


def _misfit(loader: DataLoader, node: Node, first: Signal, other: Signal) -> ShapeError:
    return ShapeError(
        "the signals below this node do not fit into one table: they differ in shape or axes",
        file=loader.h5saver.filename,
        node=node.path,
        expected=f"{first.node.shape} as {first.node.path}",
        found=f"{other.node.shape}, {other.node.path}",
        remedy="Export one of them, or all to npz or h5.",
    )
