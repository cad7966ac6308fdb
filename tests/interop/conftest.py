"""The real pymodaq_data, with its configuration files where they disturb nobody."""

from __future__ import annotations

from typing import Any

import pytest

from savers.bench import peers


@pytest.fixture(scope="session")
def pymodaq(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The modules of pymodaq_data 5.3.0.

    It writes configuration and log files below the home folder when it is imported.
    """
    return peers.pymodaq(tmp_path_factory.mktemp("pymodaq-home"))


FOREIGN_WARNINGS = (
    # pymodaq_data says so whenever data have no axis, and takes the mean of a single step.
    "ignore:The axis requested with index:Warning",
    "ignore:Mean of empty slice:RuntimeWarning",
    "ignore:invalid value encountered in scalar divide:RuntimeWarning",
    # PyTables cannot read the booleans that h5py writes, PyMoDAQ's own among them.
    "ignore:Unsupported type for attribute 'swmr_:Warning",
)
"""What other packages have to say about one another; nothing here is in our hands."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let other packages warn, in these tests only."""
    for item in items:
        if "/interop/" in item.path.as_posix():
            for warning in FOREIGN_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
