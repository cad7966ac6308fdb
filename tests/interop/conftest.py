"""The real pymodaq_data, with its configuration files where they disturb nobody."""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(scope="session")
def pymodaq(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The modules of pymodaq_data 5.3.0.

    It writes configuration and log files below the home folder when it is imported.
    """
    home = str(tmp_path_factory.mktemp("pymodaq-home"))
    before = dict(os.environ)
    os.environ.update(HOME=home, USERPROFILE=home, PROGRAMDATA=home)
    try:
        modules = {
            name: importlib.import_module(f"pymodaq_data.{path}")
            for name, path in {
                "data": "data",
                "backends": "h5modules.backends",
                "saving": "h5modules.saving",
                "data_saving": "h5modules.data_saving",
                "browsing": "h5modules.browsing",
            }.items()
        }
    finally:
        os.environ.clear()
        os.environ.update(before)
    return SimpleNamespace(**modules)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let other packages warn: what they think of one another is not ours to fail over."""
    for item in items:
        if "/interop/" in item.path.as_posix():
            # PyTables on names that are no Python identifiers, pint and numpy on PyMoDAQ's calls.
            item.add_marker(pytest.mark.filterwarnings("default"))
