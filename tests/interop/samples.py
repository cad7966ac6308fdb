"""One file with something of everything, written and read through names both packages have."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["TREE", "Sample", "check_tree", "same", "write_tree"]


@dataclass(frozen=True)
class Sample:
    """One node.

    Parameters
    ----------
    kind : str
        Name of its class.
    value : object
        Array; list of rows for growing ones; list of str for text; None for groups.
    attrs : dict
        Its attributes.
    """

    kind: str
    value: Any = None
    attrs: dict[str, Any] = field(default_factory=dict)


ATTRS: dict[str, Any] = {
    "text": "plain",
    "unicode": "µm² 日本",
    "empty": "",
    "digits": "12",
    "json": '{"a": [1, 2]}',
    "float": 0.1,
    "huge": 1e300,
    "int": -7,
    "zero": 0,
    "yes": True,
    "no": False,
    "tuple": (1, 2.5, "x"),
    "nested": ((0, 1), (2,)),
    "nothing_in_it": (),
    "list": [1, 2, 3],
    "date": datetime.date(2026, 1, 31),
    "time": datetime.time(12, 30, 1),
    "moment": datetime.datetime(2026, 1, 31, 12, 30, 1, 250000),
    "bytes": b"\x00\xff raw",
}
"""Values of the types that PyMoDAQ's own decoder trusts."""

TREE: dict[str, Sample] = {
    "/RawData": Sample("GROUP", attrs={"type": "scan"}),
    "/RawData/Scan000": Sample("GROUP", attrs=ATTRS),
    "/RawData/Scan000/Empty": Sample("GROUP"),
    "/RawData/Scan000/Data00": Sample("CARRAY", np.arange(12.0).reshape(3, 4), ATTRS),
    "/RawData/Scan000/Integers": Sample("CARRAY", np.array([-1, 0, 2**31 - 1], np.int32)),
    "/RawData/Scan000/Bytes": Sample("CARRAY", np.arange(256, dtype=np.uint8)),
    "/RawData/Scan000/Big": Sample("CARRAY", np.array([2**64 - 1], np.uint64)),
    "/RawData/Scan000/Singles": Sample("CARRAY", np.linspace(0, 1, 5, dtype=np.float32)),
    "/RawData/Scan000/Complex": Sample("CARRAY", np.array([1 + 2j, -3.5j, np.nan])),
    "/RawData/Scan000/Cube": Sample("CARRAY", np.random.default_rng(1).random((2, 3, 4))),
    "/RawData/Scan000/EnlData00": Sample("EARRAY", [1.0, np.nan, -3.5], ATTRS),
    "/RawData/Scan000/EnlData01": Sample("EARRAY", [np.arange(5.0) + n for n in range(4)]),
    "/RawData/Scan000/Frames": Sample("EARRAY", [np.full((3, 2), n, np.uint16) for n in range(3)]),
    "/RawData/Scan000/Unfilled": Sample("EARRAY", []),
    "/RawData/Scan000/Ragged": Sample("VLARRAY", [np.arange(float(n)) for n in (3, 1, 4)], ATTRS),
    "/RawData/Logger": Sample("StringARRAY", ["first", "", "zweite ± 日本 🧲", "a\nb\tc"]),
}


def write_tree(h5: Any) -> None:
    """Write everything into an open file, of either package."""
    for path, sample in TREE.items():
        where, name = path.rsplit("/", 1)
        node = _create(h5, where or "/", name, sample)
        for key, value in sample.attrs.items():
            node.attrs[key] = value
    h5.flush()


def _create(h5: Any, where: str, name: str, sample: Sample) -> Any:
    title = f"title of {name}"
    if sample.kind == "GROUP":
        return h5.get_set_group(where, name, title)
    if sample.kind == "CARRAY":
        return h5.create_carray(where, name, sample.value, title)
    if sample.kind == "StringARRAY":
        array = h5.create_vlarray(where, name, "string", title)
    elif sample.kind == "VLARRAY":
        array = h5.create_vlarray(where, name, sample.value[0].dtype, title)
    elif not sample.value:
        return h5.create_earray(where, name, np.float64, None, title)
    else:
        first = np.asarray(sample.value[0])
        array = h5.create_earray(where, name, first.dtype, first.shape or None, title)
    for row in sample.value:
        scalar = sample.kind == "EARRAY" and not np.ndim(row)
        array.append(np.array([row]) if scalar else row)  # PyMoDAQ takes arrays only
    return array


def check_tree(h5: Any) -> None:
    """Check an open file, of either package, against what was written."""
    found = {node.path: node for node in h5.walk_nodes("/") if node.path != "/"}
    assert sorted(found) == sorted(TREE)
    for path, sample in TREE.items():
        node = h5.get_node(path)
        assert type(node).__name__ == sample.kind, path
        assert node.name == path.rsplit("/", 1)[1]
        assert node.title == f"title of {node.name}"
        assert type(found[path]).__name__ in (sample.kind, sample.kind.replace("String", "VL"))
        if sample.kind != "GROUP":
            check_array(node, sample)
        for key, value in sample.attrs.items():
            read = node.attrs[key]
            assert same(read, value), (path, key, read, value)


def check_array(node: Any, sample: Sample) -> None:
    """Check the values of one array, and the attributes that tell of them."""
    value = sample.value
    read = node.read()
    if sample.kind == "StringARRAY":
        assert [str(line) for line in read] == value
        assert node[len(value) - 1] == value[-1]
        assert node.attrs["subdtype"] == "string"
    elif sample.kind == "VLARRAY":
        assert len(read) == len(value)
        for got, row in zip(read, value, strict=True):
            np.testing.assert_array_equal(got, row)
    else:
        wanted = np.asarray(value)
        np.testing.assert_array_equal(np.asarray(read), wanted)
        if len(wanted):
            assert np.asarray(read).dtype == wanted.dtype
            assert node.attrs["dtype"] == wanted.dtype.name
            np.testing.assert_array_equal(node[len(value) - 1], wanted[-1])
        assert tuple(node.attrs["shape"]) == wanted.shape
    assert len(node) == len(value)


def same(read: Any, value: Any) -> bool:
    """Tell whether an attribute came back; a numpy text or number is as good as Python's."""
    if isinstance(value, (bool, tuple, list, bytes)):
        return type(read) is type(value) and read == value
    return bool(read == value)
