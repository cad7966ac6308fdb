"""H5SaverLowLevel on every driver: files, groups, arrays; nothing replaced that was not meant."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import CARRAY, EARRAY, FlushPolicy, H5Backend, StringARRAY
from h5backends.errors import (
    AttributeValueError,
    DTypeError,
    FileClosedError,
    FileError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    NodeNotFoundError,
    ReadOnlyError,
    ShapeError,
    SwmrError,
    UnknownDriverError,
)
from savers import H5SaverLowLevel
from savers.enums import DataDim, DataType, GroupType, SaveType, UnknownNameError
from tests.conftest import Place
from tests.savers.conftest import open_saver

# -- the file -----------------------------------------------------------------------------------


def test_a_new_file_has_everything(place: Place) -> None:
    saver = H5SaverLowLevel("detector", place.driver)
    assert saver.save_type is SaveType.detector
    assert not saver.isopen()
    assert saver.h5_file is None
    with saver:
        made = saver.init_file(
            place.location, metadata={"sample": "Å-12", "run": 7}, **place.options
        )
        assert made is True
        assert saver.isopen()
        assert saver.h5_file is saver.h5file is not None
        assert saver.h5_file_name == saver.root().attrs["file"] == place.location.split("/")[-1]
        assert str(saver.h5_file_path) == place.location.rsplit("/", 1)[0]
        assert saver.raw_group.path == "/RawData"
        assert saver.raw_group.attrs["type"] == "detector"
        assert saver.raw_group.attrs["sample"] == "Å-12"
        assert saver.raw_group.attrs["run"] == 7
        assert saver.raw_group.children_name() == ["Logger"]
        logger = saver.get_node("/RawData/Logger")
        assert isinstance(logger, StringARRAY)
        assert logger.attrs["type"] == "log"
        assert {"date", "time"} <= set(saver.root().attrs)
    assert not saver.isopen()
    with pytest.raises(FileClosedError):
        _ = saver.raw_group


def test_opening_again_keeps_everything(place: Place) -> None:
    with open_saver(place, new_file=True, metadata={"sample": "first"}) as saver:
        saver.add_scan_group(title="kept")
        created = saver.root().attrs["time"]
    saver = H5SaverLowLevel(backend=place.driver)
    with saver:
        made = saver.init_file(place.location, metadata={"sample": "other"}, **place.options)
        assert made is False
        assert saver.get_node("/RawData/Scan000").title == "kept"
        assert saver.raw_group.attrs["sample"] == "first"
        assert saver.root().attrs["time"] == created


def test_a_new_file_replaces_the_old_one_when_asked(place: Place) -> None:
    with open_saver(place, new_file=True) as saver:
        saver.add_scan_group()
    with open_saver(place, new_file=True) as saver:
        assert "Scan000" not in saver.raw_group


def test_reading_never_writes_or_creates(place: Place) -> None:
    with pytest.raises(FileMissingError):
        open_saver(place, mode="r")
    with place.open("w") as plain:
        plain.create_carray("/", "numbers", np.arange(3))
    with open_saver(place, mode="r") as saver:
        assert saver.raw_group.path == "/"  # a file of somebody else: everything is raw data
        assert saver.raw_group.children_name() == ["numbers"]
        with pytest.raises(ReadOnlyError):
            saver.get_set_logger()
        with pytest.raises(ReadOnlyError):
            saver.add_scan_group("/")
    with place.open("r") as plain:
        assert plain.root().children_name() == ["numbers"]


def test_contradicting_modes_destroy_nothing(place: Place) -> None:
    with open_saver(place, new_file=True) as saver:
        saver.add_scan_group()
    with pytest.raises(ValueError, match="new_file=True"):
        open_saver(place, new_file=True, mode="r")
    with pytest.raises(FileOccupiedError):
        open_saver(place, mode="x")
    with pytest.raises(AttributeValueError):
        open_saver(place, new_file=True, metadata={"bad": object()})
    with open_saver(place) as saver:
        assert "Scan000" in saver.raw_group


def test_a_file_of_somebody_else_gets_group_and_log(place: Place) -> None:
    with place.open("w") as plain:
        plain.create_carray("/", "numbers", np.arange(3))
    with open_saver(place, save_type="custom") as saver:
        assert saver.raw_group.attrs["type"] == "custom"
        saver.add_log("added")
    with open_saver(place, mode="r") as saver:
        assert saver.get_set_logger().read() == ["added"]
        np.testing.assert_array_equal(saver.get_node("/numbers").read(), [0, 1, 2])


def test_the_raw_group_can_have_another_name(place: Place) -> None:
    saver = H5SaverLowLevel(backend=place.driver)
    with saver:
        saver.init_file(place.location, "Measured", new_file=True, **place.options)
        assert saver.raw_group.path == "/Measured"
        saver.add_log("here")
        assert saver.get_node("/Measured/Logger")[0] == "here"


def test_names_that_do_not_look_like_hdf5(tmp_path: Path) -> None:
    with H5SaverLowLevel.from_file(tmp_path / "run.1") as saver:
        assert saver.h5_file_name == "run.1.h5"
    with H5SaverLowLevel.from_file(tmp_path / "run.2") as saver:
        assert saver.h5_file_name == "run.2.h5"
    with h5py.File(tmp_path / "odd.dat", "w") as foreign:
        foreign["x"] = 1
    with H5SaverLowLevel.from_file(str(tmp_path / "odd.dat")) as saver:
        assert saver.h5_file_name == "odd.dat"  # it exists, so it is meant
    for name in ("", None, 5):
        with pytest.raises(FileMissingError):
            H5SaverLowLevel.from_file(name)  # type: ignore[arg-type]


def test_the_default_driver() -> None:
    assert H5SaverLowLevel().backend == "h5py"
    with pytest.raises(UnknownDriverError):
        H5SaverLowLevel(backend="netcdf")
    with pytest.raises(UnknownNameError):
        H5SaverLowLevel("scann")


def test_a_saver_can_go_on_to_the_next_file(place: Place) -> None:
    second = place.sibling(f"next-{place.location.rsplit('/', 1)[1]}")
    with open_saver(place, new_file=True) as saver:
        for _ in range(3):
            saver.add_scan_group()
        saver.add_log("one")
        saver.init_file(second.location, new_file=True, **second.options)
        assert saver.add_scan_group().name == "Scan000"
        saver.add_log("two")
        assert saver.get_set_logger().read() == ["two"]
    with open_saver(place, mode="r") as saver:
        assert saver.get_set_logger().read() == ["one"]


def test_save_file(place: Place) -> None:
    copy = place.sibling(f"copy-{place.location.rsplit('/', 1)[1]}")
    with open_saver(place, new_file=True) as saver:
        saver.add_scan_group(title="copied")
        saver.add_log("copied too")
        saver.save_file()
        saver.save_file(copy.location)
        with pytest.raises(FileOccupiedError):
            saver.save_file(copy.location)
        saver.save_file(copy.location, overwrite=True)
    with open_saver(copy, mode="r") as saver:
        assert saver.get_node("/RawData/Scan000").title == "copied"
        assert saver.get_set_logger().read() == ["copied too"]


def test_the_flush_policy_is_passed_on(tmp_path: Path) -> None:
    policy = FlushPolicy(rows=3)
    with H5SaverLowLevel.from_file(tmp_path / "a.h5", flush_policy=policy) as saver:
        assert saver.flush_policy == policy


# -- groups -------------------------------------------------------------------------------------


def test_numbered_groups(saver: H5SaverLowLevel) -> None:
    metadata = {"note": "mine"}
    first = saver.add_incremental_group(GroupType.scan, "/RawData", "a title", "<xml/>", metadata)
    assert first.path == "/RawData/Scan000"
    assert first.title == "a title"
    assert first.attrs["settings"] == "<xml/>"
    assert first.attrs["type"] == "scan"
    assert first.attrs["note"] == "mine"
    assert metadata == {"note": "mine"}
    assert saver.add_incremental_group("SCAN", saver.raw_group).name == "Scan001"
    assert saver.add_det_group(first).path == "/RawData/Scan000/Detector000"
    assert saver.add_act_group(first).name == "Actuator000"
    assert saver.add_move_group(first).name == "Actuator001"
    channel = saver.add_ch_group(first)
    assert (channel.name, channel.attrs["type"]) == ("Ch000", "")
    generic = saver.add_generic_group(group_type=GroupType.data_logger, metadata=metadata)
    assert generic.name == "Data_logger000"
    assert generic.attrs["description"] == ""
    assert saver.add_scan_group(metadata={"description": "said"}).attrs["description"] == "said"
    assert metadata == {"note": "mine"}


def test_numbers_go_past_999_and_over_gaps(place: Place) -> None:
    with open_saver(place, new_file=True) as saver:
        for name in ("Scan998", "Scan003"):
            saver.get_set_group("/RawData", name)
        names = [saver.add_scan_group().name for _ in range(3)]
        assert names == ["Scan999", "Scan1000", "Scan1001"]
    with open_saver(place) as saver:
        assert saver.add_scan_group().name == "Scan1002"
        last = saver.get_last_group("/RawData", "scan")
        assert last is not None
        assert last.name == "Scan1002"
        found = [group.name for group in saver.get_groups("/RawData", GroupType.scan)]
        assert found == ["Scan003", "Scan998", "Scan999", "Scan1000", "Scan1001", "Scan1002"]


def test_numbers_when_others_make_and_remove_groups(saver: H5SaverLowLevel) -> None:
    assert saver.add_scan_group().name == "Scan000"
    saver.get_set_group("/RawData", "Scan001")
    assert saver.add_scan_group().name == "Scan002"
    saver.get_set_group("/RawData", "Scan0010")  # more digits than it needs
    assert saver.add_scan_group().name == "Scan011"
    saver.remove_node("/RawData/Scan011")
    saver.remove_node("/RawData/Scan0010")
    saver.remove_node("/RawData/Scan002")
    assert saver.add_scan_group().name == "Scan002"
    inner = saver.add_scan_group()
    saver.add_det_group(inner)
    saver.remove_node(inner)
    again = saver.add_scan_group()
    assert again.path == "/RawData/Scan003"
    assert saver.add_det_group(again).name == "Detector000"


def test_numbers_of_several_threads_differ(saver: H5SaverLowLevel) -> None:
    names: list[str] = []

    def make() -> None:
        names.extend(saver.add_scan_group().name for _ in range(5))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == [f"Scan{n:03d}" for n in range(20)]


def test_groups_of_a_type(saver: H5SaverLowLevel) -> None:
    scan = saver.add_scan_group()
    saver.add_det_group("/RawData")
    saver.add_ch_group("/RawData")
    saver.add_string_array("/RawData", "Scan007", metadata={"type": "scan"})
    assert saver.get_groups("/RawData", GroupType.scan) == [scan]
    assert [group.name for group in saver.get_groups("/RawData", "ch")] == ["Ch000"]
    assert saver.get_groups("/RawData", "optimizer") == []
    assert saver.get_last_group("/RawData", "optimizer") is None
    with pytest.raises(NodeNotFoundError):
        saver.get_groups("/Nowhere", "scan")


def test_data_groups(saver: H5SaverLowLevel) -> None:
    metadata: dict[str, Any] = {"a": 1.5}
    group = saver.add_data_group("/RawData", "data1d", "title", "<xml/>", metadata)
    assert group.path == "/RawData/Data1D"
    assert group.attrs["type"] == "data"
    assert group.attrs["settings"] == "<xml/>"
    assert group.attrs["a"] == 1.5
    assert metadata == {"a": 1.5}
    assert saver.add_data_group("/RawData", DataDim.Data1D) == group
    assert saver.add_data_group("/RawData", "Data0D", group_name="live").name == "Live"
    with pytest.raises(UnknownNameError):
        saver.add_data_group("/RawData", "Data7D")


def test_nodes_by_attribute_and_title(saver: H5SaverLowLevel) -> None:
    first = saver.add_scan_group(title="first", metadata={"sample": "A", "grid": np.arange(3)})
    second = saver.add_scan_group(title="zweite Ä", metadata={"sample": "B", "n": (1, 2)})
    assert saver.get_node_from_title("/", "zweite Ä") == second
    assert saver.get_node_from_title("/RawData", "third") is None
    assert saver.get_node_from_attribute_match("/", "sample", "A") == first
    assert saver.get_node_from_attribute_match("/", "grid", np.arange(3)) == first
    assert saver.get_node_from_attribute_match("/", "n", (1, 2)) == second
    assert saver.get_node_from_attribute_match("/", "title", "first") == first
    assert saver.get_node_from_attribute_match("/", "sample", "C") is None
    assert saver.get_node_from_attribute_match("/", "nothing", 1) is None


# -- arrays -------------------------------------------------------------------------------------


def test_an_array_with_content(saver: H5SaverLowLevel) -> None:
    metadata = {"units": "µm", "index": 0}
    values = np.arange(6.0).reshape(2, 3)
    array = saver.add_array(
        "/RawData", "data00", DataType.data, values, title="T", metadata=metadata
    )
    assert type(array) is CARRAY
    assert array.path == "/RawData/Data00"
    assert array.title == "T"
    np.testing.assert_array_equal(array.read(), values)
    attrs = array.attrs.to_dict()
    assert attrs["data_type"] == "data"
    assert attrs["data_dimension"] == "Data2D"
    assert (attrs["units"], attrs["index"], attrs["shape"]) == ("µm", 0, (2, 3))
    assert metadata == {"units": "µm", "index": 0}


def test_an_array_for_a_scan_is_filled_with_what_says_nothing(saver: H5SaverLowLevel) -> None:
    def add(name: str, dtype: str, **kwargs: Any) -> Any:
        return saver.add_array(
            "/RawData",
            name,
            "data",
            data_shape=kwargs.pop("data_shape", (1,)),
            array_type=dtype,
            scan_shape=(3, 4),
            add_scan_dim=True,
            data_dimension="Data0D",
            **kwargs,
        )

    floats = add("Data00", "float64")
    assert floats.shape == (3, 4)
    assert np.isnan(floats.read()).all()
    floats[1, 2] = 5.0
    assert floats[1, 2] == 5.0
    assert np.isnan(floats[1, 3])
    assert (add("Data01", "int32").read() == 0).all()
    assert (add("Data02", "uint8", fill_value=255).read() == 255).all()
    assert (add("Data03", "float32", fill_value=-1.0).read() == -1).all()
    assert add("Data04", "float64", data_shape=(5, 6)).shape == (3, 4, 5, 6)
    for bad in (np.nan, -1, 256, 0.5):
        with pytest.raises(DTypeError):
            add("Data05", "uint8", fill_value=bad)
        assert "Data05" not in saver.raw_group
    saver.fill_value = -1.0
    assert (add("Data06", "int16").read() == -1).all()
    assert (add("Data07", "uint16").read() == 0).all()


def test_an_enlargeable_array(saver: H5SaverLowLevel) -> None:
    scalars = saver.add_array(
        "/RawData", "EnlData00", "data_enlargeable", np.float32(3), enlargeable=True
    )
    assert isinstance(scalars, EARRAY)
    assert (scalars.shape, scalars.dtype) == ((0,), np.float32)
    scalars.append(np.float32(1))
    assert scalars.shape == (1,)
    rows = saver.add_array(
        "/RawData", "EnlData01", "data_enlargeable", data_shape=(2, 3), enlargeable=True
    )
    assert (rows.shape, rows.dtype) == ((0, 2, 3), np.float64)
    assert rows.attrs["data_dimension"] == "Data2D"


def test_an_array_needs_content_or_shape(saver: H5SaverLowLevel) -> None:
    empty = saver.add_array("/RawData", "Data00", "data", data_shape=(2, 2), array_type="int8")
    assert (empty.read() == 0).all()
    with pytest.raises(ShapeError):
        saver.add_array("/RawData", "Data01", "data")
    with pytest.raises(ShapeError):
        saver.add_array(
            "/RawData", "Data01", "data", np.zeros(3), scan_shape=(2,), add_scan_dim=True
        )
    with pytest.raises(UnknownNameError):
        saver.add_array("/RawData", "Data01", "datum", np.zeros(3))
    with pytest.raises(AttributeValueError, match="CLASS"):
        saver.add_array("/RawData", "Data01", "data", np.zeros(3), metadata={"CLASS": "GROUP"})
    with pytest.raises(AttributeValueError):
        saver.add_array("/RawData", "Data01", "data", np.zeros(3), metadata={"x": object()})
    assert saver.raw_group.children_name() == ["Data00", "Logger"]


def test_string_arrays(saver: H5SaverLowLevel) -> None:
    array = saver.add_string_array("/RawData", "Notes", "titled", {"by": "me"})
    assert array.title == "titled"
    assert array.attrs["data_type"] == "strings"
    assert array.attrs["by"] == "me"
    assert array.attrs["shape"] == (0,)
    array.append("eins")
    array.append("")
    assert array.read() == ["eins", ""]


def test_a_scan_larger_than_memory_takes_no_space(local_place: Place) -> None:
    with open_saver(local_place, new_file=True) as saver:
        array = saver.add_array(
            "/RawData",
            "Data00",
            "data",
            data_shape=(1024, 1024),
            array_type="float64",
            scan_shape=(1000, 1000),
            add_scan_dim=True,
        )
        assert array.nbytes == 8 * 2**20 * 10**6  # eight terabytes
        array[999, 0] = np.full((1024, 1024), 2.0)
        assert np.isnan(array[3, 4, 5, 6])
        assert array[999, 0, 5, 6] == 2.0
    # Eight bytes for each of eight million chunks, in the index of HDF5 1.10.
    assert Path(local_place.location).stat().st_size < 80 * 2**20


def test_all_of_it_on_a_server(make_place: Any) -> None:
    """In one file, because a server takes seconds to make one durable."""
    with open_saver(make_place("h5pyd"), new_file=True, metadata={"sample": "Å"}) as saver:
        scan = saver.add_scan_group(title="first", metadata={"n": (1, 2), "none": None})
        assert [saver.add_det_group(scan).name for _ in range(2)] == ["Detector000", "Detector001"]
        saver.get_set_group("/RawData", "Scan999")
        assert saver.add_scan_group().name == "Scan1000"
        names = [group.name for group in saver.get_groups("/RawData", "scan")]
        assert names == ["Scan000", "Scan999", "Scan1000"]
        assert saver.get_node_from_title("/", "first") == scan
        assert saver.get_node_from_attribute_match("/", "n", (1, 2)) == scan
        assert saver.add_data_group(scan, "Data1D").attrs["type"] == "data"
        content = saver.add_array(scan, "Data00", "data", np.arange(3.0), metadata={"units": "µm"})
        np.testing.assert_array_equal(content.read(), [0.0, 1.0, 2.0])
        assert content.attrs["units"] == "µm"
        points = saver.add_array(
            scan, "Data01", "data", data_shape=(2,), scan_shape=(3, 4), add_scan_dim=True
        )
        points[1, 2] = [5.0, 6.0]
        assert np.isnan(points[0, 0]).all()
        assert points[1, 2].tolist() == [5.0, 6.0]
        counts = saver.add_array(
            scan, "Data02", "data", data_shape=(5,), array_type="int16", fill_value=-1
        )
        assert counts.read().tolist() == [-1] * 5
        rows = saver.add_array(
            scan, "EnlData00", "data_enlargeable", data_shape=(2,), enlargeable=True
        )
        rows.append([1.0, 2.0])
        assert rows.read().tolist() == [[1.0, 2.0]]
        with pytest.raises(DTypeError):
            saver.add_array(
                scan, "Data03", "data", data_shape=(1,), array_type="u1", fill_value=-1
            )
        assert "Data03" not in scan
        saver.add_log("über den Server")
        assert saver.get_set_logger().read() == ["über den Server"]


# -- SWMR ---------------------------------------------------------------------------------------


def test_a_file_that_swmr_cannot_work_with_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w", libver=("earliest", "v108")) as old:
        old["precious"] = np.arange(5)
    with pytest.raises(SwmrError, match="left as it is"):
        H5SaverLowLevel.from_file(path, swmr_mode=True)
    with h5py.File(path) as old:
        np.testing.assert_array_equal(old["precious"][:], range(5))
    with H5SaverLowLevel.from_file(path) as saver:
        np.testing.assert_array_equal(saver.get_node("/precious").read(), range(5))


def test_swmr_needs_a_driver_that_has_it(make_place: Any) -> None:
    for driver in ("memory", "tables"):
        with pytest.raises(SwmrError, match="h5py"):
            open_saver(make_place(driver), new_file=True, swmr_mode=True)


def test_a_file_made_for_swmr_is_opened_again_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with H5SaverLowLevel.from_file(path) as saver:
        saver.add_scan_group()
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        assert "Scan000" in saver.raw_group
        saver.enable_swmr()
        assert saver.is_swmr_active


def test_flushing_by_count(tmp_path: Path) -> None:
    never = FlushPolicy(seconds=None)
    saver = H5SaverLowLevel.from_file(tmp_path / "a.h5", swmr_mode=True, flush_policy=never)
    with saver:
        rows = saver.create_earray("/RawData", "rows", "float64")
        saver.set_swmr_flush_interval(2)
        saver.enable_swmr()
        with h5py.File(tmp_path / "a.h5", "r", swmr=True) as reader:
            seen = reader["RawData/rows"]
            lengths = []
            for value in range(5):
                rows.append(float(value))
                saver.tick_flush()
                seen.refresh()
                lengths.append(len(seen))
        assert lengths == [0, 2, 2, 4, 4]
        for bad in (-1, 1.5):
            with pytest.raises(ValueError, match="interval"):
                saver.set_swmr_flush_interval(bad)  # type: ignore[arg-type]


def test_ticking_without_swmr_does_nothing(saver: H5SaverLowLevel) -> None:
    saver.set_swmr_flush_interval(1)
    saver.tick_flush()
    saver.close_file()
    saver.tick_flush()


# -- a saver is a backend -----------------------------------------------------------------------


def test_it_is_a_backend(saver: H5SaverLowLevel) -> None:
    assert isinstance(saver, H5Backend)
    group = saver.get_set_group("/RawData", "Mine", "titled", origin="here")
    assert group.attrs["origin"] == "here"
    with pytest.raises(H5Error):
        saver.get_node("/RawData/Missing")


def test_a_folder_is_not_a_file(local_place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    with pytest.raises(FileError, match="scans"):
        H5SaverLowLevel.from_file(folder, new_file=True, backend=local_place.driver)
    assert [item.name for item in tmp_path.iterdir()] == ["scans"]
