"""Looking into files from a script, and exporting: read back and compared, live, huge, refused."""

from __future__ import annotations

import csv
import json
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import savers.exporters as formats
from h5backends import H5Backend
from h5backends.errors import (
    FileAccessError,
    FileClosedError,
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    NodeKindError,
    NodeNotFoundError,
    ReadOnlyError,
    ShapeError,
    StorageError,
    UnknownDriverError,
    UnsupportedError,
)
from h5backends.nodes import CARRAY
from savers import (
    Axis,
    DataExtendedSaver,
    DataLoader,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportExtendedSaver,
    DataToExportSaver,
    DataToExportTimedSaver,
    H5BrowserUtil,
    H5SaverLowLevel,
)
from savers.enums import UnknownNameError
from tests.conftest import LOCAL, Place
from tests.savers.conftest import open_saver

SCAN = "/RawData/Scan000"
SPECTRUM = f"{SCAN}/Data1D/CH00/Data00"
SHAPE = (2, 3)
DRIVERS = ("h5py", "tables", "h5pyd")


def point(number: float) -> DataToExport:
    """A value with error bars, a counter, a spectrum with an axis."""
    axis = Axis("energy", "eV", np.arange(4.0) / 8)
    result = DataToExport(
        "point",
        [
            DataRaw("power", units="µW", origin="meter", data=[np.array([number / 3])],
                    errors=[np.array([number / 10])]),
            DataRaw("counts", origin="counter", data=[np.array([int(number)])]),
            DataRaw("spectrum", units="V", origin="cam", axes=[axis], gain=5,
                    data=[np.arange(4.0) * number / 7]),
        ],
    )  # fmt: skip
    result.timestamp = 100.0 + number
    return result


def fill(saver: H5SaverLowLevel) -> None:
    """A scan, a log in time, single data, log lines."""
    scan = saver.add_scan_group(title="first")
    scanner = DataToExportExtendedSaver(saver, SHAPE)
    scanner.add_nav_axes(
        scan, [Axis("x", "mm", np.array([0.5, 2.0])), Axis("y", "", size=3, index=1)]
    )
    for number, index in enumerate(np.ndindex(SHAPE)):
        scanner.add_data(scan, point(number), index)
    log = DataToExportTimedSaver(saver)
    group = saver.add_generic_group(group_type="data_logger")
    for number in range(5):
        log.add_data(group, point(number))
    single = saver.add_det_group("/RawData", metadata={"settings": "<a/>"})
    data = DataRaw("image", data=[np.arange(6.0).reshape(2, 3)] * 2, labels=["left", "right"])
    DataToExportSaver(saver).add_data(single, data)
    DataToExportSaver(saver).add_bkg(single, data)
    saver.add_log("lamp on")
    saver.add_log("zweite ± Zeile")
    saver.flush()


@pytest.fixture(scope="module", params=DRIVERS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A file with all of that, on each driver in turn; nobody changes it."""
    if request.param == "h5pyd":
        server = request.getfixturevalue("hsds")
        options = {"endpoint": server.endpoint, "username": server.username,
                   "password": server.password}  # fmt: skip
        place = Place("h5pyd", f"/home/{server.username}/{uuid.uuid4().hex}.h5", options)
    else:
        place = Place(request.param, str(tmp_path_factory.mktemp("filled") / "file.h5"))
    with open_saver(place, new_file=True) as saver:
        fill(saver)
    return place


@pytest.fixture
def browser(filled: Place) -> Iterator[H5BrowserUtil]:
    """A browser of that file."""
    with H5BrowserUtil(filled.location, filled.driver, **filled.options) as opened:
        yield opened


@pytest.fixture
def local(make_place: Any) -> Iterator[H5BrowserUtil]:
    """A browser of one with the default driver."""
    place = make_place("h5py")
    with open_saver(place, new_file=True) as saver:
        fill(saver)
    with H5BrowserUtil(place.location) as opened:
        yield opened


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the lines of a csv file."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return header, lines


# -- looking ------------------------------------------------------------------------------------


def test_the_tree_is_drawn(browser: H5BrowserUtil) -> None:
    lines = browser.tree().splitlines()
    assert lines[0].startswith("/")
    assert any("Data00" in line and "2 x 3 x 4  float64  [V]  spectrum" in line for line in lines)
    assert any("EnlData00" in line and "5+ x 4" in line for line in lines)
    assert sum("─ " in line for line in lines) == len(list(browser.walk_nodes())) - 1
    short = browser.tree(SCAN, depth=1, attributes=True)
    assert "Data1D  (1 inside)" in short
    assert "@default" in short
    assert browser.tree(SPECTRUM).count("\n") == 0


def test_node_info(browser: H5BrowserUtil) -> None:
    info = browser.get_node_info(SPECTRUM)
    assert (info.path, info.name, info.title, info.kind) == (
        SPECTRUM, "Data00", "spectrum", "CARRAY",
    )  # fmt: skip
    assert (info.shape, info.dtype, info.units, info.nbytes) == ((2, 3, 4), "float64", "V", 192)
    assert info.attributes["gain"] == 5
    assert not info.grows
    assert info.children is None
    group = browser.get_node_info(SCAN)
    assert (group.kind, group.title, group.children, group.shape) == ("GROUP", "first", 4, None)
    log = browser.get_node_info("/RawData/Logger")
    assert (log.dtype, log.shape, log.grows, log.nbytes) == ("text", (2,), True, None)


def test_attributes_settings_and_pictures(local_place: Place) -> None:
    with open_saver(local_place, new_file=True) as saver:
        group = saver.add_scan_group(metadata={"pixmap2D": "picture", "scan_settings": ""})
        group.attrs["settings"] = "<a/>"
        group.attrs["scan_settings"] = "<b/>"
        saver.add_det_group("/RawData", metadata={"scan_settings": ""})
    with H5BrowserUtil(Path(local_place.location)) as browser:
        attrs, settings, scan_settings, pixmaps = browser.get_h5_attributes(SCAN)
        assert attrs["type"] == "scan"
        assert (settings, scan_settings, pixmaps) == (["<a/>"], "<b/>", ["picture"])
        assert browser.get_h5_attributes("/RawData/Detector000")[2] is None
        assert browser.get_h5file_scans() == [
            {"scan_name": "RawData_Scan000", "path": SCAN, "data": "picture"}
        ]
        assert browser.get_h5file_scans("/RawData/Detector000") == []


def test_what_a_browser_takes(local: H5BrowserUtil) -> None:
    path = local.filename
    local.close_file()
    old = H5BrowserUtil(backend="tables")  # as in PyMoDAQ
    assert (old.backend, H5BrowserUtil("tables").backend) == ("tables", "tables")
    assert not old.isopen()
    old.open_file(path, "r")
    assert len(old.get_children("/RawData")) == 4
    old.close_file()
    with H5SaverLowLevel.from_file(path) as saver:
        with H5BrowserUtil(saver) as browser:
            assert browser.get_node(SPECTRUM).session is saver.session
            assert browser.raw_group == saver.raw_group
        assert saver.isopen(), "the file belongs to the saver"
        assert not browser.isopen()
        assert DataLoader(H5BrowserUtil(saver)).load_data(SPECTRUM).shape == (2, 3, 4)
        browser.open_file(path, "r")
        browser.close_file()
    with pytest.raises(FileClosedError):
        H5BrowserUtil(saver)
    with pytest.raises(FileClosedError):
        browser.tree()


def test_a_browser_changes_nothing(local: H5BrowserUtil) -> None:
    path = Path(local.filename)
    before = path.read_bytes()
    with pytest.raises(ReadOnlyError):
        local.get_node(SCAN).attrs["a"] = 1
    local.tree(attributes=True)
    local.close_file()
    assert path.read_bytes() == before


def test_files_of_other_programs(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["group/numbers"] = np.arange(3)
        file["text"] = "of variable length"
        file["names"] = ["a", "b"]
    with H5BrowserUtil(path) as browser:
        assert "numbers" in browser.tree()
        target = browser.export_data("/group", tmp_path / "numbers.csv")
        assert table(target) == (["index", "numbers"], [["0", "0"], ["1", "1"], ["2", "2"]])
        archive = np.load(browser.export_data("/", tmp_path / "all.npz"))
        assert json.loads(archive["names.json"]) == ["a", "b"]
        header, lines = table(browser.export_data("/names", tmp_path / "names.csv"))
        assert (header, lines) == (["index", "names"], [["0", "a"], ["1", "b"]])


# -- exporting ----------------------------------------------------------------------------------


def test_csv_of_a_scan(browser: H5BrowserUtil, tmp_path: Path) -> None:
    header, lines = table(browser.export_data(f"{SCAN}/Data0D", tmp_path / "scan.csv"))
    assert header == ["x (mm)", "y", "power (µW)", "power error (µW)", "counts"]
    loader = DataLoader(browser)
    power = loader.load_data(f"{SCAN}/Data0D/CH00/Data00")
    assert power.errors is not None
    values = np.array(lines, float)
    x, y = (axis.get_data() for axis in power.get_nav_axes())
    np.testing.assert_array_equal(values[:, 0], np.repeat(x, 3))
    np.testing.assert_array_equal(values[:, 1], np.tile(y, 2))
    np.testing.assert_array_equal(values[:, 2], power.data[0].ravel())
    np.testing.assert_array_equal(values[:, 3], power.errors[0].ravel())
    assert [line[4] for line in lines] == list("012345")
    header, lines = table(browser.export_data(SPECTRUM, tmp_path / "spectrum.csv"))
    assert header == ["x (mm)", "y", "energy (eV)", "spectrum (V)"]
    cube = np.array(lines, float).reshape(2, 3, 4, 4)
    np.testing.assert_array_equal(cube[..., 3], loader.load_data(SPECTRUM).data[0])
    np.testing.assert_array_equal(cube[1, 2, :, 2], np.arange(4.0) / 8)


def test_csv_of_a_log(browser: H5BrowserUtil, tmp_path: Path) -> None:
    where = "/RawData/Data_logger000"
    header, lines = table(browser.export_data(f"{where}/Data0D", tmp_path / "log.csv"))
    assert header == ["time (s)", "power (µW)", "power error (µW)", "counts"]
    values = np.array(lines, float)
    np.testing.assert_array_equal(values[:, 0], 100 + np.arange(5.0))
    np.testing.assert_array_equal(values[:, 1], np.arange(5.0) / 3)
    header, lines = table(browser.export_data("/RawData/Logger", tmp_path / "lines.csv"))
    assert (header, lines) == (["Logger"], [["lamp on"], ["zweite ± Zeile"]])
    target = browser.export_data("/RawData/Logger", tmp_path / "lines.txt")
    assert target.read_text("utf-8") == "lamp on\nzweite ± Zeile\n"


def test_text_for_loadtxt(browser: H5BrowserUtil, tmp_path: Path) -> None:
    target = browser.export_data(SPECTRUM, tmp_path / "spectrum.txt")
    head = [line for line in target.read_text("utf-8").splitlines() if line.startswith("#")]
    assert f"# node: {SPECTRUM}" in head
    assert "# signal: spectrum (V)" in head
    assert "# origin: cam" in head
    assert "# axis 2: energy (eV)" in head
    assert head[-1].split("\t") == ["# x (mm)", "y", "0.0", "0.125", "0.25", "0.375"]
    values = np.loadtxt(target)
    wanted = DataLoader(browser).load_data(SPECTRUM).data[0]
    np.testing.assert_array_equal(values[:, 2:].reshape(wanted.shape), wanted)
    np.testing.assert_array_equal(values[:, 0], [0.5] * 3 + [2.0] * 3)
    target = browser.export_data(f"{SCAN}/Data0D", tmp_path / "power.txt")
    assert target.read_text("utf-8").count("# signal") == 2
    np.testing.assert_array_equal(np.loadtxt(target)[:, 4], np.arange(6))
    target = browser.export_data("/RawData/Detector000/Data2D/CH00/Data00", tmp_path / "image.txt")
    assert target.read_text("utf-8").count("# index 0\t0\t1\t2\n") == 1
    np.testing.assert_array_equal(np.loadtxt(target)[:, 1:], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(browser: H5BrowserUtil, tmp_path: Path, compressed: bool) -> None:
    target = browser.export_data("/", tmp_path / "all.npz", compressed=compressed)
    with np.load(target) as archive:
        arrays = {node.path: node for node in browser.walk_nodes() if isinstance(node, CARRAY)}
        for path, node in arrays.items():
            if path == "/RawData/Logger":
                assert json.loads(archive["RawData/Logger.json"]) == node.read()
            else:
                found = archive[path.lstrip("/")]
                np.testing.assert_array_equal(found, node.read())
                assert found.dtype == node.dtype
        assert len(archive.files) == len(arrays) + 1
        attrs = json.loads(archive["attributes.json"])
    assert attrs[SPECTRUM]["units"] == "V"
    assert attrs[SPECTRUM]["gain"] == 5
    assert attrs[f"{SCAN}/NavAxes/Axis00"]["label"] == "x"
    assert set(attrs) == {node.path for node in browser.walk_nodes()}
    with np.load(browser.export_data(SPECTRUM, tmp_path / "one.npz")) as archive:
        assert {name.removeprefix("RawData/Scan000/") for name in archive.files} == {
            "attributes.json", "Data1D/CH00/Data00", "Data1D/CH00/Axis00",
            "NavAxes/Axis00", "NavAxes/Axis01",
        }  # fmt: skip
    array = np.load(browser.export_data(SPECTRUM, tmp_path / "one.npy"))
    np.testing.assert_array_equal(array, browser.get_node(SPECTRUM).read())


@pytest.mark.parametrize("target_driver", LOCAL)
def test_hdf5_loads_as_before(browser: H5BrowserUtil, tmp_path: Path, target_driver: str) -> None:
    loader = DataLoader(browser)
    wanted = loader.load_all("/RawData")
    told: list[tuple[int, int]] = []
    whole = browser.export_data(
        "/", tmp_path / "all.h5", backend=target_driver, progress=lambda *n: told.append(n)
    )
    assert told[-1][0] == told[-1][1] > 0
    with DataLoader(whole, backend=target_driver) as copy:
        assert copy.load_all("/RawData") == wanted
        assert copy.get_node("/RawData/Logger").read() == ["lamp on", "zweite ± Zeile"]
        assert copy.h5saver.root().attrs["exported_from"] == browser.filename
    for number, where in enumerate([SPECTRUM, "/RawData/Data_logger000/Data0D/CH00/EnlData00",
                                    "/RawData/Detector000/Data2D/CH00/Data01"]):  # fmt: skip
        part = browser.export_data(where, tmp_path / f"{number}.h5", backend=target_driver)
        with DataLoader(part, backend=target_driver) as copy:
            found, before = copy.load_data(where), loader.load_data(where)
            assert found == before
            assert found.timestamp == before.timestamp
            if number == 2:
                background = copy.load_data(where, with_bkg=True).data[0]
                np.testing.assert_array_equal(background, np.zeros((2, 3)))
            assert copy.get_node(where.rsplit("/", 1)[0]).title == before.name
            assert len(list(copy.walk_nodes())) < len(list(browser.walk_nodes()))
    part = browser.export_data(f"{SCAN}/Data0D", tmp_path / "part.hdf5", backend=target_driver)
    with H5SaverLowLevel.from_file(part, backend=target_driver) as saver:
        assert saver.get_node(SCAN).attrs["type"] == "scan"
        assert DataLoader(saver).load_all(SCAN) == loader.load_all(f"{SCAN}/Data0D")
        saver.add_log("goes on")
        node: Any = saver.root()
        while "default" in node.attrs:  # leads to a plot that is there
            node = node.get_child(node.attrs["default"])
        assert node.path == f"{SCAN}/Data0D/CH00"


SAMPLES = {
    "float32": np.array([0.1, -1e-30, np.nan, np.inf], np.float32),
    "float64": np.array([1 / 3, 5e-324, -np.inf, 1e300]),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j, -0.5j]),
    "text": np.array(["a,b", 'quo"te', "line\nbreak", ""]),
    "time": np.array(["2026-01-31T12:30:00.5", "NaT"], "M8[ms]"),
    "pause": np.array([5, -7], "m8[us]"),
    "struct": np.array([(1, 2.5, [1, 2]), (3, -1.0, [3, 4])],
                       [("n", "i4"), ("v", "f8"), ("pair", "i2", (2,))]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_every_type_comes_back_exactly(saver: H5SaverLowLevel, tmp_path: Path, name: str) -> None:
    given = SAMPLES[name]
    saver.create_carray("/RawData", "Array", given)
    browser = H5BrowserUtil(saver)
    header, lines = table(browser.export_data("/RawData/Array", tmp_path / "array.csv"))
    cells = [line[1:] for line in lines]
    match name:
        case "complex":
            assert header[1:] == ["Array real", "Array imag"]
            found = np.array(cells, float) @ [1, 1j]
        case "struct":
            assert header[1:] == ["Array.n", "Array.v", "Array.pair[0]", "Array.pair[1]"]
            rows = [(int(n), float(v), [int(a), int(b)]) for n, v, a, b in cells]
            found = np.array(rows, given.dtype)
        case "bool":
            found = np.array([cell == ["True"] for cell in cells])
        case "pause":
            assert header[1:] == ["Array (us)"]
            found = np.array([int(cell[0]) for cell in cells]).astype(given.dtype)
        case _:
            found = np.array([cell[0] for cell in cells]).astype(given.dtype)
    np.testing.assert_array_equal(found, given)
    np.testing.assert_array_equal(
        np.load(browser.export_data("/RawData/Array", tmp_path / "a.npz"))["RawData/Array"], given
    )
    text = browser.export_data("/RawData/Array", tmp_path / "array.txt")
    if name in ("float32", "float64", "bool"):
        np.testing.assert_array_equal(np.loadtxt(text)[:, 1].astype(given.dtype), given)


def test_rows_of_different_lengths(saver: H5SaverLowLevel, tmp_path: Path) -> None:
    rows = [np.arange(float(n)) / 3 for n in (3, 0, 2)]
    array = saver.create_vlarray("/RawData", "Ragged", np.float64)
    for row in rows:
        array.append(row)
    browser = H5BrowserUtil(saver)
    archive = np.load(browser.export_data("/RawData/Ragged", tmp_path / "a.npz"))
    np.testing.assert_array_equal(archive["RawData/Ragged"], np.concatenate(rows))
    assert archive["RawData/Ragged.lengths"].tolist() == [3, 0, 2]
    header, lines = table(browser.export_data("/RawData/Ragged", tmp_path / "a.csv"))
    assert header == ["row", "position", "value"]
    assert [(int(r), int(p), float(v)) for r, p, v in lines] == [
        (r, p, v) for r, row in enumerate(rows) for p, v in enumerate(row)
    ]
    text = browser.export_data("/RawData/Ragged", tmp_path / "a.txt").read_text("utf-8")
    assert [line for line in text.split("\n") if not line.startswith("#")][1] == ""


def test_an_axis_that_moved(saver: H5SaverLowLevel, tmp_path: Path) -> None:
    """Its positions at every point are in the table; text says where they are."""
    scanner = DataToExportExtendedSaver(saver, (2, 2))
    log = DataToExportTimedSaver(saver)
    scan, group = saver.add_scan_group(), saver.add_det_group("/RawData")
    for number, index in enumerate(np.ndindex(2, 2)):
        axis = Axis("energy", "eV", np.arange(3.0) + number)
        image = DataRaw("image", data=[np.full((2, 3), number)],
                        axes=[Axis("energy", "eV", np.arange(3.0) + number, 1)])  # fmt: skip
        line = DataRaw("line", data=[np.full(3, number)], axes=[axis])
        scanner.add_data(scan, image, index)
        log.add_data(group, line)
    browser = H5BrowserUtil(saver)
    for where in (f"{scan.path}/Data2D", f"{group.path}/Data1D"):
        name = where.rsplit("/", 1)[1]
        header, lines = table(browser.export_data(where, tmp_path / f"{name}.csv"))
        energy, value = (
            np.array([float(line[n]) for line in lines])
            for n in (header.index("energy (eV)"), len(header) - 1)
        )
        np.testing.assert_array_equal(energy - value, np.tile(np.arange(3.0), len(lines) // 3))
        text = browser.export_data(where, tmp_path / f"{name}.txt").read_text("utf-8")
        assert "differs from point to point" in text


def test_names_that_would_be_the_same(saver: H5SaverLowLevel, tmp_path: Path) -> None:
    data = [DataRaw("v", origin=o, data=[np.arange(2.0)], units="a\tb") for o in "pq"]
    data.append(DataRaw("v", origin="q", data=[np.zeros(2), np.ones(2)], labels=["l", "m"]))
    DataToExportSaver(saver).add_data("/RawData", DataToExport("d", data))
    browser = H5BrowserUtil(saver)
    header, _ = table(browser.export_data("/RawData/Data1D", tmp_path / "a.csv"))
    assert header == ["index", "p/v (a\tb)", "q/v (a\tb)", "v l", "v m"]
    text = browser.export_data("/RawData/Data1D", tmp_path / "a.txt").read_text("utf-8")
    assert "# index\tp/v (a b)\t" in text


def test_empty_data(saver: H5SaverLowLevel, tmp_path: Path) -> None:
    saver.create_earray("/RawData", "Empty", "f8")
    saver.create_carray("/RawData", "Flat", np.empty((0, 3)))
    saver.create_carray("/RawData", "Scalar", np.float64(2.5))
    browser = H5BrowserUtil(saver)
    for name, lines in (("Empty", 0), ("Flat", 0), ("Scalar", 1)):
        where = f"/RawData/{name}"
        assert len(table(browser.export_data(where, tmp_path / f"{name}.csv"))[1]) == lines
        assert browser.export_data(where, tmp_path / f"{name}.txt").exists()
        found = np.load(browser.export_data(where, tmp_path / f"{name}.npy"))
        assert found.shape == browser.get_node(where).shape


# -- live ---------------------------------------------------------------------------------------


def test_a_file_that_is_being_written(make_place: Any, tmp_path: Path) -> None:
    place = make_place("h5py")
    with open_saver(place, new_file=True, swmr_mode=True) as saver:
        log = DataToExportTimedSaver(saver)
        for number in range(3):
            log.add_data("/RawData", point(number))
        saver.add_log("while it runs")
        saver.flush()
        with H5BrowserUtil(place.location) as browser:
            for length in (3, 6):
                header, lines = table(
                    browser.export_data("/RawData/Data0D", tmp_path / f"{length}.csv")
                )
                assert [int(line[header.index("counts")]) for line in lines] == list(range(length))
                assert "while it runs" in browser.export_data(
                    "/RawData/Logger", tmp_path / f"{length}.txt"
                ).read_text("utf-8")
                copy = browser.export_data("/", tmp_path / f"{length}.h5")
                with DataLoader(copy) as loader:
                    spectrum = loader.load_data("/RawData/Data1D/CH00/EnlData00")
                    assert spectrum.shape == (length, 4)
                    assert loader.get_node("/RawData/Logger").read() == ["while it runs"]
                    assert loader.h5saver.root().attrs["swmr_active"] is False
                    assert "LoggerLive" not in loader.get_node("/RawData").children_name()
                assert f"{length}+" in browser.tree("/RawData/Data0D")
                one = "/RawData/Data0D/CH00/EnlData00"  # and its error bars and times
                one = browser.export_data(one, tmp_path / f"one{length}.csv")
                assert [float(line[2]) for line in table(one)[1]] == [
                    n / 10 for n in range(length)
                ]
                for number in range(3, 6):
                    log.add_data("/RawData", point(number))
                saver.flush()
        own = H5BrowserUtil(saver).export_data("/RawData/Data0D", tmp_path / "own.csv")
        assert len(table(own)[1]) == 9


def test_a_domain_that_is_being_written(make_place: Any, tmp_path: Path) -> None:
    place = make_place("h5pyd")
    with open_saver(place, new_file=True) as saver:
        log = DataToExportTimedSaver(saver)
        log.add_data("/RawData", point(0))
        saver.flush()
        with H5BrowserUtil(f"hdf5:/{place.location}", **place.options) as browser:
            for length in (1, 2, 3):
                where = tmp_path / f"{length}.csv"
                assert len(table(browser.export_data("/RawData/Data0D", where))[1]) == length
                log.add_data("/RawData", point(length))
                saver.flush()


# -- larger than memory -------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["npz", "npy", "h5", "csv"])
def test_blocks_and_not_the_whole(local_place: Place, tmp_path: Path, extension: str) -> None:
    shape = (40, 1000, 1000) if extension != "csv" else (1, 500, 400)
    frames = np.random.default_rng(0).integers(0, 60_000, shape, np.uint16)
    with open_saver(local_place, new_file=True) as saver:
        array = saver.create_earray("/RawData", "Frames", "u2", shape[1:])
        array.append(frames)
    with H5BrowserUtil(local_place.location, local_place.driver) as browser:
        tracemalloc.start()
        try:
            target = browser.export_data("/RawData/Frames", tmp_path / f"frames.{extension}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < (40 if extension != "csv" else 22) * 2**20
    match extension:
        case "npz":
            np.testing.assert_array_equal(np.load(target)["RawData/Frames"], frames)
        case "npy":
            np.testing.assert_array_equal(np.load(target), frames)
        case "h5":
            with H5Backend("h5py") as h5:
                h5.open_file(target)
                np.testing.assert_array_equal(h5.read("/RawData/Frames"), frames)
        case "csv":
            with target.open() as file:
                assert sum(1 for _ in file) == frames.size + 1


@pytest.mark.parametrize("extension", ["npz", "csv", "h5"])
def test_sixteen_terabytes_until_interrupted(
    local_place: Place, tmp_path: Path, extension: str
) -> None:
    with DataExtendedSaver(local_place.location, (1000, 2000), backend=local_place.driver) as s:
        s.add_data("/RawData", DataRaw("image", data=[np.ones((1000, 1000))]), (0, 0))
    with H5BrowserUtil(local_place.location, local_place.driver) as browser:

        def stop(done: int, total: int) -> None:
            assert total >= 2 * 10**12
            assert done < 10**8
            raise KeyboardInterrupt

        target = tmp_path / f"huge.{extension}"
        with pytest.raises(KeyboardInterrupt):
            browser.export_data("/RawData/Data00", target, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == [Path(local_place.location).name]


# -- refused ------------------------------------------------------------------------------------


def test_nothing_is_overwritten(local: H5BrowserUtil, tmp_path: Path) -> None:
    for extension in ("csv", "txt", "npz", "npy", "h5"):
        target = tmp_path / f"precious.{extension}"
        target.write_text("precious")
        with pytest.raises(FileOccupiedError, match="overwrite=True"):
            local.export_data(SPECTRUM, target)
        assert target.read_text() == "precious"
        with pytest.raises(NodeNotFoundError):
            local.export_data("/RawData/Nowhere", target, overwrite=True)
        assert target.read_text() == "precious"
        local.export_data(SPECTRUM, target, overwrite=True)
        assert target.stat().st_size > 50
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    with pytest.raises(FileOccupiedError, match="folder"):
        local.export_data(SPECTRUM, folder, overwrite=True)


def test_a_name_that_is_taken_meanwhile(local: H5BrowserUtil, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"

    def progress(done: int, total: int) -> None:
        target.write_text("somebody else's")

    with pytest.raises(FileOccupiedError):
        local.export_data(SPECTRUM, target, progress=progress)
    assert target.read_text() == "somebody else's"
    assert not list(tmp_path.glob(".*.part"))


BAD: dict[str, tuple[type[Exception], str, str, dict[str, Any]]] = {
    "format": (UnknownNameError, SPECTRUM, "a.xlsx", {}),
    "no extension": (UnknownNameError, SPECTRUM, "a", {}),
    "filter": (UnknownNameError, SPECTRUM, "a.csv", {"filter": "Images (*.png)"}),
    "node": (NodeNotFoundError, "/RawData/Nothing", "a.csv", {}),
    "folder": (FileMissingError, SPECTRUM, "no/such/folder/a.csv", {}),
    "different signals": (ShapeError, SCAN, "a.csv", {}),
    "different signals as text": (ShapeError, SCAN, "a.txt", {}),
    "no signal": (NodeKindError, "/RawData/Scan000/NavAxes/..", "a.npy", {}),
    "a group as npy": (NodeKindError, SCAN, "a.npy", {}),
    "text as npy": (NodeKindError, "/RawData/Logger", "a.npy", {}),
    "unknown driver": (UnknownDriverError, SPECTRUM, "a.h5", {"backend": "hdf4"}),
    "remote driver": (UnsupportedError, SPECTRUM, "a.h5", {"backend": "h5pyd"}),
    "memory": (UnsupportedError, SPECTRUM, "a.h5", {"backend": "memory"}),
    "option": (TypeError, SPECTRUM, "a.csv", {"colour": "red"}),
    "encoding": (UnknownNameError, SPECTRUM, "a.csv", {"encoding": "klingon"}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(local: H5BrowserUtil, tmp_path: Path, name: str) -> None:
    error, where, target, options = BAD[name]
    if name == "no signal":
        error, where, target = NodeKindError, "/RawData/Detector000/Empty", "a.csv"
        with H5SaverLowLevel.from_file(tmp_path / "other.h5", new_file=True) as saver:
            saver.get_set_group("/RawData", "Empty")
            with pytest.raises(error, match="no signals"):
                H5BrowserUtil(saver).export_data("/RawData/Empty", tmp_path / target)
        return
    before = set(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        local.export_data(where, tmp_path / target, **options)
    assert isinstance(caught.value, H5Error) or error is TypeError
    assert set(tmp_path.rglob("*")) == before


def test_files_that_cannot_be_browsed(tmp_path: Path, make_place: Any) -> None:
    with pytest.raises(FileMissingError):
        H5BrowserUtil(tmp_path / "missing.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileFormatError, match="directory"):
        H5BrowserUtil(tmp_path)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(H5Error):
        H5BrowserUtil(tmp_path / "text.h5")
    remote = make_place("h5pyd")
    with pytest.raises(FileMissingError):
        H5BrowserUtil(remote.location, **remote.options)


def test_a_disk_that_is_full(local: H5BrowserUtil, small_disk: Path) -> None:
    with H5SaverLowLevel.from_file(Path(local.filename).with_name("big.h5")) as saver:
        saver.create_carray("/RawData", "Big", np.random.default_rng(0).random(400_000))
        for extension in ("csv", "txt", "npz", "npy", "h5"):
            with pytest.raises(StorageError) as caught:
                H5BrowserUtil(saver).export_data("/RawData/Big", small_disk / f"a.{extension}")
            assert caught.value.file == str(small_disk / f"a.{extension}")
            assert not list(small_disk.iterdir())


def test_a_folder_that_may_not_be_written(local: H5BrowserUtil, tmp_path: Path) -> None:
    from savers.exporters.base import new_file

    with (
        pytest.raises(FileAccessError, match="cannot be written"),
        new_file(tmp_path / "a.csv", overwrite=False),
    ):
        raise PermissionError(13, "Permission denied")  # root may write everywhere


# -- formats of others --------------------------------------------------------------------------


def test_a_format_of_another_package(
    local: H5BrowserUtil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[h5backends.exporters]\nlab = lab_format:Lab\nbroken = no_such_module:X\n"
        "wrong = lab_format:text\ncsv = lab_format:Lab\n"
    )
    (tmp_path / "lab_format.py").write_text(
        "from savers.exporters import Exporter\n"
        "text = 'no format'\n"
        "class Lab(Exporter):\n"
        "    extension, description = 'lab', 'Our own'\n"
        "    def __init__(self, mark='!'):\n"
        "        self.mark = mark\n"
        "    def export(self, loader, node, target, progress=None):\n"
        "        data = loader.load_data(node, lazy=True)\n"
        "        target.write_text(f'{data.name} {data.shape} {data.units}{self.mark}')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    formats.refresh()
    try:
        assert {"lab", "broken", "wrong"} <= set(formats.exporter_names())
        target = local.export_data(SPECTRUM, tmp_path / "a.lab", mark="?")
        assert target.read_text() == "spectrum (2, 3, 4) V?"
        local.export_data(SPECTRUM, tmp_path / "a.dat", "Our own (*.lab)")
        local.export_data(SPECTRUM, tmp_path / "b.dat", "lab")
        assert "Our own (*.lab)" in local.get_file_filters()
        assert formats.load("csv").__name__ == "CsvExporter", "ours cannot be replaced"
        for name in ("broken", "wrong"):
            with pytest.raises(ImportError, match=name):
                local.export_data(SPECTRUM, tmp_path / "c.dat", name)
        with pytest.raises(UnknownNameError, match=r"lab \(\.lab\).*do not load: broken, wrong"):
            local.export_data(SPECTRUM, tmp_path / "c.dat")
    finally:
        monkeypatch.undo()
        formats.refresh()
    ours = ["csv", "hdf5", "nexus", "npy", "npz", "text", "zarr"]
    assert formats.exporter_names() == ours


def test_data_of_several_channels(saver: H5SaverLowLevel, tmp_path: Path) -> None:
    """One array of several brings only its own error bars."""
    data = DataRaw("d", data=[np.zeros(2), np.ones(2)], errors=[np.zeros(2), np.full(2, 5.0)],
                   axes=[Axis("x", "m", np.array([3.0, 4.0]))], labels=["a", "b"])  # fmt: skip
    DataSaverLoader(saver).add_data("/RawData", data)
    browser = H5BrowserUtil(saver)
    header, lines = table(browser.export_data("/RawData/Data01", tmp_path / "a.csv"))
    assert header == ["x (m)", "d b", "d b error"]
    assert lines == [["3.0", "1.0", "5.0"], ["4.0", "1.0", "5.0"]]
    header, _ = table(browser.export_data("/RawData", tmp_path / "b.csv"))
    assert header == ["x (m)", "d a", "d a error", "d b", "d b error"]
