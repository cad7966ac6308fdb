"""Copies by the command: equal on every driver, compared, whole or not at all."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import EARRAY, H5Backend
from h5backends.verifying import CopyDiffersError, verify_copy
from savers import DataLoader
from savers.cli import copy as command
from savers.transfer import UNFINISHED
from tests.cli.conftest import posix
from tests.cli.recordings import SPECTRUM, write_scan
from tests.conftest import LOCAL
from tests.cross_driver.test_copy_to import check, fill


@pytest.mark.parametrize("target", LOCAL)
@pytest.mark.parametrize("source", LOCAL)
def test_everything_arrives(run: Any, tmp_path: Path, source: str, target: str) -> None:
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    with H5Backend(source) as h5:
        h5.open_file(first, "x", title="A file of everything")
        expected = fill(h5)
    before = first.read_bytes()
    backends = ["--from-backend", source, "--to-backend", target]
    result = run("copy", first, second, *backends, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["nodes"] == 78
    assert first.read_bytes() == before
    with H5Backend(target) as h5:
        h5.open_file(second, "r")
        check(h5, expected)
        assert h5.root().title == "A file of everything"
        assert UNFINISHED not in h5.root().attrs
        assert h5.root().attrs["swmr_compatible"] is (target == "h5py")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["first.h5", "second.h5"]


@posix
def test_to_a_server_and_back(run: Any, hsds: Any, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.h5")
    there = f"hdf5:/{hsds.home}{uuid.uuid4().hex[:10]}.h5"
    login = ["--endpoint", hsds.endpoint, "--username", hsds.username]
    login += ["--password", hsds.password]
    assert run("copy", path, there, *login).code == 0
    refused = run("copy", path, there, *login)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert run("copy", path, there, *login, "--overwrite").code == 0
    back = run("copy", there, tmp_path / "back.h5", *login, "--to-backend", "tables")
    assert back.code == 0, back.err
    assert "compared and equal" in back.out
    with DataLoader(path) as one, DataLoader(tmp_path / "back.h5", backend="tables") as other:
        assert one.load_data(SPECTRUM) == other.load_data(SPECTRUM)
    wrong = run("copy", path, f"{there}2", *login[:-1], "no")
    assert wrong.code == 1
    assert "Traceback" not in wrong.err


@pytest.mark.parametrize("damage", ["value", "nan", "missing", "attribute", "shape"])
def test_a_difference_is_found(tmp_path: Path, damage: str) -> None:
    with H5Backend("h5py") as one, H5Backend("tables") as other:
        one.open_file(tmp_path / "one.h5", "x")
        other.open_file(tmp_path / "other.h5", "x")
        group = one.get_set_group("/", "group")
        stream = one.create_earray(group, "stream", "f8", metadata={"units": "V"})
        stream.append(np.r_[np.arange(3000.0), np.nan])
        one.copy_to(other)
        assert verify_copy(one.root(), other.root()) == 3
        copied = other.get_node("/group/stream")
        assert isinstance(copied, EARRAY)
        match damage:
            case "value":
                copied[2999] = 2999.0000001
            case "nan":
                copied[3000] = 0.0
            case "missing":
                other.remove_node("/group/stream")
            case "attribute":
                copied.attrs["units"] = "mV"
            case "shape":
                copied.append(1.0)
        with pytest.raises(CopyDiffersError, match="/group"):
            verify_copy(one.root(), other.root())


def test_a_bad_copy_gets_no_name(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that keeps something else than it was given."""
    path = write_scan(tmp_path / "scan.h5")
    transfer = command.transfer

    def damaging(source: Any, copy: Any, *told: Any, reopen: Any, **options: Any) -> Any:
        def reopened() -> None:
            reopen()
            copy.get_node(SPECTRUM)[0, 0] = 1e9

        return transfer(source, copy, *told, reopen=reopened, **options)

    monkeypatch.setattr(command, "transfer", damaging)
    result = run("copy", path, tmp_path / "copy.h5")
    assert result.code == 1
    assert "not what its original is" in result.err
    assert SPECTRUM in result.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.h5"]


def test_of_a_file_that_is_being_written(run: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "live.h5", "x", swmr_mode=True)
        stream = h5.create_earray("/", "stream", np.int64)
        h5.enable_swmr()
        stream.append(np.arange(7))
        h5.flush()
        result = run("copy", tmp_path / "live.h5", tmp_path / "copy.h5")
        assert result.code == 0, result.err
        assert "may be growing" in result.err
    with h5py.File(tmp_path / "copy.h5") as file:
        np.testing.assert_array_equal(file["stream"][:], np.arange(7))
        assert not file.attrs["swmr_active"]


def test_mistakes(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_scan(tmp_path / "scan.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    (tmp_path / "taken.h5").write_text("precious")
    (tmp_path / "link.h5").symlink_to(tmp_path / "scan.h5")
    before = sorted(entry.name for entry in tmp_path.iterdir())
    for arguments, code, words in (
        (["missing.h5", "new.h5"], 1, "no such file"),
        (["text.h5", "new.h5"], 1, "not an HDF5 file"),
        (["scan.h5", "scan.h5"], 1, "onto itself"),
        (["scan.h5", "link.h5", "--overwrite"], 1, "onto itself"),
        (["scan.h5", "taken.h5"], 1, "--overwrite"),
        (["scan.h5", "no/such/new.h5"], 1, "does not exist"),
        (["scan.h5", "new.h5", "--to-backend", "memory"], 2, "has no files"),
        (["scan.h5", "new.h5", "--to-backend", "nope"], 2, "unknown backend"),
        (["scan.h5", "new.h5", "--endpoint", "http://localhost:1"], 2, "no server"),
        (["scan.h5", "hdf5://home/x.h5", "--endpoint", "http://localhost:1"], 1, "answer"),
    ):
        result = run("copy", *arguments)
        assert result.code == code, (arguments, result)
        assert words in " ".join(result.err.split()), (arguments, result)
        assert "Traceback" not in result.err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    assert (tmp_path / "taken.h5").read_text() == "precious"


@posix
def test_not_over_a_file_that_is_being_written(run: Any, start: Any, tmp_path: Path) -> None:
    write_scan(tmp_path / "scan.h5")
    recorder = start("record", tmp_path / "run.h5", "--rate", 50)
    recorder.until((tmp_path / "run.h5").exists, "the file")
    result = run("copy", tmp_path / "scan.h5", tmp_path / "run.h5", "--overwrite")
    assert result.code == 6
    assert f"pid {recorder.process.pid}" in result.err
    recorder.signal(signal.SIGINT)
    assert recorder.finish() == 130, recorder.errors


@posix
def test_interrupted(start: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "vast.h5", "x")
        h5.define_compression("gzip")
        h5.create_carray("/", "vast", shape=(1 << 35,), dtype="u1", chunks=(1 << 20,))
    copying = start("copy", tmp_path / "vast.h5", tmp_path / "copy.h5")
    copying.until(lambda: list(tmp_path.glob(".copy.h5*.part")), "the copy has begun")
    copying.signal(signal.SIGINT)
    assert copying.finish() == 130, copying.errors
    assert "the copy was not made" in copying.errors
    assert [entry.name for entry in tmp_path.iterdir()] == ["vast.h5"]
