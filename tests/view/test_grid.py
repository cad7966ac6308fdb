"""Pixels along axes that are even or not, rise or fall; averages over blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from savers.view.model.grid import Grid, mean_of_blocks


def test_even_axis() -> None:
    grid = Grid(np.linspace(0, 10, 6))
    assert grid.limits == (-1, 11)
    low, high, image = grid.spread(np.arange(12).reshape(2, 6), (0, 6), 1)
    assert (low, high) == (-1, 11)
    assert image.shape == (2, 6)
    assert grid.part((3.5, 6.5)) == (2, 4)
    assert grid.part((-9, -8)) == (0, 1)


def test_falling_axis_is_turned() -> None:
    grid = Grid(np.array([3.0, 2.0, 1.0]))
    assert grid.limits == (0.5, 3.5)
    _, _, image = grid.spread(np.array([[30, 20, 10]]), (0, 3), 1)
    assert image.tolist() == [[10, 20, 30]]
    assert grid.part((0.6, 1.4)) == (2, 3)


def test_uneven_axis_keeps_the_widths_of_its_cells() -> None:
    grid = Grid(np.array([0.0, 1.0, 3.0, 7.0]))
    low, high, image = grid.spread(np.array([[0, 1, 2, 3]]), (0, 4), 1)
    assert (low, high) == (-0.5, 9.0)
    counts = np.bincount(image[0]) / image.shape[1]
    np.testing.assert_allclose(counts, np.array([1, 1.5, 3, 4]) / 9.5, atol=0.1)


@pytest.mark.parametrize("positions", [[0.0, 2.0, 1.0], [0.0, np.nan, 1.0], [5.0, 5.0]])
def test_axis_without_order_is_counted(positions: list[float]) -> None:
    assert Grid(np.array(positions)).limits == (-0.5, len(positions) - 0.5)


@pytest.mark.parametrize("positions", [[], [4.0]])
def test_axis_of_a_single_cell(positions: list[float]) -> None:
    grid = Grid(np.array(positions))
    assert grid.limits[1] - grid.limits[0] == 1


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)),
    ),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_mean_of_blocks(image: np.ndarray, rows: int, columns: int) -> None:
    found = mean_of_blocks(image, (rows, columns))
    assert found.shape[0] <= rows
    assert found.shape[1] <= columns
    known = image[np.isfinite(image)]
    if known.size:
        assert np.nanmin(found) >= known.min() - 1e-6
        assert np.nanmax(found) <= known.max() + 1e-6
    else:
        assert np.isnan(found).all()
