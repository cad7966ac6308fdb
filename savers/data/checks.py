"""Checks that all data share: texts, whole numbers, names of extra attributes, equality."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import AttributeValueError, DTypeError, ShapeError

__all__ = ["checked_extra", "same", "text", "whole"]

_OLD_AXES = frozenset({"x_axis", "y_axis", "nav_x_axis", "nav_y_axis", "nav_axes"})
"""Arguments of earlier PyMoDAQ versions."""


def checked_extra(kind: type, extra: Mapping[str, Any]) -> dict[str, Any]:
    for name in extra:
        if name in _OLD_AXES or hasattr(kind, name):
            raise AttributeValueError(
                f"{name!r} cannot be an extra attribute of data: the name has a meaning",
                remedy="Give axes=[Axis(..., index=...)] and nav_indexes=(...)."
                if name in _OLD_AXES
                else "Choose another name.",
            )
    return dict(extra)


def text(what: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise DTypeError(f"the {what} must be a text", found=f"{type(value).__name__} {value!r}")


def whole(what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError as exc:
        raise DTypeError(f"{what} must be a whole number", found=repr(value)) from exc
    if isinstance(value, (bool, np.bool_)):
        raise DTypeError(f"{what} must be a whole number", found=repr(value))
    if number < 0:
        raise ShapeError(f"{what} must not be negative", found=str(number))
    return number


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Tell whether two arrays hold the same values, NaN being the same as NaN."""
    if one.shape != other.shape:
        return False
    floating = one.dtype.kind in "fcmM" and other.dtype.kind in "fcmM"
    return bool(np.array_equal(one, other, equal_nan=floating))
