"""ErrorSaverLoader: error bars as arrays beside the data of the same number."""

from __future__ import annotations

from savers.enums import DataType
from savers.signal import DataSaverLoader

__all__ = ["ErrorSaverLoader"]


class ErrorSaverLoader(DataSaverLoader):
    """Saves and loads error bars.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``error``.
    """

    data_type = DataType.error
    _error_type = None
