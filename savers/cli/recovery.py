"""The commands ``check`` and ``repair``: what a crash left of a file, and mending it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from h5backends import swmr
from h5backends.swmr import Report
from savers.cli.console import Exit, out
from savers.log import bring_up_to_date

__all__ = ["check", "repair"]

Local = Annotated[str, typer.Argument(metavar="FILE", help="A local file.", show_default=False)]
Seconds = Annotated[
    float, typer.Option(metavar="S", min=0.1, help="Time to read the data of the file in.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

_EXITS = {0: Exit.OK, 1: Exit.CRASHED, 2: Exit.DAMAGED, 3: Exit.BUSY, 4: Exit.FAILURE}
"""What the report's exit code means among those that all commands share."""


def check(file: Local, *, seconds: Seconds = 60.0, as_json: AsJson = False) -> None:
    """Tell the state of a file and what can be read of it; nothing is changed.

    Also of one that is being written, that a crash left behind, or that is damaged: it is looked
    into in a process of its own.
    """
    report = swmr.check(file, seconds)
    _show(report, as_json)
    raise typer.Exit(_EXITS[report.exit_code])


def repair(
    file: Local,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.")
    ] = False,
    backup: Annotated[
        bool, typer.Option(help="Put the bytes of the header aside before they change.")
    ] = True,
    seconds: Seconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Mend a file that a crash left behind, so that every program opens it as usual.

    The header is mended, then attributes and log lines are brought up to date. Rows are never
    touched. A file whose writer lives is refused.
    """
    report = swmr.repair(file, dry_run, backup, seconds, after_repair=[bring_up_to_date])
    _show(report, as_json)
    if not dry_run and not report.done and report.is_whole and not as_json:
        out.print("  nothing to do")
    raise typer.Exit(Exit.OK if dry_run or report.is_whole else _EXITS[report.exit_code])


def _show(report: Report, as_json: bool) -> None:
    if not as_json:
        out.print(str(report), soft_wrap=True, markup=False)
        return
    described = asdict(report) | {"is_whole": report.is_whole}
    json.dump(described, sys.stdout, indent=1, default=_as_text)
    sys.stdout.write("\n")


def _as_text(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name.lower()
    return str(value) if isinstance(value, Path) else repr(value)
