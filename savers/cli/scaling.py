"""The command ``scaling``: how costs change with what there is, as figures, plots and plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from savers.cli import measuring
from savers.cli.console import out
from savers.cli.measuring import Earlier, JsonFile, Overwrite, Quick

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
    quick: Quick = False,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the laws.")] = False,
    json_file: JsonFile = None,
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
    earlier: Earlier = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how costs change with points, signals, nodes, sizes, rates, readers and servers.

    The last column is the power with which a figure grows at the upper end: +0 does not depend
    on the size, +1 grows as it does. A whole run takes ten minutes. Ctrl-C shows what there
    is so far.
    """
    from savers.bench import choosing
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
    write = measuring.saving(json_file, markdown_file, "scaling", overwrite)
    folder = None if plots is None else PlotFolder(plots, chosen, overwrite=overwrite)

    def save(report: ScalingReport) -> None:
        write(report)
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


def _outcome(result: LawResult) -> str:
    if result.failed:
        return "failed"
    return "measured" if result.samples else "left out"
