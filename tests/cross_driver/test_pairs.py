"""Every writer with every reader: all types of data and attributes, and going on with the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from h5backends import CARRAY, EARRAY, H5Backend
from h5backends.drivers import registry
from h5backends.errors import DTypeError
from h5backends.testing.comparison import difference
from h5backends.testing.values import ATTRIBUTES, LOGICAL_DTYPES, NAMES, NUMBERS, sample
from h5backends.types import packed
from tests.conftest import LOCAL, Place

PAIRS = list(itertools.product(LOCAL, LOCAL))


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, make_place: Any) -> tuple[Place, Place]:
    """The same file, for a writer and for a reader."""
    writer, reader = request.param
    place = make_place(writer)
    return place, Place(reader, place.location)


def same(found: Any, expected: Any, where: str) -> None:
    text = difference(found, expected, where)
    assert text is None, text


def make(h5: H5Backend, name: str, dtype: np.dtype[Any]) -> Iterator[tuple[str, Any]]:
    """Make a fixed and a growing array of a type, where the writer holds them."""
    for label, shape in (("vector", (9,)), ("image", (4, 3)), ("scalar", ()), ("empty", (0,))):
        values = sample(dtype, shape)
        try:
            h5.create_carray("/", f"{name} {label}", values)
        except DTypeError:
            continue  # which the conformance suite looks at
        yield f"{name} {label}", values.astype(packed(dtype))
    rows = sample(dtype, (20,))
    array = h5.create_earray("/", f"{name} growing", dtype, chunks=(8,))
    array.append(rows)
    yield f"{name} growing", rows.astype(packed(dtype))


def without_what_is_unreadable(h5: H5Backend, expected: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the reader's library cannot hold either, and says so by a typed error."""
    readable = {}
    for name, values in expected.items():
        node = h5.root()[name]
        assert isinstance(node, CARRAY)
        if values.dtype.names and values.ndim != 1 and h5.backend == "tables":
            with pytest.raises(DTypeError, match="compound"):
                node.read()
        else:
            readable[name] = values
    return readable


def test_arrays_of_every_type(pair: tuple[Place, Place]) -> None:
    writer, reader = pair
    expected: dict[str, Any] = {}
    with writer.open("w") as h5:
        for name, dtype in LOGICAL_DTYPES.items():
            expected.update(make(h5, name, dtype))
    with reader.open("r") as h5:
        assert h5.root().children_name() == sorted(expected)
        for name, values in without_what_is_unreadable(h5, expected).items():
            node = h5.root()[name]
            assert isinstance(node, CARRAY)
            assert isinstance(node, EARRAY) == name.endswith("growing")
            same(node.read(), values, name)
            same(node[...], values if values.ndim else values[()], name)


def test_the_reader_changes_arrays_of_every_type(pair: tuple[Place, Place]) -> None:
    writer, reader = pair
    expected: dict[str, Any] = {}
    with writer.open("w") as h5:
        for name, dtype in LOGICAL_DTYPES.items():
            expected.update(make(h5, name, dtype))
    with reader.open("a") as h5:
        for name, values in without_what_is_unreadable(h5, expected).items():
            node = h5.root()[name]
            assert isinstance(node, CARRAY)
            new = sample(values.dtype, values.shape, seed=7)
            node[...] = new
            expected[name] = new
            if isinstance(node, EARRAY):
                node.append(values)
                node.append(values[0])
                expected[name] = np.concatenate([new, values, values[:1]])
    with writer.open("r") as h5:
        for name, values in expected.items():
            same(h5.read(f"/{name}"), values, name)


def test_ragged_rows_of_every_type(pair: tuple[Place, Place]) -> None:
    writer, reader = pair
    expected: dict[str, list[Any]] = {}
    with writer.open("w") as h5:
        for name in NUMBERS:
            array = h5.create_vlarray("/", name, name)
            expected[name] = [sample(np.dtype(name), (n,), n) for n in (3, 0, 11)]
            for row in expected[name]:
                array.append(row)
        texts = h5.create_vlarray("/", "texts", "string")
        expected["texts"] = ["", "äö", "line\nbreak", "x" * 5000]
        for text in expected["texts"]:
            texts.append(text)
    with reader.open("a") as h5:
        for name, rows in expected.items():
            node = h5.root()[name]
            assert isinstance(node, EARRAY)
            same(node.read(), rows, name)
            node.append(rows[0])
            rows.append(rows[0])
    with writer.open("r") as h5:
        for name, rows in expected.items():
            same(h5.read(f"/{name}"), rows, name)


def test_every_attribute(pair: tuple[Place, Place]) -> None:
    writer, reader = pair
    with writer.open("w") as h5:
        h5.create_carray("/", "array", [1.0])
        h5.get_set_group("/", "group")
        for path in ("/", "/array", "/group"):
            h5.get_node(path).attrs.update(ATTRIBUTES)
    with reader.open("r") as h5:
        for path in ("/", "/array", "/group"):
            found = h5.get_node(path).attrs.to_dict()
            for name, value in ATTRIBUTES.items():
                same(found[name], value, f"{path} {name}")
                same(h5.get_node(path).attrs[name], value, f"{path} {name} alone")


def test_the_reader_replaces_every_attribute(pair: tuple[Place, Place]) -> None:
    """Each by the one after it, so that types, shapes and lengths change."""
    writer, reader = pair
    names = list(ATTRIBUTES)
    turned = {name: ATTRIBUTES[names[index - 1]] for index, name in enumerate(names)}
    with writer.open("w") as h5:
        h5.get_set_group("/", "group", **ATTRIBUTES)
        own = len(h5.get_node("/group").attrs)
    with reader.open("a") as h5:
        attrs = h5.get_node("/group").attrs
        attrs.update(turned)
        assert len(attrs) == own
        del attrs["text of 100 KiB"]
    with writer.open("a") as h5:
        attrs = h5.get_node("/group").attrs
        assert len(attrs) == own - 1
        for name in set(turned) - {"text of 100 KiB"}:
            same(attrs[name], turned[name], name)
        for name in names[1:]:
            attrs.pop(name, None)
    with reader.open("r") as h5:
        assert not set(names[1:]) & set(h5.get_node("/group").attrs)


@pytest.mark.parametrize("codec", ["gzip", "lzf", "blosc", "lz4", "bitshuffle", "zstd", "blosc2"])
def test_every_codec(pair: tuple[Place, Place], codec: str) -> None:
    writer, reader = pair
    for place in pair:
        if codec not in registry.load(place.driver).codecs():
            pytest.skip(f"{place.driver} says it has no {codec} here")
    data = (np.arange(20_000) // 7).astype("u2").reshape(100, 200)
    with writer.open("w") as h5:
        h5.define_compression(codec, fletcher32=True)
        h5.create_carray("/", "fixed", data)
        array = h5.create_earray("/", "growing", "u2", (200,), chunks=(16, 200))
        array.append(data[:50])
        assert array.filters.codec == codec
    with reader.open("a") as h5:
        same(h5.read("/fixed"), data, "fixed")
        array = h5.get_node("/growing")
        assert isinstance(array, EARRAY)
        assert array.filters.codec == codec
        assert array.filters.fletcher32
        array.append(data[50:])
    with writer.open("r") as h5:
        same(h5.read("/growing"), data, "growing")


def test_names_and_changes_of_the_tree(pair: tuple[Place, Place]) -> None:
    writer, reader = pair
    with writer.open("w") as h5:
        for name in NAMES:
            group = h5.get_set_group("/", name)
            h5.create_earray(group, "array", "f8").append([1.0, 2.0])
    with reader.open("a") as h5:
        assert h5.root().children_name() == sorted(NAMES)
        h5.move_node(f"/{NAMES[0]}", f"/{NAMES[1]}", "moved")
        h5.remove_node(f"/{NAMES[2]}")
        h5.copy_node(f"/{NAMES[3]}", "/", "copied")
        h5.get_set_group("/copied", "added", "by the other")
    with writer.open("a") as h5:
        names = {*NAMES, "copied"} - {NAMES[0], NAMES[2]}
        assert h5.root().children_name() == sorted(names)
        for path in (f"/{NAMES[1]}/moved/array", "/copied/array", f"/{NAMES[-1]}/array"):
            array = h5.get_node(path)
            assert isinstance(array, EARRAY)
            array.append(3.0)
            same(array.read(), np.array([1.0, 2.0, 3.0]), path)
        assert h5.get_node("/copied/added").title == "by the other"


def test_many_turns(pair: tuple[Place, Place]) -> None:
    """Each opens, appends across a chunk's end, and closes, ten times in turn."""
    writer, reader = pair
    with writer.open("w") as h5:
        h5.create_earray("/", "array", "i8", chunks=(8,))
    expected = 0
    for place in [reader, writer] * 5:
        with place.open("a") as h5:
            array = h5.get_node("/array")
            assert isinstance(array, EARRAY)
            same(array.read(), np.arange(expected), place.driver)
            array.append(np.arange(expected, expected + 11))
            expected += 11
            array.attrs["turn"] = expected
    with writer.open("r") as h5:
        same(h5.read("/array"), np.arange(expected), "in the end")
        assert h5.get_attr("/array", "shape") == (expected,)
        assert h5.get_attr("/array", "turn") == expected
