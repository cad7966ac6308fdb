"""What a picture hands to whoever draws it: arrays ready to draw, limits, words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savers.view.model.choice import Part

__all__ = [
    "CurveFrame",
    "Frame",
    "ImageFrame",
    "PointsFrame",
    "TableFrame",
    "Window",
    "limits",
    "plottable",
]

Floats = NDArray[np.float64]

_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """What part of a picture is looked at.

    Parameters
    ----------
    x, y : tuple of float, or None
        Limits along an axis; None for all there is.
    width, height : int
        Pixels.
    """

    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None
    width: int = 1000
    height: int = 600


@dataclass(frozen=True, slots=True)
class CurveFrame:
    """Lines.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Positions; moments in seconds since 1970.
    y : ndarray of float64, shape (n, lines)
        Values.
    x_limits, y_limits : tuple of float, or None
        Of all there is along `x`, and of what is in the window along `y`; None for nothing.
    points : int
        How many the array has along `x`.
    note : str
        What else there is to say.
    """

    x: Floats
    y: Floats
    x_limits: tuple[float, float] | None
    y_limits: tuple[float, float] | None
    points: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """An image.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        The part in the window; the first row is at the bottom.
    x, y : tuple of float
        Where its left and right, lower and upper edges are.
    x_limits, y_limits : tuple of float
        Edges of the whole.
    levels : tuple of float, or None
        Lowest and highest value; None without any.
    shape : tuple of int
        Of the whole.
    note : str
        What else there is to say.
    """

    image: NDArray[np.floating[Any]]
    x: tuple[float, float]
    y: tuple[float, float]
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    levels: tuple[float, float] | None
    shape: tuple[int, int]
    note: str = ""


@dataclass(frozen=True, slots=True)
class PointsFrame:
    """Points that lie anywhere, each with a value.

    Parameters
    ----------
    x, y, values : ndarray of float64, shape (n,)
        Positions, and what was measured there; those without a value are left out.
    x_limits, y_limits : tuple of float, or None
        Of all positions; None without any.
    levels : tuple of float, or None
        Lowest and highest value; None without any.
    points : int
        How many have a value.
    note : str
        What else there is to say.
    """

    x: Floats
    y: Floats
    values: Floats
    x_limits: tuple[float, float] | None
    y_limits: tuple[float, float] | None
    levels: tuple[float, float] | None
    points: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class TableFrame:
    """Values as text.

    Parameters
    ----------
    columns : dict of list of str
        By their headings.
    note : str
        What else there is to say.
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    note: str = ""


Frame = CurveFrame | ImageFrame | PointsFrame | TableFrame


def limits(values: NDArray[Any], margin: float = 0.0) -> tuple[float, float] | None:
    """Return the lowest and the highest finite value, None without any.

    Parameters
    ----------
    values : ndarray of float
        Any.
    margin : float
        Part of their distance to leave on both sides.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    if margin:
        room = margin * (high - low) or abs(high) * margin or 1.0
        return low - room, high + room
    return low, high


def plottable(values: NDArray[Any], part: Part | None = None) -> tuple[Floats, int]:
    """Return values as they are drawn.

    Parameters
    ----------
    values : ndarray of numbers or times
        Any shape.
    part : Part, optional
        What of complex numbers.

    Returns
    -------
    ndarray of float64, same shape
        Infinities, and times that do not exist, are NaN; times are in seconds.
    int
        How many infinities there were.
    """
    kind = values.dtype.kind
    if kind in "mM":
        unit = "datetime64[ns]" if kind == "M" else "timedelta64[ns]"
        numbers = values.astype(unit).view(np.int64) / 1e9
        return np.where(np.isnat(values), np.nan, numbers), 0
    if kind == "c":
        values = _part(values, part or Part.MAGNITUDE)
    with np.errstate(over="ignore"):
        drawn = values.astype(np.float64)
    if kind in "bui":
        return drawn, 0
    infinite = np.isinf(drawn)
    count = int(infinite.sum())
    if count:
        drawn[infinite] = np.nan
    return drawn, count


def _part(values: NDArray[Any], part: Part) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        match part:
            case Part.MAGNITUDE:
                return np.asarray(np.abs(values))
            case Part.PHASE:
                return np.asarray(np.angle(values))
            case Part.REAL:
                return np.asarray(values.real)
            case Part.IMAGINARY:
                return np.asarray(values.imag)
