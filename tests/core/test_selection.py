"""Selections against numpy: the same elements in the same order and shape, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from h5backends.errors import SelectionError
from h5backends.selection import select
from h5backends.testing.strategies import keys

shapes = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40)


def read(array: np.ndarray, key: Any) -> Any:
    """Read as a node does: box by box, joined, then what is left of the index."""
    chosen = select(key, array.shape)
    for box in chosen.boxes:
        for part, length in zip(box, array.shape, strict=True):
            assert 0 <= part.start <= part.stop <= length, "a box must lie inside the extent"
            assert part.step > 0
    block = (
        np.concatenate([array[box] for box in chosen.boxes], chosen.axis) if array.ndim else array
    )
    return block if chosen.key is None else block[chosen.key]


@settings(max_examples=500)
@given(st.data())
def test_reads_what_numpy_reads(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    key = data.draw(keys(shape))
    expected = array[key]
    found = read(array, key)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=300)
@given(st.data())
def test_numpy_index_of_any_kind(data: st.DataObject) -> None:
    """Several lists, lists of lists, integers between lists: as hypothesis invents them."""
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=30))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    key = data.draw(st.one_of(npst.basic_indices(shape), npst.integer_array_indices(shape)))
    expected = array[key]
    found = read(array, key)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), [0, 2], ..., 0),
        (slice(None), [0, 2], 0, ...),
        (0, ..., [0, 2], slice(None)),
        (0, [0, 2], slice(None)),
        ([0, 2], slice(None), 0),
        ([0, 2], ..., slice(None), [1, 3]),
    ],
    ids=repr,
)
def test_where_the_axis_of_a_list_goes(key: Any) -> None:
    array = np.arange(60).reshape(3, 4, 5)
    np.testing.assert_array_equal(read(array, key), array[key])


@settings(max_examples=300)
@given(st.data())
def test_covers_means_every_element_once(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    key = data.draw(keys(shape))
    chosen = select(key, shape)
    if chosen.covers:
        boxed = np.concatenate([array[box].ravel() for box in chosen.boxes])
        np.testing.assert_array_equal(np.sort(np.ravel(array[key])), np.sort(boxed))


def test_distant_rows_are_not_read_along() -> None:
    chosen = select([0, 1, 500_000, 999_999], (1_000_000,))
    rows = sum(box[0].stop - box[0].start for box in chosen.boxes)
    assert rows == 4


def test_near_rows_are_one_read() -> None:
    assert len(select([0, 3, 9, 12], (100,)).boxes) == 1


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (5, (5,)),
        (-6, (5,)),
        ((0, 0), (5,)),
        ((..., ...), (5,)),
        (None, (5,)),
        (True, (5,)),
        (np.True_, (5,)),
        (1.5, (5,)),
        ("a", (5,)),
        (slice(0.5, 2), (5,)),
        (slice(None, None, 0), (5,)),
        ([0, 5], (5,)),
        ([-6], (5,)),
        ([0.5], (5,)),
        (np.ones(4, bool), (5,)),
        (np.ones((2, 2), bool), (2, 3)),
        (np.ones((2, 2), bool), (2,)),
        (0, ()),
        ({}, (5,)),
        ([[0], [1, 2]], (5,)),
        (([0, 1], [0, 1, 2]), (5, 5)),
    ],
    ids=repr,
)
def test_what_numpy_refuses(key: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(SelectionError):
        read(np.zeros(shape), key)


def test_the_message_names_the_limits() -> None:
    with pytest.raises(SelectionError, match=r"index 7 is out of range on axis 1.*-3 to 2"):
        select((0, 7), (4, 3))
