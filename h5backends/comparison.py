"""When two values are the same: of one type, one shape, one dtype, and equal to the last bit."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["difference", "same"]


def same(left: Any, right: Any) -> bool:
    """Tell whether two values cannot be told apart.

    Stricter than ``==``: ``1`` is not ``1.0`` nor ``True``, ``0.0`` is not ``-0.0``, a list is not
    a tuple, ``float32`` is not ``float64``. More generous in one point: NaN is NaN, NaT is NaT.

    Parameters
    ----------
    left, right : object
        Python values, numpy scalars, arrays, and containers of these.
    """
    return difference(left, right) is None


def difference(left: Any, right: Any, where: str = "value") -> str | None:
    """Say in words how two values differ, None if they are the same.

    Parameters
    ----------
    left, right : object
        As in :func:`same`.
    where : str
        What to call the value.
    """
    if type(left) is not type(right):
        return (
            f"{where}: {left!r} ({type(left).__name__}) is not {right!r} ({type(right).__name__})"
        )
    if isinstance(left, Mapping):
        if left.keys() != right.keys():
            return f"{where}: keys {sorted(map(str, left))} are not {sorted(map(str, right))}"
        found = [difference(left[key], right[key], f"{where}[{key!r}]") for key in left]
        return next((text for text in found if text), None)
    if isinstance(left, (list, tuple)):
        if len(left) != len(right):
            return f"{where}: {len(left)} items are not {len(right)}"
        pairs = enumerate(zip(left, right, strict=True))
        found = [difference(a, b, f"{where}[{index}]") for index, (a, b) in pairs]
        return next((text for text in found if text), None)
    if isinstance(left, (np.ndarray, np.generic, float, complex)):
        return _arrays(np.asarray(left), np.asarray(right), where)
    return None if left == right else f"{where}: {_shown(left)} is not {_shown(right)}"


def _shown(value: Any) -> str:
    return f"{reprlib.repr(value)} ({type(value).__name__})"


def _arrays(left: NDArray[Any], right: NDArray[Any], where: str) -> str | None:
    if left.dtype != right.dtype:
        return f"{where}: dtype {left.dtype} is not {right.dtype}"
    if left.shape != right.shape:
        return f"{where}: shape {left.shape} is not {right.shape}"
    if left.dtype.names:
        found = [
            _arrays(left[name], right[name], f"{where}[{name!r}]") for name in left.dtype.names
        ]
        return next((text for text in found if text), None)
    equal = _equal(left, right)
    if np.all(equal):
        return None
    first = tuple(int(n) for n in np.argwhere(~np.atleast_1d(equal))[0])
    a, b = np.atleast_1d(left)[first], np.atleast_1d(right)[first]
    return f"{where}: {np.sum(~equal)} elements differ, first at {first}: {a!r} is not {b!r}"


def _equal(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    kind = left.dtype.kind
    if kind == "c":
        return np.asarray(_equal(left.real, right.real) & _equal(left.imag, right.imag))
    if kind == "f":
        number = (left == right) & (np.signbit(left) == np.signbit(right))
        return np.asarray(number | (np.isnan(left) & np.isnan(right)))
    if kind in "mM":
        return np.asarray(left.astype(np.int64) == right.astype(np.int64))
    if kind == "O":
        pairs = zip(left.flat, right.flat, strict=True)
        return np.array([same(a, b) for a, b in pairs], bool).reshape(left.shape)
    return np.asarray(left == right)
