"""Waiting for a file until it can be read."""

from __future__ import annotations

import os
import time

from h5backends.backend import H5Backend
from h5backends.errors import FileBusyError, FileError, FileFormatError, FileMissingError
from h5backends.heartbeat import WriterState, WriterWatch
from h5backends.superblock import FileState, file_state
from savers.cli.console import Stop, note
from savers.cli.options import Place
from savers.cli.streams import has_streams
from savers.marks import DONE_MARK, WRITER_MARK

__all__ = ["Arrival"]

_PATIENCE = 10.0
"""Seconds to wait for a file if nothing else was asked for."""
_BIRTH = 1.0
"""Seconds that a new file may take until it can be followed."""
_PAUSE = 0.02


class Arrival:
    """Opens a file as soon as it can be read.

    Parameters
    ----------
    place : Place
        The file.
    timeout : float or None
        Seconds to wait for it; None for 10.
    stop : Stop
        Asks to give up.

    Attributes
    ----------
    waited : bool
        Whether the file was not there, or not ready, at first.
    """

    def __init__(self, place: Place, timeout: float | None, stop: Stop) -> None:
        self._place = place
        self._patience = _PATIENCE if timeout is None else timeout
        self._stop = stop
        self._born: float | None = None
        self.waited = False

    def wait(self) -> H5Backend | None:
        """Return the opened file; None if asked to stop before it was there.

        Raises
        ------
        FileMissingError
            It did not appear in time.
        H5Error
            It is there, and cannot be read.
        """
        started = time.monotonic()
        while True:
            now = time.monotonic()
            try:
                h5 = self._place.open_for_reading()
                if not self._place.is_remote or self._is_declared(h5) or self._is_overdue(now):
                    return h5
                h5.close_file()
            except FileMissingError:
                if now - started >= self._patience or not self._may_appear():
                    raise
                if not self.waited:
                    note(f"Waiting for {self._place.location}")
            except (FileBusyError, FileFormatError) as exc:
                if self._is_overdue(now) or not self._is_being_made():
                    raise _explained(exc) from exc.__cause__
            self.waited = True
            if not self._stop.sleep_until(now + _PAUSE):
                return None

    def _is_overdue(self, now: float) -> bool:
        """Tell whether a file that is there but not ready has had time enough."""
        if self._born is None:
            self._born = now
        return now - self._born >= _BIRTH

    def _may_appear(self) -> bool:
        folder = os.path.dirname(self._place.location)
        return self._place.is_remote or os.path.isdir(folder)

    def _is_being_made(self) -> bool:
        """Tell whether a file that cannot be opened has a writer who may be busy making it."""
        location = self._place.location
        try:
            if file_state(location) is FileState.NOT_HDF5:
                return False
            state = WriterWatch(location).state()
        except OSError:
            return False
        return state not in {WriterState.FINISHED, WriterState.CRASHED}

    @staticmethod
    def _is_declared(h5: H5Backend) -> bool:
        """Tell whether a file on a server, which readers see from its first moment, is ready."""
        # In this order: the writer makes its marks before and behind the arrays.
        streams = has_streams(h5)
        marks = h5.root().attrs.attrs_name
        return DONE_MARK in marks if WRITER_MARK in marks else streams


def _explained(error: FileError) -> FileError:
    if isinstance(error, FileBusyError):
        error.remedy = (
            "Live reading needs a writer in SWMR mode (h5backends record with h5py and without "
            "--no-swmr) or a server; this file can be read when its writer has closed it."
        )
    return error
