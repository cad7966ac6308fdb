"""Read Python literals out of text without evaluating anything.

PyMoDAQ stores attribute values as ``repr(value)`` and evaluates that text when it reads. The
parser here accepts what such a representation can legitimately hold - literals, the constructors
of :mod:`datetime`, numpy scalars - by walking the syntax tree, and nothing else.
"""

from __future__ import annotations

import ast
import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["NotALiteralError", "parse"]


class NotALiteralError(ValueError):
    """The text is not a literal of a known kind."""


_NUMPY_SCALARS = (
    *("bool", "bool_", "str_", "bytes_", "datetime64", "timedelta64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)

_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "datetime.datetime": datetime.datetime,
    "datetime.date": datetime.date,
    "datetime.time": datetime.time,
    "datetime.timedelta": datetime.timedelta,
    "datetime.timezone": datetime.timezone,
    **{
        f"{module}.{name}": getattr(np, name)
        for module in ("np", "numpy")
        for name in _NUMPY_SCALARS
        if hasattr(np, name)
    },
}

_NAMES: dict[str, Any] = {
    "nan": math.nan,
    "inf": math.inf,
    "nanj": complex(0.0, math.nan),
    "infj": complex(0.0, math.inf),
    "datetime.timezone.utc": datetime.timezone.utc,  # noqa: UP017 - the name as it stands in text
    "np.nan": math.nan,
    "np.inf": math.inf,
    "np.True_": np.True_,
    "np.False_": np.False_,
}


def parse(text: str) -> Any:
    """Return the value that a literal stands for.

    Parameters
    ----------
    text : str
        For instance ``"(1, 2.5, 'a')"``, ``"datetime.date(2026, 1, 31)"``, ``"np.float64(0.1)"``.

    Raises
    ------
    NotALiteralError
        The text is anything else: a name, a call, an operator, broken syntax.
    """
    try:
        return _value(ast.parse(text, mode="eval").body)
    except NotALiteralError:
        raise
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as exc:
        raise NotALiteralError(f"not a literal: {text[:80]!r}") from exc


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value) if value is not ...:
            return value
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _value(k): _value(v) for k, v in zip(keys, values, strict=True) if k is not None
            }
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            number = _number(operand)
            if isinstance(op, ast.UAdd):
                return number
            if isinstance(operand, ast.BinOp):
                raise NotALiteralError("arithmetic is not a literal")
            # repr(complex(0, -1)) is "-1j", whose real part must not become -0.0.
            return complex(0.0, -number.imag) if isinstance(number, complex) else -number
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            # Only what repr(complex) writes: a real part and an imaginary part.
            imaginary = _number(right)
            if not isinstance(imaginary, complex):
                raise NotALiteralError("arithmetic is not a literal")
            sign = -1 if isinstance(op, ast.Sub) else 1
            return complex(_real(left), sign * imaginary.imag)
        case ast.Call(func=func, args=args, keywords=keywords):
            return _construct(_dotted(func), args, keywords)
        case ast.Name() | ast.Attribute():
            name = _dotted(node)
            if name in _NAMES:
                return _NAMES[name]
            raise NotALiteralError(f"unknown name {name!r}")
    raise NotALiteralError(f"{type(node).__name__} is not part of a literal")


def _number(node: ast.expr) -> Any:
    value = _value(node)
    if isinstance(value, bool) or not isinstance(value, (int, float, complex)):
        raise NotALiteralError("a sign needs a number")
    return value


def _real(node: ast.expr) -> float:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_real(node.operand)  # as a float: "-0" is an integer without a sign
    value = _number(node)
    if isinstance(value, complex):
        raise NotALiteralError("arithmetic is not a literal")
    return float(value)


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            return f"{_dotted(inner)}.{name}"
    raise NotALiteralError("only plain dotted names are part of a literal")


def _construct(name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
    constructor = _CONSTRUCTORS.get(name)
    if constructor is None or any(k.arg is None for k in keywords):
        raise NotALiteralError(f"{name!r} is not a known constructor")
    positional = [_value(arg) for arg in args]
    named = {k.arg: _value(k.value) for k in keywords if k.arg is not None}
    return constructor(*positional, **named)
