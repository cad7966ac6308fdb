"""The command ``export``: a part of a file in another format."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from h5backends.errors import H5Error
from savers.browser import H5BrowserUtil
from savers.cli import options
from savers.cli.console import Exit, Stop, duration, note, out, quantity
from savers.cli.copy import refuse_writers
from savers.cli.progress import Meter, StoppedError
from savers.enums import UnknownNameError
from savers.exporters import exporter_names, find

__all__ = ["export"]

_WORDS: dict[str, str | bool] = {
    "true": True,
    "yes": True,
    "false": False,
    "no": False,
    "\\t": "\t",
}


def _settings(given: list[str]) -> dict[str, str | bool]:
    """Make sense of ``NAME=VALUE``."""
    found: dict[str, str | bool] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        found[name] = _WORDS.get(value, value)
    return found


def export(
    file: options.File,
    node: options.Node = "/",
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="The new file.", show_default=False),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="csv, text, npz, npy, hdf5, nexus, zarr, or one of another package.  "
            "[default: as the name of OUT ends]",
            show_default=False,
            autocompletion=exporter_names,
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Of the format: delimiter=; encoding=utf-8-sig (csv), compressed=yes (npz), "
            "backend=tables (hdf5, nexus).",
            show_default=False,
        ),
    ] = None,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it is there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Write a node into a file of another format: csv, txt, npz, npy, h5, nxs, zarr.

    Axes, units, error bars and attributes come along as far as the format has a place for them.
    Arrays are read block by block, so they may be larger than memory. OUT has its name only when
    it is complete. Of a file that is being written, what its writer has flushed is exported.
    """
    settings = _settings(given or [])
    place = options.find_place(file, backend, endpoint, username, password)
    began = time.monotonic()
    with Stop() as stop, place.open_browser() as browser:
        if overwrite:
            refuse_writers(str(output))
        try:
            with Meter("exporting", None, "bytes", stop) as meter, options.named_here():
                _export(browser, node, output, form, meter, overwrite, settings)
        except StoppedError as exc:
            note("Stopped: nothing was exported")
            raise typer.Exit(stop.exit_code) from exc
    took = time.monotonic() - began
    size = _size(output)
    if as_json:
        json.dump({"file": str(output), "nbytes": size, "seconds": took}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        text = f"Exported to {output}, {quantity(size, 'byte')} ({duration(took)})"
        out.print(text, markup=False, soft_wrap=True)
    raise typer.Exit(Exit.OK)


def _export(
    browser: H5BrowserUtil,
    node: str,
    output: Path,
    form: str | None,
    meter: Meter,
    overwrite: bool,
    settings: dict[str, str | bool],
) -> None:
    try:
        known = list(inspect.signature(find(output.suffix[1:], form)).parameters)
    except UnknownNameError as exc:
        text = f"{exc.what}; expected {exc.expected}"
        raise typer.BadParameter(text, param_hint="--format") from exc
    if unknown := [name for name in settings if name not in known]:
        has = ", ".join(known) or "none"
        text = f"the format has no setting {unknown[0]!r}; it has: {has}"
        raise typer.BadParameter(text, param_hint="--set")
    try:
        browser.export_data(
            node, output, form, overwrite=overwrite, progress=meter.told, **settings
        )
    except (TypeError, ValueError) as exc:
        if settings and (not isinstance(exc, H5Error) or isinstance(exc, UnknownNameError)):
            raise typer.BadParameter(str(exc), param_hint="--set") from exc
        raise


def _size(output: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if output.is_file():
        return output.stat().st_size
    return sum(
        os.path.getsize(Path(folder, name))
        for folder, _, names in os.walk(output)
        for name in names
    )
