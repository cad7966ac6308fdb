"""What the stranger tests: the conformance suite, with an oracle that knows only zip and NumPy."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend, backends_available
from h5backends.drivers import registry
from h5backends.testing import DriverConformance, Oracle, Seen
from h5backends.testing.stateful import check_driver
from h5backends.types import NodeKind


def look(location: str) -> Mapping[str, Seen]:
    """Read an archive without the driver."""
    found: dict[str, Seen] = {}
    with zipfile.ZipFile(location) as archive:

        def load(member: str) -> Any:
            return np.load(io.BytesIO(archive.read(f"{member}.npy")), allow_pickle=False)

        for entry in json.loads(archive.read("index.json")):
            attrs = {}
            for name, value in entry["attrs"].items():
                attrs[name] = value
                if isinstance(value, dict):
                    array = load(value["member"])
                    attrs[name] = array[()] if value["scalar"] else array
            values = load(entry["values"]) if "values" in entry else None
            if entry["kind"] == "VLARRAY":
                values = np.split(values, np.cumsum(entry["lengths"]))[:-1]
            found[entry["path"]] = Seen(NodeKind(entry["kind"]), attrs, values)
    return found


class TestNpz(DriverConformance):
    """The whole suite."""

    driver = "npz"

    @pytest.fixture
    def oracle(self) -> Oracle:
        return look


def test_state_machine(tmp_path: Path) -> None:
    numbers = iter(range(10**6))
    check_driver("npz", lambda: (str(tmp_path / f"{next(numbers)}.npz"), {}), examples=30)


def test_found_without_being_named_anywhere() -> None:
    assert "npz" in registry.driver_names()
    assert "npz" in backends_available
    assert registry.load("npz").__module__ == "npzstore"


@pytest.mark.parametrize("other", ["h5py", "tables"])
def test_files_go_there_and_back(tmp_path: Path, other: str) -> None:
    with H5Backend(other) as first, H5Backend("npz") as second, H5Backend(other) as third:
        first.open_file(tmp_path / "first.h5", "w")
        first.create_earray("/", "counts", "f8", (2,)).append(np.arange(6.0).reshape(3, 2))
        first.create_vlarray("/", "log", "string").append("started")
        first.get_set_group("/", "group", "a title", shift=(1, 2.5))
        second.open_file(tmp_path / "second.npz", "w")
        first.copy_to(second)
        third.open_file(tmp_path / "third.h5", "w")
        second.copy_to(third)
        np.testing.assert_array_equal(third.read("/counts"), np.arange(6.0).reshape(3, 2))
        assert third.read("/log") == ["started"]
        assert third.get_attr("/group", "shift") == (1, 2.5)
        assert third.get_node("/group").title == "a title"
