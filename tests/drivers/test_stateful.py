"""Any sequence of operations on each driver equals the same on plain Python objects."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from h5backends.testing.stateful import check_driver

_FACTOR = int(os.environ.get("H5BACKENDS_EXAMPLES", "1"))
"""Set it to 20 for an hour of searching."""

_EXAMPLES = {"memory": 150, "h5py": 150, "tables": 100, "h5pyd": 8}


@pytest.mark.parametrize("driver", ["memory", "h5py", "tables"])
def test_local_drivers(driver: str, tmp_path: Path) -> None:
    def place() -> tuple[str, dict[str, Any]]:
        return str(tmp_path / f"{uuid.uuid4().hex}.h5"), {}

    check_driver(driver, place, _EXAMPLES[driver] * _FACTOR)


def test_h5pyd(make_place: Any) -> None:
    def place() -> tuple[str, dict[str, Any]]:
        found = make_place("h5pyd")
        return found.location, found.options

    check_driver("h5pyd", place, _EXAMPLES["h5pyd"] * _FACTOR, steps=20)
