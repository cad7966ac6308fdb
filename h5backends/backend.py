"""H5Backend: one way to write and read HDF5, whichever library is underneath."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from h5backends import copying
from h5backends.errors import FileOccupiedError
from h5backends.facade.swmr import SwmrFacade
from h5backends.nodes import Node

__all__ = ["H5Backend"]


class H5Backend(SwmrFacade):
    """A file of any HDF5 library, under PyMoDAQ's names.

    Parameters
    ----------
    backend : str
        Name of a driver: ``"tables"``, ``"h5py"``, ``"h5pyd"``, ``"memory"``, or one that another
        package registered.
    flush_policy : FlushPolicy, optional
        When appended rows are written. By default within one second, and within milliseconds
        while SWMR is on.

    Raises
    ------
    UnknownDriverError, DriverNotInstalledError
        There is no such driver, or its library is missing.

    Examples
    --------
    >>> with H5Backend("h5py") as h5:
    ...     _ = h5.open_file("counts.h5", "w")
    ...     counts = h5.create_earray("/", "counts", "float64")
    ...     for value in range(3):
    ...         counts.append(float(value))
    ...     counts[:]
    array([0., 1., 2.])
    """

    def save_file_as(
        self, filenamepath: str | Path = "h5copy.h5", overwrite: bool = False, **kwargs: Any
    ) -> None:
        """Write a copy of the open file, with the same driver.

        Parameters
        ----------
        filenamepath : str or Path
            Where to.
        overwrite : bool
            Whether a file that is there may be replaced.
        **kwargs
            For the library underneath, as in :meth:`open_file`; by default those of this file.

        Raises
        ------
        FileOccupiedError
            There is a file already.
        """
        session = self._open_session()
        location = self._driver.normalise(filenamepath)
        if location == session.driver.location:
            raise FileOccupiedError("a file cannot be copied onto itself", file=location)
        with H5Backend(self.backend) as copy:
            mode = "w" if overwrite else "x"
            copy.open_file(filenamepath, mode, **(kwargs or self._extra))
            self.copy_to(copy)

    def copy_to(
        self,
        other: H5Backend,
        where: str | Node = "/",
        progress: copying.Progress | None = None,
    ) -> None:
        """Copy everything in this file into another one, of any driver.

        Parameters
        ----------
        other : H5Backend
            An open, writable file.
        where : str or Node
            The group of `other` to copy into; its attributes become those of this file's root.
        progress : callable, optional
            Called with bytes done and bytes in all.

        Raises
        ------
        NodeExistsError
            A node that is there already would have to be replaced.
        """
        copying.copy_content(self.root(), other._group(where), progress)
        other.flush()
