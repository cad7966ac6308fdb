"""Our objects as objects of the real pymodaq_data, and back."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savers import (
    Axis,
    DataCalculated,
    DataRaw,
    DataToExport,
    DataWithAxes,
    H5SaverLowLevel,
)
from savers.interchange import as_axis, as_data, as_export
from tests.savers.test_every_saver import KINDS, Kind

pytestmark = pytest.mark.filterwarnings("ignore:The specified dimensionality:Warning")

SAMPLES = [
    DataRaw("power", units="W", origin="meter", data=[np.array([1.5]), np.array([2.5])],
            labels=["a", "b"]),
    DataCalculated("spectrum", units="V", data=[np.arange(4.0)], errors=[np.full(4, 0.5)],
                   axes=[Axis("energy", "eV", offset=1.0, scaling=0.5, size=4)]),
    DataRaw("image", data=[np.arange(6, dtype=np.int16).reshape(2, 3)], gain=5,
            axes=[Axis("y", "mm", np.array([0.0, 4.0])), Axis("x", "mm", size=3, index=1)]),
    DataRaw("stack", units="V", data=[np.arange(24.0).reshape(2, 3, 4)], nav_indexes=(0,),
            axes=[Axis("delay", "fs", np.array([0.0, 5.0])), Axis("y", "mm", size=3, index=1),
                  Axis("x", "mm", size=4, index=2)]),
    DataRaw("adaptive", data=[np.arange(3.0)], nav_indexes=(0,), distribution="spread",
            axes=[Axis("x", "m", np.array([0.0, 3.0, 1.0])),
                  Axis("y", "m", np.array([1.0, 2.0, 0.0]), spread_order=1)]),
]  # fmt: skip


@pytest.mark.parametrize("data", SAMPLES, ids=lambda data: data.name)
def test_data_there_and_back(pymodaq: Any, data: DataWithAxes) -> None:
    data.timestamp = 12.5
    there = data.to_pymodaq()
    assert type(there).__name__ == type(data).__name__
    assert type(there).__module__ == "pymodaq_data.data"
    assert there.timestamp == 12.5
    assert there.data[0] is data.data[0], "the arrays are shared"
    assert (there.dim.name, there.shape, there.nav_indexes) == (
        data.dim.name, data.shape, data.nav_indexes,
    )  # fmt: skip
    back = as_data(there)
    back.units = back.units.replace("dimensionless", "")
    for axis in back.axes:
        axis.units = axis.units.replace("dimensionless", "")
    assert back == data
    assert back.extra_attributes == data.extra_attributes


def test_axes_there_and_back(pymodaq: Any) -> None:
    for axis in (
        Axis("x", "mm", np.array([0.0, 1.0, 5.0]), 2, spread_order=1),
        Axis("y", "s", offset=2.0, scaling=-0.5, size=6),
    ):
        there = axis.to_pymodaq()
        assert isinstance(there, pymodaq.data.Axis)
        np.testing.assert_array_equal(there.get_data(), axis.get_data())
        assert as_axis(there) == axis


def test_bundles_there_and_back(pymodaq: Any) -> None:
    bundle = DataToExport("all", SAMPLES[:3])
    bundle.timestamp = 7.25
    there = bundle.to_pymodaq()
    assert isinstance(there, pymodaq.data.DataToExport)
    assert there.timestamp == 7.25
    assert [d.name for d in there.data] == ["power", "spectrum", "image"]
    back = as_export(there)
    assert (back.name, back.timestamp, back.get_full_names()) == (
        "all", 7.25, bundle.get_full_names(),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_savers_leave_their_objects_alone(pymodaq: Any, tmp_path: Path, kind: Kind) -> None:
    for data in SAMPLES[:3]:
        given = data.to_pymodaq()
        before = copy.deepcopy(given)
        with H5SaverLowLevel.from_file(tmp_path / f"{data.name}.h5", new_file=True) as saver:
            made = kind.make(saver)
            for number in range(1 + kind.repeats):
                kind.add(made, "/RawData", given, number)
        assert given == before
        assert [a.index for a in given.axes] == [a.index for a in before.axes]
        assert given.nav_indexes == before.nav_indexes
        assert (given.name, given.origin, given.timestamp) == (
            before.name, before.origin, before.timestamp,
        )  # fmt: skip
        assert given.extra_attributes == before.extra_attributes


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['pymodaq_data'] = sys.modules['xarray'] = None\n"
        "from savers import Axis, DataRaw\n"
        "for call in (Axis('x', size=2).to_pymodaq, DataRaw('d', data=[1.0]).to_pymodaq,\n"
        "             DataRaw('d', data=[1.0]).to_xarray):\n"
        "    try: call()\n"
        "    except ImportError as exc: print(exc)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.count("pip install pymodaq_data") == 2
    assert result.stdout.count("pip install xarray") == 1
