"""Where benchmarks write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from savers.bench import machine


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where the system has one: the disk would drown what is compared."""
    with machine.folder() as (path, _):
        yield path
