"""Exports with named dimensions: NeXus as silx and nexusformat read it, zarr as xarray does."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from h5backends.errors import FileOccupiedError, NodeKindError
from savers import DataRaw, DataToExport, DataToExportTimedSaver, H5BrowserUtil
from savers.interchange import PackageMissingError
from tests.cli.recordings import ENERGY, SCAN, SPECTRUM, spectrum, write_scan
from tests.conftest import LOCAL

with warnings.catch_warnings():  # about what they use themselves
    warnings.simplefilter("ignore", DeprecationWarning)
    import nexusformat.nexus as nx
    import silx.io
    import silx.io.nxdata

SPECTRA = np.array([spectrum(n) for n in range(6)])


@pytest.fixture(params=LOCAL)
def browser(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    path = write_scan(tmp_path / "scan.h5", backend=request.param)
    with H5BrowserUtil(path, request.param) as browser:
        yield browser


@pytest.mark.parametrize("backend", LOCAL)
def test_nexus(browser: H5BrowserUtil, tmp_path: Path, backend: str) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "out.nxs"
    browser.export_data(SCAN, out, backend=backend, progress=lambda *step: told.append(step))
    assert told[-1][0] == told[-1][1] > 0
    with silx.io.open(str(out)) as file:
        default = silx.io.nxdata.get_default(file)
        assert default is not None
        assert default.signal.name == "/entry/power/power"
        np.testing.assert_array_equal(default.errors[()], np.full(6, 0.1))
        plot = silx.io.nxdata.NXdata(file["entry/spectrum"])
        assert plot.is_valid, plot.issues
        np.testing.assert_array_equal(plot.signal[()], SPECTRA)
        delay, energy = plot.axes
        assert (delay.attrs["units"], energy.attrs["units"]) == ("fs", "eV")
        np.testing.assert_array_equal(energy[()], ENERGY)
    root = nx.nxload(str(out))
    assert isinstance(root["entry"], nx.NXentry)
    assert root["entry/title"].nxvalue == "delay scan"
    assert set(root["entry"]) == {"title", "power", "spectrum"}


def test_zarr(browser: H5BrowserUtil, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    browser.export_data(SCAN, out)
    with xr.open_datatree(out, engine="zarr") as tree:
        data = tree["Data1D/CH00"]
        np.testing.assert_array_equal(data["spectrum"], SPECTRA)
        np.testing.assert_array_equal(data["delay"], np.arange(6) * 5.0)
        assert data["energy"].units == "eV"
        np.testing.assert_array_equal(tree["Data0D/CH00/power_error"], np.full(6, 0.1))
    with pytest.raises(FileOccupiedError):
        browser.export_data(SCAN, out)
    browser.export_data(SPECTRUM, tmp_path / "one.zarr")
    with xr.open_zarr(tmp_path / "one.zarr") as data:
        np.testing.assert_array_equal(data["spectrum"], SPECTRA)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("extension", ["nxs", "zarr"])
def test_any_type(tmp_path: Path, extension: str) -> None:
    path, out = tmp_path / "foreign.h5", tmp_path / f"out.{extension}"
    values = {
        "flags": np.array([True, False]),
        "complex": np.array([1j, np.nan]),
        "bytes": np.array([b"a", b"bc"]),
        "integers": np.arange(300, dtype=">i2").reshape(20, 15),
        "empty": np.empty((0, 3)),
        "one": np.float32(2.5),
    }
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            file[name] = value
        file["text"] = ["a", "bc"]
    with H5BrowserUtil(path) as browser:
        browser.export_data("/", out)
    if extension == "zarr":
        with xr.open_zarr(out) as data:
            found = {name: data[name].values for name in [*values, "text"]}
    else:
        with H5BrowserUtil(out) as copy:
            found = {
                name: copy.get_node(f"/entry/{name}/{name}").read() for name in [*values, "text"]
            }
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value, name)
    assert list(found["text"]) == ["a", "bc"]


@pytest.mark.parametrize("extension", ["nxs", "zarr"])
def test_a_log_that_is_being_written(tmp_path: Path, extension: str) -> None:
    with DataToExportTimedSaver(tmp_path / "log.h5", new_file=True, swmr_mode=True) as log:
        for number in range(5):
            bundle = DataToExport("p", [DataRaw("power", units="W", data=[np.array([number])])])
            log.add_data("/RawData", bundle)
        log.h5saver.flush()
        with H5BrowserUtil(tmp_path / "log.h5") as browser:
            browser.export_data("/RawData", tmp_path / f"out.{extension}")
    if extension == "zarr":
        with xr.open_datatree(tmp_path / "out.zarr", engine="zarr") as tree:
            found = tree["Data0D/CH00/power"].values
    else:
        with h5py.File(tmp_path / "out.nxs") as file:
            found = file["entry/power/power"][()]
    np.testing.assert_array_equal(found, np.arange(5))


@pytest.mark.parametrize("extension", ["nxs", "zarr"])
def test_interrupted(browser: H5BrowserUtil, tmp_path: Path, extension: str) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        browser.export_data(SCAN, tmp_path / f"out.{extension}", progress=interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.h5"]


@pytest.mark.parametrize("extension", ["nxs", "zarr"])
def test_bad_input(
    browser: H5BrowserUtil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    out = tmp_path / f"out.{extension}"
    with pytest.raises(NodeKindError, match="no signals"):
        browser.export_data("/RawData/Logger", out)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(PackageMissingError, match="pip install"):
        browser.export_data(SCAN, out)
    assert not out.exists()
