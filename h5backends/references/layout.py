"""Where h5flow keeps what: names, types and links of data, references and look-up tables."""

from __future__ import annotations

import numpy as np

__all__ = [
    "UNWRITTEN",
    "data_path",
    "ref_dtype",
    "ref_path",
    "ref_region_dtype",
    "region_path",
]

ref_region_dtype = np.dtype([("start", "i8"), ("stop", "i8")])
"""A row of a look-up table: a parent's references stand in these rows, among others perhaps."""

ref_dtype = np.dtype("u4")
"""Pairs of row numbers."""

UNWRITTEN = 2**32 - 1
"""What a place that is reserved holds until a reference is written: no row has this number."""


def data_path(name: str) -> str:
    """Return the path of an object's data, in the form that files are asked for."""
    return f"{name}/data"


def ref_path(parent: str, child: str) -> str:
    """Return the path of the references from one object to another."""
    return f"{parent}/ref/{child}/ref"


def region_path(parent: str, child: str) -> str:
    """Return the path of the look-up table: which of the references are those of a parent."""
    return f"{parent}/ref/{child}/ref_region"
