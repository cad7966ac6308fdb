"""How an array can be plotted: which dimensions along the axes of the plot, which on sliders."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum

from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node
from savers.enums import DataType
from savers.management import child
from savers.view.model.dims import Array, Dim

__all__ = ["Choice", "Kind", "Part", "array_to_plot", "choices", "parts"]

_FEW = 16
"""Up to so many values of a row are drawn as lines of their own."""
_PAIR = 4
"""An array with no more columns than this is one of lines, not an image."""
_DATA = (DataType.data.name, DataType.data_enlargeable.name)
_DEPTH = 16
"""Groups to go down at most on the way to what a file wants to be plotted."""


class Kind(Enum):
    """What a plot is."""

    CURVE = "curve"
    IMAGE = "image"
    POINTS = "points"
    TABLE = "table"


class Part(Enum):
    """What is shown of complex numbers."""

    MAGNITUDE = "magnitude"
    PHASE = "phase"
    REAL = "real part"
    IMAGINARY = "imaginary part"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to plot an array.

    Parameters
    ----------
    kind : Kind
        What.
    along : tuple of int
        Dimensions along the axes of the plot: of a curve one, of an image those of its rows and
        columns, of points that lie anywhere their only one.
    lines : int or None
        The dimension of which every index is a line of its own.
    title : str
        For people.
    """

    kind: Kind
    along: tuple[int, ...] = ()
    lines: int | None = None
    title: str = "table"

    def sliders(self, array: Array) -> list[Dim]:
        """Return the dimensions of which one index at a time is shown."""
        if self.kind is Kind.TABLE:
            return []
        return [d for d in array.dims if d.index not in self.along and d.index != self.lines]


def choices(array: Array) -> list[Choice]:
    """Return the ways to plot an array, the best first.

    Parameters
    ----------
    array : Array
        The array.

    Returns
    -------
    list of Choice
        At least one: a table can show anything.
    """
    table = Choice(Kind.TABLE)
    dims = array.dims
    if not array.is_numeric or not dims:
        return [table]
    found = [_default(array)]
    every: list[Choice] = [_points(array)] if array.spread else []
    if len(dims) > 1 and array.shape[-1] <= _FEW and not array.is_image:
        every.append(_lines(array, len(dims) - 1))
    every += [_curve(dim) for dim in reversed(dims)]
    every += [_image(a, b) for a, b in itertools.combinations(dims, 2)]
    found += [choice for choice in every if choice != found[0]]
    return [*found, table] if len(dims) <= 2 else found


def _default(array: Array) -> Choice:
    dims = array.dims
    signal = [dim for dim in dims if not dim.navigation]
    known = len(signal) < len(dims)
    few = array.shape[-1] <= (_FEW if array.names or array.grows else _PAIR)
    if not known and len(dims) == 2 and few and not array.is_image:
        return _lines(array, 1)
    if not known and array.grows and len(dims) > 1:
        signal = list(dims[1:])  # rows that come one after the other
    plotted = signal or list(dims)
    if array.spread and not signal:
        return _points(array)
    return _curve(plotted[0]) if len(plotted) == 1 else _image(*plotted[-2:])


def _curve(dim: Dim) -> Choice:
    return Choice(Kind.CURVE, (dim.index,), None, f"curve along {dim.label}")


def _points(array: Array) -> Choice:
    x, y = array.spread[:2]
    return Choice(Kind.POINTS, (x.index,), None, f"points of {x.label} and {y.label}")


def _lines(array: Array, lines: int) -> Choice:
    along = array.dims[0 if lines else 1]
    return Choice(Kind.CURVE, (along.index,), lines, f"lines along {along.label}")


def _image(rows: Dim, columns: Dim) -> Choice:
    title = f"image of {columns.label} and {rows.label}"
    return Choice(Kind.IMAGE, (rows.index, columns.index), None, title)


def parts(array: Array) -> list[Part]:
    """Return what can be shown of each value; nothing to choose for real numbers."""
    return list(Part) if array.is_complex else []


def array_to_plot(node: Node) -> CARRAY | None:
    """Return the array that a node stands for: itself, or what a group wants to be plotted.

    Parameters
    ----------
    node : Node
        A group leads on by the attributes ``signal`` and ``default`` of NeXus, or else has its
        first array of data taken.

    Returns
    -------
    CARRAY or None
        None if the group tells nothing.
    """
    for _ in range(_DEPTH):
        if isinstance(node, CARRAY):
            return node
        if not isinstance(node, GROUP):
            return None
        facts = node.attrs.to_dict()
        below = None
        for name in (facts.get("signal"), facts.get("default")):
            if below is None and isinstance(name, str) and name and "/" not in name:
                below = child(node, name)
        if below is None:
            below = _first_data(node)
        if below is None:
            return None
        node = below
    return None


def _first_data(group: GROUP) -> Node | None:
    """Return the first array of data right in a group; of a group of channels, the first one."""
    names = group.children_name()
    for stem in ("Data00", "EnlData00"):
        if stem in names:
            return child(group, stem)
    for name in names[:64]:
        node = child(group, name)
        if isinstance(node, VLARRAY):
            continue
        if isinstance(node, CARRAY) and node.attrs.get("data_type") in _DATA:
            return node
        if isinstance(node, GROUP) and node.attrs.get("type") == "ch":
            return node
    return None
