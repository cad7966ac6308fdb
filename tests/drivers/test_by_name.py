"""Attributes of datasets that nobody opened are those of the opened ones, whatever they are."""

from __future__ import annotations

import pathlib
from typing import Any

import h5py
import numpy as np
import pytest
import tables

from h5backends import CARRAY, H5Backend, NodeError
from h5backends.drivers._tables import by_name as module

PLAIN = {"units": "mm", "label": "x", "long": "l" * 900, "sign": "µm", "empty": ""}


def fixed(size: int, padding: int, cset: int) -> h5py.h5t.TypeID:
    """Return a type for texts of so many bytes."""
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(size)
    kind.set_strpad(padding)
    kind.set_cset(cset)
    return kind


def put(node: Any, name: str, text: bytes, size: int, padding: int, cset: int = 0) -> None:
    """Write one text of a fixed length, padded as asked."""
    fill = b" " if padding == h5py.h5t.STR_SPACEPAD else b"\0"
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    attribute = h5py.h5a.create(node.id, name.encode(), fixed(size, padding, cset), space)
    attribute.write(np.array(text.ljust(size, fill), f"S{size}"), mtype=attribute.get_type())


def foreign(file: h5py.File) -> None:
    """Add arrays with attributes that only look like plain texts, four each, and four that are."""
    for number in range(3):
        node = file.create_dataset(f"padded{number}", data=np.arange(3))
        put(node, "a", b"full", 4, h5py.h5t.STR_NULLPAD)
        put(node, "b", b"short", 9, h5py.h5t.STR_NULLTERM)
        put(node, "c", b"spaces", 9, h5py.h5t.STR_SPACEPAD)
        put(node, "d", "µm".encode(), 3, h5py.h5t.STR_NULLTERM, h5py.h5t.CSET_UTF8)
        node = file.create_dataset(f"spaces{number}", data=np.arange(3))
        for name in "abcd":
            put(node, name, b"abc ", 4, h5py.h5t.STR_SPACEPAD)
        node = file.create_dataset(f"terms{number}", data=np.arange(3))
        for name in "abcd":
            put(node, name, b"full", 4, h5py.h5t.STR_NULLTERM)
        node = file.create_dataset(f"ones{number}", data=np.arange(3))
        kind = fixed(3, h5py.h5t.STR_NULLTERM, h5py.h5t.CSET_ASCII)
        attribute = h5py.h5a.create(node.id, b"a", kind, h5py.h5s.create_simple((1,)))
        attribute.write(np.array([b"one"]), mtype=kind)
        node.attrs["b"] = np.array([b"two", b"one"])
        node.attrs["c"] = "of any length"
        node.attrs["d"] = 7
        node = file.create_dataset(f"empty{number}", data=np.arange(3))
        node.attrs["a"] = h5py.Empty("f8")
        node.attrs["b"] = h5py.Empty("S3")
        node.attrs["c"] = 16 * b"s"
        node.attrs["d"] = np.complex128(1j)
        node = file.create_dataset(f"other{number}", data=np.arange(3))
        for name in "abce":
            put(node, name, b"text", 4, h5py.h5t.STR_NULLPAD)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a file of PyTables with much that others wrote into it."""
    path = tmp_path / "f.h5"
    with tables.open_file(path, "w") as file:
        for number in range(4):
            for name, more in (("same", {}), ("number", {"n": 3}), ("pickled", {"p": {1: 2}})):
                array = file.create_carray("/", f"{name}{number}", obj=np.arange(4) + number)
                for key, value in {**PLAIN, **more}.items():
                    array._v_attrs[key] = value
            array = file.create_carray("/", f"xalike{number}", obj=np.arange(4))
            for key, value in PLAIN.items():  # as many as "same" has, one of another name
                array._v_attrs[key.replace("label", "other")] = value
        group = file.create_group("/", "group")
        file.create_earray(group, "grows", obj=np.arange(3.0))
        file.create_vlarray(group, "ragged", tables.Int32Atom()).append([1, 2])
        file.create_table(group, "table", {"a": tables.Int8Col()})
        file.create_soft_link("/", "soft", "/same1")
    with h5py.File(path, "a") as file:
        foreign(file)
    return path


def opened(path: pathlib.Path) -> dict[str, Any]:
    """Return attributes and kinds of all nodes, each asked for by its path and so opened."""
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        paths = [node.path for node in h5.walk_nodes("/")]
        found = {}
        for each in paths:
            node = h5.get_node(each)
            assert h5.session.driver._tree.node(node._handle) is not None
            found[each] = (type(node), node.attrs.to_dict())
        return found


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert list(one) == list(other)
    for path, (kind, attributes) in one.items():
        assert kind is other[path][0], path
        assert list(attributes) == list(other[path][1]), path
        for name, value in attributes.items():
            second = other[path][1][name]
            assert type(value) is type(second), (path, name)
            np.testing.assert_array_equal(value, second, err_msg=f"{path} {name}")


@pytest.mark.parametrize("mode", ["r", "a"])
@pytest.mark.parametrize("by_name", [True, False])
def test_a_walk_finds_what_opened_nodes_have(
    path: pathlib.Path, mode: str, by_name: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_name:
        monkeypatch.setattr("h5backends.drivers._tables.attributes.by_name", lambda _: None)
    with H5Backend("tables") as h5:
        h5.open_file(path, mode)
        found = {n.path: (type(n), n.attrs.to_dict()) for n in h5.walk_nodes("/")}
        again = {n.path: (type(n), n.attrs.to_dict()) for n in h5.walk_nodes("/")}
    same(found, opened(path))
    same(again, found)
    assert "µm" in found["/same1"][1].values()
    assert found["/ones1"][1]["d"] == 7


def test_a_text_is_the_one_in_the_file_or_none(path: pathlib.Path) -> None:
    """One alone, whatever HDF5 would make of it."""
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        driver, told = h5.session.driver, {}
        functions, root = driver._attributes._by_name, driver._tree.root._v_objectid
        for node in h5.root().children().values():
            if isinstance(node, CARRAY):
                for name in driver.attr_names(node._handle):
                    text = functions.text(root, node.name.encode(), name.encode())
                    if text is not None:
                        value = driver.read_attr(node._handle, name)
                        assert isinstance(value, str), (node.path, name)
                        assert text == value, (node.path, name)
                    told[f"{node.name}/{name}"] = text
                names = driver.attr_names(node._handle)
                assert functions.count(root, node.name.encode()) == len(names)
        assert functions.text(root, b"same1", b"no such attribute") is None
        assert functions.text(root, b"no such node", b"CLASS") is None
        assert functions.count(root, b"no such node") == -1
    assert {f"same1/{name}": text for name, text in PLAIN.items()}.items() <= told.items()
    assert told["terms1/a"] == "full"
    assert told["padded1/d"] == "µm"


def test_what_is_not_opened(path: pathlib.Path) -> None:
    """Nodes of PyTables' own are not, until their data are asked for."""
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        handles = {node.path: node for node in h5.walk_nodes("/")}
        assert handles["/group/grows"]._handle.node is None
        assert handles["/same3"].attrs.to_dict()["units"] == "mm"
        assert handles["/same3"]._handle.node is None
        assert np.array_equal(handles["/same3"].read(), np.arange(4) + 3)
        assert handles["/group/grows"].shape == (3,)


def test_after_changes(path: pathlib.Path) -> None:
    with H5Backend("tables") as h5:
        h5.open_file(path, "a")
        nodes = {node.path: node for node in h5.walk_nodes("/")}
        for each in nodes.values():
            each.attrs.to_dict()
        nodes["/same1"].attrs["units"] = "km"
        nodes["/same2"].attrs["more"] = "text"
        del nodes["/same3"].attrs["units"]
        h5.move_node("/same0", "/group", "moved")
        h5.move_node("/group", "/", "elsewhere")
        h5.remove_node("/number1")
        assert nodes["/same1"].attrs.to_dict()["units"] == "km"
        assert nodes["/same2"].attrs.to_dict()["more"] == "text"
        assert "units" not in nodes["/same3"].attrs.to_dict()
        assert nodes["/same0"].attrs.to_dict()["units"] == "mm"
        assert np.array_equal(nodes["/same0"].read(), np.arange(4))
        assert nodes["/group/grows"].attrs.to_dict()["CLASS"] == "EARRAY"
        assert nodes["/group/grows"].path == "/elsewhere/grows"
        with pytest.raises(NodeError):
            nodes["/number1"].attrs.to_dict()
        found = {n.path: (type(n), n.attrs.to_dict()) for n in h5.walk_nodes("/")}
    same(found, opened(path))


def test_without_the_functions(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An HDF5 without one of them is no error."""
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        library = h5.session.driver._file.low.direct.library
    monkeypatch.setitem(module._FUNCTIONS, "H5Ono_such_function", (None, ()))
    assert module.by_name.__wrapped__(library) is None
