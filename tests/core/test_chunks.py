"""Chunk shapes: for streams and for arrays of known extent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.chunks import block_chunks, stream_chunks

shapes = st.lists(st.integers(0, 5000), max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("row_shape", "itemsize", "chunks"),
    [
        ((), 8, (8192,)),
        ((), 1, (65536,)),
        ((3,), 4, (5461, 3)),
        ((1024,), 8, (8, 1024)),
        ((512, 512), 2, (1, 512, 512)),
        ((0,), 8, (8192, 1)),
        ((100_000,), 8, (1, 100_000)),
    ],
)
def test_streams(row_shape: tuple[int, ...], itemsize: int, chunks: tuple[int, ...]) -> None:
    assert stream_chunks(row_shape, itemsize) == chunks


@given(shapes, st.sampled_from([1, 2, 4, 8, 16, 400]))
def test_streams_keep_rows_whole_and_chunks_possible(
    row_shape: tuple[int, ...], itemsize: int
) -> None:
    chunks = stream_chunks(row_shape, itemsize)
    size = itemsize * math.prod(chunks)
    assert len(chunks) == len(row_shape) + 1
    assert min(chunks) >= 1
    assert size < 2**32, "HDF5 takes no chunk of 4 GiB"
    if size > 2**17:
        assert chunks[0] == 1
    if math.prod(max(1, n) for n in row_shape) * itemsize < 2**31:
        assert chunks[1:] == tuple(max(1, n) for n in row_shape)


@given(shapes, st.sampled_from([1, 2, 8, 16]))
def test_blocks_lie_inside_the_extent(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = block_chunks(shape, itemsize)
    assert len(chunks) == len(shape)
    assert all(1 <= c <= max(1, n) for c, n in zip(chunks, shape, strict=True))
    assert itemsize * math.prod(chunks) <= 2**20
