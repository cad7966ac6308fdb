"""Axis: the positions along one dimension, given or equidistant."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.errors import DTypeError, ShapeError
from savers.data.checks import same, text, whole

__all__ = ["Axis"]

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
        self.label = text("label of an axis", label)
        self.units = text("units of an axis", units)
        self.index = index
        self.spread_order = whole("spread_order", spread_order)
        self._scaling = None if scaling is None else float(scaling)
        self._offset = None if offset is None else float(offset)
        self._size = 0 if size is None else whole("size of an axis", size)
        self._data: NDArray[Any] | None = None
        if data is not None:
            self.data = data

    @property
    def index(self) -> int:
        """The dimension of the array that this is an axis of."""
        return self._index

    @index.setter
    def index(self, index: int) -> None:
        self._index = whole("index of an axis", index)

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
        self._size = whole("size of an axis", size)

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
                or same(self.get_data(), other.get_data())
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
