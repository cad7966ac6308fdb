"""Our files in the real pymodaq_data 5.3.0, its files here; both local drivers on both sides."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tables

from h5backends import EARRAY, VLARRAY, H5Backend, StringARRAY
from savers import H5SaverLowLevel
from tests.interop.samples import TREE, check_tree, same, write_tree

DRIVERS = ("h5py", "tables")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "shared.h5"


@pytest.fixture(params=DRIVERS)
def ours(request: pytest.FixtureRequest) -> str:
    """Our driver."""
    return str(request.param)


@pytest.fixture(params=DRIVERS)
def theirs(request: pytest.FixtureRequest) -> str:
    """PyMoDAQ's backend."""
    return str(request.param)


@contextmanager
def our_file(driver: str, path: Path, mode: str = "r") -> Iterator[H5Backend]:
    """Open a file with one of our drivers."""
    with H5Backend(driver) as h5:
        h5.open_file(path, mode)
        yield h5


@contextmanager
def their_file(pymodaq: Any, backend: str, path: Path, mode: str = "r") -> Iterator[Any]:
    """Open a file with PyMoDAQ."""
    h5 = pymodaq.backends.H5Backend(backend)
    h5.open_file(path, mode)
    try:
        yield h5
    finally:
        h5.close_file()


def test_the_package_is_the_real_one(pymodaq: Any) -> None:
    from importlib.metadata import version

    assert version("pymodaq_data") == "5.3.0"
    assert pymodaq.backends.backends_available[:2] == ["tables", "h5py"]


# -- our files, read by others ------------------------------------------------------------------


def test_they_read_ours(pymodaq: Any, ours: str, theirs: str, path: Path) -> None:
    with our_file(ours, path, "w") as h5:
        write_tree(h5)
    with their_file(pymodaq, theirs, path) as h5:
        check_tree(h5)


def test_raw_pytables_reads_ours(ours: str, path: Path) -> None:
    kinds = {"CARRAY": tables.CArray, "EARRAY": tables.EArray, "VLARRAY": tables.VLArray}
    with our_file(ours, path, "w") as h5:
        write_tree(h5)
    with tables.open_file(path) as file:
        assert {node._v_pathname for node in file} == {"/", *TREE}
        for where, sample in TREE.items():
            node = file.get_node(where)
            if sample.kind == "GROUP":
                assert isinstance(node, tables.Group)
                attrs = node._v_attrs
            else:
                assert isinstance(node, kinds.get(sample.kind, tables.VLArray)), where
                attrs = node.attrs
                assert len(node) == len(sample.value)
            if sample.kind in ("CARRAY", "EARRAY"):
                np.testing.assert_array_equal(node[:], np.asarray(sample.value))
            elif sample.kind == "VLARRAY":
                for row, value in zip(node[:], sample.value, strict=True):
                    np.testing.assert_array_equal(row, value)
            for key in ("text", "unicode", "empty", "float"):  # what is stored natively
                if key in sample.attrs:
                    assert same(attrs[key], sample.attrs[key]), (where, key)


def test_raw_h5py_reads_ours(ours: str, path: Path) -> None:
    with our_file(ours, path, "w") as h5:
        write_tree(h5)
    with h5py.File(path) as file:
        found: list[str] = []
        file.visit(found.append)
        assert {f"/{name}" for name in found} == set(TREE)
        for where, sample in TREE.items():
            node = file[where]
            if sample.kind == "GROUP":
                assert isinstance(node, h5py.Group)
            elif sample.kind in ("CARRAY", "EARRAY"):
                np.testing.assert_array_equal(node[:], np.asarray(sample.value))
            elif sample.kind == "VLARRAY":
                for row, value in zip(node[:], sample.value, strict=True):
                    np.testing.assert_array_equal(row, value)
            for key in ("text", "unicode", "empty", "float"):
                if key in sample.attrs:
                    assert same(node.attrs[key], sample.attrs[key]), (where, key)


# -- their files, read by us --------------------------------------------------------------------


def test_we_read_theirs(pymodaq: Any, ours: str, theirs: str, path: Path) -> None:
    with their_file(pymodaq, theirs, path, "w") as h5:
        write_tree(h5)
    before = path.read_bytes()
    with our_file(ours, path) as h5:
        check_tree(h5)
        assert h5.root().attrs["pymodaq_data_version"] == "5.3.0"
    assert path.read_bytes() == before


def test_what_they_cannot_decode_is_text_to_us(
    pymodaq: Any, ours: str, theirs: str, path: Path
) -> None:
    """Their writer stores ``repr`` of anything; their reader evaluates only some types of it."""
    with their_file(pymodaq, theirs, path, "w") as h5:
        group = h5.get_set_group("/", "G")
        group.attrs["array"] = np.arange(3)
        group.attrs["none"] = None
        group.attrs["number"] = np.float64(0.25)
        group.attrs["set"] = {1}
        assert group.attrs["none"] == {"module": "builtins", "type": "NoneType", "data": "None"}
    with our_file(ours, path) as h5:
        attrs = h5.get_node("/G").attrs
        assert attrs["none"] is None
        assert attrs["number"] == 0.25
        for name in ("array", "set"):
            assert isinstance(attrs[name], str)
            assert attrs[name].startswith('{"module"')


def test_they_see_what_only_we_can_store_as_they_see_their_own(
    pymodaq: Any, ours: str, theirs: str, path: Path
) -> None:
    with our_file(ours, path, "w") as h5:
        group = h5.get_set_group("/", "G")
        group.attrs.update(none=None, array=np.arange(3), numbers=np.array([0.5, np.nan]))
    with their_file(pymodaq, theirs, path) as h5:
        attrs = h5.get_node("/G").attrs
        assert attrs["none"] == {"module": "builtins", "type": "NoneType", "data": "None"}
        np.testing.assert_array_equal(attrs["array"], np.arange(3))
        np.testing.assert_array_equal(attrs["numbers"], [0.5, np.nan])


# -- going on with one another's files ----------------------------------------------------------


def _append(h5: Any) -> None:
    h5.get_node("/RawData/Scan000/EnlData00").append(np.array([7.0]))
    h5.get_node("/RawData/Scan000/EnlData01").append(np.full(5, 9.0))
    h5.get_node("/RawData/Scan000/Frames").append(np.full((3, 2), 9, np.uint16))
    h5.get_node("/RawData/Scan000/Unfilled").append(np.array([1.5]))
    h5.get_node("/RawData/Scan000/Ragged").append(np.array([1.0, 2.0]))
    h5.get_node("/RawData/Logger").append("gone on: ü")
    h5.get_node("/RawData/Scan000").attrs["text"] = "changed"
    h5.get_node("/RawData/Scan000/Data00")[1, 2] = -1.0
    h5.flush()


def _check_appended(h5: Any) -> None:
    scan = "/RawData/Scan000"
    np.testing.assert_array_equal(h5.get_node(f"{scan}/EnlData00")[:], [1.0, np.nan, -3.5, 7.0])
    np.testing.assert_array_equal(h5.get_node(f"{scan}/EnlData01")[4], np.full(5, 9.0))
    np.testing.assert_array_equal(h5.get_node(f"{scan}/Frames")[3], np.full((3, 2), 9))
    np.testing.assert_array_equal(h5.get_node(f"{scan}/Unfilled")[:], [1.5])
    np.testing.assert_array_equal(h5.get_node(f"{scan}/Ragged").read()[3], [1.0, 2.0])
    assert h5.get_node("/RawData/Logger").read()[-1] == "gone on: ü"
    assert h5.get_node("/RawData/Logger").read()[0] == "first"
    assert same(h5.get_node(scan).attrs["text"], "changed")
    assert h5.get_node(f"{scan}/Data00")[1, 2] == -1.0
    lengths = {"EnlData00": 4, "EnlData01": 5, "Frames": 4, "Unfilled": 1, "Ragged": 4}
    for name, length in lengths.items():
        node = h5.get_node(f"{scan}/{name}")
        assert len(node) == length
        assert node.attrs["shape"][0] == length


def test_they_append_to_ours(pymodaq: Any, ours: str, theirs: str, path: Path) -> None:
    with our_file(ours, path, "w") as h5:
        write_tree(h5)
    with their_file(pymodaq, theirs, path, "a") as h5:
        _append(h5)
    for driver in DRIVERS:
        with our_file(driver, path) as h5:
            _check_appended(h5)
    with their_file(pymodaq, theirs, path) as h5:
        _check_appended(h5)


def test_we_append_to_theirs(pymodaq: Any, ours: str, theirs: str, path: Path) -> None:
    with their_file(pymodaq, theirs, path, "w") as h5:
        write_tree(h5)
    with our_file(ours, path, "a") as h5:
        assert isinstance(h5.get_node("/RawData/Scan000/EnlData00"), EARRAY)
        assert isinstance(h5.get_node("/RawData/Scan000/Ragged"), VLARRAY)
        assert isinstance(h5.get_node("/RawData/Logger"), StringARRAY)
        _append(h5)
    for backend in DRIVERS:
        with their_file(pymodaq, backend, path) as h5:
            _check_appended(h5)
    with our_file(ours, path) as h5:
        _check_appended(h5)


# -- the savers' ground floor -------------------------------------------------------------------


def _their_saver(pymodaq: Any, backend: str, path: Path, **kwargs: Any) -> Any:
    saver = pymodaq.saving.H5SaverLowLevel("scan", backend=backend)
    saver.init_file(path, **kwargs)
    return saver


def test_their_saver_goes_on_with_our_file(
    pymodaq: Any, ours: str, theirs: str, path: Path
) -> None:
    with H5SaverLowLevel.from_file(path, backend=ours, metadata={"sample": "Å"}) as saver:
        scan = saver.add_scan_group(title="ours")
        saver.add_det_group(scan, title="camera")
        saver.add_array(scan, "Data00", "data", np.arange(4.0), metadata={"units": "µm"})
        saver.add_log("ours: ü")
    other = _their_saver(pymodaq, theirs, path)
    try:
        assert same(other.raw_group.attrs["type"], "scan")
        assert same(other.raw_group.attrs["sample"], "Å")
        assert other.get_set_logger().read() == ["ours: ü"]
        assert [group.name for group in other.get_groups("/RawData", "scan")] == ["Scan000"]
        assert other.get_node_from_title("/RawData", "camera").path.endswith("Detector000")
        found = other.get_node_from_attribute_match("/RawData", "data_type", "data")
        assert found.path == "/RawData/Scan000/Data00"
        assert same(found.attrs["units"], "µm")
        other.add_log("theirs: ü")
        assert other.add_scan_group(title="theirs").name == "Scan001"
    finally:
        other.close_file()
    with H5SaverLowLevel.from_file(path, backend=ours) as saver:
        assert saver.get_set_logger().read() == ["ours: ü", "theirs: ü"]
        assert saver.add_scan_group().name == "Scan002"
        assert saver.get_node("/RawData/Scan001").title == "theirs"


def test_our_saver_goes_on_with_their_file(
    pymodaq: Any, ours: str, theirs: str, path: Path
) -> None:
    other = _their_saver(pymodaq, theirs, path, new_file=True, metadata={"sample": "Å"})
    other.add_log("theirs: ü")
    scan = other.add_scan_group(title="theirs")
    other.add_array(scan, "Data00", "data", np.arange(4.0), data_dimension="Data1D")
    other.close_file()
    with H5SaverLowLevel.from_file(path, backend=ours) as saver:
        assert saver.raw_group.attrs["sample"] == "Å"
        assert saver.get_set_logger().read() == ["theirs: ü"]
        last = saver.get_last_group("/RawData", "scan")
        assert last is not None
        assert last.title == "theirs"
        assert saver.get_node_from_attribute_match("/", "data_type", "data") is not None
        saver.add_log("ours: ü")
        assert saver.add_scan_group(title="ours").name == "Scan001"
    other = _their_saver(pymodaq, theirs, path)
    try:
        assert other.get_set_logger().read() == ["theirs: ü", "ours: ü"]
        assert [group.name for group in other.get_groups("/RawData", "scan")][-1] == "Scan001"
    finally:
        other.close_file()


def test_their_loader_and_browser_understand_our_arrays(
    pymodaq: Any, ours: str, theirs: str, path: Path
) -> None:
    with H5SaverLowLevel.from_file(path, backend=ours) as saver:
        scan = saver.add_scan_group(settings_as_xml="<settings/>")
        channel = saver.get_set_group(
            saver.add_data_group(scan, "Data1D"), "CH00", "spectrum", origin="camera"
        )
        saver.add_array(
            channel,
            "Data00",
            "data",
            np.arange(5.0),
            title="spectrum",
            metadata={
                "timestamp": 1.5,
                "label": "left",
                "source": "raw",
                "distribution": "uniform",
                "origin": "camera",
                "units": "V",
                "nav_indexes": (),
            },
        )
        saver.add_array(
            channel,
            "Axis00",
            "axis",
            np.arange(5.0) ** 2,
            title="energy",
            metadata={
                "size": 5,
                "label": "energy",
                "units": "eV",
                "index": 0,
                "distribution": "spread",
                "spread_order": 0,
            },
        )
    where = "/RawData/Scan000/Data1D/CH00/Data00"
    other = _their_saver(pymodaq, theirs, path, mode="r")
    try:
        loader = pymodaq.data_saving.DataLoader(other)
        dwa = loader.load_data(where)
        assert (dwa.name, dwa.origin, dwa.units, dwa.timestamp) == ("spectrum", "camera", "V", 1.5)
        assert dwa.labels == ["left"]
        assert (dwa.axes[0].label, dwa.axes[0].units) == ("energy", "eV")
        np.testing.assert_array_equal(dwa.data[0], np.arange(5.0))
        np.testing.assert_array_equal(dwa.axes[0].get_data(), np.arange(5.0) ** 2)
        assert loader.load_all("/RawData").get_full_names() == ["camera/spectrum"]
        found = loader.load_data_from_name_origin("spectrum", "camera")
        assert found.axes[0].label == "energy"
    finally:
        other.close_file()
    browser = pymodaq.browsing.H5BrowserUtil(backend=theirs)
    browser.open_file(str(path), "r")
    try:
        attrs, settings, _, _ = browser.get_h5_attributes("/RawData/Scan000")
        assert same(attrs["type"], "scan")
        assert [str(text) for text in settings] == ["<settings/>"]
    finally:
        browser.close_file()


def test_their_swmr_file_is_brought_up_to_date(pymodaq: Any, path: Path) -> None:
    other = _their_saver(pymodaq, "h5py", path, new_file=True, swmr_mode=True)
    rows = other.create_earray("/RawData", "Rows", np.dtype(float))
    other.enable_swmr()
    rows.append(np.array([1.0]))
    other.close_file()  # without finalize: attributes are stale, the mark is still on
    with H5SaverLowLevel.from_file(path) as saver:
        assert saver.root().attrs["swmr_active"] is False
        assert saver.get_node("/RawData/Rows").attrs["shape"] == (1,)


def test_they_follow_our_swmr_file(pymodaq: Any, path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        rows = saver.create_earray("/RawData", "Rows", "float64")
        saver.add_log("before")
        saver.enable_swmr()
        rows.append(1.0)
        saver.add_log("live")
        saver.flush()
        other = _their_saver(pymodaq, "h5py", path, mode="r", swmr_mode=True)
        try:
            assert other.get_node("/RawData/Rows")[:].tolist() == [1.0]
            assert other.get_set_logger().read() == ["before"]
            stream = other.get_node("/RawData/LoggerLive")
            assert bytes(stream.read()).split(b"\xff")[0] == b"live"
        finally:
            other.close_file()
        saver.finalize_swmr()
    other = _their_saver(pymodaq, "h5py", path, mode="r")
    try:
        assert other.get_set_logger().read() == ["before", "live"]
        assert tuple(other.get_node("/RawData/Rows").attrs["shape"]) == (1,)
    finally:
        other.close_file()


def test_we_need_no_silenced_warnings(ours: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with our_file(ours, path, "w") as h5:
            write_tree(h5)
        with our_file(ours, path) as h5:
            check_tree(h5)
