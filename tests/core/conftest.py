"""Fixtures of the core tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.observer import Observer
from tests.small_disk import small_disk  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def observer() -> Iterator[Observer]:
    """Another program that looks at files on the disk."""
    with Observer() as program:
        yield program
