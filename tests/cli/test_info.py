"""What ``info`` says of a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend
from tests.cli.recordings import SPECTRUM, write_scan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.h5")


def test_an_array_with_its_axes(run: Any, path: Path) -> None:
    result = run("info", path, SPECTRUM)
    assert result.code == 0, result.err
    lines = [line.strip() for line in result.out.splitlines()]
    assert lines[0] == SPECTRUM
    assert "shape:       6 x 40" in lines
    assert "unit:        V" in lines
    assert "axis 0:      delay, 6 points, 0 to 25 fs, of the scan" in lines
    assert "axis 1:      energy, 40 points, 1.5 to 1.6 eV" in lines
    assert "nav_indexes = [0]" in lines


def test_json(run: Any, path: Path) -> None:
    found = json.loads(run("info", path, SPECTRUM, "--json").out)
    assert (found["kind"], found["shape"], found["dtype"]) == ("CARRAY", [6, 40], "float64")
    assert [axis["label"] for axis in found["axes"]] == ["delay", "energy"]
    assert found["axes"][0]["last"] == 25.0
    assert found["attributes"]["nav_indexes"] == [0]
    assert found["nbytes"] == 6 * 40 * 8


def test_the_file_itself(run: Any, path: Path) -> None:
    found = json.loads(run("info", path, "--json").out)
    assert (found["path"], found["kind"], found["children"]) == ("/", "GROUP", ["RawData"])
    assert found["plot"] == "/RawData/Scan000/Data0D/CH00/Data00"


def test_compression_and_chunks(run: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "packed.h5", "x")
        h5.define_compression("gzip", 5)
        h5.create_earray("/", "frames", "u2", (30, 20)).append(np.ones((4, 30, 20), "u2"))
    text = run("info", tmp_path / "packed.h5", "/frames").out
    assert "EARRAY, it can grow" in text
    assert "gzip 5" in text
    assert "chunks:" in text


def test_files_of_other_tools(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["empty"] = np.empty((0, 3))
        file["text"] = ["one", "two"]
        file["scalar"] = np.complex64(1j)
        file["scalar"].attrs["odd"] = np.array([np.nan, 1.0])
    for name in ("empty", "text", "scalar"):
        for extra in ([], ["--json"]):
            result = run("info", path, name, *extra)
            assert result.code == 0, result.err
    scalar = json.loads(run("info", path, "/scalar", "--json").out)
    assert (scalar["shape"], scalar["attributes"]["odd"]) == ([], [None, 1.0])


def test_rows_that_came_since(run: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "live.h5", "x", swmr_mode=True)
        stream = h5.create_earray("/", "stream", np.int64)
        h5.enable_swmr()
        stream.append(np.arange(7))
        h5.flush()
        found = json.loads(run("info", tmp_path / "live.h5", "stream", "--json").out)
    assert found["shape"] == [7]
