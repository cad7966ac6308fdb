"""Public names of a package that are imported when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["imported_late"]


def imported_late(
    package: str, homes: Mapping[str, str], root: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names cost nothing until used.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        Name -> the module that it is in, below `root`.
    root : str, optional
        By default the package itself.

    Examples
    --------
    >>> __getattr__, __dir__ = imported_late(__name__, {"check": "swmr.inspection"}, "h5backends")
    >>> __getattr__("check").__module__
    'h5backends.swmr.inspection'
    """

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{root or package}.{home}"), name)
        setattr(sys.modules[package], name, value)  # found directly from now on
        return value

    def names() -> list[str]:
        module = vars(sys.modules[package])
        return sorted({*module, *module["__all__"]})

    return get, names
