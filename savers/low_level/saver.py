"""H5SaverLowLevel: a file in PyMoDAQ's layout, its layers joined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from h5backends.policy import FlushPolicy
from h5backends.types import SaveType
from savers import layout
from savers.enums import member
from savers.low_level.file import FileSaver
from savers.numbering import Numbering

__all__ = ["DEFAULT_BACKEND", "H5SaverLowLevel"]

DEFAULT_BACKEND = "h5py"
"""It has SWMR, direct chunk writes, and nothing to start."""


class H5SaverLowLevel(FileSaver):
    """A file in PyMoDAQ's layout, of any driver.

    Parameters
    ----------
    save_type : SaveType or str
        What the file is recorded for.
    backend : str, optional
        Name of a driver; ``"h5py"`` by default.
    flush_policy : FlushPolicy, optional
        When appended rows are written, see :class:`~h5backends.backend.H5Backend`.

    Attributes
    ----------
    h5_file_path : Path or None
        Folder of the file (of the domain, on a server).
    h5_file_name : str or None
        Name of the file.
    save_type : SaveType
        What the file is recorded for.
    fill_value : float
        Value of the points of a scan that nobody has written yet, NaN unless it is set. Types
        that cannot hold it have their zero instead, see :func:`savers.layout.default_fill`.

    Raises
    ------
    UnknownNameError, UnknownDriverError, DriverNotInstalledError

    Examples
    --------
    >>> saver = H5SaverLowLevel.from_file("scan.h5", new_file=True)
    >>> scan = saver.add_scan_group(title="first scan")
    >>> saver.add_log("lamp is on")
    >>> scan.path, saver.get_set_logger()[0]
    ('/RawData/Scan000', 'lamp is on')
    >>> saver.close_file()
    """

    def __init__(
        self,
        save_type: SaveType | str = "scan",
        backend: str | None = None,
        *,
        flush_policy: FlushPolicy | None = None,
    ) -> None:
        self.save_type = member(SaveType, save_type)
        self.h5_file_path = None
        self.h5_file_name = None
        self.file_loaded = False
        self.fill_value = np.nan
        self._raw_group_name = layout.RAW_GROUP
        self._logger_array = None
        self._logger_where = None
        self._numbering = Numbering()
        self._flush_interval = 0
        self._write_count = 0
        super().__init__(backend or DEFAULT_BACKEND, flush_policy)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        save_type: SaveType | str = "scan",
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        swmr_mode: bool = False,
        mode: str = "a",
        *,
        backend: str | None = None,
        flush_policy: FlushPolicy | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a saver and open its file, as the constructor and :meth:`init_file` do.

        Parameters
        ----------
        path : str or Path
            The file, or the domain on a server.
        save_type : SaveType or str
            What the file is recorded for.
        new_file, metadata, swmr_mode, mode, **kwargs
            See :meth:`init_file`.
        backend, flush_policy
            See the class.
        """
        saver = cls(save_type, backend, flush_policy=flush_policy)
        saver.init_file(
            path,
            new_file=new_file,
            metadata=metadata,
            swmr_mode=swmr_mode,
            mode=mode,
            **kwargs,
        )
        return saver
