"""The layout of a recorded file: names, numbers, kinds and attributes, in one place.

The reference documentation specifies the same in prose. Where PyMoDAQ has a name for something,
that name is used, so that files open there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from h5backends.facade.file import LAYOUT_VERSION
from savers.enums import DataType

__all__ = [
    "ARRAY_ATTRIBUTES",
    "AXIS_ATTRIBUTES",
    "DATA_ATTRIBUTES",
    "FORMAT_VERSION",
    "H5_SUFFIXES",
    "LIVE_LOGGER",
    "LOGGER",
    "NAV_AXES",
    "PROTECTED_ATTRIBUTES",
    "RAW_GROUP",
    "SPECIAL_GROUP_NAMES",
    "array_name",
    "array_number",
    "capitalize",
    "channel_name",
    "default_fill",
    "file_name",
    "group_name",
    "group_stem",
    "last_number",
    "number_of",
    "nxdata_attributes",
]

FORMAT_VERSION = LAYOUT_VERSION
"""Stands in the root's attribute ``h5backends_layout``."""

RAW_GROUP = "RawData"
"""The group that everything recorded is in."""
LOGGER = "Logger"
"""The array of text that log lines are kept in, in the raw group."""
LIVE_LOGGER = "LoggerLive"
"""The stream of bytes beside it that takes log lines while SWMR is on."""
NAV_AXES = "NavAxes"
"""The group of the axes that all data of a scan share."""
SPECIAL_GROUP_NAMES = {"nav_axes": NAV_AXES}

H5_SUFFIXES = frozenset({".hdf5", ".hdf", ".he5", ".nxs", ".nx"})
"""File name suffixes for HDF5, beside those that contain ``h5``."""

GROUP_DIGITS = 3
ARRAY_DIGITS = 2
"""Digits that a number has at least; it grows as it must, and is compared as a number."""

PROTECTED_ATTRIBUTES = frozenset(
    {"CLASS", "VERSION", "EXTDIM", "FLAVOR", "shape", "dtype", "dtype_descr", "subdtype"}
)
"""Attributes of an array that say how it is stored; nobody else may set them."""

ARRAY_ATTRIBUTES = PROTECTED_ATTRIBUTES | {
    "TITLE",
    "backend",
    "data_type",
    "data_dimension",
    "size",
    "path",
    "NX_class",
    "interpretation",
    "long_name",
}
"""Attributes of any array that are not part of what a user gave with the data."""

DATA_ATTRIBUTES = ARRAY_ATTRIBUTES | {
    "timestamp",
    "label",
    "source",
    "distribution",
    "origin",
    "units",
    "nav_indexes",
}
"""Attributes of an array of data that its own properties hold; all others are extra."""

AXIS_ATTRIBUTES = ARRAY_ATTRIBUTES | {
    "label",
    "units",
    "index",
    "offset",
    "scaling",
    "distribution",
    "spread_order",
}
"""The same for an array that holds an axis."""


def capitalize(name: str) -> str:
    """Return a name with its first letter in upper case and the others as they are."""
    return name[:1].upper() + name[1:]


def array_name(data_type: DataType, number: int) -> str:
    """Return the name of an array: ``Data00``, ``Axis01``, ..., ``Data100``."""
    return f"{capitalize(data_type.value)}{number:0{ARRAY_DIGITS}d}"


def array_number(data_type: DataType, name: str) -> int | None:
    """Return the number in an array's name, None for a name of another kind."""
    return number_of(name, capitalize(data_type.value))


def channel_name(number: int) -> str:
    """Return the name of the group of one signal: ``CH00``, ..., ``CH100``."""
    return f"CH{number:0{ARRAY_DIGITS}d}"


def group_stem(group_type: str) -> str:
    """Return what the numbered groups of a type begin with: ``Scan`` for ``scan``."""
    return capitalize(group_type.lower())


def group_name(group_type: str, number: int) -> str:
    """Return the name of a numbered group: ``Scan000``, ``Detector012``, ``Scan1000``."""
    return f"{group_stem(group_type)}{number:0{GROUP_DIGITS}d}"


def number_of(name: str, stem: str) -> int | None:
    """Return the number behind a stem, None if the name is anything else.

    Parameters
    ----------
    name : str
        Such as ``"Scan1000"``.
    stem : str
        Such as ``"Scan"``.
    """
    digits = name[len(stem) :]
    if name.startswith(stem) and digits.isdecimal() and digits.isascii() and len(digits) < 19:
        return int(digits)
    return None


def last_number(names: Iterable[str], stem: str) -> int:
    """Return the highest number behind a stem, as a number and not as text; -1 without any."""
    return max((n for n in (number_of(name, stem) for name in names) if n is not None), default=-1)


def file_name(name: str) -> str:
    """Return a file name that says it is HDF5.

    A suffix that does stays; anything else is kept and ``.h5`` comes behind it, so that two
    different names (``run.1``, ``run.2``) stay different.
    """
    suffix = PurePath(name).suffix.lower()
    return name if "h5" in suffix or suffix in H5_SUFFIXES else f"{name}.h5"


def default_fill(dtype: DTypeLike, preferred: Any = np.nan) -> Any:
    """Return the value of points that nobody has written yet.

    Parameters
    ----------
    dtype : dtype
        Type of the array.
    preferred : number
        What to use where the type can hold it.

    Returns
    -------
    numpy scalar of `dtype`
        `preferred`; for types that cannot hold it (NaN in integers) their zero: 0, False, empty
        text. Times that do not exist yet are NaT.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "mM":
        return np.array("NaT", dtype)[()]
    if dtype.kind in "fc":
        return np.array(preferred, dtype)[()]
    if dtype.kind in "iu" and np.isfinite(preferred):
        limits = np.iinfo(dtype)
        if preferred == int(preferred) and limits.min <= preferred <= limits.max:
            return np.array(int(preferred), dtype)[()]
    return np.zeros((), dtype)[()]


def nxdata_attributes(
    signal: str, axes: Sequence[Sequence[str]] = (), auxiliary: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the attributes by which other viewers plot a group (NeXus, class ``NXdata``).

    They stand on the group: PyMoDAQ takes every unknown attribute of an *array* for a parameter
    of its data object, and some of these names would clash there.

    Parameters
    ----------
    signal : str
        Name of the array to plot first.
    axes : sequence of sequences of str
        For each dimension of the signal the names of its axes, none or several; the first is the
        default one.
    auxiliary : sequence of str
        Names of further arrays of the same shape.
    """
    attrs: dict[str, Any] = {"NX_class": "NXdata", "signal": signal}
    if axes:
        attrs["axes"] = np.array([names[0] if names else "." for names in axes])
    for dimension, names in enumerate(axes):
        for name in names:
            attrs[f"{name}_indices"] = np.int64(dimension)
    if auxiliary:
        attrs["auxiliary_signals"] = np.array(list(auxiliary))
    return attrs
