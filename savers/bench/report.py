"""The comparison as a table: for a terminal, in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from savers.bench.figures import Against, Bar, Result, Unit, median, spread
from savers.bench.harness import Row
from savers.bench.machine import Machine

__all__ = ["Report", "figure", "number"]

_HEADINGS = ("work", "here", "peer", "times as fast", "physical limit", "bar", "reached")
_WIDE = 120
_COLOURS = {True: "green", False: "red", None: ""}
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@dataclass(frozen=True)
class _Scale:
    """How figures of a size are written."""

    factor: float
    suffix: str

    def write(self, value: float) -> str:
        return number(value * self.factor)


def _scale(value: float, unit: Unit) -> _Scale:
    if unit is Unit.SECONDS:
        size, suffix = next((s for s in _SECONDS if abs(value) >= s[0]), _SECONDS[-1])
        return _Scale(1 / size, f" {suffix}")
    if unit is Unit.BYTES:
        return _Scale(2.0**-20, " MiB")
    if unit is Unit.SHARE:
        return _Scale(100, " %")
    return _Scale(1, "" if unit is Unit.FACTOR else f" {unit.value}")


def number(value: float) -> str:
    """Write a number with three digits that count, and never with an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}" if value else "0"


def figure(value: float, unit: Unit) -> str:
    """Write one figure with its unit."""
    scale = _scale(value, unit)
    return scale.write(value) + scale.suffix


def _cell(values: Sequence[float], unit: Unit, *, around: bool) -> str:
    """Write the median; behind it, if asked, half of what the middle half of the rounds covers."""
    if not values:
        return ""
    middle = median(values)
    if not around:
        return figure(middle, unit)
    scale = _scale(middle, unit)
    half = float(f"{spread(values):.2g}")
    return f"{scale.write(middle)} ± {scale.write(half)}{scale.suffix}"


def bar_in_words(bar: Bar, unit: Unit) -> str:
    """Say what must be reached."""
    bound = "at least" if bar.at_least else "at most"
    if bar.against is Against.NOTHING:
        return f"{bound} {figure(bar.value, unit)}"
    what = "speed" if bar.at_least else "cost"
    return f"{bound} {number(bar.value)} x the {bar.against.value}'s {what}"


def bar_in_signs(bar: Bar, unit: Unit) -> str:
    """Say it as short as can be."""
    bound = "≥" if bar.at_least else "≤"
    if bar.against is Against.NOTHING:
        return f"{bound} {figure(bar.value, unit)}"
    return f"{bound} {number(bar.value)} x {bar.against.value}"


def verdict(result: Result) -> str:
    """Say whether the bar is reached, and with which figure."""
    if result.score is None:
        return "failed" if result.failed else ""
    alone = result.bar.against is Against.NOTHING
    score = figure(result.score, result.unit) if alone else number(result.score)
    return f"{'yes' if result.reached else 'no'}, {score}"


@dataclass
class Report:
    """What was measured so far.

    Parameters
    ----------
    machine : Machine
        On what.
    quick : bool
        Whether the rows were only tried.
    entries : list of (Row, Result)
        In the order of the table.
    """

    machine: Machine
    quick: bool
    entries: list[tuple[Row, Result]]

    @property
    def failed(self) -> bool:
        """Whether a row could not be measured because of this project."""
        return any(result.failed for _, result in self.entries)

    def notes(self) -> list[str]:
        """Return the notes of the rows, each with the names of those that it is about."""
        about: dict[str, list[str]] = {}
        for row, result in self.entries:
            for note in result.notes:
                about.setdefault(note, []).append(row.name)
        return [f"{', '.join(names)}: {note}" for note, names in about.items()]

    def lines(self) -> list[str]:
        """Return what is said of the machine and of how it was measured."""
        rounds = "Quick: the rows were only tried, the figures mean little. " if self.quick else ""
        return [
            *self.machine.lines(),
            f"{rounds}Each figure is the median of rounds in which all take turns, ± half of what "
            "the middle half of the rounds covers.",
        ]

    def table(self, width: int) -> Table:
        """Return the table for a terminal.

        Parameters
        ----------
        width : int
            Columns of the terminal. What the rows, peers and limits are is left out, in a narrow
            one also the spread and the limit.
        """
        wide = width >= _WIDE
        left_out = set() if wide else {"physical limit"}
        headings = [heading for heading in _HEADINGS if heading not in left_out]
        table = Table(box=box.SIMPLE_HEAD)
        for heading in headings:
            table.add_column(heading, no_wrap=heading == "work", overflow="fold")
        for row, result in self.entries:
            cells = _cells(row, result, around=wide) | {
                "work": row.name,
                "bar": bar_in_signs(row.bar, row.unit),
            }
            *shown, reached = (Text(cells[heading]) for heading in headings)
            shown[0].stylize("bold")
            reached.stylize(_COLOURS[result.reached])
            table.add_row(*shown, reached)
        return table

    def markdown(self) -> str:
        """Return the table in Markdown, with the machine above and the notes below."""
        lines = [f"{line}  " for line in self.lines()]
        lines += ["", "| " + " | ".join(_HEADINGS) + " |", "| --- " * len(_HEADINGS) + "|"]
        for row, result in self.entries:
            cells = _cells(row, result, around=True)
            cells["work"] = f"{row.title} (`{row.name}`)"
            if cells["peer"] and row.peer:
                cells["peer"] += f" ({row.peer.name})"
            if cells["physical limit"]:
                cells["physical limit"] += f" ({row.limit})"
            line = (_escaped(cells[heading]) for heading in _HEADINGS)
            lines.append(f"| {' | '.join(line)} |")
        notes = [f"- {_escaped(note)}" for note in self.notes()]
        return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "machine": self.machine.as_dict(),
            "quick": self.quick,
            "rows": [_described(row, result) for row, result in self.entries],
        }


def _cells(row: Row, result: Result, *, around: bool) -> dict[str, str]:
    """Return the cells of a line by their headings."""
    ratio = result.ratio(result.peer, speed=True)
    return {
        "work": row.title,
        "here": _cell(result.ours, row.unit, around=around),
        "peer": _cell(result.peer, row.unit, around=around),
        "times as fast": "" if ratio is None else number(ratio),
        "physical limit": _cell(result.limit, row.unit, around=around),
        "bar": bar_in_words(row.bar, row.unit),
        "reached": verdict(result),
    }


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _described(row: Row, result: Result) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit.value,
        "bar": {
            "value": row.bar.value,
            "at_least": row.bar.at_least,
            "against": row.bar.against.value,
        },
        "peer_name": row.peer.name if row.peer else None,
        "limit_name": row.limit or None,
        "ours": result.ours,
        "peer": result.peer,
        "limit": result.limit,
        "times_as_fast": result.ratio(result.peer, speed=True),
        "score": result.score,
        "reached": result.reached,
        "failed": result.failed,
        "notes": result.notes,
    }
