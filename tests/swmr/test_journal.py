"""The journal beside a file that is recorded without SWMR."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FrameType
from typing import Any

import h5py
import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st

from h5backends import FlushPolicy, H5Backend, journal, open_h5_file_for_reading
from h5backends.drivers._journal.guard import GUARD, _Guard
from h5backends.drivers._journal.pieces import Pieces
from h5backends.errors import FileCrashedError, FileFormatError
from h5backends.heartbeat import WriterState
from h5backends.superblock import FileState, file_state
from h5backends.swmr import check, recovery, repair
from tests.conftest import LOCAL
from tests.swmr.writers import digest, until

ROWS = 100
NEVER = FlushPolicy(seconds=None)

TORN = """
import os, signal, sys
import numpy as np
from h5backends import FlushPolicy, H5Backend
from h5backends.drivers._journal import hooks

driver, path, writes = sys.argv[1], sys.argv[2], int(sys.argv[3])
h5 = H5Backend(driver, flush_policy=FlushPolicy(seconds=None))
h5.open_file(path, "w")
array = h5.create_earray("/", "a", "float64", (4,))
array.append(np.arange(400.0).reshape(100, 4))
h5.flush()
(own,) = hooks._libraries.values()
inside = own.own["write"]
left = writes

def write(file, kind, access, place, size, data):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return inside(file, kind, access, place, size, data)

own.own["write"] = write  # what goes into the file from the journal
array.append(np.arange(400.0, 800.0).reshape(100, 4))
h5.get_set_group("/", "group")
h5.flush()
print("not reached")
"""


def torn(path: Path, driver: str, writes: int = 2) -> Path:
    """Make a file whose writer was killed after so many of the writes that end a flush."""
    done = subprocess.run(
        [sys.executable, "-c", TORN, driver, str(path), str(writes)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return path


needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="kills itself by a signal")


def rows(h5: Any) -> np.ndarray:
    return np.asarray(h5["a"][:] if isinstance(h5, h5py.File) else h5.get_node("/a")[:])


def expected(count: int) -> np.ndarray:
    return np.arange(4.0 * count).reshape(count, 4)


# -- while recording --------------------------------------------------------------------------
@pytest.mark.parametrize("driver", LOCAL)
def test_it_is_there_while_recording_and_gone_afterwards(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "f.h5"
    with H5Backend(driver, flush_policy=NEVER) as h5:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "float64", (4,))
        for start in range(0, 300, 100):
            array.append(expected(start + 100)[start:])
            h5.flush()
        assert journal.sidecar(path).exists()
        assert journal.read_journal(path) is None, "between flushes it says nothing"
        np.testing.assert_array_equal(array[:], expected(300))
        (own,) = (
            each for each in _hooks() if any(tap._path == str(path) for tap in each.taps.values())
        )
    assert sorted(os.listdir(tmp_path)) == ["f.h5"]
    assert not any(tap._path == str(path) for tap in own.taps.values())
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(300))


def _hooks() -> list[Any]:
    from h5backends.drivers._journal import hooks

    return list(hooks._libraries.values())


def _tap(h5: H5Backend) -> Any:
    return next(tap for own in _hooks() for tap in own.taps.values() if tap._path == h5.filename)


@pytest.mark.parametrize("drivers", [("h5py",) * 3, ("tables",) * 3, ("h5py", "tables", "h5py")])
def test_every_file_that_is_open_has_one(tmp_path: Path, drivers: tuple[str, ...]) -> None:
    """Also those opened while others are, and after some of those were closed."""
    opened = []
    for number, driver in enumerate(drivers):
        h5 = H5Backend(driver, flush_policy=NEVER)
        h5.open_file(tmp_path / f"{number}.h5", "w")
        h5.create_earray("/", "a", "float64", (4,))
        opened.append(h5)
    again = H5Backend(drivers[0], flush_policy=NEVER)
    opened.pop(0).close_file()
    again.open_file(tmp_path / "0.h5", "a")
    opened.append(again)
    for h5 in opened:
        h5.get_node("/a").append(expected(50))
        h5.flush()
        h5.get_node("/a").append(expected(100)[50:])
        h5.flush()
    for h5 in opened:
        assert journal.sidecar(h5.filename).exists()
        path = h5.filename
        assert _tap(h5)._path == path
        h5.close_file()
        assert not journal.sidecar(path).exists()
        with h5py.File(path, "r") as file:
            np.testing.assert_array_equal(rows(file), expected(100))


def test_with_swmr_everything_is_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "w", swmr_mode=True)
        array = h5.create_earray("/", "a", "float64", (4,))
        h5.flush()
        h5.enable_swmr()
        array.append(expected(5))
        h5.flush()
        assert not _tap(h5).pieces
        assert journal.read_journal(path) is None
        with open_h5_file_for_reading(path)[0] as file:
            np.testing.assert_array_equal(rows(file), expected(5))
        h5.finalize_swmr(keep_open=True)
        h5.get_node("/a").append(expected(10)[5:])
        h5.get_set_group("/", "later")
        h5.flush()
        assert _tap(h5)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(10))


@pytest.mark.parametrize("driver", LOCAL)
def test_what_is_held_back_is_read(tmp_path: Path, driver: str) -> None:
    """Values overwritten in place show at once in this program, and in the file when flushed."""
    path = tmp_path / "f.h5"
    with H5Backend(driver, flush_policy=NEVER) as h5:
        h5.open_file(path, "w")
        array = h5.create_carray("/", "a", np.zeros((1000, 400)))
        h5.flush()
        before = digest(path)
        want = np.zeros((1000, 400))
        want[100:300] = np.arange(80_000).reshape(200, 400)
        array[100:300] = want[100:300]
        array[150] = want[150] = 9
        assert _tap(h5).pieces.nbytes >= 200 * 3200
        np.testing.assert_array_equal(array[:], want)
        assert digest(path) == before, "the last flush stands untouched"
        h5.flush()
        assert not _tap(h5).pieces
        assert digest(path) != before
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), want)


@pytest.mark.parametrize("driver", LOCAL)
def test_little_is_held_back(tmp_path: Path, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from h5backends.drivers._journal import tap as module

    monkeypatch.setattr(module, "_MOST_HELD", 100_000)
    with H5Backend(driver, flush_policy=NEVER) as h5:
        h5.open_file(tmp_path / "f.h5", "w")
        array = h5.create_carray("/", "a", np.zeros((1000, 40)))
        h5.flush()
        for start in range(0, 1000, 50):
            array[start : start + 50] = np.full((50, 40), start)
            assert _tap(h5).pieces.nbytes <= 100_000
        assert array[999, 0] == 950


@pytest.mark.parametrize("driver", LOCAL)
def test_a_second_writer_is_refused_and_the_journal_kept(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "f.h5"
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        h5.create_earray("/", "a", "float64", (4,)).append(expected(5))
        h5.flush()
        h5.get_set_group("/", "g")
        h5.flush()
        assert journal.sidecar(path).exists()
        code = (
            "import sys; from h5backends import H5Backend; from h5backends.errors import *\n"
            "for mode in ('a', 'w', 'r'):\n"
            "    try: H5Backend(sys.argv[2]).open_file(sys.argv[1], mode)\n"
            "    except FileBusyError: print('busy')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), driver],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == ["busy"] * 3, done.stderr
        assert journal.sidecar(path).exists()


@pytest.mark.parametrize("driver", LOCAL)
def test_other_files_of_the_library_are_left_alone(tmp_path: Path, driver: str) -> None:
    with H5Backend(driver) as h5:
        h5.open_file(tmp_path / "f.h5", "w")
        array = h5.create_earray("/", "a", "float64", (4,))
        if driver == "h5py":
            with h5py.File(tmp_path / "other.h5", "w") as other:
                other["x"] = np.arange(1000)
                other.flush()
                other["y"] = np.arange(1000)
        else:
            with tables.open_file(tmp_path / "other.h5", "w") as other:
                other.create_array("/", "x", np.arange(1000))
                other.flush()
                other.create_array("/", "y", np.arange(1000))
        array.append(expected(5))
    assert sorted(os.listdir(tmp_path)) == ["f.h5", "other.h5"]
    with h5py.File(tmp_path / "other.h5", "r") as other:
        np.testing.assert_array_equal(other["y"][:], np.arange(1000))


def test_it_steps_aside_for_what_is_measured_without_it(tmp_path: Path) -> None:
    from h5backends.drivers._journal.hooks import aside

    path = tmp_path / "f.h5"
    with H5Backend("h5py", NEVER) as h5, h5py.File(tmp_path / "other.h5", "w") as other:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "float64", (4,))
        array.append(expected(100))
        h5.flush()
        before = path.read_bytes()
        asked = _tap(h5)._hooks.taps = Asked(_tap(h5)._hooks.taps)
        with h5.session.lock, aside():
            other["x"] = np.arange(1000)
            other.flush()
        assert not asked.times
        array.append(expected(300)[100:])
        other["y"] = np.arange(1000)
        assert asked.times
        assert path.read_bytes()[: len(before)] == before
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(300))


class Asked(dict[int, Any]):
    """A dictionary that counts how often it is asked."""

    times = 0

    def get(self, *key: Any) -> Any:
        self.times += 1
        return super().get(*key)


@pytest.mark.parametrize("driver", LOCAL)
def test_a_folder_that_takes_no_journal(
    tmp_path: Path, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Recording goes on, with a warning: what is written must not depend on it."""
    path = tmp_path / "f.h5"
    journal.sidecar(path).mkdir()  # nothing can be written under that name
    with H5Backend(driver, flush_policy=NEVER) as h5, caplog.at_level(logging.WARNING):
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "float64", (4,))
        for start in range(0, 300, 100):
            array.append(expected(start + 100)[start:])
            h5.get_set_group("/", f"g{start}")
            h5.flush()
    assert sum("no journal can be written" in text for text in caplog.messages) == 1
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(300))


# -- after a kill inside a flush --------------------------------------------------------------
@needs_kill
@pytest.mark.parametrize("writes", [0, 1, 3])
@pytest.mark.parametrize("driver", LOCAL)
def test_a_flush_cut_short_is_completed(tmp_path: Path, driver: str, writes: int) -> None:
    path = torn(tmp_path / "f.h5", driver, writes)
    before = digest(path)
    assert journal.read_journal(path) is not None
    assert file_state(path) is FileState.WRITING
    for mode in ("r+", "a"):
        with pytest.raises(FileCrashedError, match="repair"):
            H5Backend(driver).open_file(path, mode)

    # Reading shows the completed flush and touches nothing.
    with open_h5_file_for_reading(path)[0] as file:
        np.testing.assert_array_equal(rows(file), expected(200))
        assert "group" in file
    report = check(path)
    assert report.writer is WriterState.CRASHED
    assert report.exit_code == 1
    assert "from the journal" in str(report)
    assert repair(path, dry_run=True) == report
    assert digest(path) == before
    assert journal.read_journal(path) is not None

    assert repair(path).exit_code == 0
    assert file_state(path) is FileState.CLOSED
    assert not [name for name in os.listdir(tmp_path) if "journal" in name]
    with H5Backend(driver) as h5:
        h5.open_file(path, "a")
        np.testing.assert_array_equal(rows(h5), expected(200))
        h5.get_node("/a").append(expected(300)[200:])
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(300))
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        np.testing.assert_array_equal(rows(h5), expected(300))


@needs_kill
@pytest.mark.parametrize("driver", LOCAL)
def test_moved_and_copied_with_its_journal(tmp_path: Path, driver: str) -> None:
    path = torn(tmp_path / "f.h5", driver)
    copy = tmp_path / "copy" / "f.h5"
    copy.parent.mkdir()
    shutil.copy(journal.sidecar(path), journal.sidecar(copy))
    shutil.copy(path, copy)
    os.utime(copy, (2e9, 2e9))  # the copying of a large file takes its time
    moved = tmp_path / "moved.h5"
    path.rename(moved)
    journal.sidecar(path).rename(journal.sidecar(moved))
    for place in (copy, moved):
        assert repair(place).exit_code == 0
        with h5py.File(place, "r") as file:
            np.testing.assert_array_equal(rows(file), expected(200))


@needs_kill
@pytest.mark.parametrize("driver", LOCAL)
def test_a_journal_of_another_file(tmp_path: Path, driver: str) -> None:
    """The file was replaced by another of its name: the journal must not touch that one."""
    path = torn(tmp_path / "f.h5", driver)
    new = tmp_path / "new.h5"
    with h5py.File(new, "w") as file:
        file["a"] = np.full((1000, 4), 7.0)
    new.replace(path)
    before = digest(path)
    assert journal.read_journal(path) is None
    assert file_state(path) is FileState.CLOSED
    assert repair(path).exit_code == 0
    assert digest(path) == before
    with H5Backend("h5py") as h5:
        h5.open_file(path, "a")
        h5.get_set_group("/", "more")
    assert not journal.sidecar(path).exists()
    with h5py.File(path, "r") as file:
        assert (file["a"][:] == 7).all()


@needs_kill
def test_a_file_that_another_program_changed_since(tmp_path: Path) -> None:
    path = torn(tmp_path / "f.h5", "tables", writes=0)
    assert journal.read_journal(path) is not None
    late = os.stat(journal.sidecar(path)).st_mtime + 3600
    os.utime(path, (late, late))
    assert journal.read_journal(path) is None


@needs_kill
@pytest.mark.parametrize("driver", LOCAL)
def test_replaced_by_a_new_file(tmp_path: Path, driver: str) -> None:
    path = torn(tmp_path / "f.h5", driver)
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        assert not journal.sidecar(path).exists()
        h5.create_earray("/", "a", "float64", (4,)).append(expected(7))
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(7))


@needs_kill
def test_everything_is_put_back_if_it_did_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = torn(tmp_path / "f.h5", "h5py")
    before, note = path.read_bytes(), journal.sidecar(path).read_bytes()
    write = recovery._write_header

    def spoil(path: Path, block: Any) -> None:
        write(path, block)
        with open(path, "r+b") as file:
            file.seek(40)
            file.write(b"\xff\xff")

    monkeypatch.setattr(recovery, "_write_header", spoil)
    with pytest.raises(FileFormatError, match="put back"):
        repair(path)
    assert path.read_bytes() == before
    assert journal.sidecar(path).read_bytes() == note
    monkeypatch.undo()
    assert repair(path).exit_code == 0
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(200))


@needs_kill
def test_repair_that_is_cut_short_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = torn(tmp_path / "f.h5", "tables", writes=1)
    real = journal._write_into

    def half(path: Path, pieces: Any) -> None:
        real(path, list(pieces)[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write_into", half)
    with pytest.raises(Exception, match="No space"):
        repair(path)
    monkeypatch.undo()
    late = os.stat(path).st_mtime
    os.utime(path, (late + 5, late + 5))
    assert repair(path).exit_code == 0
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(200))


@needs_kill
def test_a_journal_that_is_damaged_or_cut(tmp_path: Path) -> None:
    """Whatever stands there, only a whole one counts."""
    path = torn(tmp_path / "f.h5", "h5py", writes=0)
    note = journal.sidecar(path)
    whole = note.read_bytes()
    (count,) = np.frombuffer(whole[8:12], "<u4")
    assert count > 1
    length = journal._START + int(np.frombuffer(whole[12:20], "<u8")[0])
    for cut in [*range(journal._START + 40), length // 2, length - 1]:
        note.write_bytes(whole[:cut])
        assert journal.read_journal(path) is None
    for place in range(0, length, 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        note.write_bytes(flipped)
        assert journal.read_journal(path) is None
    note.write_bytes(os.urandom(5000))
    assert journal.read_journal(path) is None
    note.write_bytes(whole)
    assert journal.read_journal(path) is not None


# -- interrupts, threads, forks ---------------------------------------------------------------
INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from h5backends import FlushPolicy, H5Backend

driver, path, native = sys.argv[1], sys.argv[2], sys.argv[3] == "native"
h5 = H5Backend(driver, flush_policy=FlushPolicy(seconds=0.002))
h5.open_file(path, "w")
array = h5.create_earray("/", "a", "float64", (4,))
other = native and h5.h5file.create_dataset("n", (0,), "f8", maxshape=(None,), chunks=(8,))
h5.flush()
ready = over = False  # no Event: an interrupt within its set() would leave its lock taken
inside = False  # one that comes late must not meet what is around the test

def handle(number, frame):
    global inside
    if inside:
        inside = False
        raise KeyboardInterrupt

def interrupt():
    global ready
    while not over:
        time.sleep(0.003)
        if ready:  # one for each round: the next must not meet the handling of this one
            ready = False
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, handle)
thread = threading.Thread(target=interrupt, daemon=True)
done = noticed = 0
rows = np.arange(4000.0).reshape(1000, 4)
end = time.monotonic() + 60
thread.start()
while noticed < 100 and time.monotonic() < end:
    try:
        while time.monotonic() < end:
            inside = ready = True  # each time: Python drops one that comes within a weak reference
            array.append(rows)
            h5.flush()
            if native:
                other.resize((len(other) + 5,))
                other[-5:] = 1.0
                h5.h5file.flush()
        inside = False
    except KeyboardInterrupt:
        noticed += 1
ready = False
over = True
thread.join()
count = len(array)
h5.close_file()
print(count, noticed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself signals")
@pytest.mark.parametrize(
    ("driver", "how"), [("h5py", "ours"), ("h5py", "native"), ("tables", "ours")]
)
def test_interrupts_lose_nothing(tmp_path: Path, driver: str, how: str) -> None:
    path = tmp_path / "f.h5"
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, driver, str(path), how],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ctypes callback" not in done.stderr
    count, noticed = map(int, done.stdout.split())
    assert noticed > 10
    assert count > 0
    with h5py.File(path, "r") as file:
        found = file["a"][:]
        assert len(found) == count
        assert set(np.unique(found[:, 0] % 4)) == {0.0}, "every row is whole"
        if how == "native":
            assert set(np.unique(file["n"][:])) <= {0.0, 1.0}


def test_the_guard_gives_back_what_it_took() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert gc.isenabled()
    GUARD.enter()
    GUARD.enter()
    assert not gc.isenabled()
    signal.raise_signal(signal.SIGINT)
    GUARD.leave()

    def leave() -> None:
        GUARD.leave()
        until(lambda: False, 5)

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert gc.isenabled()
    assert signal.getsignal(signal.SIGINT) is before


FORKED = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    from h5backends import FlushPolicy, H5Backend
    driver, path = sys.argv[1:]
    h5 = H5Backend(driver, flush_policy=FlushPolicy(seconds=None))
    h5.open_file(path, "w")
    array = h5.create_earray("/", "a", "float64", (4,))
    array.append(np.arange(40.0).reshape(10, 4))
    h5.flush()
    array.append(np.arange(40.0, 80).reshape(10, 4))
    array[:]
    pid = os.fork()
    if not pid:
        sys.exit(0)  # an ordinary end, with everything that libraries do at exit
    os.waitpid(pid, 0)
    h5.flush()
    h5.close_file()
    """
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("driver", LOCAL)
def test_a_forked_child_leaves_file_and_journal_alone(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "f.h5"
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, driver, str(path)], check=True)
    assert os.listdir(tmp_path) == ["f.h5"]
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(rows(file), expected(20))


# -- the parts --------------------------------------------------------------------------------
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 20), st.booleans()), min_size=1, max_size=40
    )
)
def test_pieces_lie_over_a_file_as_writes_would(steps: list[tuple[int, int, bool]]) -> None:
    import ctypes

    pieces = Pieces()
    file, want = bytes(range(100, 200)), bytearray(range(100, 200))
    for number, (start, size, put) in enumerate(steps):
        stop = min(start + size, len(file))
        if put:
            data = bytes([number]) * (stop - start)
            pieces.put(start, data)
            want[start:stop] = data
        else:
            pieces.cut(start, stop)
            want[start:stop] = file[start:stop]
        held = list(pieces)
        assert pieces.nbytes == sum(len(data) for _, data in held)
        for (one, data), (two, _) in itertools.pairwise(held):
            assert one + len(data) <= two
    room = ctypes.create_string_buffer(file, len(file))
    pieces.lay_over(0, len(file), ctypes.addressof(room))
    assert room.raw == want
    view = bytearray(file[30:70])
    journal.lay_over(memoryview(view), 30, list(pieces))
    assert view == want[30:70]


def test_handlers_around_handlers() -> None:
    """Each scan puts a handler around the one it finds, and the guard its own around that."""
    guard = _Guard()
    before = signal.getsignal(signal.SIGINT)
    came: list[str] = []

    def put_around(name: str) -> None:
        inner = signal.getsignal(signal.SIGINT)
        assert callable(inner)

        def handle(number: int, frame: FrameType | None) -> None:
            came.append(name)
            inner(number, frame)

        signal.signal(signal.SIGINT, handle)

    try:
        signal.signal(signal.SIGINT, lambda *_: came.append("first"))
        for number in range(100):
            guard.watch()
            put_around(str(number))
        guard.watch()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert came[0] == "99"
    assert came.count("first") == 1


def depth_of_handlers() -> int:
    """Count how many handlers Ctrl-C passes through."""
    depth, handler = 0, signal.getsignal(signal.SIGINT)
    while handler is not None:
        depth, handler = depth + 1, getattr(handler, "__wrapped__", None)
    return depth


@pytest.mark.parametrize("driver", LOCAL)
def test_the_program_gets_its_handlers_back(tmp_path: Path, driver: str) -> None:
    """One is put around a handler while a file is recorded, whoever changes it meanwhile."""
    came = []
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, lambda *_: came.append("one"))
        depth = depth_of_handlers()
        with H5Backend(driver) as h5:
            h5.open_file(tmp_path / "f.h5", "w")
            array = h5.create_earray("/", "a", "float64", (4,))
            for number in range(20):
                array.append(np.zeros(4))
                h5.flush()
                assert depth_of_handlers() <= depth + 1
                signal.raise_signal(signal.SIGINT)
                assert came == [str(number - 1) if number else "one"]
                came.clear()
                signal.signal(signal.SIGINT, lambda *_, number=number: came.append(str(number)))
            last = signal.getsignal(signal.SIGINT)
        # The guard's stays where another file is open in this process.
        now: Any = signal.getsignal(signal.SIGINT)
        others = GUARD.users > 0
        assert (now.__wrapped__ if others else now) is last
        signal.raise_signal(signal.SIGINT)
        assert came == ["19"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_natively_closed_too(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    h5 = H5Backend("h5py")
    h5.open_file(tmp_path / "f.h5", "w")
    h5.h5file.close()
    assert signal.getsignal(signal.SIGINT) is before
