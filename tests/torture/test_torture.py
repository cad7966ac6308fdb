"""The short form of the tortures; ``python -m tests.torture`` is the full one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.torture.finding import Finding, table
from tests.torture.lines import LINES, module_of
from tests.torture.runner import run_line

_ROOT = Path(__file__).parents[2]
# The seeds differ from run to run, so that every run looks elsewhere.
SEED = int(os.environ.get("H5BACKENDS_TORTURE_SEED", os.getpid()))
SHORT = 1.0
"""Seconds after which no new round begins."""


# The short form of the crash campaign is tests/crash/test_campaign.py.
@pytest.mark.parametrize("line", [line for line in LINES if line != "crash"])
def test_torture(line: str) -> None:
    """What the tortures found, in the form that takes little time."""
    found = run_line(module_of(line), SHORT, SEED)
    print("\n" + table([found]))
    if found.skipped:
        pytest.skip(found.skipped)
    assert found.is_clean, found.problems
    assert found.ended
    assert found.flushed or found.tried


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("lose", "2 of 10 rows lost"),
        ("raise", "RuntimeError"),
        ("hang", "hung"),
        ("crash", "crashed"),
        ("leave", "left behind"),
    ],
)
def test_what_goes_wrong_is_told(how: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H5BACKENDS_MISBEHAVE", how)
    grace = 4.0 if how == "hang" else 100.0
    found = run_line(module_of("misbehaving"), 0.0, 0, grace=grace)
    assert not found.is_clean
    assert words in found.problems[0]
    assert found.flushed >= 10  # what there was before is told too
    assert found.lost == (2 if how == "lose" else 0)
    assert "FAILED" in table([found])


def test_what_cannot_be_done_here_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H5BACKENDS_MISBEHAVE", "cannot")
    found = run_line(module_of("misbehaving"), 0.0, 0)
    assert found.is_clean
    assert "this is no machine for it" in table([found])


def test_a_table_of_several() -> None:
    clean = Finding("one", "5 rows", survived=1, tried=2, flushed=3, ended=True)
    lossy = Finding("two", lost=4, problems=["lost"], ended=True)
    lines = table([clean, lossy]).splitlines()
    assert lines[2] == "| one | 5 rows | 1 | 2 | 3 | **none** | 0 | held |"
    assert "| 1 | 2 | 3 | 4 | 0 | FAILED: 1 problems |" in lines[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one program there")
def test_interrupted() -> None:
    """It shows what there is, and leaves no process behind."""
    command = [sys.executable, "-u", "-m", "tests.torture", "two_writers", "--minutes", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("seed")
        family: set[psutil.Process] = set()
        while len(family) < 3:  # the line, a writer and an intruder
            family |= set(psutil.Process(program.pid).children(recursive=True))
        program.send_signal(signal.SIGINT)
        said = program.stdout.read()
        assert program.wait(60) == 130
    assert "two writers" in said
    assert "interrupted" in said
    assert not [process for process in family if process.is_running()]


@pytest.mark.parametrize("arguments", [["nothing"], ["--minutes", "0"], ["--minutes", "x"]])
def test_bad_arguments(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tests.torture", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    assert done.returncode == 2
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
