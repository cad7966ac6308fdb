"""Conformance under the facade: bad input gets the same clear error, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from h5backends.backend import H5Backend
from h5backends.errors import (
    AttributeValueError,
    DTypeError,
    FileClosedError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    NodeExistsError,
    NodeKindError,
    NodeNameError,
    NodeNotFoundError,
    ReadOnlyError,
    SelectionError,
    ShapeError,
    UnsupportedError,
)
from h5backends.nodes import EARRAY, Node
from h5backends.testing.facade_values import carray, earray
from h5backends.testing.suite import OpenFile, Oracle, Suite, check, refusal
from h5backends.testing.values import UNSTORABLE

__all__ = ["BadInputConformance"]

_RAGGED = [[1.0, 2.0], [3.0]]
_BAD_ROWS: dict[str, tuple[Any, tuple[int, ...], Any, type[H5Error]]] = {
    "wrong length": ("f8", (3,), [1.0, 2.0], ShapeError),
    "wrong number of axes": ("f8", (3,), np.zeros((2, 2, 3)), ShapeError),
    "transposed block": ("f8", (3,), np.zeros((3, 5)), ShapeError),
    "scalar for a vector": ("f8", (3,), 1.0, ShapeError),
    "vector for an image": ("u2", (4, 4), np.zeros(4, "u2"), ShapeError),
    "block for a scalar": ("f8", (), np.zeros((2, 2)), ShapeError),
    "no rows": ("f8", (), [], ShapeError),
    "no vectors": ("f8", (3,), np.zeros((0, 3)), ShapeError),
    "ragged list": ("f8", (2,), _RAGGED, ShapeError),
    "NaN into int": ("i4", (), float("nan"), DTypeError),
    "NaN in a block into int": ("i4", (2,), [[1, 2], [3, np.nan]], DTypeError),
    "infinity into unsigned": ("u2", (), np.inf, DTypeError),
    "float into int": ("i4", (), 1.5, DTypeError),
    "too large": ("i2", (), 40_000, DTypeError),
    "negative into unsigned": ("u4", (), -1, DTypeError),
    "out of range": ("f4", (), 1e300, DTypeError),
    "precision of an integer": ("f8", (), 2**53 + 1, DTypeError),
    "complex into float": ("f8", (), 1j, DTypeError),
    "text into float": ("f8", (), "1.5", DTypeError),
    "float into text": ("U5", (), 1.5, DTypeError),
    "text too long": ("U5", (), "sixsix", DTypeError),
    "bytes too long": ("S2", (), b"abc", DTypeError),
    "None": ("f8", (), None, DTypeError),
    "object": ("f8", (), object(), DTypeError),
    "object array": ("f8", (2,), np.array([1.0, "a"], object), DTypeError),
    "set": ("f8", (), {1.0}, DTypeError),
    "masked": ("f8", (2,), np.ma.masked_array([1.0, 2.0], [False, True]), DTypeError),
    "number into bool": ("?", (), 1, DTypeError),
    "time into float": ("f8", (), np.datetime64("2026-01-01"), DTypeError),
    "number into time": ("M8[s]", (), 3, DTypeError),
    "finer time": ("M8[s]", (), np.datetime64("2026-01-01T00:00:00.5"), DTypeError),
    "other fields": ([("a", "i4")], (), np.zeros(1, [("b", "i4")]), DTypeError),
}

_BAD_NAMES: dict[str, Any] = {
    "empty": "",
    "slash": "/",
    "slash inside": "a/b",
    "dot": ".",
    "two dots": "..",
    "nul": "a\0b",
    "half a pair": "\ud800",
    "number": 3,
    "none": None,
    "bytes": b"name",
}


class BadInputConformance(Suite):
    """What must be refused, by the same type of error on every driver."""

    # -- the file -------------------------------------------------------------------------------
    @pytest.mark.parametrize("mode", ["r", "r+"])
    def test_bad_missing_file(self, open_file: OpenFile, mode: str) -> None:
        error = refusal(FileMissingError, lambda: open_file(mode))
        assert isinstance(error, FileNotFoundError)
        assert error.file

    def test_bad_an_existing_file_is_replaced_only_when_asked(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        h5.create_carray("/", "precious", np.arange(3))
        h5.close_file()
        error = refusal(FileOccupiedError, lambda: open_file("x"))
        assert isinstance(error, FileExistsError)
        for mode in ("a", "r+", "r"):
            h5 = open_file(mode)
            check(carray(h5, "/precious").read(), np.arange(3))
            h5.close_file()
        assert open_file("w").root().children() == {}

    @pytest.mark.parametrize("mode", ["", "rw", "read", "wb", None])
    def test_bad_no_such_mode(self, open_file: OpenFile, mode: Any) -> None:
        with pytest.raises(ValueError, match=r"r, r\+, a, w, x"):
            open_file(mode)

    def test_bad_reading_changes_nothing(
        self, open_file: OpenFile, oracle: Oracle, location: str
    ) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", a=1)
        h5.create_earray(group, "array", "f8").append([1.0, 2.0])
        h5.create_carray(group, "fixed", [1.0, 2.0])
        h5.create_vlarray(group, "texts", "string").append("a")
        h5.close_file()
        before = oracle(location)
        h5 = open_file("r")
        for action in _changes(h5):
            error = refusal(ReadOnlyError, action)
            assert isinstance(error, PermissionError)
            assert "mode='a'" in str(error)
            assert error.file == h5.filename
        for node in h5.walk_nodes("/"):
            node.attrs.to_dict()
        h5.flush()
        h5.close_file()
        after = oracle(location)
        assert set(after) == set(before)
        for path, seen in before.items():
            check(dict(after[path].attrs), dict(seen.attrs), path)
            check(after[path].values, seen.values, path)

    def test_bad_closed_file(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", a=1)
        array = h5.create_earray(group, "array", "f8")
        array.append(1.0)
        h5.create_carray(group, "fixed", [1.0, 2.0])
        h5.create_vlarray(group, "texts", "string").append("a")
        changes = _changes(h5)
        nodes = list(h5.walk_nodes("/"))
        h5.close_file()
        h5.close_file()
        h5.flush()
        for action in (
            *changes,
            h5.root,
            lambda: h5.get_node("/group"),
            lambda: list(h5.walk_nodes("/")),
            lambda: h5.filename,
            lambda: h5.get_attr("/group", "a"),
            lambda: h5.read("/group/array"),
            lambda: h5.save_file_as("copy.h5"),
            *[action for node in nodes for action in _looks(node)],
        ):
            refusal(FileClosedError, action)
        assert not h5.isopen()
        assert h5.h5file is None

    def test_bad_opening_another_file_closes_the_first(
        self, open_file: OpenFile, location: str, options: dict[str, Any]
    ) -> None:
        h5 = open_file("w")
        array = h5.create_earray("/", "array", "f8")
        array.append(1.0)
        h5.open_file(f"{location.rsplit('.', 1)[0]}_2.h5", "w", **options)
        refusal(FileClosedError, lambda: array.append(2.0))
        h5.open_file(location, "r", **options)
        check(carray(h5, "/array").read(), np.array([1.0]))

    def test_bad_nothing_open(self) -> None:
        h5 = H5Backend(self.driver)
        assert not h5.isopen()
        refusal(FileClosedError, h5.root)
        h5.flush()
        h5.close_file()

    # -- names and places -----------------------------------------------------------------------
    @pytest.mark.parametrize("name", _BAD_NAMES.values(), ids=_BAD_NAMES.keys())
    def test_bad_names(self, open_file: OpenFile, name: Any) -> None:
        h5 = open_file("w")
        h5.get_set_group("/", "group")
        for action in (
            lambda: h5.get_set_group("/group", name),
            lambda: h5.add_group(name, "data", "/group"),
            lambda: h5.create_carray("/group", name, [1]),
            lambda: h5.create_earray("/group", name, "f8"),
            lambda: h5.create_vlarray("/group", name, "f8"),
            *([] if name is None else [lambda: h5.copy_node("/group", "/", name)]),
            *([] if name is None else [lambda: h5.move_node("/group", "/", name)]),
        ):
            error = refusal(NodeNameError, action)
            assert isinstance(error, ValueError)
            assert error.file == h5.filename
            assert error.remedy
        assert [node.path for node in h5.walk_nodes("/")] == ["/", "/group"]

    def test_bad_names_that_clash(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        h5.create_carray("/", "name", np.arange(3))
        for action in (
            lambda: h5.create_carray("/", "name", [1]),
            lambda: h5.create_earray("/", "name", "f8"),
            lambda: h5.create_vlarray("/", "name", "f8"),
        ):
            error = refusal(NodeExistsError, action)
            assert isinstance(error, ValueError)
            assert "name" in str(error)
        check(carray(h5, "/name").read(), np.arange(3))

    @pytest.mark.parametrize("path", ["/none", "/group/none", "/none/group", "/array/none"])
    def test_bad_missing_nodes(self, open_file: OpenFile, path: str) -> None:
        h5 = open_file("w")
        h5.get_set_group("/", "group")
        h5.create_carray("/", "array", [1])
        for action in (
            lambda: h5.get_node(path),
            lambda: h5.get_node(path.rsplit("/", 1)[0] or "/", path.rsplit("/", 1)[1]),
            lambda: h5.root()[path],
            lambda: h5.remove_node(path),
            lambda: h5.move_node(path, "/"),
            lambda: h5.copy_node(path, "/"),
            lambda: h5.get_attr(path, "a"),
            lambda: h5.set_attr(path, "a", 1),
            lambda: h5.read(path),
            lambda: h5.get_children(path),
            lambda: list(h5.walk_nodes(path)),
            lambda: h5.create_carray(path, "array", [1]),
        ):
            error = refusal(NodeNotFoundError, action)
            assert isinstance(error, KeyError)
            assert error.file == h5.filename
        assert [node.path for node in h5.walk_nodes("/")] == ["/", "/array", "/group"]

    @pytest.mark.parametrize("name", ["none", "", ".", "..", "/", "a/b", "inner/", 3, None])
    def test_bad_missing_children(self, open_file: OpenFile, name: Any) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group")
        h5.get_set_group(group, "inner")
        error = refusal(NodeNotFoundError, lambda: group.get_child(name))
        assert error.file == h5.filename

    @pytest.mark.parametrize("place", ["../group", "/group/..", "/./group", 3, None, b"/group"])
    def test_bad_places(self, open_file: OpenFile, place: Any) -> None:
        h5 = open_file("w")
        h5.get_set_group("/", "group")
        refusal(NodeNameError, lambda: h5.get_node(place))

    def test_bad_a_node_of_another_file(
        self, open_file: OpenFile, location: str, options: dict[str, Any]
    ) -> None:
        h5 = open_file("w")
        with H5Backend(self.driver) as other:
            other.open_file(f"{location.rsplit('.', 1)[0]}_2.h5", "w", **options)
            group = other.get_set_group("/", "group")
            refusal(NodeNotFoundError, lambda: h5.get_node(group))
            refusal(NodeNotFoundError, lambda: h5.create_carray(group, "array", [1]))
        refusal(FileClosedError, lambda: h5.get_node(group))

    # -- data -----------------------------------------------------------------------------------
    @pytest.mark.parametrize("case", _BAD_ROWS)
    def test_bad_rows(self, open_file: OpenFile, oracle: Oracle, location: str, case: str) -> None:
        dtype, row_shape, value, kind = _BAD_ROWS[case]
        h5 = open_file("w")
        array = h5.create_earray("/", "array", np.dtype(dtype), row_shape)
        good = np.ones((3, *row_shape), "i4").astype(array.dtype)
        array.append(good)
        for _ in range(2):
            error = refusal(kind, lambda: array.append(value))
            assert error.node == "/array"
            assert error.file == h5.filename
            assert error.found is not None
        assert array.shape == good.shape
        array.append(good[0])
        check(array.read(), np.concatenate([good, good[:1]]))
        h5.close_file()
        values = oracle(location)["/array"].values
        assert values is not None
        assert len(values) == 4

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ([[1, 2], [3, 4]], ShapeError),
            ([[1], [2, 3]], ShapeError),
            ([1.5], DTypeError),
            ([70_000], DTypeError),
            ("text", DTypeError),
            (None, DTypeError),
        ],
        ids=repr,
    )
    def test_bad_ragged_rows(self, open_file: OpenFile, value: Any, kind: type[H5Error]) -> None:
        h5 = open_file("w")
        array = h5.create_vlarray("/", "array", "i2")
        array.append([1, 2])
        error = refusal(kind, lambda: array.append(value))
        assert error.node == "/array"
        check(array.read(), [np.array([1, 2], "i2")])

    @pytest.mark.parametrize("value", [1, None, b"bytes", ["a"], np.array(["a"])], ids=repr)
    def test_bad_texts(self, open_file: OpenFile, value: Any) -> None:
        h5 = open_file("w")
        array = h5.create_vlarray("/", "array", "string")
        array.append("kept")
        error = refusal(DTypeError, lambda: array.append(value))
        assert error.node == "/array"
        assert "str" in str(error)
        check(array.read(), ["kept"])

    def test_bad_append_to_a_fixed_array(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        array: Any = h5.create_carray("/", "array", np.arange(3))
        error = refusal(NodeKindError, lambda: array.append(1))
        assert error.node == "/array"
        assert "create_earray" in str(error)
        check(array.read(), np.arange(3))

    def test_bad_ragged_rows_are_not_overwritten(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        array = h5.create_vlarray("/", "array", "i4")
        array.append([1, 2])

        def overwrite() -> None:
            array[0] = [3]

        refusal(NodeKindError, overwrite)
        check(array.read(), [np.array([1, 2], "i4")])

    @pytest.mark.parametrize(
        ("key", "value", "kind"),
        [
            (5, 1.0, SelectionError),
            ((0, 0, 0), 1.0, SelectionError),
            (np.ones(3, bool), 1.0, SelectionError),
            ("a", 1.0, SelectionError),
            (None, 1.0, SelectionError),
            (([0, 1], [0, 1, 2]), 1.0, SelectionError),
            (0, [1.0, 2.0], ShapeError),
            (slice(None), np.zeros((4, 4)), ShapeError),
            ([0, 1], np.zeros((3, 3)), ShapeError),
            (0, _RAGGED, ShapeError),
            (0, "text", DTypeError),
            (0, 1j, DTypeError),
            (0, None, DTypeError),
        ],
        ids=repr,
    )
    def test_bad_overwriting(
        self, open_file: OpenFile, key: Any, value: Any, kind: type[H5Error]
    ) -> None:
        h5 = open_file("w")
        data = np.arange(15.0).reshape(5, 3)
        fixed = h5.create_carray("/", "fixed", data)
        growing = h5.create_earray("/", "growing", "f8", (3,))
        growing.append(data)
        for array in (fixed, growing):

            def overwrite(array: Any = array) -> None:
                array[key] = value

            error = refusal(kind, overwrite)
            assert error.node == array.path
            if kind is SelectionError:
                assert isinstance(error, IndexError)
                refusal(kind, lambda array=array: array[key])  # type: ignore[misc]
            check(array.read(), data)

    @pytest.mark.parametrize(
        ("create", "kind"),
        [
            (lambda h5: h5.create_carray("/", "array", [[1], [1, 2]]), ShapeError),
            (lambda h5: h5.create_carray("/", "array", object()), DTypeError),
            (lambda h5: h5.create_carray("/", "array", [1, None]), DTypeError),
            (lambda h5: h5.create_carray("/", "array", [1.5], dtype="i4"), DTypeError),
            (lambda h5: h5.create_carray("/", "array", [1, 2], shape=(3,)), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(2, -1), dtype="f8"), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(2, 2.5), dtype="f8"), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape="ab", dtype="f8"), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(2**62, 2), dtype="f8"), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(1,) * 33, dtype="f8"), ShapeError),
            (lambda h5: h5.create_carray("/", "array", np.zeros((1,) * 33)), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(3,), dtype=object), DTypeError),
            (lambda h5: h5.create_carray("/", "array", shape=(3,), dtype="no type"), DTypeError),
            (lambda h5: h5.create_carray("/", "array", np.zeros(4), chunks=(2, 2)), ShapeError),
            (lambda h5: h5.create_carray("/", "array", np.zeros(4), chunks=(0,)), ShapeError),
            (lambda h5: h5.create_carray("/", "array", shape=(3,), dtype="i4", fill_value=0.5),
             DTypeError),
            (lambda h5: h5.create_earray("/", "array", object), DTypeError),
            (lambda h5: h5.create_earray("/", "array", "no type"), DTypeError),
            (lambda h5: h5.create_earray("/", "array", "V8"), DTypeError),
            (lambda h5: h5.create_earray("/", "array", str), DTypeError),
            (lambda h5: h5.create_earray("/", "array", "M8"), DTypeError),
            (lambda h5: h5.create_earray("/", "array", "f8", (-1,)), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", (2**40, 2**40)), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", (1,) * 32), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", (3,), chunks=(3,)), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", chunks=(0,)), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", chunks=(2**40,)), ShapeError),
            (lambda h5: h5.create_earray("/", "array", "f8", fill_value="x"), DTypeError),
            (lambda h5: h5.create_vlarray("/", "array", object), DTypeError),
            (lambda h5: h5.create_vlarray("/", "array", "U5"), DTypeError),
            (lambda h5: h5.create_vlarray("/", "array", "no type"), DTypeError),
            (lambda h5: h5.create_carray("/", "array", [1], metadata={"a": object()}),
             AttributeValueError),
            (lambda h5: h5.create_earray("/", "array", "f8", metadata={"a": {1}}),
             AttributeValueError),
            (lambda h5: h5.create_vlarray("/", "array", "f8", metadata={"": 1}),
             AttributeValueError),
            (lambda h5: h5.get_set_group("/", "array", a=object()), AttributeValueError),
        ],
    )  # fmt: skip
    def test_bad_making(
        self,
        open_file: OpenFile,
        oracle: Oracle,
        location: str,
        create: Callable[[H5Backend], object],
        kind: type[H5Error],
    ) -> None:
        h5 = open_file("w")
        error = refusal(kind, lambda: create(h5))
        assert "array" in str(error)
        assert h5.root().children_name() == []
        h5.create_carray("/", "array", [1, 2])
        h5.close_file()
        assert set(oracle(location)) == {"/", "/array"}

    def test_bad_no_data_no_shape(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        with pytest.raises(ValueError, match="shape and a dtype"):
            h5.create_carray("/", "array")
        assert h5.root().children_name() == []

    @pytest.mark.parametrize("name", UNSTORABLE)
    def test_bad_attributes(self, open_file: OpenFile, name: str) -> None:
        h5 = open_file("w")
        group = h5.get_set_group("/", "group", a="kept", b=1)
        before = group.attrs.to_dict()
        error = refusal(
            AttributeValueError, lambda: group.attrs.update(b=2, a=UNSTORABLE[name], c=3)
        )
        assert isinstance(error, TypeError)
        assert error.node == "/group"
        assert error.file == h5.filename
        check(group.attrs.to_dict(), before)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("no codec",), "gzip"),
            (("gzip", 10), "0 to 9"),
            (("gzip", -1), "0 to 9"),
            (("blosc", 99), "0 to 9"),
        ],
    )
    def test_bad_compression(
        self, open_file: OpenFile, arguments: tuple[Any, ...], words: str
    ) -> None:
        h5 = open_file("w")
        error = refusal(UnsupportedError, lambda: h5.define_compression(*arguments))
        assert words in str(error)

    def test_bad_a_codec_that_is_missing(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        wanted = ["lzf", "blosc", "lz4", "bitshuffle", "zstd", "blosc2"]
        missing = [name for name in wanted if name not in type(h5.session.driver).codecs()]
        if not missing:
            pytest.skip(f"{self.driver} has every codec")
        for name in missing:
            error = refusal(UnsupportedError, lambda name=name: h5.define_compression(name))  # type: ignore[misc]
            assert name in str(error)
            assert self.driver in str(error)
            assert error.remedy


def _changes(h5: H5Backend) -> list[Callable[[], object]]:
    """Return everything that changes a file with ``/group/array``, ``fixed`` and ``texts``."""
    group = h5.get_node("/group")
    array, texts = earray(h5, "/group/array"), earray(h5, "/group/texts")
    fixed = carray(h5, "/group/fixed")

    def overwrite() -> None:
        fixed[0] = 7.0

    def delete() -> None:
        del group.attrs["a"]

    return [
        overwrite,
        delete,
        lambda: array.append(3.0),
        lambda: texts.append("b"),
        lambda: group.attrs.update(a=2),
        lambda: h5.set_attr(group, "a", 2),
        lambda: h5.get_set_group("/", "new"),
        lambda: h5.add_group("new", "data", "/"),
        lambda: h5.create_carray("/", "new", [1]),
        lambda: h5.create_earray("/", "new", "f8"),
        lambda: h5.create_vlarray("/", "new", "f8"),
        lambda: h5.remove_node("/group/array"),
        lambda: h5.move_node("/group/array", "/"),
        lambda: h5.copy_node("/group/array", "/"),
        lambda: h5.root().remove_children(),
    ]


def _looks(node: Node) -> list[Callable[[], object]]:
    """Return everything that looks at a node."""
    looks: list[Callable[[], object]] = [
        lambda: node.path,
        lambda: node.name,
        lambda: node.title,
        lambda: node.parent_node,
        lambda: node.attrs["TITLE"],
        node.attrs.to_dict,
        lambda: list(node.attrs),
        lambda: hash(node),
        lambda: node.node,
    ]
    if isinstance(node, EARRAY):
        looks += [
            lambda: node.shape,
            lambda: node.dtype,
            lambda: node.chunks,
            node.read,
            lambda: node[0],
            lambda: len(node),
            lambda: np.asarray(node),
        ]
    return looks
