"""Room on the disk, asked for before HDF5 writes: it does not get over a disk that is full.

A write that fails inside HDF5 leaves it in a state in which later flushes fail too, rows that it
had taken become zeros, and closing may end the program (seen with HDF5 1.14 and 2.0). So nothing
is handed to it unless there is room; what waits in this package's buffers is safe.
"""

from __future__ import annotations

import os
import shutil
import time

from h5backends.errors import StorageError

__all__ = ["Room"]

_MARGIN = 256 * 1024
"""Bytes that HDF5 may need beside the data, for its index of chunks and its own bookkeeping."""
_MOST_KEPT = 8 * 1024 * 1024
"""More than its caches does HDF5 not keep back."""
_PLENTY = 256 * 1024 * 1024
"""With so much room, an answer holds for a while."""
_SECONDS = 0.1
_now = time.monotonic


class Room:
    """The free space of the disk that a file is on.

    Parameters
    ----------
    location : str
        Path of the file.
    """

    __slots__ = ("_credit", "_folder", "_kept", "_location", "_until")

    def __init__(self, location: str) -> None:
        self._location = location
        self._folder = os.path.dirname(location)
        self._kept = 0
        self._credit = 0  # bytes that may be written without asking
        self._until = float("-inf")

    def require(self, nbytes: int = 0, kept: bool = False) -> None:
        """Make sure that something can be written.

        Parameters
        ----------
        nbytes : int
            Bytes about to be written; what was kept back before is added.
        kept : bool
            Whether HDF5 may keep them back, and so needs the room later still.

        Raises
        ------
        StorageError
            There is not enough.
        """
        if nbytes < self._credit and _now() < self._until:
            self._credit -= nbytes
            if kept:
                self._kept = min(self._kept + nbytes, _MOST_KEPT)
            return
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return  # who cannot be asked cannot be waited for
        needed = nbytes + self._kept + _MARGIN
        if free < needed:
            raise StorageError(
                "the disk is full",
                file=self._location,
                expected=f"{needed:,} bytes free",
                found=f"{free:,}",
                remedy="Make room. What could not be written is kept in memory, and written by "
                "the next append, flush or close.",
            )
        if kept:
            self._kept = min(self._kept + nbytes, _MOST_KEPT)
        if free > _PLENTY:
            # Half of it: the other half is for what other programs write meanwhile.
            self._credit = free // 2 - needed
            self._until = time.monotonic() + _SECONDS

    def flushed(self) -> None:
        """Take note that nothing is kept back any more."""
        self._kept = 0
