"""Signals that grow point by point: alone, in bundles, by time; whole points or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from h5backends import FlushPolicy
from h5backends.errors import (
    DTypeError,
    FileClosedError,
    NodeNotFoundError,
    ShapeError,
    StorageError,
    StructureFrozenError,
)
from savers import (
    Axis,
    DataEnlargeableSaver,
    DataLoader,
    DataRaw,
    DataToExport,
    DataToExportEnlargeableSaver,
    DataToExportTimedSaver,
    DataWithAxes,
    H5SaverLowLevel,
)
from tests.conftest import Place
from tests.savers.conftest import open_saver

WHERE = "/RawData"
POWER = f"{WHERE}/Data0D/CH00/EnlData00"
SPECTRUM = f"{WHERE}/Data1D/CH00/EnlData00"


def point(number: float, **kwargs: Any) -> DataToExport:
    """One point of a log: a value with error bars, and a spectrum."""
    value = DataRaw("power", units="W", origin="meter", data=[np.array([number])],
                    errors=[np.array([number / 10])])  # fmt: skip
    energy = Axis("energy", "eV", np.arange(4.0) / 8)
    spectrum = DataRaw(
        "spectrum", units="counts", origin="cam", labels=["s"], data=[np.arange(4.0) + number],
        axes=[kwargs.get("axis", energy)],
    )  # fmt: skip
    result = DataToExport("point", [value, spectrum])
    result.timestamp = 100.0 + number
    return result


def numbers_in(loader: DataLoader, where: str = WHERE) -> list[float]:
    """The numbers of the points of a log, checked to be the same in all its signals."""
    power = loader.load_data(f"{where}/Data0D/CH00/EnlData00")
    spectrum = loader.load_data(f"{where}/Data1D/CH00/EnlData00")
    assert power.errors is not None
    np.testing.assert_array_equal(spectrum.data[0][:, 0], power.data[0])
    np.testing.assert_array_equal(power.errors[0], power.data[0] / 10)
    return [float(n) for n in power.data[0]]


@pytest.fixture
def log(saver: H5SaverLowLevel) -> DataToExportTimedSaver:
    """A timed log in a new file."""
    return DataToExportTimedSaver(saver)


def test_a_log_keeps_everything(log: DataToExportTimedSaver) -> None:
    for number in range(20):
        log.add_data(WHERE, point(number))
    loader = DataLoader(log.h5saver)
    power, spectrum = loader.load_data(POWER), loader.load_data(SPECTRUM)
    assert numbers_in(loader) == list(range(20))
    assert (power.units, power.origin, power.name) == ("W", "meter", "power")
    assert (spectrum.units, spectrum.labels) == ("counts", ["s"])
    assert power.nav_indexes == spectrum.nav_indexes == (0,)
    assert power.distribution == "spread"
    time, energy = spectrum.get_axis_from_label("time"), spectrum.get_axis_from_label("energy")
    assert time is not None
    assert energy is not None
    assert time.units == "s"
    np.testing.assert_array_equal(time.get_data(), 100.0 + np.arange(20))
    assert (energy.index, energy.units) == (1, "eV")
    lazy = loader.load_data(SPECTRUM, lazy=True)
    np.testing.assert_array_equal(lazy.data[0][3:5, 1], [4.0, 5.0])
    assert lazy.shape == (20, 4)


def test_the_point_of_the_caller_stays_as_it_is(log: DataToExportTimedSaver) -> None:
    given = point(1)
    before = given.deepcopy()
    for _ in range(3):
        log.add_data(WHERE, given)
    assert given == before
    given[0].data[0][0] = 7.0  # what was appended is a copy
    assert numbers_in(DataLoader(log.h5saver)) == [1.0] * 3


def misfits() -> Iterator[tuple[str, type[Exception], DataToExport]]:
    """Points that do not fit those before them."""
    good = point(5)
    power, spectrum = good
    yield "missing signal", ShapeError, DataToExport("p", [power])
    extra = DataRaw("more", origin="x", data=[np.zeros(1)])
    yield "new signal", ShapeError, DataToExport("p", [power, spectrum, extra])
    renamed = power.copy()
    renamed.name = "other"
    yield "other name", ShapeError, DataToExport("p", [renamed, spectrum])
    longer = DataRaw("spectrum", origin="cam", data=[np.zeros(5)])
    yield "longer spectrum", ShapeError, DataToExport("p", [power, longer])
    two = DataRaw("spectrum", origin="cam", data=[np.zeros(4), np.zeros(4)])
    yield "two arrays", ShapeError, DataToExport("p", [power, two])
    words = DataRaw("spectrum", origin="cam", data=[np.array(["a", "b", "c", "d"])])
    yield "text", DTypeError, DataToExport("p", [power, words])
    wide = DataRaw("spectrum", origin="cam", data=[np.zeros(4, complex)])
    yield "complex", DTypeError, DataToExport("p", [power, wide])
    bars = spectrum.copy()
    bars.errors = [np.ones(4)]
    yield "error bars of a signal without", ShapeError, DataToExport("p", [power, bars])
    block = DataRaw("spectrum", origin="cam", data=[np.zeros((3, 4))], nav_indexes=(0,))
    yield "a block beside a point", ShapeError, DataToExport("p", [power, block])
    yield "nothing", ShapeError, DataToExport("p", [])


@pytest.mark.parametrize(("error", "bad"), [item[1:] for item in misfits()],
                         ids=[item[0] for item in misfits()])  # fmt: skip
def test_a_refused_point_leaves_nothing(
    log: DataToExportTimedSaver, error: type[Exception], bad: DataToExport
) -> None:
    for number in range(3):
        log.add_data(WHERE, point(number))
    with pytest.raises(error) as caught:
        log.add_data(WHERE, bad)
    if error is ShapeError and len(bad) != 2:
        assert "power" in str(caught.value)
    log.add_data(WHERE, point(3))
    assert numbers_in(DataLoader(log.h5saver)) == [0.0, 1.0, 2.0, 3.0]


def test_nan_does_not_go_into_integers(saver: H5SaverLowLevel) -> None:
    log = DataEnlargeableSaver(saver)
    log.add_data(WHERE, DataRaw("n", data=[np.array([1])]))
    with pytest.raises(DTypeError, match="NaN"):
        log.add_data(WHERE, DataRaw("n", data=[np.array([np.nan])]))
    log.add_data(WHERE, DataRaw("n", data=[np.array([2], np.int8)]))
    assert saver.get_node(f"{WHERE}/EnlData00").read().tolist() == [[1], [2]]


def test_signals_may_change_their_order(log: DataToExportTimedSaver) -> None:
    for number in range(4):
        given = list(point(number))
        bundle = DataToExport("p", given[:: 1 - 2 * (number % 2)])
        bundle.timestamp = float(number)
        log.add_data(WHERE, bundle)
    assert numbers_in(DataLoader(log.h5saver)) == [0.0, 1.0, 2.0, 3.0]


def test_error_bars_may_be_missing_later(log: DataToExportTimedSaver) -> None:
    log.add_data(WHERE, point(1))
    bare = point(2)
    bare[0].errors = None
    log.add_data(WHERE, bare)
    errors = DataLoader(log.h5saver).load_data(POWER).errors
    assert errors is not None
    np.testing.assert_array_equal(errors[0], [0.1, np.nan])


def test_several_axes_that_grow(saver: H5SaverLowLevel) -> None:
    log = DataToExportEnlargeableSaver(saver, ("x", "y"), ("mm", "um"))
    for number in range(5):
        log.add_data(WHERE, point(number), axis_values=[number, np.array([number**2])])
    with pytest.raises(ShapeError, match="axis_values"):
        log.add_data(WHERE, point(5), axis_values=[1.0])
    with pytest.raises(DTypeError):
        log.add_data(WHERE, point(5), axis_values=["a", 1.0])
    spectrum = DataLoader(saver).load_data(SPECTRUM)
    x, y, energy = spectrum.axes[1:] + spectrum.axes[:1]
    assert [(a.label, a.units, a.index, a.spread_order) for a in (x, y, energy)] == [
        ("x", "mm", 0, 0), ("y", "um", 0, 1), ("energy", "eV", 1, 0),
    ]  # fmt: skip
    np.testing.assert_array_equal(y.get_data(), np.arange(5.0) ** 2)
    times = saver.get_node(f"{WHERE}/PointTimes").read()
    np.testing.assert_array_equal(times, 100.0 + np.arange(5.0))
    single = DataToExportEnlargeableSaver(saver, axis_name="t", axis_units="s")
    single.add_data(saver.add_det_group(WHERE), point(1), axis_value=3.0)
    with pytest.raises(ShapeError):
        DataToExportEnlargeableSaver(saver, ("x", "y"), ("mm",))
    three = DataToExportEnlargeableSaver(saver, ("t", "u", "v"), ("", "", ""))
    with pytest.raises(ShapeError, match=r"NavAxes.*expected t, u, v; found x, y"):
        three.add_data(WHERE, point(1), axis_values=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("nav", [0, 1])
def test_a_block_of_points(saver: H5SaverLowLevel, nav: int) -> None:
    log = DataEnlargeableSaver(saver, ("x",), ("mm",))
    values = np.arange(12.0).reshape(3, 4)
    for start in (0.0, 3.0):
        axes = [Axis("x", "mm", start + np.arange(3.0), nav),
                Axis("e", "eV", np.arange(4.0), 1 - nav)]  # fmt: skip
        array = values + 100 * start
        data = DataRaw("s", units="V", data=[array.T if nav else array], axes=axes,
                       nav_indexes=(nav,), errors=[(array.T if nav else array) / 2])  # fmt: skip
        log.add_data(WHERE, data)
    log.add_data(WHERE, DataRaw("s", data=[values[0]]), axis_values=[6.0])
    found = DataLoader(saver).load_data(f"{WHERE}/EnlData00")
    wanted = np.concatenate([values, values + 300, values[:1]])
    np.testing.assert_array_equal(found.data[0], wanted)
    x = found.get_axis_from_label("x")
    assert x is not None
    np.testing.assert_array_equal(x.get_data(), np.arange(7.0))
    assert found.errors is not None
    np.testing.assert_array_equal(found.errors[0][:6], wanted[:6] / 2)
    assert np.isnan(found.errors[0][6]).all()
    with pytest.raises(ShapeError, match="grids"):
        log.add_data(WHERE, DataRaw("s", data=[np.zeros((2, 2, 4))], nav_indexes=(0, 1)))


def test_a_block_of_single_values(saver: H5SaverLowLevel) -> None:
    log = DataToExportEnlargeableSaver(saver, ("x",), ("mm",))
    for start in (0, 4):
        axis = Axis("x", "mm", start + np.arange(4.0))
        data = DataRaw("v", data=[np.arange(4.0) + start], axes=[axis], nav_indexes=(0,))
        log.add_data(WHERE, DataToExport("b", [data]))
    found = DataLoader(saver).load_data(f"{WHERE}/DataND/CH00/EnlData00")
    np.testing.assert_array_equal(found.data[0], np.arange(8.0))
    np.testing.assert_array_equal(found.axes[0].get_data(), np.arange(8.0))


# -- axes that move -----------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [False, True])
def test_an_axis_that_moves_is_kept(saver: H5SaverLowLevel, declared: bool) -> None:
    log = DataToExportTimedSaver(saver, moving_axes=declared)
    positions = np.arange(4.0)
    axis = Axis("energy", "eV", positions)  # the same object and memory, refilled
    for number in range(5):
        positions += number // 2
        log.add_data(WHERE, point(number, axis=axis))
    node = saver.get_node(f"{WHERE}/Data1D/CH00/Axis00Positions")
    assert (node.attrs["label"], node.attrs["units"]) == ("energy", "eV")
    wanted = np.cumsum([0, 0, 1, 1, 2])[:, None] + np.arange(4.0)
    found = DataLoader(saver).load_axis_positions(SPECTRUM)
    np.testing.assert_array_equal(found["energy"], wanted)
    assert numbers_in(DataLoader(saver)) == [0, 1, 2, 3, 4]


# -- files --------------------------------------------------------------------------------------


def test_a_log_goes_on_after_it_was_closed(local_place: Place) -> None:
    for start in (0, 3):
        with DataToExportTimedSaver(local_place.location, backend=local_place.driver) as log:
            for number in range(start, start + 3):
                log.add_data(WHERE, point(number))
        with pytest.raises(FileClosedError):
            log.add_data(WHERE, point(9))
    with DataLoader(local_place.location, backend=local_place.driver) as loader:
        assert numbers_in(loader) == list(range(6))
        assert sorted(loader.get_node(WHERE).children_name()) == [
            "Data0D", "Data1D", "Logger", "NavAxes",
        ]  # fmt: skip


def test_one_saver_and_two_files(local_place: Place) -> None:
    saver = open_saver(local_place, new_file=True)
    log = DataToExportTimedSaver(saver)
    log.add_data(WHERE, point(1))
    saver.close_file()
    saver.init_file(local_place.sibling("other.h5").location, new_file=True)
    log.add_data(WHERE, point(2))
    assert numbers_in(DataLoader(saver)) == [2.0]
    saver.remove_node(f"{WHERE}/Data0D")
    saver.remove_node(f"{WHERE}/Data1D")
    saver.remove_node(f"{WHERE}/NavAxes")
    log.add_data(WHERE, point(3))
    assert numbers_in(DataLoader(saver)) == [3.0]
    saver.close_file()


def test_half_a_point_that_a_crash_left_is_removed(local_place: Place) -> None:
    with DataToExportTimedSaver(local_place.location, backend=local_place.driver) as log:
        for number in range(3):
            log.add_data(WHERE, point(number))
        log.get_node(SPECTRUM).append(np.full(4, 9.0))
    with DataLoader(local_place.location, backend=local_place.driver) as loader:
        assert loader.load_data(SPECTRUM).shape == (3, 4)  # cut to what the time axis has
    with DataToExportTimedSaver(local_place.location, backend=local_place.driver) as log:
        log.add_data(WHERE, point(3))
        assert numbers_in(DataLoader(log.h5saver)) == [0.0, 1.0, 2.0, 3.0]


def test_a_scan_of_other_data_is_not_continued(saver: H5SaverLowLevel) -> None:
    DataEnlargeableSaver(saver).add_data(WHERE, DataRaw("a", data=[np.zeros(3)]))
    for data in (DataRaw("a", data=[np.zeros(4)]), DataRaw("a", data=[np.zeros(3), np.zeros(3)])):
        with pytest.raises(ShapeError):
            DataEnlargeableSaver(saver).add_data(WHERE, data)
    with pytest.raises(NodeNotFoundError):
        DataEnlargeableSaver(saver).add_data("/RawData/Nowhere", DataRaw("a", data=[np.zeros(3)]))


def test_disk_full_in_the_middle_of_a_log(local_place: Place) -> None:
    """Both arrays stay equally long, and writing goes on when there is space again."""
    process = psutil.Process()
    if not hasattr(process, "rlimit") or not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system has no limit on the size of files")
    saver = open_saver(local_place, new_file=True, flush_policy=FlushPolicy(seconds=None))
    log = DataToExportTimedSaver(saver)
    frame = np.zeros((200, 200))

    def image(number: int) -> DataToExport:
        small = DataRaw("small", origin="a", data=[np.array([float(number)])])
        result = DataToExport("p", [small, DataRaw("image", origin="a", data=[frame + number])])
        result.timestamp = float(number)
        return result

    log.add_data(WHERE, image(0))
    saver.flush()
    free = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (Path(local_place.location).stat().st_size + 1_000_000,
                                         free[1]))  # fmt: skip
    taken = 1
    refused: StorageError | None = None
    try:
        while refused is None and taken < 100:
            try:
                log.add_data(WHERE, image(taken))
                taken += 1
            except StorageError as exc:
                refused = exc
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, free)
    assert refused is not None
    assert refused.file == local_place.location
    for number in range(taken, taken + 3):
        log.add_data(WHERE, image(number))
    log.close()
    with DataLoader(local_place.location, backend=local_place.driver) as loader:
        numbers = list(range(taken + 3))
        small = loader.load_data(f"{WHERE}/Data0D/CH00/EnlData00")
        assert small.data[0].tolist() == numbers
        images = loader.load_data(f"{WHERE}/Data2D/CH00/EnlData00")
        assert images.data[0][:, 7, 7].tolist() == numbers


def test_readers_are_let_in_after_the_first_point(make_place: Any) -> None:
    place = make_place("h5py")
    saver = open_saver(place, new_file=True, swmr_mode=True)
    log = DataToExportTimedSaver(saver)
    saver.set_swmr_flush_interval(1)
    log.add_data(WHERE, point(0))
    assert saver.is_swmr_active
    for number in range(1, 5):
        log.add_data(WHERE, point(number))
    with DataLoader(place.location, swmr_mode=True) as reader:
        assert numbers_in(reader) == [0, 1, 2, 3, 4]
        assert reader.load_data(POWER).axes[0].size == 5
    moved = point(5, axis=Axis("energy", "eV", np.arange(4.0)))
    with pytest.raises(StructureFrozenError, match="moving_axes"):
        log.add_data(WHERE, moved)
    with pytest.raises(StructureFrozenError):
        log.add_data(saver.raw_group.path + "/", DataToExport("p", [DataRaw("b", data=[frame()])]))
    saver.close_file()
    with DataLoader(place.location) as loader:
        assert numbers_in(loader) == [0, 1, 2, 3, 4]


def frame() -> np.ndarray:
    """An image."""
    return np.zeros((3, 3))


def test_memory_stays_flat(local_place: Place) -> None:
    """A short form of a million points; the benchmarks have the long one."""
    log = DataToExportTimedSaver(local_place.location, backend=local_place.driver)
    given = DataToExport("p", [DataRaw("v", data=[np.array([1.0])])])
    process = psutil.Process()
    for _ in range(20_000):
        log.add_data(WHERE, given)
    before = process.memory_info().rss
    for _ in range(60_000):
        log.add_data(WHERE, given)
    growth = process.memory_info().rss - before
    node = log.get_node(f"{WHERE}/Data0D/CH00/EnlData00")
    assert len(node) == 80_000
    log.close()
    assert growth < 5 * 2**20


def test_data_alone_are_a_bundle_of_one(log: DataToExportTimedSaver) -> None:
    data = DataWithAxes("v", data=[np.array([1.0])], origin="o")
    for _ in range(3):
        log.add_data(WHERE, data)
    assert DataLoader(log.h5saver).load_data(POWER).shape == (3,)
