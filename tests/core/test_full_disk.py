"""A disk that is really full: rows stay in memory, the program is told, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import StorageError
from h5backends.room import Room
from h5backends.superblock import FileState
from h5backends.swmr import check, repair
from tests.conftest import LOCAL
from tests.core.observer import Observer
from tests.small_disk import Ballast

_POLICY = FlushPolicy(seconds=None)


def append_until_refused(append: Callable[[int], None], limit: int = 500_000) -> int:
    """Append numbers until the storage fails, and return how many were taken."""
    for number in range(limit):
        try:
            append(number)
        except StorageError as exc:
            error = exc
            break
    else:
        raise AssertionError("the disk was never full")
    assert isinstance(error, OSError)
    assert error.file
    assert error.remedy
    return number


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("driver", LOCAL)
class TestGrowing:
    def test_every_row_that_was_taken_is_there_in_the_end(
        self, small_disk: Path, driver: str, compression: str | None, observer: Observer
    ) -> None:
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        with H5Backend(driver, _POLICY) as h5:
            h5.open_file(path, "w")
            h5.define_compression(compression)
            random = np.random.default_rng(0).random(500_000)
            array = h5.create_earray("/", "array", "f8", chunks=(512,))
            array.append(random[:600])
            h5.flush()
            ballast.fill(leave=64 * 1024)
            taken = 600 + append_until_refused(lambda n: array.append(random[600 + n]))
            with pytest.raises(StorageError):
                h5.flush()
            with pytest.raises(StorageError):
                array.append(0.0)
            assert len(array) == taken
            seen = observer.look(path, "/array")
            if isinstance(seen, dict):  # what is on the disk is a part of what was taken
                count = len(seen["/array"])
                np.testing.assert_array_equal(seen["/array"], random[:count])
                assert 600 <= count <= taken
            ballast.drop()
            array.append(random[taken])
            assert len(array) == taken + 1
            h5.flush()
            np.testing.assert_array_equal(observer.rows(path), random[: taken + 1])
            np.testing.assert_array_equal(array[:], random[: taken + 1])
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            np.testing.assert_array_equal(h5.read("/array"), random[: taken + 1])
            assert h5.get_attr("/array", "shape") == (taken + 1,)

    def test_closing_waits_for_room(
        self, small_disk: Path, driver: str, compression: str | None
    ) -> None:
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        h5 = H5Backend(driver, _POLICY)
        h5.open_file(path, "w")
        h5.define_compression(compression)
        random = np.random.default_rng(0).random(500_000)
        array = h5.create_earray("/", "array", "f8", chunks=(512,))
        h5.flush()
        ballast.fill()
        taken = append_until_refused(lambda n: array.append(random[n]))
        for _ in range(3):
            with pytest.raises(StorageError):
                h5.close_file()
            assert h5.isopen()
            assert len(array) == taken
        ballast.drop()
        h5.close_file()
        assert not h5.isopen()
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            np.testing.assert_array_equal(h5.read("/array"), random[:taken])

    def test_frames(self, small_disk: Path, driver: str, compression: str | None) -> None:
        """Rows that are written at once: one that is refused is not in the file."""
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        frames = np.random.default_rng(0).integers(0, 2**16, (60, 200, 200), np.uint16)
        with H5Backend(driver, _POLICY) as h5:
            h5.open_file(path, "w")
            h5.define_compression(compression)
            array = h5.create_earray("/", "array", "u2", (200, 200))
            array.append(frames[0])
            h5.flush()
            ballast.fill(leave=600_000)
            taken = 1 + append_until_refused(lambda n: array.append(frames[1 + n]))
            assert len(array) == taken
            ballast.drop()
            # The one that was refused was not taken: it is given again.
            array.append(frames[taken])
            np.testing.assert_array_equal(array.read(), frames[: taken + 1])
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            np.testing.assert_array_equal(h5.read("/array"), frames[: taken + 1])


@pytest.mark.parametrize("driver", LOCAL)
class TestOtherNodes:
    def test_ragged_rows(self, small_disk: Path, driver: str) -> None:
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        with H5Backend(driver, FlushPolicy(rows=50, seconds=None)) as h5:
            h5.open_file(path, "w")
            texts = h5.create_vlarray("/", "texts", "string")
            texts.append("first")
            h5.flush()
            ballast.fill(leave=32 * 1024)
            taken = 1 + append_until_refused(lambda n: texts.append(f"line {n}" + 100 * "x"))
            assert len(texts) == taken
            ballast.drop()
            texts.append("last")
            expected = ["first", *(f"line {n}" + 100 * "x" for n in range(taken - 1)), "last"]
            assert texts.read() == expected
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            assert h5.read("/texts") == expected

    def test_the_flusher_does_not_lose_rows(
        self, small_disk: Path, driver: str, observer: Observer
    ) -> None:
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        with H5Backend(driver, FlushPolicy(seconds=0.02)) as h5:
            h5.open_file(path, "w")
            array = h5.create_earray("/", "array", "f8", chunks=(512,))
            h5.flush()
            ballast.fill()
            taken = append_until_refused(lambda n: array.append(float(n)))
            ballast.drop()
            # Nobody calls anything: the thread tries again by itself.
            observer.wait_for(path, taken)
            np.testing.assert_array_equal(observer.rows(path), np.arange(float(taken)))

    def test_making_and_overwriting(self, small_disk: Path, driver: str) -> None:
        """What was there before is there after, whatever was refused meanwhile."""
        path = small_disk / "file.h5"
        ballast = Ballast(small_disk)
        with H5Backend(driver, _POLICY) as h5:
            h5.open_file(path, "w")
            h5.create_carray("/", "precious", np.arange(5000.0))
            h5.get_node("/precious").attrs["units"] = "mV"
            h5.flush()
            ballast.fill()
            refused = 0
            for number in range(20):
                for action in (
                    lambda number=number: h5.create_carray("/", f"new{number}", np.ones(20_000)),
                    lambda number=number: h5.set_attr("/precious", f"a{number}", "x" * 30_000),
                    h5.flush,
                ):
                    try:
                        action()
                    except StorageError:  # any other error ends the test
                        refused += 1
            assert refused
            ballast.drop()
            h5.flush()
            check_precious(h5)
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            check_precious(h5)

    def test_no_room_for_a_new_file(self, small_disk: Path, driver: str) -> None:
        Ballast(small_disk).fill()
        h5 = H5Backend(driver)
        with pytest.raises(StorageError) as caught:
            h5.open_file(small_disk / "file.h5", "w")
        assert caught.value.file == str(small_disk / "file.h5")
        assert not h5.isopen()
        h5.close_file()

    def test_no_room_for_a_copy(self, small_disk: Path, tmp_path: Path, driver: str) -> None:
        with H5Backend(driver) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.create_carray("/", "array", np.random.default_rng(0).random(300_000))
            with pytest.raises(StorageError):
                h5.save_file_as(small_disk / "copy.h5")
            assert h5.isopen()
            assert len(h5.read("/array")) == 300_000


def check_precious(h5: Any) -> None:
    np.testing.assert_array_equal(h5.read("/precious"), np.arange(5000.0))
    assert h5.get_attr("/precious", "units") == "mV"


@pytest.mark.parametrize(("driver", "swmr"), [("h5py", False), ("h5py", True), ("tables", False)])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_room_that_another_program_takes_within_a_flush(
    small_disk: Path,
    driver: str,
    swmr: bool,
    compression: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HDF5 meets a full disk in the middle of its work, and gets over it."""
    path, ballast = small_disk / "file.h5", Ballast(small_disk)
    random = np.random.default_rng(0).random(9000)
    monkeypatch.setattr(Room, "require", lambda *_, **__: None)  # there was room when asked for
    with H5Backend(driver, _POLICY) as h5:
        h5.open_file(path, "w", swmr_mode=swmr)
        h5.define_compression(compression)
        array = h5.create_earray("/", "array", "f8", chunks=(256,))
        if swmr:
            h5.enable_swmr()
        taken = refused = 0
        for step in (600, 10, 700, 300, 1000):
            ballast.fill(leave=0)
            for work in (array.append, array.append, h5.flush, h5.flush):
                given = [random[taken : taken + step]] if work == array.append else []
                try:
                    work(*given)
                except StorageError as exc:
                    assert exc.remedy
                    refused += 1
                else:
                    taken += step * len(given)
                assert len(array) == taken
                np.testing.assert_array_equal(array[:], random[:taken])
            ballast.drop()
            h5.flush()
            np.testing.assert_array_equal(array[:], random[:taken])
            array.append(random[taken : taken + step])
            taken += step
        assert refused > 5
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["array"][:], random[:taken])


@pytest.mark.parametrize("driver", LOCAL)
def test_rows_of_any_length_on_a_disk_that_fills_up_are_there_once(
    small_disk: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ballast = small_disk / "file.h5", Ballast(small_disk)
    taken = refused = 0
    monkeypatch.setattr(Room, "require", lambda *_, **__: None)  # there was room when asked for
    with H5Backend(driver, _POLICY) as h5:
        h5.open_file(path, "w")
        array = h5.create_vlarray("/", "array", "f8")
        for _ in range(5):
            ballast.fill(leave=0)
            for number in range(300):
                try:
                    array.append(np.full(number % 50, float(taken)))
                    taken += 1
                    if number % 100 == 99:
                        h5.flush()
                except StorageError:
                    refused += 1
            ballast.drop()
        assert len(array) == taken
    assert refused
    with h5py.File(path, "r") as file:
        rows = file["array"][:]
    assert [row[0] for row in rows if len(row)] == [n for n, row in enumerate(rows) if len(row)]
    assert len(rows) == taken


_ENDING = """
import contextlib, pathlib, sys
import numpy as np
from h5backends import FlushPolicy, H5Backend
from h5backends.errors import StorageError
from h5backends.room import Room
from tests.small_disk import Ballast

disk, driver, swmr, compression = sys.argv[1:]
Room.require = lambda *_, **__: None
h5 = H5Backend(driver, FlushPolicy(seconds=None))
h5.open_file(disk + "/file.h5", "w", swmr_mode=bool(swmr))
h5.define_compression(compression or None)
array = h5.create_earray("/", "array", "f8", chunks=(256,))
if swmr:
    h5.enable_swmr()
array.append(np.arange(1000.0))
h5.flush()
Ballast(pathlib.Path(disk)).fill(leave=0)
for number in range(1000, 8000, 70):
    with contextlib.suppress(StorageError):
        array.append(np.arange(number, number + 70.0))
"""
"""A program that goes on appending although the disk is full, and ends."""


@pytest.mark.parametrize(("driver", "swmr"), [("h5py", ""), ("h5py", "swmr"), ("tables", "")])
@pytest.mark.parametrize("compression", ["", "gzip"])
def test_a_program_that_ends_while_the_disk_is_full(
    small_disk: Path, driver: str, swmr: str, compression: str
) -> None:
    """It says so, and the file is that of the last flush, not one that looks complete."""
    arguments = [str(small_disk), driver, swmr, compression]
    done = subprocess.run(
        [sys.executable, "-c", _ENDING, *arguments], capture_output=True, text=True, check=False
    )
    assert "rows were lost at exit" in done.stderr, done
    path = small_disk / "file.h5"
    (small_disk / "ballast").unlink()
    report = check(path)
    assert report.state is (FileState.SWMR_WRITING if swmr else FileState.WRITING), report
    repair(path)
    with h5py.File(path, "r") as file:
        rows = file["array"][:]
    assert len(rows) >= 1000
    np.testing.assert_array_equal(rows, np.arange(float(len(rows))))
