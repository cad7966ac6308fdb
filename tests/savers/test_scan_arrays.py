"""Signals in arrays of the shape of a scan: any order, interrupted, live, larger than memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from h5backends import FlushPolicy
from h5backends.errors import (
    DTypeError,
    FileClosedError,
    SelectionError,
    ShapeError,
    StorageError,
    StructureFrozenError,
)
from h5backends.nodes import CARRAY
from savers import (
    Axis,
    DataEnlargeableSaver,
    DataExtendedSaver,
    DataLoader,
    DataRaw,
    DataToExport,
    DataToExportEnlargeableSaver,
    DataToExportExtendedSaver,
    DataToExportSaver,
    DataToExportTimedSaver,
    H5SaverLowLevel,
)
from savers.export_extended import point_times
from tests.conftest import Place
from tests.savers.conftest import open_saver

SHAPE = (4, 5)


def point(index: tuple[int, ...], **kwargs: Any) -> DataToExport:
    """A point that tells where it is: a value with error bars, an integer, a spectrum."""
    number = float(np.ravel_multi_index(index, SHAPE))
    axis = kwargs.get("axis", Axis("energy", "eV", np.arange(3.0) / 8))
    result = DataToExport(
        "point",
        [
            DataRaw("power", units="W", origin="meter", data=[np.array([number])],
                    errors=[np.array([number / 10])]),
            DataRaw("counts", origin="counter", data=[np.array([int(number)])]),
            DataRaw("spectrum", units="V", origin="cam", labels=["s"], axes=[axis],
                    data=[np.arange(3.0) + number]),
        ],
    )  # fmt: skip
    result.timestamp = 1000.0 + number
    return result


def check(loader: DataLoader, where: str, done: list[tuple[int, ...]]) -> None:
    """Check that exactly these points were written."""
    wanted = np.full(SHAPE, np.nan)
    for index in done:
        wanted[index] = np.ravel_multi_index(index, SHAPE)
    power = loader.load_data(f"{where}/Data0D/CH00/Data00")
    np.testing.assert_array_equal(power.data[0], wanted)
    assert power.errors is not None
    np.testing.assert_array_equal(power.errors[0], wanted / 10)
    counts = loader.load_data(f"{where}/Data0D/CH01/Data00")
    np.testing.assert_array_equal(counts.data[0], np.nan_to_num(wanted).astype(int))
    spectrum = loader.load_data(f"{where}/Data1D/CH00/Data00")
    np.testing.assert_array_equal(spectrum.data[0], wanted[..., None] + np.arange(3.0))


ORDERS = {
    "lines": list(np.ndindex(SHAPE)),
    "snake": [(i, j if i % 2 == 0 else 4 - j) for i, j in np.ndindex(SHAPE)],
    "random": [divmod(int(n), 5) for n in np.random.default_rng(2).permutation(20)],
    "part": [(3, 4), (0, 0), (2, 1)],
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_scan_keeps_everything(saver: H5SaverLowLevel, order: str) -> None:
    scan = saver.add_scan_group()
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    axes = [Axis("x", "mm", np.arange(4.0) ** 2), Axis("y", "um", offset=1, size=5, index=1)]
    scan_saver.add_nav_axes(scan, axes)
    for index in ORDERS[order]:
        scan_saver.add_data(scan, point(index), index)
    loader = DataLoader(saver)
    check(loader, scan.path, ORDERS[order])
    spectrum = loader.load_data(f"{scan.path}/Data1D/CH00/Data00")
    assert (spectrum.units, spectrum.labels, spectrum.origin) == ("V", ["s"], "cam")
    assert spectrum.nav_indexes == (0, 1)
    assert spectrum.timestamp == pytest.approx(spectrum.timestamp)
    found = {axis.label: axis for axis in spectrum.axes}
    assert (found["energy"].index, found["energy"].units) == (2, "eV")
    assert found["x"] == axes[0]
    assert found["y"] == axes[1]
    done = {tuple(index) for index in scan_saver.completed_indexes(scan).tolist()}
    assert done == set(ORDERS[order])
    times = point_times(scan)
    assert times[ORDERS[order][0]] == 1000.0 + np.ravel_multi_index(ORDERS[order][0], SHAPE)
    assert axes[0].index == 0  # those of the caller stay as they are


def test_the_point_of_the_caller_stays_as_it_is(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    given = point((1, 1))
    before = given.deepcopy()
    scan_saver.add_data("/RawData", given, (1, 1))
    assert given == before
    given[0].data[0][0] = -5.0  # a copy was taken
    check(DataLoader(saver), "/RawData", [(1, 1)])


BAD_INDEXES = [(4, 0), (0, 5), (-1, 0), (0,), (0, 0, 0), (0.0, 1), ("a", 1), (True, 0), 3, None,
               (np.True_, 1), (0, np.int64(5)), ()]  # fmt: skip


@pytest.mark.parametrize("indexes", BAD_INDEXES, ids=repr)
def test_indexes_that_are_no_point(saver: H5SaverLowLevel, indexes: Any) -> None:
    for scan_saver in (DataToExportExtendedSaver(saver, SHAPE), DataExtendedSaver(saver, SHAPE)):
        with pytest.raises(SelectionError, match="indexes"):
            scan_saver.add_data("/RawData", point((0, 0)), indexes)  # type: ignore[arg-type]
    assert saver.raw_group.children_name() == ["Logger"]


def test_indexes_of_any_integer_type(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    scan_saver.add_data("/RawData", point((1, 2)), np.array([1, 2]))
    scan_saver.add_data("/RawData", point((3, 0)), [np.uint8(3), 0])
    scan_saver.add_data("/RawData", point((2, 2)), (n for n in (2, 2)))
    check(DataLoader(saver), "/RawData", [(1, 2), (3, 0), (2, 2)])


@pytest.mark.parametrize("shape", [(), (0,), (3, -1), ("a",), 5, (2.5,)])
def test_shapes_of_no_scan(saver: H5SaverLowLevel, shape: Any) -> None:
    with pytest.raises((ShapeError, DTypeError), match="scan"):
        DataExtendedSaver(saver, shape)


def test_a_refused_point_leaves_nothing(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    scan_saver.add_data("/RawData", point((0, 0)), (0, 0))
    for bad in (np.zeros(4), np.zeros((3, 3)), np.zeros(3, complex)):
        broken = DataToExport("p", [*point((0, 1))][:2])
        broken.append(DataRaw("spectrum", origin="cam", data=[bad]))
        with pytest.raises((ShapeError, DTypeError)):
            scan_saver.add_data("/RawData", broken, (0, 1))
    check(DataLoader(saver), "/RawData", [(0, 0)])
    assert scan_saver.completed_indexes("/RawData").tolist() == [[0, 0]]


def test_signals_may_come_late_and_go(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    whole = point((0, 0))
    scan_saver.add_data("/RawData", DataToExport("p", [whole[1]]), (0, 0))
    scan_saver.add_data("/RawData", point((0, 1)), (0, 1))
    late = point((0, 2))
    late[2].errors = [np.ones(3)]
    scan_saver.add_data("/RawData", late, (0, 2))
    loader = DataLoader(saver)
    power = loader.load_data_from_name_origin("power", "meter")
    assert np.isnan(power.data[0][0, 0])
    assert power.data[0][0, 1] == 1.0
    counts = loader.load_data_from_name_origin("counts")
    assert counts.data[0][0].tolist() == [0, 1, 2, 0, 0]
    errors = loader.load_data_from_name_origin("spectrum").errors
    assert errors is not None
    assert np.isnan(errors[0][0, 1]).all()
    assert (errors[0][0, 2] == 1).all()
    assert len(scan_saver.completed_indexes("/RawData")) == 3


@pytest.mark.parametrize(
    ("dtype", "fill", "wanted"),
    [("f8", None, np.nan), ("f4", -1, -1), ("i4", None, 0), ("u1", np.nan, 0), ("u1", -1, 0),
     ("i2", 70_000, 0), ("i8", -1, -1), ("?", None, False), ("c16", None, complex(np.nan, 0))],
)  # fmt: skip
def test_points_that_nobody_wrote(
    saver: H5SaverLowLevel, dtype: str, fill: Any, wanted: Any
) -> None:
    scan_saver = DataExtendedSaver(saver, (3,), fill)
    scan_saver.add_data("/RawData", DataRaw("d", data=[np.ones(1, dtype)]), (1,))
    found = saver.get_node("/RawData/Data00").read()
    np.testing.assert_array_equal(found, np.array([wanted, 1, wanted], dtype))
    assert found.dtype == dtype


def test_an_axis_that_moves_is_kept(saver: H5SaverLowLevel) -> None:
    for declared in (False, True):
        scan = saver.add_scan_group()
        scan_saver = DataToExportExtendedSaver(saver, SHAPE, moving_axes=declared)
        for index in ORDERS["snake"]:
            axis = Axis("energy", "eV", np.arange(3.0) + index[0])
            scan_saver.add_data(scan, point(index, axis=axis), index)
        where = f"{scan.path}/Data1D/CH00/Data00"
        found = DataLoader(saver).load_axis_positions(where)["energy"]
        assert found.shape == (*SHAPE, 3)
        np.testing.assert_array_equal(found[2, 3], np.arange(3.0) + 2)
        np.testing.assert_array_equal(found[0, 3], np.arange(3.0))
        check(DataLoader(saver), scan.path, ORDERS["snake"])


def test_spread_points(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, (6,))
    x, y = np.random.default_rng(1).random((2, 6))
    axes = [Axis("x", "m", x), Axis("y", "m", y, spread_order=1)]
    scan_saver.add_nav_axes("/RawData", axes)
    for number in range(6):
        value = DataRaw("v", data=[np.array([float(number)])])
        scan_saver.add_data("/RawData", value, (number,), "spread")
    found = DataLoader(saver).load_data("/RawData/Data0D/CH00/Data00")
    assert found.distribution == "spread"
    assert found.axes == axes
    with pytest.raises(ShapeError, match="one"):
        DataExtendedSaver(saver, SHAPE).add_data(
            saver.add_det_group("/RawData"), DataRaw("d", data=[np.zeros(1)]), (0, 0), "spread"
        )


def test_navigation_axes_must_fit(saver: H5SaverLowLevel) -> None:
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    for wrong in (Axis("x", size=3), Axis("x", size=4, index=1), Axis("x", size=4, index=2)):
        with pytest.raises(ShapeError):
            scan_saver.add_nav_axes("/RawData", [wrong])
    good = [Axis("x", size=4), Axis("y", size=5, index=1)]
    scan_saver.add_nav_axes("/RawData", good)
    scan_saver.add_nav_axes("/RawData", good)
    with pytest.raises(ShapeError, match="other navigation axes"):
        scan_saver.add_nav_axes("/RawData", [Axis("z", size=4)])


# -- files --------------------------------------------------------------------------------------


def test_an_interrupted_scan_goes_on(local_place: Place) -> None:
    order = ORDERS["snake"]
    opened = {"backend": local_place.driver}
    with DataToExportExtendedSaver(local_place.location, SHAPE, **opened) as scan_saver:
        scan = scan_saver.add_scan_group()
        where = scan.path
        assert scan_saver.completed_indexes(where).shape == (0, 2)
        for index in order[:7]:
            scan_saver.add_data(where, point(index), index)
    with pytest.raises(FileClosedError):
        scan_saver.add_data(where, point((0, 0)), (0, 0))
    with DataToExportExtendedSaver(local_place.location, SHAPE, **opened) as scan_saver:
        done = {tuple(index) for index in scan_saver.completed_indexes(where).tolist()}
        assert done == set(order[:7])
        for index in order:
            if index not in done:
                scan_saver.add_data(where, point(index), index)
        check(DataLoader(scan_saver.h5saver), where, order)
        assert len(scan_saver.completed_indexes(where)) == 20
        other = DataToExportExtendedSaver(scan_saver.h5saver, (4, 6))
        with pytest.raises(ShapeError, match="another shape"):
            other.add_data(where, point((0, 0)), (0, 0))


def test_a_program_killed_in_a_scan(tmp_path: Path) -> None:
    """What ``completed_indexes`` names is in the file, whatever was lost."""
    path = tmp_path / "killed.h5"
    code = f"""
        import os, signal, numpy as np
        from savers import DataRaw, DataToExport, DataToExportExtendedSaver
        saver = DataToExportExtendedSaver({str(path)!r}, (50, 40), new_file=True, swmr_mode=True)
        saver.set_swmr_flush_interval(7)
        for n in np.random.default_rng(3).permutation(2000)[:500]:
            index = divmod(int(n), 40)
            data = [DataRaw("a", data=[np.array([float(n)])]),
                    DataRaw("b", data=[np.full(300, float(n))])]
            saver.add_data("/RawData", DataToExport("p", data), index)
        os._exit(9)
        """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=120
    )
    assert result.returncode == 9
    from h5backends.swmr import repair

    repair(path)
    with DataToExportExtendedSaver(path, (50, 40)) as saver:
        done = saver.completed_indexes("/RawData")
        assert 490 <= len(done) <= 500
        a = saver.get_node("/RawData/Data0D/CH00/Data00").read()
        b = saver.get_node("/RawData/Data1D/CH00/Data00").read()
        for i, j in done.tolist():
            assert a[i, j] == 40 * i + j
            assert (b[i, j] == 40 * i + j).all()


def test_readers_are_let_in_after_the_first_point(make_place: Any) -> None:
    place = make_place("h5py")
    saver = open_saver(place, new_file=True, swmr_mode=True)
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    saver.set_swmr_flush_interval(1)
    order = ORDERS["lines"]
    for number, index in enumerate(order[:8]):
        scan_saver.add_data("/RawData", point(index), index)
        assert saver.is_swmr_active
        with DataLoader(place.location, swmr_mode=True) as reader:
            check(reader, "/RawData", order[: number + 1])
    late = DataToExport("p", [DataRaw("new", data=[np.zeros(1)])])
    moved = point((3, 3), axis=Axis("energy", "eV", np.ones(3)))
    for bad in (late, moved):
        with pytest.raises(StructureFrozenError):
            scan_saver.add_data("/RawData", bad, (3, 3))
    saver.close_file()
    with DataLoader(place.location) as loader:
        check(loader, "/RawData", order[:8])


def test_a_scan_larger_than_memory(local_place: Place) -> None:
    """Sixteen terabytes take no room before they are written, and load as nodes that slice."""
    shape = (1000, 2000)
    with DataExtendedSaver(local_place.location, shape, backend=local_place.driver) as scan_saver:
        image = DataRaw("image", data=[np.ones((1000, 1000))])
        scan_saver.add_data("/RawData", image, (999, 1999))
        assert scan_saver.get_node("/RawData/Data00").nbytes == 16 * 10**12
        lazy = DataLoader(scan_saver.h5saver).load_data("/RawData/Data00", lazy=True)
        assert lazy.shape == (*shape, 1000, 1000)
        assert lazy.data[0][999, 1999, 5, 5] == 1.0
        assert np.isnan(lazy.data[0][0, 0, 5, 5])
    assert Path(local_place.location).stat().st_size < 50 * 10**6


def test_disk_full_in_the_middle_of_a_scan(local_place: Place) -> None:
    process = psutil.Process()
    if not hasattr(process, "rlimit") or not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system has no limit on the size of files")
    saver = open_saver(local_place, new_file=True, flush_policy=FlushPolicy(seconds=None))
    scan_saver = DataToExportExtendedSaver(saver, (20,))

    def image(number: int) -> DataToExport:
        small = DataRaw("small", data=[np.array([float(number)])])
        return DataToExport("p", [small, DataRaw("image", data=[np.full((200, 200), number)])])

    scan_saver.add_data("/RawData", image(0), (0,))
    saver.flush()
    free = process.rlimit(psutil.RLIMIT_FSIZE)
    limit = Path(local_place.location).stat().st_size + 1_000_000
    taken, refused = 1, None
    process.rlimit(psutil.RLIMIT_FSIZE, (limit, free[1]))
    try:
        while refused is None and taken < 20:
            try:
                scan_saver.add_data("/RawData", image(taken), (taken,))
                taken += 1
            except StorageError as exc:
                refused = exc
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, free)
    assert refused is not None
    assert refused.file == local_place.location
    for number in range(taken, 20):
        scan_saver.add_data("/RawData", image(number), (number,))
    saver.close_file()
    with DataLoader(local_place.location, backend=local_place.driver) as loader:
        small = loader.load_data("/RawData/Data0D/CH00/Data00")
        assert small.data[0].tolist() == list(range(20))
        images = loader.load_data("/RawData/Data2D/CH00/Data00")
        assert images.data[0][:, 7, 7].tolist() == list(range(20))


def test_more_than_999_scans(saver: H5SaverLowLevel) -> None:
    for name in ("Scan000", "Scan998", "Scan999"):
        saver.add_group(name, "scan", "/RawData")
    for number in (1000, 1001):
        scan = saver.add_scan_group()
        assert scan.name == f"Scan{number}"
        DataToExportExtendedSaver(saver, SHAPE).add_data(scan, point((0, 0)), (0, 0))
        check(DataLoader(saver), scan.path, [(0, 0)])


# -- everywhere the same ------------------------------------------------------------------------


def program(saver: H5SaverLowLevel) -> list[Any]:
    """Save something of everything; return what is loaded."""
    scan = saver.add_scan_group()
    scan_saver = DataToExportExtendedSaver(saver, SHAPE)
    scan_saver.add_nav_axes(scan, [Axis("x", "mm", size=4), Axis("y", "µm", size=5, index=1)])
    for index in ORDERS["random"][:15]:
        scan_saver.add_data(scan, point(index), index)
    log = DataToExportTimedSaver(saver)
    group = saver.add_generic_group(group_type="data_logger")
    for index in ORDERS["lines"]:
        log.add_data(group, point(index))
    export, single = DataToExportSaver(saver), saver.add_det_group("/RawData")
    export.add_data(single, point((1, 2)), "<gain>5</gain>")
    export.add_bkg(single, point((0, 1)))
    export.add_error(single, DataRaw("spectrum", origin="cam", data=[np.ones(3)]))
    adaptive = DataToExportEnlargeableSaver(saver, ("x", "y"), ("mm", "µm"), moving_axes=True)
    place = saver.add_scan_group()
    for number, index in enumerate(ORDERS["random"][:6]):
        axis = Axis("energy", "eV", np.arange(3.0) + number)
        adaptive.add_data(place, point(index, axis=axis), axis_values=index)
    block = DataRaw("block", units="V", data=[np.arange(8.0).reshape(4, 2)], nav_indexes=(0,))
    DataEnlargeableSaver(saver).add_data(saver.add_det_group("/RawData"), block)
    loader = DataLoader(saver)
    moved = loader.load_axis_positions(f"{place.path}/Data1D/CH00/EnlData00")["energy"]
    np.testing.assert_array_equal(moved[:, 0], np.arange(6.0))
    loaded = list(loader.load_all("/RawData"))
    subtracted = loader.load_data(f"{single.path}/Data1D/CH00/Data00", with_bkg=True)
    assert subtracted.data[0].tolist() == [6.0] * 3
    lazy = loader.load_all(scan.path, lazy=True)
    assert all(isinstance(array, CARRAY) for data in lazy for array in data)
    for part, whole in zip(lazy, loader.load_all(scan.path), strict=True):
        np.testing.assert_array_equal(part.data[0][1:3], whole.data[0][1:3])
    return sorted(loaded, key=lambda data: data.path)


def test_the_same_on_every_driver(make_place: Any) -> None:
    found = {}
    for driver in ("memory", "h5py", "tables", "h5pyd"):
        saver = open_saver(make_place(driver), new_file=True)
        found[driver] = program(saver)
        saver.close_file()
    wanted = found.pop("memory")
    assert len(wanted) == 13
    for driver, loaded in found.items():
        assert loaded == wanted, driver
        for one, two in zip(loaded, wanted, strict=True):
            assert one.timestamp == pytest.approx(two.timestamp, abs=600)
            assert one.path == two.path
