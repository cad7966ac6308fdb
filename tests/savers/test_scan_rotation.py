"""Scans over several files: what is where, what the master shows, also live and after a kill."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.errors import (
    DTypeError,
    FileBusyError,
    FileOccupiedError,
    FollowError,
    ShapeError,
    UnsupportedError,
)
from h5backends.follow import DataSource, EndState, KeyFollower
from savers import DataLoader, Rotation, Scan
from savers.scan import master
from savers.scan.rotation import part_name, parts_beside
from tests.conftest import Place
from tests.savers.scan_program import AXES, describe, measured, number_of
from tests.savers.scanning import Program, check


@pytest.fixture
def place(make_place: Any) -> Place:
    """A master file."""
    return make_place("h5py", "map.h5")


def begin(place: Place, axes: Any, rotate: Rotation, **kwargs: Any) -> Scan:
    kwargs.setdefault("progress", False)
    return Scan(place.location, axes, rotate=rotate, **kwargs)


def files(place: Place) -> list[str]:
    return sorted(os.listdir(Path(place.location).parent))


def write_all(scan: Scan, points: Any = None) -> None:
    describe(scan)
    for point in scan if points is None else points:
        point.write(measured(number_of(point, scan.shape)))


# -- grids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["lines", "snake", "random"])
def test_a_grid_by_points(place: Place, order: str) -> None:
    with begin(place, AXES["2d"], Rotation(points=14), snake=order == "snake") as scan:
        path = [divmod(int(n), 7) for n in np.random.default_rng(3).permutation(42)]
        write_all(scan, scan.visit(path) if order == "random" else None)
        assert scan.done == len(scan.completed) == 42
        assert scan.file == place.location
    assert files(place) == ["map.h5", "map_0000.h5", "map_0001.h5", "map_0002.h5"]
    check(place, range(42), (6, 7))
    # Each file is a scan of its own.
    part = Place("h5py", str(Path(place.location).with_name("map_0001.h5")))
    check(part, range(14, 28), (2, 7))
    with DataLoader(part.location) as loader:
        assert loader.load_data_from_name_origin("power").units == "W"
        assert loader.load_data_from_name_origin("spectrum").get_axis_from_label("energy")
        axes = {axis.label: axis for axis in loader.load_data_from_name_origin("power").axes}
        assert axes["x"].get_data().tolist() == [2, 3]
        assert axes["y"].get_data().tolist() == [1, 1.5, 2, 2.5, 3, 3.5, 4]
    with DataLoader(place.location) as loader:
        found = loader.load_data_from_name_origin("spectrum")
        assert sorted(found.axes, key=lambda axis: axis.index)[:2] == scan.axes
        assert found.units == "V"


def test_plain_h5py_reads_the_master(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with begin(place, AXES["1d"], Rotation(points=15)) as scan:
        write_all(scan)
        path = scan.path("image")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with h5py.File(place.location) as file:
        image = file[path]
        assert image.is_virtual
        assert (image[...] == np.arange(40)[:, None, None]).all()
        assert [os.path.basename(s.file_name) for s in image.virtual_sources()] == [
            "map_0000.h5", "map_0001.h5", "map_0002.h5",
        ]  # fmt: skip
        assert file["/RawData/Scan000/Data0D/CH00/Data00"].attrs["units"] == "W"
        assert (file["/RawData/Scan000/PointTimes"][...] > 0).all()


def test_by_bytes(place: Place) -> None:
    limit = 1_000_000
    with begin(place, [("x", "", range(20))], Rotation(bytes=limit)) as scan:
        for point in scan:
            point.write(image=np.full((100, 300), point.number, "f8"))  # 240 kB
    parts = files(place)[1:]
    assert len(parts) == 5
    for name in parts:
        assert Path(place.location).with_name(name).stat().st_size < limit + 100_000
    with h5py.File(place.location) as file:
        found = file["/RawData/Scan000/Data2D/CH00/Data00"][:, 7, 8]
        assert found.tolist() == list(range(20))


def test_by_scans(place: Place) -> None:
    for number in range(5):
        with begin(place, [("x", "", range(3))], Rotation(scans=2)) as scan:
            for point in scan:
                point.write(v=float(number))
            assert scan.group == f"/RawData/Scan{number:03d}"
    assert files(place) == ["map.h5", "map_0000.h5", "map_0001.h5", "map_0002.h5"]
    with h5py.File(place.location) as file:
        for number in range(5):
            found = file[f"/RawData/Scan{number:03d}/Data0D/CH00/Data00"][...]
            assert found.tolist() == [number] * 3
    with h5py.File(Path(place.location).with_name("map_0001.h5")) as file:
        assert [name for name in file["RawData"] if "Scan" in name] == ["Scan002", "Scan003"]


def test_points_that_are_not_there_yet(place: Place) -> None:
    """Those in files still to come look like those in files that are there."""
    rotate = Rotation(points=4)
    with begin(place, ("x", "", range(12)), rotate, fill_value=-1) as scan:
        for n in (0, 5):
            scan.at(n).write(v=1.0, n=2, t=np.datetime64("2030-01-01", "D"))
    with DataLoader(place.location) as loader:
        for name, found, fill in (("v", 1.0, -1.0), ("n", 2, -1)):
            wanted = np.full(12, fill)
            wanted[[0, 5]] = found
            values = loader.load_data_from_name_origin(name).data[0]
            np.testing.assert_array_equal(values, wanted)
    with h5py.File(place.location) as file:
        times = file["/RawData/Scan000/PointTimes"][...]
        assert np.flatnonzero(np.isfinite(times)).tolist() == [0, 5]
    with begin(place, ("x", "", range(12)), rotate, resume=True) as scan:
        assert scan.completed.tolist() == [[0], [5]]


def test_several_scans_that_are_cut(place: Place) -> None:
    """An interrupted scan keeps the numbers of the files that it did not need."""
    for number in range(3):
        with begin(place, AXES["2d"], Rotation(points=14)) as scan:
            write_all(scan, itertools.islice(scan, 42 if number else 20))
    names = [part_name(Path(place.location), n) for n in (0, 1, 3, 4, 5, 6, 7, 8)]
    assert files(place) == ["map.h5", *names]
    for number in (1, 2):
        with DataLoader(place.location) as loader:
            where = f"/RawData/Scan{number:03d}"
            found = loader.load_data_from_name_origin("power", where=where)
            np.testing.assert_array_equal(found.data[0].ravel(), np.arange(42) / 4)
    with DataLoader(place.location) as loader:
        found = loader.load_data_from_name_origin("power", where="/RawData/Scan000").data[0]
        np.testing.assert_array_equal(found.ravel()[:20], np.arange(20) / 4)
        assert np.isnan(found.ravel()[20:]).all()


# -- scans that grow ----------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["chosen", "log"])
def test_a_scan_that_grows(place: Place, axes: str) -> None:
    with begin(place, AXES[axes], Rotation(points=10)) as scan:
        describe(scan)
        points = iter(scan) if axes == "log" else scan.visit((n, -n) for n in itertools.count())
        for n, point in enumerate(itertools.islice(points, 33)):
            point.write(measured(n))
        positions = scan.completed
        assert len(positions) == 33
    assert files(place)[1:] == [f"map_000{n}.h5" for n in range(4)]
    check(place, range(33))
    check(Place("h5py", str(Path(place.location).with_name("map_0001.h5"))), range(10, 20))
    with DataLoader(place.location) as loader:
        axes_found = loader.load_data_from_name_origin("power").get_nav_axes()
        found = np.stack([axis.get_data() for axis in axes_found], axis=1)
        np.testing.assert_array_equal(found, positions)


@given(st.integers(1, 7), st.integers(0, 20), st.booleans())
def test_any_number_of_points(tmp_path_factory: Any, limit: int, count: int, grows: bool) -> None:
    path = tmp_path_factory.mktemp("rotation") / "a.h5"
    axes = "x" if grows or not count else ("x", "", range(count))
    with Scan(path, axes, rotate=Rotation(points=limit), progress=False) as scan:
        for point in scan.visit(range(count)) if scan.shape == () else scan:
            point.write(v=float(point.number))
        assert len(scan.completed) == count
    if not count:
        return
    with h5py.File(path) as file:
        name = "EnlData00" if not scan.shape else "Data00"
        assert file[f"/RawData/Scan000/Data0D/CH00/{name}"][...].ravel().tolist() == list(
            range(count)
        )
    assert len(parts_beside(path)) == -(-count // limit)


# -- live ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("snake", [False, True], ids=["lines", "snake"])
def test_a_follower_of_the_master(place: Place, snake: bool) -> None:
    """A second process follows a grid through the master, from file to file."""
    keys, image = "/RawData/Scan000/PointTimes", "/RawData/Scan000/Data2D/CH00/Data00"
    with (
        DataSource([keys], [image], timeout=60, file=place.location) as source,
        Program(place, "2d", snake=snake, rotate={"points": 7}, wait=True) as program,
    ):
        for number, frame in enumerate(itertools.islice(source, 42)):
            assert frame.index == number
            assert (frame[image] == number).all()
        program.follow(42)
        program.go_on()
        program.end()
        assert list(source) == []
        assert source.end is EndState.FINISHED


def test_a_follower_of_a_master_that_grows(place: Place) -> None:
    """The master is made anew with every file: a follower opens it again and goes on."""
    keys, image = "/RawData/Scan000/PointTimes", "/RawData/Scan000/Data2D/CH00/EnlData00"
    seen: list[int] = []
    reopened = 0
    with Program(place, "chosen", count=60, rotate={"points": 20}, wait=True) as program:
        program.follow(1)
        while len(seen) < 60:
            with DataSource(
                [keys], [image], timeout=60, file=place.location, resume_from=len(seen)
            ) as source:
                try:
                    for frame in source:
                        assert (frame[image] == frame.index).all()
                        seen.append(frame.index)
                        if len(seen) == 60:
                            break
                except FollowError:
                    reopened += 1
                else:
                    assert len(seen) == 60, source.end
        program.follow(60)
        program.go_on()
        program.end()
    assert seen == list(range(60))
    assert reopened <= 3


@pytest.mark.parametrize("axes", ["2d", "chosen"])
def test_a_follower_of_the_master_of_a_killed_scan(place: Place, axes: str) -> None:
    with (
        Program(place, axes, count=500, rotate={"points": 14}, stop=10) as program,
        KeyFollower(["/RawData/Scan000/PointTimes"], timeout=60, file=place.location) as keys,
    ):
        program.follow(10)
        assert list(itertools.islice(keys, 10)) == list(range(10))
        program.kill()
        assert list(keys) == []
        assert keys.end is EndState.WRITER_CRASHED


def test_a_program_that_ends_without_closing(place: Place) -> None:
    code = f"""
        from savers import Rotation, Scan
        scan = Scan({place.location!r}, ("x", "", range(9)), rotate=Rotation(points=2))
        for point in scan:
            point.write(v=float(point.number))
            if point.number == 4:
                break
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=100)
    assert not [name for name in files(place) if name.endswith(".writer")]
    with h5py.File(place.location) as file:
        found = file["/RawData/Scan000/Data0D/CH00/Data00"][...]
    np.testing.assert_array_equal(found, [0, 1, 2, 3, 4, *[np.nan] * 4])


def test_plain_readers_while_it_runs(place: Place) -> None:
    with begin(place, AXES["2d"], Rotation(points=7)) as scan:
        for point in scan:
            point.write(v=float(point.number))
            scan.flush()
            with h5py.File(place.location, "r", swmr=True) as file:
                found = file["/RawData/Scan000/Data0D/CH00/Data00"][...].ravel()
            assert found[: point.number + 1].tolist() == list(range(point.number + 1))
            assert np.isnan(found[point.number + 1 :]).all()


# -- killed, and going on -----------------------------------------------------------------------


@pytest.mark.parametrize("rotate", [{"points": 7}, {"bytes": 7 * 500}, {"scans": 2}], ids=str)
def test_a_killed_grid_goes_on(place: Place, rotate: dict[str, int]) -> None:
    with Program(place, "2d", rotate=rotate) as program:
        program.follow(17)
        first = program.kill()
    with Program(place, "2d", rotate=rotate, resume=True) as program:
        assert len(first) <= program.begun <= len(first) + 1
        second = program.end()
    assert not set(first) & set(second)
    assert program.begun + len(second) == 42
    check(place, range(42), (6, 7))
    assert not [name for name in files(place) if name.endswith(".writer") or ".new" in name]


@pytest.mark.parametrize("axes", ["chosen", "log"])
@pytest.mark.parametrize("rotate", [{"points": 8}, {"scans": 2}], ids=str)
def test_a_killed_scan_that_grows_goes_on(place: Place, rotate: dict[str, int], axes: str) -> None:
    done = 0
    for round_ in range(3):
        with Program(place, axes, rotate=rotate, count=500, resume=bool(round_)) as program:
            assert done <= program.begun <= done + 1
            program.follow(11)
            done = program.begun + len(program.kill())
    with Program(place, axes, rotate=rotate, count=done + 15, resume=True) as program:
        program.end()
    check(place, range(done + 15))


def test_a_program_killed_before_the_master_knew(place: Place) -> None:
    """A file without a master's entry is left alone: the next scan takes other names."""
    stray = Path(place.location).with_name("map_0002.h5")
    stray.write_bytes(b"precious")
    with begin(place, AXES["1d"], Rotation(points=20), resume=True) as scan:
        write_all(scan)
    assert stray.read_bytes() == b"precious"
    assert files(place) == ["map.h5", "map_0002.h5", "map_0003.h5", "map_0004.h5"]
    check(place, range(40), (40,))


def test_resumed_with_another_rotation(place: Place) -> None:
    with begin(place, AXES["1d"], Rotation(points=10)) as scan:
        write_all(scan, itertools.islice(scan, 12))
    with pytest.raises(ShapeError, match="rotated in another way"):
        begin(place, AXES["1d"], Rotation(scans=1), resume=True)
    with pytest.raises(ShapeError, match="other axes"):
        begin(place, AXES["2d"], Rotation(points=10), resume=True)
    # Files keep the size that they were begun with.
    with begin(place, AXES["1d"], Rotation(points=25), resume=True) as scan:
        assert scan.done == 12
        write_all(scan)
    check(place, range(40), (40,))
    assert len(files(place)) == 5


# -- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["tables", "h5pyd", "memory"])
def test_drivers_without_virtual_arrays(make_place: Any, tmp_path: Path, driver: str) -> None:
    place = make_place(driver)
    with pytest.raises(UnsupportedError, match=r"virtual arrays.*h5py.*Nothing was written"):
        Scan(place.location, AXES["1d"], backend=driver, rotate=Rotation(points=5),
             **place.options)  # fmt: skip
    assert os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        place.open("r")


@pytest.mark.parametrize(
    "limits", [{}, {"points": 0}, {"bytes": -1}, {"points": 3, "scans": 2}], ids=str
)
def test_limits_that_are_none(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Rotation(**limits)


def test_a_file_with_data_does_not_become_a_master(place: Place) -> None:
    with Scan(place.location, AXES["1d"], progress=False) as scan:
        write_all(scan)
    before = Path(place.location).read_bytes()
    for resume in (False, True):
        with pytest.raises(FileOccupiedError, match="holds data itself"):
            begin(place, AXES["1d"], Rotation(points=5), resume=resume)
    assert Path(place.location).read_bytes() == before
    assert files(place) == ["map.h5"]


def test_options_that_do_not_go_together(place: Place) -> None:
    with pytest.raises(DTypeError, match="never replaces"):
        begin(place, AXES["1d"], Rotation(points=5), new_file=True)
    with pytest.raises(ShapeError, match="too many files"), begin(
        place, ("x", "", range(20_001)), Rotation(points=1)
    ) as scan:  # fmt: skip
        scan.at(0).write(v=1.0)


def test_a_master_that_cannot_be_replaced(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on Windows while somebody reads it: measuring goes on, and the end says it."""
    replace = os.replace

    def busy(*args: Any) -> None:
        raise PermissionError("somebody reads it")

    monkeypatch.setattr(master, "_PATIENCE", 0.0)
    scan = begin(place, AXES["chosen"], Rotation(points=5))
    scan.at(0, 0).write(v=0.0)
    monkeypatch.setattr(os, "replace", busy)
    for n in range(1, 12):
        scan.at(n, n).write(v=float(n))
    assert "cannot be brought up to date" in caplog.text
    with pytest.raises(FileBusyError, match="complete"):
        scan.close()
    monkeypatch.setattr(os, "replace", replace)
    with begin(place, AXES["chosen"], Rotation(points=5), resume=True) as scan:
        assert scan.done == 12
        scan.at(12, 12).write(v=12.0)
    with DataLoader(place.location) as loader:
        found = loader.load_data_from_name_origin("v").data[0]
    assert found.tolist() == list(range(13))
