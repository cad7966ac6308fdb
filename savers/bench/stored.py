"""A comparison that was written as JSON before, read back to show it again or in part."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from h5backends.errors import FileFormatError, FileMissingError
from savers.bench.figures import Result
from savers.bench.harness import Row
from savers.bench.machine import Machine
from savers.bench.report import Report

__all__ = ["load", "machine_of", "reading"]


def load(path: Path, rows: Sequence[Row]) -> Report:
    """Read what ``h5backends bench --json`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    rows : sequence of Row
        Which rows; those that were not measured then are left out.

    Raises
    ------
    FileMissingError
        There is no such file.
    FileFormatError
        It is another kind of file.
    """
    with reading(path, "a comparison", "h5backends bench --json") as content:
        measured = {entry["name"]: entry for entry in content["rows"]}
        entries = [(row, _result(row, measured[row.name])) for row in rows if row.name in measured]
        machine, quick = machine_of(content), bool(content["quick"])
    return Report(machine, quick, entries)


@contextlib.contextmanager
def reading(path: Path, what: str, writer: str) -> Iterator[Any]:
    """Read JSON that a command wrote before.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it has to be.
    writer : str
        The command that writes such files.

    Yields
    ------
    object
        What is in it; that something lacks, or is of another type, may come out in the block.

    Raises
    ------
    FileMissingError
        There is no such file.
    FileFormatError
        It is another kind of file.
    """
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise FileMissingError("there is no such file", file=str(path)) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise FileFormatError(
            f"not {what}",
            file=str(path),
            expected=f"what {writer} writes",
            found=f"{type(exc).__name__}: {exc}",
        ) from exc


def machine_of(content: Any) -> Machine:
    """Return the machine that such a file tells of."""
    return Machine(**{k: v for k, v in content["machine"].items() if k != "was_loaded"})


def _result(row: Row, entry: dict[str, Any]) -> Result:
    ours, peer, limit = (
        [float(value) for value in entry[key]] for key in ("ours", "peer", "limit")
    )
    notes = [str(note) for note in entry["notes"]]
    return Result(
        row.name, row.unit, row.bar, ours, peer, limit, notes, failed=bool(entry["failed"])
    )
