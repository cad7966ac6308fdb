"""The axes of a scan as a program gives them, checked and brought into one form."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from h5backends.errors import DataError, DTypeError, ShapeError
from savers.axis import axis_key
from savers.data import Axis
from savers.interchange import AxisLike, as_axis

__all__ = ["AxisGiven", "ScanAxes", "ScanKind", "require_same"]

_FEW = 1_000_000
_MOST_POINTS = 2**31

AxisGiven = AxisLike | Sequence[Any] | str
"""An axis; name, unit and positions; or name and unit alone, for positions chosen later."""


class ScanKind(Enum):
    """What is known of the points of a scan before it begins."""

    GRID = "grid"
    """Every combination of the positions of its axes."""
    LIST = "list"
    """Points that lie anywhere, all of them known."""
    CHOSEN = "chosen"
    """The program chooses each point when the one before it is done."""
    LOG = "log"
    """Points in time."""


class ScanAxes:
    """The axes of a scan.

    Parameters
    ----------
    given : iterable of axes, or a single one
        See :class:`savers.scan.Scan`. Not changed.

    Attributes
    ----------
    axes : list of Axis
        Copies, by their dimension.
    labels : list of str
        Their names.
    kind : ScanKind
    grows : bool
        Whether nobody knows how many points there will be.
    shape : tuple of int
        Of the scan; empty where it grows.

    Raises
    ------
    DTypeError, ShapeError
        Something in there is no axis, has no points, or does not go with the others.
    """

    def __init__(self, given: Iterable[AxisGiven] | AxisGiven | None) -> None:
        self.axes = [_as_axis(item) for item in _listed(given)]
        _require_names([axis.label for axis in self.axes])
        chosen = [not axis.size for axis in self.axes]
        if any(chosen) and not all(chosen):
            raise ShapeError(
                "some axes of the scan have positions and some have not",
                expected="positions for all of them, or for none",
                found=", ".join(map(_summary, self.axes)),
            )
        if not self.axes:
            self.kind = ScanKind.LOG
        elif any(chosen):
            self.kind = ScanKind.CHOSEN
        elif any(axis.spread_order for axis in self.axes):
            self.kind = ScanKind.LIST
            _require_list(self.axes)
        else:
            self.kind = ScanKind.GRID
            self._number_dimensions()
        self.labels = [axis.label for axis in self.axes]
        self.grows = self.kind in {ScanKind.CHOSEN, ScanKind.LOG}
        self._positions: list[tuple[int, Any]] | None = None
        lengths = {} if self.grows else {axis.index: axis.size for axis in self.axes}
        self.shape = tuple(lengths[n] for n in sorted(lengths))
        if math.prod(self.shape) > _MOST_POINTS:
            raise ShapeError(
                "no program can visit all points of this scan",
                expected=f"at most {_MOST_POINTS:,} points",
                found=f"shape {self.shape}",
            )

    def _number_dimensions(self) -> None:
        """Number the dimensions as the axes say themselves, or else in their order."""
        if sorted(axis.index for axis in self.axes) == list(range(len(self.axes))):
            self.axes.sort(key=lambda axis: axis.index)
        for index, axis in enumerate(self.axes):
            axis.index = index

    def positions(self, indexes: tuple[int, ...]) -> tuple[Any, ...]:
        """Return where a point is, one position for each axis."""
        if self._positions is None:
            self._positions = [(axis.index, _looked_up(axis)) for axis in self.axes]
        return tuple([values[indexes[index]] for index, values in self._positions])

    def part(self, start: int, stop: int) -> ScanAxes:
        """Return the axes of some steps of the slowest axis."""
        result = copy.copy(self)
        result._positions = None
        result.axes = [axis.copy() for axis in self.axes]
        for axis in result.axes:
            if axis.index == 0:
                axis.data = axis.get_data()[start:stop]
        result.shape = (stop - start, *self.shape[1:])
        return result

    def chosen(self, values: Sequence[Any], named: dict[str, Any]) -> tuple[float, ...]:
        """Return the position that a program chose, one number for each axis.

        Raises
        ------
        ShapeError, DTypeError
            Not one for each, or no number.
        """
        if named and not values and sorted(named) == sorted(self.labels):
            values = [named[label] for label in self.labels]
        elif named or len(values) != len(self.axes):
            raise ShapeError(
                "a point has one position on each axis",
                expected=", ".join(self.labels),
                found=repr(named or tuple(values)),
            )
        try:
            position = tuple(float(value) for value in values)
        except (TypeError, ValueError) as exc:
            raise DTypeError("positions are numbers", found=repr(tuple(values))) from exc
        if not np.isfinite(position).all():
            raise DTypeError("positions are finite numbers", found=repr(position))
        return position


def _looked_up(axis: Axis) -> Any:
    """Return the positions on an axis in the form that is quickest to look them up in."""
    data = axis.get_data()
    return data.tolist() if data.size <= _FEW else data


def require_same(wanted: Sequence[Axis], found: Sequence[Axis], file: str, node: str) -> None:
    """Refuse to go on with a scan that has other axes.

    Parameters
    ----------
    wanted, found : sequence of Axis
        Those that the program gives, and those in the file.
    file, node : str
        Where the scan is.

    Raises
    ------
    ShapeError
        They differ.
    """
    if [_key(axis) for axis in wanted] == [_key(axis) for axis in found]:
        return
    raise ShapeError(
        "the scan that is to go on has other axes",
        file=file,
        node=node,
        expected=_differing(found, wanted),
        found=_differing(wanted, found),
        remedy="Give the same axes to go on with it, or leave resume out to begin another scan.",
    )


def _key(axis: Axis) -> tuple[object, ...]:
    if not axis.size:
        return (axis.label, axis.units, axis.spread_order)
    return axis_key(axis)


def _differing(axes: Sequence[Axis], others: Sequence[Axis]) -> str:
    """Describe the axes that the others do not have."""
    known = {_key(axis) for axis in others}
    text = ", ".join(_summary(axis) for axis in axes if _key(axis) not in known)
    return text or f"{len(axes)} axes" + " in another order" * (len(axes) == len(others))


def _summary(axis: Axis) -> str:
    unit = f" {axis.units}" if axis.units else ""
    if not axis.size:
        return f"{axis.label!r} ({axis.units}) with positions still to be chosen"
    first, last = axis.get_data_at([0, -1])
    return f"{axis.label!r} with {axis.size} points from {first} to {last}{unit}"


def _listed(given: Iterable[AxisGiven] | AxisGiven | None) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str) or hasattr(given, "get_data"):
        return [given]
    if not isinstance(given, Iterable):
        raise _no_axis(given)
    items = list(given)
    # Name, unit and positions of a single axis look like a list of three.
    single = isinstance(given, tuple) and items and all(isinstance(i, str) for i in items[:2])
    return [given] if single and len(items) in (2, 3) else items


def _as_axis(item: Any) -> Axis:
    if isinstance(item, str):
        return Axis(item)
    if isinstance(item, (tuple, list)):
        if not 1 <= len(item) <= 3 or not all(isinstance(text, str) for text in item[:2]):
            raise _no_axis(item)
        axis = Axis(*item)
    else:
        try:
            axis = as_axis(item).copy()
        except DataError as exc:
            raise _no_axis(item) from exc
    data = axis.data
    if data is not None and not data.size:
        raise ShapeError(
            f"the axis {axis.label!r} has no points",
            remedy="Leave its positions out if the program chooses them during the scan.",
        )
    if data is not None and data.dtype.kind in "fc" and not np.isfinite(data).all():
        raise DTypeError(
            f"the axis {axis.label!r} has positions that are no numbers", found="NaN or infinity"
        )
    return axis


def _no_axis(item: object) -> DTypeError:
    return DTypeError(
        "this is no axis of a scan",
        expected="an Axis, or (name, unit, positions)",
        found=repr(item),
    )


def _require_names(labels: list[str]) -> None:
    if len(set(labels)) != len(labels) or (len(labels) > 1 and "" in labels):
        raise ShapeError(
            "every axis of a scan needs a name of its own", found=", ".join(map(repr, labels))
        )


def _require_list(axes: list[Axis]) -> None:
    """Check the axes of points that lie anywhere: all of dimension 0, equally long."""
    axes.sort(key=lambda axis: axis.spread_order)
    numbered = [(axis.index, axis.spread_order) for axis in axes]
    if numbered != [(0, n) for n in range(len(axes))] or len({axis.size for axis in axes}) != 1:
        raise ShapeError(
            "axes with a spread_order list the points of a scan one by one",
            expected="index 0, spread_order 0, 1, 2, ... and as many positions in each",
            found=", ".join(
                f"{a.label!r}: index {a.index}, spread_order {a.spread_order}, {a.size} positions"
                for a in axes
            ),
        )
