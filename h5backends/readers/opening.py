"""The open file behind a measurement: given open or opened when needed, anew after a fork."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from h5backends.errors import FileClosedError, MeasurementError, NodeKindError
from h5backends.filters import register_plugins
from h5backends.readers.events import location_of
from h5backends.swmr.reader import open_h5_file_for_reading

__all__ = ["Handle"]


class Handle:
    """An h5py file that is opened when it is needed.

    Parameters
    ----------
    source : path, h5py.File, H5Backend or binary file object
        The file; one that is given open is never closed here.

    Attributes
    ----------
    path : Path, file object or None
        Where it is.
    """

    def __init__(self, source: Any) -> None:
        self._given = _as_h5py(source)
        self.path = source if self._given is None else location_of(self._given)
        if isinstance(self.path, (str, os.PathLike)):
            self.path = Path(self.path)
        self._owned: Any = None
        self._is_closed = False
        self._pid = os.getpid()

    @property
    def is_path(self) -> bool:
        """Whether the file can be opened again, by other processes too."""
        return isinstance(self.path, Path)

    @property
    def is_inherited(self) -> bool:
        """Whether it was opened by a parent process: handles do not survive a fork."""
        return self._pid != os.getpid()

    def get(self) -> Any:
        """Return the open file.

        Raises
        ------
        FileClosedError
            It was closed, or belongs to the parent process and has no path to open it by.
        """
        if self.is_inherited:
            self._begin_anew()
        h5 = self._owned if self._given is None else self._given
        if self._is_closed or (h5 is not None and not h5):
            raise FileClosedError(
                "the measurement is closed", file=self.path, remedy="Open it again."
            )
        if h5 is None:
            register_plugins()
            h5 = self._owned = _opened(self.path)
        return h5

    def _begin_anew(self) -> None:
        if not self.is_path:
            raise FileClosedError(
                "the measurement is open in the parent process",
                remedy="Open it by its path, and every process opens it anew.",
            )
        self._given = self._owned = None
        self._pid = os.getpid()

    def close(self) -> None:
        """Close the file, unless it was given open; a second call does nothing."""
        if self._owned is not None and not self.is_inherited:
            self._owned.close()
        self._given = self._owned = None
        self._is_closed = True


def _as_h5py(source: Any) -> Any:
    """Return the open h5py file that was given, None if it was not an open file."""
    import h5py

    from h5backends.backend import H5Backend

    if isinstance(source, H5Backend):
        source = source.h5file
        if not isinstance(source, h5py.File):
            raise NodeKindError(
                "a measurement is read with h5py",
                expected="a file that is open with the driver 'h5py', or its path",
                found=type(source).__name__,
            )
    return source if isinstance(source, h5py.File) else None


def _opened(path: Any) -> Any:
    import h5py

    if isinstance(path, Path):
        return open_h5_file_for_reading(path)[0]
    try:
        return h5py.File(path, "r")
    except (OSError, ValueError, TypeError) as exc:
        raise MeasurementError("this is no HDF5 file", file=path, found=exc) from exc
