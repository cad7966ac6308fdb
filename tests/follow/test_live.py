"""A real writer in another process, and everything that can happen between it and a reader."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.errors import FollowError, H5Error, NodeNotFoundError
from h5backends.follow import DataSource, EndState, KeyFollower
from h5backends.swmr import repair
from tests.conftest import Place
from tests.follow.child_writer import frame
from tests.follow.scans import ROOT, TIME_LIMIT, Writer, in_thread

NAMES = ("/frames", "/keys")
FULL = os.environ.get("H5BACKENDS_CRASH", "quick") == "full"
NAP = 60.0 if FULL else 0.8


def source_of(file: Any, timeout: float | None = TIME_LIMIT, **options: Any) -> DataSource:
    return DataSource(["/keys"], ["/frames"], timeout, file=file, **options)


def check(items: Any, start: int = 0) -> int:
    """Check frames (or blocks) one after the other; return the index behind the last."""
    for item in items:
        assert item.index == start
        for one in item["/frames"]:
            np.testing.assert_array_equal(one, frame(start))
            start += 1
    return start


def test_frames_as_they_come(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer, source_of(tmp_path / "a.h5") as source:
        for done in (1, 3, 40):
            writer.tell(f"points {done}")
            for _ in range(done):
                start = source.kf.current_key + 1
                check([next(source)], start)
        writer.tell("points 10")
        assert writer.close() == 54
        assert check(source, 44) == 54
        assert source.end is EndState.FINISHED
        assert source.is_scan_finished()
        assert not source.has_timed_out()


@pytest.mark.parametrize("how", ["facade", "h5py", "pairs"])
def test_open_files_of_any_kind(how: str, tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer:
        writer.tell("points 5")
        if how == "h5py":
            file: Any = h5py.File(tmp_path / "a.h5", "r", swmr=True, locking=False)
        else:
            file = H5Backend("h5py")
            file.open_file(tmp_path / "a.h5", "r", swmr_mode=True)
        if how == "pairs":
            source = DataSource([(file, "/keys")], {"/frames": (file, "/frames")}, TIME_LIMIT)
        else:
            source = source_of(file)
        assert check([next(source) for _ in range(5)]) == 5
        writer.tell("points 2")
        writer.close()
        assert check(source, 5) == 7
        file.close() if how == "h5py" else file.close_file()


def test_finished_flag_ends_it_while_the_writer_goes_on(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer:
        with source_of(tmp_path / "a.h5", None, finished_dataset="/finished") as source:
            writer.tell("points 3")
            writer.tell("flag")
            assert check(source) == 3
            assert source.end is EndState.FINISHED
        assert writer.process.poll() is None


def test_silence_times_out_and_can_be_gone_on_after(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer, source_of(tmp_path / "a.h5", 0.2) as source:
        writer.tell("points 3")
        assert check(source) == 3
        assert source.end is EndState.TIMED_OUT
        writer.tell("points 2")
        assert check(source, 3) == 5


def test_a_crash_is_told_and_costs_nothing_that_was_flushed(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer, source_of(tmp_path / "a.h5", None) as source:
        writer.tell("points 20")
        assert check([next(source)]) == 1
        writer.kill()
        assert check(source, 1) == 20
        assert source.end is EndState.WRITER_CRASHED
    with source_of(tmp_path / "a.h5", None) as later:
        assert check(later) == 20
        assert later.end is EndState.WRITER_CRASHED


def test_a_writer_that_restarts_after_a_crash(tmp_path: Path) -> None:
    with source_of(tmp_path / "a.h5", TIME_LIMIT) as source:
        with Writer(tmp_path / "a.h5") as writer:
            writer.tell("points 5")
            assert check([next(source) for _ in range(5)]) == 5
            writer.kill()
        assert check(source, 5) == 5
        assert source.end is EndState.WRITER_CRASHED
        repair(tmp_path / "a.h5")
        with Writer(tmp_path / "a.h5", "a") as writer:
            writer.tell("points 4")
            writer.close()
        assert check(source, 5) == 9
        assert source.end is EndState.FINISHED


def test_a_writer_that_restarts_after_closing(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer:
        source = source_of(tmp_path / "a.h5")
        writer.tell("points 5")
        writer.close()
    assert check(source) == 5
    assert source.end is EndState.FINISHED
    with Writer(tmp_path / "a.h5", "a") as writer:
        writer.tell("points 3")
        assert check([next(source) for _ in range(3)], 5) == 8
        writer.close()
    source.close()


def test_resume_in_another_reader(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer:
        writer.tell("points 10")
        with source_of(tmp_path / "a.h5") as first:
            check([next(first) for _ in range(6)])
            seen = first.kf.current_key
        with source_of(tmp_path / "a.h5", resume_from=seen + 1) as second:
            writer.tell("points 2")
            writer.close()
            assert check(second, 6) == 12


def test_a_reader_before_the_file(tmp_path: Path) -> None:
    thread, found = in_thread(lambda: list(source_of(tmp_path / "a.h5").batches(100)))
    with Writer(tmp_path / "a.h5") as writer:
        writer.tell("points 30")
        writer.close()
    thread.join(TIME_LIMIT)
    assert not isinstance(found[0], Exception), found
    assert check(found[0]) == 30


def test_a_file_that_never_comes(tmp_path: Path) -> None:
    source = source_of(tmp_path / "a.h5", 0.1)
    assert list(source) == []
    assert source.end is EndState.TIMED_OUT
    assert list(source_of(tmp_path / "a.h5", 0)) == []


def test_a_file_that_is_replaced(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5") as writer, source_of(tmp_path / "a.h5", None) as source:
        writer.tell("points 3")
        assert check([next(source) for _ in range(3)]) == 3
        if sys.platform == "win32":
            pytest.skip("an open file cannot be replaced on Windows")
        shutil.copy(tmp_path / "a.h5", tmp_path / "b.h5")
        os.replace(tmp_path / "b.h5", tmp_path / "a.h5")
        with pytest.raises(FollowError, match="replaced"):
            next(source)


def test_a_reader_that_was_asleep(tmp_path: Path) -> None:
    """Stopped by the system in the middle of waiting, longer than its timeout."""
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("the system cannot stop a process")
    reader = (
        "import sys\n"
        "from h5backends.follow import DataSource\n"
        "source = DataSource(['/keys'], ['/frames'], 0.5, file=sys.argv[1])\n"
        "for item in source: print(item.index, int(item['/frames'].max()), flush=True)\n"
        "print(source.end.value, flush=True)\n"
    )
    with Writer(tmp_path / "a.h5") as writer:
        writer.tell("points 1")
        with subprocess.Popen(
            [sys.executable, "-c", reader, str(tmp_path / "a.h5")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().split() == ["0", "0"]
            process.send_signal(signal.SIGSTOP)
            asleep = time.monotonic()
            while time.monotonic() - asleep < NAP:  # the time itself is what is tested
                writer.tell("points 20")
            process.send_signal(signal.SIGCONT)
            count = writer.close()
            lines = process.stdout.read().split("\n")
        assert [line.split() for line in lines[: count - 1]] == [
            [str(n), str(n)] for n in range(1, count)
        ]
        assert lines[count - 1] == "finished"


def test_async_reader_beside_a_writer(tmp_path: Path) -> None:
    async def read() -> int:
        seen = 0
        async for item in source:
            seen = check([item], seen)
        return seen

    with Writer(tmp_path / "a.h5") as writer:
        source = source_of(tmp_path / "a.h5")
        writer.tell("cadence 50 0.002")

        async def main() -> int:
            task = asyncio.create_task(read())
            while source.kf.current_key < 10:
                await asyncio.sleep(0.001)
            await asyncio.to_thread(writer.hear)
            await asyncio.to_thread(writer.close)
            return await task

        assert asyncio.run(asyncio.wait_for(main(), TIME_LIMIT)) == 50
        source.close()


def _read_all(path: Path, blocks: bool) -> int:
    with source_of(path) as source:
        count = check(source.batches(500) if blocks else source)
        assert source.end is EndState.FINISHED, source.end
        return count


@pytest.mark.timeout(60 * TIME_LIMIT)
def test_one_fast_writer_and_eight_readers(tmp_path: Path) -> None:
    """No torn row, none out of order, none missing; for five minutes in a full run."""
    seconds = float(os.environ.get("H5BACKENDS_FOLLOW_SECONDS", "300" if FULL else "1"))
    context = multiprocessing.get_context("spawn")
    with Writer(tmp_path / "a.h5") as writer, ProcessPoolExecutor(8, context) as pool:
        readers = [
            pool.submit(_read_all, tmp_path / "a.h5", number % 2 == 0) for number in range(8)
        ]
        writer.tell(f"run {seconds}")
        writer.hear(seconds + TIME_LIMIT)
        count = writer.close()
        print(f"\n  {count:,} rows in {seconds:.0f} s, read by 8 readers")
        assert count > 100
        limit = seconds * 10 + TIME_LIMIT
        assert [reader.result(limit) for reader in readers] == [count] * 8


def test_remote(make_place: Any) -> None:
    place: Place = make_place("h5pyd")
    with (
        Writer(place.location, "w", "h5pyd", **place.options) as writer,
        source_of(
            place.location, backend="h5pyd", finished_dataset="/finished", **place.options
        ) as source,
    ):
        writer.tell("points 5")
        assert check([next(source) for _ in range(5)]) == 5
        writer.tell("run 1")
        writer.hear()
        writer.tell("flag")
        count = writer.close()
        assert check(source.batches(200), 5) == count
        assert source.end is EndState.FINISHED


def test_remote_nothing_comes(make_place: Any) -> None:
    place: Place = make_place("h5pyd")
    with Writer(place.location, "w", "h5pyd", **place.options) as writer:
        writer.tell("points 2")
        follower = KeyFollower(
            ["/keys"], 0.2, file=place.location, backend="h5pyd", **place.options
        )
        assert list(follower) == [0, 1]
        assert follower.end is EndState.TIMED_OUT
        follower.close()


def test_arrays_that_disappear(place: Place) -> None:
    """What is open stays readable as long as the storage keeps it; then it is an error."""
    with place.open("w") as h5:
        keys = h5.create_earray("/", "keys", "int64")
        keys.append(1)
        h5.flush()
        follower = KeyFollower([keys], 0.3)
        assert next(follower) == 0
        h5.remove_node("/keys")
        try:
            assert list(follower) == []
        except H5Error as exc:
            assert exc.what
        else:
            assert follower.end is EndState.TIMED_OUT
        with pytest.raises(NodeNotFoundError):
            KeyFollower(["/keys"], 0, file=h5).check_datasets()
