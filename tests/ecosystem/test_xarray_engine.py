"""Files as xarray opens them: coordinates, units, nothing read before it is needed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dask
import h5py
import numpy as np
import pytest
import xarray as xr

from h5backends import H5Backend
from h5backends.errors import FileMissingError, NodeNotFoundError
from h5backends.nodes import CARRAY
from savers import Axis, DataLoader, DataRaw, DataToExport, DataToExportTimedSaver, Scan
from savers.interchange import from_xarray
from savers.interchange.engine import H5BackendsEntrypoint
from tests.cli.recordings import ENERGY, POWER, SCAN, SPECTRUM, spectrum, write_scan
from tests.conftest import LOCAL

ENGINE = "h5backends"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.h5")


def opened(path: Any, **options: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine=ENGINE, **options)


@pytest.mark.parametrize("backend", LOCAL)
def test_a_scan(tmp_path: Path, backend: str) -> None:
    path = write_scan(tmp_path / "scan.h5", backend=backend)
    with opened(path, backend=backend) as data:
        assert set(data.data_vars) == {"power", "power_error", "spectrum"}
        assert data["spectrum"].dims == ("delay", "energy")
        assert (data["spectrum"].units, data["delay"].units) == ("V", "fs")
        np.testing.assert_array_equal(data["delay"], np.arange(6) * 5.0)
        np.testing.assert_array_equal(data["energy"], ENERGY)
        np.testing.assert_array_equal(data["power_error"], np.full(6, 0.1))
        line = data["spectrum"].sel(delay=20.0)
        np.testing.assert_array_equal(line, spectrum(4))
        assert data.attrs["title"] == "delay scan"


def test_nothing_is_read_before_it_is_needed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    original = CARRAY.__getitem__

    def noted(self: CARRAY, item: Any) -> Any:
        if self.path == SPECTRUM:
            read.append(item)
        return original(self, item)

    monkeypatch.setattr(CARRAY, "__getitem__", noted)
    with opened(path) as data:
        part = data["spectrum"][2:4, 5]
        assert read == []
        np.testing.assert_array_equal(part.values, [spectrum(2)[5], spectrum(3)[5]])
    assert read == [(slice(2, 4, 1), 5)]


@pytest.mark.parametrize(
    "key",
    [
        (slice(None, None, -1), slice(5, None, -2)),
        ([4, 1, 1], slice(3)),
        ([0, 2], [1, 5, 3]),
        (-1, slice(None)),
        (slice(2, 2), 0),
        (np.array([True, False] * 3), 7),
    ],
)
def test_indexing(path: Path, key: Any) -> None:
    values = np.array([spectrum(n) for n in range(6)])
    with opened(path) as data:
        found = data["spectrum"][key].values
    rows, columns = key
    np.testing.assert_array_equal(found, values[rows][..., columns])


@pytest.mark.parametrize("node", [POWER, SPECTRUM])
def test_data_come_back_from_it(path: Path, node: str) -> None:
    with opened(path, group=node.rpartition("/")[0]) as data, DataLoader(path) as loader:
        expected = loader.load_data(node)
        found = from_xarray(data.load(), DataRaw)
        assert found == expected
        assert found.timestamp == expected.timestamp


def test_dask(path: Path) -> None:
    with opened(path, chunks={}) as data:
        lazy = data["spectrum"]
        assert dask.is_dask_collection(lazy.data)
        assert lazy.chunks == ((6,), (40,))
        with dask.config.set(scheduler="threads"):
            total = lazy.sum("energy").compute()
    np.testing.assert_allclose(total, [spectrum(n).sum() for n in range(6)])


def test_chunks_of_the_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", data=np.arange(600.0).reshape(20, 30), chunks=(5, 10))
    with opened(tmp_path / "a.h5", chunks={}) as data:
        assert data["image"].chunks == ((5,) * 4, (10,) * 3)
        assert float(data["image"].sum()) == 600 * 599 / 2


def test_in_other_processes(path: Path) -> None:
    with opened(path) as data:
        again = pickle.loads(pickle.dumps(data))
        np.testing.assert_array_equal(again["spectrum"], data["spectrum"])
        again.close()


def test_a_tree(path: Path) -> None:
    with xr.open_datatree(path, engine=ENGINE) as tree:
        channel = tree[f"{SCAN}/Data1D/CH00"]
        np.testing.assert_array_equal(channel["spectrum"][3], spectrum(3))
        assert tree.attrs["title"] == "PyMoDAQ file"
        assert f"{SCAN}/Data0D/CH00" in tree.groups
    with xr.open_datatree(path, engine=ENGINE, group=SCAN) as part:
        np.testing.assert_array_equal(part["Data0D/CH00/power"], np.arange(6) / 4)
    groups = xr.open_groups(path, engine=ENGINE)
    assert f"{SCAN}/Data1D/CH00" in groups
    groups["/"].close()


def test_axes_of_one_name(tmp_path: Path) -> None:
    """Two detectors that both call their axis x; and a label that xarray cannot have."""
    path = tmp_path / "two.h5"
    with Scan(path, [("delay/step", "fs", [0.0, 1.0])], progress=False) as scan:
        scan.signal("one", axes=[Axis("x", "mm", np.arange(3.0))])
        scan.signal("other", axes=[Axis("x", "mm", np.arange(4.0))])
        for point in scan:
            point.write(one=np.zeros(3), other=np.ones(4))
    with opened(path) as data:
        assert data["one"].dims == ("delay_step", "x")
        assert data["other"].dims == ("delay_step", "x_1")
        np.testing.assert_array_equal(data["x_1"], np.arange(4.0))
        assert data["x_1"].attrs["pymodaq_label"] == "x"


def test_points_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "spread.h5"
    with Scan(path, [("x", "mm"), ("y", "mm")], progress=False) as scan:
        for place in ((0.0, 1.0), (3.0, 0.5), (0.0, 2.0)):
            scan.at(*place).write(power=sum(place))
    with opened(path) as data:
        assert data["power"].shape == (3,)
        positions = [v for v in data.coords.values() if v.dims == data["power"].dims]
        assert [list(v.values) for v in positions] == [[0.0, 3.0, 0.0], [1.0, 0.5, 2.0]]
        np.testing.assert_array_equal(data["power"], [1.0, 3.5, 2.0])


@pytest.mark.parametrize("live", [False, True])
def test_a_log(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "log.h5"
    with DataToExportTimedSaver(path, new_file=True, swmr_mode=live) as log:
        for number in range(5):
            bundle = DataToExport("p", [DataRaw("power", units="W", data=[np.array([number])])])
            log.add_data("/RawData", bundle, float(number))
        log.h5saver.flush()
        if live:
            with opened(path) as data:
                np.testing.assert_array_equal(data["power"], np.arange(5))
    with opened(path) as data:
        assert data["power"].dims == ("time",)
        np.testing.assert_array_equal(data["power"], np.arange(5))
        assert np.all(np.diff(data["time"]) > 0)


def test_files_of_other_tools(tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["angle"]})
        entry["counts"], entry["angle"] = [3, 5, 8], [0.0, 0.5, 1.0]
        entry["angle"].attrs["units"] = "deg"
        file["text"], file["one"] = ["a", "bc"], 1j
        file["empty"] = np.empty((0, 3))
        file.create_group("nothing")
    with opened(path, group="entry") as data:
        assert data["counts"].dims == ("angle",)
        assert data["angle"].units == "deg"
        assert list(data.data_vars) == ["counts"]
    with xr.open_datatree(path, engine=ENGINE) as tree:
        assert list(tree["text"].values) == ["a", "bc"]
        assert tree["one"].item() == 1j
        assert tree["empty"].shape == (0, 3)
    with opened(path, group="nothing") as data:
        assert not data.variables


def test_a_domain_on_a_server(make_place: Any) -> None:
    place = make_place("h5pyd")
    with place.open("x") as h5:
        group = h5.get_set_group("/", "measured")
        h5.create_earray(group, "current", "f8", metadata={"units": "A"}).append(np.arange(4.0))
    with opened(f"hdf5:/{place.location}", group="measured", **place.options) as data:
        np.testing.assert_array_equal(data["current"], np.arange(4.0))
        assert data["current"].units == "A"


def test_leaving_out(path: Path) -> None:
    with opened(path, drop_variables=["spectrum", "energy"]) as data:
        assert set(data.data_vars) == {"power", "power_error"}


def test_what_cannot_be_opened(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileMissingError):
        opened(tmp_path / "missing.h5")
    with pytest.raises(NodeNotFoundError):
        opened(path, group="/nothing")


def test_the_file_is_let_go(path: Path) -> None:
    opened(path).close()
    with H5Backend("h5py") as h5:
        h5.open_file(path, "r+")


def test_guessing() -> None:
    engine = H5BackendsEntrypoint()
    assert engine.guess_can_open("a.h5")
    assert engine.guess_can_open(Path("a.NXS"))
    assert engine.guess_can_open("hdf5://home/me/a")
    assert not engine.guess_can_open("a.nc")
    assert not engine.guess_can_open(3)
