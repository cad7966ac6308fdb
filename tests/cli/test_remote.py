"""The commands on a real server: recording, live following, its restart and its absence."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from savers.transfer import UNFINISHED
from tests.cli.conftest import GROUP, posix
from tests.cli.recordings import write_scan

pytestmark = posix


@pytest.fixture
def there(hsds: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments for a new file on the server, to which the environment logs in."""
    monkeypatch.setenv("HS_USERNAME", hsds.username)
    monkeypatch.setenv("HS_PASSWORD", hsds.password)
    return [f"hdf5:/{hsds.home}{uuid.uuid4().hex[:10]}.h5", "--endpoint", hsds.endpoint]


def read(hsds: Any, location: str, name: str) -> np.ndarray[Any, Any]:
    """Read a stream with h5pyd itself."""
    from tests.hsds import h5pyd

    with h5pyd.File(location.removeprefix("hdf5:/"), "r", use_cache=False, **hsds.login) as file:
        return np.asarray(file[f"{GROUP}/{name}"][:])


def recorded(hsds: Any, location: str) -> int:
    """Return how many rows there are, 0 while there is no file."""
    try:
        return len(read(hsds, location, "time"))
    except (OSError, KeyError):
        return 0


def on_the_server(hsds: Any, location: str) -> tuple[list[str], dict[str, Any]]:
    """Return names and attributes at the root, nothing while there is no file."""
    from tests.hsds import h5pyd

    path = location.removeprefix("hdf5:/")
    try:
        with h5pyd.File(path, "r", use_cache=False, **hsds.login) as file:
            return list(file), dict(file.attrs)
    except OSError:
        return [], {}


def test_follow_while_it_is_written(start: Any, run: Any, hsds: Any, there: list[str]) -> None:
    follower = start("follow", *there, "--json")
    recorder = start("record", *there, "--rate", 50, "--seconds", 1.2)
    rows = [follower.next_row() for _ in range(30)]
    assert recorder.alive, "rows came before the end"
    rows += follower.rows()
    assert follower.finish() == 0, follower.errors
    assert recorder.finish() == 0, recorder.errors
    assert [row["row"] for row in rows] == list(range(len(rows)))
    moments = read(hsds, there[0], "time")
    assert len(moments) == len(rows)
    np.testing.assert_array_equal([row["time"] for row in rows], moments)
    load = read(hsds, there[0], "cpu_percent")
    np.testing.assert_array_equal([row["cpu_percent"] for row in rows], load)
    login = ["--username", hsds.username, "--password", hsds.password]
    tree = run("tree", *there, *login, "--json")
    assert json.loads(tree.out)["children"][0]["name"] == "RawData"
    again = run("record", *there, *login, "--seconds", 1)
    assert again.code == 1
    assert "exists already" in again.err


def test_kill_is_noticed(start: Any, there: list[str]) -> None:
    recorder = start("record", *there, "--rate", 50)
    follower = start("follow", *there, "--json", "--all")
    seen = [follower.next_row() for _ in range(20)]
    recorder.signal(signal.SIGKILL)
    recorder.finish()
    seen += follower.rows()
    assert follower.finish() == 3, follower.errors
    assert [row["row"] for row in seen] == list(range(len(seen)))


def test_server_restarts_in_the_middle(start: Any, hsds: Any, there: list[str]) -> None:
    recorder = start("record", *there, "--rate", 50)
    recorder.until(lambda: recorded(hsds, there[0]) > 10, "some points")
    hsds.restart()
    recorder.until(lambda: "restarted" in recorder.errors, "word of the restart")
    recorder.signal(signal.SIGINT)
    assert recorder.finish() == 130, recorder.errors
    moments = read(hsds, there[0], "time")
    assert f"{len(moments)} points saved" in recorder.lines[-1]
    assert np.all(np.diff(moments) > 0), "no row of zeros"


@pytest.mark.parametrize("command", ["record", "follow", "tree"])
def test_wrong_password(run: Any, hsds: Any, there: list[str], command: str) -> None:
    wrong = run(command, *there, "--username", hsds.username, "--password", "no")
    assert wrong.code == 1
    assert "does not accept" in wrong.err


def _vast(h5: H5Backend) -> None:
    h5.create_carray("/", "vast", shape=(1 << 35,), dtype="u1", chunks=(1 << 20,))


def test_a_copy_to_the_server_that_is_interrupted(
    start: Any, run: Any, hsds: Any, there: list[str], tmp_path: Path
) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "vast.h5", "x")
        h5.define_compression("gzip")  # zeros that are not there take no time to write
        _vast(h5)
    copying = start("copy", tmp_path / "vast.h5", *there)
    copying.until(lambda: "vast" in on_the_server(hsds, there[0])[0], "the copy has begun")
    copying.signal(signal.SIGINT)
    assert copying.finish() == 130, copying.errors
    assert "the copy was not made" in copying.errors
    assert "--overwrite" in copying.errors
    assert "Traceback" not in copying.errors
    names, attributes = on_the_server(hsds, there[0])
    assert names == []
    assert attributes[UNFINISHED].endswith("vast.h5")
    write_scan(tmp_path / "scan.h5")
    refused = run("copy", tmp_path / "scan.h5", *there)
    assert refused.code == 1
    assert "exists already" in refused.err
    again = run("copy", tmp_path / "scan.h5", *there, "--overwrite")
    assert again.code == 0, again.err
    assert "compared and equal" in again.out
    assert UNFINISHED not in on_the_server(hsds, there[0])[1]


def test_a_copy_from_the_server_that_is_interrupted(
    start: Any, hsds: Any, there: list[str], tmp_path: Path
) -> None:
    with H5Backend("h5pyd") as h5:
        h5.open_file(there[0].removeprefix("hdf5:/"), "x", **hsds.login)
        _vast(h5)
    copying = start("copy", *there[:1], tmp_path / "copy.h5", *there[1:])
    copying.until(lambda: list(tmp_path.glob(".copy.h5*.part")), "the copy has begun")
    copying.signal(signal.SIGINT)
    assert copying.finish() == 130, copying.errors
    assert "the copy was not made" in copying.errors
    assert list(tmp_path.iterdir()) == []
