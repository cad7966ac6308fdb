"""Make data fit an array, or refuse: no rounding to integers, no overflow, no cut text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.errors import DTypeError, ShapeError

__all__ = ["conform", "plain_array", "rows_of"]


def conform(value: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `value` as an array of `dtype`, with the same values.

    Floating-point numbers may lose precision within their kind (0.1 into float32); nothing else
    may change.

    Parameters
    ----------
    value : array_like
        Numbers, text, an array.
    dtype : numpy.dtype
        What the array in the file holds.

    Returns
    -------
    ndarray, same shape, `dtype`
        `value` itself where nothing needs to change.

    Raises
    ------
    DTypeError
        The values do not fit: another kind, out of range, NaN into integers, text too long.
    ShapeError
        A ragged list.
    """
    if dtype.names and isinstance(value, (tuple, list)):
        return _conform_records(value, dtype)
    array = plain_array(value)
    if array.dtype == dtype:
        return array
    source, target = array.dtype.kind, dtype.kind
    if dtype.names:
        return _conform_fields(array, dtype)
    if array.size == 0:
        return np.empty(array.shape, dtype)
    if source == "O":
        return _conform_objects(array, dtype)
    if source in "US" and target == source:
        return _conform_text(array, dtype)
    if source in "mM" and target == source:
        return _conform_times(array, dtype)
    if source in "bui" and target in "ui":
        return _conform_integers(array, dtype)
    if source in "bui" and target in "fc":
        return _conform_to_floats(array, dtype)
    if source in "fc" and target in "fc" and (source, target) != ("c", "f"):
        return _conform_floats(array, dtype)
    found = str(array.dtype)
    if source == "f" and target in "ui" and not np.isfinite(array).all():
        found += " with NaN or infinity"
    raise _misfit(dtype, found)


def plain_array(value: ArrayLike) -> NDArray[Any]:
    """Return data as a plain numpy array.

    Parameters
    ----------
    value : array_like
        Numbers, text, an array or a subclass of one.

    Raises
    ------
    ShapeError
        A ragged list.
    DTypeError
        A masked array with masked elements: HDF5 has no mask, the values under it would be taken
        for real ones.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray):
        if np.any(getattr(value, "mask", False)):
            raise DTypeError(
                "an array in a file has no mask",
                found="masked elements",
                remedy="Give them a value first, for instance with array.filled(numpy.nan).",
            )
        return np.asarray(value)
    try:
        return np.asarray(value)
    except ValueError as exc:
        raise ShapeError(
            "the items of the list differ in length",
            expected="rows of one shape",
            found=str(exc),
            remedy="Rows of different lengths go into a VLARRAY.",
        ) from exc


def rows_of(array: NDArray[Any], row_shape: tuple[int, ...], expand: bool = True) -> NDArray[Any]:
    """Return data as a block of rows.

    Parameters
    ----------
    array : ndarray
        One row (`row_shape`) or a block of them (``(k, *row_shape)``).
    row_shape : tuple of int
        Shape of one row.
    expand : bool
        Whether ``k`` numbers are ``k`` rows where rows have the shape ``(1,)``.

    Returns
    -------
    ndarray, shape (k, *row_shape)

    Raises
    ------
    ShapeError
        It is neither, or has no rows.
    """
    shape = array.shape
    if shape == row_shape:
        return array[np.newaxis]
    if shape[1:] == row_shape and len(shape) == len(row_shape) + 1:
        if shape[0]:
            return array
        raise ShapeError("there is nothing to append", expected="at least one row", found="none")
    if row_shape == (1,):
        if array.ndim == 0:
            return array.reshape(1, 1)
        if expand and array.ndim == 1 and array.size:
            return array[:, np.newaxis]
    raise ShapeError(
        "the data do not fit the rows of this array",
        expected=f"one row of shape {row_shape} or a block of shape {('k', *row_shape)}".replace(
            "'k'", "k"
        ),
        found=f"shape {shape}",
    )


def _misfit(dtype: np.dtype[Any], found: str) -> DTypeError:
    return DTypeError(
        "the values do not fit the type of the array",
        expected=str(dtype),
        found=found,
        remedy="Convert them first (array.astype), or create the array with a wider type.",
    )


def _conform_objects(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "O":
        return array
    if dtype.kind == "U" and all(isinstance(item, str) for item in array.flat):
        return _conform_text(array.astype(np.str_), dtype)
    raise _misfit(dtype, "Python objects")


def _conform_text(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if array.dtype.itemsize > dtype.itemsize:
        width = dtype.itemsize // (4 if dtype.kind == "U" else 1)
        longest = int(np.char.str_len(array).max())
        if longest > width:
            raise _misfit(dtype, f"text of {longest} characters")
    return array.astype(dtype)


def _conform_integers(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not np.can_cast(array.dtype, dtype, "safe"):
        limits = np.iinfo(dtype)
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise _misfit(dtype, f"{array.dtype} with values from {low} to {high}")
    return array.astype(dtype)


def _conform_to_floats(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    if array.dtype.kind != "b" and not (-limit <= int(array.min()) and int(array.max()) <= limit):
        # Beyond the limit only some integers have a float; Python's integers tell exactly which.
        for number, real in zip(array.flat, np.asarray(result.real).flat, strict=True):
            if not np.isfinite(real) or int(real) != int(number):
                raise _misfit(dtype, f"{array.dtype} with values that would change ({number})")
    return result


def _conform_floats(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    # Part by part: next to a NaN, the other part of a complex number can be out of range unseen.
    for part in ("real", "imag") if array.dtype.kind == "c" else ("real",):
        before, after = getattr(array, part), getattr(result, part)
        if not np.array_equal(np.isfinite(before), np.isfinite(after)):
            raise _misfit(dtype, f"{array.dtype} with values out of range")
    return result


def _conform_times(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise _misfit(dtype, str(array.dtype))  # a month has no fixed number of days
    result = array.astype(dtype)
    back = result.astype(array.dtype)
    # As integers, since NaT does not equal itself. numpy lets a unit overflow without a word.
    if not np.array_equal(back.astype(np.int64), array.astype(np.int64)):
        raise _misfit(dtype, f"{array.dtype} with values that would change")
    return result


def _conform_records(value: tuple[Any, ...] | list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Take numpy's own notation for structured values: tuples, and lists of them."""
    names = dtype.names or ()
    if isinstance(value, list):
        records = [conform(item, dtype) for item in value]
        if len({record.shape for record in records}) > 1:
            raise ShapeError("the records of the list differ in shape", expected="one shape")
        return np.stack(records) if records else np.empty(0, dtype)
    if len(value) != len(names):
        raise _misfit(dtype, f"a tuple of {len(value)} values")
    result = np.zeros((), dtype)
    for name, part in zip(names, value, strict=True):
        field = conform(part, dtype[name].base)
        if field.shape != dtype[name].shape:
            raise ShapeError(
                f"the value of the field {name!r} has another shape",
                expected=dtype[name].shape,
                found=field.shape,
            )
        result[name] = field
    return result


def _conform_fields(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if array.dtype.names != dtype.names:
        raise _misfit(dtype, str(array.dtype))
    result = np.zeros(array.shape, dtype)
    for name in dtype.names or ():
        result[name] = conform(array[name], dtype[name].base)
    return result
