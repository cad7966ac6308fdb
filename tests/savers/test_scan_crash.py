"""Programs that are killed, interrupted or fail in the middle of a scan, and scans that go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends.errors import FileCrashedError, NodeNotFoundError, ShapeError
from savers import Axis, DataLoader, H5SaverLowLevel, Scan
from tests.conftest import Place
from tests.savers.scan_program import AXES, describe, measured, number_of
from tests.savers.scanning import Program, check, loaded

REAL = ("h5py", "tables", "h5pyd")


def resumed(place: Place, axes: Any, **kwargs: Any) -> Scan:
    kwargs = {"resume": True, "progress": False, **kwargs}
    return Scan(place.location, axes, backend=place.driver, **place.options, **kwargs)


@pytest.mark.parametrize("snake", [False, True], ids=["lines", "snake"])
@pytest.mark.parametrize("driver", REAL)
def test_a_killed_grid_goes_on(make_place: Any, driver: str, snake: bool) -> None:
    """A killed program's scan goes on in another one; no point is lost, none is doubled."""
    place = make_place(driver)
    # PyTables has no SWMR: a kill within one of its flushes can cost more, so it is killed
    # between two points, see docs/explanations/durability.md.
    stop = {"stop": 15} if driver == "tables" else {}
    with Program(place, "2d", snake=snake, **stop) as program:
        program.follow(15)
        first = program.kill()
    assert 15 <= len(first) < 42
    with Program(place, "2d", snake=snake, resume=True) as program:
        # Everything that was said to be safe is; at most the point in hand may be there, too.
        assert len(first) <= program.begun <= len(first) + 1
        second = program.end()
    assert program.begun + len(second) == 42
    assert not set(first) & set(second)
    check(place, range(42), (6, 7))
    with Program(place, "2d", snake=snake, resume=True) as program:
        assert program.begun == 42
        assert program.end() == []


@pytest.mark.parametrize("axes", ["chosen", "log"])
@pytest.mark.parametrize("driver", REAL)
def test_a_killed_scan_that_grows_goes_on(make_place: Any, driver: str, axes: str) -> None:
    place = make_place(driver)
    stop = {"stop": 10} if driver == "tables" else {}
    with Program(place, axes, count=500, **stop) as program:
        program.follow(10)
        first = program.kill()
    with Program(place, axes, count=len(first) + 20, resume=True) as program:
        assert len(first) <= program.begun <= len(first) + 1
        second = program.end()
    assert second[0] == program.begun
    check(place, range(len(first) + 20))


def test_killed_again_and_again(make_place: Any) -> None:
    place = make_place("h5py")
    for round_ in range(4):
        with Program(place, "3d", resume=True) as program:
            program.follow(9)
            program.kill()
            assert program.begun >= 9 * round_
    with Program(place, "3d", resume=True) as program:
        program.end()
    check(place, range(60), (4, 3, 5))


def test_a_crashed_file_is_not_touched_unless_it_is_said(make_place: Any) -> None:
    place = make_place("h5py")
    with Program(place, "1d") as program:
        program.follow(5)
        program.kill()
    before = Path(place.location).read_bytes()
    with pytest.raises(FileCrashedError, match="resume=True"):
        Scan(place.location, AXES["1d"], progress=False)
    assert Path(place.location).read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_between_points(tmp_path: Path) -> None:
    """Ctrl-C at any moment: the file is closed with all points that were written, whole."""
    path = tmp_path / "interrupted.h5"
    code = f"""
        import itertools, numpy as np
        from savers import Scan
        with Scan({str(path)!r}, [("x", "")], progress=False) as scan:
            print("begun", flush=True)
            for n in itertools.count():
                scan.at(n).write(a=float(n), b=np.full(100, float(n)), c=[np.ones(3) * n] * 2)
                if n == 200:
                    print("on", flush=True)
        """
    for _ in range(5):
        path.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            assert process.stdout.readline() == "on\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert errors.endswith("KeyboardInterrupt\n")
        with Scan(path, [("x", "")], resume=True, progress=False) as scan:
            count = scan.done
        with H5SaverLowLevel.from_file(path, mode="r") as saver:  # closed as it should be
            lengths = {
                node.shape[0] for _, node in saver.root().walk_arrays() if "EnlData" in node.path
            }
        assert lengths == {count}
        assert count > 200
        with DataLoader(path) as loader:
            found = loader.load_data_from_name_origin("b").data[0]
        np.testing.assert_array_equal(found, np.repeat(np.arange(float(count))[:, None], 100, 1))


def test_an_interrupt_within_a_point_waits(local_place: Place) -> None:
    scan = Scan(local_place.location, [("x", "", range(3))], backend=local_place.driver,
                progress=False)  # fmt: skip
    before = signal.getsignal(signal.SIGINT)
    put = scan._recording.write

    def interrupted(*args: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        put(*args)

    def run() -> None:
        with scan:
            for point in scan:
                point.write(v=1.0)

    scan._recording.write = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run()
    assert scan.done == 1
    assert signal.getsignal(signal.SIGINT) is before
    np.testing.assert_array_equal(loaded(local_place, "v").data[0], [1, np.nan, np.nan])


def test_a_handler_of_the_program_stays(tmp_path: Path) -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda *args: heard.append(1))
    try:
        with Scan(tmp_path / "a.h5", ("x", "", range(2)), progress=False) as scan:
            for point in scan:
                signal.raise_signal(signal.SIGINT)
                point.write(v=1.0)
        assert heard == [1, 1]
        with Scan(tmp_path / "b.h5", ("x", "", range(2)), progress=False) as scan:
            put = scan._recording.write

            def interrupted(*args: Any) -> None:
                signal.raise_signal(signal.SIGINT)
                assert len(heard) == 2 + scan.done, "it waits"
                put(*args)

            scan._recording.write = interrupted  # type: ignore[method-assign]
            for point in scan:
                point.write(v=1.0)
        assert heard == [1] * 4
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("driver", REAL)
def test_an_error_in_the_loop(make_place: Any, driver: str) -> None:
    place = make_place(driver)
    scan = resumed(place, AXES["2d"], resume=False)

    def run() -> None:
        with scan:
            for point in scan:
                point.write(measured(number_of(point, scan.shape)))
                _ = 1 / (10 - point.number)

    with pytest.raises(ZeroDivisionError):
        run()
    assert not scan.saver.isopen()
    visited = []
    with resumed(place, AXES["2d"]) as scan:
        assert scan.done == 11
        for point in scan:
            visited.append(number_of(point, scan.shape))
            point.write(measured(visited[-1]))
    assert visited == list(range(11, 42))
    check(place, range(42), (6, 7))


def test_break_and_go_on_in_one_program(local_place: Place) -> None:
    with resumed(local_place, AXES["2d"], resume=False, snake=True) as scan:
        describe(scan)
        for _ in range(3):
            for point in scan:
                point.write(measured(number_of(point, scan.shape)))
                if point.number % 10 == 9:
                    break
        assert scan.done == 30
        for point in scan:
            point.write(measured(number_of(point, scan.shape)))
    check(local_place, range(42), (6, 7))


# -- what may go on -----------------------------------------------------------------------------


def test_resume_begins_where_there_is_nothing(local_place: Place) -> None:
    with resumed(local_place, AXES["1d"]) as scan:
        assert scan.done == 0
        assert scan.group == "/RawData/Scan000"
    with resumed(local_place, AXES["1d"]) as scan:  # begun, without a point
        assert scan.group == "/RawData/Scan000"
        scan.at(3).write(v=1.0)
    with resumed(local_place, None) as scan:
        assert scan.group == "/RawData/Data_logger000"
        scan.at().write(v=1.0)
    with resumed(local_place, AXES["1d"]) as scan:
        assert scan.completed.tolist() == [[3]]


OTHER_AXES: dict[str, Any] = {
    "positions": [("x", "mm", [0.0, 1.0, 2.5]), ("y", "um", range(4))],
    "one more": [("x", "mm", range(4)), ("y", "um", range(4))],
    "unit": [("x", "um", range(3)), ("y", "um", range(4))],
    "name": [("z", "mm", range(3)), ("y", "um", range(4))],
    "swapped": [("y", "um", range(4)), ("x", "mm", range(3))],
    "fewer": [("x", "mm", range(3))],
    "chosen": [("x", "mm"), ("y", "um")],
}


@pytest.mark.parametrize("other", OTHER_AXES)
@pytest.mark.parametrize("driver", REAL)
def test_other_axes_are_refused(make_place: Any, driver: str, other: str) -> None:
    place = make_place(driver)
    axes = [("x", "mm", range(3)), ("y", "um", range(4))]
    with resumed(place, axes, resume=False) as scan:
        scan.at(1, 1).write(v=1.0)
    with pytest.raises(ShapeError, match="other axes") as caught:
        resumed(place, OTHER_AXES[other])
    assert caught.value.file == scan.file
    assert caught.value.node == "/RawData/Scan000"
    assert "points from 0" in str(caught.value) or other == "chosen"
    with resumed(place, axes) as scan:  # nothing was changed
        assert scan.completed.tolist() == [[1, 1]]


def test_other_axes_of_a_scan_that_grows(local_place: Place) -> None:
    with resumed(local_place, AXES["chosen"], resume=False) as scan:
        scan.at(1, 1).write(v=1.0)
    for other in (["x", "y"], [("y", "mm"), ("x", "mm")], [("x", "mm")], [("x", "mm", range(3))]):
        with pytest.raises(ShapeError, match="other axes"):
            resumed(local_place, other)


def test_a_scan_that_grows_without_a_point_goes_on(local_place: Place) -> None:
    for _ in range(2):
        with resumed(local_place, ["phase"]) as scan:
            assert scan.group == "/RawData/Scan000"
    with resumed(local_place, ["phase"]) as scan:
        scan.at(1.5).write(v=1.0)
    with resumed(local_place, ["phase"]) as scan:
        assert scan.completed.tolist() == [[1.5]]


def test_a_scan_by_its_name(local_place: Place) -> None:
    for count in (3, 4):
        with resumed(local_place, ("x", "", range(count)), resume=False) as scan:
            scan.at(0).write(v=1.0)
    with resumed(local_place, ("x", "", range(3)), resume="Scan000") as scan:
        for point in scan:
            point.write(v=2.0)
    found = loaded(local_place, "v", "/RawData/Scan000")
    assert found.data[0].tolist() == [1, 2, 2]
    with pytest.raises(NodeNotFoundError, match="Scan000, Scan001"):
        resumed(local_place, ("x", "", range(3)), resume="Scan007")


def test_other_signals_after_resuming_are_refused(local_place: Place) -> None:
    for axes in (("x", "", range(3)), ("phase", "rad")):
        with resumed(local_place, axes, resume=False) as scan:
            scan.signal("v", "V")
            scan.at(0).write(v=1.0, w=2)
        with resumed(local_place, axes) as scan:
            for wrong in ({"v": 1.0}, {"v": 1.0, "w": 2, "u": 3}):
                with pytest.raises(ShapeError, match="other signals"):
                    scan.at(1).write(wrong)
            with pytest.raises(TypeError, match="another unit"):
                scan.at(1).write(v=1.0, w=2)
            assert scan.done == 1
        with resumed(local_place, axes) as scan:
            scan.signal("v", "V")
            scan.at(1).write(v=1.0, w=2)
            assert scan.done == 2


def test_the_same_axes_in_another_form(local_place: Place) -> None:
    with resumed(local_place, [("x", "mm", [0.0, 0.5, 1.0])], resume=False) as scan:
        scan.at(0).write(v=1.0)
    with resumed(local_place, Axis("x", "mm", offset=0.0, scaling=0.5, size=3)) as scan:
        assert scan.done == 1


def test_processes_leave_no_sign_of_life(tmp_path: Path) -> None:
    with Scan(tmp_path / "a.h5", ("x", "", range(2)), progress=False) as scan:
        for point in scan:
            point.write(v=1.0)
        assert ".a.h5.writer" in os.listdir(tmp_path)
    assert os.listdir(tmp_path) == ["a.h5"]
