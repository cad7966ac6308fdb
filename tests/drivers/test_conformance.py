"""The conformance suite on our own drivers, each with the raw library as its oracle."""

from __future__ import annotations

from typing import Any

import pytest

from h5backends.testing import DriverConformance, Oracle
from tests.drivers import oracles


class TestMemory(DriverConformance):
    """The reference behaviour."""

    driver = "memory"

    @pytest.fixture
    def oracle(self) -> Oracle:
        return oracles.look_with_memory


class TestH5py(DriverConformance):
    driver = "h5py"

    @pytest.fixture
    def oracle(self) -> Oracle:
        return oracles.look_with_h5py


class TestTables(DriverConformance):
    """Seen with PyTables itself."""

    driver = "tables"

    @pytest.fixture
    def oracle(self) -> Oracle:
        return oracles.look_with_tables


class TestTablesSeenByH5py(DriverConformance):
    """The same files as another program sees them."""

    driver = "tables"

    @pytest.fixture
    def oracle(self) -> Oracle:
        return oracles.look_with_h5py


class TestH5pyd(DriverConformance):
    driver = "h5pyd"

    @pytest.fixture
    def location(self, make_place: Any) -> str:
        return make_place("h5pyd").location

    @pytest.fixture
    def options(self, hsds: Any) -> dict[str, Any]:
        return dict(hsds.login)

    @pytest.fixture
    def oracle(self, hsds: Any) -> Oracle:
        def look(location: str) -> Any:
            return oracles.look_with_h5pyd(location, **hsds.login)

        return look
