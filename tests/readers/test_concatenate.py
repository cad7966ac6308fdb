"""Several measurements as one: features, frames, files, and what does not go together."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends.errors import (
    FileMissingError,
    FileOccupiedError,
    MeasurementError,
    ShapeError,
    UnsupportedError,
)
from h5backends.readers import HDF5Data, concatenated_hdf5_data
from tests.readers.measurements import add_basin, content, write

PARTS = [content(11, 1), content(0, 2), content(4, 3)]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    for number, part in enumerate(PARTS):
        write(tmp_path / f"{number}.rtdc", part, setup__medium=f"medium {number}")
    return [tmp_path / f"{number}.rtdc" for number in range(len(PARTS))]


def joined(name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([part[name] for part in PARTS])


@pytest.mark.parametrize("out", [True, None, "path", "text"])
def test_features_one_behind_the_other(paths: list[Path], tmp_path: Path, out: Any) -> None:
    target = tmp_path / "out" / "joined.rtdc"
    target.parent.mkdir()
    if out in ("path", "text"):
        out = target if out == "path" else str(target)
    with concatenated_hdf5_data(paths, out) as data:
        assert len(data) == 15
        assert data.keys() == sorted({*PARTS[0]} - {"time"})
        for name in ("deform", "area_um", "image", "image_bg"):
            np.testing.assert_array_equal(data[name][:], joined(name))
        np.testing.assert_array_equal(data["mask"][:], joined("mask") != 0)
        assert data["frame"].tolist() == list(range(1, 16))
        assert data["frame"].dtype == np.uint64
        assert data.meta["setup:medium"] == "medium 0"
        assert data.meta["experiment:event count"] == 15
        if out is None:
            assert data.path is None
            with pytest.raises(MeasurementError, match="in memory"):
                pickle.dumps(data)
        else:
            assert isinstance(data.path, Path)
            with pickle.loads(pickle.dumps(data)) as again:
                np.testing.assert_array_equal(again["image"][:], joined("image"))
    if out not in (True, None):
        with HDF5Data(target) as data:
            np.testing.assert_array_equal(data["image"][-1], PARTS[2]["image"][-1])


def test_without_frames_and_some_features_only(paths: list[Path]) -> None:
    for path in paths[1:]:
        with h5py.File(path, "a") as file:
            del file["events/frame"]
    with pytest.raises(MeasurementError, match="frame"):
        concatenated_hdf5_data(paths, None)
    with concatenated_hdf5_data(paths, None, False, ["deform"]) as data:
        assert data.keys() == ["deform"]
        np.testing.assert_array_equal(data["deform"], joined("deform"))


def test_a_temporary_file_is_gone_with_the_program(paths: list[Path]) -> None:
    code = (
        "import sys; from h5backends.readers import concatenated_hdf5_data as join\n"
        "data = join(sys.argv[1:]); print(data.path, data.path.exists()); data.close()"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert found[1] == "True"
    assert not Path(found[0]).exists()


def test_nothing_is_replaced_unasked(paths: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "out.rtdc"
    target.write_text("precious")
    with pytest.raises(FileOccupiedError, match="overwrite"):
        concatenated_hdf5_data(paths, target)
    assert target.read_text() == "precious"
    with concatenated_hdf5_data(paths, target, overwrite=True) as data:
        assert len(data) == 15
    before = paths[0].read_bytes()
    with pytest.raises(FileOccupiedError, match="made of"):
        concatenated_hdf5_data(paths, paths[0], overwrite=True)
    assert paths[0].read_bytes() == before


def test_what_does_not_go_together(paths: list[Path], tmp_path: Path) -> None:
    more = tmp_path / "more.rtdc"
    write(more, {**content(3), "volume": np.arange(3)})
    with pytest.raises(MeasurementError, match="volume"):
        concatenated_hdf5_data([more, *paths])
    with concatenated_hdf5_data([*paths, more]) as data:
        assert len(data) == 18
    larger = tmp_path / "larger.rtdc"
    write(larger, {**content(3), "image": np.zeros((3, 9, 9), "u1")})
    with pytest.raises(ShapeError, match="larger"):
        concatenated_hdf5_data([*paths, larger])
    uneven = tmp_path / "uneven.rtdc"
    write(uneven, {**content(3), "deform": np.zeros(4)})
    with pytest.raises(ShapeError, match="length"):
        concatenated_hdf5_data([*paths, uneven])
    empty = tmp_path / "empty.rtdc"
    write(empty, {})
    with pytest.raises(MeasurementError, match="no events"):
        concatenated_hdf5_data([*paths, empty])
    with pytest.raises(FileMissingError):
        concatenated_hdf5_data([*paths, tmp_path / "gone"])


@pytest.mark.parametrize("nothing", [[], (), "a.rtdc"])
def test_nothing_to_join(nothing: Any) -> None:
    with pytest.raises(MeasurementError, match="nothing to join"):
        concatenated_hdf5_data(nothing)


def test_targets_that_are_none(paths: list[Path]) -> None:
    for target in (False, 3):
        with pytest.raises(MeasurementError, match="where to write"):
            concatenated_hdf5_data(paths, target)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="nowhere"):
        concatenated_hdf5_data(paths, paths[0].parent / "nowhere" / "x.rtdc")


def test_a_single_file(paths: list[Path]) -> None:
    with pytest.warns(UserWarning, match="single file"):
        data = concatenated_hdf5_data(paths[:1], None)
    np.testing.assert_array_equal(data["deform"], PARTS[0]["deform"])


def test_groups_are_left_out(paths: list[Path]) -> None:
    for path in paths:
        with h5py.File(path, "a") as file:
            file.create_group("events/trace")
    with pytest.warns(UserWarning, match="trace"):
        data = concatenated_hdf5_data(paths, None)
    assert "trace" not in data


def test_types_are_wide_enough_for_all(tmp_path: Path) -> None:
    for name, values in (("a", np.arange(3, dtype="i2")), ("b", np.full(2, 1e5))):
        write(tmp_path / f"{name}.rtdc", {"x": values})
    files = [tmp_path / "a.rtdc", tmp_path / "b.rtdc"]
    with concatenated_hdf5_data(files, None, compute_frame=False) as data:
        assert data["x"].tolist() == [0, 1, 2, 1e5, 1e5]


def test_in_a_file_object_it_is_refused_before_hdf5_crashes(paths: list[Path]) -> None:
    with concatenated_hdf5_data(paths) as data:
        assert isinstance(data.path, Path)
        copy = io.BytesIO(data.path.read_bytes())
    with HDF5Data(copy) as data, pytest.raises(UnsupportedError, match="virtual"):
        data["deform"]


def test_basins_are_no_part_of_it(paths: list[Path], tmp_path: Path) -> None:
    write(tmp_path / "b.rtdc", {"volume": np.arange(11)})
    add_basin(paths[0], "b.rtdc")
    with concatenated_hdf5_data(paths, None) as data:
        assert "volume" not in data
