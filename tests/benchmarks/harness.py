"""Measure a piece of work here and in a peer, alternating in one run, as a ratio.

Machines are noisy and never alike, so no figure stands alone: each comes with the peer's in the
same run, and with the physical limit where there is one. Nothing here asserts a time.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[], float]
"""Does the work once and returns seconds per unit (a row, a frame, a node)."""

QUICK = os.environ.get("H5BACKENDS_BENCH", "quick") != "full"
"""Quick runs prove that the benchmarks work; set ``H5BACKENDS_BENCH=full`` for figures."""


@dataclass
class Row:
    """One line of the comparison.

    Parameters
    ----------
    name : str
        What was done.
    ours, peer : list of float
        Seconds per unit of each repetition.
    bar : str
        What must be reached, in words.
    limit : list of float
        The same for the physical limit, where there is one.
    """

    name: str
    ours: list[float]
    peer: list[float]
    bar: str
    limit: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times faster than the peer (median of the pairs)."""
        return statistics.median(p / o for p, o in zip(self.peer, self.ours, strict=True))

    def __str__(self) -> str:
        text = (
            f"{self.name}: {_micro(self.ours)} us here, {_micro(self.peer)} us in the peer, "
            f"{self.ratio:.2f} times as fast (bar: {self.bar})"
        )
        if self.limit:
            text += f"; physical limit {_micro(self.limit)} us"
        return text


def _micro(seconds: list[float]) -> str:
    median = statistics.median(seconds) * 1e6
    spread = (max(seconds) - min(seconds)) * 1e6 / 2
    return f"{median:.3g} (+-{spread:.2g})"


def compare(
    name: str,
    ours: Work,
    peer: Work,
    bar: str,
    *,
    limit: Work | None = None,
    repeat: int = 7,
) -> Row:
    """Run both in turns and print the line.

    Parameters
    ----------
    name, bar : str
        See :class:`Row`.
    ours, peer, limit : callable
        The work; each returns seconds per unit.
    repeat : int
        How often, in a full run.
    """
    row = Row(name, [], [], bar)
    for _ in range(2 if QUICK else repeat):
        row.peer.append(peer())
        row.ours.append(ours())
        if limit is not None:
            row.limit.append(limit())
    print(f"\n  {row}")
    return row


def clock(work: Callable[[], object], units: int) -> float:
    """Return seconds per unit that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / units
