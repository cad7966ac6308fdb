"""Data of other packages: those of ``pymodaq_data`` as they are, those of xarray and back.

Savers ask for what an object *has*, not for its class: :class:`DataLike` and its companions
describe what is needed, and the objects of ``pymodaq_data`` have it.
"""

from savers.interchange.datasets import (
    export_from_xarray,
    export_to_xarray,
    from_xarray,
    to_xarray,
)
from savers.interchange.likes import (
    AxisLike,
    DataLike,
    ExportLike,
    as_axis,
    as_data,
    as_export,
)
from savers.interchange.packages import PackageMissingError
from savers.interchange.pymodaq import axis_to_pymodaq, data_to_pymodaq, export_to_pymodaq

__all__ = [
    "AxisLike",
    "DataLike",
    "ExportLike",
    "PackageMissingError",
    "as_axis",
    "as_data",
    "as_export",
    "axis_to_pymodaq",
    "data_to_pymodaq",
    "export_from_xarray",
    "export_to_pymodaq",
    "export_to_xarray",
    "from_xarray",
    "to_xarray",
]
