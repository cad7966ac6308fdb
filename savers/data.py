"""The data that savers take and loaders return: axes, arrays with their axes, bundles of these.

Names and meanings are those of ``pymodaq_data.data``, so programs change little; see
:mod:`savers.interchange` for using that package's own objects, and xarray's.
"""

from __future__ import annotations

import copy
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.errors import AttributeValueError, DTypeError, ShapeError
from savers.enums import (
    DataDim,
    DataDistribution,
    DataSource,
    DataType,
    GroupType,
    SaveType,
    member,
)

__all__ = [
    "Axis",
    "DataCalculated",
    "DataDim",
    "DataDistribution",
    "DataRaw",
    "DataSource",
    "DataToExport",
    "DataType",
    "DataWithAxes",
    "GroupType",
    "SaveType",
]

_LINEAR = 1e-5
"""Steps that differ by less than this part of their mean count as equal."""


class Axis:
    """The positions along one dimension of an array, or of its points if these are spread.

    Either the positions themselves, or offset, scaling and size of equidistant ones, which take
    no memory until they are asked for.

    Parameters
    ----------
    label : str
        What is varied, such as ``"delay"``.
    units : str
        Its unit; any text.
    data : array_like, shape (n,), optional
        The positions; not copied. A quantity (something with ``magnitude`` and ``units``) brings
        its units along.
    index : int
        The dimension of the array that this is an axis of.
    scaling, offset : float, optional
        Step and first position of equidistant points; 1 and 0 by default.
    size : int, optional
        Number of equidistant points.
    spread_order : int
        Of several axes for the one dimension of spread points: which.

    Raises
    ------
    DTypeError, ShapeError
        An argument is of the wrong type; the data are not one-dimensional; a number is negative.

    Examples
    --------
    >>> Axis("delay", "fs", offset=-10.0, scaling=0.5, size=4).get_data()
    array([-10. ,  -9.5,  -9. ,  -8.5])
    """

    __slots__ = (
        "_data",
        "_index",
        "_offset",
        "_scaling",
        "_size",
        "label",
        "spread_order",
        "units",
    )
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        label: str = "",
        units: str = "",
        data: ArrayLike | None = None,
        index: int = 0,
        scaling: float | None = None,
        offset: float | None = None,
        size: int | None = None,
        spread_order: int = 0,
    ) -> None:
        self.label = _text("label of an axis", label)
        self.units = _text("units of an axis", units)
        self.index = index
        self.spread_order = _whole("spread_order", spread_order)
        self._scaling = None if scaling is None else float(scaling)
        self._offset = None if offset is None else float(offset)
        self._size = 0 if size is None else _whole("size of an axis", size)
        self._data: NDArray[Any] | None = None
        if data is not None:
            self.data = data

    @property
    def index(self) -> int:
        """The dimension of the array that this is an axis of."""
        return self._index

    @index.setter
    def index(self, index: int) -> None:
        self._index = _whole("index of an axis", index)

    @property
    def data(self) -> NDArray[Any] | None:
        """The positions as they were given, None for equidistant ones that were not."""
        return self._data

    @data.setter
    def data(self, data: ArrayLike | None) -> None:
        magnitude = getattr(data, "magnitude", None)
        if magnitude is not None:
            self.units = str(getattr(data, "units", self.units))
            data = magnitude
        if data is None:
            self._data = None
            return
        array = np.asarray(data)
        if array.ndim != 1:
            raise ShapeError(
                f"the data of the axis {self.label!r} must be one-dimensional",
                found=f"shape {array.shape}",
            )
        if array.dtype.hasobject:
            raise DTypeError(
                f"the data of the axis {self.label!r} are Python objects", expected="numbers"
            )
        self._data = array
        self._scaling = self._offset = None

    @property
    def size(self) -> int:
        """Number of points."""
        return self._size if self._data is None else self._data.size

    @size.setter
    def size(self, size: int) -> None:
        if self._data is not None and self._data.size != size:
            raise ShapeError(
                f"the axis {self.label!r} has data and thereby a size",
                expected=str(self._data.size),
                found=str(size),
            )
        self._size = _whole("size of an axis", size)

    @property
    def scaling(self) -> float | None:
        """Step of equidistant points, None for others."""
        if self._data is not None and self._scaling is None:
            self._find_line()
        return 1.0 if self._data is None and self._scaling is None else self._scaling

    @scaling.setter
    def scaling(self, scaling: float) -> None:
        self._data, self._size = None, self.size
        self._scaling = float(scaling)

    @property
    def offset(self) -> float | None:
        """First position of equidistant points, None for others."""
        if self._data is not None and self._offset is None:
            self._find_line()
        return 0.0 if self._data is None and self._offset is None else self._offset

    @offset.setter
    def offset(self, offset: float) -> None:
        if self._data is not None:
            scaling = self.scaling
            self._data, self._size, self._scaling = None, self.size, scaling
        self._offset = float(offset)

    def _find_line(self) -> None:
        data = self._data
        if data is not None and data.size and self.is_axis_linear():
            self._offset = float(data[0])
            last = float(data[-1])
            self._scaling = (last - self._offset) / (data.size - 1) if data.size > 1 else 1.0

    def is_axis_linear(self) -> bool:
        """Tell whether the points are equidistant (within 1e-5 of their distance)."""
        data = self._data
        if data is None:
            return True
        if data.dtype.kind not in "iuf":
            return False
        if data.size < 3:
            return bool(np.isfinite(data).all())
        steps = np.diff(data.astype(np.float64, copy=False))
        mean = steps.mean()
        return bool(np.isfinite(mean) and (np.abs(steps - mean) <= _LINEAR * abs(mean)).all())

    def get_data(self) -> NDArray[Any]:
        """Return the positions.

        Returns
        -------
        ndarray, shape (n,)
            In :attr:`units`.
        """
        if self._data is not None:
            return self._data
        return self._line(np.arange(self._size))

    def get_data_at(self, indexes: int | slice | Sequence[int] | NDArray[Any]) -> Any:
        """Return the positions of some points, without making the others.

        Parameters
        ----------
        indexes : int, slice, sequence of int, or ndarray
            Which.
        """
        if not isinstance(indexes, (int, slice, np.ndarray)):
            indexes = np.asarray(indexes)
        if self._data is not None:
            return self._data[indexes]
        if isinstance(indexes, slice):
            return self._line(np.arange(*indexes.indices(self._size)))
        chosen = np.asarray(indexes)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        if chosen.size and not (-self._size <= chosen.min() and chosen.max() < self._size):
            raise IndexError(f"the axis {self.label!r} has {self._size} points, not {indexes!r}")
        return self._line(np.where(chosen < 0, chosen + self._size, chosen))

    def _line(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        offset, scaling = self._offset or 0.0, 1.0 if self._scaling is None else self._scaling
        return offset + scaling * numbers.astype(np.float64)

    def find_index(self, value: float) -> int:
        """Return the number of the point that is nearest to a position.

        Raises
        ------
        ShapeError
            The axis has no points.
        """
        if not self.size:
            raise ShapeError(f"the axis {self.label!r} has no points")
        if self._data is None and self._scaling:
            nearest = round((value - (self._offset or 0.0)) / self._scaling)
            return min(max(int(nearest), 0), self._size - 1)
        return int(np.abs(self.get_data() - value).argmin())

    def min(self) -> float:
        """Return the lowest position."""
        return float(self.get_data_at([0, -1]).min() if self._data is None else self._data.min())

    def max(self) -> float:
        """Return the highest position."""
        return float(self.get_data_at([0, -1]).max() if self._data is None else self._data.max())

    def copy(self) -> Axis:
        """Return an axis of its own that shares the positions."""
        return copy.copy(self)

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return True  # an axis without points is still an axis

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Axis):
            return NotImplemented
        return (
            self.label == other.label
            and self.units == other.units
            and self.index == other.index
            and self.spread_order == other.spread_order
            and self.size == other.size
            and (
                (
                    self._data is other._data is None
                    and (self.offset, self.scaling) == (other.offset, other.scaling)
                )
                or _same(self.get_data(), other.get_data())
            )
        )

    def __repr__(self) -> str:
        return (
            f"Axis(label={self.label!r}, units={self.units!r}, index={self.index}, "
            f"size={self.size})"
        )

    def to_pymodaq(self) -> Any:
        """Return the same as an object of ``pymodaq_data``.

        Raises
        ------
        PackageMissingError
            It is not installed.
        """
        from savers import interchange

        return interchange.axis_to_pymodaq(self)


class DataWithAxes:
    """Arrays of one shape that were measured together, and what their dimensions mean.

    Parameters
    ----------
    name : str
        What was measured.
    source : DataSource or str, optional
        Measured (``raw``, the default) or computed.
    dim : DataDim or str, optional
        Dimensionality; found from the data, and only checked if given.
    distribution : DataDistribution or str
        Whether navigation points lie on a grid (``uniform``) or anywhere (``spread``).
    data : list of ndarray
        The arrays, all of one shape; not copied. An array or a number alone is taken as a list of
        one, a number as an array of shape ``(1,)``.
    labels : list of str, optional
        One for each array; ``CH00``, ``CH01``, ... where missing.
    origin : str
        The instrument they come from.
    units : str
        Of the arrays; any text.
    axes : list of Axis
        As many as are known.
    nav_indexes : tuple of int
        The dimensions along which points were visited; the others belong to the signal.
    errors : list of ndarray, optional
        Error bars, like `data`.
    **kwargs
        Extra attributes, saved with the data; they can be read like any attribute.

    Raises
    ------
    DTypeError, ShapeError, UnknownNameError, AttributeValueError
        An argument is of the wrong type, or does not fit the others.

    Examples
    --------
    >>> spectrum = DataRaw(
    ...     "spectrum", units="counts", data=[np.arange(3.0)], gain=5,
    ...     axes=[Axis("energy", "eV", offset=1.5, scaling=0.1, size=3)],
    ... )
    >>> spectrum.dim.name, spectrum.shape, spectrum.labels, spectrum.gain
    ('Data1D', (3,), ['CH00'], 5)
    """

    __slots__ = (
        "__weakref__",
        "_axes",
        "_data",
        "_dim",
        "_distribution",
        "_errors",
        "_extra",
        "_labels",
        "_nav_indexes",
        "_source",
        "name",
        "origin",
        "timestamp",
        "units",
    )
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        name: str,
        source: DataSource | str | None = None,
        dim: DataDim | str | None = None,
        distribution: DataDistribution | str = DataDistribution.uniform,
        data: Sequence[ArrayLike] | NDArray[Any] | float | None = None,
        labels: Sequence[str] | None = None,
        origin: str = "",
        units: str = "",
        axes: Iterable[Axis] = (),
        nav_indexes: Iterable[int] = (),
        errors: Iterable[NDArray[Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.timestamp = time.time()
        self.name = name
        self.origin = origin
        self.units = units
        if not (type(name) is type(origin) is type(units) is str):
            self._check_texts()
        self._source = DataSource.raw if source is None else member(DataSource, source)
        self._distribution = member(DataDistribution, distribution)
        # One array, no axes: that is every point of a timed log, and must cost next to nothing.
        if (
            type(data) is list
            and len(data) == 1
            and type(array := data[0]) is np.ndarray
            and array.ndim
            and not array.dtype.hasobject
        ):
            self._data: list[NDArray[Any]] = [array]
        else:
            self._data = self._checked(data)
        self._labels: list[str] | None = None
        if labels is not None:
            self.labels = list(labels)
        self._axes: list[Axis] = []
        self._nav_indexes: tuple[int, ...] = ()
        if axes == () and nav_indexes == ():
            self._distribution = DataDistribution.uniform
            self._dim = DataDim.of_shape(self._data[0].shape)
        else:
            self._arrange(axes, nav_indexes)
        if dim is not None:
            self._check_dim(member(DataDim, dim))
        self._errors: list[NDArray[Any]] | None = None
        if errors is not None:
            self.errors = list(errors)
        self._extra: dict[str, Any] = {}
        if kwargs:
            self.add_extra_attribute(**kwargs)

    # -- the arrays -----------------------------------------------------------------------------
    @property
    def data(self) -> list[NDArray[Any]]:
        """The arrays, all of shape :attr:`shape`; replacing them checks them again."""
        return self._data

    @data.setter
    def data(self, data: Sequence[ArrayLike] | NDArray[Any] | float) -> None:
        arrays = self._checked(data)
        before, self._data = self._data, arrays
        try:
            if self._errors is not None:
                self._check_like_data("errors", self._errors)
            self._arrange(self._axes, self._nav_indexes)
        except ShapeError:
            self._data = before
            raise
        if self._labels is not None:
            self._labels = self._labels[: len(arrays)]

    def _checked(self, data: Any) -> list[NDArray[Any]]:
        magnitude = getattr(data, "magnitude", None)
        if magnitude is not None:
            self.units, data = str(data.units), magnitude
        items = list(data) if isinstance(data, (list, tuple)) else [data]
        if items and hasattr(items[0], "magnitude"):
            self.units = str(items[0].units)
            items = [item.magnitude for item in items]
        if not items or items[0] is None:
            raise DTypeError(f"the data {self.name!r} have no array", expected="a list of arrays")
        arrays = [self._as_array(item) for item in items]
        for array in arrays:
            if array.shape != arrays[0].shape:
                raise ShapeError(
                    f"the arrays of the data {self.name!r} differ in shape",
                    expected=str(arrays[0].shape),
                    found=str(array.shape),
                )
        return arrays

    def _as_array(self, item: ArrayLike) -> NDArray[Any]:
        try:
            array = np.asarray(item)
        except ValueError as exc:
            raise ShapeError(f"an array of the data {self.name!r} is ragged") from exc
        if array.dtype.hasobject:
            raise DTypeError(
                f"an array of the data {self.name!r} holds Python objects", expected="numbers"
            )
        return array if array.ndim else array.reshape(1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each array."""
        return self._data[0].shape

    @property
    def size(self) -> int:
        """Number of elements of each array."""
        return self._data[0].size

    @property
    def length(self) -> int:
        """Number of arrays."""
        return len(self._data)

    @property
    def labels(self) -> list[str]:
        """One label for each array."""
        if self._labels is None:
            self._labels = []
        for number in range(len(self._labels), len(self._data)):
            self._labels.append(f"CH{number:02d}")
        return self._labels

    @labels.setter
    def labels(self, labels: Sequence[str] | None) -> None:
        chosen = [_text("label of an array", label) for label in labels or ()]
        if len(chosen) > len(self._data):
            raise ShapeError(
                f"there are more labels than arrays in the data {self.name!r}",
                expected=f"at most {len(self._data)}",
                found=str(len(chosen)),
            )
        self._labels = chosen

    @property
    def errors(self) -> list[NDArray[Any]] | None:
        """Error bars, one array for each array, or None."""
        return self._errors

    @errors.setter
    def errors(self, errors: Sequence[NDArray[Any]] | None) -> None:
        if errors is None:
            self._errors = None
            return
        arrays = [self._as_array(error) for error in errors]
        self._check_like_data("errors", arrays)
        self._errors = arrays

    def _check_like_data(self, what: str, arrays: list[NDArray[Any]]) -> None:
        if len(arrays) != len(self._data) or any(a.shape != self.shape for a in arrays):
            raise ShapeError(
                f"the {what} of the data {self.name!r} do not fit the data",
                expected=f"{len(self._data)} of shape {self.shape}",
                found=f"{len(arrays)} of shape {', '.join(str(a.shape) for a in arrays)}",
            )

    def get_error(self, index: int) -> NDArray[Any]:
        """Return the error bars of one array, a zero where there are none."""
        return np.zeros(1) if self._errors is None else self._errors[index]

    def errors_as_dwa(self) -> DataWithAxes:
        """Return the error bars as data of their own.

        Raises
        ------
        ShapeError
            There are none.
        """
        if self._errors is None:
            raise ShapeError(f"the data {self.name!r} have no errors")
        result = self.copy()
        result.name = f"{self.name}_errors"
        result._data, result._errors = list(self._errors), None
        return result

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return True  # there is always an array; what is in it is another question

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self._data)

    @overload
    def __getitem__(self, item: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, item: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, item: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        return self._data[item]

    # -- what they mean -------------------------------------------------------------------------
    @property
    def source(self) -> DataSource:
        """Measured or computed."""
        return self._source

    @source.setter
    def source(self, source: DataSource | str) -> None:
        self._source = member(DataSource, source)

    @property
    def distribution(self) -> DataDistribution:
        """How navigation points lie; ``uniform`` without any."""
        return self._distribution

    @property
    def dim(self) -> DataDim:
        """Dimensionality, ``DataND`` with navigation."""
        return self._dim

    def set_dim(self, dim: DataDim | str) -> None:
        """Call the data by another dimensionality than they have, unchecked."""
        self._dim = member(DataDim, dim)

    def _check_dim(self, dim: DataDim) -> None:
        """Refuse a dimensionality that the data cannot have."""
        if dim in (self._dim, DataDim.DataND):
            return
        if self.shape == (1,) and dim in (DataDim.Data0D, DataDim.Data1D):
            return  # one point of a spectrum looks like a scalar
        raise ShapeError(
            f"the data {self.name!r} are not {dim.name}",
            expected=self._dim.name,
            found=f"shape {self.shape}, navigation along {self._nav_indexes}",
        )

    @property
    def axes(self) -> list[Axis]:
        """The axes that are known; replacing them checks them again."""
        return self._axes

    @axes.setter
    def axes(self, axes: Iterable[Axis]) -> None:
        self._arrange(axes, self._nav_indexes)

    @property
    def n_axes(self) -> int:
        """Number of axes that are known."""
        return len(self._axes)

    @property
    def nav_indexes(self) -> tuple[int, ...]:
        """The dimensions along which points were visited."""
        return self._nav_indexes

    @nav_indexes.setter
    def nav_indexes(self, nav_indexes: Iterable[int]) -> None:
        self._arrange(self._axes, nav_indexes)

    @property
    def sig_indexes(self) -> tuple[int, ...]:
        """The dimensions of the signal."""
        return tuple(n for n in range(len(self.shape)) if n not in self._nav_indexes)

    @property
    def nav_shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions along which points were visited."""
        return tuple(self.shape[n] for n in self._nav_indexes)

    @property
    def sig_shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions of the signal."""
        return tuple(self.shape[n] for n in self.sig_indexes)

    def _arrange(self, axes: Iterable[Axis], nav_indexes: Iterable[int]) -> None:
        """Check axes and navigation against the shape, then take them."""
        chosen = list(axes)
        nav = tuple(_whole("nav_indexes", n) for n in nav_indexes)
        shape, rank = self.shape, len(self.shape)
        if len(set(nav)) != len(nav) or any(n >= rank for n in nav):
            raise ShapeError(
                f"nav_indexes of the data {self.name!r} do not fit the shape",
                expected=f"different dimensions below {rank}",
                found=str(nav),
            )
        spread = self._distribution is DataDistribution.spread and bool(nav)
        if spread and len(nav) != 1:
            raise ShapeError(
                f"spread points of the data {self.name!r} lie along one dimension",
                expected="one navigation index",
                found=str(nav),
            )
        for axis in chosen:
            self._check_axis(axis, shape)
        if not spread:
            self._distribution = DataDistribution.uniform
        self._axes, self._nav_indexes = chosen, nav
        self._dim = self._find_dim()

    def _check_axis(self, axis: Axis, shape: tuple[int, ...]) -> None:
        if not isinstance(axis, Axis):
            raise DTypeError(
                f"an axis of the data {self.name!r} is not an Axis",
                found=type(axis).__name__,
                remedy="Convert it with savers.interchange.as_axis().",
            )
        if axis.index >= len(shape) or axis.size != shape[axis.index]:
            raise ShapeError(
                f"the axis {axis.label!r} does not fit the data {self.name!r}",
                expected=f"an axis for the shape {shape}",
                found=f"{axis.size} points along dimension {axis.index}",
            )

    def _find_dim(self) -> DataDim:
        rank = len(self.shape)
        if self._nav_indexes:
            return DataDim.DataND
        if len(self._axes) == rank <= 2:
            # One point with an axis is a spectrum of one point.
            return DataDim.Data1D if rank == 1 else DataDim.Data2D
        return DataDim.of_shape(self.shape)

    def get_axis_from_index(self, index: int, create: bool = False) -> list[Axis]:
        """Return the axes of one dimension; several only for spread points.

        Parameters
        ----------
        index : int
            The dimension.
        create : bool
            Whether to make one that counts points where none is known.
        """
        found = [axis for axis in self._axes if axis.index == index]
        if not found and create:
            found = [Axis(index=index, size=self.shape[index])]
        return sorted(found, key=operator.attrgetter("spread_order"))

    def get_axis_from_label(self, label: str) -> Axis | None:
        """Return the first axis of a label, None without one."""
        return next((axis for axis in self._axes if axis.label == label), None)

    def get_nav_axes(self) -> list[Axis]:
        """Return the axes of navigation, one that counts points where none is known."""
        return [a for n in self._nav_indexes for a in self.get_axis_from_index(n, create=True)]

    def get_sig_axes(self) -> list[Axis]:
        """Return the axes of the signal, one that counts points where none is known."""
        return [a for n in self.sig_indexes for a in self.get_axis_from_index(n, create=True)]

    def create_missing_axes(self) -> None:
        """Give every dimension of more than one point an axis that counts, where it has none."""
        known = {axis.index for axis in self._axes}
        for index, length in enumerate(self.shape):
            if index not in known and length > 1:
                self._axes.append(Axis(index=index, size=length))

    # -- extra attributes -----------------------------------------------------------------------
    @property
    def extra_attributes(self) -> list[str]:
        """The names of the attributes that were given beside the known ones."""
        return list(self._extra)

    def add_extra_attribute(self, **kwargs: Any) -> None:
        """Set extra attributes.

        Raises
        ------
        AttributeValueError
            The name has a meaning already.
        """
        self._extra.update(_checked_extra(type(self), kwargs))

    def __getattr__(self, name: str) -> Any:
        if name != "_extra":  # while a copy is being made there is none yet
            try:
                return self._extra[name]
            except (KeyError, AttributeError):
                pass
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # -- as a whole -----------------------------------------------------------------------------
    def get_full_name(self) -> str:
        """Return origin and name, as in ``camera/image``."""
        return f"{self.origin}/{self.name}"

    def as_dte(self, name: str = "data") -> DataToExport:
        """Return a bundle of these data alone."""
        return DataToExport(name, [self])

    def copy(self) -> Self:
        """Return data of their own that share the arrays; axes are copied."""
        result = copy.copy(self)
        result._data = list(self._data)
        result._axes = [axis.copy() for axis in self._axes]
        result._errors = None if self._errors is None else list(self._errors)
        result._labels = None if self._labels is None else list(self._labels)
        result._extra = dict(self._extra)
        return result

    def deepcopy(self) -> Self:
        """Return data that share nothing with these."""
        return copy.deepcopy(self)

    def _check_texts(self) -> None:
        self.name = _text("name of data", self.name)
        self.origin = _text("origin of data", self.origin)
        self.units = _text("units of data", self.units)

    def __eq__(self, other: object) -> bool:
        """Tell whether two data say the same; when they were taken is not compared."""
        if not isinstance(other, DataWithAxes):
            return NotImplemented
        mine, theirs = (
            (
                d.name,
                d.origin,
                d.units,
                d.labels,
                d.source,
                d.dim,
                d.distribution,
                d.nav_indexes,
                d.shape,
                len(d.data),
            )
            for d in (self, other)
        )
        return (
            mine == theirs
            and all(map(_same, self._data, other._data))
            and _sorted(self._axes) == _sorted(other._axes)
            and (self._errors is None) == (other._errors is None)
            and all(map(_same, self._errors or [], other._errors or []))
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, {self._dim.name}, {len(self._data)} x "
            f"{self.shape}, units={self.units!r}, origin={self.origin!r})"
        )

    def to_pymodaq(self) -> Any:
        """Return the same as an object of ``pymodaq_data``.

        Raises
        ------
        PackageMissingError
            It is not installed.
        """
        from savers import interchange

        return interchange.data_to_pymodaq(self)

    def to_xarray(self) -> Any:
        """Return the same as an ``xarray.Dataset``, see :func:`savers.interchange.to_xarray`."""
        from savers import interchange

        return interchange.to_xarray(self)

    @classmethod
    def from_xarray(cls, dataset: Any) -> DataWithAxes:
        """Make data from an xarray object, see :func:`savers.interchange.from_xarray`."""
        from savers import interchange

        return interchange.from_xarray(dataset, cls)


class DataRaw(DataWithAxes):
    """Measured data: a :class:`DataWithAxes` of source ``raw``."""

    __slots__ = ()

    def __init__(self, name: str, dim: DataDim | str | None = None, *args: Any, **kwargs: Any):
        kwargs.pop("source", None)
        super().__init__(name, DataSource.raw, dim, *args, **kwargs)


class DataCalculated(DataWithAxes):
    """Computed data: a :class:`DataWithAxes` of source ``calculated``."""

    __slots__ = ()

    def __init__(self, name: str, dim: DataDim | str | None = None, *args: Any, **kwargs: Any):
        kwargs.pop("source", None)
        super().__init__(name, DataSource.calculated, dim, *args, **kwargs)


class DataToExport:
    """Data that belong together: what one point of a scan, or one look at instruments, gave.

    Parameters
    ----------
    name : str
        What it is.
    data : list of DataWithAxes
        The data; those without an origin get the bundle's name for it (as copies that share the
        arrays: what was passed in stays as it was).
    **kwargs
        Extra attributes.

    Raises
    ------
    DTypeError
        Something in the list is not data.
    """

    __slots__ = ("__weakref__", "_data", "_extra", "name", "timestamp")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, data: Iterable[DataWithAxes] = (), **kwargs: Any) -> None:
        self.timestamp = time.time()
        self.name = name if type(name) is str else _text("name of data", name)
        self._extra = _checked_extra(DataToExport, kwargs)
        self._data: list[DataWithAxes] = [self._taken(dwa) for dwa in data]

    def _taken(self, dwa: DataWithAxes) -> DataWithAxes:
        if not isinstance(dwa, DataWithAxes):
            raise DTypeError(
                f"what is in the bundle {self.name!r} must be data",
                expected="DataWithAxes",
                found=type(dwa).__name__,
                remedy="Convert it with savers.interchange.as_data().",
            )
        if not dwa.origin:
            dwa = dwa.copy()
            dwa.origin = self.name
        return dwa

    @property
    def data(self) -> list[DataWithAxes]:
        """The data."""
        return self._data

    @data.setter
    def data(self, data: Iterable[DataWithAxes]) -> None:
        self._data = [self._taken(dwa) for dwa in data]

    def append(self, data: DataWithAxes | DataToExport | Iterable[DataWithAxes]) -> None:
        """Add data; those of the same name and origin as before replace them.

        Parameters
        ----------
        data : DataWithAxes, DataToExport or list of DataWithAxes
        """
        for dwa in [data] if isinstance(data, DataWithAxes) else list(data):
            taken = self._taken(dwa)
            key = (taken.name, taken.origin)
            self._data = [d for d in self._data if (d.name, d.origin) != key]
            self._data.append(taken)

    def pop(self, index: int) -> DataWithAxes:
        """Remove and return data by their number."""
        return self._data.pop(index)

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return True  # an empty bundle is still one

    def __iter__(self) -> Iterator[DataWithAxes]:
        return iter(self._data)

    @overload
    def __getitem__(self, item: int) -> DataWithAxes: ...
    @overload
    def __getitem__(self, item: slice) -> DataToExport: ...
    def __getitem__(self, item: int | slice) -> DataWithAxes | DataToExport:
        if isinstance(item, slice):
            return self._bundle(self._data[item])
        return self._data[item]

    def _bundle(self, data: Iterable[DataWithAxes]) -> DataToExport:
        result = DataToExport(self.name, data)
        result.timestamp = self.timestamp
        return result

    # -- choosing -------------------------------------------------------------------------------
    def get_names(self, dim: DataDim | str | None = None) -> list[str]:
        """Return the names of the data, of one dimensionality if given."""
        return [dwa.name for dwa in self._of_dim(dim)]

    def get_full_names(self, dim: DataDim | str | None = None) -> list[str]:
        """Return origin and name of the data, of one dimensionality if given."""
        return [dwa.get_full_name() for dwa in self._of_dim(dim)]

    def get_origins(self, dim: DataDim | str | None = None) -> list[str]:
        """Return where the data come from, each once, in their order."""
        return list(dict.fromkeys(dwa.origin for dwa in self._of_dim(dim)))

    def _of_dim(self, dim: DataDim | str | None) -> list[DataWithAxes]:
        if dim is None:
            return self._data
        wanted = member(DataDim, dim)
        return [dwa for dwa in self._data if dwa.dim is wanted]

    def get_dim_presents(self) -> list[str]:
        """Return the names of the dimensionalities that occur, lowest first."""
        present = {dwa.dim for dwa in self._data}
        return [dim.name for dim in DataDim if dim in present]

    def get_data_from_dim(self, dim: DataDim | str) -> DataToExport:
        """Return the data of one dimensionality."""
        return self._bundle(self._of_dim(dim))

    def get_data_from_source(self, source: DataSource | str) -> DataToExport:
        """Return the data that were measured, or computed."""
        wanted = member(DataSource, source)
        return self._bundle(dwa for dwa in self._data if dwa.source is wanted)

    def get_data_from_name(self, name: str) -> DataWithAxes | None:
        """Return the first data of a name, None without any."""
        return next((dwa for dwa in self._data if dwa.name == name), None)

    def get_data_from_name_origin(self, name: str, origin: str = "") -> DataWithAxes | None:
        """Return the data of a name and origin, None without any; an empty origin is any."""
        if not origin:
            return self.get_data_from_name(name)
        return next((d for d in self._data if (d.name, d.origin) == (name, origin)), None)

    def get_data_from_full_name(self, full_name: str) -> DataWithAxes | None:
        """Return the data of an origin and name, as in ``camera/image``, None without any."""
        origin, _, name = full_name.partition("/")
        return self.get_data_from_name_origin(name, origin)

    # -- as a whole -----------------------------------------------------------------------------
    @property
    def extra_attributes(self) -> list[str]:
        """The names of the attributes that were given beside the known ones."""
        return list(self._extra)

    def __getattr__(self, name: str) -> Any:
        if name != "_extra":
            try:
                return self._extra[name]
            except (KeyError, AttributeError):
                pass
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def deepcopy(self) -> DataToExport:
        """Return a bundle that shares nothing with this one."""
        return copy.deepcopy(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataToExport):
            return NotImplemented
        return self.name == other.name and self._data == other._data

    def __repr__(self) -> str:
        inside = "".join(f"\n  {dwa!r}" for dwa in self._data)
        return f"{type(self).__name__}({self.name!r}, {len(self._data)} data){inside}"

    def to_pymodaq(self) -> Any:
        """Return the same as an object of ``pymodaq_data``.

        Raises
        ------
        PackageMissingError
            It is not installed.
        """
        from savers import interchange

        return interchange.export_to_pymodaq(self)

    def to_xarray(self) -> Any:
        """Return an ``xarray.DataTree`` with a dataset for each of the data."""
        from savers import interchange

        return interchange.export_to_xarray(self)

    @classmethod
    def from_xarray(cls, tree: Any, name: str | None = None) -> DataToExport:
        """Make a bundle from an ``xarray.DataTree`` or a mapping of datasets."""
        from savers import interchange

        return interchange.export_from_xarray(tree, name)


_OLD_AXES = frozenset({"x_axis", "y_axis", "nav_x_axis", "nav_y_axis", "nav_axes"})
"""Arguments of earlier PyMoDAQ versions."""


def _checked_extra(kind: type, extra: Mapping[str, Any]) -> dict[str, Any]:
    for name in extra:
        if name in _OLD_AXES or hasattr(kind, name):
            raise AttributeValueError(
                f"{name!r} cannot be an extra attribute of data: the name has a meaning",
                remedy="Give axes=[Axis(..., index=...)] and nav_indexes=(...)."
                if name in _OLD_AXES
                else "Choose another name.",
            )
    return dict(extra)


def _text(what: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise DTypeError(f"the {what} must be a text", found=f"{type(value).__name__} {value!r}")


def _whole(what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError as exc:
        raise DTypeError(f"{what} must be a whole number", found=repr(value)) from exc
    if isinstance(value, (bool, np.bool_)):
        raise DTypeError(f"{what} must be a whole number", found=repr(value))
    if number < 0:
        raise ShapeError(f"{what} must not be negative", found=str(number))
    return number


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Tell whether two arrays hold the same values, NaN being the same as NaN."""
    if one.shape != other.shape:
        return False
    floating = one.dtype.kind in "fcmM" and other.dtype.kind in "fcmM"
    return bool(np.array_equal(one, other, equal_nan=floating))


def _sorted(axes: list[Axis]) -> list[Axis]:
    return sorted(axes, key=lambda axis: (axis.index, axis.spread_order))
