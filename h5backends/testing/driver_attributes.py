"""Conformance of a driver: attributes in their stored form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from h5backends.testing.suite import (
    OpenDriver,
    Oracle,
    Suite,
    check,
    make_fixed,
    make_group,
    make_growing,
)
from h5backends.testing.values import STORED_ATTRIBUTES
from h5backends.types import Handle, Stored

__all__ = ["AttributeConformance"]


class AttributeConformance(Suite):
    """A driver as a holder of attributes."""

    @pytest.mark.parametrize("name", STORED_ATTRIBUTES)
    def test_attribute_values(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        value = STORED_ATTRIBUTES[name]
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        driver.write_attr(group, name, value)
        check(driver.read_attr(group, name), value)
        check(driver.read_attrs(group)[name], value)
        driver.close()
        check(oracle(location)["/group"].attrs[name], value, "in the file")
        driver = open_driver("r")
        check(driver.read_attr(driver.get("/group"), name), value, "after opening again")

    def test_attribute_all_at_once(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        driver.write_attrs(group, STORED_ATTRIBUTES)
        for mode in ("a", "r"):
            group = driver.get("/group")
            found = driver.read_attrs(group)
            assert driver.attr_names(group) == sorted(found)
            for name, value in STORED_ATTRIBUTES.items():
                check(found[name], value, f"{name} ({mode})")
            driver.close()
            driver = open_driver("r")

    def test_attribute_given_at_creation(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        attrs: dict[str, Stored] = {
            "TITLE": "a title",
            "CLASS": "GROUP",
            "VERSION": "1.0",
            "a": np.arange(3),
        }
        group = driver.create_group(driver.root(), "group", attrs)
        found = driver.read_attrs(group)
        check({name: found[name] for name in attrs}, attrs)

    @pytest.mark.parametrize("place", ["root", "group", "fixed", "growing"])
    def test_attribute_on_every_kind_of_node(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, place: str
    ) -> None:
        driver = open_driver()
        makers: dict[str, Callable[[], Handle]] = {
            "root": driver.root,
            "group": lambda: make_group(driver, driver.root(), "group"),
            "fixed": lambda: make_fixed(driver, "fixed", np.arange(3)),
            "growing": lambda: make_growing(driver, "growing", np.dtype("f8")),
        }
        handle = makers[place]()
        driver.write_attr(handle, "units", "mV")
        check(driver.read_attr(handle, "units"), "mV")
        driver.close()
        path = "/" if place == "root" else f"/{place}"
        assert oracle(location)[path].attrs["units"] == "mV"

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("short", "a longer text"),
            ("a longer text", ""),
            (np.int64(1), np.int64(2)),
            (np.int64(1), np.float64(2)),
            (np.int64(1), "text"),
            (np.arange(3), np.arange(4)),
            (np.arange(3), np.int64(3)),
            ("text", np.arange(3.0)),
            (np.array(["a", "b"]), np.array(["longer", "", "c"])),
            ("x" * 100_000, "y"),
            ("y", "x" * 100_000),
            ("x" * 100_000, "z" * 100_000),
        ],
        ids=lambda value: f"{type(value).__name__}-{np.size(value)}",
    )
    def test_attribute_replaced(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, old: Any, new: Any
    ) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        driver.write_attrs(group, {"a": old, "a.new": "neighbour"})
        names = driver.attr_names(group)
        driver.flush()
        driver.write_attr(group, "a", new)
        check(driver.read_attr(group, "a"), new)
        assert driver.attr_names(group) == names
        assert driver.read_attr(group, "a.new") == "neighbour"
        driver.close()
        check(oracle(location)["/group"].attrs["a"], new, "in the file")

    def test_attribute_deleted(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        driver.write_attrs(group, {"a": "1", "b": np.int64(2), "long": "x" * 100_000})
        driver.close()
        driver = open_driver()
        group = driver.get("/group")
        for name in ("a", "long"):
            driver.delete_attr(group, name)
            assert name not in driver.attr_names(group)
            with pytest.raises(KeyError):
                driver.read_attr(group, name)
        driver.close()
        found = oracle(location)["/group"].attrs
        assert "b" in found
        assert not {"a", "long"} & set(found)

    def test_attribute_missing(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        with pytest.raises(KeyError):
            driver.read_attr(group, "missing")
        with pytest.raises(KeyError):
            driver.delete_attr(group, "missing")

    @pytest.mark.parametrize(
        "name", ["a", "with space", "gr\u00f6\u00dfe", "a.b/c", "50%&?#", "1", "x" * 200, "_v_x"]
    )
    def test_attribute_names(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        driver.write_attr(group, name, "value")
        assert driver.read_attr(group, name) == "value"
        assert name in driver.attr_names(group)
        driver.close()
        assert oracle(location)["/group"].attrs[name] == "value"

    def test_attribute_the_caller_keeps_the_memory(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        value = np.arange(3)
        driver.write_attr(group, "a", value)
        value[:] = 7
        found = driver.read_attr(group, "a")
        check(found, np.arange(3))
        found[:] = 8  # type: ignore[index]
        check(driver.read_attr(group, "a"), np.arange(3))
