"""What the axes of an array mean: by PyMoDAQ's attributes, by NeXus', or only by their order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import H5Error
from h5backends.file_text import readable
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node
from savers.axis import AxisSaverLoader
from savers.enums import DataType
from savers.loader import DataLoader
from savers.low_level import H5SaverLowLevel
from savers.management import child

__all__ = ["Array", "Dim", "describe", "signed", "titled"]

_DATA = frozenset({DataType.data.name, DataType.data_enlargeable.name})
_SIGNS = {"percent": "%", "degC": "°C", "degF": "°F", "Ohm": "Ω"}
_MICRO = frozenset(
    {"um", "us", "uW", "uA", "uV", "uJ", "uF", "uH", "uT", "ul", "uL", "ug", "umol"}
)
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
_RECENT = 1e8
"""Seconds since 1970; a time in seconds above it is a moment and not a duration."""


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of an array.

    Parameters
    ----------
    index : int
        Which.
    label, units : str
        Of its axis.
    axis : CARRAY or None
        The array of its positions; None for a dimension that only counts.
    navigation : bool
        Whether it is one of a scan and not of the signal.
    grows : bool
        Whether the array grows along it.
    epoch, scale : float or None, float
        For times: the moment that they count from, in seconds since 1970, and the seconds of one
        unit; None for positions that are no moments.
    """

    index: int
    label: str
    units: str = ""
    axis: CARRAY | None = None
    navigation: bool = False
    grows: bool = False
    epoch: float | None = None
    scale: float = 1.0

    @property
    def title(self) -> str:
        """Label and unit for people."""
        return self.label if self.epoch is not None else titled(self.label, self.units)

    def positions(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return positions of the axis, moments in seconds since 1970.

        Parameters
        ----------
        start, stop : int
            Which.

        Returns
        -------
        ndarray of float64, shape (stop - start,)
            What the axis does not say is NaN.
        """
        if self.axis is None:
            return np.arange(start, stop, dtype=np.float64)
        found = np.asarray(self.axis[start:stop]).reshape(-1).astype(np.float64)
        if self.epoch is not None:
            found = self.epoch + self.scale * found
        missing = stop - start - len(found)
        return np.pad(found, (0, missing), constant_values=np.nan) if missing > 0 else found


@dataclass(frozen=True, slots=True)
class Array:
    """An array, and what its dimensions mean.

    Parameters
    ----------
    node : CARRAY
        The array.
    path, title, label, units : str
        Where it is, what its data are called, what they show, and their unit.
    dims : tuple of Dim
        One for each dimension of more than a single element that is only there by convention.
    names : tuple of str
        What each element along the last dimension is, where the file says so.
    times : CARRAY or None
        When each point of the scan was complete, where the file says so.
    is_image : bool
        Whether the file says that each signal is an image.
    spread : tuple of Dim
        Of points that lie anywhere, the axes in which their positions are given, all for the one
        dimension of the points; empty for others.
    """

    node: CARRAY
    path: str
    title: str
    label: str
    units: str
    dims: tuple[Dim, ...]
    names: tuple[str, ...] = ()
    times: CARRAY | None = None
    is_image: bool = False
    spread: tuple[Dim, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions in `dims`."""
        return self.node.shape[: len(self.dims)]

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex numbers."""
        return self.node.dtype.kind == "c"

    @property
    def is_numeric(self) -> bool:
        """Whether the values can be plotted."""
        return not isinstance(self.node, VLARRAY) and self.node.dtype.kind in "biufcmM"

    @property
    def grows(self) -> bool:
        """Whether it grows along its first dimension."""
        return isinstance(self.node, EARRAY)


def titled(label: str, units: str) -> str:
    """Return a label with its unit in brackets, if there is one."""
    return f"{label} ({signed(units)})" if units else label


def signed(units: str) -> str:
    """Return a unit with the sign that people write for it."""
    units = readable(units)
    return f"µ{units[1:]}" if units in _MICRO else _SIGNS.get(units, units)


def describe(h5: H5SaverLowLevel, node: CARRAY) -> Array:
    """Find out what an array and its dimensions mean.

    Parameters
    ----------
    h5 : H5SaverLowLevel
        The open file.
    node : CARRAY
        An array in it; files of other programs may have any.

    Returns
    -------
    Array
    """
    facts = node.attrs.to_dict()
    group = node.parent_node
    beside = {} if group is None else group.attrs.to_dict()
    shape = () if isinstance(node, VLARRAY) else node.shape
    title = str(facts.get("TITLE") or facts.get("long_name") or node.name)
    label = str(facts.get("label") or title)
    if label.startswith("CH") and label[2:].isdecimal():
        label = title  # PyMoDAQ numbers channels that have no name
    names = facts.get("labels", ())
    texts = tuple(map(str, names)) if isinstance(names, (list, tuple, np.ndarray)) else ()
    navigation = _navigation(facts, shape)
    axes: dict[int, Dim] = {}
    spread: tuple[Dim, ...] = ()
    if facts.get("data_type") in _DATA:
        every = _pymodaq_axes(h5, node, navigation)
        axes = {place: dims[0] for place, dims in every.items()}
        spread = next((tuple(dims) for dims in every.values() if len(dims) > 1), ())
    if group is not None and beside.get("NX_class") == "NXdata":
        axes = _nexus_axes(group, beside, node) | axes
    # A growing array of single values has an axis for them only by convention.
    rank = len(shape)
    if rank > 1 and shape[-1] == 1 and rank - 1 not in axes and isinstance(node, EARRAY):
        rank -= 1
    grows = isinstance(node, EARRAY)
    dims = tuple(
        axes.get(n, Dim(n, _counting(n, grows), navigation=n in navigation, grows=grows and not n))
        for n in range(rank)
    )
    if len(texts) != (shape[-1] if len(shape) > 1 else -1):
        texts = ()
    units = str(facts.get("units", ""))
    times = _point_times(node, shape, navigation)
    image = facts.get("data_dimension") == "Data2D" or facts.get("interpretation") == "image"
    return Array(node, node.path, title, label, units, dims, texts, times, image, spread)


def _counting(index: int, grows: bool) -> str:
    return "point" if grows and index == 0 else f"index {index}"


def _navigation(facts: dict[str, Any], shape: Sequence[int]) -> frozenset[int]:
    found = facts.get("nav_indexes", ())
    if not isinstance(found, (tuple, list, np.ndarray)):
        return frozenset()
    return frozenset(int(n) for n in found if isinstance(n, (int, np.integer)) and n < len(shape))


def _pymodaq_axes(
    h5: H5SaverLowLevel, node: CARRAY, navigation: frozenset[int]
) -> dict[int, list[Dim]]:
    """Return the axes beside an array, and those that a whole scan shares, by dimension.

    There are several for the points of a scan that lie anywhere.
    """
    found: list[tuple[int, CARRAY, bool]] = []
    try:
        for axis in AxisSaverLoader(h5).arrays_of(node):
            if isinstance(axis, CARRAY):
                found.append((_index(axis), axis, False))
        group = DataLoader(h5).get_nav_group(node) if navigation else None
        order = sorted(navigation)
        for axis in [] if group is None else group.children().values():
            place = _index(axis)
            if isinstance(axis, CARRAY) and place < len(order):
                found.append((order[place], axis, True))
    except H5Error:
        return {}  # attributes that contradict each other: the array can be plotted without axes
    axes: dict[int, dict[int, Dim]] = {}
    for place, axis, shared in found:
        if place < len(node.shape) and _fits(axis, node, place):
            dim = _dim(node, place, axis, place in navigation or shared)
            axes.setdefault(place, {}).setdefault(_index(axis, "spread_order"), dim)
    return {place: [dims[n] for n in sorted(dims)] for place, dims in axes.items()}


def _index(axis: Node, of: str = "index") -> int:
    value = axis.attrs.get(of, 0)
    return int(value) if isinstance(value, (int, np.integer)) and value >= 0 else 0


def _nexus_axes(group: GROUP, beside: dict[str, Any], node: CARRAY) -> dict[int, Dim]:
    """Return the axes that the group of a plot names."""
    listed = beside.get("axes", ())
    names = [listed] if isinstance(listed, str) else [str(name) for name in listed]
    found: dict[int, Dim] = {}
    shape = node.shape
    for place, name in enumerate(names[: len(shape)]):
        at = beside.get(f"{name}_indices", place)
        number = int(at) if isinstance(at, (int, np.integer)) else place
        axis = child(group, name) if name and name != "." and "/" not in name else None
        if isinstance(axis, CARRAY) and number < len(shape) and _fits(axis, node, number):
            found[number] = _dim(node, number, axis, navigation=False)
    return found


def _fits(axis: CARRAY, node: CARRAY, place: int) -> bool:
    """Tell whether an array can hold the positions along a dimension of another."""
    if isinstance(axis, VLARRAY) or axis.dtype.kind not in "biuf" or axis.path == node.path:
        return False
    if isinstance(node, EARRAY) and place == 0:
        return isinstance(axis, EARRAY)
    return axis.size == node.shape[place]


def _dim(node: CARRAY, place: int, axis: CARRAY, navigation: bool) -> Dim:
    facts = axis.attrs.to_dict()
    label = str(facts.get("label") or facts.get("TITLE") or axis.name)
    units = str(facts.get("units", ""))
    grows = isinstance(node, EARRAY) and place == 0
    scale = _SECONDS.get(units, 1.0)
    epoch = _epoch(facts.get("start"), units)
    if epoch is None and units == "s" and axis.size:
        first = float(np.asarray(axis[:1]).reshape(-1)[0])
        epoch = 0.0 if math.isfinite(first) and first > _RECENT else None
    elif epoch is None and units == "s" and label == "time" and grows:
        epoch = 0.0  # a timed log that has no point yet
    return Dim(place, label, units, axis, navigation, grows, epoch, scale)


def _epoch(start: object, units: str) -> float | None:
    """Return the moment that NeXus' attribute ``start`` of a time axis names."""
    if isinstance(start, str) and units in _SECONDS:
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(start).timestamp()
    return None


def _point_times(
    node: CARRAY, shape: tuple[int, ...], navigation: frozenset[int]
) -> CARRAY | None:
    """Return the array that tells which points of a scan are complete, if there is one above."""
    from savers.plan import POINT_TIMES

    above: GROUP | None = node.parent_node if navigation else None
    while above is not None:
        times = child(above, POINT_TIMES)
        if isinstance(times, CARRAY):
            growing = isinstance(node, EARRAY) or isinstance(times, EARRAY)
            scan = tuple(shape[n] for n in sorted(navigation))
            return times if growing or times.shape == scan else None
        above = above.parent_node
    return None
