"""Conformance under the facade: the values that were set are the values that come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from h5backends.backend import H5Backend
from h5backends.errors import DTypeError
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, StringARRAY
from h5backends.testing.suite import OpenFile, Oracle, Suite, check
from h5backends.testing.values import ATTRIBUTES, LOGICAL_DTYPES, sample
from h5backends.types import packed

__all__ = ["ValueConformance"]

_SHAPES = {"scalar": (), "vector": (9,), "image": (4, 5), "empty": (0,), "empty image": (3, 0)}
_TEXTS = [
    "",
    "plain",
    "\u00e4\u20ac \u4e2d\u6587 \U0001f600",
    "line\nbreak",
    "a\0b",
    "\ud800",
    "x" * 70_000,
]


class ValueConformance(Suite):
    """What users give and get."""

    # -- attributes -----------------------------------------------------------------------------
    @pytest.mark.parametrize("name", ATTRIBUTES)
    def test_value_attribute(self, open_file: OpenFile, name: str) -> None:
        value = ATTRIBUTES[name]
        h5 = open_file("w")
        group = h5.get_set_group("/", "group")
        group.attrs[name] = value
        check(group.attrs[name], value)
        check(group.attrs.to_dict()[name], value)
        h5.close_file()
        h5 = open_file("r")
        check(h5.get_node("/group").attrs[name], value, "after opening again")
        check(h5.get_attr("/group", name), value, "get_attr")
        check(h5.get_attr("/group")[name], value, "get_attr of all")

    @pytest.mark.parametrize("place", ["/", "/group", "/array", "/growing", "/texts"])
    def test_value_attributes_of_every_kind_of_node(self, open_file: OpenFile, place: str) -> None:
        h5 = open_file("w")
        h5.get_set_group("/", "group")
        h5.create_carray("/", "array", np.arange(3))
        h5.create_earray("/", "growing", "f8")
        h5.create_vlarray("/", "texts", "string")
        h5.get_node(place).attrs.update(ATTRIBUTES)
        h5.close_file()
        found = open_file("r").get_node(place).attrs.to_dict()
        for name, value in ATTRIBUTES.items():
            check(found[name], value, name)

    def test_value_attributes_given_at_creation(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        metadata = {"units": "mV", "index": 3, "shift": (1, 2.5), "axis": np.arange(3)}
        h5.get_set_group("/", "group", "a title", **metadata)
        h5.add_group("added", "data", "/", "a title", metadata)
        h5.create_carray("/", "array", np.arange(3), "a title", metadata=metadata)
        h5.create_earray("/", "growing", "f8", (), "a title", metadata=metadata)
        h5.create_vlarray("/", "ragged", "f8", "a title", metadata=metadata)
        for node in h5.get_children("/").values():
            assert node.title == "a title"
            found = node.attrs.to_dict()
            check({name: found[name] for name in metadata}, metadata, node.path)

    # -- fixed arrays ---------------------------------------------------------------------------
    @pytest.mark.parametrize("name", LOGICAL_DTYPES)
    @pytest.mark.parametrize("shape", _SHAPES.values(), ids=_SHAPES.keys())
    def test_value_carray(self, open_file: OpenFile, name: str, shape: tuple[int, ...]) -> None:
        data = sample(LOGICAL_DTYPES[name], shape)
        expected = data.astype(packed(data.dtype))
        h5 = open_file("w")
        array = made(h5, lambda: h5.create_carray("/", "array", data))
        for _ in range(2):
            assert isinstance(array, CARRAY)
            assert not isinstance(array, EARRAY)
            assert array.shape == shape
            assert array.dtype == expected.dtype
            check(array.read(), expected)
            check(array[...], expected if shape else expected[()])
            check(np.asarray(array), expected)
            h5.close_file()
            h5 = open_file("r")
            array = carray(h5, "/array")

    @pytest.mark.parametrize(
        "value",
        [
            1,
            1.5,
            True,
            1j,
            "text",
            "",
            b"bytes",
            [1, 2],
            [[1.5], [2.5]],
            ["a", "bcd"],
            (),
            np.float32(2),
            np.datetime64("2026-01-31"),
            np.timedelta64(3, "s"),
            np.array((1, 2.5), "i4,f8"),
            np.array(["a", "bb"], object),
            range(3),
            memoryview(b"abc"),
        ],
        ids=lambda value: f"{type(value).__name__}-{value!r}".partition(" at 0x")[0][:30],
    )
    def test_value_carray_of_what_numpy_takes(self, open_file: OpenFile, value: Any) -> None:
        expected = np.asarray(value)
        if expected.dtype.kind == "O":
            expected = expected.astype(str)
        h5 = open_file("w")
        array = made(h5, lambda: h5.create_carray("/", "array", value))
        check(array.read(), expected)
        h5.close_file()
        check(carray(open_file("r"), "/array").read(), expected)

    def test_value_carray_without_data(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        for name, fill in (("zeros", None), ("nan", np.nan), ("sevens", 7)):
            array = h5.create_carray("/", name, shape=(50, 60), dtype="f4", fill_value=fill)
            array[3, 4:6] = 1.5
            expected = np.full((50, 60), fill or 0, "f4")
            expected[3, 4:6] = 1.5
            check(array.read(), expected)

    @pytest.mark.parametrize("dtype", ["U4", "M8[ms]", "?", "c8"])
    def test_value_carray_without_data_of_other_types(
        self, open_file: OpenFile, dtype: str
    ) -> None:
        h5 = open_file("w")
        array = h5.create_carray("/", "array", shape=(4, 3), dtype=dtype)
        data = sample(np.dtype(dtype), (2, 3))
        array[1:3] = data
        check(array[1:3], data)
        h5.close_file()
        check(carray(open_file("r"), "/array")[1:3], data)

    # -- growing arrays -------------------------------------------------------------------------
    @pytest.mark.parametrize("name", LOGICAL_DTYPES)
    def test_value_earray(self, open_file: OpenFile, name: str) -> None:
        data = sample(LOGICAL_DTYPES[name], (23,))
        expected = data.astype(packed(data.dtype))
        h5 = open_file("w")
        array = made(h5, lambda: h5.create_earray("/", "array", data.dtype, chunks=(8,)))
        assert isinstance(array, EARRAY)
        for item in data[:3]:
            array.append(item)
        array.append(data[3:11])
        check(array[:], expected[:11])
        array.append(data[11:])
        assert array.shape == (23,)
        assert array.dtype == expected.dtype
        check(array.read(), expected)
        h5.close_file()
        h5 = open_file("a")
        array = earray(h5, "/array")
        array.append(data)
        check(array[23:], expected)
        h5.close_file()
        check(carray(open_file("r"), "/array").read(), np.concatenate([expected, expected]))

    @pytest.mark.parametrize("row_shape", [(1,), (3,), (2, 4), (300, 200)], ids=repr)
    def test_value_earray_of_rows(
        self, open_file: OpenFile, oracle: Oracle, location: str, row_shape: tuple[int, ...]
    ) -> None:
        data = sample(np.dtype("u2"), (9, *row_shape))
        h5 = open_file("w")
        array = h5.create_earray("/", "array", "uint16", row_shape)
        array.append(data[0])
        array.append(data[1:2])
        array.append(data[2:8])
        array.append(data[8].tolist())
        assert len(array) == 9
        check(array.read(), data)
        h5.close_file()
        check(oracle(location)["/array"].values, data)

    @pytest.mark.parametrize("compression", ["gzip", "zlib", "lzf", "zstd", "blosc2", None])
    def test_value_compressed(
        self, open_file: OpenFile, oracle: Oracle, location: str, compression: str | None
    ) -> None:
        h5 = open_file("w")
        codec = "gzip" if compression == "zlib" else compression
        if codec is not None and codec not in type(h5.session.driver).codecs():
            pytest.skip(f"{self.driver} says it has no {codec} here")
        h5.define_compression(compression, 4)
        data = np.arange(30_000, dtype="i4").reshape(100, 300) // 100
        fixed = h5.create_carray("/", "fixed", data)
        growing = h5.create_earray("/", "growing", "i4", (300,))
        for start in range(0, 100, 7):
            growing.append(data[start : start + 7])
        assert fixed.filters.codec == growing.filters.codec == codec
        check(growing.read(), data)
        h5.close_file()
        seen = oracle(location)
        check(seen["/fixed"].values, data)
        check(seen["/growing"].values, data)

    # -- ragged arrays --------------------------------------------------------------------------
    def test_value_vlarray(self, open_file: OpenFile, oracle: Oracle, location: str) -> None:
        h5 = open_file("w")
        array = h5.create_vlarray("/", "array", "f8")
        assert isinstance(array, VLARRAY)
        rows: list[NDArray[Any]] = [sample(np.dtype("f8"), (n,), n) for n in (3, 0, 1, 300, 7)]
        for row in rows[:3]:
            array.append(row)
        check(array.read(), rows[:3])
        array.append(rows[3].tolist())
        array.append(rows[4])
        assert len(array) == 5
        check(array[1], rows[1])
        check(array[-2], rows[3])
        check(array[1:4], rows[1:4])
        check(array[::-2], rows[::-2])
        check(array[[0, 4]], [rows[0], rows[4]])
        check(array[np.array([True, False, False, True, False])], [rows[0], rows[3]])
        check(array[np.array(2)], rows[2])
        h5.close_file()
        check(oracle(location)["/array"].values, rows)
        h5 = open_file("a")
        earray(h5, "/array").append([1])
        assert len(earray(h5, "/array")) == 6

    def test_value_texts(self, open_file: OpenFile) -> None:
        h5 = open_file("w")
        array = h5.create_vlarray("/", "array", "string")
        assert isinstance(array, StringARRAY)
        for text in _TEXTS:
            array.append(text)
        check(array.read(), _TEXTS)
        check(array[2], _TEXTS[2])
        check(array[:2], _TEXTS[:2])
        h5.close_file()
        array = h5_texts(open_file("r"), "/array")
        assert len(array) == len(_TEXTS)
        check(array[:], _TEXTS)


def made(h5: H5Backend, make: Any) -> Any:
    """Make an array, or skip where the driver refuses the type with a typed error and no trace."""
    before = h5.root().children_name()
    try:
        return make()
    except DTypeError as exc:
        assert h5.root().children_name() == before
        pytest.skip(f"{h5.backend} says it cannot hold this: {exc}")


def group_at(h5: H5Backend, path: str) -> GROUP:
    """Return a node that is a group."""
    node = h5.get_node(path)
    assert isinstance(node, GROUP)
    return node


def carray(h5: H5Backend, path: str) -> CARRAY:
    """Return a node that is an array."""
    node = h5.get_node(path)
    assert isinstance(node, CARRAY)
    return node


def earray(h5: H5Backend, path: str) -> EARRAY:
    """Return a node that is a growing array."""
    node = h5.get_node(path)
    assert isinstance(node, EARRAY)
    return node


def h5_texts(h5: H5Backend, path: str) -> StringARRAY:
    """Return a node that is an array of text."""
    node = h5.get_node(path)
    assert isinstance(node, StringARRAY)
    return node
