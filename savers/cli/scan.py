"""The command ``scan``: a raster scan of a picture, recorded as a real one would be."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from h5backends.errors import FileOccupiedError
from h5backends.types import Capability
from savers import Axis, Scan
from savers.cli import options
from savers.cli.console import Stop, counted, duration, note, out, quantity
from savers.cli.progress import Meter
from savers.demo import Microscope, Stage, find_sample

__all__ = ["scan"]

_STEP = 0.5
"""Micrometres from point to point."""
_MOST = 4096


def _shape(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        shape = (int(height), int(width))
    except ValueError:
        shape = (0, 0)
    if not all(1 <= length <= _MOST for length in shape):
        raise typer.BadParameter(
            f"{text!r} is not COLUMNSxROWS, from 1x1 to {_MOST}x{_MOST}", param_hint="--size"
        )
    return shape


def scan(
    file: options.File,
    *,
    size: Annotated[str, typer.Option(metavar="WxH", help="Columns and rows.")] = "32x24",
    settle: Annotated[
        float,
        typer.Option(metavar="S", min=0.0, max=60.0, help="Time of the stage to settle."),
    ] = 0.002,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="HZ",
            min=1e-3,
            help="Points per second at most.  [default: as fast as the stage]",
            show_default=False,
        ),
    ] = None,
    channels: Annotated[
        int, typer.Option(metavar="N", min=1, max=65536, help="Of the spectrum at every point.")
    ] = 64,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="PICTURE",
            help="What to scan: .npy, or with matplotlib .png, .jpg, ...  [default: a landscape]",
            show_default=False,
        ),
    ] = None,
    snake: Annotated[bool, typer.Option("--snake", help="Every second line backwards.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the scan in the file.")
    ] = False,
    no_swmr: Annotated[
        bool, typer.Option("--no-swmr", help="Do without live readers of a local file.")
    ] = False,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if there is one.")
    ] = False,
) -> None:
    """Scan a picture with a simulated microscope: something to watch, and to try things out with.

    A stage goes from point to point and settles; a spectrometer takes a spectrum there. Written
    are its counts, their sum, and where the stage really was. Everything else is as in a real
    scan: readers follow it live, Ctrl-C ends it between two points, --resume goes on, also after
    a crash.
    """
    shape = _shape(size)
    if resume and overwrite:
        raise typer.BadParameter("contradicts --overwrite", param_hint="--resume")
    place = options.find_place(file, backend, endpoint, username, password)
    if Capability.PERSISTENT not in place.driver.capabilities:
        raise typer.BadParameter(
            f"what the backend {place.backend!r} holds is gone when the command ends",
            param_hint="--backend",
        )
    sample = find_sample(image)
    location = place.new_location()
    if not (resume or overwrite) and place.exists:
        raise FileOccupiedError(
            "the file exists already",
            file=location,
            remedy="Go on with the scan in it with --resume, or replace it with --overwrite.",
        )
    with Stop() as stop:
        recorded = _open(place, location, shape, sample.name, snake, resume, no_swmr, overwrite)
        with recorded:
            _announce(place, recorded, sample.name, shape)
            before, began = recorded.done, time.monotonic()
            extent = ((shape[0] - 1) * _STEP, (shape[1] - 1) * _STEP)
            microscope = Microscope(sample, extent, channels, np.random.default_rng())
            _run(recorded, microscope, stop, settle, rate)
            took, done, group = time.monotonic() - began, recorded.done, recorded.group
    total = shape[0] * shape[1]
    stored = f", {quantity(os.path.getsize(location), 'byte')}" if not place.is_remote else ""
    text = f"{'Stopped: ' if stop else ''}{counted(done - before, 'point')} of {total} written"
    text += f" to {group} in {location} ({duration(took)}{stored})"
    out.print(text, markup=False, soft_wrap=True)
    if done < total:
        note(f"{total - done} are left; the same command with --resume goes on")
    raise typer.Exit(stop.exit_code)


def _open(
    place: options.Place,
    location: str,
    shape: tuple[int, int],
    name: str,
    snake: bool,
    resume: bool,
    no_swmr: bool,
    overwrite: bool,
) -> Scan:
    rows, columns = shape
    axes = [
        Axis("y", "um", offset=0.0, scaling=_STEP, size=rows),
        Axis("x", "um", offset=0.0, scaling=_STEP, size=columns),
    ]
    new: dict[str, Any] = {"new_file": True} if overwrite else {}
    return Scan(
        location,
        axes,
        title=f"raster scan of a {name}",
        snake=snake,
        resume=resume,
        live=False if no_swmr else None,
        progress=False,  # the command has a bar of its own, which knows of signals
        backend=place.backend,
        **(place.options | new),
    )


def _announce(place: options.Place, recorded: Scan, name: str, shape: tuple[int, int]) -> None:
    if recorded.done:
        note(f"Going on behind {counted(recorded.done, 'point')} that are written")
    note(f"Scanning a {name}, {shape[1]} x {shape[0]} points, with {place.backend}; Ctrl-C stops")
    note(f"Watch it with: {place.command('view')}")


def _run(
    recorded: Scan, microscope: Microscope, stop: Stop, settle: float, rate: float | None
) -> None:
    def wait(seconds: float) -> bool:
        return stop.sleep_until(time.monotonic() + seconds)

    stage = Stage(settle, wait)
    recorded.signal(
        "spectrum",
        "counts",
        origin="spectrometer",
        axes=[Axis("wavelength", "nm", microscope.wavelengths)],
    )
    recorded.signal("intensity", "counts", origin="spectrometer")
    recorded.signal("stage", "um", origin="stage", labels=["y", "x"])
    total = recorded.shape[0] * recorded.shape[1]
    due = time.monotonic()
    with Meter("scanning", total, "points") as meter:
        for point in recorded:
            if rate is not None and not stop.sleep_until(due):
                break
            due = max(due, time.monotonic() - 1 / (rate or 1)) + 1 / (rate or 1)
            if not stage.move(point["y"], point["x"], _STEP) or stage.position is None:
                break
            spectrum = microscope.spectrum(*stage.position)
            point.write(
                spectrum=spectrum,
                intensity=int(spectrum.sum()),
                stage=[np.array([p]) for p in stage.position],
            )
            meter.show(recorded.done)
