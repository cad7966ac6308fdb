"""Conformance of a driver: groups, names, paths, removing and moving."""

from __future__ import annotations

import numpy as np
import pytest

from h5backends.errors import NodeNotFoundError
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
from h5backends.testing.values import NAMES
from h5backends.types import NodeKind

__all__ = ["TreeConformance"]


class TreeConformance(Suite):
    """A driver as a tree."""

    def test_tree_root(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        assert driver.path(driver.root()) == "/"
        assert driver.kind(driver.root()) is NodeKind.GROUP
        assert driver.identity(driver.get("/")) == driver.identity(driver.root())

    def test_tree_kinds(self, open_driver: OpenDriver, oracle: Oracle, location: str) -> None:
        driver = open_driver()
        make_group(driver, driver.root(), "group")
        make_fixed(driver, "fixed", np.arange(3))
        make_growing(driver, "growing", np.dtype("f8"))
        make_ragged(driver, "ragged", np.dtype("u1"))
        expected = {
            "fixed": NodeKind.CARRAY,
            "group": NodeKind.GROUP,
            "growing": NodeKind.EARRAY,
            "ragged": NodeKind.VLARRAY,
        }
        for mode in ("a", "r"):
            root = driver.root()
            assert {name: kind for name, _, kind in driver.scan(root)} == expected
            for name, kind in expected.items():
                assert driver.kind(driver.child(root, name)) is kind
                assert driver.kind(driver.get(f"/{name}")) is kind
            driver.close()
            driver = open_driver("r" if mode == "a" else "a")
        driver.close()
        seen = oracle(location)
        assert {
            path.strip("/"): node.kind for path, node in seen.items() if path != "/"
        } == expected

    def test_tree_children_are_sorted(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        names = ["b", "a", "C", "_", "z1", "z10", "z2", "\u00e4"]
        for name in names:
            make_group(driver, driver.root(), name)
        assert driver.child_names(driver.root()) == sorted(names)
        assert [name for name, _, _ in driver.scan(driver.root())] == sorted(names)

    def test_tree_scan_gives_the_nodes_themselves(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        for name in ("a", "b"):
            make_group(driver, group, name)
        for name, handle, _ in driver.scan(group):
            assert driver.path(handle) == f"/group/{name}"
            assert driver.identity(handle) == driver.identity(driver.child(group, name))

    def test_tree_empty_group(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        assert driver.child_names(group) == []
        assert list(driver.scan(group)) == []

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
    def test_tree_names(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), name)
        make_group(driver, group, name)
        assert driver.path(group) == f"/{name}"
        assert driver.child_names(driver.root()) == [name]
        assert driver.has_child(driver.root(), name)
        assert driver.path(driver.get(f"/{name}/{name}")) == f"/{name}/{name}"
        driver.close()
        assert set(oracle(location)) == {"/", f"/{name}", f"/{name}/{name}"}
        driver = open_driver("r")
        assert driver.child_names(driver.get(f"/{name}")) == [name]

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
    def test_tree_names_of_arrays(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        driver = open_driver()
        make_fixed(driver, name, np.arange(3))
        driver.close()
        check(oracle(location)[f"/{name}"].values, np.arange(3))

    def test_tree_identity(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        array = make_fixed(driver, "array", np.arange(3))
        inner = make_group(driver, group, "group")
        handles = [driver.root(), group, array, inner]
        identities = [driver.identity(handle) for handle in handles]
        assert len(set(identities)) == 4
        for path, handle in (("/group", group), ("/array", array), ("/group/group", inner)):
            assert driver.identity(driver.get(path)) == driver.identity(handle)
            assert hash(driver.identity(driver.get(path))) == hash(driver.identity(handle))

    @pytest.mark.parametrize("path", ["/missing", "/group/missing", "/missing/group", "/array/x"])
    def test_tree_missing_nodes(self, open_driver: OpenDriver, path: str) -> None:
        driver = open_driver()
        make_group(driver, driver.root(), "group")
        make_fixed(driver, "array", np.arange(3))
        error = refusal(NodeNotFoundError, lambda: driver.get(path))
        assert error.node == path
        assert error.file == driver.location

    def test_tree_missing_child(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        assert not driver.has_child(group, "missing")
        error = refusal(NodeNotFoundError, lambda: driver.child(group, "missing"))
        assert error.node == "/group/missing"

    def test_tree_remove(self, open_driver: OpenDriver, oracle: Oracle, location: str) -> None:
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        inner = make_group(driver, group, "inner")
        make_group(driver, inner, "deep")
        make_fixed(driver, "array", np.arange(3))
        make_fixed(driver, "other", np.arange(4))
        driver.remove(driver.get("/array"))
        driver.remove(group)
        assert driver.child_names(driver.root()) == ["other"]
        refusal(NodeNotFoundError, lambda: driver.get("/group/inner"))
        driver.close()
        assert set(oracle(location)) == {"/", "/other"}

    def test_tree_a_removed_node_has_no_path(self, open_driver: OpenDriver) -> None:
        """So that what is written to it is refused, and not silently lost."""
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        array = make_growing(driver, "array", np.dtype("f8"))
        inner = make_group(driver, group, "inner")
        for handle in (array, inner):
            driver.remove(handle)
            refusal(NodeNotFoundError, lambda handle=handle: driver.path(handle))  # type: ignore[misc]

    def test_tree_a_name_can_be_used_again(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        for data in (np.arange(3), np.arange(4.0)):
            array = make_fixed(driver, "name", data)
            check(driver.read(driver.get("/name"), full(data.shape)), data)
            driver.remove(array)
        make_group(driver, driver.root(), "name")
        assert driver.kind(driver.get("/name")) is NodeKind.GROUP

    def test_tree_move(self, open_driver: OpenDriver, oracle: Oracle, location: str) -> None:
        driver = open_driver()
        source = make_group(driver, driver.root(), "source")
        target = make_group(driver, driver.root(), "target")
        inner = make_group(driver, source, "inner")
        driver.write_attr(inner, "colour", "blue")
        make_group(driver, inner, "deep")
        moved = driver.move(inner, target, "renamed")
        assert driver.path(moved) == "/target/renamed"
        assert driver.child_names(source) == []
        assert driver.read_attr(moved, "colour") == "blue"
        assert driver.child_names(moved) == ["deep"]
        driver.close()
        seen = oracle(location)
        assert set(seen) == {"/", "/source", "/target", "/target/renamed", "/target/renamed/deep"}
        assert seen["/target/renamed"].attrs["colour"] == "blue"

    def test_tree_move_an_array(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        target = make_group(driver, driver.root(), "target")
        array = make_growing(driver, "array", np.dtype("f8"))
        driver.appender(array).append(0, np.arange(5.0))
        moved = driver.move(array, target, "array")
        driver.appender(moved).append(5, np.arange(5.0, 7.0))
        renamed = driver.move(moved, target, "other name")
        assert driver.path(renamed) == "/target/other name"
        check(driver.read(renamed, full((7,))), np.arange(7.0))
        driver.close()
        check(oracle(location)["/target/other name"].values, np.arange(7.0))

    def test_tree_move_what_is_below(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        """Handles of nodes below a group follow it, whatever takes its old place."""
        driver = open_driver()
        group = make_group(driver, driver.root(), "group")
        inner = make_group(driver, group, "inner")
        array = make_growing(driver, "array", np.dtype("f8"), parent=inner)
        driver.appender(array).append(0, np.arange(3.0))
        moved = driver.move(group, driver.root(), "moved")
        assert driver.path(array) == "/moved/inner/array"
        other = make_group(driver, make_group(driver, driver.root(), "group"), "inner")
        make_growing(driver, "array", np.dtype("f8"), parent=other)
        assert driver.path(array) == "/moved/inner/array"
        driver.move(driver.child(moved, "inner"), driver.root(), "up")
        driver.move(driver.get("/up"), driver.get("/group"), "back")
        assert driver.path(array) == "/group/back/array"
        driver.appender(array).append(3, np.arange(3.0, 5.0))
        check(driver.read(array, full((5,))), np.arange(5.0))
        driver.write_attr(array, "colour", "blue")
        driver.remove(driver.get("/group/back"))
        with pytest.raises(NodeNotFoundError):
            driver.path(array)
        driver.close()
        check(oracle(location)["/group/inner/array"].values, np.zeros(0))

    def test_tree_deep(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        group = driver.root()
        for level in range(20):
            group = make_group(driver, group, f"level{level}")
        path = driver.path(group)
        assert path.count("/") == 20
        assert driver.identity(driver.get(path)) == driver.identity(group)
