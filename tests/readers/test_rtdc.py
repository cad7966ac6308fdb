"""HDF5Data: features, images, metadata, logs, tables, pickling, and files that are not right."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.errors import (
    FileClosedError,
    FileFormatError,
    FileMissingError,
    MeasurementError,
    NodeKindError,
    NodeNotFoundError,
    PipelineIdentifierError,
    SelectionError,
    ShapeError,
    StorageError,
)
from h5backends.readers import (
    PROTECTED_FEATURES,
    EmptyDatasetWarning,
    HDF5Data,
    HDF5ImageCache,
    ImageCorrCache,
    detect_flickering,
    get_measurement_identifier,
    md5sum,
)
from tests.readers.measurements import COUNT, add_basin, add_lines, content, write

EVENTS = content()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "m.rtdc")
    return tmp_path / "m.rtdc"


# -- features -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "mapping",
    [None, 4, 99, slice(0, 100), slice(2, 8, 3), slice(None, None, -1), [7, 1, 1, -1], [], "mask"],
)
def test_every_feature_under_every_mapping(path: Path, mapping: Any) -> None:
    if mapping == "mask":
        mapping = rows = EVENTS["deform"] > 0.5
    elif isinstance(mapping, list):
        rows = np.array(mapping, int)
    else:
        rows = mapping if isinstance(mapping, slice) else slice(mapping)
    with HDF5Data(path, index_mapping=mapping) as data:
        expected = {name: values[rows] for name, values in EVENTS.items()}
        expected["mask"] = expected["mask"] != 0
        assert data.keys() == sorted(EVENTS)
        assert len(data) == len(expected["deform"])
        for name, values in expected.items():
            assert name in data
            if len(data) or values.ndim == 1:
                np.testing.assert_array_equal(data[name][:], values)
                assert data[name].dtype == values.dtype
        assert "no such" not in data
        assert data.features_scalar_frame == ["frame", "time"]
        if len(data):
            assert isinstance(data.image, HDF5ImageCache)
            assert isinstance(data.image_corr, ImageCorrCache)
            assert data.image is data.image
            assert data.image_corr is data.image_corr
            difference = expected["image"].astype("i2") - expected["image_bg"]
            np.testing.assert_array_equal(data.image_corr[:], difference)


def test_scalars_are_read_once_and_read_only(path: Path) -> None:
    with HDF5Data(path) as data:
        assert data["deform"] is data["deform"]
        with pytest.raises(ValueError, match="read-only"):
            data["deform"][0] = 1


def test_chunks_fit_those_of_the_file(path: Path) -> None:
    for wanted, found in ((1000, 999), (4, 3), (1, 3)):
        with HDF5Data(path, image_chunk_size=wanted) as data:
            assert data.image_chunk_size == found
            assert data.image_num_chunks == -(-COUNT // found)
            assert data.image is not None
            assert data.image.num_chunks == data.image_num_chunks


def test_groups_of_features(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["events/trace/fl1_raw"] = np.arange(COUNT * 4).reshape(COUNT, 4)
        for event in range(COUNT):
            file[f"events/contour/{event}"] = np.full((event + 1, 2), event)
        file["events/qpi"] = np.arange(COUNT * 6.0).reshape(COUNT, 2, 3)
    with HDF5Data(path, index_mapping=[9, 2]) as data:
        np.testing.assert_array_equal(data["trace"]["fl1_raw"][:, 0], [36, 8])
        assert [len(data["contour"][str(n)]) for n in range(2)] == [10, 3]
        np.testing.assert_array_equal(data["qpi"][:, 0, 0], [54, 12])


def test_a_feature_that_is_missing(path: Path) -> None:
    with HDF5Data(path) as data:
        for name in ("volume", "", "events", 3, slice(3)):
            with pytest.raises(NodeNotFoundError):
                data[name]  # type: ignore[index]
        with pytest.raises(KeyError, match=r"m\.rtdc"):
            data["volume"]


def test_images_that_are_none(tmp_path: Path) -> None:
    write(tmp_path / "a.rtdc", {"deform": np.ones(3), "image": np.ones(3)})
    with HDF5Data(tmp_path / "a.rtdc") as data:
        with pytest.raises(NodeKindError, match="no stack of images"):
            data["image"]
        assert data.image_bg is None
        assert data.mask is None


# -- beside the events --------------------------------------------------------------------------
def test_metadata_logs_and_tables(path: Path) -> None:
    table = np.zeros((5, 1, 1), [("a", "f8"), ("b", "i4")])
    table["b"] = np.arange(5).reshape(5, 1, 1)
    with h5py.File(path, "a") as file:
        file.attrs["setup:medium"] = np.bytes_(b"water")
        file.attrs["no section"] = 3
        add_lines(file, "logs/one", "first\nsecond")
        file.create_dataset("logs/two", data=["µm", ""], dtype=h5py.string_dtype())
        file.create_dataset("logs/empty", (0,), "S5")
        file["logs/scalar"] = "alone"
        file["tables/columns"] = table
        file["tables/image"] = np.eye(3)
    with HDF5Data(path, pixel_size=0.123456789) as data:
        assert data.meta["setup:medium"] == "water"
        assert data.meta_nest["setup"]["identifier"] == "test bench"
        assert data.meta_nest["no section"] == {"": 3}
        assert data.logs == {"one": ["first", "second"], "two": ["µm", ""], "scalar": ["alone"]}
        np.testing.assert_array_equal(data.tables["columns"]["b"], np.arange(5))
        np.testing.assert_array_equal(data.tables["image"], np.eye(3))
        assert data.pixel_size == data.meta["imaging:pixel size"] == 0.12345679
        data.pixel_size = 0.5
        assert data.get_ppid() == "hdf:p=0.5^i=0"
    with h5py.File(path) as file:
        assert file.attrs["imaging:pixel size"] == 0.34


def test_what_is_given_is_taken(path: Path) -> None:
    meta = {"imaging:pixel size": 2.0}
    with HDF5Data(
        path, 3.0, "abc", meta, basins=[], logs={"l": ["x"]}, tables={"t": np.ones(2)}
    ) as data:
        assert (data.pixel_size, data.md5_5m, data.basins) == (3.0, "abc", [])
        assert data.logs == {"l": ["x"]}
        assert list(data.tables) == ["t"]
    assert meta == {"imaging:pixel size": 2.0}


def test_identifiers(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "a") as file:
        computed = get_measurement_identifier(file)
        assert computed == "0515db8e-9bb0-3e65-5fd3-d254526fd2bd"
        file.attrs["experiment:run identifier"] = np.bytes_(b"run 7")
        assert get_measurement_identifier(file) == "run 7"
        file.attrs["experiment:run identifier"] = ""
        assert get_measurement_identifier(file) == computed
        del file.attrs["experiment:date"]
        assert get_measurement_identifier(file) is None
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        assert get_measurement_identifier(h5.get_node("/")) is None


def test_md5sum(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789" * 20_000)
    whole = md5sum(path)
    assert whole == md5sum(path, 0) == md5sum(str(path), 7) == md5sum(path, 0, 3)
    assert md5sum(path, 10, 1) == "781e5e245d69b566979b86e28d23f2c7"
    path.write_bytes(b"another content")
    assert md5sum(path) != whole
    with pytest.raises(FileMissingError):
        md5sum(tmp_path / "none")


@pytest.mark.parametrize(
    ("mapping", "part"),
    [(None, "0"), (7, "7"), (slice(1, None, 2), "1-n-2"), (slice(-3, None, -1), "-3-n--1")],
)
def test_pipeline_identifiers_can_be_read_back(mapping: Any, part: str) -> None:
    ppid = HDF5Data.get_ppid_from_ppkw({"pixel_size": 0.34, "index_mapping": mapping})
    assert ppid == f"{HDF5Data.get_ppid_code()}:p=0.34^i={part}"
    assert HDF5Data.get_ppkw_from_ppid(ppid) == {"pixel_size": 0.34, "index_mapping": mapping}


@pytest.mark.parametrize(
    "ppid",
    ["", "hdf", "xyz:p=1", "hdf:p=a", "hdf:q=1", "hdf:i=h-0123abcd", "hdf:i=unknown", "hdf:i=1-2"],
)
def test_identifiers_that_say_too_little(ppid: str) -> None:
    with pytest.raises(PipelineIdentifierError):
        HDF5Data.get_ppkw_from_ppid(ppid)


# -- files, processes ---------------------------------------------------------------------------
def test_other_ways_to_give_it(path: Path) -> None:
    expected = EVENTS["deform"]
    with HDF5Data(str(path)) as data:
        np.testing.assert_array_equal(data["deform"], expected)
    with h5py.File(path) as file:
        with HDF5Data(file) as data:
            assert data.path == path
            np.testing.assert_array_equal(data["deform"], expected)
        assert file  # stays its owner's
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r")
        np.testing.assert_array_equal(HDF5Data(h5)["deform"], expected)
    with HDF5Data(io.BytesIO(path.read_bytes())) as data:
        np.testing.assert_array_equal(data["image"][:], EVENTS["image"])
        assert data.md5_5m == data.md5_5m
    with H5Backend("tables") as h5:
        h5.open_file(path, "r")
        with pytest.raises(NodeKindError, match="h5py"):
            HDF5Data(h5)


def test_closed(path: Path) -> None:
    data = HDF5Data(path)
    image = data["image"]
    data.close()
    data.close()
    for look in (lambda: data["deform"], lambda: data.h5, lambda: len(data), lambda: image[0]):
        with pytest.raises(FileClosedError):
            look()


def _sums(data: HDF5Data) -> tuple[float, int, list[int]]:
    return float(data["deform"].sum()), int(data["image"][:].sum()), data["frame"].tolist()


def test_in_other_processes(path: Path) -> None:
    with HDF5Data(path, pixel_size=0.7, index_mapping=[3, 1], image_chunk_size=3) as data:
        expected = _sums(data)
        copy = pickle.loads(pickle.dumps(data))
        assert _sums(copy) == expected
        assert (copy.pixel_size, copy.image_chunk_size) == (0.7, 3)
        assert copy.basin_roots == data.basin_roots
        copy.close()
        methods = {"spawn", *multiprocessing.get_all_start_methods()} - {"forkserver", "fork"}
        for method in sorted(methods):
            with multiprocessing.get_context(method).Pool(1) as pool:
                assert pool.map(_sums, [data]) == [expected]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_opens_it_anew(path: Path) -> None:
    with HDF5Data(path) as data:
        expected = _sums(data)
        child = os.fork()
        if not child:
            try:
                os._exit(0 if _sums(data) == expected and data.h5 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert _sums(data) == expected


def test_in_memory_it_stays_here() -> None:
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        file["events/deform"] = np.ones(3)
        data = HDF5Data(file)
        assert data.path is None
        assert len(data) == 3
        with pytest.raises(MeasurementError, match="in memory"):
            pickle.dumps(data)


# -- files that are not right -------------------------------------------------------------------
def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError):
        HDF5Data(tmp_path / "none.rtdc")
    (tmp_path / "text.rtdc").write_text("not HDF5")
    with pytest.raises(FileFormatError):
        HDF5Data(tmp_path / "text.rtdc")
    with pytest.raises(MeasurementError, match="no HDF5 file"):
        HDF5Data(io.BytesIO(b"not HDF5"))


def test_missing_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.rtdc", "w"):
        pass
    with HDF5Data(tmp_path / "a.rtdc") as data:
        assert (len(data), data.keys(), data.logs, data.tables, data.basins) == (0, [], {}, {}, [])
        assert data.image is data.image_corr is None
        assert data.pixel_size == 0
        assert data.meta_nest == {}
        assert data.image_num_chunks == 0
        with pytest.raises(NodeNotFoundError):
            data["deform"]


def test_without_a_count_the_features_tell(tmp_path: Path) -> None:
    write(tmp_path / "a.rtdc")
    with h5py.File(tmp_path / "a.rtdc", "a") as file:
        del file.attrs["experiment:event count"]
    with HDF5Data(tmp_path / "a.rtdc") as data:
        assert len(data) == COUNT


def test_zero_events(tmp_path: Path) -> None:
    write(tmp_path / "a.rtdc", content(0))
    with HDF5Data(tmp_path / "a.rtdc") as data:
        assert len(data) == data.image_num_chunks == 0
        assert data["deform"].shape == (0,)
        with pytest.warns(EmptyDatasetWarning):
            image = data["image"]
        assert list(image) == []
        assert detect_flickering(data) is False


def test_events_that_are_no_group(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.rtdc", "w") as file:
        file["events"] = [1, 2]
    with (
        HDF5Data(tmp_path / "a.rtdc") as data,
        pytest.raises(MeasurementError, match="not a group"),
    ):
        data.keys()


def test_logs_that_are_not_text(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["logs/bytes"] = np.array([b"\xff\xfe ok", b"{broken json"])
        file["logs/numbers"] = [1, 2]
        file.create_group("logs/group")
    with HDF5Data(path) as data:
        assert data.logs["bytes"] == ["\ufffd\ufffd ok", "{broken json"]
        assert data.logs["numbers"] == ["1", "2"]
        assert "group" not in data.logs


def test_absent_linked_files(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["events/volume"] = h5py.ExternalLink("gone.h5", "/x")
        file["events/soft"] = h5py.SoftLink("/nowhere")
        file["logs/gone"] = h5py.ExternalLink("gone.h5", "/x")
    with HDF5Data(path) as data:
        np.testing.assert_array_equal(data["deform"], EVENTS["deform"])
        for name in ("volume", "soft"):
            with pytest.raises(StorageError, match=name):
                data[name]
        with pytest.raises(StorageError, match="logs/gone"):
            _ = data.logs


def test_a_mapping_of_events_that_are_not_there(path: Path) -> None:
    with HDF5Data(path, index_mapping=[0, COUNT]) as data, pytest.raises(SelectionError):
        data["deform"]


# -- flicker ------------------------------------------------------------------------------------
@pytest.mark.parametrize("given", ["array", "cache", "measurement"])
def test_flicker(given: str, tmp_path: Path) -> None:
    steady = np.full((50, 20, 30), 100, "u1")
    flickers = steady.copy()
    flickers[10:15, :10] += 3
    hidden = steady.copy()
    hidden[10:15, 10:] += 3
    for images, expected in ((steady, False), (flickers, True), (hidden, False)):
        write(tmp_path / "a.rtdc", {"image": images})
        with HDF5Data(tmp_path / "a.rtdc") as data:
            source = {"array": images, "cache": data.image, "measurement": data}[given]
            assert detect_flickering(source) is expected
            assert detect_flickering(source, max_frames=14) is False
            assert detect_flickering(source, count_threshold=6) is False
            assert detect_flickering(source, brightness_threshold=3.5) is False


def test_no_images_to_flicker(tmp_path: Path) -> None:
    write(tmp_path / "a.rtdc", {"deform": np.ones(3)})
    with (
        HDF5Data(tmp_path / "a.rtdc") as data,
        pytest.raises(NodeNotFoundError, match="no images"),
    ):
        detect_flickering(data)
    with pytest.raises(ShapeError, match="stack of images"):
        detect_flickering(np.ones((3, 3)))
    assert detect_flickering(np.zeros((0, 3, 3))) is False


def test_features_of_a_frame() -> None:
    assert {"time", "frame", "userdef0", "userdef9"} <= set(PROTECTED_FEATURES)


def test_importing_loads_no_hdf5_library() -> None:
    code = "import sys, h5backends.readers; print({'h5py', 'tables', 'h5pyd'} & {*sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_a_basin_given_by_the_caller(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.rtdc", {"volume": np.arange(COUNT)})
    add_basin(path, "unused.rtdc")
    basins = [{"type": "file", "paths": [str(tmp_path / "b.rtdc")]}]
    with HDF5Data(path, basins=basins) as data:
        np.testing.assert_array_equal(data["volume"], np.arange(COUNT))
