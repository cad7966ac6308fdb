"""Data of other packages: those of ``pymodaq_data`` as they are, those of xarray and back.

Savers ask for what an object *has*, not for its class: :class:`DataLike` and its companions
describe what is needed, and the objects of ``pymodaq_data`` have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import DTypeError, H5Error
from savers.data import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes

__all__ = [
    "AxisLike",
    "DataLike",
    "ExportLike",
    "PackageMissingError",
    "as_axis",
    "as_data",
    "as_export",
    "axis_to_pymodaq",
    "data_to_pymodaq",
    "export_from_xarray",
    "export_to_pymodaq",
    "export_to_xarray",
    "from_xarray",
    "to_xarray",
]


class PackageMissingError(H5Error, ImportError):
    """An optional package is not installed."""


class Named(Protocol):
    """A member of an enumeration, of whatever class."""

    @property
    def name(self) -> str:
        """Its name."""


class AxisLike(Protocol):
    """What savers need of an axis."""

    label: str
    units: str

    @property
    def index(self) -> int:
        """The dimension of the array that it is an axis of."""

    @property
    def spread_order(self) -> int:
        """Of several axes for one dimension: which."""

    @property
    def data(self) -> NDArray[Any] | None:
        """The positions, None where offset and scaling say them."""

    @property
    def offset(self) -> float | None:
        """First position of equidistant points."""

    @property
    def scaling(self) -> float | None:
        """Step of equidistant points."""

    @property
    def size(self) -> int:
        """Number of points."""

    def get_data(self) -> NDArray[Any]:
        """Return the positions, shape (size,)."""


class DataLike(Protocol):
    """What savers need of data."""

    name: str
    origin: str
    timestamp: float

    @property
    def data(self) -> Sequence[NDArray[Any]]:
        """Arrays of one shape."""

    @property
    def labels(self) -> Sequence[str]:
        """One for each array."""

    @property
    def units(self) -> str:
        """Of the arrays."""

    @property
    def source(self) -> Named:
        """``raw`` or ``calculated``."""

    @property
    def dim(self) -> Named:
        """``Data0D`` to ``DataND``."""

    @property
    def distribution(self) -> Named:
        """``uniform`` or ``spread``."""

    @property
    def axes(self) -> Sequence[AxisLike]:
        """The axes that are known."""

    @property
    def nav_indexes(self) -> Iterable[int]:
        """Dimensions along which points were visited."""

    @property
    def errors(self) -> Sequence[NDArray[Any]] | None:
        """Error bars, like `data`."""

    @property
    def extra_attributes(self) -> Sequence[str]:
        """Names of further attributes of the object to be saved."""


class ExportLike(Protocol):
    """What savers need of a bundle of data."""

    name: str
    timestamp: float

    @property
    def data(self) -> Sequence[DataLike]:
        """The data."""


_AXIS_PARTS = ("label", "units", "index", "spread_order", "data", "size", "get_data")
_DATA_PARTS = (
    "name",
    "data",
    "labels",
    "units",
    "origin",
    "source",
    "dim",
    "distribution",
    "axes",
    "nav_indexes",
)


def as_axis(axis: AxisLike) -> Axis:
    """Return an axis of whatever package as one of ours; ours as it is.

    Raises
    ------
    DTypeError
        The object is not like an axis.
    """
    if isinstance(axis, Axis):
        return axis
    _require(axis, _AXIS_PARTS, "axis")
    result = Axis(
        axis.label,
        axis.units,
        axis.data,
        int(axis.index),
        spread_order=int(axis.spread_order),
    )
    if axis.data is None:
        if axis.scaling is None or axis.offset is None:
            result.data = axis.get_data()
        else:
            result.size = int(axis.size)
            result.offset, result.scaling = float(axis.offset), float(axis.scaling)
    return result


def as_data(data: DataLike) -> DataWithAxes:
    """Return data of whatever package as ours, sharing the arrays; ours as they are.

    Parameters
    ----------
    data : DataLike
        For instance a ``DataWithAxes`` of ``pymodaq_data``. Not changed.

    Raises
    ------
    DTypeError
        The object is not like data.
    ShapeError
        Its parts do not fit one another.
    """
    if isinstance(data, DataWithAxes):
        return data
    _require(data, _DATA_PARTS, "data")
    result = DataWithAxes(
        data.name,
        data.source.name,
        distribution=data.distribution.name,
        data=list(data.data),
        labels=list(data.labels),
        origin=data.origin or "",
        units=data.units,
        axes=[as_axis(axis) for axis in data.axes],
        nav_indexes=[int(index) for index in data.nav_indexes or ()],
        errors=getattr(data, "errors", None),
        **{name: getattr(data, name) for name in getattr(data, "extra_attributes", ())},
    )
    result.timestamp = float(getattr(data, "timestamp", result.timestamp))
    result.set_dim(data.dim.name)
    return result


def as_export(bundle: ExportLike | DataLike | Iterable[DataLike]) -> DataToExport:
    """Return a bundle of data of whatever package as one of ours; ours as it is.

    Parameters
    ----------
    bundle : ExportLike, DataLike, or iterable of DataLike
        Data alone become a bundle of one.
    """
    if isinstance(bundle, DataToExport):
        return bundle
    if isinstance(bundle, DataWithAxes):
        return bundle.as_dte(bundle.name)
    if hasattr(bundle, "nav_indexes"):
        return as_data(bundle).as_dte(bundle.name)  # type: ignore[arg-type,union-attr]
    parts = getattr(bundle, "data", bundle)
    if not isinstance(parts, Iterable):
        raise DTypeError("this is not a bundle of data", found=type(bundle).__name__)
    result = DataToExport(getattr(bundle, "name", "data"), [as_data(part) for part in parts])
    result.timestamp = float(getattr(bundle, "timestamp", result.timestamp))
    return result


def _require(thing: object, parts: Iterable[str], what: str) -> None:
    missing = [part for part in parts if not hasattr(thing, part)]
    if missing:
        raise DTypeError(
            f"this object is not like {what}",
            expected=", ".join(parts),
            found=f"{type(thing).__name__}, without {', '.join(missing)}",
        )


# -- to pymodaq_data ----------------------------------------------------------------------------


def _package(module: str, install: str) -> Any:
    try:
        return import_module(module)
    except ImportError as exc:
        raise PackageMissingError(
            f"the package {install!r} is not installed", remedy=f"pip install {install}"
        ) from exc


def _pymodaq() -> Any:
    return _package("pymodaq_data.data", "pymodaq_data")


def axis_to_pymodaq(axis: Axis) -> Any:
    """Return an ``Axis`` of ``pymodaq_data``; it keeps only units that its registry knows.

    Raises
    ------
    PackageMissingError
    """
    given = axis.data
    line = {} if given is not None else {"offset": axis.offset, "scaling": axis.scaling}
    return _pymodaq().Axis(
        label=axis.label,
        units=axis.units,
        data=given,
        index=axis.index,
        size=axis.size,
        spread_order=axis.spread_order,
        **line,
    )


def data_to_pymodaq(data: DataWithAxes) -> Any:
    """Return a ``DataWithAxes`` (``DataRaw``, ``DataCalculated``) of ``pymodaq_data``.

    It shares the arrays, and keeps only units that its registry knows.

    Raises
    ------
    PackageMissingError
    """
    package = _pymodaq()
    kinds = {DataRaw: package.DataRaw, DataCalculated: package.DataCalculated}
    result = kinds.get(type(data), package.DataWithAxes)(
        data.name,
        source=data.source.name,
        distribution=data.distribution.name,
        data=list(data.data),
        labels=list(data.labels),
        origin=data.origin,
        units=data.units,
        axes=[axis_to_pymodaq(axis) for axis in data.axes],
        nav_indexes=data.nav_indexes,
        errors=None if data.errors is None else list(data.errors),
        **{name: getattr(data, name) for name in data.extra_attributes},
    )
    result.timestamp = data.timestamp
    return result


def export_to_pymodaq(bundle: DataToExport) -> Any:
    """Return a ``DataToExport`` of ``pymodaq_data``.

    Raises
    ------
    PackageMissingError
    """
    extra = {name: getattr(bundle, name) for name in bundle.extra_attributes}
    result = _pymodaq().DataToExport(
        bundle.name, data=[data_to_pymodaq(dwa) for dwa in bundle], **extra
    )
    result.timestamp = bundle.timestamp
    return result


# -- xarray -------------------------------------------------------------------------------------

_ERROR = "_error"


def _xarray() -> Any:
    return _package("xarray", "xarray")


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
