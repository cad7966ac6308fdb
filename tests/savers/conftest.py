"""Fixtures for the savers: a saver on every driver."""

from __future__ import annotations

from typing import Any

import pytest

from savers import H5SaverLowLevel
from tests.conftest import Place
from tests.small_disk import small_disk  # noqa: F401 - a fixture


def open_saver(place: Place, **kwargs: Any) -> H5SaverLowLevel:
    """Open the file of a place with a saver."""
    return H5SaverLowLevel.from_file(
        place.location, backend=place.driver, **place.options, **kwargs
    )


@pytest.fixture(params=("memory", "h5py", "tables"))
def saver(request: pytest.FixtureRequest, make_place: Any) -> Any:
    """A saver with a new file, on each driver in turn that closes it in no time."""
    opened = open_saver(make_place(request.param), new_file=True)
    yield opened
    opened.close_file()
