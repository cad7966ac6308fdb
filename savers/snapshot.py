"""Copies of what a program hands to a saver, so that it may use its arrays again at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import DTypeError
from h5backends.nodes import Node
from savers.data import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes
from savers.interchange import as_data, as_export

__all__ = ["snapshot"]

_OVERHEAD = 512
"""Bytes that the Python objects of a call take, and those of each signal, about."""

_UNCHANGING = (str, bytes, int, float, complex, bool, type(None), range, np.generic, Enum, Node)


def snapshot(values: Any, keyword: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], int]:
    """Return arguments of a call that share nothing with those given.

    Parameters
    ----------
    values : tuple
        Arguments by position: data of ours, or like them, arrays, and whatever can be copied.
        Iterators are used up.
    keyword : dict
        Arguments by name.

    Returns
    -------
    values, keyword
        Copies; nodes are the same, since savers know them again.
    nbytes : int
        How much memory they take, about.

    Raises
    ------
    DTypeError
        One of them cannot be copied.
    """
    sizes: list[int] = []
    copies = tuple([_own(value, sizes) for value in values])
    named = {name: _own(value, sizes) for name, value in keyword.items()} if keyword else {}
    return copies, named, _OVERHEAD + sum(sizes)


def _own(value: Any, sizes: list[int]) -> Any:
    kind = type(value)
    if kind is str or kind is float or kind is int:
        return value
    if kind is DataToExport:
        return _own_bundle(value, sizes)
    if kind is np.ndarray and not value.dtype.hasobject:
        return _own_array(value, sizes)
    if isinstance(value, _UNCHANGING):
        return value
    if kind is tuple:
        return tuple([_own(item, sizes) for item in value])
    if kind is list:
        return [_own(item, sizes) for item in value]
    if kind is dict:
        return {name: _own(item, sizes) for name, item in value.items()}
    if kind in _OURS:
        return _own_data(value, sizes)
    if kind is Axis:
        return _own_axis(value, sizes)
    return _own_other(value, sizes)


def _own_array(array: NDArray[Any], sizes: list[int]) -> NDArray[Any]:
    sizes.append(array.nbytes)
    return array.copy()


def _own_bundle(bundle: DataToExport, sizes: list[int]) -> DataToExport:
    result = DataToExport.__new__(DataToExport)
    result.name = bundle.name
    result.timestamp = bundle.timestamp
    result._extra = _own(bundle._extra, sizes) if bundle._extra else {}
    result._data = [
        _own_data(dwa, sizes) if type(dwa) in _OURS else _own(dwa, sizes) for dwa in bundle._data
    ]
    return result


_OURS = frozenset({DataWithAxes, DataRaw, DataCalculated})


def _own_data(data: DataWithAxes, sizes: list[int]) -> DataWithAxes:
    # By hand: this is what a program waits for at every point, and copy.deepcopy takes ten times
    # as long.
    kind = type(data)
    result = kind.__new__(kind)
    result.name = data.name
    result.origin = data.origin
    result.units = data.units
    result.timestamp = data.timestamp
    result._source = data._source
    result._distribution = data._distribution
    result._dim = data._dim
    result._nav_indexes = data._nav_indexes
    labels = data._labels
    result._labels = None if labels is None else labels.copy()
    result._extra = _own(data._extra, sizes) if data._extra else {}
    size = _OVERHEAD
    arrays = []
    for array in data._data:
        own = array.copy() if isinstance(array, np.ndarray) else np.array(array)
        size += own.nbytes
        arrays.append(own)
    sizes.append(size)
    result._data = arrays
    errors = data._errors
    result._errors = None if errors is None else [_own_array(np.asarray(e), sizes) for e in errors]
    axes = data._axes
    result._axes = [_own_axis(axis, sizes) for axis in axes] if axes else []
    return result


def _own_axis(axis: Axis, sizes: list[int]) -> Axis:
    result = Axis.__new__(Axis)
    result.label = axis.label
    result.units = axis.units
    result.spread_order = axis.spread_order
    result._index = axis._index
    result._offset = axis._offset
    result._scaling = axis._scaling
    result._size = axis._size
    data = axis._data
    result._data = None if data is None else _own_array(data, sizes)
    return result


def _own_other(value: Any, sizes: list[int]) -> Any:
    """Copy data of other packages and classes, and everything else as Python does."""
    if isinstance(value, (DataWithAxes, DataToExport, Axis)):  # classes derived from ours
        sizes.append(_size_of(value))
        return copy.deepcopy(value)
    if hasattr(value, "nav_indexes"):
        return _own_data(as_data(value), sizes)
    if hasattr(value, "timestamp") and hasattr(value, "data"):
        return _own_bundle(as_export(value), sizes)
    if isinstance(value, Iterator):  # only now: data of PyMoDAQ are iterators, too
        return [_own(item, sizes) for item in value]
    sizes.append(_OVERHEAD)
    try:
        return copy.deepcopy(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise DTypeError(
            "this cannot be copied, and so not be kept until it is written",
            expected="data, arrays, numbers, texts",
            found=type(value).__name__,
            remedy="Give it to the saver directly.",
        ) from exc


def _size_of(value: Any) -> int:
    parts = getattr(value, "data", None)
    if isinstance(value, DataToExport):
        return sum(map(_size_of, parts or ()))
    arrays = [parts] if isinstance(value, Axis) else [*(parts or ()), *(value.errors or ())]
    return _OVERHEAD + sum(int(array.nbytes) for array in arrays if array is not None)
