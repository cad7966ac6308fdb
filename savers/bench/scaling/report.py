"""What the scaling laws found: for a terminal, in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from savers.bench.machine import Machine
from savers.bench.report import figure
from savers.bench.scaling.law import Law, LawResult, size
from savers.bench.scaling.plan import Plan, plans
from savers.bench.stored import machine_of, reading

__all__ = ["ScalingReport", "load"]

_COLUMNS = 6
_FLAT = 0.15
"""Up to this exponent a cost counts as one that does not grow: noise has some."""


def _power(law: Law, result: LawResult, curve: str) -> str:
    """Say with which power of the size a figure grows, and whether it may."""
    found = result.exponent(curve)
    if found is None:
        return ""
    text = f"{found:+.2f}"
    if law.curve(curve).flat:
        text += ", flat" if found <= _FLAT else ", GROWS"
    return text


def _chosen(values: Sequence[float], most: int) -> list[float]:
    """Return some of the sizes, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    step = (len(values) - 1) / (most - 1)
    return [values[round(number * step)] for number in range(most)]


@dataclass
class ScalingReport:
    """What was measured so far.

    Parameters
    ----------
    machine : Machine
        On what.
    quick : bool
        Whether the laws were only tried.
    entries : list of (Law, LawResult)
        In the order of the page.
    """

    machine: Machine
    quick: bool
    entries: list[tuple[Law, LawResult]]

    @property
    def failed(self) -> bool:
        """Whether a law could not be measured because of this project."""
        return any(result.failed for _, result in self.entries)

    def lines(self) -> list[str]:
        """Return what is said of the machine and of how it was measured."""
        quick = "Quick: the laws were only tried, the figures mean little. " if self.quick else ""
        return [*self.machine.lines(), f"{quick}Each figure is the median of its rounds."]

    def notes(self) -> list[str]:
        """Return the notes of all laws with their names."""
        return [f"{law.name}: {note}" for law, result in self.entries for note in result.notes]

    def table(self) -> Table:
        """Return one line for each curve, for a terminal."""
        table = Table(box=box.SIMPLE_HEAD)
        for heading in ("law", "curve", "from", "to", "power"):
            table.add_column(heading, overflow="fold", no_wrap=heading == "law")
        for law, result in self.entries:
            for curve in law.curves:
                xs, ys = result.points(curve.name)
                if not xs:
                    continue
                ends = [
                    f"{figure(y, law.unit)} at {size(x, law.scale)}"
                    for x, y in ((xs[0], ys[0]), (xs[-1], ys[-1]))
                ]
                power = Text(_power(law, result, curve.name))
                name = f"{curve.name} (limit)" if curve.limit else curve.name
                table.add_row(Text(law.name, "bold"), Text(name), *map(Text, ends), power)
        return table

    def plans(self) -> list[Plan]:
        """Return the paper plans that the constants allow."""
        return plans(self.machine, {law.name: result for law, result in self.entries})

    def markdown(self) -> str:
        """Return the tables and the paper plans in Markdown."""
        parts = ["  \n".join(self.lines())]
        for law, result in self.entries:
            if result.samples:
                parts.append(f"**{law.title}** (`{law.name}`): {law.y}, by {law.x}")
                parts.append(_table(law, result))
        if notes := self.notes():
            parts.append("\n".join(f"- {_escaped(note)}" for note in notes))
        parts += [plan.markdown() for plan in self.plans()]
        return "\n\n".join(parts) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "machine": self.machine.as_dict(),
            "quick": self.quick,
            "laws": [_described(law, result) for law, result in self.entries],
        }


def _table(law: Law, result: LawResult) -> str:
    """Return the figures of a law, a line for each curve."""
    xs = _chosen(sorted({x for found in result.samples.values() for x in found}), _COLUMNS)
    headings = ["", *(size(x, law.scale) for x in xs), "power"]
    lines = [headings, ["---"] * len(headings)]
    for curve in law.curves:
        if curve.name not in result.samples:
            continue
        cells = []
        for x in xs:
            y = result.at(curve.name, x)
            cells.append("" if y is None else figure(y, law.unit))
        name = f"*{curve.name}*" if curve.limit else curve.name
        lines.append([name, *cells, _power(law, result, curve.name)])
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _described(law: Law, result: LawResult) -> dict[str, Any]:
    return {
        "name": law.name,
        "title": law.title,
        "x": law.x,
        "scale": law.scale.value,
        "unit": law.unit.value,
        "limits": [curve.name for curve in law.curves if curve.limit],
        # JSON has no numbers as names.
        "samples": {name: [*map(list, found.items())] for name, found in result.samples.items()},
        "constants": result.constants,
        "powers": {curve: result.exponent(curve) for curve in result.samples},
        "failed": result.failed,
        "notes": result.notes,
    }


def load(path: Path, laws: Sequence[Law]) -> ScalingReport:
    """Read what ``h5backends scaling --json`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    laws : sequence of Law
        Which laws; those that were not measured then are left out.

    Raises
    ------
    FileMissingError
        There is no such file.
    FileFormatError
        It is another kind of file.
    """
    with reading(path, "a measurement of scaling laws", "h5backends scaling --json") as content:
        measured = {entry["name"]: entry for entry in content["laws"]}
        entries = [(law, _result(measured[law.name])) for law in laws if law.name in measured]
        machine, quick = machine_of(content), bool(content["quick"])
    return ScalingReport(machine, quick, entries)


def _result(entry: dict[str, Any]) -> LawResult:
    return LawResult(
        str(entry["name"]),
        {
            str(curve): {float(x): [float(y) for y in ys] for x, ys in found}
            for curve, found in entry["samples"].items()
        },
        {str(name): [float(y) for y in ys] for name, ys in entry["constants"].items()},
        [str(note) for note in entry["notes"]],
        failed=bool(entry["failed"]),
    )
