"""What is in a group of a file as an ``xarray.Dataset``, whose values stay in the file."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core.indexing import LazilyIndexedArray

from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node
from savers.enums import DataType
from savers.exporters.axis_column import AxisColumn, axes_of
from savers.exporters.belonging import kind_of, refreshed
from savers.exporters.signals import Signal, extent, named, signal_of
from savers.interchange.stored import StoredArray
from savers.layout import DATA_ATTRIBUTES, LIVE_LOGGER
from savers.loader import DataLoader
from savers.plain import plain
from savers.view.model.dims import describe

__all__ = ["Dimensions", "dataset_of", "datasets_below"]

_DATA = (DataType.data, DataType.data_enlargeable)
_BESIDE = (DataType.axis, DataType.error)
_INTERNAL = frozenset({"CLASS", "VERSION", "TITLE", "backend", "NX_class", "axes", "signal"})
_ERROR = "_error"


@dataclass(slots=True)
class Dimensions:
    """The dimensions of a dataset, and of those above it in a tree: one name means one axis.

    Attributes
    ----------
    known : dict
        By name: length, and positions if there are any.
    """

    known: dict[str, tuple[int, NDArray[Any] | None]] = field(default_factory=dict)

    def below(self) -> Dimensions:
        """Return those for a dataset below this one."""
        return Dimensions(dict(self.known))

    def name(self, wanted: str, length: int, positions: NDArray[Any] | None) -> str:
        """Return the name of a dimension; one that is taken by another gets a number."""
        number, candidate = 1, wanted
        while candidate in self.known and not _alike(self.known[candidate], (length, positions)):
            candidate = f"{wanted}_{number}"
            number += 1
        self.known[candidate] = (length, positions)
        return candidate


def _alike(one: tuple[int, NDArray[Any] | None], other: tuple[int, NDArray[Any] | None]) -> bool:
    (length, mine), (size, theirs) = one, other
    if length != size or (mine is None) != (theirs is None):
        return False
    return mine is None or bool(np.array_equal(mine, np.asarray(theirs)))


def dataset_of(
    loader: DataLoader,
    manager: Any,
    group: GROUP,
    arrays: Iterable[CARRAY],
    dimensions: Dimensions,
) -> xr.Dataset:
    """Return arrays of a file, with their axes and error bars.

    Parameters
    ----------
    loader : DataLoader
        The file, open.
    manager : CachingFileManager
        Opens it when values are needed.
    group : GROUP
        Its attributes become those of the dataset.
    arrays : iterable of CARRAY
        In it, or below.
    dimensions : Dimensions
        Those that are known; new ones are added.
    """
    builder = _Builder(loader, manager, dimensions)
    signals = named([_signal(array) for array in arrays if _is_shown(array)])
    found = [(signal, builder.axes(signal)) for signal in signals]
    used = {axis.node.path for _, axes in found for axis in axes if axis.node is not None}
    for signal, axes in found:
        if signal.node.path not in used:
            builder.add(signal, axes)
    return builder.dataset(group)


def datasets_below(
    loader: DataLoader,
    manager: Any,
    node: Node,
    path: str = "/",
    above: Dimensions | None = None,
    chosen: Container[str] | None = None,
) -> Iterator[tuple[str, xr.Dataset]]:
    """Iterate over a group and those below it.

    Parameters
    ----------
    loader, manager
        See :func:`dataset_of`.
    node : Node
        The group; or one array, which is then alone in the group that it is in.
    path : str
        What to call the group.
    above : Dimensions, optional
        Those of the dataset above.
    chosen : container of str, optional
        Paths of the arrays that are wanted, by default all.

    Yields
    ------
    str, Dataset
    """
    dimensions = Dimensions() if above is None else above.below()
    group = node if isinstance(node, GROUP) else node.parent_node
    assert group is not None
    children = group.children() if node is group else {"": node}
    arrays = [
        child
        for child in children.values()
        if isinstance(child, CARRAY) and (chosen is None or child.path in chosen)
    ]
    yield path, dataset_of(loader, manager, group, arrays, dimensions)
    for name, child in children.items():
        if isinstance(child, GROUP):
            lower = f"{path.rstrip('/')}/{name}"
            yield from datasets_below(loader, manager, child, lower, dimensions, chosen)


def _is_shown(array: CARRAY) -> bool:
    beside = kind_of(array) in _BESIDE or array.name == LIVE_LOGGER
    return not (beside or isinstance(array, VLARRAY))


def _signal(array: CARRAY) -> Signal:
    """Describe an array; one that is no saver's is called by its own name, not by its title."""
    signal = signal_of(array)
    return signal if kind_of(array) in _DATA else replace(signal, name=array.name)


class _Builder:
    """Collects the variables of a dataset."""

    def __init__(self, loader: DataLoader, manager: Any, dimensions: Dimensions) -> None:
        self._loader = loader
        self._manager = manager
        self._dimensions = dimensions
        self._variables: dict[str, xr.Variable] = {}
        self._coords: dict[str, xr.Variable] = {}
        self._facts: list[dict[str, Any]] = []
        self._errors: list[str] = []

    def axes(self, signal: Signal) -> list[AxisColumn]:
        """Return the axes of a signal: those of savers, or those that NeXus names."""
        refreshed(signal.node)
        if kind_of(signal.node) in _DATA:
            found = axes_of(self._loader, signal.node, signal.nav)
            for axis in found:
                if axis.node is not None:
                    refreshed(axis.node)
            return found
        if not signal.node.shape:
            return []
        dims = describe(self._loader.h5saver, signal.node).dims
        return [
            AxisColumn(dim.axis.name, dim.units, dim.index, 0, dim.axis)
            for dim in dims
            if dim.axis is not None and dim.axis.ndim == 1
        ]

    def add(self, signal: Signal, axes: Sequence[AxisColumn]) -> None:
        """Add a signal, its error bars and coordinates."""
        shape = extent(signal, axes) if signal.node.ndim else ()
        dims = tuple(self._dim(n, length, axes, signal) for n, length in enumerate(shape))
        name = self._unused(signal.name.replace("/", "_"))
        facts = signal.node.attrs.to_dict()
        about = {"units": signal.units, "long_name": signal.name}
        about |= {
            key: value
            for key, value in plain(facts).items()
            if key not in DATA_ATTRIBUTES and _keeps(value)
        }
        self._variables[name] = self._variable(signal.node, dims, shape, about)
        self._facts.append(facts)
        if signal.errors is not None and signal.errors.ndim >= len(shape):
            refreshed(signal.errors)
            bars = self._unused(name + _ERROR)
            about = {"units": signal.units, "long_name": f"{signal.name} error"}
            self._variables[bars] = self._variable(signal.errors, dims, shape, about)
            self._errors.append(bars)
        for axis in axes:
            if axis.moved is not None:
                self._add_moved(axis, dims, shape)

    def _dim(self, index: int, length: int, axes: Sequence[AxisColumn], signal: Signal) -> str:
        """Return the name of a dimension, and add its coordinates."""
        along = [axis for axis in axes if axis.index == index and axis.node is not None]
        if not along:
            return self._dimensions.name(f"dim_{index}", length, None)
        positions = [np.asarray(axis.along(slice(0, length))) for axis in along]
        first = along[0]
        label = first.label.replace("/", "_") or f"dim_{index}"
        dim = self._dimensions.name(label, length, positions[0])
        for axis, values in zip(along, positions, strict=True):
            other = f"{axis.label.replace('/', '_') or dim}_{axis.order}"
            name = dim if axis is first else other
            attrs: dict[str, Any] = {"units": axis.units, "pymodaq_label": axis.label}
            if axis.order:
                attrs["spread_order"] = axis.order
            self._coords.setdefault(name, xr.Variable((dim,), values, attrs))
        return dim

    def _add_moved(self, axis: AxisColumn, dims: tuple[str, ...], shape: tuple[int, ...]) -> None:
        """Add the positions of an axis that changed from point to point."""
        assert axis.moved is not None
        inner = axis.moved.ndim > axis.points
        places = (*range(axis.points), axis.index) if inner else tuple(range(axis.points))
        size = tuple(shape[n] for n in places)
        if len(size) == axis.moved.ndim and all(
            a <= b for a, b in zip(size, axis.moved.shape, strict=True)
        ):
            along = tuple(dims[n] for n in places)
            about = {"units": axis.units, "long_name": f"{axis.label} at every point"}
            name = self._unused(f"{dims[axis.index]}_at_point")
            self._coords[name] = self._variable(axis.moved, along, size, about)

    def _variable(
        self, node: CARRAY, dims: tuple[str, ...], shape: tuple[int, ...], attrs: dict[str, Any]
    ) -> xr.Variable:
        if node.dtype.hasobject:  # text of variable length, which other programs write
            return xr.Variable(dims, np.asarray(node.read()), attrs)
        values = LazilyIndexedArray(StoredArray(self._manager, node, shape))
        variable = xr.Variable(dims, values, attrs)
        if node.chunks is not None:
            lengths = [max(1, min(c, n)) for c, n in zip(node.chunks, shape, strict=False)]
            variable.encoding["preferred_chunks"] = dict(zip(dims, lengths, strict=True))
        return variable

    def _unused(self, wanted: str) -> str:
        taken = {*self._variables, *self._coords, *self._dimensions.known}
        number, name = 1, wanted
        while name in taken:
            name = f"{wanted}_{number}"
            number += 1
        return name

    def dataset(self, group: GROUP) -> xr.Dataset:
        """Return all that was added."""
        attrs = {
            key: value
            for key, value in plain(group.attrs.to_dict()).items()
            if key not in _INTERNAL and not key.endswith("_indices") and _keeps(value)
        }
        if group.title:
            attrs["title"] = group.title
        return xr.Dataset(self._variables, self._coords, attrs | self._common())

    def _common(self) -> dict[str, Any]:
        """Return what ``from_xarray`` needs, where all arrays are those of one signal."""
        kinds = {(f.get("TITLE"), f.get("origin"), f.get("units")) for f in self._facts}
        first = self._facts[0] if self._facts else {}
        if len(kinds) != 1 or "nav_indexes" not in first:
            return {}
        found: dict[str, Any] = {
            "pymodaq_name": str(first.get("TITLE", "")),
            "pymodaq_origin": str(first.get("origin", "")),
            "pymodaq_source": str(first.get("source", "raw")),
            "pymodaq_distribution": str(first.get("distribution", "uniform")),
            "pymodaq_units": str(first.get("units", "")),
            "pymodaq_nav_indexes": list(first.get("nav_indexes") or ()),
            "pymodaq_labels": [str(f.get("label", "")) for f in self._facts],
        }
        if isinstance(first.get("timestamp"), float):
            found["pymodaq_timestamp"] = first["timestamp"]
        if self._errors:
            found["pymodaq_error_vars"] = list(self._errors)
        return found


def _keeps(value: Any) -> bool:
    """Tell whether an attribute is one that netCDF could keep, too."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(v, (str, int, float)) for v in value)
    return isinstance(value, (str, int, float)) and value != ""
