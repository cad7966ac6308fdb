"""Frames through HDF5's own functions, and where these cannot be had; h5py is the oracle."""

from __future__ import annotations

import ctypes
import gc
import os
import pathlib
import weakref
from typing import Any

import h5py
import numpy as np
import pytest
from h5py._objects import phil

from h5backends import H5Backend
from h5backends.drivers import frame_calls as module
from h5backends.drivers.frame_calls import frame_calls
from h5backends.drivers.hdf5_library import libraries
from h5backends.drivers.tables_ import TablesDriver
from h5backends.errors import FileClosedError, StorageError
from h5backends.types import ArraySpec, NodeKind, OpenOptions

SHAPE = (256, 256)


def frames(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 60_000, (count, *SHAPE)).astype(np.uint16)


@pytest.fixture(params=["direct", "no such function", "another layout", "no library"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Work both ways: directly, and through the libraries for each of the reasons."""
    if request.param == "no such function":
        elsewhere = ctypes.PyDLL(None) if os.name == "posix" else ctypes.PyDLL("kernel32")
        assert frame_calls(elsewhere, SHAPE, np.dtype(np.uint16), Any) is None
        for driver in ("_h5py", "_tables"):
            monkeypatch.setattr(
                f"h5backends.drivers.{driver}.append.frame_calls",
                lambda library, *rest: frame_calls(elsewhere, *rest),
            )
    elif request.param == "another layout":
        monkeypatch.setattr(module, "_KNOWN", False)
    elif request.param == "no library":
        monkeypatch.setattr("h5backends.drivers.h5py_.find_library", lambda *_: None)
        monkeypatch.setattr(
            "h5backends.drivers._tables.lowlevel.find_direct", lambda file_id, path: None
        )
    return str(request.param)


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_every_way_writes_the_same(tmp_path: pathlib.Path, driver: str, way: str) -> None:
    path, data = tmp_path / "f.h5", frames(7)
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "uint16", SHAPE)
        array.append(data[0])
        array.append(data[1].T.copy().T)  # not in one piece
        array.append(data[2:4])
        array.append(data[4][::-1][::-1])
        array.append(data[5])
        assert np.array_equal(array[4:6], data[4:6])
        array.append(data[6])
    with h5py.File(path, "r") as file:
        assert np.array_equal(file["a"][:], data)
        assert file["a"].id.get_num_chunks() == 7


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_a_file_closed_by_its_own_library_takes_no_frame(
    tmp_path: pathlib.Path, driver: str
) -> None:
    path, data = tmp_path / "f.h5", frames(2)
    h5 = H5Backend(driver)
    h5.open_file(path, "w")
    array = h5.create_earray("/", "a", "uint16", SHAPE)
    array.append(data[0])
    h5.flush()
    h5.session.driver.close()
    with pytest.raises(FileClosedError, match=r"f\.h5"):
        array.append(data[1])
    h5.close_file()
    with h5py.File(path, "r") as file:
        assert np.array_equal(file["a"][:], data[:1])


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_what_appends_goes_with_its_last_user(tmp_path: pathlib.Path, driver: str) -> None:
    """Not only when the garbage collector comes by: it keeps HDF5's objects open."""
    gc.collect()
    gc.disable()
    try:
        with H5Backend(driver) as h5:
            h5.open_file(tmp_path / "f.h5", "w")
            h5.create_earray("/", "a", "uint16", SHAPE)
            inside = h5.session.driver
            appender: Any = inside.appender(inside.child(inside.root(), "a"))
            appender.append_frame(0, frames(1)[0])
            kept = weakref.ref(appender.append_frame)
            del appender
            assert kept() is None
    finally:
        gc.enable()


def test_an_array_that_pytables_opened_anew(tmp_path: pathlib.Path) -> None:
    data = frames(5)
    driver = TablesDriver.open(str(tmp_path / "f.h5"), "w", OpenOptions())
    spec = ArraySpec(NodeKind.EARRAY, np.dtype(np.uint16), (0, *SHAPE), (1, *SHAPE))
    handle = driver.create_array(driver.root(), "a", spec, None, {})
    appender: Any = driver.appender(handle)
    appender.append_frame(0, data[0])
    driver._array(handle).low.reopen("/a")
    for start in range(1, 5):
        appender.append_frame(start, data[start])
    assert driver.shape(handle)[0] == 5
    driver.close()
    with h5py.File(tmp_path / "f.h5", "r") as file:
        assert np.array_equal(file["a"][:], data)


class Around:
    """A driver that has nothing around, and notes what HDF5 did not take."""

    def __init__(self, number: int) -> None:
        self.dataset = ctypes.c_int64(number)
        self.journal = None
        self.lock = phil
        self.counted: Any = self
        self.length = 0
        self.refused: list[int] = []

    def append_slowly(self, start: int, frame: Any) -> None:
        self.refused.append(start)
        raise ValueError("not taken")

    def raise_ours(self, exc: BaseException) -> None:
        raise StorageError("as said") from exc


def test_what_hdf5_refuses_goes_to_the_library(tmp_path: pathlib.Path) -> None:
    data = frames(3)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        array = file.create_dataset(
            "a", (0, *SHAPE), "u2", maxshape=(2, *SHAPE), chunks=(1, *SHAPE)
        )
        around = Around(array.id.id)
        (library,) = libraries(h5py.h5d.__file__)
        append = frame_calls(library, SHAPE, data.dtype, around)
        assert append is not None
        append(0, data[0])
        append(1, data[1])
        for start, frame in [(2, data[2]), (1, data[2].T)]:  # too many; not in one piece
            with pytest.raises(StorageError, match="as said"):
                append(start, frame)
        assert around.refused == [2, 1]
        assert around.length == 2
        assert np.array_equal(array[:], data[:2])
