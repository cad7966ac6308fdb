"""The helpers of a follower under one name: positions, results, NeXus groups, readiness."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from h5backends.errors import H5Error
from h5backends.follow.nexus import copy_nexus_axes, create_nxdata, create_nxentry
from h5backends.follow.output import append_data, create_dataset
from h5backends.follow.positions import (
    convert_stack_to_grid,
    get_position,
    get_position_snake,
    get_position_snake_row,
    get_row_slice,
)
from h5backends.follow.waiting import Patience
from h5backends.swmr import open_h5_file_for_reading

__all__ = [
    "append_data",
    "check_file_readable",
    "convert_stack_to_grid",
    "copy_nexus_axes",
    "create_dataset",
    "create_nxdata",
    "create_nxentry",
    "get_position",
    "get_position_snake",
    "get_position_snake_row",
    "get_row_slice",
    "refresh_dataset",
]

_LONGEST_PAUSE = 0.05


def refresh_dataset(dataset: Any) -> None:
    """Bring a dataset up to date if it can be: what has no ``refresh()`` is left as it is."""
    refresh = getattr(dataset, "refresh", None)
    if refresh is not None:
        refresh()


def check_file_readable(
    path: str | Path, datasets: Sequence[str], timeout: float | None = 10, retrys: int = 5
) -> bool:
    """Wait until a file can be read and has all of some datasets, links to other files followed.

    Parameters
    ----------
    path : str or Path
        The file.
    datasets : sequence of str
        Paths of datasets in it.
    timeout : float or None
        Seconds to try; None for ever.
    retrys : int
        Least number of tries in this time.

    Returns
    -------
    bool
        Whether all can be opened.
    """
    patience = Patience(timeout)
    longest = _LONGEST_PAUSE if not timeout else min(_LONGEST_PAUSE, timeout / max(1, retrys))
    while True:
        over = patience.is_over
        if _is_readable(path, datasets):
            return True
        if over:
            return False
        time.sleep(patience.cut(longest))


def _is_readable(path: str | Path, datasets: Sequence[str]) -> bool:
    try:
        file, _ = open_h5_file_for_reading(path)
    except H5Error:
        return False
    with file:
        try:
            return all(file[name] is not None for name in datasets)
        except (KeyError, OSError, RuntimeError):
            return False
