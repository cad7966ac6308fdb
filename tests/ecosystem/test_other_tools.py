"""silx, NeXpy's library, dask and numpy read our files as their users expect."""

from __future__ import annotations

import warnings
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest

from h5backends import EARRAY, H5Backend
from savers import Axis, Scan
from tests.cli.recordings import POWER, SCAN, SPECTRUM, spectrum, write_scan
from tests.conftest import LOCAL

with warnings.catch_warnings():  # about what they use themselves
    warnings.simplefilter("ignore", DeprecationWarning)
    import nexusformat.nexus as nx
    import silx.io
    import silx.io.nxdata


@pytest.fixture(params=LOCAL)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.h5", backend=request.param)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    path = tmp_path / "raster.h5"
    axes = [("y", "um", np.arange(4.0)), ("x", "um", np.arange(5.0))]
    with Scan(path, axes, progress=False) as scan:
        scan.signal(
            "spectrum", "counts", axes=[Axis("wavelength", "nm", np.linspace(500, 600, 7))]
        )
        for point in scan:
            point.write(spectrum=np.arange(7.0) + 10 * point["x"] + 100 * point["y"])
    return path


def test_the_default_plot_in_silx(path: Path) -> None:
    with silx.io.open(str(path)) as file:
        plot = silx.io.nxdata.get_default(file)
        assert plot is not None
        assert plot.is_valid
        assert plot.signal.name == POWER
        np.testing.assert_array_equal(plot.signal[()], np.arange(6) / 4)


def test_every_signal_in_silx(path: Path) -> None:
    with silx.io.open(str(path)) as file:
        plot = silx.io.nxdata.NXdata(file[f"{SCAN}/Data1D/CH00"])
        assert plot.is_valid, plot.issues
        assert plot.signal.name == SPECTRUM
        assert plot.axes[1].attrs["units"] == "eV"
        assert silx.io.is_dataset(file[SPECTRUM])
        np.testing.assert_array_equal(plot.signal[5], spectrum(5))


def test_the_default_plot_of_a_scan_in_silx(raster: Path) -> None:
    with silx.io.open(str(raster)) as file:
        plot = silx.io.nxdata.get_default(file)
        assert plot is not None
        assert plot.signal.shape == (4, 5, 7)
        assert plot.signal[3, 4, 6] == 346.0


def test_nexusformat(path: Path) -> None:
    root = nx.nxload(str(path))
    data = root[f"{SCAN}/Data1D/CH00"]
    assert isinstance(data, nx.NXdata)
    np.testing.assert_array_equal(data.nxsignal.nxvalue[5], spectrum(5))
    assert data.nxsignal.nxpath == SPECTRUM
    assert root.get_default() is not None


@pytest.mark.parametrize("driver", LOCAL)
def test_arrays_of_dask(tmp_path: Path, driver: str) -> None:
    with H5Backend(driver) as h5:
        h5.open_file(tmp_path / "a.h5", "x")
        frames = h5.create_earray("/", "frames", "f8", (30, 40), chunks=(1, 30, 40))
        values = np.random.default_rng(0).normal(size=(10, 30, 40))
        frames.append(values)
        assert isinstance(frames, EARRAY)
        assert frames.chunks is not None
        lazy = da.from_array(frames, chunks=(2, 30, 40))
        with dask.config.set(scheduler="threads"):
            np.testing.assert_allclose(lazy.mean(axis=0).compute(), values.mean(axis=0))
            np.testing.assert_array_equal(lazy[3:7, ::2, -1].compute(), values[3:7, ::2, -1])
            np.testing.assert_array_equal(da.from_array(frames)[[1, 5]].compute(), values[[1, 5]])
        np.testing.assert_array_equal(np.asarray(frames), values)


@pytest.mark.parametrize("driver", LOCAL)
def test_dask_writes_into_arrays(tmp_path: Path, driver: str) -> None:
    values = np.arange(600.0).reshape(20, 30)
    with H5Backend(driver) as h5:
        h5.open_file(tmp_path / "a.h5", "x")
        array = h5.create_carray("/", "array", shape=(20, 30), dtype="f8", chunks=(5, 30))
        with dask.config.set(scheduler="threads"):
            da.store(da.from_array(values, chunks=(5, 30)) + 1, array, lock=False)
        np.testing.assert_array_equal(array.read(), values + 1)
