"""The literal parser: what Python's own representations say, and nothing that runs."""

from __future__ import annotations

import contextlib
import datetime
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.literal import NotALiteralError, parse
from h5backends.testing.comparison import difference

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.timedeltas(),
)


@given(
    st.recursive(
        _scalars,
        lambda inner: st.one_of(
            st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text(), inner)
        ),
    )
)
def test_reads_every_representation(value: Any) -> None:
    assert difference(parse(repr(value)), value) is None


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.1),
        np.float32(np.nan),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.str_("a"),
        np.bytes_(b"a"),
        np.complex128(1 - 2j),
        np.datetime64("2026-01-31T12:00:00.5"),
        np.timedelta64(3, "s"),
    ],
    ids=repr,
)
def test_reads_numpy_scalars(value: Any) -> None:
    assert difference(parse(repr(value)), value) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("numpy.float64(0.1)", np.float64(0.1)),
        ("np.nan", math.nan),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("+1", 1),
        ("- 1", -1),
        ("(1+2j)", 1 + 2j),
        ("-1-2j", -1 - 2j),
        ("'a' 'b'", "ab"),
        ("datetime.timezone.utc", datetime.UTC),
        ("datetime.timezone(datetime.timedelta(seconds=7200))",
         datetime.timezone(datetime.timedelta(hours=2))),
    ],
)  # fmt: skip
def test_reads(text: str, value: Any) -> None:
    assert difference(parse(text), value) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "x.y",
        "print",
        "print(1)",
        "__import__('os')",
        "os.system('x')",
        "1 + 1",
        "2 ** 8",
        "1j + 1",
        "-(1+2j)",
        "'a' + 'b'",
        "'a' * 3",
        "not True",
        "~1",
        "-True",
        "-'a'",
        "1 < 2",
        "1 if True else 2",
        "a and b",
        "lambda: 0",
        "(y for y in ())",
        "[y for y in ()]",
        "{**{}}",
        "{1, 2}",
        "...",
        "f'{1}'",
        "(z := 1)",
        "[1][0]",
        "'a'.upper()",
        "(1).real",
        "datetime.datetime.now()",
        "datetime.datetime(1)",
        "datetime.datetime(2026, 13, 1)",
        "datetime.date('x')",
        "datetime.timedelta(days=10**12)",
        "datetime.datetime(*[2026, 1, 1])",
        "datetime.date(**{'year': 1})",
        "np.load('x')",
        "np.ndarray((1,))",
        "np.float64('x')",
        "np.datetime64('x')",
        "{[]: 1}",
        "1\n2",
        "x = 1",
        "import os",
        "(" * 500,
        "-" * 100_000 + "1",
        "9" * 100_000,
        "\0",
        "\ud800",
    ],
    ids=lambda text: repr(text)[:40],
)
def test_refuses(text: str) -> None:
    with pytest.raises(NotALiteralError):
        parse(text)


@given(st.text())
def test_never_another_error(text: str) -> None:
    with contextlib.suppress(NotALiteralError):
        parse(text)
