"""The packages that this project is compared with, imported only when a row asks for them."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__all__ = [
    "DCNUM",
    "H5FLOW",
    "H5PY",
    "H5PYD",
    "PYMODAQ",
    "SWMR_TOOLS",
    "TABLES",
    "Peer",
    "pymodaq",
]


@dataclass(frozen=True)
class Peer:
    """A package to compare with.

    Parameters
    ----------
    name : str
        As it is called.
    distribution : str
        Its name on PyPI; empty if it is not there.
    load_from : callable
        Returns its modules.
    """

    name: str
    distribution: str
    load_from: Callable[[], Any]

    def load(self) -> Any:
        """Return its modules, None if it or something that it needs is not installed."""
        try:
            return self.load_from()
        except ImportError:
            return None

    def why_missing(self) -> str:
        """Return why its cell is empty."""
        if not self.distribution:
            return f"{self.name} is not on PyPI"
        return f"{self.name} is not installed: python -m pip install 'h5backends[bench]'"


def pymodaq(home: Path) -> SimpleNamespace:
    """Import the modules of pymodaq_data.

    Parameters
    ----------
    home : Path
        Taken for the home folder meanwhile: the package writes configuration and log files when
        it is imported.

    Raises
    ------
    ImportError
        It is not installed.
    """
    modules = {
        "data": "data",
        "backends": "h5modules.backends",
        "saving": "h5modules.saving",
        "data_saving": "h5modules.data_saving",
        "browsing": "h5modules.browsing",
    }
    with _at_home_in(home):
        return SimpleNamespace(
            **{
                name: importlib.import_module(f"pymodaq_data.{path}")
                for name, path in modules.items()
            }
        )


def home_variables(home: Path) -> dict[str, str]:
    """Return the environment in which packages take a folder for the home folder."""
    return dict.fromkeys(("HOME", "USERPROFILE", "PROGRAMDATA"), str(home))


@contextmanager
def _at_home_in(home: Path) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(home_variables(home))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _module(name: str) -> Callable[[], Any]:
    return lambda: importlib.import_module(name)


def _pymodaq() -> SimpleNamespace:
    """Import it with a home folder for this process: it writes into it until the very end."""
    home = tempfile.mkdtemp(prefix="h5backends-bench-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)  # last, as it is the first
    return pymodaq(Path(home))


PYMODAQ = Peer("pymodaq_data", "pymodaq_data", _pymodaq)
SWMR_TOOLS = Peer("swmr_tools", "swmr-tools", _module("swmr_tools"))
DCNUM = Peer("dcnum", "dcnum", _module("dcnum.read"))
TABLES = Peer("raw PyTables", "tables", _module("tables"))
H5PY = Peer("raw h5py", "h5py", _module("h5py"))
H5PYD = Peer("raw h5pyd", "h5pyd", _module("h5pyd"))
H5FLOW = Peer("h5flow", "", _module("h5flow"))
