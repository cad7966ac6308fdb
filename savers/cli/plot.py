"""The command ``plot``: a picture of what is in a file."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Annotated

import typer

from h5backends.errors import FileFormatError
from savers.cli import options
from savers.cli.console import note, out, quantity
from savers.exporters.base import new_file
from savers.exporters.belonging import refreshed
from savers.plotting import choosing
from savers.view.model.choice import Part
from savers.view.model.source import Address, Source

__all__ = ["plot"]

_SIZE = "16x11"


def _places(texts: list[str]) -> list[choosing.Where]:
    try:
        return [choosing.Where.parse(text) for text in texts]
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--at") from exc


def _part(text: str | None) -> Part | None:
    if text is None:
        return None
    for part in Part:
        if part.value.startswith(text.lower()):
            return part
    known = ", ".join(part.value.split()[0] for part in Part)
    raise typer.BadParameter(f"{text!r} is none of {known}", param_hint="--part")


def _centimetres(text: str) -> tuple[float, float]:
    width, _, height = text.lower().partition("x")
    try:
        size = (float(width), float(height))
    except ValueError:
        size = (0.0, 0.0)
    if not all(2 <= length <= 200 for length in size):
        raise typer.BadParameter(
            f"{text!r} is not WIDTHxHEIGHT in centimetres, from 2 to 200", param_hint="--size"
        )
    return size


def plot(
    file: options.File,
    node: options.Node = "/",
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The picture: .png, .pdf, .svg, ...",
            show_default=False,
        ),
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=POSITION",
            help="Where an axis stands that is not to be drawn: delay=12.5, or delay=#3 for its "
            "fourth point. May be given several times.",
            show_default=False,
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="Of complex numbers: magnitude, phase, real or imaginary.  "
            "[default: magnitude and phase]",
            show_default=False,
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Values on a logarithmic scale.")] = False,
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Above the picture.", show_default=False),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="In centimetres.")] = _SIZE,
    dpi: Annotated[int, typer.Option(metavar="N", min=20, max=1200, help="Pixels an inch.")] = 150,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if there is one.")
    ] = False,
) -> None:
    """Draw an array: a trace, lines or an image, with its axes, units and error bars.

    One or two axes are drawn; of more, those of the signal, the others at their first point or as
    --at says. Without NODE what the file itself wants to be shown. Millions of points are no
    problem. Of a file that is being written, what there is by now.
    """
    from savers.plotting.figure import Look, figure_of, file_types

    places, wanted, centimetres = _places(at or []), _part(part), _centimetres(size)
    form = output.suffix[1:].lower()
    if form not in (known := file_types()):
        raise typer.BadParameter(
            f"no pictures of the kind {output.suffix!r}; there are {', '.join(known)}",
            param_hint="--output",
        )
    place = options.find_place(file, backend, endpoint, username, password)
    place.open_for_reading().close_file()  # says best what is wrong with the file
    source = Source(Address(place.location, place.backend, place.options))
    standing = source.look()
    with source.lock:
        h5 = source.h5
        if h5 is None:
            raise FileFormatError(standing.trouble, file=place.location, remedy=standing.remedy)
        try:
            try:
                chosen = choosing.chosen_plot(h5, h5.get_node(node), places, wanted)
                refreshed(chosen.array.node)
            except choosing.UnknownAxisError as exc:
                text = f"{exc.what}; expected {exc.expected}"
                raise typer.BadParameter(text, param_hint="--at") from exc
            caption = f"{os.path.basename(place.location)}  {chosen.array.path}"
            caption += f"  ·  drawn {datetime.datetime.now():%Y-%m-%d %H:%M}"
            look = Look(title, centimetres, dpi, log, caption)
            figure = figure_of(source, chosen, look)
        finally:
            source.close()
    with options.named_here(), new_file(output, overwrite) as partial:
        figure.savefig(partial, format=form)
    where = f" at {', '.join(chosen.places)}" if chosen.places else ""
    text = f"{chosen.choice.title} of {chosen.array.path}{where}: {output}"
    out.print(f"{text}, {quantity(output.stat().st_size, 'byte')}", markup=False, soft_wrap=True)
    if chosen.places and len(places) < len(chosen.places):
        names = " ".join(f"--at {chosen.array.dims[n].label}=..." for n in chosen.indexes)
        note(f"Other positions: {names}")
