"""Pickled text: every string comes back, and no pickle is ever executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.pickled_text import decode, encode


@given(st.text())
def test_text_comes_back(text: str) -> None:
    assert decode(encode(text)) == text


@given(st.text(), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_every_protocol_is_read(text: str, protocol: int) -> None:
    assert decode(pickle.dumps(text, protocol)) == text


@given(st.text())
def test_others_can_read_it(text: str) -> None:
    assert pickle.loads(encode(text).tobytes()) == text


def test_long_text() -> None:
    text = "ä" * 300_000
    assert decode(encode(text)) == text


class Creates:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_crafted_pickle_is_text(tmp_path: Path, protocol: int) -> None:
    raw = pickle.dumps(Creates(tmp_path / "executed"), protocol)
    found = decode(np.frombuffer(raw, np.uint8))
    assert isinstance(found, str)
    assert "executed" in found
    assert not (tmp_path / "executed").exists()
    pickle.loads(raw)
    assert (tmp_path / "executed").exists(), "the pickle was harmless: this test shows nothing"


@pytest.mark.parametrize(
    "value", [b"bytes", 3, None, ("a",), ["a"], {"a": 1}, "a".encode("utf-16")]
)
def test_a_pickle_of_something_else_is_its_bytes_as_text(value: Any) -> None:
    raw = pickle.dumps(value, 4)
    try:
        expected = raw.decode()
    except UnicodeDecodeError:
        expected = raw.decode("latin-1")
    assert decode(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"plain text",
        b"\xff\xfe",
        b"\x80",
        b"\x80\x04.",
        b"\x80\x04\x8c\x05hello",
        b"\x80\x04\x8c\xffhello.",
        b"\x8c\x01a\x8c\x01b.",
        b"\x8c\x01a\x94\x93.",
        b"X\xff\xff\xff\x7fa.",
        b"Vbroken\\u12.",
    ],
)
def test_broken_elements_are_their_bytes_as_text(raw: bytes) -> None:
    try:
        expected = raw.decode()
    except UnicodeDecodeError:
        expected = raw.decode("latin-1")
    assert decode(raw) == expected


@given(st.binary())
def test_never_an_error(raw: bytes) -> None:
    assert isinstance(decode(raw), str)
