"""BkgSaver: background that loaders subtract from data of the same number."""

from __future__ import annotations

from savers.enums import DataType
from savers.signal import DataSaverLoader

__all__ = ["BkgSaver"]


class BkgSaver(DataSaverLoader):
    """Saves background beside the data that it belongs to.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``bkg``.
    """

    data_type = DataType.bkg
    _error_type = None
