"""Conformance of a driver: opening, modes, existence, closing, capabilities."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from h5backends.drivers import registry
from h5backends.drivers.base import (
    Driver,
    SupportsDirectChunk,
    SupportsFsync,
    SupportsRefresh,
    SupportsReserve,
    SupportsSwmr,
    SupportsVirtual,
)
from h5backends.errors import FileClosedError, FileMissingError, FileOccupiedError
from h5backends.testing.suite import (
    OpenDriver,
    Oracle,
    Suite,
    check,
    full,
    make_fixed,
    make_group,
    make_growing,
    make_ragged,
    refusal,
)
from h5backends.types import MODES, Capability, Mode, OpenOptions

__all__ = ["FileConformance"]

_PROTOCOLS = {
    Capability.SWMR_WRITE: SupportsSwmr,
    Capability.REFRESH: SupportsRefresh,
    Capability.FSYNC: SupportsFsync,
    Capability.DIRECT_CHUNK: SupportsDirectChunk,
    Capability.VIRTUAL: SupportsVirtual,
    Capability.RESERVE: SupportsReserve,
}


class FileConformance(Suite):
    """A driver as a file."""

    def test_file_registered_under_its_name(self) -> None:
        kind = registry.load(self.driver)
        assert issubclass(kind, Driver)
        assert kind.name == self.driver

    @pytest.mark.parametrize("capability", _PROTOCOLS, ids=lambda capability: capability.name)
    def test_file_capabilities_and_methods_agree(
        self, open_driver: OpenDriver, capability: Capability
    ) -> None:
        driver = open_driver()
        has = isinstance(driver, _PROTOCOLS[capability])
        assert has == (capability in driver.capabilities)

    def test_file_local_or_remote_but_not_both(self) -> None:
        capabilities = registry.load(self.driver).capabilities
        assert not (Capability.LOCAL in capabilities and Capability.REMOTE in capabilities)

    def test_file_normalise_is_done_once(self, location: str) -> None:
        kind = registry.load(self.driver)
        once = kind.normalise(location)
        assert kind.normalise(once) == once

    @pytest.mark.parametrize("mode", ["r", "r+"])
    def test_file_missing_file(
        self, open_driver: OpenDriver, location: str, options: dict[str, Any], mode: Mode
    ) -> None:
        error = refusal(FileMissingError, lambda: open_driver(mode))
        kind = registry.load(self.driver)
        assert error.file == kind.normalise(location)
        assert not kind.exists(kind.normalise(location), OpenOptions(extra=options))

    @pytest.mark.parametrize("mode", ["a", "w", "x"])
    def test_file_create(
        self, open_driver: OpenDriver, location: str, options: dict[str, Any], mode: Mode
    ) -> None:
        kind = registry.load(self.driver)
        place = kind.normalise(location)
        assert not kind.exists(place, OpenOptions(extra=options))
        driver = open_driver(mode)
        assert driver.is_open
        assert driver.location == place
        assert driver.mode == mode
        assert driver.native is not None
        assert driver.child_names(driver.root()) == []
        driver.close()
        assert kind.exists(place, OpenOptions(extra=options))

    def test_file_folders(
        self, open_driver: OpenDriver, location: str, options: dict[str, Any]
    ) -> None:
        kind = registry.load(self.driver)
        how = OpenOptions(extra=options)
        place = PurePosixPath(kind.normalise(location).replace("\\", "/"))
        beside = place.parent
        deep = beside / f"{place.stem}-deeper" / "2026" / "20261125"
        assert kind.folder_names(str(deep), how) == []
        assert place.name not in kind.folder_names(str(beside), how)
        open_driver("a").close()
        assert place.name in kind.folder_names(str(beside), how)
        for _ in range(2):  # what is there stays as it is
            kind.make_folder(str(deep), how)
            kind.make_folder(str(beside), how)
        inside = str(deep / "file.h5")
        kind.open(inside, "x", how).close()
        assert kind.folder_names(str(deep), how) == ["file.h5"]
        assert kind.folder_names(str(deep.parent), how) == ["20261125"]
        assert kind.folder_names(str(beside / "not-there"), how) == []
        refusal(FileOccupiedError, lambda: kind.open(inside, "x", how))

    @pytest.mark.parametrize("mode", MODES)
    def test_file_open_what_is_there(self, open_driver: OpenDriver, mode: Mode) -> None:
        driver = open_driver("a")
        make_group(driver, driver.root(), "kept")
        driver.close()
        if mode == "x":
            refusal(FileOccupiedError, lambda: open_driver(mode))
            mode = "r"
        driver = open_driver(mode)
        expected = [] if mode == "w" else ["kept"]
        assert driver.child_names(driver.root()) == expected

    @pytest.mark.parametrize("mode", ["r+", "a"])
    def test_file_add_to_what_is_there(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, mode: Mode
    ) -> None:
        driver = open_driver("w")
        make_group(driver, driver.root(), "old")
        driver.close()
        driver = open_driver(mode)
        make_group(driver, driver.root(), "new")
        driver.close()
        assert {"/", "/old", "/new"} == set(oracle(location))

    def test_file_close_twice(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        driver.close()
        assert not driver.is_open
        driver.close()

    def test_file_closed(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        root = driver.root()
        group = make_group(driver, root, "group")
        fixed = make_fixed(driver, "fixed", np.arange(3))
        growing = make_growing(driver, "growing", np.dtype("f8"))
        ragged = make_ragged(driver, "ragged", np.dtype("i4"))
        appender = driver.appender(growing)
        driver.close()
        rows = np.zeros(2)
        for action in (
            driver.root,
            driver.flush,
            lambda: driver.get("/group"),
            lambda: driver.child(root, "group"),
            lambda: driver.child_names(root),
            lambda: list(driver.scan(root)),
            lambda: make_group(driver, group, "sub"),
            lambda: driver.remove(group),
            lambda: driver.move(group, root, "moved"),
            lambda: driver.attr_names(group),
            lambda: driver.read_attr(group, "TITLE"),
            lambda: driver.read_attrs(group),
            lambda: driver.write_attr(group, "a", "b"),
            lambda: driver.delete_attr(group, "TITLE"),
            lambda: driver.spec(fixed),
            lambda: driver.shape(fixed),
            lambda: driver.read(fixed, full((3,))),
            lambda: driver.write(fixed, full((3,)), np.arange(3)),
            lambda: driver.resize(growing, 3),
            lambda: appender.append(0, rows),
            lambda: driver.append_ragged(ragged, [np.zeros(2, "i4")]),
            lambda: driver.read_ragged(ragged, 0, 1),
        ):
            refusal(FileClosedError, action)

    def test_file_flush_keeps_everything_usable(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        array = make_growing(driver, "array", np.dtype("f8"))
        appender = driver.appender(array)
        for start in range(0, 6, 2):
            appender.append(start, np.array([start, start + 1], "f8"))
            driver.flush()
        if isinstance(driver, SupportsFsync):
            driver.fsync()
        check(driver.read(array, full((6,))), np.arange(6.0))
        driver.close()
        check(oracle(location)["/array"].values, np.arange(6.0))

    def test_file_lock_can_be_taken_twice(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        with driver.lock, driver.lock:
            assert driver.root() is not None
