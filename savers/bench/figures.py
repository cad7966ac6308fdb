"""What a row of the comparison measures, its bar, and whether the bar is reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "Against",
    "Bar",
    "Result",
    "Unit",
    "at_least",
    "at_most",
    "median",
    "spread",
    "times_the_cost",
    "times_the_speed",
]


class Unit(Enum):
    """What the figures of a row are."""

    SECONDS = "s"
    """Seconds per unit of work: a row, a frame, a node, a call."""
    ROWS_PER_SECOND = "rows/s"
    REQUESTS_PER_SECOND = "requests/s"
    BYTES = "B"
    FACTOR = "times"
    """How many times one cost is another."""
    SHARE = "of a core"

    @property
    def more_is_better(self) -> bool:
        """Whether it is a speed, not a cost."""
        return self in {Unit.ROWS_PER_SECOND, Unit.REQUESTS_PER_SECOND}


class Against(Enum):
    """What a bar compares with."""

    PEER = "peer"
    LIMIT = "limit"
    NOTHING = "nothing"
    """The figure itself counts."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached.

    Parameters
    ----------
    value : float
        A ratio; in the unit of the row where the figure itself counts.
    at_least : bool
        True: the speed, or its ratio to the other's, must not be lower. False: the cost, or its
        ratio to the other's, must not be higher.
    against : Against
        With what it is compared.
    """

    value: float
    at_least: bool
    against: Against

    def holds(self, score: float) -> bool:
        """Whether a score reaches it."""
        return score >= self.value if self.at_least else score <= self.value


def times_the_speed(value: float, against: Against = Against.PEER) -> Bar:
    """At least so many times as fast as the peer, or as the limit."""
    return Bar(value, True, against)


def times_the_cost(value: float, against: Against = Against.LIMIT) -> Bar:
    """At most so many times what the limit, or the peer, costs."""
    return Bar(value, False, against)


def at_most(value: float) -> Bar:
    """At most this, in the unit of the row."""
    return Bar(value, False, Against.NOTHING)


def at_least(value: float) -> Bar:
    """At least this, in the unit of the row."""
    return Bar(value, True, Against.NOTHING)


@dataclass
class Result:
    """The samples of a row, one of each kind per round.

    Parameters
    ----------
    name : str
        Name of the row.
    unit : Unit
        Unit of the samples.
    bar : Bar
        What must be reached.
    ours, peer, limit : list of float
        What was measured here, in the peer, and of the physical limit; empty where there is none.
    notes : list of str
        What a reader must know of it: why a cell is empty, what failed.
    failed : bool
        Whether this project's own part failed; the notes say how.
    """

    name: str
    unit: Unit
    bar: Bar
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def ratio(self, other: Sequence[float], *, speed: bool) -> float | None:
        """Return the median ratio of the rounds, None without any.

        Parameters
        ----------
        other : sequence of float
            :attr:`peer` or :attr:`limit`.
        speed : bool
            True for our speed in terms of the other's, False for our cost in terms of the other's.
        """
        pairs = [(a, b) for a, b in zip(self.ours, other, strict=False) if a > 0 and b > 0]
        if not pairs:
            return None
        ours_first = speed is self.unit.more_is_better
        return statistics.median(a / b if ours_first else b / a for a, b in pairs)

    @property
    def score(self) -> float | None:
        """What the bar is compared with; None if it was not measured."""
        if self.bar.against is Against.NOTHING:
            return median(self.ours) if self.ours else None
        other = self.peer if self.bar.against is Against.PEER else self.limit
        return self.ratio(other, speed=self.bar.at_least)

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None if that cannot be told."""
        score = self.score
        return None if score is None else self.bar.holds(score)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """Return half the distance within which the middle half of the values lies."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2
