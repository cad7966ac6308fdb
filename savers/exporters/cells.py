"""Values as the cells of a text file: exact, and each in the columns it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS_AT_ONCE", "as_cells", "parts_of", "time_unit"]

CELLS_AT_ONCE = 65_536
"""Python objects are many times as large as the numbers in an array."""


def parts_of(dtype: np.dtype[Any], name: str = "") -> list[str]:
    """Return the names of the columns that values of a type need.

    Parameters
    ----------
    dtype : dtype
        A number needs one, a complex number two, a structured value one or more for each field.
    name : str
        What all of them begin with.
    """
    if dtype.names:
        return [
            part for field in dtype.names for part in parts_of(dtype[field], f"{name}.{field}")
        ]
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [
            part
            for index in np.ndindex(shape)
            for part in parts_of(base, f"{name}[{', '.join(map(str, index))}]")
        ]
    return [f"{name} real", f"{name} imag"] if dtype.kind == "c" else [name]


def as_cells(values: NDArray[Any]) -> Iterator[list[Any]]:
    """Iterate over the columns of some values, in the order of :func:`parts_of`.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        The values; further axes, which fields of structured ones may have, are columns too.

    Yields
    ------
    list of str, int, float or bool
        `n` cells whose text is exactly the value.
    """
    if values.dtype.names:
        for field in values.dtype.names:
            yield from as_cells(values[field])
    elif values.ndim > 1:
        for index in np.ndindex(values.shape[1:]):
            yield from as_cells(values[(slice(None), *index)])
    elif values.dtype.kind == "c":
        yield from as_cells(values.real)
        yield from as_cells(values.imag)
    else:
        yield _column(values)


def _column(values: NDArray[Any]) -> list[Any]:
    match values.dtype.kind:
        case "b" | "i" | "u":
            return list(values.tolist())
        case "f" if values.dtype == np.float64:
            return list(values.tolist())  # Python writes the shortest text that is exact
        case "f":
            return list(values.astype(np.str_).tolist())  # and so does numpy, for its own types
        case "M":
            return list(np.datetime_as_string(values).tolist())
        case "m":
            return list(values.astype(np.int64).tolist())
        case "S":
            return [value.decode("utf-8", "backslashreplace") for value in values.tolist()]
    return [str(value) for value in values.tolist()]


def time_unit(dtype: np.dtype[Any]) -> str:
    """Return the unit of a type of time differences, such as ``ms``; empty for others."""
    if dtype.kind != "m":
        return ""
    unit, count = np.datetime_data(dtype)
    return unit if count == 1 else f"{count} {unit}"
