"""The constants of scaling laws, as the paper plans ask for them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from savers.bench.scaling.law import LawResult

__all__ = ["Constants", "MissingError", "whole"]


def whole(value: float) -> int:
    """Return how many whole things are needed, whatever rounding did to a whole number."""
    return math.ceil(value * (1 - 1e-9))


class MissingError(Exception):
    """A constant was not measured."""


class Constants:
    """Looks constants up in what was measured.

    Parameters
    ----------
    results : mapping of str to LawResult
        By the names of their laws.
    """

    def __init__(self, results: Mapping[str, LawResult]) -> None:
        self._results = results

    def near(self, law: str, curve: str, x: float) -> tuple[float, float]:
        """Return the measured size of a curve that is closest to another, and the figure there."""
        xs, ys = self._points(law, curve)
        return min(zip(xs, ys, strict=True), key=lambda point: abs(point[0] - x))

    def at(self, law: str, curve: str, x: float) -> float:
        """Return the figure of a curve at a size.

        Raises
        ------
        MissingError
            It was not measured there.
        """
        size, value = self.near(law, curve, x)
        if size != x:
            raise MissingError(f"{law}: {curve} at {x:g}")
        return value

    def last(self, law: str, curve: str) -> tuple[float, float]:
        """Return the largest size of a curve and the figure there."""
        xs, ys = self._points(law, curve)
        return xs[-1], ys[-1]

    def first(self, law: str, curve: str) -> tuple[float, float]:
        """Return the smallest size of a curve and the figure there."""
        xs, ys = self._points(law, curve)
        return xs[0], ys[0]

    def least(self, law: str, curve: str) -> tuple[float, float]:
        """Return the lowest figure of a curve, with its size before it."""
        xs, ys = self._points(law, curve)
        return min(zip(xs, ys, strict=True), key=lambda point: point[1])

    def most(self, law: str, curve: str) -> tuple[float, float]:
        """Return the highest figure of a curve, with its size before it."""
        xs, ys = self._points(law, curve)
        return max(zip(xs, ys, strict=True), key=lambda point: point[1])

    def slope(self, law: str, curve: str) -> float:
        """Return by how much the figure of a curve grows for each unit, between its last sizes."""
        xs, ys = self._points(law, curve)
        if len(xs) < 2:
            raise MissingError(f"{law}: {curve}")
        return (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])

    def constant(self, law: str, name: str) -> float:
        """Return a constant of a law."""
        result = self._results.get(law)
        found = result.constant(name) if result else None
        if found is None:
            raise MissingError(f"{law}: {name}")
        return found

    def _points(self, law: str, curve: str) -> tuple[list[float], list[float]]:
        result = self._results.get(law)
        xs, ys = result.points(curve) if result else ([], [])
        if not xs:
            raise MissingError(f"{law}: {curve}")
        return xs, ys
