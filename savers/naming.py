"""Names of recorded files: ``YYYY/YYYYMMDD/Dataset_YYYYMMDD_NNN``, as PyMoDAQ has them.

Nothing here touches a disk; folders are any :class:`~pathlib.PurePath`, so that the same names
serve a Windows disk and a server.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TypeVar

__all__ = ["SUFFIX", "dataset_name", "day_folder", "following_number", "numbered", "timed_name"]

SUFFIX = ".h5"
_DIGITS = 3
"""Digits that a number has at least; it grows as it must, and is compared as a number."""

_P = TypeVar("_P", bound=PurePath)


def day_folder(base: _P, day: datetime.date) -> _P:
    """Return the folder of a day: ``base/2026/20261125``.

    Parameters
    ----------
    base : PurePath
        Where all data go. A base that is the folder of the year, or of the day, already is not
        repeated inside itself.
    day : date
        The day.
    """
    year, name = f"{day.year:04d}", _compact(day)
    if base.name == name and base.parent.name == year:
        return base
    return base / name if base.name == year else base / year / name


def dataset_name(day: datetime.date) -> str:
    """Return what the names of the datasets of a day begin with: ``Dataset_20261125``."""
    return f"Dataset_{_compact(day)}"


def timed_name(base_name: str, moment: datetime.datetime) -> str:
    """Return the name of a file that is no dataset of scans: ``Scan_20261125_22_30_05``."""
    return f"{base_name}_{_compact(moment)}_{moment:%H_%M_%S}"


def numbered(stem: str, number: int) -> str:
    """Return a name with its number: ``Dataset_20261125_007``, ``Dataset_20261125_1000``."""
    return f"{stem}_{number:0{_DIGITS}d}"


def following_number(names: Iterable[str], stem: str) -> int:
    """Return one more than the highest number in use, 0 without any.

    Parameters
    ----------
    names : iterable of str
        What is in the folder. Files of any suffix count, and folders: a number whose file was
        moved away is still that of the pictures beside it.
    stem : str
        What the names begin with.
    """
    pattern = re.compile(re.escape(stem) + r"_(\d+)(?!\d)", re.IGNORECASE)
    found = (pattern.match(name) for name in names)
    return max((int(match[1]) for match in found if match), default=-1) + 1


def _compact(day: datetime.date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"
