"""The tortures there are, and how much of the time each gets."""

from __future__ import annotations

__all__ = ["LINES", "module_of", "share"]

LINES = {
    "crash": 8,
    "disk": 5,
    "journal": 3,
    "descriptors": 3,
    "stopped": 4,
    "clocks": 3,
    "readers": 3,
    "server": 5,
    "two_writers": 4,
    "threads": 3,
    "forks": 2,
    "memory": 3,
    "flipped": 10,
    "soak": 56,
}
"""Name of the module -> its share; half of all is for the soak."""


def module_of(line: str) -> str:
    """Return the module of a torture, which has ``NAME`` and ``run(course)``."""
    return f"tests.torture.{line}"


def share(line: str, minutes: float) -> float:
    """Return the seconds that a torture gets out of so many minutes for all of them."""
    return 60 * minutes * LINES[line] / sum(LINES.values())
