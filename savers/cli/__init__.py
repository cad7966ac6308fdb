"""The console command ``h5backends``."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from h5backends.errors import H5Error, UnknownDriverError
from savers.cli import (
    bench,
    console,
    copy,
    drivers,
    export,
    follow,
    info,
    plot,
    record,
    recovery,
    scaling,
    scan,
    tree,
    view,
)

__all__ = ["app", "main"]

_CODES = """\b
Exit codes:
    0  done
    1  failed, the message says why
    2  wrong arguments
    3  the program that wrote the file crashed
    4  nothing came in time
    5  the file is damaged
    6  another program is writing the file
  130  stopped by Ctrl-C; by another signal 128 + its number
"""


class _Group(TyperGroup):
    """The commands, each of which may raise the errors of the packages."""

    def invoke(self, ctx: Any) -> Any:
        console.show_warnings()
        try:
            return super().invoke(ctx)
        except H5Error as exc:
            code = console.complain(exc)
            wrong = isinstance(exc, UnknownDriverError)
            raise typer.Exit(console.Exit.USAGE if wrong else code) from exc


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: no markup to trip over, and it wraps well
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_CODES,
)


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _print_version(wanted: bool) -> None:
    if wanted:
        import h5backends

        typer.echo(f"h5backends {h5backends.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Record into HDF5, follow files while they grow, and look into them."""


app.command(
    short_help="Record this machine's own counters.",
    epilog=_examples(
        "h5backends record run.h5",
        "h5backends record run.h5 --rate 100 --seconds 60 --overwrite",
        "h5backends record run.h5 --backend tables",
        "h5backends record hdf5://home/me/run.h5 --endpoint http://localhost:5101",
    ),
)(record.record)
app.command(
    short_help="Record a raster scan of a picture, with a simulated microscope.",
    epilog=_examples(
        "h5backends scan scan.h5",
        "h5backends scan scan.h5 --size 200x150 --rate 500 --snake",
        "h5backends scan scan.h5 --size 200x150 --snake --resume",
        "h5backends scan tables.h5 --backend tables --image photo.png --overwrite",
        "h5backends scan hdf5://home/me/scan.h5 --endpoint http://localhost:5101",
    ),
)(scan.scan)
app.command(
    short_help="Show new rows of a file as they are written.",
    epilog=_examples(
        "h5backends follow run.h5",
        "h5backends follow run.h5 --all --json > rows.jsonl",
        "h5backends follow run.h5 --node /RawData/Detector000/cpu_percent --timeout 5",
    ),
)(follow.follow)
app.command(
    short_help="Show a file in a web browser, live.",
    epilog=_examples(
        "h5backends view run.h5",
        "h5backends view run.h5 --port 5100 --no-browser",
        "h5backends view measurements/",
        "h5backends view hdf5://home/me/run.h5 --endpoint http://localhost:5101",
    ),
)(view.view)
app.command(
    short_help="Show what is in a file.",
    epilog=_examples(
        "h5backends tree run.h5",
        "h5backends tree run.h5 --depth 2 --attrs",
        "h5backends tree hdf5://home/me/run.h5 --json",
    ),
)(tree.tree)
app.command(
    short_help="Show what a node of a file is.",
    epilog=_examples(
        "h5backends info run.h5",
        "h5backends info scan.h5 /RawData/Scan000/Data1D/CH00/Data00",
        "h5backends info scan.h5 /RawData/Scan000 --json",
    ),
)(info.info)
app.command(
    short_help="Draw an array of a file.",
    epilog=_examples(
        "h5backends plot scan.h5 -o scan.png",
        "h5backends plot scan.h5 /RawData/Scan000/Data1D/CH00 -o map.pdf",
        "h5backends plot scan.h5 /RawData/Scan000/Data1D/CH00 -o slice.png --at delay=12.5",
        "h5backends plot run.h5 /RawData/Detector000/cpu_percent -o load.svg --size 20x8",
    ),
)(plot.plot)
app.command(
    short_help="Write a node into a file of another format.",
    epilog=_examples(
        "h5backends export scan.h5 /RawData/Scan000/Data0D -o power.csv",
        "h5backends export scan.h5 /RawData/Scan000 -o scan.nxs",
        "h5backends export run.h5 -o everything.npz --set compressed=yes",
        "h5backends export scan.h5 /RawData/Scan000/Data0D -o power.csv --set 'delimiter=;'",
        "h5backends export hdf5://home/me/run.h5 /RawData -o part.h5 --overwrite",
    ),
)(export.export)
app.command(
    short_help="Copy a file to another driver or place, and compare.",
    epilog=_examples(
        "h5backends copy scan.h5 backup.h5",
        "h5backends copy scan.h5 tables.h5 --to-backend tables",
        "h5backends copy scan.h5 hdf5://home/me/scan.h5 --endpoint http://localhost:5101",
        "h5backends copy hdf5://home/me/scan.h5 scan.h5 --endpoint http://localhost:5101",
    ),
)(copy.copy)
app.command(
    short_help="Tell the state of a file and what can be read of it.",
    epilog=_examples("h5backends check run.h5", "h5backends check run.h5 --json"),
)(recovery.check)
app.command(
    short_help="Mend a file that a crash left behind.",
    epilog=_examples("h5backends repair run.h5 --dry-run", "h5backends repair run.h5"),
)(recovery.repair)
app.command(
    short_help="List the drivers and what they can do.",
    epilog=_examples("h5backends drivers", "h5backends drivers --json"),
)(drivers.drivers)
app.command(
    short_help="Measure this project beside its peers.",
    epilog=_examples(
        "h5backends bench --quick",
        "h5backends bench --rows append walk-tables",
        "h5backends bench --json figures.json --markdown table.md",
        "h5backends bench --from figures.json --rows timed --markdown README.md",
    ),
)(bench.bench)
app.command(
    short_help="Measure how costs change with points, nodes, readers, servers.",
    epilog=_examples(
        "h5backends scaling --quick",
        "h5backends scaling points nodes",
        "h5backends scaling --json laws.json --plots plots --markdown laws.md",
        "h5backends scaling --from laws.json hsds --plots plots --overwrite",
    ),
)(scaling.scaling)


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or pipe that lacks a character shows another instead of ending it all.
            stream.reconfigure(errors=console.REPLACEMENT)
    try:
        app(prog_name="h5backends")
    except KeyboardInterrupt:
        sys.exit(console.Exit.INTERRUPTED)
