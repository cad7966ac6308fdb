"""What the dimensions of data mean: axes, navigation, dimensionality, distribution."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from h5backends.errors import DTypeError, ShapeError
from savers.data.arrays import DataArrays
from savers.data.axis import Axis
from savers.data.checks import whole
from savers.enums import DataDim, DataDistribution, DataSource, member

__all__ = ["DataMeaning"]


class DataMeaning(DataArrays):
    """Arrays whose dimensions have axes, and belong to the signal or to navigation."""

    __slots__ = ("_axes", "_dim", "_distribution", "_nav_indexes", "_source")

    _axes: list[Axis]
    _dim: DataDim
    _distribution: DataDistribution
    _nav_indexes: tuple[int, ...]
    _source: DataSource

    def _shape_changed(self) -> None:
        self._arrange(self._axes, self._nav_indexes)

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
        nav = tuple(whole("nav_indexes", n) for n in nav_indexes)
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
