"""Reading files that are being written, and mending those that a crash left behind.

Importing it loads no HDF5 library.
"""

from __future__ import annotations

from h5backends.swmr.inspection import Report, check
from h5backends.swmr.reader import (
    collect_datasets,
    is_file_swmr_active,
    open_h5_file_for_reading,
    refresh_cached,
    refresh_datasets,
)
from h5backends.swmr.recovery import repair

__all__ = [
    "Report",
    "check",
    "collect_datasets",
    "is_file_swmr_active",
    "open_h5_file_for_reading",
    "refresh_cached",
    "refresh_datasets",
    "repair",
]
