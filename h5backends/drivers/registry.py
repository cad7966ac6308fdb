"""Find drivers by entry point, load them when asked for, say how to install what is missing."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from h5backends.errors import DriverError, DriverNotInstalledError, UnknownDriverError
from h5backends.types import Capability

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from h5backends.drivers.base import Driver

__all__ = ["GROUP", "backends_available", "driver_names", "drivers_with", "load", "refresh"]

GROUP = "h5backends.drivers"
"""The entry point group that drivers register in."""

_INSTALL = {"h5py": "h5py", "tables": "tables", "h5pyd": "'h5pyd>=0.24,<1'"}
"""What to give to pip for the library of a built-in driver; other drivers bring theirs along."""


_found: dict[str, EntryPoint] = {}


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # takes longer than the rest of the import

    if not _found:  # for want of descriptors Python finds none: that is not to be remembered
        _found.update((entry.name, entry) for entry in entry_points(group=GROUP))
    return _found


def refresh() -> None:
    """Forget what was found, so that a driver installed meanwhile is seen."""
    _found.clear()
    load.cache_clear()


def driver_names() -> list[str]:
    """List the names of all registered drivers, whether their library is installed or not."""
    return sorted(_entry_points())


def backends_available() -> list[str]:
    """List the drivers that can be used here for data that must last.

    A library is looked for but not loaded. Drivers of other packages count as available.

    Returns
    -------
    list of str
        For instance ``["h5py", "h5pyd", "tables"]``.
    """
    return [
        name
        for name in driver_names()
        if name != "memory" and (name not in _INSTALL or find_spec(name) is not None)
    ]


@cache
def load(name: str) -> type[Driver]:
    """Import one driver.

    Parameters
    ----------
    name : str
        A name of :func:`driver_names`.

    Raises
    ------
    UnknownDriverError
        No driver is registered under this name.
    DriverNotInstalledError
        Its library is missing; the message holds the ``pip install`` line.
    DriverError
        The system does not let it be loaded now, for instance for want of descriptors.
    """
    try:
        return _load(name)
    except DriverError:
        raise
    except OSError as exc:
        raise DriverError(
            f"the backend {name!r} cannot be loaded now",
            found=str(exc),
            remedy="Try again when the system lets files be opened, or load it earlier.",
        ) from exc


def _load(name: str) -> type[Driver]:
    entry = _entry_points().get(name)
    if entry is None:
        raise UnknownDriverError(
            f"unknown backend {name!r}",
            expected=f"one of {', '.join(driver_names())}",
            remedy="A package can add one through the entry point group 'h5backends.drivers'.",
        )
    try:
        driver: type[Driver] = entry.load()
    except ModuleNotFoundError as exc:
        wanted = _INSTALL.get(name, exc.name or name)
        raise DriverNotInstalledError(
            f"the backend {name!r} needs a package that is not installed",
            expected=f"the module {exc.name!r}",
            remedy=f"Install it with: python -m pip install {wanted}",
        ) from exc
    except ImportError as exc:
        raise DriverNotInstalledError(
            f"the library of the backend {name!r} is installed but does not load",
            found=str(exc),
            remedy=f"Try: python -m pip install --force-reinstall {_INSTALL.get(name, name)}",
        ) from exc
    return driver


def drivers_with(capability: Capability) -> list[str]:
    """List the installed drivers that have a capability (loads them)."""
    found = []
    for name in driver_names():
        try:
            driver = load(name)
        except DriverError:
            continue
        if capability in driver.capabilities:
            found.append(name)
    return found
