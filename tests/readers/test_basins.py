"""Basins: in the file, in other files, mapped, nested, in a circle, and out of bounds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends.errors import (
    BasinIdentifierMismatchError,
    FileAccessError,
    MeasurementError,
    NodeNotFoundError,
    SelectionError,
    StorageError,
)
from h5backends.readers import HDF5Data, get_measurement_identifier
from tests.readers.measurements import COUNT, add_basin, add_lines, content, write

SOURCE = content(seed=1)
FEW = {"deform": np.arange(3.0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a source of features."""
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "source.rtdc", SOURCE)
    return tmp_path / "data"


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found[:], expected)


# -- kinds of basins ----------------------------------------------------------------------------
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("mapping", [None, [4, 10, 4], slice(1, 4)])
def test_a_file(folder: Path, absolute: bool, mapping: Any) -> None:
    path = folder / "a.rtdc"
    rows = slice(None) if mapping is None else np.arange(COUNT)[mapping]
    write(path, {"volume": np.arange(COUNT)[rows]})
    add_basin(
        path,
        "elsewhere/gone.rtdc",
        folder / "source.rtdc" if absolute else "source.rtdc",
        mapping=None if mapping is None else rows,
    )
    with HDF5Data(path) as data:
        assert set(SOURCE) < set(data.keys())
        same(data["deform"], SOURCE["deform"][rows])
        same(data["image"], SOURCE["image"][rows])
        same(data["mask"], SOURCE["mask"][rows] != 0)
        assert data.image_corr is not None
        same(data.image_corr, SOURCE["image"][rows].astype("i2") - SOURCE["image_bg"][rows])
        group, features, found = data.get_basin_data(0)
        assert features == sorted(SOURCE)
        assert "image" in group
        assert found is None if mapping is None else found.tolist() == rows.tolist()
    with HDF5Data(path, index_mapping=[1, 0]) as data:
        same(data["deform"], SOURCE["deform"][rows][[1, 0]])
        same(data["image"], SOURCE["image"][rows][[1, 0]])


def test_only_what_is_declared(folder: Path) -> None:
    write(folder / "a.rtdc", {"volume": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", "source.rtdc", features=["deform", "not there"])
    with HDF5Data(folder / "a.rtdc") as data:
        assert data.keys() == ["deform", "volume"]
        with pytest.raises(NodeNotFoundError):
            data["area_um"]


def test_by_definition(folder: Path) -> None:
    write(folder / "a.rtdc", {"volume": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", "source.rtdc")
    with HDF5Data(folder / "a.rtdc") as data:
        for definition in (*data.basins, {"type": "file", "paths": ["source.rtdc"]}):
            group, features = data._get_basin_data_file(definition)
            assert features == sorted(SOURCE)
            same(group["deform"], SOURCE["deform"])
        with pytest.raises(MeasurementError, match="missing"):
            data._get_basin_data_internal({"type": "internal", "paths": ["x"], "features": []})


@pytest.mark.parametrize("mapping", [None, [2, 0, 2]])
def test_inside_of_the_file(folder: Path, mapping: Any) -> None:
    path = folder / "a.rtdc"
    write(path, FEW)
    inner = np.arange(3) * 10
    with h5py.File(path, "a") as file:
        file["basin_events/userdef1"] = inner
        file["basin_events/image"] = SOURCE["image"][:3]
    add_basin(
        path,
        "basin_events",
        key="zz",
        kind="internal",
        mapping=mapping,
        features=["userdef1", "image", "gone"],
    )
    add_basin(path, "source.rtdc", key="aa", mapping=[5, 6, 7])
    rows = slice(None) if mapping is None else mapping
    with HDF5Data(path) as data:
        assert [b["name"] for b in data.basins] == ["zz", "aa"]
        same(data["userdef1"], inner[rows])
        same(data["image"], SOURCE["image"][:3][rows])  # not that of the file, asked later
        same(data["area_um"], SOURCE["area_um"][5:8])
    with HDF5Data(path, index_mapping=[2]) as data:
        same(data["userdef1"], inner[rows][[2]])


def test_own_features_go_first(folder: Path) -> None:
    write(folder / "a.rtdc", {"deform": np.zeros(COUNT)})
    add_basin(folder / "a.rtdc", "source.rtdc")
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["deform"], np.zeros(COUNT))


def test_basins_of_basins(folder: Path) -> None:
    """The mappings of all steps are applied one after the other."""
    first, second, third = [9, 1, 7, 3, 5], [4, 0, 2], [1, 1]
    write(folder / "1.rtdc", {"a": np.arange(5)})
    add_basin(folder / "1.rtdc", "source.rtdc", mapping=first)
    write(folder / "2.rtdc", {"b": np.arange(3)})
    add_basin(folder / "2.rtdc", "1.rtdc", mapping=second)
    write(folder / "3.rtdc", {"c": np.arange(2)})
    add_basin(folder / "3.rtdc", "2.rtdc", mapping=third)
    rows = np.array(first)[second][third]
    with HDF5Data(folder / "3.rtdc") as data:
        assert {"a", "b", "c", *SOURCE} < set(data.keys())
        same(data["b"], np.arange(3)[third])
        same(data["a"], np.arange(5)[second][third])
        same(data["deform"], SOURCE["deform"][rows])
        same(data["image"], SOURCE["image"][rows])
    with HDF5Data(folder / "3.rtdc", index_mapping=slice(1, 2)) as data:
        same(data["image"], SOURCE["image"][rows[1:]])


def test_two_ways_to_one_file_are_no_circle(folder: Path) -> None:
    for name in ("left", "right"):
        write(folder / f"{name}.rtdc", {name: np.arange(COUNT)})
        add_basin(folder / f"{name}.rtdc", "source.rtdc")
    write(folder / "a.rtdc", {"volume": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", "left.rtdc", key="left")
    add_basin(folder / "a.rtdc", "right.rtdc", key="right")
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["deform"], SOURCE["deform"])
        assert {"left", "right"} < set(data.keys())


# -- what does not fit --------------------------------------------------------------------------
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_circles_are_refused(folder: Path, steps: int) -> None:
    names = [f"{n}.rtdc" for n in range(steps)]
    for number, name in enumerate(names):
        write(folder / name, {f"f{number}": np.arange(3)})
        add_basin(folder / name, names[(number + 1) % steps])
    with HDF5Data(folder / names[0]) as data:
        same(data["f0"], np.arange(3))
        for look in (data.keys, lambda: data["volume"]):
            with pytest.raises(MeasurementError, match="circle"):
                look()
    with HDF5Data(folder / names[0], basins=[]) as data:
        assert data.keys() == ["f0"]


def test_another_measurement(folder: Path) -> None:
    with h5py.File(folder / "source.rtdc") as file:
        identifier = get_measurement_identifier(file)
    for expected in (identifier, "another"):
        path = folder / f"{expected}.rtdc"
        write(path, {"volume": np.arange(COUNT)})
        add_basin(path, "source.rtdc", identifier=expected)
    with HDF5Data(folder / f"{identifier}.rtdc") as data:
        same(data["deform"], SOURCE["deform"])
    with HDF5Data(folder / "another.rtdc") as data:
        same(data["volume"], np.arange(COUNT))
        with pytest.raises(BasinIdentifierMismatchError, match="does not match"):
            data["deform"]


def test_a_basin_of_another_length(folder: Path) -> None:
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", "source.rtdc")
    with (
        HDF5Data(folder / "a.rtdc") as data,
        pytest.raises(MeasurementError, match="expected 3 events"),
    ):
        data["area_um"]
    write(folder / "b.rtdc", FEW)
    with h5py.File(folder / "b.rtdc", "a") as file:
        file["basin_events/x"] = np.arange(4)
    add_basin(folder / "b.rtdc", "basin_events", kind="internal", features=["x"])
    with (
        HDF5Data(folder / "b.rtdc") as data,
        pytest.raises(MeasurementError, match="expected 3 events"),
    ):
        data["x"]


def test_mappings_that_do_not_fit(folder: Path) -> None:
    write(folder / "long.rtdc", FEW)
    add_basin(folder / "long.rtdc", "source.rtdc", mapping=[0, 1, COUNT])
    with HDF5Data(folder / "long.rtdc") as data, pytest.raises(SelectionError):
        data["area_um"]
    write(folder / "short.rtdc", FEW)
    add_basin(folder / "short.rtdc", "source.rtdc", mapping=[0, 1])
    with (
        HDF5Data(folder / "short.rtdc", index_mapping=[2]) as data,
        pytest.raises(SelectionError, match="shorter"),
    ):
        data["area_um"]


def test_absent_files(folder: Path) -> None:
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", "gone.rtdc", key="the lost one", features=["image"])
    with HDF5Data(folder / "a.rtdc") as data:
        assert data.keys() == ["deform"]
        assert data.image is None
        assert data.get_basin_data(0)[:2] == (None, [])
        with pytest.raises(NodeNotFoundError, match="the lost one"):
            data["image"]
        with pytest.raises(SelectionError, match="no basin 1"):
            data.get_basin_data(1)


def test_a_basin_that_is_no_measurement(folder: Path) -> None:
    (folder / "text.rtdc").write_text("not HDF5")
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", "text.rtdc")
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["deform"], FEW["deform"])
        with pytest.raises(OSError, match="text"):
            data.keys()


@pytest.mark.parametrize(
    "definition",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        '{"type": 3}',
        '{"type": "file"}',
        '{"type": "file", "paths": "a.rtdc"}',
        '{"type": "file", "paths": []}',
        '{"type": "file", "paths": [1]}',
        '{"type": "file", "paths": ["a"], "features": "deform"}',
        '{"type": "file", "paths": ["a"], "features": ["../x"]}',
        '{"type": "file", "paths": ["a"], "identifier": 3}',
        '{"type": "internal", "paths": ["basin_events"]}',
        "__import__('os').system('echo')",
    ],
)
def test_definitions_that_are_none(folder: Path, definition: str) -> None:
    write(folder / "a.rtdc", FEW)
    with h5py.File(folder / "a.rtdc", "a") as file:
        add_lines(file, "basins/x", definition)
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["deform"], FEW["deform"])
        with pytest.raises(MeasurementError, match="/basins/x"):
            data.keys()
    with HDF5Data(folder / "a.rtdc", basins=[]) as data:
        assert data.keys() == ["deform"]


def test_kinds_that_are_not_known_are_left_out(folder: Path) -> None:
    write(folder / "a.rtdc", FEW)
    with h5py.File(folder / "a.rtdc", "a") as file:
        add_lines(file, "basins/x", '{"type": "remote", "urls": ["https://example.org"]}')
        add_lines(file, "basins/y", '{"type": "file", "paths": ["b"], "mapping": "basinmap7"}')
        assert HDF5Data.extract_basin_dicts(file) == []
        assert len(HDF5Data.extract_basin_dicts(file, check=False)) == 2
    with HDF5Data(folder / "a.rtdc") as data:
        assert data.keys() == ["deform"]


# -- out of bounds ------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["absolute", "dots", "link"])
def test_files_elsewhere_are_refused(folder: Path, how: str) -> None:
    secret = folder.parent / "secret.rtdc"
    write(secret, SOURCE)
    target: Path | str = secret if how == "absolute" else "../secret.rtdc"
    if how == "link":
        target = "innocent.rtdc"
        try:
            (folder / target).symlink_to(secret)
        except OSError:
            pytest.skip("this system does not let us make symbolic links")
    write(folder / "a.rtdc", {"volume": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", target)
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["volume"], np.arange(COUNT))
        for look in (data.keys, lambda: data["deform"], lambda: data.get_basin_data(0)):
            with pytest.raises(FileAccessError, match="basin_roots"):
                look()
    with HDF5Data(folder / "a.rtdc", basin_roots=[folder.parent]) as data:
        same(data["deform"], SOURCE["deform"])
    with HDF5Data(folder / "a.rtdc", basin_roots=[]) as data, pytest.raises(FileAccessError):
        data["deform"]


def test_one_that_is_allowed_goes_before_one_that_is_not(folder: Path) -> None:
    write(folder.parent / "source.rtdc", content(seed=9))
    write(folder / "a.rtdc", {"volume": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", folder.parent / "source.rtdc", "source.rtdc")
    with HDF5Data(folder / "a.rtdc") as data:
        same(data["deform"], SOURCE["deform"])


def test_any_file_of_the_system(folder: Path) -> None:
    """A path to a file that is no measurement is refused, not opened."""
    (folder.parent / "passwords").write_text("root")
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", folder.parent / "passwords", "/etc/passwd")
    with HDF5Data(folder / "a.rtdc") as data, pytest.raises(FileAccessError):
        data.keys()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_paths_that_no_file_can_have(folder: Path, name: str) -> None:
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", name)
    with HDF5Data(folder / "a.rtdc") as data:
        try:
            assert data.keys() == ["deform"]
        except MeasurementError as exc:
            assert "cannot be a file's" in str(exc)


def _hostile(path: Path, secret: Path, how: str) -> None:
    """Make a measurement whose feature is in a file that it has nothing to do with."""
    write(path, {"volume": np.arange(COUNT)})
    with h5py.File(path, "a") as file:
        events = file["events"]
        relative = os.path.relpath(secret, path.parent)
        match how:
            case "external link":
                events["stolen"] = h5py.ExternalLink(str(secret), "/events/deform")
            case "relative external link":
                events["stolen"] = h5py.ExternalLink(relative, "/events/deform")
            case "soft link":
                file["elsewhere"] = h5py.ExternalLink(str(secret), "/events")
                events["stolen"] = h5py.SoftLink("/elsewhere/deform")
            case "events":
                del file["events"]
                file["events"] = h5py.ExternalLink(str(secret), "/events")
            case "virtual":
                layout = h5py.VirtualLayout((COUNT,), "f8")
                layout[:] = h5py.VirtualSource(str(secret), "events/deform", (COUNT,))
                events.create_virtual_dataset("stolen", layout)
            case "virtual of virtual":
                _hostile(path.with_name("step.rtdc"), secret, "virtual")
                layout = h5py.VirtualLayout((COUNT,), "f8")
                layout[:] = h5py.VirtualSource("step.rtdc", "events/stolen", (COUNT,))
                events.create_virtual_dataset("stolen", layout)
            case "external storage":
                events.create_dataset("stolen", (COUNT,), "u1", external=[(str(secret), 0, COUNT)])
            case "group":
                events.create_group("trace")["stolen"] = h5py.ExternalLink(str(secret), "/events")


@pytest.mark.parametrize(
    "how",
    [
        "external link",
        "relative external link",
        "soft link",
        "events",
        "virtual",
        "virtual of virtual",
        "external storage",
        "group",
    ],
)
def test_hostile_basins_read_nothing_elsewhere(folder: Path, how: str) -> None:
    secret = folder.parent / "secret.rtdc"
    write(secret, SOURCE)
    _hostile(folder / "b.rtdc", secret, how)
    write(folder / "a.rtdc", {"x": np.arange(COUNT)})
    add_basin(folder / "a.rtdc", "b.rtdc")
    name = {"events": "deform", "group": "trace"}.get(how, "stolen")
    with (
        HDF5Data(folder / "a.rtdc") as data,
        pytest.raises(FileAccessError, match=re.escape(str(secret))),
    ):
        data[name]
    with HDF5Data(folder / "a.rtdc", basin_roots=[folder.parent]) as data:
        if how == "group":
            assert "deform" in data[name]["stolen"]
        elif how != "external storage":
            same(data[name], SOURCE["deform"])
        else:
            assert bytes(data[name][:4]) == secret.read_bytes()[:4]


def test_internal_basins_lead_nowhere_else(folder: Path) -> None:
    secret = folder.parent / "secret.rtdc"
    write(secret, SOURCE)
    write(folder / "a.rtdc", {"x": np.arange(COUNT)})
    with h5py.File(folder / "a.rtdc", "a") as file:
        file["basin_events"] = h5py.ExternalLink(str(secret), "/events")
    add_basin(folder / "a.rtdc", "basin_events", kind="internal", features=["deform"])
    with HDF5Data(folder / "a.rtdc") as data, pytest.raises(FileAccessError):
        data["deform"]


def test_links_in_a_circle(folder: Path) -> None:
    write(folder / "b.rtdc", FEW)
    with h5py.File(folder / "b.rtdc", "a") as file:
        file["events/a"] = h5py.SoftLink("/events/b")
        file["events/b"] = h5py.SoftLink("/events/a")
    write(folder / "a.rtdc", {"x": np.arange(3)})
    add_basin(folder / "a.rtdc", "b.rtdc")
    with HDF5Data(folder / "a.rtdc") as data, pytest.raises((MeasurementError, StorageError)):
        data["deform"]


def test_a_missing_group_of_an_internal_basin(folder: Path) -> None:
    write(folder / "a.rtdc", FEW)
    add_basin(folder / "a.rtdc", "basin_events", kind="internal", features=["x"])
    with HDF5Data(folder / "a.rtdc") as data, pytest.raises(MeasurementError, match="missing"):
        data.keys()
