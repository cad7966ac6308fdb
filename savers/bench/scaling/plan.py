"""Paper plans from measured constants: a beamline of 100 GB/s, and 10,000 instruments on HSDS.

Each is a list of steps; every figure in it is a constant that was measured, an assumption that is
named as one, or follows from those by the arithmetic that stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from savers.bench.machine import Machine
from savers.bench.scaling import beamline, fleet
from savers.bench.scaling.constants import Constants, MissingError
from savers.bench.scaling.law import LawResult

__all__ = ["Plan", "plans"]


@dataclass(frozen=True)
class Plan:
    """A plan on paper.

    Parameters
    ----------
    title : str
        For what.
    steps : list of str
        One after the other, in Markdown.
    """

    title: str
    steps: list[str]

    def markdown(self) -> str:
        """Return it in Markdown."""
        steps = [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([f"**{self.title}**", "", *steps])


def plans(machine: Machine, results: Mapping[str, LawResult]) -> list[Plan]:
    """Derive the plans.

    Parameters
    ----------
    machine : Machine
        On which the constants were measured.
    results : mapping of str to LawResult
        By the names of their laws.

    Returns
    -------
    list of Plan
        Those of which all constants were measured.
    """
    made = []
    for title, derive in ((beamline.TITLE, beamline.steps), (fleet.TITLE, fleet.steps)):
        try:
            made.append(Plan(title, derive(machine, Constants(results))))
        except MissingError:
            continue
    return made
