"""savers: everything a measurement program needs to record data and load them again.

The names and the file layout are PyMoDAQ's; any driver of :mod:`h5backends` can be underneath.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from h5backends.late import imported_late
from h5backends.quiet import QuietHandler

if TYPE_CHECKING:
    from savers.axis import AxisSaverLoader
    from savers.background import BkgSaver
    from savers.browser import H5BrowserUtil
    from savers.data import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes
    from savers.enlargeable import DataEnlargeableSaver
    from savers.enums import (
        DataDim,
        DataDistribution,
        DataSource,
        DataType,
        GroupType,
        SaveType,
    )
    from savers.errors import ErrorSaverLoader
    from savers.export import DataToExportSaver
    from savers.export_enlargeable import DataToExportEnlargeableSaver
    from savers.export_extended import DataToExportExtendedSaver
    from savers.extended import DataExtendedSaver
    from savers.loader import DataLoader
    from savers.low_level import H5SaverLowLevel
    from savers.management import DataManagement
    from savers.options import SaverSettings, SettingsError
    from savers.scan import Rotation, Scan
    from savers.settings import H5SaverBase
    from savers.signal import DataSaverLoader
    from savers.signals import H5Saver
    from savers.timed import DataToExportTimedSaver
    from savers.writer import BackgroundWriter, QueueFullError, WriterCounters

# Quiet unless the program wants to hear: logging would print warnings by itself.
logging.getLogger(__name__).addHandler(QuietHandler())

_HOMES = {
    "Axis": "data",
    "AxisSaverLoader": "axis",
    "BackgroundWriter": "writer",
    "BkgSaver": "background",
    "DataCalculated": "data",
    "DataDim": "enums",
    "DataDistribution": "enums",
    "DataEnlargeableSaver": "enlargeable",
    "DataExtendedSaver": "extended",
    "DataLoader": "loader",
    "DataManagement": "management",
    "DataRaw": "data",
    "DataSaverLoader": "signal",
    "DataSource": "enums",
    "DataToExport": "data",
    "DataToExportEnlargeableSaver": "export_enlargeable",
    "DataToExportExtendedSaver": "export_extended",
    "DataToExportSaver": "export",
    "DataToExportTimedSaver": "timed",
    "DataType": "enums",
    "DataWithAxes": "data",
    "ErrorSaverLoader": "errors",
    "GroupType": "enums",
    "H5BrowserUtil": "browser",
    "H5Saver": "signals",
    "H5SaverBase": "settings",
    "H5SaverLowLevel": "low_level",
    "Rotation": "scan",
    "QueueFullError": "writer",
    "SaveType": "enums",
    "Scan": "scan",
    "SaverSettings": "options",
    "SettingsError": "options",
    "WriterCounters": "writer",
}

__all__ = [
    "Axis",
    "AxisSaverLoader",
    "BackgroundWriter",
    "BkgSaver",
    "DataCalculated",
    "DataDim",
    "DataDistribution",
    "DataEnlargeableSaver",
    "DataExtendedSaver",
    "DataLoader",
    "DataManagement",
    "DataRaw",
    "DataSaverLoader",
    "DataSource",
    "DataToExport",
    "DataToExportEnlargeableSaver",
    "DataToExportExtendedSaver",
    "DataToExportSaver",
    "DataToExportTimedSaver",
    "DataType",
    "DataWithAxes",
    "ErrorSaverLoader",
    "GroupType",
    "H5BrowserUtil",
    "H5Saver",
    "H5SaverBase",
    "H5SaverLowLevel",
    "QueueFullError",
    "Rotation",
    "SaveType",
    "SaverSettings",
    "Scan",
    "SettingsError",
    "WriterCounters",
]


__getattr__, __dir__ = imported_late(__name__, _HOMES)
