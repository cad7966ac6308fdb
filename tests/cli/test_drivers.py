"""The list of drivers, and what it says when a library is missing."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py

from h5backends.drivers import registry


def test_json(run: Any) -> None:
    result = run("drivers", "--json")
    assert result.code == 0
    found = {driver["name"]: driver for driver in json.loads(result.out)}
    assert {"h5py", "tables", "h5pyd", "memory"} <= set(found) == set(registry.driver_names())
    assert found["h5py"]["version"] == version("h5py")
    assert found["h5py"]["hdf5"] == h5py.version.hdf5_version
    assert "swmr_write" in found["h5py"]["capabilities"]
    assert "remote" in found["h5pyd"]["capabilities"]
    assert "gzip" in found["tables"]["codecs"]


def test_table(run: Any) -> None:
    result = run("drivers")
    assert result.code == 0
    for name in registry.driver_names():
        assert name in result.out


def test_missing_library(start: Any, tmp_path: Path) -> None:
    # Found before the installed one, and as absent as a library can be.
    (tmp_path / "tables.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tables'\", name='tables')\n"
    )
    listing = start("drivers", "--json", PYTHONPATH=str(tmp_path))
    assert listing.finish() == 0, listing.errors
    found = {driver["name"]: driver for driver in json.loads("".join(listing.lines))}
    assert not found["tables"]["available"]
    assert found["tables"]["help"] == "Install it with: python -m pip install tables"
    assert found["h5py"]["available"]
    recording = start("record", tmp_path / "x.h5", "--backend", "tables", PYTHONPATH=str(tmp_path))
    assert recording.finish() == 1
    assert "python -m pip install tables" in recording.errors
    assert "Traceback" not in recording.errors
    assert sys.executable  # the children ran this very Python
