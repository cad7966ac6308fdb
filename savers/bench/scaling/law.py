"""Measure a cost at many sizes of the work, one law at a time, within a bound of time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from savers.bench.figures import Unit, median
from savers.bench.harness import RowSkippedError, Setting, quiet

__all__ = ["Constant", "Curve", "Law", "LawResult", "Sample", "Scale", "measure", "size", "sizes"]

_GROWTH_DECADES = 1.0
"""A law is read from the last decade at the least, where fixed costs no longer show."""
_OVER = 2.0
"""How many times its budget a law may take when even its first round is too long."""
_BINARY = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


class Scale(Enum):
    """What the steps of a law are."""

    COUNT = ""
    BYTES = "B"
    HERTZ = "Hz"


class Sample(NamedTuple):
    """One measurement: which curve, at which size, what figure."""

    curve: str
    x: float
    value: float


class Constant(NamedTuple):
    """A figure that does not depend on the size."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a law's plot.

    Parameters
    ----------
    name : str
        What is done; behind a comma with which driver; all drivers of one work share a colour.
    limit : bool
        Whether it is a physical limit, not this project.
    flat : bool
        Whether the cost must not grow with the size.
    optional : bool
        Whether it may be absent, for the machine or the packages lack what it needs.
    """

    name: str
    limit: bool = False
    flat: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Law:
    """How a cost depends on a size.

    Parameters
    ----------
    name : str
        What selects it, and how its plot is called.
    title : str
        What is done.
    x, y : str
        Labels of the axes, without units.
    scale : Scale
        Unit of the sizes.
    unit : Unit
        Unit of the figures.
    curves : tuple of Curve
        All that it measures.
    samples : callable
        Gets a :class:`~savers.bench.harness.Setting`; yields :class:`Sample`,
        :class:`Constant`, and notes as str.
    rounds : int
        How often, in a full run, if the budget allows.
    budget : float
        Seconds after which no other round begins.
    """

    name: str
    title: str
    x: str
    y: str
    scale: Scale
    unit: Unit
    curves: tuple[Curve, ...]
    samples: Callable[[Setting], Generator[Sample | Constant | str]]
    rounds: int = 3
    budget: float = 40.0

    def curve(self, name: str) -> Curve:
        """Return a curve by its name."""
        return next(curve for curve in self.curves if curve.name == name)


@dataclass
class LawResult:
    """What was measured of a law.

    Parameters
    ----------
    name : str
        Of the law.
    samples : dict
        Of each curve, of each size, the figures of all rounds.
    constants : dict
        Of each constant the figures of all rounds.
    notes : list of str
        What a reader must know: why a curve is absent, what failed.
    failed : bool
        Whether it could not be measured because of this project.
    """

    name: str
    samples: dict[str, dict[float, list[float]]] = field(default_factory=dict)
    constants: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def take(self, found: Sample | Constant | str) -> None:
        """Add a measurement or a note."""
        if isinstance(found, str):
            if found not in self.notes:
                self.notes.append(found)
        elif isinstance(found, Constant):
            self.constants.setdefault(found.name, []).append(found.value)
        else:
            curve = self.samples.setdefault(found.curve, {})
            curve.setdefault(found.x, []).append(found.value)

    def points(self, curve: str) -> tuple[list[float], list[float]]:
        """Return the sizes of a curve in their order, and the medians of its figures there."""
        found = self.samples.get(curve, {})
        xs = sorted(found)
        return xs, [median(found[x]) for x in xs]

    def at(self, curve: str, x: float) -> float | None:
        """Return the median figure of a curve at a size, None if it was not measured."""
        found = self.samples.get(curve, {}).get(x)
        return median(found) if found else None

    def constant(self, name: str) -> float | None:
        """Return the median of a constant, None if it was not measured."""
        found = self.constants.get(name)
        return median(found) if found else None

    def exponent(self, curve: str) -> float | None:
        """Return with which power of the size the figures of a curve grow, at its upper end.

        It is the slope of a straight line through the last decade in logarithms (the last three
        sizes at least): 0 does not depend on the size, 1 grows as it does. None for fewer points.
        """
        xs, ys = self.points(curve)
        pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if x > 0 and y > 0]
        if len(pairs) < 3:
            return None
        first = min(pairs[-3][0], pairs[-1][0] / 10**_GROWTH_DECADES * 1.001)
        return _slope([(math.log(x), math.log(y)) for x, y in pairs if x >= first])


def _slope(pairs: list[tuple[float, float]]) -> float:
    """Return the slope of the straight line of least squares."""
    x0 = sum(x for x, _ in pairs) / len(pairs)
    y0 = sum(y for _, y in pairs) / len(pairs)
    return sum((x - x0) * (y - y0) for x, y in pairs) / sum((x - x0) ** 2 for x, _ in pairs)


def measure(law: Law, setting: Setting) -> Iterator[LawResult]:
    """Measure a law, several times over if its budget allows.

    Yields
    ------
    LawResult
        The same object after every sample, so that there is something to show when it is
        interrupted; at last also if it could not be measured.
    """
    result = LawResult(law.name)
    try:
        with quiet(), setting.own_folder():
            begin = last = time.monotonic()
            for _ in range(1 if setting.quick else law.rounds):
                with contextlib.closing(law.samples(setting)) as samples:
                    yield from _taken(samples, result, begin + _OVER * law.budget)
                now = time.monotonic()
                if now + (now - last) - begin > law.budget:
                    break
                last = now
    except RowSkippedError as exc:
        result.take(str(exc))
    except Exception as exc:  # noqa: BLE001 - told with the table; the other laws go on
        result.failed = True
        result.take(f"failed: {type(exc).__name__}: {exc}")
    yield result


def _taken(
    samples: Iterator[Sample | Constant | str], result: LawResult, deadline: float
) -> Iterator[LawResult]:
    """Take what comes until a moment of the monotonic clock."""
    for sample in samples:
        result.take(sample)
        yield result
        if time.monotonic() > deadline:
            result.take("stopped for want of time; larger sizes lack")
            return


def sizes(steps: Iterable[int], last: int) -> list[int]:
    """Return the steps up to a last one, that included."""
    return [step for step in steps if step <= last]


def size(value: float, scale: Scale) -> str:
    """Write one size with its unit."""
    if scale is Scale.BYTES:
        step, suffix = next((each for each in _BINARY if value >= each[0]), _BINARY[-1])
        return f"{value / step:g} {suffix}"
    return f"{value:,.0f} {scale.value}".strip()
