"""Conformance under the facade: groups, arrays and nodes behave as PyMoDAQ's users expect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from h5backends.backend import H5Backend
from h5backends.errors import (
    AttributeMissingError,
    AttributeValueError,
    NodeExistsError,
    NodeKindError,
    NodeNameError,
    NodeNotFoundError,
    ReadOnlyError,
    ShapeError,
    UnsupportedError,
)
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, StringARRAY
from h5backends.testing.facade_values import carray, earray, group_at
from h5backends.testing.suite import OpenFile, Oracle, Suite, check, refusal
from h5backends.testing.values import NAMES
from h5backends.types import Capability, GroupType

__all__ = ["NodeConformance"]


def _tree(h5: H5Backend) -> None:
    """Make a small file with every kind of node."""
    raw = h5.get_set_group("/", "RawData", "raw")
    scan = h5.add_group("Scan000", GroupType.scan, raw, "a scan", {"units": "mV"})
    h5.create_carray(scan, "fixed", np.arange(6.0).reshape(2, 3), "fixed array")
    h5.create_earray(scan, "growing", "i4", (2,), "growing array").append([[1, 2], [3, 4]])
    h5.create_vlarray(raw, "ragged", "f4", "ragged array").append([1, 2, 3])
    h5.create_vlarray(raw, "Logger", "string", "log").append("started")


class NodeConformance(Suite):
    """What can be done with nodes."""

    # -- the tree -------------------------------------------------------------------------------
    def test_node_new_file(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w", title="my title")
        root = h5.root()
        assert isinstance(root, GROUP)
        assert (root.path, root.name, root.title) == ("/", "/", "my title")
        assert root.parent_node is None
        assert root.children() == {}
        assert h5.isopen()
        h5.close_file()
        assert not h5.isopen()
        assert set(oracle(location)) == {"/"}
        assert open_file("r").root().title == "my title"

    def test_node_kinds(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        kinds = {node.path: type(node) for node in h5.walk_nodes("/")}
        assert kinds == {
            "/": GROUP,
            "/RawData": GROUP,
            "/RawData/Logger": StringARRAY,
            "/RawData/ragged": VLARRAY,
            "/RawData/Scan000": GROUP,
            "/RawData/Scan000/fixed": CARRAY,
            "/RawData/Scan000/growing": EARRAY,
        }

    def _again(self, open_file: OpenFile) -> H5Backend:
        """Make the small file and open it again for reading."""
        h5 = open_file("w")
        _tree(h5)
        h5.close_file()
        return open_file("r")

    def test_node_walking(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        paths = [node.path for node in h5.walk_nodes("/")]
        assert paths[0] == "/"
        levels = [path.count("/") if path != "/" else 0 for path in paths]
        assert levels == sorted(levels), "level by level"
        below = [node.path for node in h5.walk_nodes("/RawData/Scan000")]
        assert below == ["/RawData/Scan000", "/RawData/Scan000/fixed", "/RawData/Scan000/growing"]
        assert [node.path for node in h5.walk_nodes("/", depth=1)] == ["/", "/RawData"]
        assert [node.path for node in h5.walk_nodes("/", depth=0)] == ["/"]
        groups = [node.path for node in h5.walk_groups("/")]
        assert groups == ["/", "/RawData", "/RawData/Scan000"]
        assert [node.path for node in h5.walk_nodes("/RawData/Logger")] == ["/RawData/Logger"]

    def test_node_finding(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        scan = h5.get_node("/RawData/Scan000")
        for found in (
            h5.get_node("/RawData", "Scan000"),
            h5.get_node(h5.get_node("/RawData"), "Scan000"),
            h5.get_node("RawData/Scan000"),
            h5.get_node("//RawData/Scan000/"),
            h5.get_node(scan),
            h5.root()["RawData/Scan000"],
            group_at(h5, "/RawData")["Scan000"],
            group_at(h5, "/RawData").get_child("Scan000"),
            h5.get_parent_node("/RawData/Scan000/fixed"),
            h5.get_group_by_title("/RawData", "a scan"),
            h5.get_children("/RawData")["Scan000"],
        ):
            assert found == scan
        assert h5.get_node_name(scan) == "Scan000"
        assert h5.get_node_path(scan) == "/RawData/Scan000"
        assert h5.is_node_in_group("/RawData", "scan000")
        assert not h5.is_node_in_group("/RawData", "scan001")
        assert h5.get_group_by_title("/RawData", "no such title") is None
        assert h5.get_node("/") == h5.root()

    def test_node_groups(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        raw = group_at(h5, "/RawData")
        assert raw.children_name() == ["Logger", "Scan000", "ragged"]
        assert list(raw.children()) == raw.children_name()
        assert list(raw) == raw.children_name()
        assert len(raw) == 3
        assert "Scan000" in raw
        assert "Scan000/fixed" in raw
        for missing in (
            "scan000",
            "",
            ".",
            "..",
            "/",
            "Scan000/",
            "Scan000/none",
            "fixed/x",
            None,
            3,
        ):
            assert missing not in raw
        assert bool(h5.root())
        assert "Scan000" in repr(raw)
        assert raw.path in str(raw)

    def test_node_add_group(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        group = h5.add_group("detector", GroupType.detector, "/", "a title", {"a": 1})
        assert group.name == "Detector"
        assert group.attrs["type"] == "detector"
        assert h5.add_group("detector", GroupType.detector, "/") == group
        assert h5.add_group("Detector", "detector", h5.root()) == group
        assert h5.root().children_name() == ["Detector"]
        assert group.title == "a title"

    def test_node_get_set_group(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", "first", a=1)
        again = h5.get_set_group("/", "group", "second", a=2)
        assert again == group
        assert again.title == "first"
        assert again.attrs["a"] == 1

    # -- changing the tree ----------------------------------------------------------------------
    def test_node_remove(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w")
        _tree(h5)
        growing = earray(h5, "/RawData/Scan000/growing")
        growing.append([5, 6])
        h5.remove_node("/RawData", "ragged")
        h5.remove_node("/RawData/Scan000")
        assert group_at(h5, "/RawData").children_name() == ["Logger"]
        refusal(NodeNotFoundError, lambda: h5.remove_node("/RawData/Scan000"))
        refusal(NodeNotFoundError, lambda: growing.append([7, 8]))
        h5.close_file()
        assert set(oracle(location)) == {"/", "/RawData", "/RawData/Logger"}

    def test_node_remove_children(
        self, open_file: OpenFile, oracle: Oracle, location: str
    ) -> None:
        h5 = open_file("w")
        _tree(h5)
        raw = group_at(h5, "/RawData")
        raw.attrs["kept"] = 1
        raw.remove_children()
        assert raw.children() == {}
        assert raw.attrs["kept"] == 1
        h5.close_file()
        assert set(oracle(location)) == {"/", "/RawData"}

    def test_node_removed_nodes_take_nothing(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        _tree(h5)
        group = h5.get_node("/RawData/Scan000")
        fixed = carray(h5, "/RawData/Scan000/fixed")
        ragged = earray(h5, "/RawData/ragged")
        texts = earray(h5, "/RawData/Logger")
        h5.root().remove_children()

        def overwrite() -> None:
            fixed[0, 0] = 1.0

        for action in (
            overwrite,
            lambda: ragged.append([1]),
            lambda: texts.append("lost"),
            lambda: group.attrs.update(a=1),
            lambda: fixed.attrs.update(a=1),
            lambda: h5.create_carray(group, "array", [1]),
            lambda: h5.get_set_group(group, "group"),
            lambda: h5.remove_node(group),
        ):
            refusal(NodeNotFoundError, action)
        assert h5.root().children() == {}

    def test_node_move(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w")
        _tree(h5)
        growing = earray(h5, "/RawData/Scan000/growing")
        growing.append([5, 6])
        moved = h5.move_node(growing, "/RawData", "renamed")
        assert moved.path == "/RawData/renamed"
        assert isinstance(moved, EARRAY)
        moved.append([7, 8])
        growing.append([9, 10])
        assert growing.path == "/RawData/renamed"
        fixed = h5.get_node("/RawData/Scan000/fixed")
        h5.move_node("/RawData/Scan000", "/")
        assert fixed.path == "/Scan000/fixed"
        h5.move_node("/Scan000", "/", "Scan001")
        h5.close_file()
        seen = oracle(location)
        assert set(seen) == {
            "/",
            "/RawData",
            "/RawData/Logger",
            "/RawData/ragged",
            "/RawData/renamed",
            "/Scan001",
            "/Scan001/fixed",
        }
        check(seen["/RawData/renamed"].values, np.arange(1, 11, dtype="i4").reshape(5, 2))

    def test_node_copy(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w")
        _tree(h5)
        growing = earray(h5, "/RawData/Scan000/growing")
        growing.append([5, 6])
        told: list[tuple[int, int]] = []
        copy = h5.copy_node(
            "/RawData/Scan000",
            "/",
            "Copy",
            progress=lambda done, total: told.append((done, total)),
        )
        growing.append([7, 8])
        assert copy.path == "/Copy"
        assert copy.attrs["units"] == "mV"
        assert told[-1][0] == told[-1][1] == 6 * 8 + 6 * 4
        h5.copy_node("/RawData/Logger", "/Copy")
        earray(h5, "/Copy/Logger").append("copied")
        h5.close_file()
        seen = oracle(location)
        check(seen["/Copy/growing"].values, np.arange(1, 7, dtype="i4").reshape(3, 2))
        check(seen["/RawData/Scan000/growing"].values, np.arange(1, 9, dtype="i4").reshape(4, 2))
        check(seen["/Copy/fixed"].values, np.arange(6.0).reshape(2, 3))
        h5 = open_file("r")
        assert carray(h5, "/Copy/Logger").read() == ["started", "copied"]
        assert carray(h5, "/RawData/Logger").read() == ["started"]

    @pytest.mark.parametrize(
        ("action", "error"),
        [
            (lambda h5: h5.move_node("/RawData", "/RawData/Scan000"), NodeNameError),
            (lambda h5: h5.move_node("/RawData", "/RawData"), NodeNameError),
            (lambda h5: h5.move_node("/RawData", "/", ""), NodeNameError),
            (lambda h5: h5.move_node("/", "/RawData"), NodeNameError),
            (lambda h5: h5.move_node("/RawData/ragged", "/RawData", "Logger"), NodeExistsError),
            (lambda h5: h5.move_node("/RawData/ragged", "/RawData/Logger"), NodeKindError),
            (lambda h5: h5.move_node("/none", "/"), NodeNotFoundError),
            (lambda h5: h5.copy_node("/RawData", "/RawData/Scan000"), NodeNameError),
            (lambda h5: h5.copy_node("/RawData", "/RawData", "inner"), NodeNameError),
            (lambda h5: h5.copy_node("/", "/RawData", "inner"), NodeNameError),
            (lambda h5: h5.copy_node("/RawData", "/"), NodeExistsError),
            (lambda h5: h5.copy_node("/none", "/"), NodeNotFoundError),
            (lambda h5: h5.copy_to(h5), NodeNameError),
            (lambda h5: h5.copy_to(h5, "/RawData"), NodeNameError),
            (lambda h5: h5.remove_node("/"), NodeNameError),
            (lambda h5: h5.get_children("/RawData/Logger"), NodeKindError),
            (lambda h5: h5.read("/RawData"), NodeKindError),
            (lambda h5: h5.get_set_group("/RawData", "Logger"), NodeKindError),
        ],
    )
    def test_node_refused(
        self,
        open_file: OpenFile,
        oracle: Oracle,
        location: str,
        action: Any,
        error: Any,
    ) -> None:
        h5 = open_file("w")
        _tree(h5)
        before = [node.path for node in h5.walk_nodes("/")]
        found = refusal(error, lambda: action(h5))
        assert found.file == h5.filename
        assert [node.path for node in h5.walk_nodes("/")] == before
        h5.close_file()
        assert set(oracle(location)) == set(before)

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
    def test_node_names(self, open_file: OpenFile, name: str) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", name)
        array = h5.create_earray(group, name, "f8")
        array.append(1.5)
        assert (group.name, array.name) == (name, name)
        assert array.path == f"/{name}/{name}"
        assert h5.get_node(f"/{name}/{name}") == array
        h5.close_file()
        check(carray(open_file("r"), f"/{name}/{name}").read(), np.array([1.5]))

    # -- nodes ----------------------------------------------------------------------------------
    def test_node_equality_and_hash(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        paths = [node.path for node in h5.walk_nodes("/")]
        nodes = {h5.get_node(path): path for path in paths}
        assert len(nodes) == len(paths)
        for path in paths:
            node = h5.get_node(path)
            assert nodes[node] == path
            assert node == h5.get_node(path)
            assert hash(node) == hash(h5.get_node(path))
            assert all(node != other for other in nodes if nodes[other] != path)
            assert node != path
            assert node != 3

    def test_node_parents(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        for node in h5.walk_nodes("/"):
            parent = node.parent_node
            if node.path == "/":
                assert parent is None
            else:
                assert isinstance(parent, GROUP)
                assert parent.get_child(node.name) == node
                assert h5.get_parent_node(node) == parent

    def test_node_representations(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        for node in h5.walk_nodes("/"):
            for text in (str(node), repr(node)):
                assert node.path in text
                assert type(node).__name__ in text
            assert node.title in repr(node)
        fixed = carray(h5, "/RawData/Scan000/fixed")
        assert "(2, 3)" in repr(fixed)
        assert "float64" in repr(fixed)
        assert self.driver in repr(h5)
        attrs = fixed.attrs
        assert "TITLE := 'fixed array'" in repr(attrs)
        assert fixed.path in str(attrs)
        h5.close_file()
        assert "closed" in repr(fixed)
        assert "closed" in repr(h5)

    def test_node_attributes_are_a_mapping(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        attrs = h5.get_set_group("/", "group").attrs
        own = len(attrs)
        attrs["b"] = 1
        attrs.update(a=2, c=(3, 4))
        assert list(attrs) == sorted(attrs)
        assert list(attrs) == attrs.attrs_name
        assert len(attrs) == own + 3
        assert "a" in attrs
        assert "d" not in attrs
        assert "" not in attrs
        assert attrs.get("d") is None
        assert attrs.setdefault("d", 5) == 5
        assert attrs.pop("d") == 5
        assert attrs.pop("d", 6) == 6
        del attrs["b"]
        assert dict(attrs) == attrs.to_dict()
        assert attrs["c"] == (3, 4)
        assert attrs.node == h5.get_node("/group")
        node = h5.get_node("/group")
        node.set_attr("e", 7)
        assert node.get_attr("e") == 7
        assert h5.has_attr(node, "e")
        h5.set_attr("/group", "e", 8)
        assert h5.get_attr("/group", "e") == 8

    def test_node_title_is_an_attribute(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", "first")
        assert group.title == group.attrs["TITLE"] == group.attrs["title"] == "first"
        assert "title" in group.attrs
        group.attrs["title"] = "second"
        assert group.attrs["TITLE"] == "second"
        assert [name for name in group.attrs if name.lower() == "title"] == ["TITLE"]
        assert h5.get_group_by_title("/", "second") == group

    @pytest.mark.parametrize("name", ["", "a\0b", "\ud800", None, 3, b"bytes"], ids=repr)
    def test_node_names_that_no_attribute_has(self, open_file: OpenFile, name: Any) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group")
        group.attrs["a"] = "kept"
        before = group.attrs.to_dict()

        def assign() -> None:
            group.attrs[name] = 1

        error = refusal(AttributeValueError, assign)
        assert error.node == "/group"
        assert name not in group.attrs
        check(group.attrs.to_dict(), before)

    def test_node_missing_attribute(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", a=1)
        error = refusal(AttributeMissingError, lambda: group.attrs["missing"])
        assert isinstance(error, KeyError)
        assert "missing" in str(error)
        assert error.node == "/group"
        assert error.found is not None
        assert "a" in error.found
        refusal(AttributeMissingError, lambda: group.attrs.pop("missing"))

    # -- arrays ---------------------------------------------------------------------------------
    def test_node_arrays_are_described(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        fixed = carray(h5, "/RawData/Scan000/fixed")
        assert (fixed.shape, fixed.ndim, fixed.size, fixed.nbytes) == ((2, 3), 2, 6, 48)
        assert fixed.dtype == np.dtype("f8")
        assert len(fixed) == 2
        growing = carray(h5, "/RawData/Scan000/growing")
        assert (growing.shape, growing.ndim, growing.dtype) == ((2, 2), 2, np.dtype("i4"))
        assert growing.chunks is not None
        assert growing.chunks[1:] == (2,)
        assert fixed.attrs["shape"] == (2, 3)
        assert growing.attrs["shape"] == (2, 2)
        assert fixed.attrs["dtype"] == "float64"

    def test_node_numpy_takes_them(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        fixed = carray(h5, "/RawData/Scan000/fixed")
        data = np.arange(6.0).reshape(2, 3)
        check(np.asarray(fixed), data)
        check(np.array(fixed, dtype="f4"), data.astype("f4"))
        check(np.add(fixed, 1), data + 1)
        check(np.mean(fixed), np.mean(data))
        check(np.concatenate([fixed, fixed]), np.concatenate([data, data]))
        check(data * np.asarray(fixed), data * data)
        check([row.tolist() for row in fixed], data.tolist())  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="copy"):
            np.asarray(fixed, copy=False)

    @pytest.mark.parametrize(
        "key",
        [
            ...,
            (),
            0,
            -1,
            (1, 2),
            (0, ...),
            (..., 1),
            slice(None, None, -1),
            (slice(0, 10, 3), slice(4, 1, -2)),
            [0, 5, 11],
            ([3, 1, 1], slice(1, 3)),
            (slice(None), [True, False, True, False, True]),
            np.arange(60).reshape(12, 5) % 7 == 0,
            (np.array([1, 2]), np.array([3, 4])),
            slice(5, 5),
            [],
        ],
        ids=lambda key: repr(key)[:30].replace("\n", ""),
    )
    def test_node_selections(self, open_file: OpenFile, key: Any) -> None:
        h5 = open_file("w")
        data = np.arange(60).reshape(12, 5)
        fixed = h5.create_carray("/", "fixed", data)
        growing = h5.create_earray("/", "growing", "i8", (5,), chunks=(4, 5))
        growing.append(data)
        for array in (fixed, growing):
            check(array[key], data[key])
            expected = data.copy()
            expected[key] = -data[key]
            array[key] = -data[key]
            check(array.read(), expected)
            array[...] = data
            expected = data.copy()
            expected[key] = 7
            array[key] = 7
            check(array.read(), expected)

    def test_node_read(self, open_file: OpenFile) -> None:
        h5 = self._again(open_file)
        data = np.arange(6.0).reshape(2, 3)
        check(h5.read("/RawData/Scan000/fixed"), data)
        check(h5.read("/RawData/Scan000/fixed", 1), data[1])
        check(h5.read("/RawData/Scan000/fixed", slice(None), 2), data[:, 2])
        check(h5.read("/RawData/ragged"), [np.array([1, 2, 3], "f4")])
        check(h5.read("/RawData/Logger", 0), "started")

    def test_node_empty_growing_arrays(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        h5.create_earray("/", "scalars", "f8")
        h5.create_earray("/", "images", "u2", (3, 4))
        h5.create_vlarray("/", "ragged", "i4")
        h5.create_vlarray("/", "texts", "string")
        for mode in ("a", "r"):
            check(carray(h5, "/scalars")[:], np.empty(0))
            check(carray(h5, "/images")[...], np.empty((0, 3, 4), "u2"))
            check(carray(h5, "/ragged").read(), [])
            check(carray(h5, "/texts").read(), [])
            assert [len(carray(h5, path)) for path in ("/scalars", "/images", "/texts")] == [0] * 3
            h5.close_file()
            h5 = open_file("r" if mode == "a" else "a")

    def test_node_own_writes_are_read(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        array = h5.create_earray("/", "array", "f8", chunks=(16,))
        expected: list[float] = []
        for value in range(50):
            array.append(float(value))
            expected.append(float(value))
            assert len(array) == len(expected)
            if value % 7 == 0:
                check(carray(h5, "/array")[-1], np.float64(expected[-1]))
                array[0] = -float(value)
                expected[0] = -float(value)
        check(array.read(), np.array(expected))

    def test_node_two_nodes_of_one_array(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        first = h5.create_earray("/", "array", "i8")
        second = earray(h5, "/array")
        for value in range(20):
            (first, second)[value % 2].append(value)
        assert len(first) == len(second) == 20
        check(first.read(), np.arange(20))
        check(second[5:], np.arange(5, 20))

    def test_node_shape_attribute_is_right_after_closing(
        self, open_file: OpenFile, oracle: Oracle, location: str
    ) -> None:
        h5 = open_file("w")
        h5.create_earray("/", "array", "f8", (2,)).append(np.zeros((7, 2)))
        h5.create_vlarray("/", "texts", "string").append("a")
        h5.close_file()
        h5 = open_file("r")
        assert h5.get_attr("/array", "shape") == (7, 2)
        assert h5.get_attr("/texts", "shape") == (1,)

    def test_node_reserved_rows(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w")
        rows = h5.create_earray("/", "rows", "int32", data_shape=(2,), fill_value=-1)
        rows.append([[1, 2], [3, 4]])
        own = rows.reserve(3)
        assert own == slice(2, 5)
        assert rows.reserve(0) == slice(5, 5)
        rows.append([5, 6])
        assert rows.shape == (6, 2)
        rows[own] = [[7, 7], [8, 8], [9, 9]]
        assert rows.reserve(1) == slice(6, 7)
        h5.close_file()
        expected = [[1, 2], [3, 4], [7, 7], [8, 8], [9, 9], [5, 6], [-1, -1]]
        check(oracle(location)["/rows"].values, np.array(expected, "int32"))
        h5 = open_file("r")
        check(earray(h5, "/rows").read(), np.array(expected, "int32"))
        if Capability.LOCAL in h5.session.driver.capabilities:
            assert h5.get_attr("/rows", "shape") == (7, 2)

    def test_node_reserving_what_cannot_be(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        rows = h5.create_earray("/", "rows", "int32")
        refusal(ShapeError, lambda: rows.reserve(-1))
        length = 0
        if Capability.RESERVE in h5.session.driver.capabilities:
            assert rows.reserve(2, shared=True) == slice(0, 2)
            length = 2
        else:
            error = refusal(UnsupportedError, lambda: rows.reserve(2, shared=True))
            assert "RESERVE" in str(error)
        h5.close_file()
        h5 = open_file("r")
        refusal(ReadOnlyError, lambda: earray(h5, "/rows").reserve(1))
        assert len(earray(h5, "/rows")) == length

    def test_node_save_file_as(self, open_file: OpenFile, location: str, oracle: Oracle) -> None:
        h5 = open_file("w")
        _tree(h5)
        stem = location.rsplit(".", 1)[0]
        h5.save_file_as(f"{stem}_copy.h5")
        h5.close_file()
        original, copy = oracle(location), oracle(f"{stem}_copy.h5")
        assert set(original) == set(copy)
        for path, node in original.items():
            check(copy[path].values, node.values, path)
            check(dict(copy[path].attrs), dict(node.attrs), path)
