"""The command ``copy``: a whole file to another driver, or to a server and back, and compared."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from h5backends.backend import H5Backend
from h5backends.errors import FileBusyError, FileOccupiedError, H5Error
from h5backends.holders import writers
from h5backends.types import Capability
from savers.cli import options
from savers.cli.console import Stop, counted, duration, note, out, quantity
from savers.cli.progress import Meter, StoppedError
from savers.exporters.base import new_file
from savers.transfer import UNFINISHED, Transfer, transfer

__all__ = ["copy", "refuse_writers"]

Source = Annotated[
    str,
    typer.Argument(metavar="SRC", help="The file, or domain on a server.", show_default=False),
]
Target = Annotated[
    str,
    typer.Argument(metavar="DST", help="The copy: a path, or a domain.", show_default=False),
]


def _driver(end: str) -> Any:
    return typer.Option(metavar="NAME", help=f"The driver of {end}.", show_default=False)


def _other(what: str) -> Any:
    return typer.Option(
        metavar="TEXT", help=f"{what} of DST, where it is another one.", show_default=False
    )


def copy(
    source: Source,
    target: Target,
    *,
    from_backend: Annotated[str | None, _driver("SRC")] = None,
    to_backend: Annotated[str | None, _driver("DST")] = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    to_endpoint: Annotated[str | None, _other("Server")] = None,
    to_username: Annotated[str | None, _other("User")] = None,
    to_password: Annotated[str | None, _other("Password")] = None,
    verify: Annotated[
        bool, typer.Option(help="Read both files again and compare them, element by element.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace DST if there is one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Copy a file: between drivers, onto a server, from there to a disk.

    Groups, arrays and attributes arrive as they are; compression that the other driver lacks
    becomes gzip. The copy is read back and compared. A local copy has its name only when it is
    complete; Ctrl-C leaves nothing of it behind.
    """
    login = (endpoint, username, password)
    other = (to_endpoint or endpoint, to_username or username, to_password or password)
    first = _place(source, from_backend, login, "--from-backend")
    second = _place(target, to_backend, other, "--to-backend")
    if not (first.is_remote or second.is_remote) and any((*login, *other)):
        raise typer.BadParameter(
            "both files are local, there is no server to log in to", param_hint="--endpoint"
        )
    began = time.monotonic()
    with Stop() as stop:
        try:
            location, done = _copied(first, second, stop, verify=verify, overwrite=overwrite)
        except StoppedError as exc:
            note("Stopped: the copy was not made")
            raise typer.Exit(stop.exit_code) from exc
    _tell(location, done, time.monotonic() - began, as_json)


def _place(
    file: str, backend: str | None, login: tuple[str | None, ...], hint: str
) -> options.Place:
    place = options.find_place(file, backend, None, None, None)
    if Capability.PERSISTENT not in place.driver.capabilities:
        raise typer.BadParameter(f"the backend {place.backend!r} has no files", param_hint=hint)
    return options.find_place(file, place.backend, *(login if place.is_remote else [None] * 3))


def _copied(
    first: options.Place, second: options.Place, stop: Stop, *, verify: bool, overwrite: bool
) -> tuple[str, Transfer]:
    location = second.new_location()
    with first.open_for_reading() as source:
        _refuse_itself(source, second, location)
        if unfinished := source.root().attrs.get(UNFINISHED):
            note(f"Warning: this is itself an unfinished copy of {unfinished}")
        place = _remote if second.is_remote else _local
        with place(second, location, overwrite) as (copy, how, part):

            def reopen() -> None:
                copy.close_file()
                copy.open_file(part, "r+", **how)

            with Meter("copying", None, stop=stop) as meter:
                comparing = functools.partial(meter.told, what="comparing")
                done = transfer(source, copy, meter.told, comparing, verify=verify, reopen=reopen)
    return location, done


def _refuse_itself(source: H5Backend, second: options.Place, location: str) -> None:
    same = source.filename == location and source.backend == second.backend
    if os.path.exists(location) and os.path.exists(source.filename):
        same |= os.path.samefile(location, source.filename)
    if same:
        raise FileOccupiedError("a file cannot be copied onto itself", file=location)


@contextlib.contextmanager
def _local(
    place: options.Place, location: str, overwrite: bool
) -> Iterator[tuple[H5Backend, dict[str, Any], str]]:
    """Give a new file that gets its name when the block is done."""
    if overwrite:
        refuse_writers(location)
    with (
        options.named_here(),
        new_file(Path(location), overwrite) as part,
        H5Backend(place.backend) as copy,
    ):
        copy.open_file(part, "x")
        yield copy, {}, str(part)
        copy.close_file()  # before it is renamed


@contextlib.contextmanager
def _remote(
    place: options.Place, location: str, overwrite: bool
) -> Iterator[tuple[H5Backend, dict[str, Any], str]]:
    """Give a new file on a server, where nothing can be renamed: what is left of it is said."""
    with H5Backend(place.backend) as copy:
        with options.named_here():
            copy.open_file(location, "w" if overwrite else "x", **place.options)
        try:
            yield copy, place.options, location
        except BaseException:
            note(
                f"What is on the server at {location} is not the file: its root says "
                f"{UNFINISHED!r}. The same command with --overwrite replaces it."
            )
            with contextlib.suppress(H5Error):
                _emptied(copy)
            raise


def _emptied(copy: H5Backend) -> None:
    """Take half a copy off the server."""
    for name in copy.root().children_name():
        copy.remove_node(f"/{name}")


def refuse_writers(location: str) -> None:
    """Refuse to take a file from under the program that writes it.

    Raises
    ------
    FileBusyError
    """
    if os.path.isfile(location) and (found := writers(location)):
        raise FileBusyError(
            "another program is writing the file that would be replaced",
            file=location,
            found=", ".join(map(str, found)),
            remedy="Choose another name, or end that program first.",
        )


def _tell(location: str, done: Transfer, took: float, as_json: bool) -> None:
    if as_json:
        json.dump({"file": location, **asdict(done), "seconds": took}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    rate = quantity(done.nbytes / max(took, 1e-9), "byte")
    text = f"Copied {quantity(done.nbytes, 'byte')} to {location} ({duration(took)}, {rate}/s)"
    if done.nodes is not None:
        text += f"; {counted(done.nodes, 'node')} compared and equal"
    out.print(text, markup=False, soft_wrap=True)
    if done.live:
        note("The original may be growing: the copy has what was written when it was read.")
