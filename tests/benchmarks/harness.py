"""Compare further pieces of work than the rows of ``h5backends bench``, by the same means.

Nothing here asserts a time.
"""

from __future__ import annotations

import os

from savers.bench.figures import Result, Unit, median, spread, times_the_speed
from savers.bench.harness import Work, Works, clock, take_turns

__all__ = ["QUICK", "clock", "compare"]

QUICK = os.environ.get("H5BACKENDS_BENCH", "quick") != "full"
"""Quick runs prove that the benchmarks work; set ``H5BACKENDS_BENCH=full`` for figures."""


def _micro(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e6:.3g} (+-{spread(seconds) * 1e6:.2g})"


def compare(
    name: str,
    ours: Work,
    peer: Work,
    bar: str,
    *,
    limit: Work | None = None,
    repeat: int = 7,
) -> Result:
    """Run both in turns and print the line.

    Parameters
    ----------
    name, bar : str
        What was done, and what must be reached, in words.
    ours, peer, limit : callable
        The work; each returns seconds per unit.
    repeat : int
        How often, in a full run.
    """
    result = Result(name, Unit.SECONDS, times_the_speed(0))
    works = Works(ours, peer, limit)
    for number in range(2 if QUICK else repeat):
        take_turns(works, result, number)
    assert not result.notes, result.notes
    text = (
        f"{name}: {_micro(result.ours)} us here, {_micro(result.peer)} us in the peer, "
        f"{result.ratio(result.peer, speed=True):.2f} times as fast (bar: {bar})"
    )
    if result.limit:
        text += f"; physical limit {_micro(result.limit)} us"
    print(f"\n  {text}")
    return result
