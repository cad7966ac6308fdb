"""Recording: what is in the file, and how a recording ends."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import tables

from h5backends import H5Backend
from h5backends.heartbeat import WriterState, writer_state
from h5backends.superblock import FileState, file_state
from tests.cli.conftest import GROUP, due, lengths, live_length, posix, saved


@pytest.mark.parametrize("swmr", [True, False])
def test_streams_as_h5py_sees_them(run: Any, tmp_path: Path, swmr: bool) -> None:
    path = tmp_path / "run.h5"
    result = run("record", path, "--rate", 50, "--seconds", 0.4, *([] if swmr else ["--no-swmr"]))
    assert (result.code, due(result.out)) == (0, 20), result
    count = saved(result.out)
    assert file_state(path) is FileState.CLOSED
    with h5py.File(path, "r") as file:
        group = file[GROUP]
        moments = group["time"][:]
        assert moments.shape == (count,)
        assert moments.dtype == np.float64
        assert np.all(np.diff(moments) > 0)
        assert group["time"].attrs["units"] == "s"
        load = group["cpu_percent"]
        assert load.shape == (count, psutil.cpu_count())
        assert np.all((load[:] >= 0) & (load[:] <= 100.1 * psutil.cpu_count()))
        assert load.attrs["units"] == "percent"
        assert list(load.attrs["labels"]) == [f"cpu{n}" for n in range(psutil.cpu_count())]
        assert group["memory"].shape == (count, 2)
        total = psutil.virtual_memory().total
        assert np.all((group["memory"][:] > 0) & (group["memory"][:] <= total))
        assert np.all(np.diff(group["network"][:], axis=0) >= 0)
        # What other viewers look for, and what PyMoDAQ does.
        assert (group.attrs["NX_class"], group.attrs["signal"]) == ("NXdata", "cpu_percent")
        assert list(group.attrs["axes"]) == ["time", "."]
        assert load.attrs["CLASS"] == "EARRAY"
        assert file.attrs["writer_done"] == 1


def test_streams_as_pytables_sees_them(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    result = run("record", path, "--backend", "tables", "--rate", 50, "--seconds", 0.2)
    assert (result.code, due(result.out)) == (0, 10), result
    count = saved(result.out)
    with tables.open_file(str(path)) as file:
        assert file.get_node(GROUP, "time").shape == (count,)
        load = file.get_node(GROUP, "cpu_percent")
        assert isinstance(load, tables.EArray)
        assert load.shape == (count, psutil.cpu_count())
        assert load.attrs["units"] == "percent"


def test_log_tells_begin_and_end(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    result = run("record", path, "--rate", 20, "--seconds", 0.2)
    with H5Backend("h5py") as h5:
        h5.open_file(path)
        first, last = h5.get_node("/RawData/Logger").read()
    assert first.endswith("recording at 20 Hz")
    assert last.endswith(f" {saved(result.out)} points recorded")


def test_name_without_suffix(run: Any, tmp_path: Path) -> None:
    assert run("record", tmp_path / "run", "--rate", 50, "--seconds", 0.1).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]
    for command in ("tree", "follow"):
        assert run(command, tmp_path / "run").code == 0


def test_existing_file_is_refused_and_replaced_only_when_asked(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(b"years of work")
    result = run("record", path, "--seconds", 0.1)
    assert result.code == 1
    assert "exists already" in result.err
    assert "--overwrite" in result.err
    assert path.read_bytes() == b"years of work"
    result = run("record", path, "--rate", 50, "--seconds", 0.1, "--overwrite")
    assert result.code == 0
    assert lengths(path)["time"] == saved(result.out)


def test_file_in_use_is_not_replaced(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["precious"] = 1
        file.flush()
        result = run("record", path, "--overwrite", "--seconds", 0.1)
        assert result.code == 6
        assert "is open in" in result.err
    with h5py.File(path) as file:
        assert file["precious"][()] == 1


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_close_the_file(start: Any, tmp_path: Path, name: str) -> None:
    path, number = tmp_path / "run.h5", getattr(signal, name)
    recorder = start("record", path, "--rate", 100)
    recorder.until(lambda: live_length(path) > 10, "some points")
    recorder.signal(number)
    assert recorder.finish() == 128 + number
    assert "Traceback" not in recorder.errors
    assert file_state(path) is FileState.CLOSED
    points = saved(recorder.lines[-1])
    assert points > 10
    assert set(lengths(path).values()) == {points}
    with h5py.File(path) as file:
        assert file.attrs["writer_done"] == 1


@posix
@pytest.mark.parametrize("options", [["--backend", "tables"], ["--no-swmr"]])
def test_signals_close_a_file_without_swmr(start: Any, tmp_path: Path, options: Any) -> None:
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100, *options)
    recorder.until(lambda: path.exists() and path.stat().st_size > 100_000, "the first flush")
    recorder.signal(signal.SIGTERM)
    assert recorder.finish() == 128 + signal.SIGTERM
    assert file_state(path) is FileState.CLOSED
    assert set(lengths(path).values()) == {saved(recorder.lines[-1])}


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has SIGBREAK")
def test_break_closes_the_file(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100)
    recorder.until(lambda: live_length(path) > 10, "some points")
    recorder.signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined]
    assert recorder.finish() == 128 + signal.SIGBREAK  # type: ignore[attr-defined]
    assert file_state(path) is FileState.CLOSED
    assert set(lengths(path).values()) == {saved(recorder.lines[-1])}


@posix
def test_kill_costs_nothing_that_was_flushed(start: Any, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100)
    follower = start("follow", path, "--json", "--all")
    seen = [follower.next_row() for _ in range(30)]
    recorder.signal(signal.SIGKILL)
    recorder.finish()
    seen += follower.rows()
    assert follower.finish() == 3
    assert "crashed" in follower.errors
    assert writer_state(path) is WriterState.CRASHED
    # Afterwards it can be read as it is, every row that anybody saw included.
    again = run("follow", path, "--json", "--all")
    assert again.code == 3
    rows = [json.loads(line) for line in again.out.splitlines()]
    assert rows[: len(seen)] == seen
    assert "crashed" in again.err
    assert run("tree", path).code == 0


@posix
@pytest.mark.parametrize("options", [["--backend", "tables"], ["--no-swmr"]])
def test_kill_without_swmr(start: Any, run: Any, tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100, *options)
    changed: list[float] = []

    def flushed_again() -> bool:
        # The file grows while it is first flushed; that is over when the next flush changes it.
        if path.exists() and path.stat().st_size > 100_000:
            changed.append(path.stat().st_mtime)
        return bool(changed) and changed[-1] > changed[0] + 0.5

    recorder.until(flushed_again, "the second flush")
    recorder.signal(signal.SIGKILL)
    recorder.finish()
    before = path.read_bytes()
    result = run("follow", path, "--json", "--all")
    assert result.code == 3, result
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["row"] for row in rows] == list(range(len(rows)))
    assert rows, "the rows of the first flush"
    assert all(None not in row.values() for row in rows), "whole points"
    assert "crashed" in result.err
    assert run("tree", path).code == 0
    assert path.read_bytes() == before, "reading changes nothing"


@posix
def test_points_are_kept_while_the_disk_is_full(start: Any, tmp_path: Path) -> None:
    if not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system cannot limit the size of another process's files")
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100)
    recorder.until(lambda: live_length(path) > 10, "some points")
    process, free = psutil.Process(recorder.process.pid), (psutil.RLIM_INFINITY,) * 2
    process.rlimit(psutil.RLIMIT_FSIZE, (4096, psutil.RLIM_INFINITY))
    recorder.until(lambda: "trying again" in recorder.errors, "a warning")
    process.rlimit(psutil.RLIMIT_FSIZE, free)
    recorder.until(lambda: "takes data again" in recorder.errors, "the all-clear")
    recorder.signal(signal.SIGINT)
    assert recorder.finish() == 130
    points = saved(recorder.lines[-1])
    assert set(lengths(path).values()) == {points}
    with h5py.File(path) as file:
        moments = file[f"{GROUP}/time"][:]
    assert np.diff(moments).max() < 0.4, "shorter than the time between two tries"
    with H5Backend("h5py") as h5:
        h5.open_file(path)
        log = h5.get_node("/RawData/Logger").read()
    assert any("had taken no data" in line for line in log)


@posix
def test_gives_up_on_the_third_signal(start: Any, tmp_path: Path) -> None:
    if not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system cannot limit the size of another process's files")
    path = tmp_path / "run.h5"
    recorder = start("record", path, "--rate", 100)
    recorder.until(lambda: live_length(path) > 10, "some points")
    psutil.Process(recorder.process.pid).rlimit(psutil.RLIMIT_FSIZE, (4096, psutil.RLIM_INFINITY))
    recorder.until(lambda: "trying again" in recorder.errors, "a warning")
    recorder.signal(signal.SIGINT)
    recorder.until(lambda: "Stopping" in recorder.errors, "word of the waiting points")
    recorder.signal(signal.SIGINT)
    recorder.until(lambda: "once more gives up" in recorder.errors, "the offer to give up")
    recorder.signal(signal.SIGINT)
    assert recorder.finish() == 130
    assert "Traceback" not in recorder.errors
    safe = int(re.search(r"Safe are (\d+) points?", recorder.errors)[1])
    assert live_length(path) >= safe > 10
