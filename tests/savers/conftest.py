"""Fixtures for the savers: a saver on every driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from savers import H5SaverLowLevel
from tests.conftest import Place

Opener = Callable[..., H5SaverLowLevel]


def open_saver(place: Place, **kwargs: Any) -> H5SaverLowLevel:
    """Open the file of a place with a saver."""
    return H5SaverLowLevel.from_file(
        place.location, backend=place.driver, **place.options, **kwargs
    )


@pytest.fixture
def saver(place: Place) -> Any:
    """A saver with a new file, on each driver in turn."""
    opened = open_saver(place, new_file=True)
    yield opened
    opened.close_file()
