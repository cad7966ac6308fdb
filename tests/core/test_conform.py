"""Making data fit an array: the same values, or a refusal that names both types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from h5backends.conform import conform, rows_of
from h5backends.errors import DTypeError, ShapeError
from h5backends.testing.comparison import difference

_PAIR = np.dtype([("n", "i4"), ("x", "f8", (2,))])


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, "f8", 1.0),
        (True, "i2", 1),
        (2**53, "f8", 2.0**53),
        (2**60, "f4", 2.0**60),
        (-(2**63), "f8", -(2.0**63)),
        (255, "u1", 255),
        (np.uint64(5), "i1", 5),
        (0.1, "f4", np.float32(0.1)),
        (float("nan"), "f2", np.nan),
        (float("-inf"), "f4", -np.inf),
        (1.5, "c8", 1.5),
        (3, "c16", 3),
        (1 + 2j, "c8", 1 + 2j),
        ("abc", "U5", "abc"),
        (b"abc", "S5", b"abc"),
        ("", "U1", ""),
        ([], "i4", []),
        ([1, 2], "i1", [1, 2]),
        (np.array([1, 2], ">i8"), "i8", [1, 2]),
        (np.array(["a", "bc"], object), "U2", ["a", "bc"]),
        (np.ma.masked_array([1.0, 2.0]), "f8", [1.0, 2.0]),
    ],
    ids=repr,
)
def test_what_fits(value: Any, dtype: str, expected: Any) -> None:
    result = conform(value, np.dtype(dtype))
    assert type(result) is np.ndarray
    assert difference(result, np.asarray(expected, dtype)) is None


@pytest.mark.parametrize(
    ("value", "dtype", "found"),
    [
        (float("nan"), "i4", "NaN or infinity"),
        ([1.0, float("inf")], "u8", "NaN or infinity"),
        (1.5, "i4", "float64"),
        (1.0, "i4", "float64"),
        (2**53 + 1, "f8", "9007199254740993"),
        (2**64 - 1, "f8", "18446744073709551615"),
        (2**60 + 1, "c16", "would change"),
        (70_000, "f2", "would change"),
        (256, "u1", "256"),
        (-1, "u8", "-1"),
        (2**63, "i8", "9223372036854775808"),
        (2**70, "f8", "objects"),
        (1e300, "f4", "out of range"),
        (1e300j, "c8", "out of range"),
        (1j, "f8", "complex"),
        (1, "?", "int64"),
        ("12", "f8", "U2"),
        (12, "U2", "int64"),
        ("abc", "U2", "3 characters"),
        (b"abc", "S2", "3 characters"),
        (b"abc", "U3", "S3"),
        ("abc", "S3", "U3"),
        (None, "f8", "objects"),
        ({1}, "f8", "objects"),
        (np.array([1, "a"], object), "i4", "objects"),
        (3, "m8[s]", "int64"),
        (np.timedelta64(3, "s"), "i8", "timedelta64"),
        (np.datetime64("2026-01-01T00:00:01"), "M8[D]", "would change"),
        (np.array(["9999-01-01"], "M8[s]"), "M8[ns]", "would change"),
        (np.timedelta64(1, "Y"), "m8[s]", "timedelta64"),
        ((1, 2), "i4,f8,f8", "2 values"),
        (np.zeros(2, "i4,f8"), "i4,i4", "float64"),
        (np.zeros(2, [("a", "i4")]), [("b", "i4")], "'a'"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "f8", "masked"),
    ],
    ids=repr,
)
def test_what_does_not(value: Any, dtype: Any, found: str) -> None:
    with pytest.raises(DTypeError, match=found) as caught:
        conform(value, np.dtype(dtype))
    assert caught.value.remedy
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "value", [[[1], [1, 2]], [[1, 2], 3], [(1, [1.0, 2.0]), (1, [1.0])]], ids=repr
)
def test_ragged_lists(value: Any) -> None:
    with pytest.raises(ShapeError):
        conform(value, _PAIR if isinstance(value[0], tuple) else np.dtype("f8"))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ((1, [1.5, 2.5]), ()),
        ([(1, [1.5, 2.5]), (2, [3.5, 4.5])], (2,)),
        ([[(1, [1.5, 2.5])], [(2, [3.5, 4.5])]], (2, 1)),
        ([], (0,)),
    ],
    ids=repr,
)
def test_tuples_are_records(value: Any, shape: tuple[int, ...]) -> None:
    result = conform(value, _PAIR)
    assert difference(result, np.array(value, _PAIR)) is None
    assert result.shape == shape


def test_records_are_checked_field_by_field() -> None:
    with pytest.raises(DTypeError, match="float64"):
        conform((1.5, [0.0, 0.0]), _PAIR)


def test_times_keep_what_is_not_a_time() -> None:
    times = np.array(["NaT", "2026-01-31"], "M8[D]")
    assert difference(conform(times, np.dtype("M8[ns]")), times.astype("M8[ns]")) is None


@given(npst.arrays(npst.scalar_dtypes(), npst.array_shapes()), npst.scalar_dtypes())
@example(np.array([complex(1e39, np.nan)]), np.dtype("c8"))
@example(np.array([complex(np.inf, -1e39)]), np.dtype("c8"))
def test_never_another_value(array: np.ndarray, dtype: np.dtype) -> None:
    """Whatever is accepted has the same values, except for the precision of floats."""
    try:
        result = conform(array, dtype)
    except DTypeError:
        return
    assert result.dtype == dtype
    assert result.shape == array.shape
    if array.dtype.kind in "fc":
        assert np.array_equal(np.isnan(result), np.isnan(array))
        assert np.array_equal(np.isinf(result), np.isinf(array))
    elif array.dtype.kind in "biu":
        for before, after in zip(array.flat, result.flat, strict=True):
            assert complex(after).imag == 0
            assert int(after.real) == int(before)
    elif array.dtype.kind in "mM":
        assert np.array_equal(np.isnat(result), np.isnat(array))
        assert np.array_equal(
            result.astype(array.dtype)[~np.isnat(array)], array[~np.isnat(array)]
        )
    else:
        assert result.tolist() == array.tolist()


class TestRowsOf:
    @pytest.mark.parametrize(
        ("shape", "row_shape", "rows"),
        [
            ((), (), 1),
            ((4,), (), 4),
            ((3,), (3,), 1),
            ((5, 3), (3,), 5),
            ((2, 2), (2, 2), 1),
            ((7, 2, 2), (2, 2), 7),
            ((), (1,), 1),
            ((6,), (1,), 6),
            ((1,), (1,), 1),
            ((6, 1), (1,), 6),
            ((0,), (0,), 1),
        ],
    )
    def test_one_row_or_a_block(
        self, shape: tuple[int, ...], row_shape: tuple[int, ...], rows: int
    ) -> None:
        data = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        block = rows_of(data, row_shape)
        assert block.shape == (rows, *row_shape)
        np.testing.assert_array_equal(block.ravel(), data.ravel())

    @pytest.mark.parametrize(
        ("shape", "row_shape"),
        [
            ((0,), ()),
            ((0, 3), (3,)),
            ((2, 2), ()),
            ((2,), (3,)),
            ((5, 2), (3,)),
            ((3, 5), (3,)),
            ((1, 5, 3), (3,)),
            ((), (3,)),
            ((2,), (2, 2)),
        ],
    )
    def test_neither(self, shape: tuple[int, ...], row_shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError) as caught:
            rows_of(np.zeros(shape), row_shape)
        assert caught.value.expected
        assert caught.value.found

    def test_without_expanding_a_list_is_not_many_rows(self) -> None:
        with pytest.raises(ShapeError):
            rows_of(np.zeros(6), (1,), expand=False)

    @given(st.data())
    def test_the_caller_keeps_the_memory(self, data: st.DataObject) -> None:
        row_shape = data.draw(npst.array_shapes(min_dims=0, max_dims=2))
        block = np.zeros((3, *row_shape))
        assert np.shares_memory(rows_of(block, row_shape), block)
