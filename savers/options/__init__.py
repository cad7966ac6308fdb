"""Settings of a saver: what they are, where they come from, and what is wrong with them."""

from savers.options.problems import SettingsError
from savers.options.sections import (
    BackendOptions,
    CompressionOptions,
    DataFormat,
    FlushOptions,
    HsdsOptions,
    SwmrOptions,
)
from savers.options.settings import SaverSettings

__all__ = [
    "BackendOptions",
    "CompressionOptions",
    "DataFormat",
    "FlushOptions",
    "HsdsOptions",
    "SaverSettings",
    "SettingsError",
    "SwmrOptions",
]
