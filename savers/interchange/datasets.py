"""Our objects as those of xarray, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from savers.data import Axis, DataToExport, DataWithAxes
from savers.interchange.packages import package

__all__ = ["export_from_xarray", "export_to_xarray", "from_xarray", "to_xarray"]

_ERROR = "_error"


def _xarray() -> Any:
    return package("xarray", "xarray")


def to_xarray(data: DataWithAxes) -> Any:
    """Return data as an ``xarray.Dataset``.

    Each array becomes a variable under its label, error bars one under the label and ``_error``,
    each axis a coordinate. Attributes ``pymodaq_*`` (the names of ``pymodaq_data``, which reads
    the result too) hold the rest, so that :func:`from_xarray` gives the same data again.

    Raises
    ------
    PackageMissingError
    """
    xr = _xarray()
    dims = _dimension_names(data)
    coords: dict[str, Any] = {}
    for axis in sorted(data.axes, key=lambda axis: axis.spread_order):
        dim = dims[axis.index]
        name = dim if dim not in coords else f"{axis.label or dim}_{axis.spread_order}"
        attrs: dict[str, Any] = {"units": axis.units, "pymodaq_label": axis.label}
        if axis.spread_order:
            attrs["spread_order"] = axis.spread_order
        coords[name] = xr.Variable((dim,), axis.get_data(), attrs=attrs)
    variables: dict[str, Any] = {}
    error_names = []
    for number, array in enumerate(data.data):
        name = _unused(data.labels[number] or f"data_{number}", {*variables, *coords, *dims})
        variables[name] = xr.Variable(dims, array, attrs={"units": data.units})
        if data.errors is not None:
            error_names.append(_unused(name + _ERROR, {*variables, *coords, *dims}))
            variables[error_names[-1]] = xr.Variable(dims, data.errors[number])
    facts: dict[str, Any] = {
        "pymodaq_name": data.name,
        "pymodaq_origin": data.origin,
        "pymodaq_source": data.source.name,
        "pymodaq_distribution": data.distribution.name,
        "pymodaq_units": data.units,
        "pymodaq_nav_indexes": list(data.nav_indexes),
        "pymodaq_labels": list(data.labels),
        "pymodaq_timestamp": data.timestamp,
    }
    if error_names:
        facts["pymodaq_error_vars"] = error_names
    return xr.Dataset(variables, coords=coords, attrs=facts)


def _dimension_names(data: DataWithAxes) -> tuple[str, ...]:
    names: list[str] = []
    for index in range(len(data.shape)):
        axes = data.get_axis_from_index(index)
        base = (axes[0].label if axes else "") or f"dim_{index}"
        names.append(_unused(base, names))
    return tuple(names)


def _unused(name: str, taken: Iterable[str]) -> str:
    """Return a name, with a number behind it if it is taken."""
    present = set(taken)
    number, candidate = 1, name
    while candidate in present:
        candidate = f"{name}_{number}"
        number += 1
    return candidate


def from_xarray(dataset: Any, kind: type[DataWithAxes] = DataWithAxes) -> DataWithAxes:
    """Make data from an ``xarray.Dataset`` or ``xarray.DataArray``, of any making.

    Parameters
    ----------
    dataset : Dataset or DataArray
        Its variables become the arrays, one-dimensional coordinates the axes.
    kind : type
        The class to make.

    Raises
    ------
    PackageMissingError
    ShapeError
        The variables differ in shape.
    """
    xr = _xarray()
    if isinstance(dataset, xr.DataArray):
        name = str(dataset.name or "data")
        attrs = {"pymodaq_name": name, **dataset.attrs}
        attrs.setdefault("pymodaq_units", str(dataset.attrs.get("units", "")))
        dataset = dataset.to_dataset(name=name).assign_attrs(attrs)
    attrs = dataset.attrs
    error_names = _listed(attrs.get("pymodaq_error_vars"))
    plain = [name for name in dataset.data_vars if name not in error_names]
    first = dataset.data_vars[plain[0]] if plain else None
    dims = list(first.dims) if first is not None else []
    result = kind(
        str(attrs.get("pymodaq_name", "data")),
        source=attrs.get("pymodaq_source", "raw"),
        distribution=attrs.get("pymodaq_distribution", "uniform"),
        data=[dataset.data_vars[name].transpose(*dims, ...).values for name in plain],
        labels=_listed(attrs.get("pymodaq_labels")) or [str(name) for name in plain],
        origin=str(attrs.get("pymodaq_origin", "")),
        units=str(
            attrs.get("pymodaq_units", "" if first is None else first.attrs.get("units", ""))
        ),
        axes=list(_axes_of(dataset, dims)),
        nav_indexes=[int(n) for n in np.atleast_1d(attrs.get("pymodaq_nav_indexes", []))],
        errors=[dataset.data_vars[name].transpose(*dims, ...).values for name in error_names]
        or None,
    )
    if "pymodaq_timestamp" in attrs:
        result.timestamp = float(attrs["pymodaq_timestamp"])
    return result


def _axes_of(dataset: Any, dims: list[Any]) -> Iterator[Axis]:
    for index, dim in enumerate(dims):
        found = [(n, c) for n, c in dataset.coords.items() if c.dims == (dim,)]
        # The coordinate that carries the dimension's name is the axis; others need an order.
        for name, coordinate in found:
            order = int(coordinate.attrs.get("spread_order", 0))
            if order or name == dim or len(found) == 1:
                yield Axis(
                    str(coordinate.attrs.get("pymodaq_label", name)),
                    str(coordinate.attrs.get("units", "")),
                    np.asarray(coordinate.values),
                    index,
                    spread_order=order,
                )


def _listed(value: Any) -> list[str]:
    """Return an attribute that is a list of text; files of netCDF make one item a text."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]


def export_to_xarray(bundle: DataToExport) -> Any:
    """Return a bundle as an ``xarray.DataTree`` with a child for each of its data.

    Raises
    ------
    PackageMissingError
    """
    xr = _xarray()
    children: dict[str, Any] = {}
    for dwa in bundle:
        # A slash would mean a deeper child; the dataset's own attributes keep the real name.
        name = _unused(dwa.name.replace("/", "_") or "data", children)
        children[name] = xr.DataTree(dataset=to_xarray(dwa))
    attrs = {"pymodaq_name": bundle.name, "pymodaq_timestamp": bundle.timestamp}
    return xr.DataTree(dataset=xr.Dataset(attrs=attrs), children=children)


def export_from_xarray(tree: Any, name: str | None = None) -> DataToExport:
    """Make a bundle from an ``xarray.DataTree`` or a mapping of datasets.

    Parameters
    ----------
    tree : DataTree or mapping
        The children of the tree, or the values of the mapping, become data.
    name : str, optional
        Name of the bundle, by default the one in the tree.

    Raises
    ------
    PackageMissingError
    """
    _xarray()
    attrs: Mapping[str, Any] = getattr(tree, "attrs", {})
    children = getattr(tree, "children", tree)
    datasets = [getattr(child, "dataset", child) for child in children.values()]
    result = DataToExport(
        name or str(attrs.get("pymodaq_name", "data")), [from_xarray(d) for d in datasets]
    )
    if "pymodaq_timestamp" in attrs:
        result.timestamp = float(attrs["pymodaq_timestamp"])
    return result
