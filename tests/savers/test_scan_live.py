"""Other processes read a scan while it runs: followers, loaders, plain h5py."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends.follow import DataSource, EndState, KeyFollower
from savers import DataLoader, Scan
from tests.savers.scan_program import AXES, measured
from tests.savers.scanning import Program

IMAGE = "/RawData/Scan000/Data2D/CH00/Data00"
SPECTRUM = "/RawData/Scan000/Data1D/CH00/Data00"
KEYS = "/RawData/Scan000/PointTimes"


@pytest.mark.parametrize("driver", ["h5py", "h5pyd"])
def test_a_follower_sees_every_point(make_place: Any, driver: str) -> None:
    place = make_place(driver)
    options = {"file": place.location, "backend": driver, **place.options}
    with (
        Program(place, "2d", stop=3, wait=True) as program,
        DataSource([KEYS], [IMAGE, SPECTRUM], timeout=60, **options) as source,
    ):
        # The program is in the middle of its scan.
        assert program.follow(3) == [0, 1, 2]
        frames = iter(source)
        for number in range(3):
            assert_frame(next(frames), number)
        program.go_on()
        for number in range(3, 42):
            assert_frame(next(frames), number)
        program.follow(42)
        program.go_on()
        assert list(frames) == []
        assert source.end is EndState.FINISHED
        program.end()


def assert_frame(frame: Any, number: int) -> None:
    assert frame.index == number
    values = measured(number)
    np.testing.assert_array_equal(frame[IMAGE][0, 0], values["image"])
    np.testing.assert_array_equal(frame[SPECTRUM][0, 0], values["spectrum"])


def test_a_follower_that_starts_before_the_file(make_place: Any) -> None:
    place = make_place("h5py")
    keys = "/RawData/Data_logger000/NavAxes/Axis00"
    image = "/RawData/Data_logger000/Data2D/CH00/EnlData00"
    with DataSource([keys], [image], timeout=60, file=place.location) as source:
        with Program(place, "log", count=300, wait=True) as program:
            for number, frame in enumerate(itertools.islice(source, 300)):
                assert frame.index == number
                assert (frame[image] == number).all()
            program.follow(300)
            program.go_on()
            program.end()
        assert list(source) == []


def test_a_follower_of_a_killed_scan(make_place: Any) -> None:
    place = make_place("h5py")
    with (
        Program(place, "chosen", count=1000) as program,
        KeyFollower([KEYS], timeout=60, file=place.location) as keys,
    ):
        program.follow(5)
        safe = program.kill()
        seen = list(keys)
        assert keys.end is EndState.WRITER_CRASHED
        assert len(safe) <= len(seen) <= len(safe) + 1


@pytest.mark.parametrize("snake", [False, True], ids=["lines", "snake"])
def test_a_loader_follows(make_place: Any, snake: bool) -> None:
    place = make_place("h5py")
    counts = []
    with Program(place, "3d", snake=snake, wait=True) as program:
        program.follow(1)
        with DataLoader(place.location, swmr_mode=True) as loader:
            deadline = time.monotonic() + 60
            while (not counts or counts[-1] < 60) and time.monotonic() < deadline:
                times = loader.get_node(KEYS)
                times.refresh()
                done = np.isfinite(times.read())
                image = loader.load_data(IMAGE).data[0]
                spectrum = loader.load_data(SPECTRUM).data[0]
                for index in np.argwhere(done):
                    values = measured(int(np.ravel_multi_index(tuple(index), (4, 3, 5))))
                    np.testing.assert_array_equal(image[tuple(index)], values["image"])
                    np.testing.assert_array_equal(spectrum[tuple(index)], values["spectrum"])
                counts.append(int(done.sum()))
        program.follow(60)
        program.go_on()
        program.end()
    assert counts[-1] == 60
    assert counts == sorted(counts)


def test_readers_are_let_in_after_the_first_point(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with Scan(path, AXES["2d"], progress=False) as scan:
        for point in scan:
            point.write(v=float(point.number))
            scan.flush()
            with h5py.File(path, "r", swmr=True) as file:
                found = file["/RawData/Scan000/Data0D/CH00/Data00"][...].ravel()
                assert np.isfinite(found).sum() == point.number + 1
            if point.number == 5:
                break


def test_a_resumed_scan_is_followed_too(make_place: Any) -> None:
    place = make_place("h5py")
    with Program(place, "1d", stop=5) as program:
        program.follow(5)
        program.kill()
    with Program(place, "1d", resume=True, wait=True) as program:
        program.follow(35)  # where it waits
        with KeyFollower([KEYS], timeout=60, file=place.location) as keys:
            assert list(itertools.islice(keys, 40)) == list(range(40))
            program.go_on()
            program.end()


def test_not_live(tmp_path: Path) -> None:
    with Scan(tmp_path / "a.h5", ("x", "", range(3)), live=False, progress=False) as scan:
        scan.at(0).write(v=1.0)
        assert not scan.saver.is_swmr_active


def test_a_file_that_cannot_be_followed_is_recorded_into(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of PyTables or an old one is continued; that nobody can read along is said."""
    path = tmp_path / "old.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["mine"] = 1
    with Scan(path, ("x", "", range(3)), progress=False) as scan:
        for point in scan:
            point.write(v=1.0)
    assert "nobody can read along" in caplog.text
    with h5py.File(path) as file:
        assert file["mine"][()] == 1
        assert file["/RawData/Scan000/Data0D/CH00/Data00"][...].tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="not made for SWMR"):
        Scan(path, ("x", "", range(3)), live=True, progress=False)
