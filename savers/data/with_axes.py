"""DataWithAxes, DataRaw, DataCalculated: arrays, what they mean, and what else is known."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.errors import ShapeError
from savers.data.axis import Axis
from savers.data.checks import checked_extra, same, text
from savers.data.meaning import DataMeaning
from savers.enums import DataDim, DataDistribution, DataSource, member

if TYPE_CHECKING:
    from savers.data.export import DataToExport

__all__ = ["DataCalculated", "DataRaw", "DataWithAxes"]


class DataWithAxes(DataMeaning):
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

    __slots__ = ("_extra", "origin", "timestamp")
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
            self._data = [array]
        else:
            self._data = self._checked(data)
        self._labels = None
        if labels is not None:
            self.labels = list(labels)
        self._axes = []
        self._nav_indexes = ()
        if axes == () and nav_indexes == ():
            self._distribution = DataDistribution.uniform
            self._dim = DataDim.of_shape(self._data[0].shape)
        else:
            self._arrange(axes, nav_indexes)
        if dim is not None:
            self._check_dim(member(DataDim, dim))
        self._errors = None
        if errors is not None:
            self.errors = list(errors)
        self._extra: dict[str, Any] = {}
        if kwargs:
            self.add_extra_attribute(**kwargs)

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
        self._extra.update(checked_extra(type(self), kwargs))

    def __getattr__(self, name: str) -> Any:
        if name != "_extra":  # while a copy is being made there is none yet
            try:
                return self._extra[name]
            except (KeyError, AttributeError):
                pass
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # -- as a whole -----------------------------------------------------------------------------
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

    def get_full_name(self) -> str:
        """Return origin and name, as in ``camera/image``."""
        return f"{self.origin}/{self.name}"

    def as_dte(self, name: str = "data") -> DataToExport:
        """Return a bundle of these data alone."""
        from savers.data.export import DataToExport  # which is made of these

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
        self.name = text("name of data", self.name)
        self.origin = text("origin of data", self.origin)
        self.units = text("units of data", self.units)

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
            and all(map(same, self._data, other._data))
            and in_order(self._axes) == in_order(other._axes)
            and (self._errors is None) == (other._errors is None)
            and all(map(same, self._errors or [], other._errors or []))
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


def in_order(axes: list[Axis]) -> list[Axis]:
    return sorted(axes, key=lambda axis: (axis.index, axis.spread_order))
