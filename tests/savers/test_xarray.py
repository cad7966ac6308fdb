"""Data to xarray and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from h5backends.errors import ShapeError
from savers import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes

xr = pytest.importorskip("xarray", reason="xarray is an optional package")

EXAMPLES = {
    "scalar": DataRaw("power", data=[np.array([1.5])], origin="meter", units="µW"),
    "two arrays with errors": DataCalculated(
        "spectra",
        data=[np.arange(3.0), np.ones(3)],
        labels=["x", "y"],
        axes=[Axis("energy", "eV", offset=1.0, scaling=0.5, size=3)],
        errors=[np.zeros(3), np.full(3, np.nan)],
        units="counts",
    ),
    "navigation": DataRaw(
        "map",
        data=[np.arange(24).reshape(2, 3, 4)],
        axes=[Axis("t", "s", np.array([1.0, 5.0]), 0), Axis("e", "eV", np.arange(4), 2)],
        nav_indexes=(0, 1),
    ),
    "spread": DataRaw(
        "adaptive",
        distribution="spread",
        data=[np.arange(6.0).reshape(3, 2)],
        axes=[
            Axis("x", "mm", np.array([3.0, 1.0, 2.0]), 0, spread_order=0),
            Axis("y", "mm", np.array([0.0, 0.5, 9.0]), 0, spread_order=1),
        ],
        nav_indexes=(0,),
    ),
    "labels that clash": DataRaw(
        "clash",
        data=[np.zeros(2), np.ones(2)],
        labels=["same", "same"],
        axes=[Axis("same", data=np.array([7.0, 8.0]))],
        errors=[np.full(2, 0.1), np.full(2, 0.2)],
    ),
    "no labels on axes": DataRaw(
        "bare", data=[np.zeros((2, 2))], axes=[Axis(size=2), Axis(size=2, index=1)]
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_there_and_back(name: str) -> None:
    dwa = EXAMPLES[name]
    dataset = dwa.to_xarray()
    back = type(dwa).from_xarray(dataset)
    if name == "no labels on axes":  # a dimension needs a name
        assert [axis.label for axis in back.axes] == ["", ""]
    assert back == dwa
    assert back.timestamp == dwa.timestamp


def test_what_others_see() -> None:
    dataset = EXAMPLES["two arrays with errors"].to_xarray()
    assert set(dataset.data_vars) == {"x", "y", "x_error", "y_error"}
    assert dataset["energy"].attrs["units"] == "eV"
    assert dataset["x"].attrs["units"] == "counts"
    assert float(dataset["x"].sel(energy=1.5)) == 1.0


def test_arrays_made_by_others() -> None:
    array = xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        dims=("row", "col"),
        coords={"col": ("col", [10, 20, 30], {"units": "mm"}), "temperature": 300.0},
        name="field",
        attrs={"units": "T"},
    )
    dwa = DataWithAxes.from_xarray(array)
    assert (dwa.name, dwa.units, dwa.labels, dwa.shape) == ("field", "T", ["field"], (2, 3))
    assert dwa.axes == [Axis("col", "mm", np.array([10, 20, 30]), 1)]
    point = DataWithAxes.from_xarray(xr.DataArray(3.0))
    assert (point.name, point.shape, point.dim.name) == ("data", (1,), "Data0D")
    turned = xr.Dataset({"a": (("x", "y"), np.zeros((2, 3))), "b": (("y", "x"), np.ones((3, 2)))})
    assert DataWithAxes.from_xarray(turned).shape == (2, 3)
    with pytest.raises((ShapeError, ValueError)):
        DataWithAxes.from_xarray(xr.Dataset({"a": ("x", [1.0]), "b": ("y", [1.0, 2.0])}))


def test_bundles() -> None:
    bundle = DataToExport("point", [EXAMPLES["scalar"], EXAMPLES["spread"]])
    bundle.append(DataRaw("a/b", data=[1.0]))
    tree = bundle.to_xarray()
    assert set(tree.children) == {"power", "adaptive", "a_b"}
    back = DataToExport.from_xarray(tree)
    assert back == bundle
    assert back.timestamp == bundle.timestamp
    datasets: dict[str, Any] = {"one": EXAMPLES["scalar"].to_xarray()}
    assert DataToExport.from_xarray(datasets, "named").get_full_names() == ["meter/power"]
