"""The data model: what it accepts, what it says about itself, what it refuses."""

from __future__ import annotations

import copy
import math
import pickle
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.errors import AttributeValueError, DTypeError, H5Error, ShapeError
from savers import Axis, DataCalculated, DataDim, DataRaw, DataSource, DataToExport, DataWithAxes
from savers.enums import DataDistribution, UnknownNameError

# -- axes ---------------------------------------------------------------------------------------


def test_an_axis_from_offset_and_scaling_takes_no_memory() -> None:
    axis = Axis("time", "s", offset=-1.0, scaling=0.5, size=10**12)
    assert axis.data is None
    assert len(axis) == axis.size == 10**12
    assert (axis.min(), axis.max()) == (-1.0, -1.0 + 0.5 * (10**12 - 1))
    assert axis.get_data_at(3) == 0.5
    assert axis.get_data_at([0, -1]).tolist() == [axis.min(), axis.max()]
    assert axis.get_data_at(slice(1, 7, 3)).tolist() == [-0.5, 1.0]
    assert axis.find_index(0.6) == 3
    assert axis.find_index(1e300) == 10**12 - 1
    assert axis.find_index(-1e300) == 0
    assert axis.is_axis_linear()
    with pytest.raises(IndexError):
        axis.get_data_at(10**12)


def test_an_axis_keeps_the_positions_it_was_given() -> None:
    given_data = np.array([0.1, 0.2, 0.30000000000000004])
    axis = Axis("x", data=given_data, index=2, spread_order=1)
    assert axis.data is given_data
    assert axis.get_data() is given_data
    assert (axis.index, axis.spread_order, axis.size) == (2, 1, 3)
    assert axis.offset == 0.1
    assert axis.scaling is not None
    assert math.isclose(axis.scaling, 0.1)
    assert axis.get_data_at([0, 2]).tolist() == [0.1, 0.30000000000000004]
    assert axis.find_index(0.29) == 2


def test_uneven_axes_are_recognised_however_small() -> None:
    nanometres = np.array([400e-9, 401e-9, 403e-9])
    axis = Axis("wavelength", "m", nanometres)
    assert not axis.is_axis_linear()
    assert axis.offset is axis.scaling is None
    assert (axis.min(), axis.max()) == (400e-9, 403e-9)
    assert not Axis(data=np.array([0.0, np.nan, 2.0])).is_axis_linear()
    assert not Axis(data=np.array(["a", "b", "c"])).is_axis_linear()
    assert Axis(data=np.array([5])).scaling == 1.0


@given(
    offset=st.floats(-1e6, 1e6),
    scaling=st.floats(-1e3, 1e3),
    size=st.integers(0, 50),
)
def test_all_ways_to_positions_agree(offset: float, scaling: float, size: int) -> None:
    axis = Axis(offset=offset, scaling=scaling, size=size)
    data = axis.get_data()
    assert data.shape == (size,)
    assert data.tolist() == [offset + scaling * n for n in range(size)]
    assert axis.get_data_at(slice(None)).tolist() == data.tolist()
    assert axis.get_data_at(np.arange(size)).tolist() == data.tolist()
    assert axis.get_data_at(np.ones(size, bool)).tolist() == data.tolist()


def test_an_axis_can_be_changed() -> None:
    axis = Axis("x", data=np.arange(4.0))
    axis.scaling = 2.0
    assert axis.get_data().tolist() == [0.0, 2.0, 4.0, 6.0]
    other = Axis("x", data=np.array([3, 4, 5]))
    other.offset = 0.0
    assert other.get_data().tolist() == [0.0, 1.0, 2.0]
    empty = Axis("x")
    assert empty.size == 0
    assert empty.get_data().shape == (0,)
    empty.size = 3
    assert empty.get_data().tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ShapeError):
        Axis(data=np.arange(3)).size = 4


def test_equal_axes() -> None:
    assert Axis("x", "s", np.arange(3.0)) == Axis("x", "s", offset=0, scaling=1, size=3)
    assert Axis("x", "s", size=3) != Axis("x", "s", size=4)
    assert Axis("x") != Axis("y")
    assert Axis(data=np.array([0, np.nan])) == Axis(data=np.array([0, np.nan]))
    assert Axis("x", size=3).copy() == Axis("x", size=3)
    assert Axis("x") != "x"


def test_an_axis_of_a_quantity() -> None:
    class Quantity:
        magnitude = np.arange(3.0)
        units = "millimeter"

    axis = Axis("x", data=Quantity())  # type: ignore[arg-type]
    assert (axis.units, axis.size) == ("millimeter", 3)


@pytest.mark.parametrize(
    "bad",
    [
        {"label": 5},
        {"units": None},
        {"data": np.zeros((2, 2))},
        {"data": np.array([None, 1])},
        {"index": -1},
        {"index": 1.0},
        {"index": True},
        {"size": -1},
        {"spread_order": "0"},
    ],
)
def test_bad_axes(bad: dict[str, Any]) -> None:
    with pytest.raises((ShapeError, DTypeError)):
        Axis(**bad)


# -- data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "shape", "dim"),
    [
        ([np.array([1.5])], (1,), "Data0D"),
        (2.5, (1,), "Data0D"),
        ([np.array(2)], (1,), "Data0D"),
        ([1, 2], (1,), "Data0D"),
        (np.arange(4), (4,), "Data1D"),
        ([np.zeros(4), np.ones(4)], (4,), "Data1D"),
        ([np.zeros((2, 3), np.uint8)], (2, 3), "Data2D"),
        ([np.zeros((2, 3, 4))], (2, 3, 4), "DataND"),
        (([1, 2, 3],), (3,), "Data1D"),
        ([np.zeros(0)], (0,), "Data1D"),
    ],
)
def test_what_data_can_be(data: Any, shape: tuple[int, ...], dim: str) -> None:
    dwa = DataRaw("d", data=data)
    assert dwa.shape == shape
    assert dwa.dim == dim
    assert dwa.length == len(dwa) == len(dwa.data) == len(dwa.labels)
    assert all(isinstance(array, np.ndarray) for array in dwa)
    assert DataRaw("d", dim=dim, data=data).dim == dim


def test_everything_data_have() -> None:
    before = time.time()
    energy = Axis("energy", "eV", offset=1.0, scaling=0.1, size=3, index=1)
    delay = Axis("delay", "fs", data=np.array([0.0, 1.0]), index=0)
    arrays = [np.arange(6.0).reshape(2, 3), np.ones((2, 3))]
    dwa = DataWithAxes(
        "spectra",
        source="calculated",
        data=arrays,
        labels=["signal"],
        origin="camera",
        units="counts/µs",
        axes=[energy, delay],
        nav_indexes=(0,),
        errors=[np.zeros((2, 3)), np.ones((2, 3))],
        gain=5,
        settings="<xml/>",
    )
    assert dwa.dim is DataDim.DataND
    assert dwa.source is DataSource.calculated
    assert dwa.distribution is DataDistribution.uniform
    assert dwa.labels == ["signal", "CH01"]
    assert dwa[1] is arrays[1]
    assert dwa[:] == arrays
    assert (dwa.nav_indexes, dwa.sig_indexes) == ((0,), (1,))
    assert (dwa.nav_shape, dwa.sig_shape, dwa.size, dwa.n_axes) == ((2,), (3,), 6, 2)
    assert dwa.get_axis_from_index(1) == [energy]
    assert dwa.get_axis_from_label("delay") is delay
    assert dwa.get_axis_from_label("none") is None
    assert dwa.get_nav_axes() == [delay]
    assert dwa.get_sig_axes() == [energy]
    assert dwa.extra_attributes == ["gain", "settings"]
    assert (dwa.gain, dwa.settings) == (5, "<xml/>")
    assert before <= dwa.timestamp <= time.time()
    assert dwa.get_full_name() == "camera/spectra"
    assert dwa.get_error(1).tolist() == np.ones((2, 3)).tolist()
    errors = dwa.errors_as_dwa()
    assert (errors.name, errors.errors, errors.units) == ("spectra_errors", None, dwa.units)
    assert len(errors) == 2
    assert not hasattr(dwa, "nothing")
    assert "spectra" in repr(dwa)


def test_spread_points() -> None:
    x = Axis("x", data=np.array([0.3, 0.1, 0.2]), index=0, spread_order=0)
    y = Axis("y", data=np.array([1.0, 5.0, 2.0]), index=0, spread_order=1)
    dwa = DataRaw(
        "d",
        distribution="spread",
        data=[np.zeros((3, 4))],
        axes=[y, x],
        nav_indexes=(0,),
    )
    assert dwa.distribution is DataDistribution.spread
    assert [axis.label for axis in dwa.get_axis_from_index(0)] == ["x", "y"]
    assert DataRaw("d", distribution="spread", data=[np.zeros(3)]).distribution == "uniform"
    with pytest.raises(ShapeError):
        DataRaw("d", distribution="spread", data=[np.zeros((3, 4))], nav_indexes=(0, 1))


def test_axes_decide_what_one_point_is() -> None:
    one = Axis("energy", size=1)
    assert DataRaw("d", data=[np.array([1.0])], axes=[one]).dim == "Data1D"
    assert DataRaw("d", data=[np.array([1.0])], dim="Data1D").dim == "Data0D"


def test_missing_axes_can_be_made() -> None:
    dwa = DataRaw("d", data=[np.zeros((3, 1, 4))], axes=[Axis("z", size=4, index=2)])
    dwa.create_missing_axes()
    assert [(axis.index, axis.size) for axis in dwa.axes] == [(2, 4), (0, 3)]
    assert dwa.get_axis_from_index(1) == []
    assert dwa.get_axis_from_index(1, create=True)[0].size == 1


def test_data_can_be_changed_but_not_made_inconsistent() -> None:
    dwa = DataRaw("d", data=[np.zeros(3)], axes=[Axis("x", size=3)], errors=[np.zeros(3)])
    with pytest.raises(ShapeError):
        dwa.data = [np.zeros(4)]
    assert dwa.shape == (3,)
    dwa.errors = None
    dwa.axes = []
    dwa.data = [np.zeros((4, 2)), np.ones((4, 2))]
    assert (dwa.dim, dwa.labels) == ("Data2D", ["CH00", "CH01"])
    dwa.nav_indexes = [np.int64(1)]
    assert (dwa.dim, dwa.nav_indexes) == ("DataND", (1,))
    dwa.source = "calculated"  # type: ignore[assignment]
    assert dwa.source is DataSource.calculated
    dwa.set_dim("Data1D")
    assert dwa.dim == "Data1D"
    dwa.add_extra_attribute(later=1)
    assert dwa.later == 1


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"data": []}, DTypeError),
        ({"data": None}, DTypeError),
        ({"data": [np.zeros(3), np.zeros(4)]}, ShapeError),
        ({"data": [[1, 2], [3]]}, ShapeError),
        ({"data": [[[1, 2], [3]]]}, ShapeError),
        ({"data": [np.array([object()])]}, DTypeError),
        ({"data": [np.zeros(3)], "labels": ["a", "b"]}, ShapeError),
        ({"data": [np.zeros(3)], "labels": [5]}, DTypeError),
        ({"data": [np.zeros(3)], "errors": [np.zeros(4)]}, ShapeError),
        ({"data": [np.zeros(3)], "errors": []}, ShapeError),
        ({"data": [np.zeros(3)], "axes": [Axis(size=4)]}, ShapeError),
        ({"data": [np.zeros(3)], "axes": [Axis(size=3, index=1)]}, ShapeError),
        ({"data": [np.zeros(3)], "axes": ["x"]}, DTypeError),
        ({"data": [np.zeros(3)], "nav_indexes": (1,)}, ShapeError),
        ({"data": [np.zeros(3)], "nav_indexes": (-1,)}, ShapeError),
        ({"data": [np.zeros((3, 3))], "nav_indexes": (0, 0)}, ShapeError),
        ({"data": [np.zeros(3)], "dim": "Data2D"}, ShapeError),
        ({"data": [np.zeros(3)], "dim": "Data7D"}, UnknownNameError),
        ({"data": [np.zeros(3)], "distribution": "odd"}, UnknownNameError),
        ({"data": [np.zeros(3)], "units": 5}, DTypeError),
        ({"data": [np.zeros(3)], "origin": None}, DTypeError),
        ({"data": [np.zeros(3)], "shape": (3,)}, AttributeValueError),
        ({"data": [np.zeros(3)], "x_axis": Axis()}, AttributeValueError),
    ],
)
def test_bad_data(bad: dict[str, Any], error: type[H5Error]) -> None:
    with pytest.raises(error):
        DataRaw("d", **bad)


def test_nothing_of_the_caller_is_changed() -> None:
    arrays, labels, axes = [np.zeros(3)], ["a"], [Axis(size=3)]
    dwa = DataRaw("d", data=arrays, labels=labels, axes=axes)
    dwa.data.append(np.zeros(3))
    dwa.labels.append("b")
    dwa.axes.clear()
    assert len(arrays) == len(labels) == len(axes) == 1
    inner = DataRaw("d", data=[np.zeros(3)])
    bundle = DataToExport("bundle", [inner])
    assert bundle[0].origin == "bundle"
    assert inner.origin == ""


def test_copies() -> None:
    dwa = DataRaw("d", data=[np.zeros(3)], axes=[Axis("x", size=3)], extra=[1])
    for made in (
        dwa.copy(),
        dwa.deepcopy(),
        copy.copy(dwa),
        copy.deepcopy(dwa),
        pickle.loads(pickle.dumps(dwa)),
    ):
        assert made == dwa
        assert type(made) is DataRaw
        assert made.extra == [1]
        assert made.timestamp == dwa.timestamp
    shallow, deep = dwa.copy(), dwa.deepcopy()
    shallow.axes[0].label = "other"
    assert dwa.axes[0].label == "x"
    assert shallow.data[0] is dwa.data[0]
    assert deep.data[0] is not dwa.data[0]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"origin": "other"},
        {"units": "V"},
        {"labels": ["other"]},
        {"data": [np.array([1.0, np.nan, 4.0])]},
        {"axes": []},
        {"errors": None},
        {"nav_indexes": (0,)},
        {"source": "calculated"},
    ],
)
def test_data_that_say_something_else_differ(change: dict[str, Any]) -> None:
    def make(**kwargs: Any) -> DataWithAxes:
        given_parts = {
            "name": "d",
            "data": [np.array([1.0, np.nan, 3.0])],
            "axes": [Axis("x", size=3)],
            "errors": [np.zeros(3)],
        }
        return DataWithAxes(**{**given_parts, **kwargs})

    assert make() == make()
    assert make() != make(**change)
    assert make() != 5


# -- bundles ------------------------------------------------------------------------------------


def test_a_bundle() -> None:
    scalar = DataRaw("power", data=[np.array([1.0])], origin="meter")
    image = DataRaw("image", data=[np.zeros((2, 3))], origin="camera")
    mean = DataCalculated("image", data=[np.array([0.5])], origin="roi")
    bundle = DataToExport("point", [scalar, image, mean], note="extra")
    assert len(bundle) == 3
    assert bundle[0] is scalar
    assert list(bundle) == bundle.data == [scalar, image, mean]
    assert bundle[1:].get_full_names() == ["camera/image", "roi/image"]
    assert bundle.get_names("Data0D") == ["power", "image"]
    assert bundle.get_origins() == ["meter", "camera", "roi"]
    assert bundle.get_dim_presents() == ["Data0D", "Data2D"]
    zero = bundle.get_data_from_dim("Data0D")
    assert (zero.name, zero.data, zero.timestamp) == ("point", [scalar, mean], bundle.timestamp)
    assert bundle.get_data_from_source("calculated").data == [mean]
    assert bundle.get_data_from_name("image") is image
    assert bundle.get_data_from_name_origin("image", "roi") is mean
    assert bundle.get_data_from_full_name("roi/image") is mean
    assert bundle.get_data_from_full_name("roi/none") is None
    assert bundle.note == "extra"
    assert bundle.extra_attributes == ["note"]
    assert bundle == bundle.deepcopy()
    assert "camera" in repr(bundle)
    assert scalar.as_dte("alone").data == [scalar]


def test_a_bundle_has_each_name_once_per_origin() -> None:
    bundle = DataToExport("point")
    assert not len(bundle)
    assert bundle
    bundle.append(DataRaw("a", data=[1.0], origin="x"))
    bundle.append([DataRaw("a", data=[2.0], origin="y"), DataRaw("b", data=[3.0], origin="x")])
    bundle.append(DataToExport("more", [DataRaw("a", data=[4.0], origin="x")]))
    assert [(d.origin, d.name, d[0][0]) for d in bundle] == [
        ("y", "a", 2.0),
        ("x", "b", 3.0),
        ("x", "a", 4.0),
    ]
    assert bundle.pop(0)[0][0] == 2.0
    bundle.data = []
    assert bundle.data == []


def test_bad_bundles() -> None:
    with pytest.raises(DTypeError, match="as_data"):
        DataToExport("point", [np.zeros(3)])  # type: ignore[list-item]
    with pytest.raises(DTypeError):
        DataToExport(5)  # type: ignore[arg-type]
    with pytest.raises(AttributeValueError):
        DataToExport("point", append=5)
