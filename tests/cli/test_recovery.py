"""``check`` and ``repair`` on files whose recorder was killed, lives, or closed properly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from h5backends import H5Backend

COMMAND = [sys.executable, "-m", "savers"]

WRITER = """
import sys
from savers import H5SaverLowLevel
saver = H5SaverLowLevel.from_file(sys.argv[1], new_file=True, swmr_mode=True)
array = saver.create_earray(saver.raw_group, "a", "float64")
saver.enable_swmr()
for row in range(1000):
    array.append(float(row))
saver.add_log("the lamp is on")
saver.flush()
print("flushed", flush=True)
sys.stdin.read()
"""


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def _start(path: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"flushed"
    return child


def test_a_killed_recorder(path: Path) -> None:
    with _start(path) as child:
        live = _run("check", path)
        refused = _run("repair", path)
        child.kill()
    assert live.returncode == 6, live.stderr
    assert refused.returncode == 6
    assert str(child.pid) in refused.stderr
    before = path.read_bytes()
    found = _run("check", path, "--json")
    assert found.returncode == 3
    report = json.loads(found.stdout)
    assert report["writer"] == "crashed"
    assert {array["path"]: array["rows"] for array in report["arrays"]}["/RawData/a"] == 1000
    dry = _run("repair", path, "--dry-run")
    assert dry.returncode == 0
    assert "to be done" in dry.stdout
    assert path.read_bytes() == before
    assert _run("repair", path).returncode == 0
    assert _run("check", path).returncode == 0
    with H5Backend("tables") as h5:  # every program opens it now
        h5.open_file(path, "r")
        array = h5.get_node("/RawData/a")
        assert array[:].tolist() == list(range(1000))
        assert array.attrs["shape"] == (1000,)
        assert h5.get_node("/RawData/Logger")[:] == ["the lamp is on"]
    again = _run("repair", path)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_what_is_no_file(path: Path) -> None:
    missing = _run("repair", path)
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr
    path.write_text("not at all HDF5")
    assert _run("check", path).returncode == 1
    assert _run("repair", path).returncode == 1
