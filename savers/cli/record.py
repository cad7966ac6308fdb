"""The command ``record``: this machine's own counters into a file, as real streams."""

from __future__ import annotations

import math
import os
from typing import Annotated

import typer

from h5backends.errors import H5Error
from h5backends.types import Capability
from savers.cli import options
from savers.cli.cadence import Cadence
from savers.cli.console import Exit, Stop, complain, counted, duration, note, out, quantity
from savers.cli.progress import Meter
from savers.cli.recorder import Recorder
from savers.cli.recording import Recording
from savers.counters import Counter, available_counters

__all__ = ["record"]


def _positive(value: float | None) -> float | None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter("must be a number above zero")
    return value


def record(
    file: options.File,
    *,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    rate: Annotated[
        float, typer.Option(metavar="HZ", help="Points per second.", callback=_positive)
    ] = 10.0,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="How long.  [default: until stopped]",
            callback=_positive,
            show_default=False,
        ),
    ] = None,
    no_swmr: Annotated[
        bool, typer.Option("--no-swmr", help="Do without live readers of a local file.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if there is one.")
    ] = False,
) -> None:
    """Record this machine's own counters: load, memory, disk, network, frequencies, temperatures.

    A point is one reading of all of them, with its time, and becomes visible to readers as a
    whole. Ctrl-C, SIGTERM or a closed terminal end the recording properly.
    """
    place = options.find_place(file, backend, endpoint, username, password)
    if Capability.PERSISTENT not in place.driver.capabilities:
        raise typer.BadParameter(
            f"what the backend {place.backend!r} holds is gone when the command ends",
            param_hint="--backend",
        )
    counters = available_counters()
    with Stop() as stop:
        recording = _create(place, counters, rate, swmr=not no_swmr, overwrite=overwrite)
        location = recording.location
        _announce(recording, place, counters, rate)
        recorder = Recorder(recording, counters)
        cadence = Cadence(rate, seconds)
        try:
            _run(recorder, cadence, stop)
        finally:
            took = cadence.elapsed
            _finish(recorder)
    _summarise(recording, cadence, location, took, stop)
    raise typer.Exit(stop.exit_code)


def _create(
    place: options.Place, counters: list[Counter], rate: float, *, swmr: bool, overwrite: bool
) -> Recording:
    with options.named_here():
        return Recording(place, counters, rate, swmr=swmr, overwrite=overwrite)


def _announce(
    recording: Recording, place: options.Place, counters: list[Counter], rate: float
) -> None:
    streams = ", ".join(f"{c.name} ({len(c.labels)})" for c in counters)
    note(f"Recording {streams} at {rate:g} Hz")
    how = f"to {recording.location} with {place.backend}"
    if recording.live or place.is_remote:
        how += f"; watch it with: {place.command('follow')}"
    note(f"{how}; Ctrl-C stops")


def _run(recorder: Recorder, cadence: Cadence, stop: Stop) -> None:
    """Take points until the end, or until they cannot be written any more."""
    with Meter("recording", cadence.count, "points") as meter:
        while cadence.wait(stop) and not recorder.failed:
            recorder.take()
            beside = f"{cadence.left_out} left out" if cadence.left_out else ""
            if recorder.struggling:
                beside = f"{recorder.waiting} waiting for the storage {beside}"
            meter.show(cadence.taken, beside)


def _finish(recorder: Recorder) -> None:
    """Have the rest written and the file closed, or say what is lost."""
    if recorder.struggling:
        note(f"Stopping, once the storage has taken {counted(recorder.waiting, 'point')}")
    try:
        recorder.close()
    except H5Error as exc:
        complain(exc)
        _tell_losses(recorder)
        raise typer.Exit(Exit.FAILURE) from exc
    except KeyboardInterrupt:
        _tell_losses(recorder)
        raise


def _summarise(
    recording: Recording, cadence: Cadence, location: str, took: float, stop: Stop
) -> None:
    text = "Stopped: " if stop else ""
    text += f"{counted(recording.points, 'point')} saved in {location}"
    size = f", {quantity(os.path.getsize(location), 'byte')}" if os.path.isfile(location) else ""
    text += f" ({duration(took)}{size})"
    if cadence.left_out:
        text += f"; {cadence.left_out} left out, their time had passed"
    if recording.points:
        text += f"; at most {duration(cadence.worst)} late"
    out.print(text, markup=False, soft_wrap=True)


def _tell_losses(recorder: Recorder) -> None:
    safe = recorder.recording.safe
    rest = counted(recorder.taken - safe, "point")
    note(f"Safe are {counted(safe, 'point')}; {rest} after them may be lost")
