"""The command ``scaling``: how costs change with what there is, as figures, plots and plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from savers.cli import measuring
from savers.cli.console import out

if TYPE_CHECKING:
    from savers.bench.scaling.law import LawResult
    from savers.bench.scaling.report import ScalingReport

__all__ = ["scaling"]

_WIDTH = 140


def scaling(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Only these laws; 'hsds' stands for all that begin with it.  [default: all]",
            show_default=False,
        ),
    ] = None,
    *,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only try whether everything works; figures mean little."),
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the laws.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write every sample as JSON."),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", metavar="DIR", help="Also plot each law, as NAME.svg in DIR."),
    ] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Also write tables and plans in Markdown: into a new file, or into one with the "
            "lines <!-- scaling --> and <!-- /scaling -->, between them.",
        ),
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Measure nothing, show what --json wrote earlier."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace these files if they are there.")
    ] = False,
) -> None:
    """Measure how costs change with points, signals, nodes, sizes, rates, readers and servers.

    The last column is the power with which a figure grows at the upper end: +0 does not depend
    on the size, +1 grows as it does. A whole run takes ten minutes. Ctrl-C shows what there
    is so far.
    """
    from savers.bench import choosing
    from savers.bench.output import Output
    from savers.bench.scaling import law, registry
    from savers.bench.scaling.plots import PlotFolder
    from savers.bench.scaling.report import ScalingReport, load

    try:
        chosen = registry.select(names or [])
    except choosing.UnknownRowError as exc:
        raise typer.BadParameter(f"{exc} --list shows all.", param_hint="NAME") from exc
    if only_list:
        for each in chosen:
            out.print(f"{each.name}: {each.title}; {each.y}", markup=False, soft_wrap=True)
        return
    outputs: list[tuple[Output, Callable[[ScalingReport], str]]] = []
    if json_file is not None:
        outputs.append((Output(json_file, overwrite=overwrite), _as_json))
    if markdown_file is not None:
        file = Output(markdown_file, overwrite=overwrite, mark="scaling")
        outputs.append((file, ScalingReport.markdown))
    folder = None if plots is None else PlotFolder(plots, chosen, overwrite=overwrite)

    def save(report: ScalingReport) -> None:
        for output, rendered in outputs:
            output.write(rendered(report))
        if folder is not None:
            for entry in report.entries:
                folder.write(*entry)

    if earlier is None:
        report, interrupted = measuring.run(
            chosen, quick, ScalingReport, law.measure, _outcome, save
        )
    else:
        report, interrupted = load(earlier, chosen), False
    # A file or a pipe has room for whole lines.
    wide = out if out.is_terminal else Console(width=_WIDTH)
    wide.print(report.table())
    measuring.finish(report, interrupted, save)


def _as_json(report: ScalingReport) -> str:
    return json.dumps(report.as_dict(), indent=1) + "\n"


def _outcome(result: LawResult) -> str:
    if result.failed:
        return "failed"
    return "measured" if result.samples else "left out"
