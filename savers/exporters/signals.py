"""The signals at and below a node: which arrays, what belongs to each, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node
from savers import layout
from savers.enums import DataType
from savers.exporters.axis_column import AxisColumn
from savers.exporters.belonging import arrays_below, kind_of
from savers.management import child

__all__ = ["Signal", "extent", "named", "signal_of", "signals_below"]

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


def signals_below(node: Node) -> list[CARRAY]:
    """Return the arrays of data at and below a node; without any, the other arrays in it."""
    if not isinstance(node, GROUP):
        return list(arrays_below(node))
    arrays = [array for array in arrays_below(node) if not isinstance(array, VLARRAY)]
    return [array for array in arrays if kind_of(array) in _DATA] or [
        array for array in arrays if array.path.count("/") == node.path.rstrip("/").count("/") + 1
    ]


def signal_of(node: CARRAY) -> Signal:
    """Describe an array as a signal, by the attributes of its node."""
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


def named(signals: Sequence[Signal]) -> list[Signal]:
    """Return signals whose names differ: by their origin, by the node where that is not enough."""
    for rename in (_with_origin, _with_path):
        names = [signal.name for signal in signals]
        signals = [s if names.count(s.name) == 1 else rename(s) for s in signals]
    return list(signals)


def _with_origin(signal: Signal) -> Signal:
    return replace(signal, name=f"{signal.origin}/{signal.name}".lstrip("/"))


def _with_path(signal: Signal) -> Signal:
    return replace(signal, name=f"{signal.name} {signal.node.path}")


def extent(signal: Signal, axes: Sequence[AxisColumn]) -> tuple[int, ...]:
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
