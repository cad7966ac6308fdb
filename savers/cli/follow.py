"""The command ``follow``: rows of a file as they are written, on the terminal or as JSON."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from savers.cli import options
from savers.cli.console import Exit, Stop, counted, note, out, quantity
from savers.cli.streams import Batch, Stream
from savers.cli.tail import End, Tail
from savers.plain import plain

__all__ = ["follow"]

_FEW = 8
"""Up to so many values of a row are shown, more are summed up."""
_PAGE = 30
_SHORT = 16
_SIGNS = {"percent": "%", "degC": "°C"}
_EXIT = {
    End.FINISHED: Exit.OK,
    End.CRASHED: Exit.CRASHED,
    End.TIMED_OUT: Exit.TIMEOUT,
    End.REPLACED: Exit.FAILURE,
}


def _not_negative(value: float | None) -> float | None:
    if value is not None and not value >= 0:
        raise typer.BadParameter("must be a number, zero or above")
    return value


def follow(
    file: options.File,
    *,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    last: Annotated[
        int, typer.Option(metavar="N", min=0, help="Rows to show of those already there.")
    ] = 10,
    every: Annotated[
        bool, typer.Option("--all", help="Show every row that is already there.")
    ] = False,
    node: Annotated[
        str, typer.Option(metavar="PATH", help="Only this array, or the arrays of this group.")
    ] = "/",
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Give up after so long without the file or a new row.  [default: 10 for the "
            "file, none for rows]",
            callback=_not_negative,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a row, all values unshortened.")
    ] = False,
) -> None:
    """Show new rows of a file while another program writes it.

    Waits for the file to appear, and ends when its writer is done (code 0) or has crashed (3).
    A file that nobody writes is shown as it is.
    """
    place = options.find_place(file, backend, endpoint, username, password)
    with Stop() as stop:
        tail = Tail(place, node, None if every else last, timeout, stop)
        printer = _JsonPrinter() if as_json else _Printer()
        for batch in tail.batches():
            printer.show(batch)
    code = _EXIT.get(tail.end, stop.exit_code)
    note(_verdict(tail, place.location))
    raise typer.Exit(code)


def _verdict(tail: Tail, location: str) -> str:
    shown = counted(tail.rows, "row")
    if tail.skipped:
        shown += f" shown, {tail.skipped} before them with --all"
    return {
        End.FINISHED: f"Finished: {shown}",
        End.CRASHED: f"The writer crashed: {shown}; what it had flushed is in {location}",
        End.TIMED_OUT: f"No new row in time: {shown}",
        End.REPLACED: f"{location} was replaced or removed: {shown} of the file that was there",
        End.STOPPED: f"Stopped: {shown}",
    }[tail.end]


class _JsonPrinter:
    """Rows as JSON, one object a line; NaN and infinities, which JSON lacks, as null."""

    def show(self, batch: Batch) -> None:
        lines = []
        for index in range(batch.count):
            row: dict[str, Any] = {"group": batch.streams[0].group, "row": batch.first + index}
            for stream, rows in zip(batch.streams, batch.rows, strict=True):
                row[stream.name] = plain(rows[index]) if index < len(rows) else None
            lines.append(json.dumps(row, allow_nan=False) + "\n")
        sys.stdout.write("".join(lines))
        sys.stdout.flush()


class _Printer:
    """Rows in columns, with a heading now and then."""

    def __init__(self) -> None:
        self._group: str | None = None
        self._widths: dict[tuple[int, int], int] = {}
        self._since_heading = 0

    def show(self, batch: Batch) -> None:
        titles = ["row", *map(_title, batch.streams)]
        lines = []
        for index in range(batch.count):
            cells = [[f"{batch.first + index}"]]
            for stream, rows in zip(batch.streams, batch.rows, strict=True):
                cells.append(_cell(stream, rows[index]) if index < len(rows) else ["-"])
            lines += self._heading(batch, titles, cells)
            lines.append(self._line(titles, cells))
            self._since_heading += 1
        sys.stdout.write("".join(lines))
        sys.stdout.flush()

    def _heading(self, batch: Batch, titles: list[str], cells: list[list[str]]) -> list[str]:
        """Return the lines above a row, if some are due: at a change of group, and each page."""
        lines = []
        group = batch.streams[0].group
        if group != self._group:
            self._group = group
            self._widths.clear()
            lines.append(f"==> {group} <==\n")
        elif not (out.is_terminal and self._since_heading >= _PAGE):
            return []
        self._since_heading = 0
        shown = [cell.rjust(len(t)) for t, cell in zip(titles, self._joined(cells), strict=True)]
        heads = [t.rjust(len(cell)) for t, cell in zip(titles, shown, strict=True)]
        return [*lines, self._cut("  ".join(heads))]

    def _line(self, titles: list[str], cells: list[list[str]]) -> str:
        joined = zip(titles, self._joined(cells), strict=True)
        return self._cut("  ".join(cell.rjust(len(title)) for title, cell in joined))

    def _joined(self, cells: list[list[str]]) -> list[str]:
        """Join the values of each cell, each as wide as the widest so far in its place."""
        joined = []
        for column, values in enumerate(cells):
            for place, value in enumerate(values):
                key = (column, place)
                self._widths[key] = max(self._widths.get(key, 0), len(value))
            parts = [value.rjust(self._widths[column, n]) for n, value in enumerate(values)]
            joined.append(" ".join(parts))
        return joined

    def _cut(self, text: str) -> str:
        if out.is_terminal and len(text) > out.width:
            text = text[: out.width - 1] + "…"
        return text + "\n"


def _title(stream: Stream) -> str:
    title = stream.name
    named = "/".join(stream.labels)
    # Labels that only count (cpu0, cpu1) say nothing that the order does not.
    if 0 < len(named) <= _SHORT and not any(label[-1:].isdigit() for label in stream.labels):
        title += f" {named}"
    if stream.start is not None or stream.units in {"", "byte"}:
        return title
    return f"{title} [{_SIGNS.get(stream.units, stream.units)}]"


def _cell(stream: Stream, value: Any) -> list[str]:
    """Return what is shown of one row of one stream, value by value."""
    if stream.start is not None and np.ndim(value) == 0:
        return [_clock(stream.start, float(value))]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > _FEW:
        return [_summary(value, stream.units)]
    if isinstance(value, np.ndarray) and value.ndim:
        return [part for one in value.flat for part in _cell(stream, one)]
    if isinstance(value, (float, int, np.floating, np.integer)):
        return [quantity(float(value), stream.units)]
    return [str(value)]


def _summary(values: NDArray[Any], units: str) -> str:
    """Sum up many values: their mean, extremes and shape."""
    shape = "x".join(map(str, values.shape))
    present = values[np.isfinite(values)]
    if not present.size:
        return f"nan ({shape})"
    low, mean, high = (quantity(float(f(present)), units) for f in (np.min, np.mean, np.max))
    return f"{mean} ({low} … {high}, {shape})"


def _clock(start: str, seconds: float) -> str:
    """Return the local time of day, to a millisecond."""
    try:
        moment = datetime.fromisoformat(start) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return f"{seconds:.3f}"
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
