"""Exports by the command: the right file, whole or not at all."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from savers import DataLoader
from tests.cli.conftest import posix
from tests.cli.recordings import POWER, SCAN, SPECTRUM, write_scan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.h5")


def test_csv(run: Any, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "power.csv"
    result = run("export", path, f"{SCAN}/Data0D", "-o", out)
    assert result.code == 0, result.err
    assert str(out) in result.out
    rows = list(csv.reader(out.read_text("utf-8").splitlines()))
    assert rows[0] == ["delay (fs)", "power (W)", "power error (W)"]
    assert rows[2] == ["5.0", "0.25", "0.1"]


def test_settings_of_the_format(run: Any, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "power.txt"
    settings = ["--set", "delimiter=;", "--set", "encoding=utf-8-sig"]
    assert run("export", path, POWER, "-o", out, "--format", "csv", *settings).code == 0
    assert out.read_text("utf-8-sig").splitlines()[0] == "delay (fs);power (W);power error (W)"


def test_a_part_as_hdf5_loads_as_before(run: Any, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "part.h5"
    result = run("export", path, SPECTRUM, "-o", out, "--set", "backend=tables", "--json")
    assert json.loads(result.out)["nbytes"] == out.stat().st_size
    with DataLoader(path) as one, DataLoader(out, backend="tables") as other:
        assert one.load_data(SPECTRUM) == other.load_data(SPECTRUM)


def test_nothing_is_replaced_unless_asked(run: Any, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.npz"
    out.write_text("precious")
    refused = run("export", path, "-o", out)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert "overwrite=True" not in refused.err
    assert out.read_text() == "precious"
    assert run("export", path, "-o", out, "--overwrite", "--set", "compressed=yes").code == 0
    with np.load(out) as archive:
        assert archive[SPECTRUM.lstrip("/")].shape == (6, 40)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "x.unknown"], 2, "one of csv"),
        (["-o", "x.csv", "--format", "unknown"], 2, "one of csv"),
        (["-o", "x.csv", "--set", "colour=red"], 2, "it has: delimiter, encoding"),
        (["-o", "x.csv", "--set", "colour"], 2, "NAME=VALUE"),
        (["-o", "x.csv", "--set", "encoding=klingon"], 2, "klingon"),
        (["-o", "x.npy"], 1, "holds one array"),
        (["-o", "x.csv"], 1, "do not fit into one table"),
        (["-o", "no/such/folder/x.h5"], 1, "does not exist"),
        ([], 2, "--output"),
    ],
)
def test_mistakes(
    run: Any,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("export", path, "/RawData", *arguments)
    assert result.code == code, result
    assert words in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.h5"]


@posix
def test_interrupted(start: Any, tmp_path: Path) -> None:
    """Sixteen terabytes that were never written take long enough to be interrupted."""
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "vast.h5", "x")
        h5.create_carray("/", "vast", shape=(1 << 41,), dtype="f8", chunks=(1 << 20,))
    export = start("export", tmp_path / "vast.h5", "/vast", "-o", tmp_path / "vast.npz")
    export.until(lambda: list(tmp_path.glob(".vast.npz*.part")), "the export has begun")
    export.signal(signal.SIGINT)
    assert export.finish() == 130, export.errors
    assert "nothing was exported" in export.errors
    assert [entry.name for entry in tmp_path.iterdir()] == ["vast.h5"]
