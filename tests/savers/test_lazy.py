"""Data loaded lazily: cut to the points that all have, and images out of kept chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.nodes import CARRAY
from h5backends.readers import HDF5ImageCache, MappedHDF5Dataset
from savers import Axis, DataLoader, DataRaw, DataToExport, H5SaverLowLevel
from savers.timed import DataToExportTimedSaver
from tests.conftest import LOCAL

IMAGES = np.random.default_rng(0).integers(0, 99, (30, 16, 24)).astype("u2")


def _record(path: Path, driver: str, codec: str | None) -> str:
    """Write a log of images; return where they are."""
    saver = H5SaverLowLevel(backend=driver)
    saver.init_file(path, new_file=True)
    if codec is not None:
        saver.define_compression(codec, 1)
    with DataToExportTimedSaver(saver) as log:
        for number, image in enumerate(IMAGES):
            camera = DataRaw(
                "camera", data=[image], axes=[Axis("x", data=np.arange(24.0), index=1)]
            )
            log.add_data("/RawData", DataToExport("point", [camera]), float(number))
    with DataLoader(path) as loader:
        return next(n.path for n in loader.walk_nodes() if n.name == "EnlData00")


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize("codec", ["gzip", None])
def test_images_come_out_of_a_cache_where_it_pays(
    driver: str, codec: str | None, tmp_path: Path
) -> None:
    where = _record(tmp_path / "log.h5", driver, codec)
    with DataLoader(tmp_path / "log.h5", backend=driver) as loader:
        data = loader.load_data(where, lazy=True)
        assert data.shape == IMAGES.shape
        assert isinstance(data[0], CARRAY if codec is None else HDF5ImageCache)
        np.testing.assert_array_equal(data[0][7], IMAGES[7])
        np.testing.assert_array_equal(data[0][-3:, 2], IMAGES[-3:, 2])
        np.testing.assert_array_equal(np.asarray(data[0]), IMAGES)
        if codec is not None:
            assert 0 < data[0].cached_bytes <= data[0].cache_bytes <= 1 << 26


def test_what_this_program_writes_is_never_kept(tmp_path: Path) -> None:
    where = _record(tmp_path / "log.h5", "h5py", "gzip")
    with H5SaverLowLevel() as saver:
        saver.init_file(tmp_path / "log.h5", new_file=False)
        data = DataLoader(saver).load_data(where, lazy=True)
        assert isinstance(data[0], CARRAY)
        data[0][3] = np.zeros((16, 24), "u2")
        assert not data[0][3].any()


@pytest.mark.parametrize("codec", ["gzip", None])
def test_points_that_not_all_arrays_have_are_left_out(codec: str | None, tmp_path: Path) -> None:
    """After a crash one array may be longer than another; lazily as well as at once."""
    where = _record(tmp_path / "log.h5", "h5py", codec)
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "log.h5", "r+")
        h5.get_node(where).append(IMAGES[:4])
    with DataLoader(tmp_path / "log.h5") as loader:
        whole = loader.load_data(where)
        lazy = loader.load_data(where, lazy=True)
        assert whole.shape == lazy.shape == IMAGES.shape
        assert [_facts(axis) for axis in whole.axes] == [_facts(axis) for axis in lazy.axes]
        kind: Any = MappedHDF5Dataset if codec is None else (HDF5ImageCache, MappedHDF5Dataset)
        assert isinstance(lazy[0], kind)
        np.testing.assert_array_equal(lazy[0][-1], IMAGES[-1])
        np.testing.assert_array_equal(lazy[0][:], IMAGES)
        with pytest.raises(IndexError):
            lazy[0][30]


def _facts(axis: Axis) -> tuple[str, int, int]:
    return axis.label, axis.index, axis.size
