"""Following: live, from a second process; finished files; every way it can end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend
from tests.cli.conftest import GROUP, lengths, posix, saved


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Path, H5Backend]]:
    """A file with two streams that this process writes for live readers."""
    path = tmp_path / "live.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "x", swmr_mode=True)
        h5.create_earray("/", "count", np.int64)
        h5.create_earray("/", "square", np.float64, (2,), metadata={"units": "m"})
        h5.enable_swmr()
        yield path, h5


def append(h5: H5Backend, *numbers: int) -> None:
    count, square = h5.get_node("/count"), h5.get_node("/square")
    with h5.session.hold():
        for number in numbers:
            square.append([number**2, -(number**2)])
            count.append(number)
    h5.flush()


def test_rows_arrive_while_they_are_written(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    follower = start("follow", path, "--json")
    follower.until(lambda: "Waiting" in follower.errors, "the follower waits for the file")
    recorder = start("record", path, "--rate", 100, "--seconds", 2)
    rows = [follower.next_row() for _ in range(100)]
    assert recorder.alive, "half of the rows came before the end"
    rows += follower.rows()
    assert follower.finish() == 0, follower.errors
    assert recorder.finish() == 0, recorder.errors
    assert [row["row"] for row in rows] == list(range(len(rows))), "in order, none missing"
    assert len(rows) == lengths(path)["time"] > 150
    with h5py.File(path) as file:
        for name in ("time", "cpu_percent", "memory"):
            stored = file[f"{GROUP}/{name}"][:]
            np.testing.assert_array_equal([row[name] for row in rows], stored)


def test_each_row_is_shown_at_once(start: Any, live: tuple[Path, H5Backend]) -> None:
    path, h5 = live
    append(h5, 0, 1, 2)
    follower = start("follow", path, "--json", "--last", 1)
    assert follower.next_row() == {"group": "/", "row": 2, "count": 2, "square": [4.0, -4.0]}
    for number in range(3, 10):
        append(h5, number)
        row = follower.next_row()
        assert row == {
            "group": "/",
            "row": number,
            "count": number,
            "square": [number**2, -(number**2)],
        }
    h5.close_file()
    assert follower.next_row() is None
    assert follower.finish() == 0
    assert "Finished: 8 rows shown, 2 before" in follower.errors


def test_a_row_waits_for_all_streams(start: Any, live: tuple[Path, H5Backend]) -> None:
    path, h5 = live
    append(h5, 0)
    follower = start("follow", path, "--json")
    assert follower.next_row()["row"] == 0
    h5.get_node("/count").append(1)
    h5.flush()
    h5.get_node("/square").append([1.0, -1.0])
    h5.flush()
    assert follower.next_row() == {"group": "/", "row": 1, "count": 1, "square": [1.0, -1.0]}


def test_rows_that_some_streams_lack_come_at_the_end(
    start: Any, run: Any, live: tuple[Path, H5Backend]
) -> None:
    path, h5 = live
    append(h5, 0)
    follower = start("follow", path, "--json")
    assert follower.next_row()["row"] == 0
    h5.get_node("/count").append(1)
    h5.close_file()
    last = {"group": "/", "row": 1, "count": 1, "square": None}
    assert follower.next_row() == last
    assert follower.finish() == 0
    finished = run("follow", path)
    assert finished.out.splitlines()[-1].split() == ["1", "1", "-"]


def test_no_row_in_time(start: Any, live: tuple[Path, H5Backend]) -> None:
    path, h5 = live
    append(h5, 0, 1)
    follower = start("follow", path, "--timeout", 0.2, "--json")
    assert [row["count"] for row in follower.rows()] == [0, 1]
    assert follower.finish() == 4
    assert "No new row in time: 2 rows" in follower.errors


def test_another_file_under_the_same_name(start: Any, live: tuple[Path, H5Backend]) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows does not let a file go that is open")
    path, h5 = live
    append(h5, 0)
    follower = start("follow", path, "--json")
    assert follower.next_row()["row"] == 0
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file.create_dataset("count", data=np.arange(5), maxshape=(None,), chunks=(8,))
    os.replace(other, path)
    assert follower.next_row() is None
    assert follower.finish() == 1
    assert "was replaced" in follower.errors


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_stopped_by_a_signal(start: Any, live: tuple[Path, H5Backend], name: str) -> None:
    path, h5 = live
    append(h5, 0)
    follower = start("follow", path, "--json")
    follower.next_row()
    follower.signal(getattr(signal, name))
    assert follower.finish() == 128 + getattr(signal, name)
    assert "Stopped: 1 row" in follower.errors
    assert "Traceback" not in follower.errors


def test_interrupted_while_it_waits_for_the_file(start: Any, tmp_path: Path) -> None:
    follower = start("follow", tmp_path / "never.h5")
    follower.until(lambda: "Waiting" in follower.errors, "the follower waits")
    follower.signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
    code = follower.finish()
    if sys.platform != "win32":
        assert (code, "Traceback" in follower.errors) == (130, False)


def test_finished_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    count = saved(run("record", path, "--rate", 100, "--seconds", 0.25).out)
    assert count > 10
    result = run("follow", path)
    assert result.code == 0
    heading, titles, *lines = result.out.splitlines()
    assert heading == f"==> {GROUP} <=="
    assert "time" in titles
    assert "cpu_percent [%]" in titles
    assert [int(line.split()[0]) for line in lines] == list(range(count - 10, count))
    assert f"10 rows shown, {count - 10} before them with --all" in result.err
    assert len(rows_of(run("follow", path, "--json", "--all").out)) == count
    assert len(rows_of(run("follow", path, "--json", "--last", 3).out)) == 3
    assert run("follow", path, "--last", 0).out == ""
    (row,) = rows_of(run("follow", path, "--json", "--last", 1, "--node", f"{GROUP}/time").out)
    assert list(row) == ["group", "row", "time"]


@pytest.mark.parametrize("backend", ["tables", "h5py"])
def test_finished_tables_file(run: Any, tmp_path: Path, backend: str) -> None:
    path = tmp_path / "run.h5"
    recorded = run("record", path, "--backend", "tables", "--rate", 100, "--seconds", 0.1)
    result = run("follow", path, "--backend", backend, "--json", "--all")
    assert result.code == 0, result
    assert [row["row"] for row in rows_of(result.out)] == list(range(saved(recorded.out)))


@pytest.mark.parametrize("options", [["--backend", "tables"], ["--no-swmr"]])
def test_what_live_reading_needs(start: Any, run: Any, tmp_path: Path, options: Any) -> None:
    path = tmp_path / "run.h5"
    recorder = start("record", path, *options)
    recorder.until(path.exists, "the file")
    result = run("follow", path)
    assert recorder.alive, recorder.errors
    assert result.code == 6
    assert f"pid {recorder.process.pid}" in result.err
    assert "SWMR" in result.err


def test_groups_of_their_own_lengths(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "x")
        for name, count in (("a", 2), ("b", 3)):
            group = h5.get_set_group("/", name)
            h5.create_earray(group, "values", np.int64).append(np.arange(count))
    result = run("follow", path)
    text = " ".join(result.out.split())
    assert text == "==> /a <== row values 0 0 1 1 ==> /b <== row values 0 0 1 1 2 2"
    rows = rows_of(run("follow", path, "--json").out)
    assert [(row["group"], row["row"]) for row in rows] == [
        ("/a", 0), ("/a", 1), ("/b", 0), ("/b", 1), ("/b", 2),
    ]  # fmt: skip


def test_rows_of_every_kind(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "kinds.h5"
    frames = np.arange(2 * 4 * 5, dtype=np.uint16).reshape(2, 4, 5)
    record = np.array([(1, 2.5), (3, np.nan)], dtype=[("n", "i4"), ("x", "f8")])
    with h5py.File(path, "w") as file:
        for name, data in (
            ("frame", frames),
            ("complex", np.array([1 + 2j, np.inf])),
            ("flag", np.array([True, False])),
            ("record", record),
            ("text", np.array([b"on", b"off"])),
        ):
            file.create_dataset(name, data=data, maxshape=(None, *data.shape[1:]), chunks=True)
        file["size"] = file.create_dataset("bytes", data=[1500.0, 2.5e9], maxshape=(None,))
        file["bytes"].attrs["units"] = "byte"
    first, second = rows_of(run("follow", path, "--json", "--all").out)
    assert first["frame"] == frames[0].tolist()
    assert (first["complex"], second["complex"]) == ([1.0, 2.0], [None, 0.0])
    assert (first["flag"], second["record"]) == (True, {"n": 3, "x": None})
    assert second["text"] == "off"
    shown = run("follow", path).out
    assert "9.5 (0 … 19, 4x5)" in shown
    assert "2.5 GB" in shown


def test_nothing_to_follow(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "fixed.h5"
    with h5py.File(path, "w") as file:
        file["fixed"] = np.arange(3)
    result = run("follow", path)
    assert result.code == 1
    assert "no array of rows" in result.err


@posix
def test_reader_who_leaves_early(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    run("record", path, "--rate", 500, "--seconds", 0.5)
    command = [sys.executable, "-m", "savers", "follow", str(path), "--all", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        follower.stdout.close()  # as "head" does
        assert follower.stderr is not None
        errors = follower.stderr.read()
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors
