"""Data, axes, error bars and background in a group: saved, loaded, numbered; wrong input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from h5backends.errors import (
    DTypeError,
    FileClosedError,
    FileMissingError,
    NodeKindError,
    NodeNotFoundError,
    ReadOnlyError,
    ShapeError,
    StructureFrozenError,
)
from savers import (
    Axis,
    AxisSaverLoader,
    BkgSaver,
    DataCalculated,
    DataLoader,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportSaver,
    DataWithAxes,
    H5SaverLowLevel,
)
from tests.conftest import Place
from tests.savers.conftest import open_saver

WHERE = "/RawData"

SAMPLES = [
    DataRaw("value", units="W", origin="meter", data=[np.array([1.5])]),
    DataRaw("two values", data=[np.array([1.5]), np.array([2.5])], labels=["a", "b"]),
    DataRaw("spectrum", units="µV/√Hz 日本", origin="s", data=[np.arange(5.0)],
            axes=[Axis("energy", "eV", np.linspace(1, 2, 5))], errors=[np.full(5, 0.1)]),
    DataRaw("one bin", data=[np.array([3.0])], axes=[Axis("energy", "eV", np.array([2.0]))]),
    DataRaw("line", data=[np.arange(4)], axes=[Axis("t", "s", offset=-1.0, scaling=0.5, size=4)]),
    DataCalculated("image", data=[np.arange(6, dtype=np.uint16).reshape(2, 3)],
                   axes=[Axis("y", "mm", np.arange(2.0)), Axis("x", "mm", np.arange(3.0), 1)]),
    DataRaw("thin", data=[np.arange(5.0).reshape(1, 5)],
            axes=[Axis("y", "mm", np.array([7.0])), Axis("x", "", np.arange(5.0), index=1)]),
    DataRaw("stack", data=[np.arange(24.0).reshape(2, 3, 4)], nav_indexes=(0,),
            axes=[Axis("delay", "fs", np.array([0.0, 5.0]))]),
    DataRaw("adaptive", data=[np.arange(3.0)], nav_indexes=(0,), distribution="spread",
            axes=[Axis("x", "m", np.array([0.0, 3.0, 1.0])),
                  Axis("y", "m", np.array([1.0, 2.0, 0.0]), spread_order=1)]),
    DataRaw("flags", data=[np.array([True, False, True])]),
    DataRaw("phase", data=[np.array([1 + 2j, -1j])]),
    DataRaw("empty", data=[np.empty((0, 3))]),
    DataRaw("names / with slashes", origin="a/b", data=[np.arange(2.0)]),
]  # fmt: skip


@pytest.mark.parametrize("data", SAMPLES, ids=lambda data: data.name)
def test_what_is_saved_is_loaded(saver: H5SaverLowLevel, data: DataWithAxes) -> None:
    data.timestamp = 12.5
    DataSaverLoader(saver).add_data(WHERE, data)
    found = DataSaverLoader(saver).load_data(f"{WHERE}/Data00", load_all=True)
    assert found == data
    assert found.timestamp == 12.5
    assert [array.dtype for array in found] == [array.dtype for array in data]
    assert found.path == f"{WHERE}/Data00"


def test_extra_attributes_come_back(saver: H5SaverLowLevel) -> None:
    data = DataRaw("d", data=[np.arange(3.0)], gain=5, mode="fast", roi=(1, 2), on=True)
    DataSaverLoader(saver).add_data(WHERE, data, operator="me")
    found = DataLoader(saver).load_data(f"{WHERE}/Data00")
    assert (found.gain, found.mode, found.roi, found.on) == (5, "fast", (1, 2), True)
    assert found.operator == "me"


def test_several_data_in_one_group_keep_their_axes(saver: H5SaverLowLevel) -> None:
    data_saver = DataSaverLoader(saver)
    lines = [
        DataRaw("line", data=[np.arange(4.0) + n],
                axes=[] if n % 5 == 4 else [Axis("x", "m", np.arange(4.0) + n // 2)])
        for n in range(12)
    ]  # fmt: skip
    for line in lines:
        data_saver.add_data(WHERE, line)
    for number, line in enumerate(lines):
        found = data_saver.load_data(f"{WHERE}/Data{number:02d}")
        assert found.axes == line.axes, number
        np.testing.assert_array_equal(found.data[0], line.data[0])
    names = saver.raw_group.children_name()
    assert sum(name.startswith("Axis") for name in names) < 10  # those that are alike are shared
    assert data_saver.get_last_node_name(WHERE) == "Data11"


def test_error_bars_belong_to_data_of_the_same_number(saver: H5SaverLowLevel) -> None:
    data_saver = DataSaverLoader(saver)
    data_saver.add_data(WHERE, DataRaw("a", data=[np.arange(3.0)]))
    data_saver.add_data(WHERE, DataRaw("b", data=[np.arange(3.0)], errors=[np.ones(3)]))
    assert data_saver.load_data(f"{WHERE}/Data00").errors is None
    found = data_saver.load_data(f"{WHERE}/Data01").errors
    assert found is not None
    np.testing.assert_array_equal(found[0], np.ones(3))


def test_the_data_of_the_caller_stay_as_they_are(saver: H5SaverLowLevel) -> None:
    axis = Axis("x", "m", np.arange(3.0))
    data = DataRaw("d", data=[np.arange(3.0)], axes=[axis], errors=[np.ones(3)])
    before = data.deepcopy()
    DataSaverLoader(saver).add_data(WHERE, data)
    assert data == before
    assert axis.index == 0


def test_more_than_99_arrays_and_channels(saver: H5SaverLowLevel) -> None:
    data_saver = DataSaverLoader(saver)
    group = saver.add_det_group(WHERE)
    for number in range(103):
        data_saver.add_data(group, DataRaw("d", data=[np.array([float(number)])]))
    assert data_saver.get_last_node_name(group) == "Data102"
    found = data_saver.load_data(group, load_all=True)
    assert [float(array[0]) for array in found] == list(range(103))
    bundle = DataToExport("b", [DataRaw(f"d{n}", data=[np.array([n])]) for n in range(103)])
    DataToExportSaver(saver).add_data(WHERE, bundle)
    loaded = DataLoader(saver).load_data(f"{WHERE}/Data0D/CH102/Data00")
    assert (loaded.name, loaded.data[0][0]) == ("d102", 102)


def test_a_second_saver_goes_on_counting(saver: H5SaverLowLevel) -> None:
    one, two = DataSaverLoader(saver), DataSaverLoader(saver)
    for number in range(6):
        (one, two)[number % 2].add_data(WHERE, DataRaw("d", data=[np.array([float(number)])]))
    saver.remove_node(f"{WHERE}/Data05")
    one.add_data(WHERE, DataRaw("d", data=[np.array([9.0])]))
    assert one.get_last_node_name(WHERE) == two.get_last_node_name(WHERE) == "Data05"


def test_axes_alone(saver: H5SaverLowLevel) -> None:
    axes = AxisSaverLoader(saver)
    given = [
        Axis("x", "mm", np.array([0.0, 1.0, 5.0])),
        Axis("y", "", offset=2.0, scaling=-0.5, size=6, index=1),
        Axis("none", "s", np.empty(0), index=2),
        Axis("i", "", np.arange(3), spread_order=2),
    ]
    for axis in given:
        axes.add_axis(WHERE, axis)
    assert axes.get_axes(WHERE) == given
    node = saver.get_node(f"{WHERE}/Axis01")
    assert node.attrs["offset"] == 2.0
    assert type(node.attrs["index"]) is int
    assert saver.get_node(f"{WHERE}/Axis00").attrs["offset"] is None


def test_background_is_subtracted(saver: H5SaverLowLevel) -> None:
    export = DataToExportSaver(saver)
    data = [
        DataRaw("a", origin="o", data=[np.arange(3.0), np.arange(3.0) * 2]),
        DataRaw("b", origin="o", data=[np.arange(4.0)]),
    ]
    export.add_data(WHERE, DataToExport("d", data))
    bkg = [DataRaw(d.name, origin="o", data=[array / 2 for array in d]) for d in reversed(data)]
    export.add_bkg(WHERE, DataToExport("bkg", bkg))  # by name, not by order
    loader = DataLoader(saver)
    for channel, dwa in enumerate(data):
        where = f"{WHERE}/Data1D/CH{channel:02d}/Data00"
        found = loader.load_data(where, with_bkg=True, load_all=True)
        for array, wanted in zip(found, dwa, strict=True):
            np.testing.assert_array_equal(array, wanted / 2)
    assert [n.name for n in loader._data_loader.get_bkg_nodes(f"{WHERE}/Data1D/CH00")] == [
        "Bkg00",
        "Bkg01",
    ]
    with pytest.raises(ShapeError, match="lazy"):
        loader.load_data(f"{WHERE}/Data1D/CH00/Data00", with_bkg=True, lazy=True)


def test_add_error_writes_errors(saver: H5SaverLowLevel) -> None:
    export = DataToExportSaver(saver)
    data = DataRaw("a", origin="o", data=[np.arange(3.0)])
    export.add_data(WHERE, data)
    export.add_error(WHERE, DataRaw("a", origin="o", data=[np.full(3, 0.5)]))
    found = DataLoader(saver).load_data(f"{WHERE}/Data1D/CH00/Data00").errors
    assert found is not None
    np.testing.assert_array_equal(found[0], np.full(3, 0.5))


def test_two_signals_of_one_name(saver: H5SaverLowLevel) -> None:
    export = DataToExportSaver(saver)
    same = [DataRaw("a", origin="o", data=[np.array([float(n)])]) for n in range(2)]
    export.add_data(WHERE, DataToExport("d", same))
    export.add_data(WHERE, DataToExport("d", same))
    again = DataToExportSaver(saver)
    again.add_data(WHERE, DataToExport("d", same))
    for number in range(2):
        found = DataLoader(saver).load_data(f"{WHERE}/Data0D/CH{number:02d}", load_all=True)
        assert [float(array[0]) for array in found] == [float(number)] * 3


def test_settings_and_attributes_go_to_the_channel(saver: H5SaverLowLevel) -> None:
    data = DataRaw("a", origin="o", data=[np.arange(3.0)])
    DataToExportSaver(saver).add_data(WHERE, data, "<gain>5</gain>", shutter="open")
    attrs = saver.get_node(f"{WHERE}/Data1D/CH00").attrs
    assert attrs["settings"] == "<gain>5</gain>"
    assert (attrs["shutter"], attrs["origin"], attrs["TITLE"]) == ("open", "o", "a")


def test_other_viewers_find_the_plot(saver: H5SaverLowLevel) -> None:
    axes = [Axis("y", "mm", np.arange(2.0)), Axis("x", "mm", np.arange(3.0), index=1)]
    data = DataRaw("a", units="V", data=[np.arange(6.0).reshape(2, 3)], axes=axes)
    DataToExportSaver(saver).add_data(WHERE, data)
    node: Any = saver.root()
    while "default" in node.attrs:
        node = node.get_child(node.attrs["default"])
    attrs = node.attrs
    assert node.path == f"{WHERE}/Data2D/CH00"
    assert (attrs["NX_class"], attrs["signal"]) == ("NXdata", "Data00")
    assert list(attrs["axes"]) == ["Axis00", "Axis01"]
    assert attrs["Axis01_indices"] == 1
    assert node.get_child("Axis01").attrs["units"] == "mm"


@pytest.mark.parametrize("kind", [str, None])
def test_a_path_opens_and_closes_the_file(local_place: Place, kind: Any) -> None:
    path = local_place.location
    with DataSaverLoader(path, new_file=True, metadata={"who": "me"},
                         backend=local_place.driver) as data_saver:  # fmt: skip
        data_saver.add_data(WHERE, SAMPLES[0])
        assert data_saver.isopen()
        assert data_saver.raw_group.attrs["who"] == "me"
        assert data_saver.get_node(f"{WHERE}/Data00").shape == (1,)  # the saver's own methods
    assert not data_saver.isopen()
    with pytest.raises(FileClosedError):
        data_saver.add_data(WHERE, SAMPLES[0])
    with DataLoader(path, backend=local_place.driver) as loader:
        assert loader.load_data(f"{WHERE}/Data00") == SAMPLES[0]
        with pytest.raises(ReadOnlyError):
            DataSaverLoader(loader.h5saver).add_data(WHERE, SAMPLES[0])
    with pytest.raises(FileMissingError):
        DataLoader(path + "x", backend=local_place.driver)


def test_wrong_arguments(saver: H5SaverLowLevel) -> None:
    data_saver = DataSaverLoader(saver)
    with pytest.raises(NodeNotFoundError):
        data_saver.add_data("/RawData/Nowhere", SAMPLES[0])
    data_saver.add_data(WHERE, SAMPLES[0])
    with pytest.raises(NodeKindError):
        data_saver.add_data(f"{WHERE}/Data00", SAMPLES[0])
    with pytest.raises(DTypeError):
        data_saver.add_data(WHERE, np.arange(3))  # type: ignore[arg-type]
    with pytest.raises(NodeKindError):
        data_saver.load_data(f"{WHERE}/Logger")
    with pytest.raises(NodeNotFoundError):
        data_saver.load_data(f"{WHERE}/Data07")
    with pytest.raises(NodeKindError):
        AxisSaverLoader(saver).load_axis(f"{WHERE}/Data00")
    with pytest.raises(DTypeError):
        DataSaverLoader(5)  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="new_file"):
        BkgSaver(saver, new_file=True)
    with pytest.raises(AttributeError):
        _ = data_saver.no_such_thing
    assert data_saver.get_last_node_name(WHERE) == "Data00"


def test_nothing_new_while_swmr_is_on(make_place: Any) -> None:
    saver = open_saver(make_place("h5py"), new_file=True, swmr_mode=True)
    data_saver = DataSaverLoader(saver)
    data_saver.add_data(WHERE, SAMPLES[0])
    saver.enable_swmr()
    with pytest.raises(StructureFrozenError):
        data_saver.add_data(WHERE, SAMPLES[0])
    saver.close_file()
