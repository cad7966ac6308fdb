"""h5backends: one HDF5 layer over h5py, PyTables and HSDS, made for recording and live reading.

Importing it loads none of the three libraries; each is loaded when a file is opened with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from h5backends.late import imported_late
from h5backends.quiet import QuietHandler

if TYPE_CHECKING:
    from h5backends.attributes import Attributes
    from h5backends.backend import H5Backend
    from h5backends.errors import H5Error, NodeError
    from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node, StringARRAY
    from h5backends.policy import FlushPolicy
    from h5backends.swmr import (
        collect_datasets,
        is_file_swmr_active,
        open_h5_file_for_reading,
        refresh_cached,
        refresh_datasets,
    )
    from h5backends.types import Capability, GroupType, SaveType

    backends_available: list[str]

# Quiet unless the program wants to hear: logging would print warnings by itself.
logging.getLogger(__name__).addHandler(QuietHandler())

__version__ = "0.1.0"

_HOMES = {
    "Attributes": "attributes",
    "CARRAY": "nodes",
    "Capability": "types",
    "EARRAY": "nodes",
    "FlushPolicy": "policy",
    "GROUP": "nodes",
    "GroupType": "types",
    "H5Backend": "backend",
    "H5Error": "errors",
    "Node": "nodes",
    "NodeError": "errors",
    "SaveType": "types",
    "StringARRAY": "nodes",
    "VLARRAY": "nodes",
    "collect_datasets": "swmr",
    "is_file_swmr_active": "swmr",
    "open_h5_file_for_reading": "swmr",
    "refresh_cached": "swmr",
    "refresh_datasets": "swmr",
}

__all__ = [
    "CARRAY",
    "EARRAY",
    "GROUP",
    "VLARRAY",
    "Attributes",
    "Capability",
    "FlushPolicy",
    "GroupType",
    "H5Backend",
    "H5Error",
    "Node",
    "NodeError",
    "SaveType",
    "StringARRAY",
    "backends_available",
    "collect_datasets",
    "is_file_swmr_active",
    "open_h5_file_for_reading",
    "refresh_cached",
    "refresh_datasets",
]


_late, __dir__ = imported_late(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "backends_available":  # a list, found anew each time
        from h5backends.drivers import registry

        return registry.backends_available()
    return _late(name)
