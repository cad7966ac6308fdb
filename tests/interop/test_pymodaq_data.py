"""Our data model beside the real pymodaq_data: its objects here, ours there, xarray's in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from h5backends.errors import DTypeError
from savers import Axis, DataCalculated, DataDim, DataRaw, DataWithAxes
from savers.enums import DataDistribution, DataSource
from savers.interchange import as_axis, as_data, as_export

CASES: dict[str, dict[str, Any]] = {
    "scalar": {"data": [np.array([1.5])]},
    "spectrum": {
        "data": [np.arange(5.0), np.ones(5)],
        "labels": ["a", "b"],
        "axes": [("energy", "eV", np.arange(5.0) ** 2, 0)],
        "errors": [np.zeros(5), np.ones(5)],
        "units": "V",
        "origin": "camera",
    },
    "linear axis": {"data": [np.arange(4)], "axes": [("time", "s", np.linspace(0, 3, 4), 0)]},
    "image": {
        "data": [np.zeros((3, 4), np.uint16)],
        "axes": [("y", "mm", np.arange(3.0) ** 2, 0)],
    },
    "point with an axis": {"data": [np.array([1.0])], "axes": [("x", "", np.array([5.0]), 0)]},
    "cube": {"data": [np.zeros((2, 3, 4))]},
    "map": {
        "data": [np.arange(24.0).reshape(2, 3, 4)],
        "axes": [("x", "mm", np.array([0.0, 5.0]), 0), ("y", "mm", np.arange(3.0) ** 2, 1)],
        "nav_indexes": (0, 1),
        "source": "calculated",
    },
    "spread": {
        "data": [np.arange(6.0).reshape(3, 2)],
        "distribution": "spread",
        "axes": [("x", "mm", np.array([3.0, 1.0, 2.5]), 0)],
        "nav_indexes": (0,),
    },
    "extra": {"data": [np.array([1.0])], "gain": 5, "note": "ü"},
}


def make(module: Any, name: str) -> Any:
    """Make the data of a case with our classes, or with those of pymodaq_data."""
    case = dict(CASES[name])
    axes = [
        module.Axis(label, units, data, index)
        for label, units, data, index in case.pop("axes", [])
    ]
    source = case.pop("source", "raw")
    return module.DataWithAxes(name, source=source, axes=axes, **case)


class Ours:
    """Our classes under the names of the other package's module."""

    Axis = Axis
    DataWithAxes = DataWithAxes


def look_alike(one: Any, other: Any) -> None:
    """Check that two data of any class say the same."""
    for name in ("name", "origin", "units", "shape", "size", "length", "timestamp"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("dim", "source", "distribution"):
        assert getattr(one, name).name == getattr(other, name).name, name
    assert list(one.labels) == list(other.labels)
    assert tuple(one.nav_indexes) == tuple(other.nav_indexes)
    assert tuple(one.sig_indexes) == tuple(other.sig_indexes)
    assert [a.label for a in one.axes] == [a.label for a in other.axes]
    for mine, theirs in zip(one.axes, other.axes, strict=True):
        assert (mine.units, mine.index, mine.size) == (theirs.units, theirs.index, theirs.size)
        assert mine.spread_order == theirs.spread_order
        np.testing.assert_allclose(mine.get_data(), theirs.get_data(), rtol=1e-12, atol=0)
    assert (one.errors is None) == (other.errors is None)
    for name in ("data", "errors"):
        for mine, theirs in zip(getattr(one, name) or [], getattr(other, name) or [], strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype
    assert sorted(one.extra_attributes) == sorted(other.extra_attributes)
    for name in one.extra_attributes:
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("name", CASES)
def test_the_same_arguments_mean_the_same(pymodaq: Any, name: str) -> None:
    ours, theirs = make(Ours, name), make(pymodaq.data, name)
    theirs.timestamp = ours.timestamp
    look_alike(ours, theirs)


@pytest.mark.parametrize("name", CASES)
def test_theirs_become_ours_and_stay_as_they_were(pymodaq: Any, name: str) -> None:
    theirs = make(pymodaq.data, name)
    before = theirs.deepcopy()
    ours = as_data(theirs)
    look_alike(ours, theirs)
    assert ours.data[0] is theirs.data[0]  # shared, not copied
    look_alike(theirs, before)
    assert theirs == before


@pytest.mark.parametrize("name", CASES)
def test_ours_become_theirs(pymodaq: Any, name: str) -> None:
    ours = make(Ours, name)
    theirs = ours.to_pymodaq()
    assert isinstance(theirs, pymodaq.data.DataWithAxes)
    look_alike(ours, theirs)
    assert theirs == make(pymodaq.data, name)


def test_the_kinds_correspond(pymodaq: Any) -> None:
    assert type(DataRaw("a", data=[1.0]).to_pymodaq()) is pymodaq.data.DataRaw
    assert type(DataCalculated("a", data=[1.0]).to_pymodaq()) is pymodaq.data.DataCalculated
    assert pymodaq.data.DataDim.Data1D == DataDim.Data1D
    assert DataDim.Data1D == pymodaq.data.DataDim.Data1D
    assert DataDim.Data1D != pymodaq.data.DataDim.Data2D
    assert DataDim.names() == pymodaq.data.DataDim.names()
    assert DataSource.names() == pymodaq.data.DataSource.names()
    assert DataDistribution.names() == pymodaq.data.DataDistribution.names()


def test_axes_keep_what_they_are(pymodaq: Any) -> None:
    theirs = pymodaq.data.Axis("t", "s", offset=1.0, scaling=0.5, size=10**9)
    ours = as_axis(theirs)
    assert ours.data is None  # a thousand million points were not made
    assert (ours.offset, ours.scaling, ours.size) == (1.0, 0.5, 10**9)
    assert as_axis(ours) is ours
    back = ours.to_pymodaq()
    assert (back.data, back.offset, back.scaling, back.size) == (None, 1.0, 0.5, 10**9)


def test_an_axis_of_tiny_steps_is_not_straightened(pymodaq: Any) -> None:
    """The other package takes steps below 1e-8 for equal; here a position stays what it was."""
    uneven = np.array([400e-9, 401e-9, 403e-9])
    assert not np.array_equal(pymodaq.data.Axis("x", "m", uneven).get_data(), uneven)
    np.testing.assert_array_equal(Axis("x", "m", uneven).get_data(), uneven)


def test_bundles(pymodaq: Any) -> None:
    parts = [make(pymodaq.data, name) for name in ("scalar", "spectrum", "map")]
    theirs = pymodaq.data.DataToExport("point", data=parts)
    ours = as_export(theirs)
    assert ours.name == "point"
    assert ours.timestamp == theirs.timestamp
    assert ours.get_full_names() == theirs.get_full_names()
    assert ours.get_dim_presents() == theirs.get_dim_presents()
    for mine, other in zip(ours, theirs.data, strict=True):
        look_alike(mine, other)
    back = ours.to_pymodaq()
    assert back == theirs
    assert back.timestamp == theirs.timestamp
    assert as_export(ours) is ours
    assert as_export(parts).get_names() == ["scalar", "spectrum", "map"]
    assert as_export(parts[0]).get_names() == ["scalar"]
    assert as_export(DataRaw("one", data=[1.0])).get_names() == ["one"]


def test_what_is_not_data() -> None:
    for bad in (5, "text", np.zeros(3), object()):
        with pytest.raises(DTypeError):
            as_data(bad)  # type: ignore[arg-type]
        with pytest.raises(DTypeError):
            as_axis(bad)  # type: ignore[arg-type]
        with pytest.raises(DTypeError):
            as_export(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["scalar", "spectrum", "map", "image"])
def test_xarray_objects_are_exchanged(pymodaq: Any, name: str) -> None:
    pytest.importorskip("xarray", reason="xarray is an optional package")
    ours, theirs = make(Ours, name), make(pymodaq.data, name)
    theirs.timestamp = ours.timestamp
    read = pymodaq.data.DataWithAxes.from_xarray(ours.to_xarray())
    assert read.name == theirs.name
    np.testing.assert_array_equal(read.data[0], theirs.data[0])
    assert tuple(read.nav_indexes) == tuple(theirs.nav_indexes)
    back = DataWithAxes.from_xarray(theirs.to_xarray())
    back.timestamp = ours.timestamp
    look_alike(back, ours)
