"""Points collected block by block: whatever their order, the array is what numpy would hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h5backends import FlushPolicy, H5Backend
from h5backends.block_buffer import point_chunks, put_together
from h5backends.errors import FileClosedError, ShapeError

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("scan", "point", "itemsize"),
    [((100, 100), (), 8), ((7, 301), (1000,), 8), ((3, 4), (512, 512), 2), ((10**7,), (), 8),
     ((5, 1, 40_000), (), 8), ((2, 3), (0,), 8), ((1,), (), 1)],
)  # fmt: skip
def test_chunks_hold_whole_points(
    scan: tuple[int, ...], point: tuple[int, ...], itemsize: int
) -> None:
    chunks = point_chunks(scan, point, itemsize)
    assert len(chunks) == len(scan) + len(point)
    assert chunks[len(scan) :] == tuple(max(1, n) for n in point)
    assert all(1 <= c <= n for c, n in zip(chunks, scan, strict=False))
    one = itemsize * math.prod(point)
    assert math.prod(chunks[: len(scan)]) * one <= max(one, 256 * 1024)
    # Whole lines behind the axis that is cut, single ones before it.
    cut = next((n for n, c in enumerate(chunks[: len(scan)]) if c > 1), len(scan) - 1)
    assert chunks[cut + 1 : len(scan)] == scan[cut + 1 :]


def _open(driver: str, place: Any, policy: FlushPolicy | None = None) -> H5Backend:
    h5 = H5Backend(driver, flush_policy=policy)
    h5.open_file(place, "w")
    return h5


@pytest.mark.parametrize("driver", ["memory", "h5py", "tables"])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    scan=SHAPES,
    point=st.sampled_from([(), (3,), (2, 2)]),
    chunk_shift=st.integers(1, 5),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put"] * 8 + ["flush", "read", "write"]), st.integers(0, 10**6)
        ),
        max_size=60,
    ),
)
def test_any_order_of_points(
    driver: str, tmp_path: Any, scan: Any, point: Any, chunk_shift: int, steps: Any
) -> None:
    from h5backends import block_buffer

    held, block_buffer._CHUNK_BYTES = block_buffer._CHUNK_BYTES, 8 << chunk_shift
    try:
        chunks = point_chunks(scan, point, 8)
        wanted = np.full((*scan, *point), np.nan)
        with _open(driver, tmp_path / "a.h5") as h5:
            array = h5.create_carray(
                "/", "a", shape=wanted.shape, dtype="f8", chunks=chunks, fill_value=np.nan
            )
            buffer = h5.session.blocks(array.handle, len(scan))
            for what, drawn in steps:
                number = drawn % math.prod(scan)
                index = np.unravel_index(number, scan)
                value = np.full(point or (1,), float(drawn))
                if what == "flush":
                    h5.flush()
                elif what == "read":
                    np.testing.assert_array_equal(array[index], wanted[index])
                elif what == "write":  # around the buffer
                    array[index] = value if point else drawn
                    wanted[index] = drawn
                else:
                    put_together(h5.session, [buffer], [value], number)
                    wanted[index] = drawn
            assert array.shape == wanted.shape
            np.testing.assert_array_equal(array[...], wanted)
            buffer.detach()
        with H5Backend(driver) as h5:
            h5.open_file(tmp_path / "a.h5", "r")
            np.testing.assert_array_equal(h5.get_node("/a")[...], wanted)
    finally:
        block_buffer._CHUNK_BYTES = held


def test_a_buffer_of_a_closed_file(tmp_path: Any) -> None:
    h5 = _open("h5py", tmp_path / "a.h5")
    array = h5.create_carray("/", "a", shape=(4,), dtype="f8")
    session = h5.session
    buffer = session.blocks(array.handle, 1)
    put_together(session, [buffer], [2.0], 1)
    with pytest.raises(ShapeError):
        session.blocks(array.handle, 2)
    h5.close_file()
    assert buffer.detached
    with pytest.raises(FileClosedError):
        put_together(session, [buffer], [2.0], 2)
    with H5Backend("h5py") as again:
        again.open_file(tmp_path / "a.h5")
        assert again.get_node("/a")[:].tolist() == [0.0, 2.0, 0.0, 0.0]


def test_the_policy_counts_points(tmp_path: Any) -> None:
    with _open("h5py", tmp_path / "a.h5", FlushPolicy(rows=3, seconds=None)) as h5:
        array = h5.create_carray("/", "a", shape=(100,), dtype="f8")
        h5.flush()
        buffer = h5.session.blocks(array.handle, 1)
        for number in range(3):
            put_together(h5.session, [buffer], [1.0], number)
            assert h5.session.dirty == (number < 2)
