"""Arrays are cut into blocks of bounded size that hold every element once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.blocks import BLOCK_BYTES, boxes

SHAPES = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@given(SHAPES, st.integers(1, 16), st.integers(1, 300), st.data())
def test_every_element_once_and_in_bounds(
    shape: tuple[int, ...], itemsize: int, limit: int, data: st.DataObject
) -> None:
    chunks = data.draw(st.none() | st.tuples(*(st.integers(1, 5) for _ in shape)))
    seen = np.zeros(shape, int)
    unit = math.prod(min(c, max(1, n)) for c, n in zip(chunks or shape, shape, strict=True))
    most = max(limit, itemsize * (unit if chunks else 1))
    for box in boxes(shape, itemsize, chunks, limit):
        seen[box] += 1
        assert itemsize * seen[box].size <= most
        for part, chunk in zip(box, chunks or (), strict=chunks is not None):
            assert part.start % chunk == 0
    assert (seen == 1).all()


@given(SHAPES, st.integers(1, 100))
def test_without_chunks_the_blocks_are_in_order(shape: tuple[int, ...], limit: int) -> None:
    numbers = np.arange(math.prod(shape)).reshape(shape)
    found = [numbers[box].ravel() for box in boxes(shape, 1, None, limit)]
    np.testing.assert_array_equal(np.concatenate([*found, []]), numbers.ravel())


@pytest.mark.parametrize("chunks", [None, (1, 1, 1000, 1000)])
def test_rows_larger_than_memory(chunks: tuple[int, ...] | None) -> None:
    """A row of this scan has sixteen gigabytes."""
    box = next(boxes((1000, 2000, 1000, 1000), 8, chunks))
    assert 8 * math.prod(part.stop - part.start for part in box) <= BLOCK_BYTES
