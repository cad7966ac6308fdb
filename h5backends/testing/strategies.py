"""Hypothesis strategies: names, types, arrays, attribute values and selections."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from h5backends.testing.values import NUMBERS

__all__ = ["arrays", "attribute_values", "dtypes", "keys", "names", "ragged_rows", "texts"]

texts: st.SearchStrategy[str] = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
"""Text as measuring programs write it: no NUL, no half of a surrogate pair."""

names: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(["a", "b", "c", "Data00", "Scan000"]),
    st.text("abcXYZ012_ \u00e4\u4e2d", min_size=1, max_size=8),
)
"""Names of nodes; some come often, so that they clash."""

dtypes: st.SearchStrategy[np.dtype[Any]] = st.sampled_from(
    [np.dtype(name) for name in (*NUMBERS, "S3", "U4", "M8[ms]", "m8[ns]")]
    + [np.dtype([("n", "<i4"), ("x", "<f8", (2,)), ("t", "<U3")])]
)
"""Types of arrays."""


def arrays(
    dtype: np.dtype[Any], shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]]
) -> st.SearchStrategy[NDArray[Any]]:
    """Return arrays of one type.

    Parameters
    ----------
    dtype : numpy.dtype
        As of :data:`dtypes`.
    shape : tuple of int or strategy
        Shape of the arrays.
    """
    return npst.arrays(dtype, shape, elements=_elements(dtype))


def _elements(dtype: np.dtype[Any]) -> st.SearchStrategy[Any] | None:
    if dtype.kind == "U":
        return texts.map(lambda text: text[: dtype.itemsize // 4])
    if dtype.names:
        fields = [_field(dtype[name]) for name in dtype.names]
        return st.tuples(*fields)
    return None


def _field(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return arrays(base, shape)
    elements = _elements(dtype)
    return npst.from_dtype(dtype) if elements is None else elements


_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.timedeltas(),
)


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of text as wide as its longest, which is what an attribute keeps."""
    return np.array(array.tolist(), np.str_).reshape(array.shape)


attribute_values: st.SearchStrategy[Any] = st.one_of(
    st.recursive(
        _scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.text(max_size=5), inner, max_size=3),
        ),
        max_leaves=6,
    ),
    dtypes.flatmap(lambda dtype: arrays(dtype, npst.array_shapes(min_dims=1, min_side=0))).map(
        lambda array: _narrowed(array) if array.dtype.kind == "U" else array
    ),
)
"""Everything that an attribute can hold."""


def ragged_rows(dtype: np.dtype[Any]) -> st.SearchStrategy[NDArray[Any]]:
    """Return rows of their own length for a ``VLARRAY``."""
    return arrays(dtype, npst.array_shapes(min_dims=1, max_dims=1, min_side=0, max_side=6))


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...], writing: bool = False) -> Any:
    """Return an index that an array of this shape takes: what stands between the brackets.

    Integers, slices with any step, ellipsis, one list or mask, a mask of the whole shape.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    writing : bool
        Leave out picks that name one element twice, where the order of writing would matter.
    """
    if shape and draw(st.integers(0, 9)) == 0:
        return draw(npst.arrays(bool, shape))
    items: list[Any] = []
    listed = False
    for length in shape[: draw(st.integers(0, len(shape)))]:
        choice = draw(st.sampled_from(["slice", "slice", "integer", "list", "mask"]))
        if choice == "integer" and length:
            items.append(draw(st.integers(-length, length - 1)))
        elif choice == "list" and length and not listed:
            items.append(draw(_picks(length, writing)))
            listed = True
        elif choice == "mask" and not listed:
            items.append(draw(npst.arrays(bool, length)))
            listed = True
        else:
            items.append(draw(st.slices(length)))
    if draw(st.booleans()):
        missing = len(shape) - len(items)
        place = draw(st.integers(0, len(items))) if not missing else len(items)
        items.insert(place, ...)
    if len(items) == 1 and draw(st.booleans()):
        return items[0]
    return tuple(items)


def _picks(length: int, writing: bool) -> st.SearchStrategy[list[int]]:
    if writing:
        return st.lists(st.integers(0, length - 1), unique=True, max_size=4)
    return st.lists(st.integers(-length, length - 1), max_size=4)
