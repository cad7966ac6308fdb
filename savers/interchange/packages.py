"""Optional packages, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from h5backends.errors import H5Error

__all__ = ["PackageMissingError", "package"]


class PackageMissingError(H5Error, ImportError):
    """An optional package is not installed."""


def package(module: str, install: str) -> Any:
    """Return a module.

    Parameters
    ----------
    module : str
        Its name.
    install : str
        Of what to install for it.

    Raises
    ------
    PackageMissingError
    """
    try:
        return import_module(module)
    except ImportError as exc:
        raise PackageMissingError(
            f"the package {install!r} is not installed", remedy=f"pip install {install}"
        ) from exc
