"""The outline of a trace equals what numpy makes of all its rows, however they come."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from savers.view.model.envelope import BLOCK, Envelope, reduced


def rows(seed: int, length: int, columns: int) -> np.ndarray[Any, Any]:
    """Return noise with spikes and holes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(length, columns))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[rng.random(values.shape) < 0.01] = 50
    return values


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 3 * BLOCK * 8), max_size=8),
    st.integers(1, 3),
    st.integers(1, 200),
    st.data(),
)
def test_part(seed: int, lengths: list[int], columns: int, pixels: int, data: Any) -> None:
    length = sum(lengths)
    values = rows(seed, length, columns)
    x = np.cumsum(np.random.default_rng(seed).random(length))
    envelope = Envelope(columns)
    at = 0
    for step in lengths:
        envelope.append(x[at : at + step], values[at : at + step])
        at += step
    assert envelope.length == length
    assert envelope.rising
    start = data.draw(st.integers(0, length))
    stop = data.draw(st.integers(start, length))
    found, low, high = envelope.part(start, stop, pixels)
    assert (np.diff(found) >= 0).all()
    if start == stop:
        return
    # All that is in the part is in the outline, and what is beside it is at most a block more.
    wanted = max(BLOCK, (stop - start) // pixels)
    for column in range(columns):
        inside = values[start:stop, column]
        beside = values[max(0, start - wanted) : stop + wanted, column]
        if np.isfinite(inside).any():
            assert np.nanmin(low[:, column]) <= np.nanmin(inside)
            assert np.nanmax(high[:, column]) >= np.nanmax(inside)
        if np.isfinite(low[:, column]).any():
            assert np.nanmin(low[:, column]) >= np.nanmin(beside)
            assert np.nanmax(high[:, column]) <= np.nanmax(beside)
    assert len(found) <= (stop - start) / (wanted / 8) + 100


@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(0, 1), st.floats(0, 1))
def test_rows_within(seed: int, length: int, one: float, other: float) -> None:
    x = np.cumsum(np.random.default_rng(seed).random(length))
    envelope = Envelope(1)
    envelope.append(x, np.zeros((length, 1)))
    low, high = sorted((one * x[-1], other * x[-1]))
    start, stop = envelope.rows_within(low, high)
    inside = np.flatnonzero((x >= low) & (x <= high))
    if len(inside):
        assert start <= inside[0]
        assert inside[-1] < stop
        assert stop - start <= len(inside) + 4 * BLOCK


def test_positions_that_go_back_are_noticed() -> None:
    envelope = Envelope(1)
    envelope.append(np.array([0.0, 1.0]), np.zeros((2, 1)))
    envelope.append(np.array([0.5]), np.zeros((1, 1)))
    assert not envelope.rising
    assert envelope.rows_within(0.4, 0.6) == (0, 3)
    assert envelope.bounds == (0.0, 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5000), st.integers(2, 300))
def test_reduced_keeps_extremes(seed: int, length: int, pixels: int) -> None:
    values = rows(seed, length, 2)
    x = np.arange(float(length))
    drawn_x, drawn = reduced(x, values, values, pixels)
    assert len(drawn_x) == len(drawn) <= 2 * pixels
    assert (np.diff(drawn_x) >= 0).all()
    for column in range(2):
        if np.isfinite(values[:, column]).any():
            assert np.nanmax(drawn[:, column]) == np.nanmax(values[:, column])
            assert np.nanmin(drawn[:, column]) == np.nanmin(values[:, column])


def test_cost_does_not_grow_with_length() -> None:
    sizes = []
    for length in (100_000, 2_000_000):
        envelope = Envelope(1)
        envelope.append(np.arange(float(length)), np.zeros((length, 1)))
        sizes.append(len(envelope.part(0, length, 500)[0]))
    assert max(sizes) < 500 * 10
