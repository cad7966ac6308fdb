"""The command ``bench``: this project beside its peers, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from savers.cli import measuring
from savers.cli.console import out
from savers.cli.measuring import Earlier, JsonFile, Overwrite, Quick

if TYPE_CHECKING:
    from savers.bench.figures import Result
    from savers.bench.harness import Row

__all__ = ["bench"]

_WIDTH = 160


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="The same as --rows.", show_default=False),
    ] = None,
    *,
    quick: Quick = False,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="Only these rows; 'append' stands for all that begin with it.  [default: all]",
            show_default=False,
        ),
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="Only list the rows and their bars.")
    ] = False,
    json_file: JsonFile = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Also write the table in Markdown: into a new file, or into one with the lines "
            "<!-- bench --> and <!-- /bench -->, between them.",
        ),
    ] = None,
    earlier: Earlier = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure this project beside its peers, in turns, on this machine.

    Every row has the peer's figure of the same run, its physical limit and a bar. A peer that is
    not installed leaves its cell empty. Ctrl-C shows what there is so far.
    """
    from savers.bench import choosing, harness, registry, stored
    from savers.bench.report import Report

    try:
        chosen = registry.select([*(rows or []), *(names or [])])
    except choosing.UnknownRowError as exc:
        raise typer.BadParameter(f"{exc} --list shows all.", param_hint="--rows") from exc
    if only_list:
        _list(chosen)
        return
    save = measuring.saving(json_file, markdown_file, "bench", overwrite)
    if earlier is None:
        report, interrupted = measuring.run(chosen, quick, Report, harness.measure, _outcome, save)
    else:
        report, interrupted = stored.load(earlier, chosen), False
    # A file or a pipe has room for whole lines.
    wide = out if out.is_terminal else Console(width=_WIDTH)
    wide.print(report.table(wide.width))
    measuring.finish(report, interrupted, save)


def _outcome(result: Result) -> str:
    from savers.bench.report import verdict

    return verdict(result) or "measured"


def _list(rows: list[Row]) -> None:
    from savers.bench.report import bar_in_words

    for row in rows:
        peer = f"; peer {row.peer.name}" if row.peer else ""
        bar = bar_in_words(row.bar, row.unit)
        out.print(f"{row.name}: {row.title}{peer}; {bar}", markup=False, soft_wrap=True)
    sys.stdout.flush()
