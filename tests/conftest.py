"""Fixtures for all tests: a real HSDS, and a place to write for every driver."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from h5backends import H5Backend

# No deadline: a slow machine is not a failure.
settings.register_profile(
    "h5backends", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("h5backends")

DRIVERS = ("memory", "h5py", "tables", "h5pyd")
LOCAL = ("h5py", "tables")


@dataclass(frozen=True)
class Place:
    """Where a driver can write in a test.

    Parameters
    ----------
    driver : str
        Name of the driver.
    location : str
        A file that does not exist yet.
    options : dict
        What ``open_file`` needs beside it.
    """

    driver: str
    location: str
    options: dict[str, Any] = field(default_factory=dict)

    def open(self, mode: str = "a", **kwargs: Any) -> H5Backend:
        """Open the file with this driver."""
        h5 = H5Backend(self.driver, flush_policy=kwargs.pop("flush_policy", None))
        h5.open_file(self.location, mode, **self.options, **kwargs)
        return h5

    def sibling(self, name: str) -> Place:
        """Return another file beside this one."""
        stem = self.location.rsplit("/", 1)[0] if self.driver == "h5pyd" else None
        location = f"{stem}/{name}" if stem else str(Path(self.location).with_name(name))
        return Place(self.driver, location, self.options)


@pytest.fixture(scope="session")
def hsds() -> Iterator[Any]:
    """A real HSDS on a local socket, for the whole run."""
    if sys.platform == "win32":
        pytest.skip("HSDS is reached through a Unix socket here, which Windows lacks")
    from tests.hsds import HSDS, QUICK

    with HSDS(settings=QUICK) as server:
        yield server


@pytest.fixture
def make_place(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Return a function that finds a new place for a driver."""

    def make(driver: str, name: str | None = None) -> Place:
        name = name or f"{uuid.uuid4().hex[:12]}.h5"
        if driver != "h5pyd":
            return Place(driver, str(tmp_path / name))
        server = request.getfixturevalue("hsds")
        options = {
            "endpoint": server.endpoint,
            "username": server.username,
            "password": server.password,
        }
        return Place(driver, f"/home/{server.username}/{uuid.uuid4().hex[:8]}-{name}", options)

    return make


@pytest.fixture(params=DRIVERS)
def place(request: pytest.FixtureRequest, make_place: Any) -> Place:
    """A new place, for each of the four drivers in turn."""
    return make_place(request.param)


@pytest.fixture(params=LOCAL)
def local_place(request: pytest.FixtureRequest, make_place: Any) -> Place:
    """A new place, for each of the drivers of local files."""
    return make_place(request.param)


@pytest.fixture(scope="session")
def dcnum() -> Any:
    """The real dcnum with real measurements, see `tests.dcnum_release`."""
    from tests import dcnum_release

    try:
        return dcnum_release.load()
    except dcnum_release.NotThereError as exc:
        pytest.skip(f"dcnum {dcnum_release.VERSION} is not there: {exc}")
