"""What a scripted scan wrote, loaded by the real pymodaq_data: equal to what it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savers import Axis, DataLoader, Rotation, Scan
from savers.interchange import as_data
from tests.savers.scan_program import AXES, SPECTRUM, describe, measured, number_of

pytestmark = [
    # Its loader says so for all data with navigation, also those of its own files.
    pytest.mark.filterwarnings("ignore:The specified dimensionality is not coherent:Warning"),
]

SHAPES = {"1d": (40,), "2d": (6, 7), "3d": (4, 3, 5), "chosen": (30,), "log": (30,)}
ROTATIONS = [None, Rotation(points=14), Rotation(scans=1)]


def written(path: Path, axes: str, driver: str, rotate: Rotation | None) -> Scan:
    """Scan; a few points at least for scans that grow."""
    count = 30 if axes == "log" else None
    with Scan(path, AXES[axes], snake=True, backend=driver, rotate=rotate, count=count,
              progress=False) as scan:  # fmt: skip
        describe(scan)
        points = scan.visit((n, -n) for n in range(30)) if axes == "chosen" else iter(scan)
        for point in points:
            number = point.number if axes == "log" else number_of(point, scan.shape)
            point.write(measured(number))
    return scan


@pytest.mark.parametrize("rotate", ROTATIONS, ids=["one file", "cut", "one scan a file"])
@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_pymodaq_loads_a_scan(
    pymodaq: Any, tmp_path: Path, driver: str, axes: str, rotate: Rotation | None
) -> None:
    if rotate and driver == "tables":
        pytest.skip("PyTables cannot make a master of several files")
    path = tmp_path / "scan.h5"
    scan = written(path, axes, driver, rotate)
    shape = SHAPES[axes]
    saver = pymodaq.saving.H5SaverLowLevel("scan", driver)
    saver.open_file(path, "r")
    try:
        loader = pymodaq.data_saving.DataLoader(saver)
        theirs = {data.name: data for data in loader.load_all(scan.group)}
    finally:
        saver.close_file()
    with DataLoader(path, backend=driver) as own:
        ours = {data.name: data for data in own.load_all(scan.group)}
    assert theirs.keys() == ours.keys() == measured(0).keys()
    for name, own_data in ours.items():
        wanted = np.array([measured(n)[name] for n in range(int(np.prod(shape)))])
        wanted = wanted.reshape(*shape, *wanted.shape[1:])
        for found in (theirs[name], own_data):
            np.testing.assert_array_equal(np.squeeze(found.data[0]), wanted, err_msg=name)
            assert found.nav_indexes == tuple(range(len(shape)))
            assert (found.units, found.dim.name) == (own_data.units, "DataND")
            assert found.distribution.name == ("uniform" if scan.shape else "spread")
        converted = as_data(theirs[name])
        assert converted.origin == own_data.origin
        for axis in own_data.axes:
            (same,) = [
                a for a in converted.get_axis_from_index(axis.index) if a.label == axis.label
            ]
            assert same == axis
    energy = theirs["spectrum"].get_axis_from_index(len(shape))[0]
    assert (energy.label, energy.units) == ("energy", "eV")
    np.testing.assert_array_equal(energy.get_data(), np.linspace(1, 2, SPECTRUM))


def test_axes_of_pymodaq(pymodaq: Any, tmp_path: Path) -> None:
    """Axes and data of the package are taken as they are."""
    theirs = pymodaq.data
    axes = [theirs.Axis("x", "mm", data=np.arange(3.0), index=0),
            theirs.Axis("y", "um", data=np.arange(4.0), index=1)]  # fmt: skip
    with Scan(tmp_path / "a.h5", axes, progress=False) as scan:
        for point in scan:
            value = theirs.DataRaw("v", units="W", data=[np.array([point["x"] * point["y"]])])
            point.write(theirs.DataToExport("meter", data=[value]))
    with DataLoader(tmp_path / "a.h5") as loader:
        found = loader.load_data_from_name_origin("v")
    assert found.origin == "meter"
    assert found.axes == [Axis("x", "mm", np.arange(3.0)), Axis("y", "um", np.arange(4.0), 1)]
    np.testing.assert_array_equal(found.data[0], np.outer(np.arange(3.0), np.arange(4.0)))
