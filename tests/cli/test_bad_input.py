"""One clear message and an exit code for every mistake; no traceback, no changed file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from h5backends import H5Backend
from tests.cli.conftest import posix
from tests.conftest import LOCAL

USAGE, FAILURE, BUSY = 2, 1, 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dir.h5").mkdir()
    (tmp_path / "text.h5").write_text("not at all HDF5")
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n\x03")
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {path.name: None if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["record", "new.h5", "--backend", "nope"], USAGE, "unknown backend 'nope'"),
        (["record", "new.h5", "--backend", "memory"], USAGE, "is gone when the command ends"),
        (["record", "new.h5", "--rate", "0"], USAGE, "above zero"),
        (["record", "new.h5", "--rate", "nan"], USAGE, "above zero"),
        (["record", "new.h5", "--rate", "fast"], USAGE, "--rate"),
        (["record", "new.h5", "--seconds", "-1"], USAGE, "above zero"),
        (["record", "new.h5", "--endpoint", "http://localhost:1"], FAILURE, "not the location"),
        (
            ["record", "new.h5", "--backend", "h5py", "--endpoint", "http://localhost:1"],
            USAGE,
            "has no server",
        ),
        (["record", " "], USAGE, "is empty"),
        (["record"], USAGE, "FILE"),
        (["record", "dir.h5"], FAILURE, "a directory"),
        (["record", "text.h5"], FAILURE, "exists already"),
        (["record", "no/such/new.h5"], FAILURE, "does not exist"),
        (["record", "a\0b"], FAILURE, ""),
        (["follow", "new.h5", "--timeout", "0"], FAILURE, "no such file"),
        (["follow", "no/such/new.h5"], FAILURE, "does not exist"),
        (["follow", "dir.h5"], FAILURE, "a directory"),
        (["follow", "text.h5"], FAILURE, "not an HDF5 file"),
        (["follow", "text.h5", "--last", "-1"], USAGE, "--last"),
        (["follow", "text.h5", "--timeout", "-1"], USAGE, "zero or above"),
        (["tree", "new.h5"], FAILURE, "no such file"),
        (["tree", "dir.h5"], FAILURE, "a directory"),
        (["tree", "text.h5"], FAILURE, "text beginning with 'not at all HDF5'"),
        (["tree", "empty.h5"], FAILURE, "an empty file"),
        (["tree", "cut.h5"], FAILURE, "cut off"),
        (["tree", "text.h5", "--depth", "-1"], USAGE, "--depth"),
        (["tree", "hdf5://home/x.h5", "--endpoint", "http://localhost:1"], FAILURE, "answer"),
        *(
            ([*command, *more], code, words)
            for command, more in (
                (["info"], []),
                (["export"], ["-o", "out.csv"]),
                (["export"], ["-o", "out.h5"]),
                (["plot"], ["-o", "out.png"]),
                (["copy"], ["copy.h5"]),
            )
            for command, more, code, words in (
                ([*command, "new.h5"], more, FAILURE, "no such file"),
                ([*command, "dir.h5"], more, FAILURE, "a directory"),
                ([*command, "text.h5"], more, FAILURE, "not an HDF5 file"),
                ([*command, "empty.h5"], more, FAILURE, "an empty file"),
                ([*command, " "], more, USAGE, "is empty"),
            )
        ),
        (["unknown"], USAGE, "unknown"),
    ],
)
def test_message(
    run: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(folder)
    before = snapshot(folder)
    result = run(*arguments)
    assert result.code == code, result
    assert words in result.err
    assert result.out == ""
    assert "rror" in result.err
    assert "mode=" not in result.err, "words of the programming interface"
    assert "Mode '" not in result.err, "words of the programming interface"
    assert snapshot(folder) == before


def test_no_such_node(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    run("record", path, "--rate", 50, "--seconds", 0.1)
    result = run("follow", path, "--node", "/RawData/nothing")
    assert result.code == FAILURE
    assert "/RawData/nothing" in result.err


HOLDER = """
import sys
from h5backends import H5Backend
with H5Backend(sys.argv[2]) as h5:
    h5.open_file(sys.argv[1], "x")
    h5.create_earray("/", "stream", "f8").append([1.0])
    h5.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("driver", LOCAL)
def test_a_locked_file(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    """It is told who has it, with an exit code of its own."""
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, "held.h5", driver],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        for command, *more in (
            ["tree"],
            ["info"],
            ["plot", "-o", "x.png"],
            ["export", "-o", "x.npz"],
            ["copy", "x.h5"],
        ):
            result = run(command, "held.h5", *more)
            assert result.code == BUSY, result
            assert f"pid {holder.pid}" in result.err
        holder.communicate()
    assert os.listdir(tmp_path) == ["held.h5"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("info held.h5 /gr", ["/group", "/group/below"]),
        ("info held.h5 gro", ["group", "group/below"]),
        ("plot held.h5 /group/", ["/group/below"]),
        ("tree missing.h5 ", []),
        ("info missing.h5 /", []),
        ("info hdf5://home/me/x.h5 /", []),
        ("export held.h5 --format np", ["npy", "npz"]),
    ],
)
def test_completion(tmp_path: Path, words: str, expected: list[str]) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "held.h5", "x")
        h5.create_carray(h5.get_set_group("/", "group"), "below", [1.0])
    line = f"h5backends {words}"
    done = subprocess.run(
        [sys.executable, "-c", "from savers.cli import main; main()"],
        env=os.environ
        | {
            "_H5BACKENDS_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == expected, done.stderr
    assert "Traceback" not in done.stderr


@posix
def test_no_permission(run: Any, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "secret.h5"
    run("record", path, "--rate", 50, "--seconds", 0.1)
    path.chmod(0)
    assert run("tree", path).code == FAILURE


def test_help_of_every_command_has_examples(run: Any) -> None:
    general = run("--help")
    assert general.code == 0
    assert "Exit codes" in general.out
    for command in (
        "record",
        "follow",
        "tree",
        "drivers",
        "info",
        "export",
        "copy",
        "check",
        "plot",
    ):
        assert command in general.out
        result = run(command, "--help")
        assert result.code == 0
        assert f"h5backends {command}" in result.out.split("Examples:")[1]


@pytest.mark.parametrize("package", ["savers", "h5backends"])
def test_run_as_a_module(package: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", package, "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("h5backends ")
