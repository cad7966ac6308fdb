"""What commands that measure share: one thing after the other, Ctrl-C at any time."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from h5backends.errors import StorageError
from savers.cli.console import Exit, duration, ended_like_ctrl_c, err, note, out

if TYPE_CHECKING:
    from savers.bench.choosing import Named
    from savers.bench.harness import Setting
    from savers.bench.machine import Machine

__all__ = ["Earlier", "JsonFile", "Overwrite", "Quick", "finish", "run", "saving"]

Quick = Annotated[
    bool, typer.Option("--quick", help="Only try whether everything works; figures mean little.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write every sample as JSON.")
]
Earlier = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FILE", help="Measure nothing, show what --json wrote earlier."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace these files if they are there.")
]


class Report(Protocol):
    """What was measured so far."""

    machine: Machine
    entries: list[Any]

    @property
    def failed(self) -> bool:
        """Whether something could not be measured because of this project."""

    def lines(self) -> list[str]:
        """Return what is said of the machine and of how it was measured."""

    def notes(self) -> list[str]:
        """Return what a reader must know."""

    def markdown(self) -> str:
        """Return it as part of a page."""

    def as_dict(self) -> dict[str, Any]:
        """Return every sample."""


N = TypeVar("N", bound="Named")
R = TypeVar("R", bound=Report)


def saving(
    json_file: Path | None, markdown_file: Path | None, mark: str, overwrite: bool
) -> Callable[[Report], None]:
    """Return what saves a report, as often as it is called, into the files that are wanted.

    Parameters
    ----------
    json_file, markdown_file : Path or None
        The files.
    mark : str
        Of the part of a page that is replaced.
    overwrite : bool
        Whether they may be there already.

    Raises
    ------
    FileError
        One is there, or cannot be written.
    """
    from savers.bench.output import Output

    as_json = None if json_file is None else Output(json_file, overwrite=overwrite)
    page = None if markdown_file is None else Output(markdown_file, overwrite=overwrite, mark=mark)

    def save(report: Report) -> None:
        if as_json is not None:
            as_json.write(json.dumps(report.as_dict(), indent=1) + "\n")
        if page is not None:
            page.write(report.markdown())

    return save


def run(
    things: Sequence[N],
    quick: bool,
    made: Callable[[Machine, bool, list[Any]], R],
    measure: Callable[[N, Setting], Iterator[Any]],
    outcome: Callable[[Any], str],
    save: Callable[[R], None],
) -> tuple[R, bool]:
    """Measure things, one after the other; what there is after each is saved.

    Parameters
    ----------
    things : sequence
        What to measure.
    quick : bool
        Whether only to try.
    made : callable
        Makes the report.
    measure : callable
        Measures one; yields its result whenever there is more to show.
    outcome : callable
        Says how a result came out.
    save : callable
        Gets the report whenever a thing is measured.

    Returns
    -------
    report : Report
        Everything, or what there was when it was interrupted.
    interrupted : bool
        Whether it was.
    """
    from savers.bench import machine
    from savers.bench.harness import Setting

    with contextlib.ExitStack() as stack:
        folder, in_memory = stack.enter_context(machine.folder())
        report = made(machine.Machine(in_memory), quick, [])
        setting = Setting(folder, quick, stack)
        stack.enter_context(ended_like_ctrl_c())
        try:
            for number, thing in enumerate(things, 1):
                name, begin = f"{number} of {len(things)}: {thing.name}", time.monotonic()
                with err.status(name):
                    for done, result in enumerate(measure(thing, setting)):
                        if not done:
                            report.entries.append((thing, result))
                report.machine.finish()
                with contextlib.suppress(StorageError):  # told at the end, behind the table
                    save(report)
                took = duration(time.monotonic() - begin)
                note(f"{name} {outcome(report.entries[-1][1])}; {took}")
        except KeyboardInterrupt:
            note("interrupted: this is what there is so far")
            report.machine.finish()
            return report, True
    return report, False


def finish(report: R, interrupted: bool, save: Callable[[R], None]) -> None:
    """Say what belongs to the table, save everything and leave with the right exit code.

    Raises
    ------
    StorageError
        It cannot be saved.
    """
    for line in (*report.lines(), *report.notes()):
        out.print(line, markup=False, soft_wrap=True)
    save(report)
    if interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
    raise typer.Exit(Exit.FAILURE if report.failed else Exit.OK)
