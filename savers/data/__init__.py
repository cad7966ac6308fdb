"""The data that savers take and loaders return: axes, arrays with their axes, bundles of these.

Names and meanings are those of ``pymodaq_data.data``, so programs change little; see
:mod:`savers.interchange` for using that package's own objects, and xarray's.
"""

from savers.data.axis import Axis
from savers.data.export import DataToExport
from savers.data.with_axes import DataCalculated, DataRaw, DataWithAxes
from savers.enums import (
    DataDim,
    DataDistribution,
    DataSource,
    DataType,
    GroupType,
    SaveType,
)

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
    "SaveType",
]
