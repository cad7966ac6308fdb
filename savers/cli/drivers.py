"""The command ``drivers``: which HDF5 libraries can be used here, and for what."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from h5backends.drivers import registry
from h5backends.errors import DriverError
from h5backends.types import Capability
from savers.cli.console import out

__all__ = ["drivers"]


def drivers(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the drivers: whether each can be used here, its version and what it can do."""
    found = [_described(name) for name in registry.driver_names()]
    if as_json:
        json.dump(found, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        out.print(_table(found))


def _described(name: str) -> dict[str, Any]:
    try:
        driver = registry.load(name)
    except DriverError as exc:
        return {"name": name, "available": False, "reason": exc.what, "help": exc.remedy}
    return {
        "name": name,
        "available": True,
        **_versions(name),
        "capabilities": [
            c.name.lower() for c in Capability if c in driver.capabilities and c.name
        ],
        "codecs": sorted(driver.codecs()),
    }


def _versions(name: str) -> dict[str, str | None]:
    """Return the versions of the driver's library, which has its name, and of HDF5 in it."""
    try:
        found = version(name)
        library = import_module(name)
    except (PackageNotFoundError, ImportError):
        return {"version": None, "hdf5": None}
    within = getattr(library, "version", library)
    hdf5 = getattr(within, "hdf5_version", getattr(library, "hdf5_version", None))
    return {"version": found, "hdf5": None if hdf5 is None else str(hdf5)}


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("driver", style="bold", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("can", style="cyan")
    table.add_column("codecs")
    for driver in found:
        if driver["available"]:
            number = driver["version"] or "built in"
            if driver["hdf5"]:
                number += f"\nHDF5 {driver['hdf5']}"
            cells = (number, ", ".join(driver["capabilities"]), ", ".join(driver["codecs"]))
            table.add_row(driver["name"], *cells)
        else:
            table.add_row(driver["name"], "[red]missing[/]", driver["reason"], driver["help"])
    return table
