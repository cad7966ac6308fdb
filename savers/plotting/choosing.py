"""Which plot of an array is wanted, and at which positions of the axes that it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from h5backends.errors import DataError, NodeKindError, ShapeError
from h5backends.nodes import VLARRAY, Node
from savers.low_level import H5SaverLowLevel
from savers.view.model.choice import Choice, Kind, Part, array_to_plot, choices
from savers.view.model.dims import Array, Dim, describe, signed
from savers.view.model.setup import emptiness

__all__ = ["Chosen", "UnknownAxisError", "Where", "chosen_plot"]


class UnknownAxisError(DataError, ValueError):
    """An axis that the data do not have, or a position that is not on it."""


@dataclass(frozen=True, slots=True)
class Where:
    """A position on an axis, as a user gives it: ``delay=12.5``, or ``delay=#3`` by its index.

    Parameters
    ----------
    axis : str
        Label of the axis, or the number of its dimension.
    value : float
        Position in units of the axis, or index.
    is_index : bool
        Which of the two.
    """

    axis: str
    value: float
    is_index: bool = False

    @classmethod
    def parse(cls, text: str) -> Where:
        """Make sense of ``axis=value`` or ``axis=#index``.

        Raises
        ------
        ValueError
            It is neither.
        """
        axis, equals, value = text.rpartition("=")
        is_index = value.startswith("#")
        try:
            number = int(value[1:]) if is_index else float(value)
        except ValueError:
            equals = ""
        if not (equals and axis and np.isfinite(number)):
            raise ValueError(f"{text!r} is neither AXIS=POSITION nor AXIS=#INDEX")
        return cls(axis, number, is_index)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be drawn.

    Parameters
    ----------
    array : Array
        The array, and what its dimensions mean.
    choice : Choice
        Which dimensions are drawn.
    indexes : dict of int to int
        Where the others stand.
    parts : tuple of Part or None
        What of complex numbers, one plot for each.
    places : tuple of str
        Where the dimensions stand that are not drawn, for people.
    """

    array: Array
    choice: Choice
    indexes: Mapping[int, int]
    parts: tuple[Part | None, ...]
    places: tuple[str, ...]

    @property
    def way(self) -> int:
        """Number of the choice among all for this array."""
        return choices(self.array).index(self.choice)


def chosen_plot(
    h5: H5SaverLowLevel,
    node: Node,
    where: Iterable[Where] = (),
    part: Part | None = None,
) -> Chosen:
    """Choose how to plot a node.

    All dimensions are drawn if there are one or two of them. Of more, those of the signal, and
    the others stand at their first point unless told otherwise.

    Parameters
    ----------
    h5 : H5SaverLowLevel
        The open file.
    node : Node
        An array; or a group, for the array that it wants to be plotted.
    where : iterable of Where
        Where dimensions stand that are not to be drawn.
    part : Part, optional
        What to draw of complex numbers; magnitude and phase by default.

    Raises
    ------
    NodeKindError, ShapeError
        There is nothing that could be plotted.
    UnknownAxisError
        The array has no such axis or position.
    """
    array = _plottable(h5, node)
    fixed: dict[int, int] = {}
    for place in where:
        dim = _dim(array, place)
        fixed[dim.index] = _index(array, dim, place)
    choice = _choice(array, fixed)
    indexes = {dim.index: fixed.get(dim.index, 0) for dim in choice.sliders(array)}
    places = tuple(_place(array.dims[n], index) for n, index in sorted(indexes.items()))
    parts: tuple[Part | None, ...] = (None,)
    if array.is_complex:
        parts = (part,) if part else (Part.MAGNITUDE, Part.PHASE)
    return Chosen(array, choice, indexes, parts, places)


def _plottable(h5: H5SaverLowLevel, node: Node) -> Array:
    file = h5.filename
    found = array_to_plot(node)
    if found is None:
        raise NodeKindError(
            "this group does not say what to plot",
            file=file,
            node=node.path,
            remedy="Name an array in it: 'h5backends tree' shows them.",
        )
    if isinstance(found, VLARRAY) or found.dtype.kind not in "biufcmM":
        kind = "text" if found.dtype.kind in "SUO" else str(found.dtype)
        raise NodeKindError(
            "this array cannot be plotted",
            file=file,
            node=found.path,
            expected="an array of numbers or times",
            found="rows of different lengths" if isinstance(found, VLARRAY) else kind,
        )
    array = describe(h5, found)
    if not array.dims:
        value = f"{found.read()} {array.units}".rstrip()
        raise ShapeError("a single value is no plot", file=file, node=array.path, found=value)
    if 0 in array.shape:
        raise ShapeError(emptiness(array), file=file, node=array.path)
    return array


def _choice(array: Array, fixed: Mapping[int, int]) -> Choice:
    """Return the plot that shows all dimensions but those that are fixed, or the best one."""
    drawn = [choice for choice in choices(array) if choice.kind is not Kind.TABLE]
    allowed = [c for c in drawn if set(fixed) <= {dim.index for dim in c.sliders(array)}]
    if not allowed:
        raise UnknownAxisError(
            "no axis is left to plot along",
            node=array.path,
            expected="a position for all axes but one or two",
        )
    full = [c for c in allowed if len(c.sliders(array)) == len(fixed)]
    return (full or allowed)[0]


def _dim(array: Array, place: Where) -> Dim:
    for dim in array.dims:
        if place.axis in (dim.label, str(dim.index)):
            return dim
    raise UnknownAxisError(
        f"the data have no axis {place.axis!r}",
        node=array.path,
        expected=", ".join(f"{dim.label!r}" for dim in array.dims),
    )


def _index(array: Array, dim: Dim, place: Where) -> int:
    """Return the index of the point that is nearest to a position."""
    length = array.shape[dim.index]
    positions = dim.positions(0, length)
    known = not place.is_index and bool(np.isfinite(positions).any())
    if known:
        low, high = np.nanmin(positions), np.nanmax(positions)
        # As wide as a pixel: a position half a step off the last point still means that one.
        margin = (high - low) / max(1, length - 1) / 2
        if low - margin <= place.value <= high + margin:
            return int(np.nanargmin(np.abs(positions - place.value)))
        expected = f"{low:.6g} to {high:.6g} {signed(dim.units)}".rstrip()
    else:
        index = int(place.value)
        if -length <= index < length and index == place.value:
            return index % length
        expected = f"an index from 0 to {length - 1}"
    raise UnknownAxisError(
        f"the axis {dim.label!r} has no such position",
        node=array.path,
        expected=expected,
        found=f"{place.value:g}",
    )


def _place(dim: Dim, index: int) -> str:
    if dim.axis is None:
        return (
            f"{dim.label} = {index}"
            if not dim.label.startswith("index")
            else f"{dim.label}: {index}"
        )
    position = float(dim.positions(index, index + 1)[0])
    if dim.epoch is not None or not np.isfinite(position):
        return f"{dim.label}: point {index}"
    return f"{dim.label} = {position:.6g} {signed(dim.units)}".rstrip()
