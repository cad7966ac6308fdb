"""Fixtures of the core tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.observer import Observer


@pytest.fixture(scope="session")
def observer() -> Iterator[Observer]:
    """Another program that looks at files on the disk."""
    with Observer() as program:
        yield program
