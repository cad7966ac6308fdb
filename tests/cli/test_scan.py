"""The demo scan: a picture comes out, readers follow; stopped or killed, it goes on."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from savers import DataLoader
from savers.demo import find_sample
from savers.demo.sample import _made_up
from tests.cli.conftest import posix
from tests.conftest import LOCAL

SCAN = "/RawData/Scan000"


def intensity(path: Path, **options: Any) -> Any:
    with DataLoader(path, **options) as loader:
        return loader.load_data_from_name_origin("intensity", "spectrometer")


def written(path: Path) -> int:
    """Return how many points a live reader sees."""
    try:
        with h5py.File(path, "r", swmr=True, locking=False) as file:
            return int(np.isfinite(file[f"{SCAN}/PointTimes"][...]).sum())
    except (OSError, KeyError):
        return 0


@pytest.mark.parametrize("backend", LOCAL)
def test_the_picture_comes_out(run: Any, tmp_path: Path, backend: str) -> None:
    picture = np.zeros((20, 30))
    picture[5:15, 10:20] = 1.0
    np.save(tmp_path / "square.npy", picture)
    options = ["--size", "30x20", "--settle", "0", "--snake", "--backend", backend]
    result = run("scan", tmp_path / "s.h5", "--image", tmp_path / "square.npy", *options)
    assert result.code == 0, result.err
    assert "600 points of 600 written" in result.out
    data = intensity(tmp_path / "s.h5", backend=backend)
    assert np.corrcoef(data.data[0].ravel(), picture.ravel())[0, 1] > 0.9
    assert [axis.label for axis in data.axes] == ["y", "x"]
    with DataLoader(tmp_path / "s.h5", backend=backend) as loader:
        stage = loader.load_data_from_name_origin("stage", "stage")
        assert (stage.labels, stage.units) == (["y", "x"], "um")
        x = np.broadcast_to(data.axes[1].get_data(), (20, 30))
        np.testing.assert_allclose(stage.data[1], x, atol=0.1)
        spectra = loader.load_data_from_name_origin("spectrum", "spectrometer")
        np.testing.assert_array_equal(spectra.data[0].sum(-1), data.data[0])


@posix
def test_live_stopped_and_gone_on_with(run: Any, start: Any, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    options = ["--size", "40x30", "--settle", "0.001"]
    scanning = start("scan", path, *options, "--rate", 300)
    scanning.until(lambda: written(path) > 20, "points that a reader sees")
    scanning.signal(signal.SIGINT)
    assert scanning.finish() == 130, scanning.errors
    assert "Stopped: " in scanning.lines[-1]
    assert "--resume" in scanning.errors
    first = written(path)
    assert 20 < first < 1200
    other = run("scan", path, "--size", "9x9", "--resume")
    assert other.code == 1
    assert "other axes" in other.err
    killed = start("scan", path, *options, "--rate", 300, "--resume")
    killed.until(lambda: written(path) > first + 20, "more points")
    killed.signal(signal.SIGKILL)
    killed.finish()
    result = run("scan", path, *options[:2], "--settle", 0, "--resume")
    assert result.code == 0, result.err
    assert "Going on behind" in result.err
    assert np.isfinite(intensity(path).data[0].astype(float)).all()
    assert written(path) == 1200


@posix
def test_onto_a_server(run: Any, hsds: Any) -> None:
    there = f"hdf5:/{hsds.home}{uuid.uuid4().hex[:10]}.h5"
    login = ["--endpoint", hsds.endpoint, "--username", hsds.username]
    login += ["--password", hsds.password]
    result = run("scan", there, *login, "--size", "5x4", "--settle", 0)
    assert result.code == 0, result.err
    assert "20 points of 20 written" in result.out
    assert run("scan", there, *login).code == 1
    found = run("info", there, f"{SCAN}/PointTimes", *login)
    assert "shape:       4 x 5" in found.out


def test_mistakes(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.h5").write_text("precious")
    (tmp_path / "text.png").write_text("no picture")
    np.save(tmp_path / "line.npy", np.arange(3.0))
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    for arguments, code, words in (
        (["taken.h5"], 1, "--overwrite"),
        (["new.h5", "--size", "big"], 2, "COLUMNSxROWS"),
        (["new.h5", "--size", "0x4"], 2, "COLUMNSxROWS"),
        (["new.h5", "--rate", "0"], 2, "--rate"),
        (["new.h5", "--settle", "-1"], 2, "--settle"),
        (["new.h5", "--image", "missing.png"], 1, "no such picture"),
        (["new.h5", "--image", "text.png"], 1, "no picture"),
        (["new.h5", "--image", "line.npy"], 1, "rows and columns"),
        (["new.h5", "--image", "objects.npy"], 1, "no picture"),
        (["new.h5", "--resume", "--overwrite"], 2, "contradicts"),
        (["new.h5", "--backend", "memory"], 2, "is gone"),
        (["no/such/new.h5"], 1, "does not exist"),
    ):
        result = run("scan", *arguments)
        assert result.code == code, (arguments, result)
        assert words in " ".join(result.err.split()), (arguments, result)
        assert "Traceback" not in result.err
        assert not (tmp_path / "new.h5").exists(), arguments
    assert (tmp_path / "taken.h5").read_text() == "precious"


def test_samples(tmp_path: Path) -> None:
    real = find_sample()
    assert real.name == "landscape (Jacksboro)"
    assert (real.brightness.min(), real.brightness.max()) == (0.0, 1.0)
    corners = real.brightness[[0, 0, -1, -1], [0, -1, 0, -1]]
    found = [real.at(y, x) for y in (0, 1) for x in (0, 1)]
    np.testing.assert_allclose(found, corners)
    made = _made_up()
    assert (made.min(), made.max()) == (0.0, 1.0)
    assert np.abs(np.diff(made, axis=0)).mean() < 0.05 < made.std(), "smooth, and not flat"
    np.save(tmp_path / "one.npy", np.array([[3]]))
    assert find_sample(tmp_path / "one.npy").at(0.5, 0.5) == 0.0
