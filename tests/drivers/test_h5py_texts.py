"""Texts of attributes by HDF5's own functions: what they return, and what they leave to h5py."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5a, h5s, h5t
from h5py._objects import phil

from h5backends import H5Backend
from h5backends.drivers._h5py import attributes
from h5backends.drivers._h5py.texts import text_reader
from h5backends.drivers.hdf5_library import find_library, libraries

TEXTS = {
    "text": "längs",
    "empty": "",
    "long": "x" * 70_000,
    "TITLE": "a title",
    "sixteen": "0123456789abcdef",
}
ASCII = h5py.string_dtype("ascii")
OTHERS: dict[str, Any] = {
    "one of them": (["a"], h5py.string_dtype()),
    "two": (["a", "b"], h5py.string_dtype()),
    "fixed": (b"0123456789abcdef", "S16"),
    "complex": (1 + 2j, "c16"),
    "two floats": ([1.0, 2.0], "f8"),
    "number": (3, "i8"),
    "flag": (True, "?"),
    "nothing": (h5py.Empty("f8"), None),
    "no text": (h5py.Empty(h5py.string_dtype()), None),
}


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Any:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, text in TEXTS.items():
            file.attrs[name] = text
            file.attrs.create(f"ascii {name}", text.encode("ascii", "ignore"), dtype=ASCII)
        for name, (value, dtype) in OTHERS.items():
            if isinstance(value, h5py.Empty):
                file.attrs[name] = value
            else:
                file.attrs.create(name, value, dtype=dtype)
        rows = np.empty(1, object)
        rows[0] = np.arange(3, dtype="i4")
        file.attrs.create("ragged", rows, dtype=h5py.vlen_dtype("i4"))
        raw = np.array(b"\xb5m", dtype=h5py.string_dtype())
        space = h5s.create(h5s.SCALAR)
        h5a.create(file.id, b"latin \xb5", h5t.py_create(raw.dtype, logical=True), space).write(
            raw, mtype=h5t.py_create(raw.dtype)
        )
        yield file


def reader(file: Any) -> Any:
    found = text_reader(find_library(h5py.h5f.__file__, file.id.id, file.filename))
    assert found is not None
    return found


def test_both_ways_read_the_same(file: Any) -> None:
    direct = attributes.read_all(file.id, reader(file))
    alone = attributes.read_all(file.id, None)
    assert list(direct) == list(alone)
    for name, value in alone.items():
        assert type(direct[name]) is type(value), name
        np.testing.assert_equal(direct[name], value)
        np.testing.assert_equal(attributes.read(file.id, name, reader(file)), value)
    assert {name: direct[name] for name in TEXTS} == TEXTS
    assert direct["latin \udcb5"] == "\udcb5m"


def test_only_one_text_is_taken_for_one(file: Any) -> None:
    text = reader(file)
    with phil:
        for name in [*OTHERS, "ragged", "missing"]:
            assert text(file.id.id, name.encode(), False) is None, name
        for name, value in TEXTS.items():
            assert text(file.id.id, name.encode(), False) == value
        assert text(file.id.id, b"two", True) is None


def test_nothing_stays_open(file: Any) -> None:
    text = reader(file)
    before = h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_ALL)
    types = h5py.h5i.get_ref(file.id)
    with phil:
        for _ in range(100):
            for name in [*OTHERS, *TEXTS, "missing"]:
                text(file.id.id, name.encode(), False)
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_ALL) == before
    assert h5py.h5i.get_ref(file.id) == types


def test_a_library_that_does_not_know_the_file(file: Any, tmp_path: pathlib.Path) -> None:
    (own,) = libraries(h5py.h5f.__file__)
    assert find_library(h5py.h5f.__file__, file.id.id, file.filename) is own
    assert find_library(h5py.h5f.__file__, file.id.id, str(tmp_path / "other.h5")) is None
    assert find_library(h5py.h5f.__file__, file["/"].id.id, file.filename) is None
    assert find_library(str(tmp_path / "none.so"), file.id.id, file.filename) is None
    assert text_reader(None) is None
    assert text_reader(_Empty()) is None


class _Empty:
    """A library without any of the functions."""

    def __getitem__(self, name: str) -> Any:
        raise AttributeError(name)


def test_memory_stays_flat(tmp_path: pathlib.Path) -> None:
    """What HDF5 gets for a text is given back: 20 MB a round otherwise."""
    path = tmp_path / "f.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "w")
        h5.root().attrs["text"] = "x" * 20_000
    program = """
import sys, psutil
from h5backends import H5Backend
with H5Backend("h5py") as h5:
    h5.open_file(sys.argv[1], "r")
    attrs, process, seen = h5.root().attrs, psutil.Process(), []
    for _ in range(3):
        for _ in range(1000):
            assert len(attrs["text"]) == 20_000
        seen.append(process.memory_info().rss)
print(seen[2] - seen[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, os.fspath(path)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert int(done.stdout) < 5_000_000
