"""The log while SWMR is on: seen live by other processes, folded back whole, after a crash too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends import FlushPolicy, H5Backend, StringARRAY
from h5backends.errors import DTypeError, SelectionError, StructureFrozenError
from h5backends.swmr import repair
from savers import H5SaverLowLevel
from savers.log import LogARRAY, bring_up_to_date, encode_line, fold_logs, split_lines

LINES = [
    "plain",
    "",
    "Ümläute, 日本語, 🧲, a\nsecond row\0and a NUL",
    "lone \ud800 surrogate",
    "\xff\xfe",
    "x" * 100_000,
]
"""Lines that a fixed width would cut, and ones that are easily mistaken for marks."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "log.h5"


@given(st.lists(st.text(st.characters(exclude_categories=()))))
def test_any_text_survives_the_stream(lines: list[str]) -> None:
    stream = np.concatenate([np.empty(0, np.uint8), *map(encode_line, lines)])
    assert split_lines(stream) == lines
    assert split_lines(stream, partial=True) == lines


def test_a_line_on_its_way_is_not_shown() -> None:
    stream = np.concatenate([encode_line("whole"), encode_line("half")[:3]])
    assert split_lines(stream) == ["whole"]
    assert split_lines(stream, partial=True) == ["whole", "hal"]
    unwritten = np.full(4, 0xFE, np.uint8)
    assert split_lines(np.concatenate([encode_line("whole"), unwritten]), True) == ["whole"]
    cut = encode_line("日")[:2]
    assert split_lines(cut, partial=True) == ["\ufffd"]


def test_lines_are_live_and_folded_back(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.add_log("before")
        saver.enable_swmr()
        for line in LINES:
            saver.add_log(line)
        # Read your own writes.
        log = saver.get_set_logger()
        assert log.read() == ["before", *LINES]
        assert len(log) == 1 + len(LINES)
        assert log[0] == "before"
        assert log[-1] == LINES[-1]
        assert log[1:3] == LINES[:2]
        assert log[[0, 2]] == ["before", ""]
        assert log[...] == log[(slice(None),)] == log.read()
        with pytest.raises(SelectionError):
            _ = log[99]
        saver.flush()
        # HDF5 wants one lock setting for all handles of a process; other processes need not care.
        same = {"locking": None}
        with H5SaverLowLevel.from_file(path, mode="r", swmr_mode=True, **same) as reader:
            followed = reader.get_set_logger()
            assert followed.read() == ["before", *LINES]
            saver.add_log("after the reader came")
            saver.flush()
            followed.refresh()
            assert followed[-1] == "after the reader came"
        saver.finalize_swmr(keep_open=True)
        assert saver.raw_group.children_name() == ["Logger"]
        saver.add_log("afterwards")
    expected = ["before", *LINES, "after the reader came", "afterwards"]
    with H5Backend("h5py") as plain:
        plain.open_file(path)
        text = plain.get_node("/RawData/Logger")
        assert isinstance(text, StringARRAY)
        assert text.read() == expected
        assert text.attrs["shape"] == (len(expected),)


def test_swmr_can_be_switched_on_again(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.enable_swmr()
        saver.add_log("first")
        saver.finalize_swmr()
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.enable_swmr()
        saver.enable_swmr()
        saver.add_log("second")
        saver.finalize_swmr(keep_open=True)
        assert saver.get_set_logger().read() == ["first", "second"]


def test_a_log_in_another_group(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        scan = saver.add_scan_group()
        saver.get_set_logger(scan)
        saver.add_log("in the scan")
        saver.enable_swmr()
        saver.add_log("live in the scan")
        saver.finalize_swmr(keep_open=True)
        saver.add_log("still in the scan")
        assert saver.get_set_logger().read() == []
        log = saver.get_set_logger("/RawData/Scan000")
        assert log.read() == ["in the scan", "live in the scan", "still in the scan"]


def test_what_cannot_be_logged(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.add_scan_group()
        with pytest.raises(DTypeError):
            saver.add_log(5)  # type: ignore[arg-type]
        saver.enable_swmr()
        with pytest.raises((DTypeError, StructureFrozenError)):
            saver.add_log(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(StructureFrozenError):
            saver.get_set_logger("/RawData/Scan000")
        with pytest.raises(StructureFrozenError):
            fold_logs(saver)


def test_a_log_that_was_not_prepared_says_so(path: Path) -> None:
    with H5Backend("h5py") as plain:
        plain.open_file(path, "w", swmr_mode=True)
        array = plain.create_vlarray("/", "Logger", "string")
        plain.enable_swmr()
        log = LogARRAY(array.session, array.handle)
        with pytest.raises(StructureFrozenError, match="not prepared"):
            log.append("too late")


def test_closing_folds_too(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.enable_swmr()
        saver.add_log("kept")
    with H5Backend("h5py") as plain:
        plain.open_file(path)
        assert plain.get_node("/RawData/Logger")[:] == ["kept"]
        assert "LoggerLive" not in plain.get_node("/RawData").children_name()
        assert "live_logs" not in plain.root().attrs


def test_lines_wait_in_the_stream_while_others_hold_the_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        scan = saver.add_scan_group()
        saver.get_set_logger(scan)
        saver.enable_swmr()
        saver.add_log("kept")
        saver.flush()
        with h5py.File(path, "r", swmr=True):
            saver.finalize_swmr()
    assert "folded back at the next opening" in caplog.text
    with H5SaverLowLevel.from_file(path, mode="r") as saver:
        assert "LoggerLive" in saver.get_node("/RawData/Scan000").children_name()
        assert saver.get_set_logger("/RawData/Scan000").read() == ["kept"]
    with H5SaverLowLevel.from_file(path) as saver:
        assert "LoggerLive" not in saver.get_node("/RawData/Scan000").children_name()
        assert saver.get_set_logger("/RawData/Scan000").read() == ["kept"]


def test_folding_that_was_interrupted_doubles_nothing(path: Path) -> None:
    with H5SaverLowLevel.from_file(path, swmr_mode=True) as saver:
        saver.add_log("zero")
        saver.enable_swmr()
        for line in ("one", "two", "three"):
            saver.add_log(line)
        H5Backend.close_file(saver)  # without folding
    with H5Backend("h5py") as plain:  # as far as folding gets before the power fails
        plain.open_file(path, "r+")
        plain.get_node("/RawData/LoggerLive").attrs["folding_from"] = 1
        text = plain.get_node("/RawData/Logger")
        assert isinstance(text, StringARRAY)
        text.append("one")
        text.append("two")
    with H5SaverLowLevel.from_file(path) as saver:
        assert saver.get_set_logger().read() == ["zero", "one", "two", "three"]


CRASHING = textwrap.dedent(
    """
    import sys, time
    from savers import H5SaverLowLevel
    saver = H5SaverLowLevel.from_file(sys.argv[1], swmr_mode=True)
    saver.add_log("before")
    saver.enable_swmr()
    number = 0
    while True:
        saver.add_log(f"line {number} " + "ä" * (number % 300))
        number += 1
        if number % 50 == 0:
            saver.flush()
            print(number, flush=True)
        if number > 100_000:
            time.sleep(60)
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX; Windows: TerminateProcess")
@pytest.mark.parametrize("mended_first", [True, False], ids=["by repair", "by the saver"])
def test_lines_survive_a_killed_writer(path: Path, mended_first: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        flushed = 0
        while flushed < 1000:
            flushed = int(writer.stdout.readline())
        with H5SaverLowLevel.from_file(path, mode="r", swmr_mode=True) as reader:
            live = reader.get_set_logger().read()
            assert live[0] == "before"
            assert len(live) > 1000
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    if mended_first:
        report = repair(path, after_repair=[bring_up_to_date])
        assert any("log lines folded back" in action for action in report.actions)
    else:
        repair(path)
    with H5SaverLowLevel.from_file(path) as saver:
        lines = saver.get_set_logger().read()
        assert "LoggerLive" not in saver.raw_group
        assert saver.root().attrs["swmr_active"] is False
    assert len(lines) > flushed
    wanted = [f"line {n} " + "ä" * (n % 300) for n in range(len(lines) - 1)]
    assert lines[:-1] == ["before", *wanted[:-1]]
    assert wanted[-1].startswith(lines[-1].rstrip("\ufffd"))  # the last one may be cut


def test_a_reader_without_this_package_can_follow(path: Path) -> None:
    live = FlushPolicy(seconds=0.005)
    with H5SaverLowLevel.from_file(path, swmr_mode=True, flush_policy=live) as saver:
        saver.enable_swmr()
        with h5py.File(path, "r", swmr=True) as raw:
            stream = raw["RawData/LoggerLive"]
            saver.add_log("seen by anybody: ±")
            deadline = time.monotonic() + 10
            lines: list[bytes] = []
            while not lines and time.monotonic() < deadline:
                stream.refresh()
                lines = stream[:].tobytes().split(b"\xff")[:-1]
            assert [line.decode() for line in lines] == ["seen by anybody: ±"]
