"""The arrays of data: of one shape, with labels and error bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.errors import DTypeError, ShapeError
from savers.data.checks import text

__all__ = ["DataArrays"]


class DataArrays:
    """Arrays of one shape, their labels, their error bars."""

    __slots__ = ("__weakref__", "_data", "_errors", "_labels", "name", "units")

    _data: list[NDArray[Any]]
    _errors: list[NDArray[Any]] | None
    _labels: list[str] | None
    name: str
    units: str

    def _shape_changed(self) -> None:
        """Check what depends on the shape.

        Raises
        ------
        ShapeError
            It does not fit any more.
        """

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
            self._shape_changed()
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
        chosen = [text("label of an array", label) for label in labels or ()]
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
