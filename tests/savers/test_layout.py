"""Names and numbers of the layout."""

from __future__ import annotations

from enum import Enum

import numpy as np
import pytest

from h5backends.errors import H5Error
from savers import layout
from savers.enums import DataDim, DataSource, DataType, GroupType, SaveType, member


def test_numbers_grow_past_their_digits() -> None:
    assert layout.group_name("scan", 7) == "Scan007"
    assert layout.group_name("scan", 1000) == "Scan1000"
    assert layout.group_name("data_logger", 0) == "Data_logger000"
    assert layout.array_name(DataType.data_enlargeable, 100) == "EnlData100"
    assert layout.channel_name(3) == "CH03"
    assert layout.channel_name(123) == "CH123"


def test_the_last_number_is_found_as_a_number() -> None:
    names = [
        "Scan000",
        "Scan999",
        "Scan1000",
        "Scan01001",
        "Scan",
        "Scanner1002",
        "Scan5x",
        "Ch07",
    ]
    assert layout.last_number(names, "Scan") == 1001
    assert layout.last_number(names, "Detector") == -1
    assert layout.last_number(["Scan" + "9" * 5000, "Scan٣", "Scan²"], "Scan") == -1


def test_array_number() -> None:
    assert layout.array_number(DataType.data, "Data12") == 12
    assert layout.array_number(DataType.data, "EnlData12") is None
    assert layout.array_number(DataType.data, "Data0D") is None


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("scan.h5", "scan.h5"),
        ("scan.hdf5", "scan.hdf5"),
        ("scan.NXS", "scan.NXS"),
        ("scan", "scan.h5"),
        ("run.1", "run.1.h5"),
        ("run.2026-01-31", "run.2026-01-31.h5"),
        ("/home/me/scan.txt", "/home/me/scan.txt.h5"),
    ],
)
def test_file_names_stay_different(given: str, made: str) -> None:
    assert layout.file_name(given) == made


@pytest.mark.parametrize(
    ("dtype", "preferred", "expected"),
    [
        ("float64", np.nan, np.nan),
        ("float32", -1.0, -1.0),
        ("complex64", np.nan, complex(np.nan, 0)),
        ("int16", np.nan, 0),
        ("uint8", np.inf, 0),
        ("uint8", -1.0, 0),
        ("int8", -1.0, -1),
        ("int64", 0.5, 0),
        ("bool", np.nan, False),
        ("U5", np.nan, ""),
        ("S5", np.nan, b""),
    ],
)
def test_default_fill(dtype: str, preferred: float, expected: object) -> None:
    fill = layout.default_fill(dtype, preferred)
    assert fill.dtype == np.dtype(dtype) or fill.dtype.kind in "US"
    np.testing.assert_array_equal(fill, np.asarray(expected, np.dtype(dtype)))


def test_default_fill_of_times_is_not_a_time() -> None:
    assert np.isnat(layout.default_fill("datetime64[us]"))


def test_words_are_understood_in_any_case_and_from_elsewhere() -> None:
    class Elsewhere(Enum):
        data2d = 0

    assert member(DataDim, "data2d") is DataDim.Data2D
    assert member(DataDim, Elsewhere.data2d) is DataDim.Data2D
    assert member(SaveType, "LOGGER") is SaveType.logger
    assert member(GroupType, GroupType.ch) is GroupType.ch
    with pytest.raises(H5Error, match="Data0D, Data1D, Data2D, DataND") as caught:
        member(DataDim, "Data3D")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(H5Error):
        member(DataDim, 2)


def test_members_equal_their_names() -> None:
    assert DataDim.Data0D == "Data0D"
    assert DataDim.Data0D != "Data1D"
    assert DataDim.Data1D != DataSource.calculated  # the same value, another enumeration
    assert {"raw": 1}[DataSource.raw] == 1  # type: ignore[index]
    assert DataDim.Data0D < "Data1D" <= DataDim.Data1D < DataDim.DataND
    assert DataDim.Data2D >= DataDim.Data1D > DataDim.Data0D
    assert DataSource.names() == ["raw", "calculated"]
    assert DataSource.values() == [0, 1]


@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((), "Data0D"),
        ((1,), "Data0D"),
        ((2,), "Data1D"),
        ((1, 1), "Data2D"),
        ((3, 4), "Data2D"),
        ((2, 3, 4), "DataND"),
    ],
)
def test_dimensionality_of_a_shape(shape: tuple[int, ...], dim: str) -> None:
    assert DataDim.of_shape(shape) == dim


def test_attributes_for_other_viewers() -> None:
    attrs = layout.nxdata_attributes("Data00", [["Axis00", "Axis01"], []], ["Data01"])
    assert attrs["NX_class"] == "NXdata"
    assert attrs["signal"] == "Data00"
    assert attrs["axes"].tolist() == ["Axis00", "."]
    assert attrs["Axis00_indices"] == attrs["Axis01_indices"] == 0
    assert attrs["auxiliary_signals"].tolist() == ["Data01"]
    assert layout.nxdata_attributes("Data00") == {"NX_class": "NXdata", "signal": "Data00"}
