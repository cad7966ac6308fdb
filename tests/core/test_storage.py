"""Types in the file and types that callers see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from h5backends.errors import DTypeError
from h5backends.storage import Storage
from h5backends.testing.comparison import difference
from h5backends.testing.strategies import arrays, dtypes
from h5backends.testing.values import LOGICAL_DTYPES, STORED_DTYPES, sample
from h5backends.types import packed


def restored(storage: Storage) -> Storage:
    attrs = storage.attrs
    return Storage.restore(storage.stored, attrs["dtype"], attrs.get("dtype_descr"))


@pytest.mark.parametrize("name", LOGICAL_DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (0,), (2, 0), (2, 3)])
def test_values_come_back(name: str, shape: tuple[int, ...]) -> None:
    dtype = LOGICAL_DTYPES[name]
    storage = Storage.of(dtype)
    values = sample(dtype, shape).astype(packed(dtype))
    stored = storage.to_stored(values)
    assert stored.dtype == storage.stored
    assert stored.shape == shape
    back = restored(storage)
    assert back.dtype == packed(dtype)
    assert difference(back.from_stored(stored), values) is None


@given(st.data(), dtypes, npst.array_shapes(min_dims=0, min_side=0))
def test_any_values_come_back(
    data: st.DataObject, dtype: np.dtype, shape: tuple[int, ...]
) -> None:
    storage = Storage.of(dtype)
    values = data.draw(arrays(dtype, shape))
    assert difference(restored(storage).from_stored(storage.to_stored(values)), values) is None


@pytest.mark.parametrize("name", STORED_DTYPES)
def test_plain_types_are_not_touched(name: str) -> None:
    storage = Storage.of(STORED_DTYPES[name])
    values = sample(STORED_DTYPES[name], (3,))
    assert storage.plain
    assert storage.to_stored(values) is values
    assert storage.from_stored(values) is values


@pytest.mark.parametrize("text", ["a\0b", "\ud800x", "\U0010ffff" * 5, ""])
def test_odd_text_comes_back(text: str) -> None:
    """Text that no UTF-8 writer accepts must not make the rows around it fail."""
    storage = Storage.of(np.dtype("U5"))
    values = np.array([text, "ok"], "U5")
    assert difference(storage.from_stored(storage.to_stored(values)), values) is None


def test_text_cut_inside_a_character_shows_the_rest() -> None:
    storage = Storage.restore(np.dtype("S3"), "str96")
    assert (
        storage.from_stored(np.array(["aä".encode() + b"\xe2"[:0], "ää".encode()[:3]]))[0] == "aä"
    )
    assert storage.from_stored(np.array(["ää".encode()[:3]]))[0] == "ä\ufffd"


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (object, "VLARRAY"),
        ("V8", "VLARRAY"),
        ([("a", object)], "VLARRAY"),
        ("U", "U32"),
        ("S", "S32"),
        ([("a", "U")], "U32"),
        ("M8", "datetime64\\[ns\\]"),
        ("m8", "datetime64\\[ns\\]"),
    ],
)
def test_what_no_file_holds(dtype: Any, remedy: str) -> None:
    with pytest.raises(DTypeError, match=remedy):
        Storage.of(np.dtype(dtype))


@pytest.mark.parametrize(
    ("stored", "name", "descr"),
    [
        ("i8", None, None),
        ("i8", "int64", None),
        ("i8", "datetime64[parsec]", None),
        ("i4", "datetime64[s]", None),
        ("f8", "datetime64[s]", None),
        ("S4", "string", None),
        ("S4", 7, None),
        ("i4,f8", "void96", "os.system('x')"),
        ("i4,f8", "void96", "[('f0', '<i4')]"),
        ("i4,f8", "void96", "[('f0', '<i4'), ('f1', '<M8[s]')]"),
        ("i4,f8", "void96", "[('f0', 'U99999999'), ('f1', '<f8')]"),
        ("i4,f8", "void96", "'not a type'"),
        ("i4,f8", "void96", 3),
    ],
)
def test_a_foreign_type_reads_as_it_is(stored: str, name: Any, descr: Any) -> None:
    storage = Storage.restore(np.dtype(stored), name, descr)
    assert storage.dtype == np.dtype(stored)


def test_a_wrong_width_takes_no_memory() -> None:
    assert Storage.restore(np.dtype("S4"), "str3200000000").dtype == np.dtype("U4")
