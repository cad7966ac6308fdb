"""Data saved here and loaded by the real pymodaq_data 5.3.0, and the other way round.

The same program runs with the classes of either package; what it saved is loaded by both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import savers
from savers import DataLoader, DataWithAxes
from savers.interchange import as_data

pytestmark = [
    # Its loader says so for all data with navigation, also those of its own files.
    pytest.mark.filterwarnings("ignore:The specified dimensionality is not coherent:Warning"),
]

DRIVERS = ("h5py", "tables")
START = 1_700_000_000.25


@pytest.fixture(params=DRIVERS)
def ours(request: pytest.FixtureRequest) -> str:
    """Our driver."""
    return str(request.param)


@pytest.fixture(params=DRIVERS)
def theirs(request: pytest.FixtureRequest) -> str:
    """PyMoDAQ's backend."""
    return str(request.param)


def their_names(pymodaq: Any) -> SimpleNamespace:
    """The classes of pymodaq_data under the names that both packages have."""
    names = {}
    for module in (pymodaq.data, pymodaq.saving, pymodaq.data_saving):
        names.update({name: getattr(module, name) for name in dir(module) if name[0].isupper()})
    return SimpleNamespace(**names)


@contextmanager
def opened(names: Any, driver: str, path: Path) -> Iterator[Any]:
    """A saver of either package with a new file."""
    saver = names.H5SaverLowLevel("custom", driver)
    saver.init_file(path, new_file=True)
    try:
        yield saver
    finally:
        saver.close_file()


@contextmanager
def their_loader(pymodaq: Any, backend: str, path: Path) -> Iterator[Any]:
    """PyMoDAQ's loader of a file."""
    saver = pymodaq.saving.H5SaverLowLevel("custom", backend)
    saver.open_file(path, "r")
    try:
        yield pymodaq.data_saving.DataLoader(saver)
    finally:
        saver.close_file()


# -- programs, written for either package -------------------------------------------------------

Saved = list[tuple[str, Any]]
"""Path of an array, and the data that a loader must return for it (None: whatever both say)."""


def at(data: Any, seconds: float) -> Any:
    """Set when data were taken."""
    data.timestamp = START + seconds
    return data


def plain_data(names: Any) -> list[Any]:
    """One of everything that a single group can hold."""
    number = names.Axis("energy", units="eV", data=np.linspace(1, 2, 5))
    height = names.Axis("height", units="mm", data=np.arange(3.0) ** 2, index=0)
    width = names.Axis("width", units="mm", data=np.arange(4.0), index=1)
    shift = names.Axis("delay", units="fs", data=np.arange(2.0), index=0)
    lower = names.Axis("height", units="mm", data=np.arange(3.0), index=1)
    return [
        names.DataRaw("power", units="W", data=[np.array([0.5]), np.array([2.5])], origin="meter",
                      labels=["low", "high"]),
        names.DataRaw("spectrum", units="V", data=[np.arange(5.0), np.arange(5.0) ** 2],
                      labels=["a", "b"], axes=[number], origin="spectrometer"),
        names.DataRaw("counts", data=[np.arange(5, dtype=np.int32)], origin="counter"),
        names.DataCalculated("image", units="V", data=[np.arange(12.0).reshape(3, 4)],
                             axes=[height, width], origin="camera",
                             errors=[np.full((3, 4), 0.5)]),
        names.DataRaw("stack", units="V", data=[np.arange(6.0).reshape(2, 3)], origin="camera",
                      axes=[shift, lower], nav_indexes=(0,)),
    ]  # fmt: skip


def save_plain(names: Any, saver: Any) -> Saved:
    data_saver = names.DataSaverLoader(saver)
    saved = []
    for number, data in enumerate(plain_data(names)):
        at(data, number)
        group = saver.add_det_group("/RawData", title=data.name)
        data_saver.add_data(group, data)
        saved.append((f"{group.path}/Data00", data))
    return saved


def save_bundle(names: Any, saver: Any) -> Saved:
    bundle = names.DataToExport("all", data=[at(d, n) for n, d in enumerate(plain_data(names))])
    names.DataToExportSaver(saver).add_data("/RawData", bundle)
    counts: dict[str, int] = {}
    saved = []
    for data in bundle.data:
        channel = counts.setdefault(data.dim.name, 0)
        counts[data.dim.name] += 1
        saved.append((f"/RawData/{data.dim.name}/CH{channel:02d}/Data00", data))
    return saved


def save_extended(names: Any, saver: Any, shape: tuple[int, ...]) -> Saved:
    scan = saver.add_scan_group("/RawData", title="a scan")
    scan_saver = names.DataToExportExtendedSaver(saver, shape)
    axes = [
        names.Axis(f"stage {n}", units="mm", data=np.linspace(0, 1, length) ** 2, index=n)
        for n, length in enumerate(shape)
    ]
    scan_saver.add_nav_axes(scan, axes)
    cubes: dict[str, Any] = {
        "power": np.full(shape, np.nan),
        "spectrum": np.full((*shape, 4), 0.0),
    }
    for number, indexes in enumerate(np.ndindex(shape)):
        power = np.array([number / 2])
        spectrum = np.arange(4.0) + number
        cubes["power"][indexes], cubes["spectrum"][indexes] = power[0], spectrum
        energy = names.Axis("energy", units="eV", data=np.arange(4.0) / 8, index=0)
        bundle = names.DataToExport(
            "point",
            data=[
                at(names.DataRaw("power", units="W", data=[power], origin="meter"), number),
                at(names.DataRaw("spectrum", data=[spectrum], axes=[energy], origin="cam",
                                 labels=["s"], errors=[spectrum / 10]), number),
            ],
        )  # fmt: skip
        scan_saver.add_data(scan, bundle, indexes)
    nav = tuple(range(len(shape)))
    power_data = names.DataRaw(
        "power", units="W", data=[cubes["power"]], axes=axes, nav_indexes=nav, origin="meter"
    )
    energy = names.Axis("energy", units="eV", data=np.arange(4.0) / 8, index=len(shape))
    spectra = names.DataRaw("spectrum", data=[cubes["spectrum"]], axes=[*axes, energy],
                            nav_indexes=nav, origin="cam", labels=["s"],
                            errors=[cubes["spectrum"] / 10])  # fmt: skip
    return [
        (f"{scan.path}/Data0D/CH00/Data00", at(power_data, 0)),
        (f"{scan.path}/Data1D/CH00/Data00", at(spectra, 0)),
    ]


def save_scan_1d(names: Any, saver: Any) -> Saved:
    return save_extended(names, saver, (6,))


def save_scan_2d(names: Any, saver: Any) -> Saved:
    return save_extended(names, saver, (3, 2))


def points(names: Any, count: int) -> list[Any]:
    """Points of a log: a value, and a spectrum with its axis."""
    result = []
    for number in range(count):
        energy = names.Axis("energy", units="eV", data=np.arange(4.0) / 8, index=0)
        value = at(
            names.DataRaw("power", units="W", data=[np.array([number / 2])], origin="meter"),
            number,
        )
        spectrum = names.DataRaw(
            "spectrum", data=[np.arange(4.0) + number], axes=[energy], origin="cam"
        )
        result.append(at(names.DataToExport("point", data=[value, at(spectrum, number)]), number))
    return result


def grown(names: Any, count: int, axes: Callable[[], list[Any]]) -> Saved:
    """What a log of points is loaded as."""
    numbers = np.arange(float(count))
    energy = names.Axis("energy", units="eV", data=np.arange(4.0) / 8, index=1)
    spread = {"nav_indexes": (0,), "distribution": "spread"}
    power = names.DataRaw(
        "power", units="W", data=[numbers / 2], axes=axes(), origin="meter", **spread
    )
    spectra = names.DataRaw("spectrum", data=[numbers[:, None] + np.arange(4.0)], origin="cam",
                            axes=[*axes(), energy], **spread)  # fmt: skip
    return [
        ("/RawData/Data0D/CH00/EnlData00", at(power, 0)),
        ("/RawData/Data1D/CH00/EnlData00", at(spectra, 0)),
    ]


def save_timed(names: Any, saver: Any) -> Saved:
    log = names.DataToExportTimedSaver(saver)
    for point in points(names, 5):
        log.add_data("/RawData", point)
    times = START + np.arange(5.0)
    return grown(names, 5, lambda: [names.Axis("time", units="s", data=times, index=0)])


def save_enlargeable(names: Any, saver: Any) -> Saved:
    log = names.DataToExportEnlargeableSaver(saver, ("x", "y"), ("mm", "um"))
    for number, point in enumerate(points(names, 5)):
        log.add_data("/RawData", point, axis_values=[float(number), number**2.0])
    numbers = np.arange(5.0)
    return grown(
        names,
        5,
        lambda: [
            names.Axis("x", units="mm", data=numbers, index=0, spread_order=0),
            names.Axis("y", units="um", data=numbers**2, index=0, spread_order=1),
        ],
    )


def save_enlargeable_alone(names: Any, saver: Any) -> Saved:
    log = names.DataEnlargeableSaver(saver, ("x",), ("mm",))
    group = saver.add_det_group("/RawData")
    for number in range(4):
        data = names.DataRaw("power", units="W", data=[np.array([number / 2])], origin="meter")
        log.add_data(group, at(data, number), axis_values=[float(number)])
    axis = names.Axis("x", units="mm", data=np.arange(4.0), index=0)
    power = names.DataRaw(
        "power", units="W", data=[np.arange(4.0) / 2], axes=[axis], origin="meter",
        nav_indexes=(0,), distribution="spread",
    )  # fmt: skip
    return [(f"{group.path}/EnlData00", at(power, 0))]


def save_scan_images(names: Any, saver: Any) -> Saved:
    """A scan of images from two cameras, with error bars and axes."""
    scan = saver.add_scan_group("/RawData")
    scan_saver = names.DataToExportExtendedSaver(saver, (3,))
    stage = names.Axis("stage", units="mm", data=np.array([0.0, 1.0, 4.0]), index=0)
    scan_saver.add_nav_axes(scan, [stage])
    # pymodaq_data puts NaN into arrays of whole numbers, which means nothing.
    dtype = np.int32 if names is savers else np.float32
    cubes = [np.zeros((3, 2, 4), dtype), np.zeros((3, 2, 4), dtype)]

    def axes(shift: int) -> list[Any]:
        return [names.Axis("row", units="um", data=np.array([5.0, 7.0]), index=shift),
                names.Axis("column", units="um", data=np.ones(4), index=shift + 1)]  # fmt: skip

    def data(arrays: list[Any], shift: int, **kwargs: Any) -> Any:
        return names.DataRaw("image", units="V", data=arrays, labels=["left", "right"],
                             errors=[a / 4 for a in arrays], origin="camera",
                             axes=[*kwargs.pop("more", []), *axes(shift)], **kwargs)  # fmt: skip

    for number in range(3):
        images = [np.arange(8, dtype=dtype).reshape(2, 4) + 10 * number + n for n in range(2)]
        for cube, image in zip(cubes, images, strict=True):
            cube[number] = image
        point = names.DataToExport("point", data=[at(data(images, 0), number)])
        scan_saver.add_data(scan, at(point, number), (number,))
    whole = data(cubes, 1, more=[stage], nav_indexes=(0,))
    return [(f"{scan.path}/Data2D/CH00/Data00", at(whole, 0))]


def save_scan_spread(names: Any, saver: Any) -> Saved:
    """Points anywhere in a plane, as an adaptive scan visits them."""
    scan = saver.add_scan_group("/RawData")
    scan_saver = names.DataToExportExtendedSaver(saver, (5,))
    x, y = np.random.default_rng(1).random((2, 5))
    axes = [names.Axis("x", units="mm", data=x, index=0, spread_order=0),
            names.Axis("y", units="mm", data=y, index=0, spread_order=1)]  # fmt: skip
    scan_saver.add_nav_axes(scan, axes)
    for number in range(5):
        value = names.DataRaw("power", units="W", data=[np.array([number / 2])], origin="meter")
        point = names.DataToExport("point", data=[at(value, number)])
        scan_saver.add_data(scan, at(point, number), (number,), names.DataDistribution["spread"])
    power = names.DataRaw("power", units="W", data=[np.arange(5.0) / 2], axes=axes,
                          nav_indexes=(0,), distribution="spread", origin="meter")  # fmt: skip
    return [(f"{scan.path}/Data0D/CH00/Data00", at(power, 0))]


def save_timed_images(names: Any, saver: Any) -> Saved:
    """A log of images from two cameras, and of a signal with two values."""
    log = names.DataToExportTimedSaver(saver)
    row = names.Axis("row", units="um", data=np.array([5.0, 7.0]), index=0)
    column = names.Axis("column", units="um", data=np.arange(3.0), index=1)
    images = [np.arange(6.0).reshape(2, 3), np.ones((2, 3))]
    for number in range(4):
        image = names.DataRaw("image", data=[i + number for i in images], axes=[row, column],
                              labels=["left", "right"], origin="camera")  # fmt: skip
        pair = names.DataRaw("pair", units="V", data=[np.array([float(number)]), np.array([2.5])],
                             labels=["a", "b"], origin="meter")  # fmt: skip
        point = names.DataToExport("point", data=[at(image, number), at(pair, number)])
        log.add_data("/RawData", at(point, number))
    time = names.Axis("time", units="s", data=START + np.arange(4.0), index=0)
    row = names.Axis("row", units="um", data=np.array([5.0, 7.0]), index=1)
    column = names.Axis("column", units="um", data=np.arange(3.0), index=2)
    stacks = [np.stack([i + n for n in range(4)]) for i in images]
    image = names.DataRaw("image", data=stacks, axes=[time, row, column], origin="camera",
                          labels=["left", "right"], nav_indexes=(0,),
                          distribution="spread")  # fmt: skip
    pair = names.DataRaw("pair", units="V", data=[np.arange(4.0), np.full(4, 2.5)], axes=[time],
                         labels=["a", "b"], origin="meter", nav_indexes=(0,),
                         distribution="spread")  # fmt: skip
    return [
        ("/RawData/Data2D/CH00/EnlData00", at(image, 0)),
        ("/RawData/Data0D/CH00/EnlData00", at(pair, 0)),
    ]


def save_blocks(names: Any, saver: Any) -> Saved:
    """Spectra with one navigation axis, appended as blocks of points."""
    log = names.DataEnlargeableSaver(saver, ("x",), ("mm",))
    group = saver.add_det_group("/RawData")
    energy = np.arange(4.0) / 8
    for start in (0.0, 3.0):
        axes = [names.Axis("x", units="mm", data=start + np.arange(3.0), index=0),
                names.Axis("energy", units="eV", data=energy, index=1)]  # fmt: skip
        values = np.arange(12.0).reshape(3, 4) + 100 * start
        data = names.DataRaw("spectra", units="V", data=[values], axes=axes, nav_indexes=(0,),
                             origin="cam")  # fmt: skip
        log.add_data(group, at(data, start), axis_values=[start + np.arange(3.0)])
    axes = [names.Axis("x", units="mm", data=np.arange(6.0), index=0),
            names.Axis("energy", units="eV", data=energy, index=1)]  # fmt: skip
    values = np.concatenate([np.arange(12.0).reshape(3, 4) + 100 * s for s in (0.0, 3.0)])
    whole = names.DataRaw("spectra", units="V", data=[values], axes=axes, nav_indexes=(0,),
                          origin="cam", distribution="spread")  # fmt: skip
    return [(f"{group.path}/EnlData00", at(whole, 0))]


PROGRAMS = [
    save_plain,
    save_bundle,
    save_scan_1d,
    save_scan_2d,
    save_timed,
    save_enlargeable,
    save_enlargeable_alone,
    save_scan_images,
    save_scan_spread,
    save_timed_images,
    save_blocks,
]


# -- comparing ----------------------------------------------------------------------------------


def check_same(found: Any, wanted: Any, units: bool = True) -> None:
    """Check that two data, of whichever package, say the same."""
    one, two = as_data(found), as_data(wanted)
    for name in ("name", "origin", "labels", "source", "dim", "distribution", "nav_indexes"):
        assert getattr(one, name) == getattr(two, name), name
    if units:
        assert one.units.replace("dimensionless", "") == two.units.replace("dimensionless", "")
    assert one.timestamp == two.timestamp
    assert len(one) == len(two)
    for a, b in zip(one.data, two.data, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert (one.errors is None) == (two.errors is None)
    for a, b in zip(one.errors or [], two.errors or [], strict=True):
        np.testing.assert_array_equal(a, b)
    check_axes(one, two)


def check_axes(one: DataWithAxes, two: DataWithAxes) -> None:
    """Check the axes, those aside that only count points: loaders add them."""

    def known(data: DataWithAxes) -> list[Any]:
        axes = sorted(data.axes, key=lambda axis: (axis.index, axis.spread_order))
        return [axis for axis in axes if axis.label]

    assert [a.label for a in known(one)] == [a.label for a in known(two)]
    for a, b in zip(known(one), known(two), strict=True):
        assert (a.units, a.index, a.spread_order) == (b.units, b.index, b.spread_order)
        np.testing.assert_array_equal(a.get_data(), b.get_data())


@pytest.mark.parametrize("program", PROGRAMS)
def test_they_load_what_we_saved(
    pymodaq: Any, ours: str, theirs: str, tmp_path: Path, program: Any
) -> None:
    path = tmp_path / "ours.h5"
    with opened(savers, ours, path) as saver:
        saved = program(savers, saver)
    with their_loader(pymodaq, theirs, path) as loader:
        for where, data in saved:
            check_same(loader.load_data(where, load_all=True), data)
    with DataLoader(path, backend=ours) as loader:
        for where, data in saved:
            check_same(loader.load_data(where, load_all=True), data)
            alone = loader.load_data(where)
            np.testing.assert_array_equal(alone.data[0], data.data[0])


@pytest.mark.parametrize("program", PROGRAMS)
def test_we_load_what_they_saved(
    pymodaq: Any, ours: str, theirs: str, tmp_path: Path, program: Any
) -> None:
    path = tmp_path / "theirs.h5"
    with opened(their_names(pymodaq), theirs, path) as saver:
        saved = program(their_names(pymodaq), saver)
    with their_loader(pymodaq, theirs, path) as loader:
        wanted = [loader.load_data(where, load_all=True) for where, _ in saved]
        with_them = [as_data(data) for data in wanted]
    with DataLoader(path, backend=ours) as loader:
        for (where, _), data in zip(saved, with_them, strict=True):
            check_same(loader.load_data(where, load_all=True), data)


@pytest.mark.parametrize("program", PROGRAMS)
def test_we_save_their_objects(pymodaq: Any, ours: str, tmp_path: Path, program: Any) -> None:
    """Our savers take the objects of pymodaq_data as they are, and leave them as they were."""
    path = tmp_path / "mixed.h5"
    mixed = SimpleNamespace(**vars(their_names(pymodaq)))
    for name in savers.__all__:
        if "Saver" in name:
            setattr(mixed, name, getattr(savers, name))
    with opened(mixed, ours, path) as saver:
        saved = program(mixed, saver)
    with DataLoader(path, backend=ours) as loader:
        for where, data in saved:
            check_same(loader.load_data(where, load_all=True), data)


def test_background_in_both_directions(
    pymodaq: Any, ours: str, theirs: str, tmp_path: Path
) -> None:
    def save(names: Any, driver: str, path: Path) -> None:
        with opened(names, driver, path) as saver:
            export = names.DataToExportSaver(saver)
            data = names.DataRaw("spectrum", data=[np.arange(5.0) + 3], origin="cam")
            export.add_data("/RawData", names.DataToExport("d", data=[data]))
            bkg = names.DataRaw("spectrum", data=[np.full(5, 3.0)], origin="cam")
            export.add_bkg("/RawData", names.DataToExport("b", data=[bkg]))

    where = "/RawData/Data1D/CH00/Data00"
    save(savers, ours, tmp_path / "ours.h5")
    with their_loader(pymodaq, theirs, tmp_path / "ours.h5") as loader:
        data = loader.load_data(where, with_bkg=True, load_all=True)
        np.testing.assert_array_equal(data.data[0], np.arange(5.0))
    save(their_names(pymodaq), theirs, tmp_path / "theirs.h5")
    with DataLoader(tmp_path / "theirs.h5", backend=ours) as loader:
        data = loader.load_data(where, with_bkg=True)
        np.testing.assert_array_equal(data.data[0], np.arange(5.0))
        np.testing.assert_array_equal(loader.load_data(where).data[0], np.arange(5.0) + 3)


def test_they_list_all_our_data(pymodaq: Any, ours: str, theirs: str, tmp_path: Path) -> None:
    path = tmp_path / "ours.h5"
    with opened(savers, ours, path) as saver:
        saved = save_scan_2d(savers, saver) + save_timed(savers, saver)
        saver.add_log("a line")
    with their_loader(pymodaq, theirs, path) as loader:
        found = loader.load_all("/RawData")
        assert {d.name for d in found.data} == {data.name for _, data in saved}
        with_name = loader.load_data_from_name_origin("spectrum", "cam", "/RawData/Scan000")
        check_same(with_name, saved[1][1])
        assert str(loader.get_node("/RawData/Logger")[0]) == "a line"


def test_logs_in_both_directions(pymodaq: Any, ours: str, theirs: str, tmp_path: Path) -> None:
    lines = ["first", "zweite ± 日本", "a\nb"]
    for names, driver, path in (
        (savers, ours, tmp_path / "ours.h5"),
        (their_names(pymodaq), theirs, tmp_path / "theirs.h5"),
    ):
        with opened(names, driver, path) as saver:
            logger = saver.get_set_logger()
            for line in lines:
                logger.append(line)
    with their_loader(pymodaq, theirs, tmp_path / "ours.h5") as loader:
        logger = loader.get_node("/RawData/Logger")
        assert [str(logger[n]) for n in range(3)] == lines
    with savers.H5BrowserUtil(tmp_path / "theirs.h5", ours) as browser:
        assert browser.get_node("/RawData/Logger").read() == lines
        assert "Logger" in browser.tree()


def test_our_browser_exports_their_file(
    pymodaq: Any, ours: str, theirs: str, tmp_path: Path
) -> None:
    """What was exported from a file of theirs is loaded by them as before."""
    with opened(their_names(pymodaq), theirs, tmp_path / "theirs.h5") as saver:
        saved = save_scan_2d(their_names(pymodaq), saver)
    with savers.H5BrowserUtil(tmp_path / "theirs.h5", ours) as browser:
        for number, (where, _) in enumerate(saved):
            browser.export_data(where, tmp_path / f"{number}.h5", backend=ours)
    for number, (where, _) in enumerate(saved):
        with their_loader(pymodaq, theirs, tmp_path / "theirs.h5") as loader:
            wanted = as_data(loader.load_data(where))
        with their_loader(pymodaq, theirs, tmp_path / f"{number}.h5") as loader:
            check_same(loader.load_data(where), wanted)


@pytest.mark.parametrize("program", PROGRAMS)
def test_their_browser_walks_our_file(
    pymodaq: Any, ours: str, theirs: str, tmp_path: Path, program: Any
) -> None:
    path = tmp_path / "ours.h5"
    with opened(savers, ours, path) as saver:
        saved = program(savers, saver)
        saver.add_log("a line")
        paths = {node.path for node in saver.walk_nodes("/")}
    browser = pymodaq.browsing.H5BrowserUtil(backend=theirs)
    browser.open_file(path, "r")
    try:
        assert {node.path for node in browser.walk_nodes("/")} == paths
        for node in browser.walk_nodes("/"):
            browser.get_h5_attributes(node.path)
        for where, _ in saved:
            attrs, settings, scan_settings, pixmaps = browser.get_h5_attributes(where)
            assert attrs["TITLE"]
            assert (settings, scan_settings, pixmaps) == ([], None, [])
        assert browser.get_h5file_scans("/") == []
        browser.export_data("/RawData/Logger", tmp_path / "log.txt", "Text files (*.txt)")
        assert (tmp_path / "log.txt").read_text() == "a line\n"
    finally:
        browser.close_file()
