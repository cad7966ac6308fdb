"""Many threads, forked processes, programs that end without closing or are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import EARRAY, FlushPolicy, H5Backend
from h5backends.errors import FileClosedError
from h5backends.swmr import check, open_h5_file_for_reading, repair
from tests.conftest import Place
from tests.core.observer import TIME_LIMIT, Observer
from tests.drivers.oracles import look_with_h5py

_ROOT = Path(__file__).parents[2]


def in_threads(work: Callable[[int], None], count: int = 8) -> None:
    """Run some work in threads that start together; an error in one is an error here."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(TIME_LIMIT)
            work(number)
        except BaseException as exc:  # noqa: BLE001 - handed on to the main thread
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIME_LIMIT)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


class TestThreads:
    def rows(self, place: Place) -> int:
        return 40 if place.driver == "h5pyd" else 500

    def test_one_array(self, place: Place) -> None:
        """No row is lost, doubled or torn, and each thread's rows keep their order."""
        count = self.rows(place)
        policy = FlushPolicy(seconds=0.01)
        with place.open("w", flush_policy=policy) as h5:
            array = h5.create_earray("/", "array", "f8", (3,), chunks=(16, 3))

            def append(thread: int) -> None:
                node = array if thread % 2 else h5.get_node("/array")
                assert isinstance(node, EARRAY)
                for number in range(count):
                    node.append(np.array([thread, number, thread * number], "f8"))

            in_threads(append)
            found = array.read()
        check_rows(found, 8, count)
        with place.open("r") as h5:
            check_rows(h5.read("/array"), 8, count)

    def test_an_array_for_each(self, place: Place) -> None:
        count = self.rows(place)
        with place.open("w", flush_policy=FlushPolicy(seconds=0.01)) as h5:

            def append(thread: int) -> None:
                array = h5.create_earray("/", f"array{thread}", "i8", chunks=(32,))
                for number in range(count):
                    array.append(number)
                    if number % 25 == 0:
                        array.attrs["at"] = number

            in_threads(append)
        with place.open("r") as h5:
            for thread in range(8):
                np.testing.assert_array_equal(h5.read(f"/array{thread}"), np.arange(count))

    def test_all_kinds_of_work_at_once(self, place: Place) -> None:
        count = self.rows(place) // 5
        with place.open("w", flush_policy=FlushPolicy(seconds=0.005)) as h5:
            array = h5.create_earray("/", "array", "i8", chunks=(8,))
            texts = h5.create_vlarray("/", "texts", "string")
            fixed = h5.create_carray("/", "fixed", np.zeros(count))
            ended = threading.Event()

            def work(thread: int) -> None:
                for number in range(count):
                    match thread:
                        case 0:
                            array.append(number)
                        case 1:
                            texts.append(f"line {number}")
                        case 2:
                            fixed[number] = number
                        case 3:
                            found = array[:]
                            np.testing.assert_array_equal(found, np.arange(len(found)))
                        case 4:
                            lines = texts.read()
                            assert lines == [f"line {line}" for line in range(len(lines))]
                        case 5:
                            h5.get_set_group("/", f"group{number % 7}").attrs["at"] = number
                        case 6:
                            assert {"array", "texts"} <= set(h5.root().children_name())
                        case 7:
                            h5.flush()
                ended.set()

            in_threads(work)
            np.testing.assert_array_equal(array[:], np.arange(count))
            np.testing.assert_array_equal(fixed[:], np.arange(count))
            assert texts.read() == [f"line {line}" for line in range(count)]

    def test_closing_under_their_feet(self, place: Place) -> None:
        """What an append accepted is in the file, and then every thread is told."""
        policy = FlushPolicy(seconds=0.005)
        taken = [0] * 8
        with place.open("w", flush_policy=policy) as h5:
            arrays = [h5.create_earray("/", f"array{n}", "i8", chunks=(8,)) for n in range(8)]
            h5.flush()
            enough = threading.Event()

            def append(thread: int) -> None:
                if thread == 7:
                    assert enough.wait(TIME_LIMIT)
                    h5.close_file()
                    return
                with pytest.raises(FileClosedError):
                    append_for_ever(thread)

            def append_for_ever(thread: int) -> None:
                while True:
                    arrays[thread].append(taken[thread])
                    taken[thread] += 1
                    if taken[thread] > 50:
                        enough.set()

            in_threads(append)
        with place.open("r") as h5:
            for thread in range(7):
                np.testing.assert_array_equal(h5.read(f"/array{thread}"), np.arange(taken[thread]))

    def test_removing_under_their_feet(self, place: Place) -> None:
        """A row that was accepted is in the array wherever it went, or the thread is told."""
        with place.open("w", flush_policy=FlushPolicy(seconds=None)) as h5:
            h5.get_set_group("/", "old")
            h5.create_earray("/old", "array", "i8", chunks=(8,))
            taken = 0
            moved = threading.Event()

            def work(thread: int) -> None:
                nonlocal taken
                array = h5.get_node("/old/array")
                assert isinstance(array, EARRAY)
                if thread == 1:
                    while taken < 100 and not moved.is_set():
                        pass
                    h5.move_node("/old/array", "/", "new")
                    moved.set()
                    return
                while taken < 2000:
                    try:
                        array.append(taken)
                    except KeyError:  # NodeNotFoundError: it is somewhere else now
                        array = h5.get_node("/new")
                        continue
                    taken += 1

            in_threads(work, 2)
            np.testing.assert_array_equal(h5.read("/new"), np.arange(2000))

    def test_copies_in_opposite_directions(self, local_place: Place) -> None:
        """Two files, two locks, no deadlock."""
        other_place = local_place.sibling("other.h5")
        with local_place.open("w") as one, other_place.open("w") as other:
            one.create_carray("/", "here", np.arange(1000))
            other.create_carray("/", "there", np.arange(1000))

            def copy(thread: int) -> None:
                for number in range(50):
                    if thread:
                        one.copy_node(other.get_node("/there"), "/", f"there{number}")
                    else:
                        other.copy_node(one.get_node("/here"), "/", f"here{number}")

            in_threads(copy, 2)
            assert len(one.root()) == len(other.root()) == 51


def check_rows(found: np.ndarray, threads: int, count: int) -> None:
    assert len(found) == threads * count
    for thread in range(threads):
        mine = found[found[:, 0] == thread]
        np.testing.assert_array_equal(mine[:, 1], np.arange(count))
        np.testing.assert_array_equal(mine[:, 2], thread * np.arange(count))


def program(code: str, *arguments: object, **kwargs: Any) -> subprocess.Popen[str]:
    """Start a program that records."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        **kwargs,
    )


def run(code: str, *arguments: object) -> tuple[int, str, str]:
    """Run a program to its end."""
    with program(code, *arguments) as process:
        try:
            out, err = process.communicate(timeout=TIME_LIMIT)
        finally:
            process.kill()  # one that hangs must not hang the tests
    return process.returncode, out, err


_RECORD = """
import sys
from h5backends import FlushPolicy, H5Backend
h5 = H5Backend(sys.argv[1], FlushPolicy(seconds=None))
h5.open_file(sys.argv[2], "w")
array = h5.create_earray("/", "array", "f8", chunks=(64,))
texts = h5.create_vlarray("/", "texts", "string")
for value in range(1000):
    array.append(float(value))
texts.append("last words")
"""


class TestTheEnd:
    @pytest.mark.parametrize(
        ("end", "code"),
        [
            ("", 0),
            ("del h5, array, texts", 0),
            ("h5 = array = texts = None; import gc; gc.collect()", 0),
            ("sys.exit(3)", 3),
            ("raise RuntimeError('on purpose')", 1),
            ("import threading; threading.Thread(target=lambda: sys.exit(0)).start()", 0),
            ("h5.close_file()", 0),
            ("h5.open_file(sys.argv[2] + '.2', 'w'); h5.create_carray('/', 'x', [1])", 0),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_program_that_ends_loses_nothing(
        self, local_place: Place, end: str, code: int
    ) -> None:
        returned, _, err = run(_RECORD + end, local_place.driver, local_place.location)
        assert returned == code, err
        assert "Error" not in err.replace("RuntimeError: on purpose", ""), err
        with local_place.open("r") as h5:
            np.testing.assert_array_equal(h5.read("/array"), np.arange(1000.0))
            assert h5.read("/texts") == ["last words"]

    def test_rows_that_come_when_no_thread_can_start_any_more(self, local_place: Place) -> None:
        """As from Python 3.12 on in functions that are called at exit."""
        code = _RECORD.replace("seconds=None", "seconds=0.01") + textwrap.dedent("""
        h5.close_file()
        import atexit, threading
        def record_late():
            def refuse(thread):
                raise RuntimeError("can't create new thread at interpreter shutdown")
            threading.Thread.start = refuse  # what Python itself does by then
            h5.open_file(sys.argv[2], "a")
            array = h5.get_node("/array")
            array.append(1000.0)
            array.append(1001.0)
            h5.close_file()
        atexit.register(record_late)
        """)
        returned, _, err = run(code, local_place.driver, local_place.location)
        assert (returned, err) == (0, "")
        with local_place.open("r") as h5:
            np.testing.assert_array_equal(h5.read("/array"), np.arange(1002.0))

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
    def test_a_signal_with_a_handler(self, local_place: Place, name: str) -> None:
        if not hasattr(signal, name) or sys.platform == "win32":
            pytest.skip("this system has no signals between processes")
        wait = """
        import signal
        def stop(number, frame): sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print("ready", flush=True)
        signal.pause()
        """
        code = _RECORD + textwrap.dedent(wait)
        with program(code, local_place.driver, local_place.location) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(getattr(signal, name))
            _, err = process.communicate(timeout=TIME_LIMIT)
        assert process.returncode == 0, err
        with local_place.open("r") as h5:
            np.testing.assert_array_equal(h5.read("/array"), np.arange(1000.0))

    @pytest.mark.parametrize("swmr", [False, True], ids=["plain", "swmr"])
    def test_a_killed_program_loses_what_came_after_the_flush(
        self, local_place: Place, swmr: bool
    ) -> None:
        if swmr and not H5Backend(local_place.driver).is_swmr_capable:
            pytest.skip(f"{local_place.driver} says it has no SWMR")
        code = """
        import sys
        from h5backends import FlushPolicy, H5Backend
        swmr = sys.argv[3] == "True"
        h5 = H5Backend(sys.argv[1], FlushPolicy(seconds=None))
        h5.open_file(sys.argv[2], "w", swmr_mode=swmr)
        array = h5.create_earray("/", "array", "f8", chunks=(64,))
        if swmr:
            h5.enable_swmr()
        for value in range(10**9):
            array.append(float(value))
            if value % 1000 == 999:
                h5.flush()
                print(value + 1, flush=True)
        """
        with program(code, local_place.driver, local_place.location, swmr) as process:
            assert process.stdout is not None
            for _ in range(5):
                flushed = int(process.stdout.readline())
            process.kill()
            process.wait(TIME_LIMIT)
            rest = process.stdout.read().split("\n")[:-1]
            flushed = int(rest[-1]) if rest else flushed
        path = local_place.location
        for mended in (False, True):
            if mended:
                assert check(path).exit_code in {0, 1}
                repair(path)
            file, _ = open_h5_file_for_reading(path)
            with file:
                rows = file["array"][:]
            assert len(rows) >= flushed
            np.testing.assert_array_equal(rows[:flushed], np.arange(float(flushed)))
        with local_place.open("a") as h5:
            array = h5.get_node("/array")
            assert isinstance(array, EARRAY)
            before = len(array)
            array.append(-1.0)
        with local_place.open("r") as h5:
            found = h5.read("/array")
        assert len(found) == before + 1
        np.testing.assert_array_equal(found[:flushed], np.arange(float(flushed)))
        assert found[-1] == -1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    @pytest.fixture(params=["return", "sys.exit", "exception", "os._exit", "multiprocessing"])
    def ending(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_a_child_cannot_touch_the_parents_file(self, local_place: Place, ending: str) -> None:
        code = """
        import multiprocessing, os, sys, traceback, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads about
        import numpy as np
        from h5backends import FlushPolicy, H5Backend
        from h5backends.errors import FileClosedError

        driver, path, ending = sys.argv[1:]
        h5 = H5Backend(driver, FlushPolicy(seconds=0.01))
        h5.open_file(path, "w")
        array = h5.create_earray("/", "array", "f8", chunks=(64,))
        fixed = h5.create_carray("/", "fixed", np.arange(3.0))
        array.append(np.arange(100.0))  # some of it still in memory

        def overwrite():
            fixed[0] = 7.0

        def child():
            for action in (lambda: array.append(-1.0), lambda: array[:], overwrite,
                           h5.root, h5.flush, lambda: array.shape, lambda: array.attrs["TITLE"],
                           lambda: h5.get_set_group("/", "child"), lambda: hash(array)):
                try:
                    action()
                except FileClosedError as exc:
                    assert "parent" in str(exc), exc
                else:
                    raise AssertionError("the child could use the file")
            assert not h5.isopen()
            h5.close_file()
            own = H5Backend(driver)
            own.open_file(path + ".child", "w")
            own.create_earray("/", "array", "f8").append(1.0)
            own.close_file()

        if ending == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join(20)
            code = process.exitcode
        else:
            pid = os.fork()
            if not pid:
                try:
                    child()
                except BaseException:
                    traceback.print_exc()
                    os._exit(9)
                if ending == "exception":
                    raise SystemExit("on purpose")
                if ending == "os._exit":
                    os._exit(1 if ending == "exception" else 0)
                sys.exit(0)  # runs the exit handlers of HDF5 and of this package
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == (1 if ending == "exception" else 0), code
        for value in range(100, 200):
            array.append(float(value))
        h5.close_file()
        print("done")
        """
        if ending == "return":
            code = code.replace("sys.exit(0)  # runs", "raise SystemExit  # runs")
        returned, out, err = run(code, local_place.driver, local_place.location, ending)
        assert returned == 0, err
        assert out.endswith("done\n"), err
        seen = look_with_h5py(local_place.location)
        np.testing.assert_array_equal(seen["/array"].values, np.arange(200.0))
        np.testing.assert_array_equal(seen["/fixed"].values, np.arange(3.0))
        assert set(seen) == {"/", "/array", "/fixed"}
        child = look_with_h5py(local_place.location + ".child")
        np.testing.assert_array_equal(child["/array"].values, [1.0])

    def test_forks_while_threads_record(self, local_place: Place) -> None:
        code = """
        import os, sys, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        import numpy as np
        from h5backends import FlushPolicy, H5Backend

        driver, path = sys.argv[1:]
        files = [H5Backend(driver, FlushPolicy(seconds=0.005)) for _ in range(2)]
        for number, h5 in enumerate(files):
            h5.open_file(f"{path}.{number}", "w")
            h5.create_earray("/", "array", "i8", chunks=(64,))
        stop = threading.Event()
        counts = [0, 0]

        def record(number):
            array = files[number].get_node("/array")
            while not stop.is_set():
                array.append(counts[number])
                counts[number] += 1

        threads = [threading.Thread(target=record, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        codes = []
        for _ in range(8):
            pid = os.fork()
            if not pid:
                sys.exit(0)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stop.set()
        # PyTables' HDF5 has no lock of its own that a fork could wait for: a child that ends by
        # running exit handlers may crash in them. It must not touch the parent's files either way.
        allowed = {0} if driver == "h5py" else {0, -11}
        assert set(codes) <= allowed, codes
        for thread in threads:
            thread.join(20)
        for h5 in files:
            h5.close_file()
        print(*counts)
        """
        returned, out, err = run(code, local_place.driver, local_place.location)
        assert returned == 0, err
        for number, count in enumerate(map(int, out.split())):
            assert count > 0
            seen = look_with_h5py(f"{local_place.location}.{number}")
            np.testing.assert_array_equal(seen["/array"].values, np.arange(count))

    def test_the_lock_is_free_again(self, local_place: Place) -> None:
        with local_place.open("w") as h5:
            array = h5.create_earray("/", "array", "f8")
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            in_threads(lambda thread: array.append(float(thread)), 4)
            assert len(array) == 4


class TestReadersBeside:
    def test_a_swmr_reader_sees_rows_soon(self, tmp_path: Path, observer: Observer) -> None:
        """Raw h5py in another program, with no policy given: within a moment."""
        path = tmp_path / "live.h5"
        with H5Backend("h5py") as h5:
            h5.open_file(path, "w", swmr_mode=True)
            array = h5.create_earray("/", "array", "f8")
            h5.enable_swmr()
            for count in range(1, 20):
                array.append(float(count))
                assert observer.wait_for(path, count) < 2.0
