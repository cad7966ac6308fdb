"""What a plot is before there is anything in it: its axes, its sliders, what can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from savers.view.model.choice import Choice, Kind, Part, choices, parts
from savers.view.model.curve import Curve
from savers.view.model.dims import Array, Dim, signed, titled
from savers.view.model.frames import Frame, Window
from savers.view.model.image import Image
from savers.view.model.points import Points
from savers.view.model.subject import Subject
from savers.view.model.table import Table
from savers.view.model.waterfall import Waterfall

__all__ = [
    "Picture",
    "Setup",
    "Slider",
    "emptiness",
    "is_empty",
    "picture_of",
    "setup_of",
    "sliders_of",
]


class Picture(Protocol):
    """Something that is drawn, and drawn again when there is something new."""

    def update(self, window: Window, moved: bool) -> Frame | None:
        """Return what to draw, None if there is nothing new."""


@dataclass(frozen=True, slots=True)
class Slider:
    """Which index of a dimension is shown.

    Parameters
    ----------
    dim, index, size : int
        The dimension, the index, and how many there are.
    title : str
        For people: the position, with its unit.
    can_follow, follows : bool
        Whether it can move to the newest point by itself, and does.
    """

    dim: int
    index: int
    size: int
    title: str
    can_follow: bool
    follows: bool


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plot is.

    Parameters
    ----------
    path, title : str
        Of the array.
    kind : Kind
        What is drawn.
    x, y, value : str
        Titles of the axes, and of the values that colours stand for.
    x_is_time, y_is_time : bool
        Whether an axis shows moments.
    square : bool
        Whether both axes of positions have the same unit and so the same scale.
    lines : tuple of str
        Names of the lines.
    ways, way : tuple of str, int
        The ways to plot it, and which one is chosen.
    parts, part : tuple of Part, Part or None
        The same for what is shown of complex numbers.
    note : str
        What to show instead of a plot.
    """

    path: str
    title: str
    kind: Kind = Kind.TABLE
    x: str = ""
    y: str = ""
    value: str = ""
    x_is_time: bool = False
    y_is_time: bool = False
    square: bool = False
    lines: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    way: int = 0
    parts: tuple[Part, ...] = ()
    part: Part | None = None
    note: str = ""


def setup_of(array: Array, way: int, part: Part | None) -> Setup:
    """Return what the plot of an array is.

    Parameters
    ----------
    array : Array
        What is plotted.
    way : int
        In which of the ways that :func:`savers.view.model.choice.choices` gives.
    part : Part or None
        What is shown of complex numbers.
    """
    found = choices(array)
    choice = found[way]
    possible = tuple(parts(array))
    part = (part or possible[0]) if possible else None
    title = array.title if array.title == array.label else f"{array.title}: {array.label}"
    common = Setup(array.path, title, choice.kind, ways=tuple(c.title for c in found), way=way)
    if choice.kind is Kind.TABLE:
        return common
    value = _value_title(array, part)
    common = replace(common, value=value, parts=possible, part=part)
    if choice.kind is Kind.CURVE:
        along = array.dims[choice.along[0]]
        names = _line_names(array, choice)
        return replace(
            common, x=along.title, y=value, x_is_time=along.epoch is not None, lines=names
        )
    if choice.kind is Kind.POINTS:
        columns, rows = array.spread[:2]
    else:
        rows, columns = (array.dims[n] for n in choice.along)
    return replace(
        common,
        x=columns.title,
        y=rows.title,
        x_is_time=columns.epoch is not None,
        y_is_time=rows.epoch is not None,
        square=_same_scale(rows, columns),
    )


def _same_scale(rows: Dim, columns: Dim) -> bool:
    counted = rows.axis is None and columns.axis is None and not rows.grows
    return counted or bool(rows.units and rows.units == columns.units and rows.epoch is None)


def _value_title(array: Array, part: Part | None) -> str:
    if part is Part.PHASE:
        return titled(f"phase of {array.label}", "rad")
    label = array.label if part is None else f"{part.value} of {array.label}"
    return titled(label, array.units)


def _line_names(array: Array, choice: Choice) -> tuple[str, ...]:
    if choice.lines is None:
        return (array.label,)
    count = array.shape[choice.lines]
    if len(array.names) == count:
        return array.names
    label = array.dims[choice.lines].label
    return tuple(
        f"{label} = {n}" if not label.startswith("index") else str(n) for n in range(count)
    )


def picture_of(subject: Subject) -> Picture:
    """Return what draws an array in one of its ways.

    Parameters
    ----------
    subject : Subject
        What to draw.
    """
    if subject.choice.kind is Kind.TABLE:
        return Table(subject.source, subject.array)
    if subject.choice.kind is Kind.CURVE:
        return Curve(subject)
    if subject.choice.kind is Kind.POINTS:
        return Points(subject)
    return (Waterfall if subject.dims[0].grows else Image)(subject)


def sliders_of(
    array: Array,
    choice: Choice,
    indexes: Mapping[int, int],
    latest: tuple[int, ...] | None,
    follow: bool,
) -> tuple[Slider, ...]:
    """Return where the sliders of a plot are.

    Parameters
    ----------
    array, choice
        What is plotted, and how.
    indexes : mapping of int to int
        Where they were.
    latest : tuple of int or None
        The newest point of the scan, if it is known.
    follow : bool
        Whether they are to go there.
    """
    scan = [dim.index for dim in array.dims if dim.navigation or dim.grows]
    newest = dict(zip(scan, latest or (), strict=False))
    found = []
    for dim in choice.sliders(array):
        size = array.shape[dim.index]
        index = indexes.get(dim.index, 0)
        if follow:
            index = newest.get(dim.index, index)
        index = min(max(0, index), max(0, size - 1))
        can_follow = dim.index in newest
        title = _position(dim, index, size)
        found.append(Slider(dim.index, index, size, title, can_follow, can_follow and follow))
    return tuple(found)


def _position(dim: Dim, index: int, size: int) -> str:
    if dim.axis is None or not size:
        return dim.label
    if dim.epoch is not None:
        return f"{dim.label} {index}"
    position = float(dim.positions(index, index + 1)[0])
    return f"{dim.label} = {position:.6g} {signed(dim.units)}".rstrip()


def is_empty(array: Array, way: int) -> bool:
    """Tell whether there is nothing to draw, so that nothing can be read."""
    if not array.dims or not array.is_numeric:
        return False
    choice = choices(array)[way]
    if choice.kind in {Kind.CURVE, Kind.POINTS} and not choice.sliders(array):
        return any(array.shape[n] == 0 for n in range(1, len(array.dims)))
    return 0 in array.shape


def emptiness(array: Array) -> str:
    """Return what to say of an array without a value."""
    if array.grows and array.shape[0] == 0:
        return "no point yet"
    return f"this array is empty: {' x '.join(map(str, array.shape))}"
