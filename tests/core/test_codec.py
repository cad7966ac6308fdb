"""Attribute values: what goes in comes out, and nothing that stands in a file is ever executed."""

from __future__ import annotations

import base64
import datetime
import enum
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from h5backends import codec
from h5backends.errors import AttributeValueError
from h5backends.testing.comparison import difference
from h5backends.testing.strategies import attribute_values
from h5backends.testing.values import ATTRIBUTES, LOGICAL_DTYPES, UNSTORABLE, sample
from h5backends.types import packed


def there_and_back(value: Any, name: str = "attribute") -> Any:
    stored = codec.encode(name, value)
    assert isinstance(stored, (str, np.generic, np.ndarray))
    if isinstance(stored, np.ndarray):
        assert stored.dtype.kind in "biufcU", "drivers get no other kind of array"
    elif isinstance(stored, np.generic):
        assert stored.dtype.kind in "biufc"
    else:
        assert type(stored) is str
        assert "\0" not in stored
        stored.encode()
    return codec.decode(name, stored)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_values_come_back(name: str) -> None:
    assert difference(there_and_back(ATTRIBUTES[name], name), ATTRIBUTES[name]) is None


@given(attribute_values)
def test_any_value_comes_back(value: Any) -> None:
    assert difference(there_and_back(value), value) is None


@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_cannot_be_stored(name: str) -> None:
    with pytest.raises(AttributeValueError, match=r"cannot hold this value.*expected.*found") as e:
        codec.encode(name, UNSTORABLE[name])
    assert isinstance(e.value, TypeError)
    assert repr(name) in str(e.value)


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Unit(enum.StrEnum):
    VOLT = "V"


class Zone(datetime.tzinfo):
    """A time zone with rules, which no number of hours stands for."""


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        [Color.RED],
        Level.HIGH,
        [Unit.VOLT],
        datetime.datetime(2026, 1, 1, tzinfo=Zone()),
    ],
    ids=["enum", "list of enum", "integer enum", "list of text enum", "time zone"],
)
def test_what_would_come_back_as_something_else(value: Any) -> None:
    with pytest.raises(AttributeValueError):
        codec.encode("a", value)


def test_gaps_and_byte_order_are_brought_to_one_form() -> None:
    for name in ("compound with gaps", "big-endian"):
        value = sample(LOGICAL_DTYPES[name], (3,))
        wanted = value.astype(packed(value.dtype))
        assert difference(there_and_back(value), wanted) is None


class TestNativeForms:
    """What other programs see."""

    @pytest.mark.parametrize("text", ["volt", "", "äö", "1.5 V", "- 3", "true story", "[a"])
    def test_text_is_text(self, text: str) -> None:
        assert codec.encode("units", text) == text

    def test_floats_are_floats(self) -> None:
        assert difference(codec.encode("a", 0.5), np.float64(0.5)) is None
        assert difference(codec.encode("a", np.float32(0.5)), np.float32(0.5)) is None

    def test_arrays_are_arrays(self) -> None:
        values = np.arange(3)
        assert difference(codec.encode("axis", values), values) is None

    def test_swmr_flags_are_booleans(self) -> None:
        assert difference(codec.encode("swmr_active", True), np.True_) is None
        assert codec.decode("swmr_active", np.True_) is True

    @pytest.mark.parametrize(
        "value", [5, True, None, (1, 2), [1], b"x", datetime.date(2026, 1, 2)]
    )
    def test_exact_python_types_take_the_json_form(self, value: Any) -> None:
        text = codec.encode("index", value)
        assert isinstance(text, str)
        assert json.loads(text) == {
            "module": type(value).__module__,
            "type": type(value).__name__,
            "data": repr(value),
        }

    @pytest.mark.parametrize(
        "text", ["12", "-1.5", "NaN", "[]", '"quoted"', " 3 ", "null", "true"]
    )
    def test_text_that_is_json_is_wrapped(self, text: str) -> None:
        stored = codec.encode("label", text)
        assert isinstance(stored, str)
        assert json.loads(stored)["type"] == "str"

    @pytest.mark.parametrize("name", ["TITLE", "CLASS"])
    def test_names_that_libraries_read_stay_plain(self, name: str) -> None:
        assert codec.encode(name, "12") == "12"
        assert codec.decode(name, "12") == "12"


class TestForeignValues:
    """What PyMoDAQ and other programs wrote."""

    @pytest.mark.parametrize(
        ("kind", "data", "value"),
        [
            ("float", "0.25", 0.25),
            ("float", "nan", math.nan),
            ("float", "-inf", -math.inf),
            ("float64", "np.float64(0.1)", 0.1),
            ("float64", "0.1", 0.1),
            ("int", "-3", -3),
            ("bool", "False", False),
            ("str", "'it\\'s'", "it's"),
            ("str", '"a \\n b"', "a \n b"),
            ("bytes", "b'\\x00'", b"\0"),
            ("tuple", "()", ()),
            ("tuple", "(3,)", (3,)),
            ("tuple", "(1, 2)", (1, 2)),
            ("tuple", "(np.int64(1), 'a')", (1, "a")),
            ("list", "[1.0, [True, None]]", [1.0, [True, None]]),
            (
                "datetime",
                "datetime.datetime(2026, 1, 31, 12, 0)",
                datetime.datetime(2026, 1, 31, 12),
            ),
            ("date", "datetime.date(2026, 1, 31)", datetime.date(2026, 1, 31)),
            ("time", "datetime.time(1, 2, 3)", datetime.time(1, 2, 3)),
        ],
    )
    def test_pymodaq_forms(self, kind: str, data: str, value: Any) -> None:
        stored = json.dumps({"module": "builtins", "type": kind, "data": data})
        found = codec.decode("a", stored)
        if isinstance(value, float):
            assert difference(float(found), value) is None
        else:
            assert found == value
            assert type(found) is type(value)

    @pytest.mark.parametrize(
        "stored",
        [
            "{}",
            "{",
            "[1, 2]",
            "12",
            '{"module": "builtins", "type": "int"}',
            '{"module": "builtins", "type": "int", "data": "1.5"}',
            '{"module": "builtins", "type": "int", "data": 3}',
            '{"module": "builtins", "type": ["int"], "data": "3"}',
            '{"module": "builtins", "type": "int", "data": "x"}',
            '{"module": "numpy", "type": "ndarray", "data": "AAAA"}',
            '{"module": "numpy", "type": "ndarray", "data": "!", "dtype": "\'u1\'", "shape": []}',
            '{"module": "numpy", "type": "ndarray", "data": "", "dtype": "\'O\'", "shape": [0]}',
            "{" * 50_000,
            '{"a":' * 50_000,
            "\ud800",
        ],
        ids=lambda text: text[:40],
    )
    def test_anything_else_is_its_own_text(self, stored: str) -> None:
        assert codec.decode("a", stored) == stored

    def test_an_array_cannot_claim_more_memory_than_it_brings(self) -> None:
        stored = json.dumps(
            {
                "module": "numpy",
                "type": "ndarray",
                "data": base64.b64encode(bytes(8)).decode(),
                "dtype": "'<f8'",
                "shape": [10**12],
            }
        )
        assert codec.decode("a", stored) == stored

    @pytest.mark.parametrize(
        "data",
        [
            "__import__('os').system('touch executed')",
            "open('executed', 'w')",
            "(lambda: open('executed', 'w'))()",
            "[x for x in open('executed', 'w')]",
            "datetime.datetime.__class__",
            "().__class__.__bases__[0].__subclasses__()",
            'f\'{open("executed", "w")}\'',
            "1 if open('executed', 'w') else 2",
            "9**9**9",
            "'a' * 10**10",
        ],
    )
    @pytest.mark.parametrize("kind", ["int", "str", "tuple", "float", "datetime", "eval"])
    def test_nothing_is_executed(
        self, kind: str, data: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        stored = json.dumps({"module": "builtins", "type": kind, "data": data})
        assert codec.decode("a", stored) == stored
        assert not list(tmp_path.iterdir())
