"""What savers need of objects, of whatever package, and how these become ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from h5backends.errors import DTypeError
from savers.data import Axis, DataToExport, DataWithAxes

__all__ = ["AxisLike", "DataLike", "ExportLike", "as_axis", "as_data", "as_export"]


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
