"""savers: everything a measurement program needs to record data and load them again.

The names and the file layout are PyMoDAQ's; any driver of :mod:`h5backends` can be underneath.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from savers.data import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes
    from savers.enums import (
        DataDim,
        DataDistribution,
        DataSource,
        DataType,
        GroupType,
        SaveType,
    )
    from savers.low_level import H5SaverLowLevel

_HOMES = {
    "Axis": "data",
    "DataCalculated": "data",
    "DataDim": "enums",
    "DataDistribution": "enums",
    "DataRaw": "data",
    "DataSource": "enums",
    "DataToExport": "data",
    "DataType": "enums",
    "DataWithAxes": "data",
    "GroupType": "enums",
    "H5SaverLowLevel": "low_level",
    "SaveType": "enums",
}

__all__ = [
    "Axis",
    "DataCalculated",
    "DataDim",
    "DataDistribution",
    "DataRaw",
    "DataSource",
    "DataToExport",
    "DataType",
    "DataWithAxes",
    "GroupType",
    "H5SaverLowLevel",
    "SaveType",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'savers' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"savers.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
