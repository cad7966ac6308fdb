"""A comparison that was written as JSON before, read back to show it again or in part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from h5backends.errors import FileFormatError, FileMissingError
from savers.bench.figures import Result
from savers.bench.harness import Row
from savers.bench.machine import Machine
from savers.bench.report import Report

__all__ = ["load"]


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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        measured = {entry["name"]: entry for entry in content["rows"]}
        described = {k: v for k, v in content["machine"].items() if k != "was_loaded"}
        entries = [(row, _result(row, measured[row.name])) for row in rows if row.name in measured]
        return Report(Machine(**described), bool(content["quick"]), entries)
    except FileNotFoundError as exc:
        raise FileMissingError("there is no such file", file=str(path)) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise FileFormatError(
            "not a comparison",
            file=str(path),
            expected="what h5backends bench --json writes",
            found=f"{type(exc).__name__}: {exc}",
        ) from exc


def _result(row: Row, entry: dict[str, Any]) -> Result:
    ours, peer, limit = (
        [float(value) for value in entry[key]] for key in ("ours", "peer", "limit")
    )
    notes = [str(note) for note in entry["notes"]]
    return Result(
        row.name, row.unit, row.bar, ours, peer, limit, notes, failed=bool(entry["failed"])
    )
