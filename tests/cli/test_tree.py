"""The content of a file as ``tree`` shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "x", title="A file")
        group = h5.get_set_group("/", "measured", "What was measured")
        stream = h5.create_earray(
            group, "current", np.float32, (3,), "Current", metadata={"units": "A", "gain": 10}
        )
        stream.append(np.ones((4, 3)))
        h5.create_carray("/", "fixed", np.arange(6).reshape(2, 3))
        h5.create_carray("/", "scalar", 1.5)
        h5.create_vlarray("/", "notes", "string").append("one [bold]line[/] of text")
    return path


def test_lines(run: Any, path: Path) -> None:
    result = run("tree", path)
    assert result.code == 0
    assert result.out.splitlines() == [
        f"{path}  A file",
        "├─ fixed  CARRAY  2 x 3  int64",
        "├─ measured  What was measured",
        "│  └─ current  EARRAY  4+ x 3  float32  [A]  Current",
        "├─ notes  STRING  1+  text",
        "└─ scalar  CARRAY  scalar  float64",
    ]


def test_depth(run: Any, path: Path) -> None:
    assert run("tree", path, "--depth", 0).out == f"{path}  (4 inside)  A file\n"
    shallow = run("tree", path, "--depth", 1).out
    assert "├─ measured  (1 inside)  What was measured" in shallow
    assert "current" not in shallow


def test_attributes(run: Any, path: Path) -> None:
    lines = run("tree", path, "--attrs").out.splitlines()
    assert "│        @gain = 10" in lines
    assert "│        @units = A" in lines
    assert not [line for line in lines if "@TITLE" in line]


def test_json(run: Any, path: Path) -> None:
    found = json.loads(run("tree", path, "--json", "--attrs").out)
    assert (found["path"], found["title"]) == ("/", "A file")
    children = {child["name"]: child for child in found["children"]}
    assert list(children) == ["fixed", "measured", "notes", "scalar"]
    (current,) = children["measured"]["children"]
    assert current["path"] == "/measured/current"
    assert (current["kind"], current["shape"], current["dtype"]) == ("EARRAY", [4, 3], "float32")
    assert (current["units"], current["grows"], current["attrs"]["gain"]) == ("A", True, 10)
    assert children["scalar"]["shape"] == []


def test_files_of_other_tools(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file.attrs["odd"] = np.array([np.nan, 1.0])
        file["a/b"] = np.zeros((2, 2), np.complex64)
        file["link"] = h5py.SoftLink("/nowhere")
    result = run("tree", path)
    assert result.code == 0
    assert "b  CARRAY  2 x 2  complex64" in result.out
    assert json.loads(run("tree", path, "--json", "--attrs").out)["attrs"]["odd"] == [None, 1.0]


def test_file_that_is_being_written(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "live.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "x", swmr_mode=True)
        stream = h5.create_earray("/", "stream", np.int64)
        h5.enable_swmr()
        stream.append(7)
        h5.flush()
        tree = start("tree", path)
        assert tree.finish() == 0, tree.errors
        assert tree.lines[-1] == "└─ stream  EARRAY  1+  int64"


def test_guessed_backend_reads_tables(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "tables.h5"
    with H5Backend("tables") as h5:
        h5.open_file(path, "x", title="By PyTables")
        h5.create_earray("/", "stream", np.int64, metadata={"units": "s"}).append([1, 2])
    expected = [f"{path}  By PyTables", "└─ stream  EARRAY  2+  int64  [s]"]
    assert run("tree", path).out.splitlines() == expected
    assert run("tree", path, "--backend", "tables").out.splitlines() == expected


def test_output_without_the_characters_of_a_tree(start: Any, path: Path) -> None:
    tree = start("tree", path, PYTHONIOENCODING="ascii")
    assert tree.finish() == 0, tree.errors
    assert tree.lines[1] == "?? fixed  CARRAY  2 x 3  int64"
