"""A recording of counters: its file, and the points on their way into it."""

from __future__ import annotations

import math
import os
import platform
import time
from collections import deque
from datetime import datetime
from typing import Any

import numpy as np

from h5backends.errors import (
    FileBusyError,
    H5Error,
    RemoteAccessError,
    RemoteError,
    StorageError,
)
from h5backends.holders import process_start
from h5backends.nodes import EARRAY, GROUP
from h5backends.types import Capability, SaveType
from savers.cli.console import duration, note
from savers.cli.options import Place
from savers.counters import Counter
from savers.layout import nxdata_attributes
from savers.low_level import H5SaverLowLevel

__all__ = ["EPOCH", "Recorder"]

EPOCH = "1970-01-01T00:00:00+00:00"
"""Attribute ``start`` of a stream of times, as NeXus has it: the moment they count from."""

_PATIENCE = 60.0
"""Seconds for which points are kept while the disk or the server does not take them."""
_LAST_PATIENCE = 5.0
_RETRY = 0.5


class Recorder:
    """One recording: ``/RawData/Detector000`` with a stream per counter and one of times.

    Parameters
    ----------
    place : Place
        Where to.
    counters : list of Counter
        What to read at every point.
    rate : float
        Points per second, noted in the file.
    swmr : bool
        Whether readers may follow, where the driver has that.
    overwrite : bool
        Whether a file that is there is replaced.

    Attributes
    ----------
    points : int
        Points handed to the file.
    safe : int
        Those of them that the end of this program, however sudden, cannot take any more.

    Raises
    ------
    FileOccupiedError
        The file exists and was not to be replaced.
    H5Error
        It cannot be created.
    """

    def __init__(
        self,
        place: Place,
        counters: list[Counter],
        rate: float,
        *,
        swmr: bool = True,
        overwrite: bool = False,
    ) -> None:
        self.points = self.safe = 0
        self.live = swmr and Capability.SWMR_WRITE in place.driver.capabilities
        self.counters = counters
        self._waiting: deque[list[Any]] = deque()
        self._next = 0  # stream that the first waiting point goes to next
        self._failing_since: float | None = None
        self._tried = -math.inf
        self._signed_off = False
        self._h5 = H5SaverLowLevel(SaveType.logger, place.backend)
        self._h5.init_file(
            place.new_location(),
            new_file=overwrite,
            mode="a" if overwrite else "x",
            swmr_mode=self.live,
            **place.options,
        )
        self._declare_writer()
        group = self._declare_group(rate)
        self._streams = [self._declare(group, counter) for counter in counters]
        # Last, so that a time that can be read has its values before it.
        self._streams.append(self._declare_time(group))
        self._h5.add_log(f"{_now()} recording at {rate:g} Hz")
        if self.live:
            self._h5.enable_swmr()
        self._h5.flush()

    @property
    def location(self) -> str:
        """Where the file is."""
        return self._h5.filename

    @property
    def waiting(self) -> int:
        """Points that the storage has not taken yet."""
        return len(self._waiting)

    # -- the file -------------------------------------------------------------------------------
    def _declare_writer(self) -> None:
        """Note who writes, for readers on a server, where nothing else tells."""
        pid = os.getpid()
        self._h5.root().attrs.update(
            {
                "TITLE": "Counters of a computer",
                "writer_host": platform.node(),
                "writer_pid": pid,
                "writer_start": process_start(pid) or 0.0,
                # A plain number, for only that can be replaced while readers look on.
                "writer_done": np.int64(0),
            }
        )

    def _declare_group(self, rate: float) -> GROUP:
        metadata: dict[str, Any] = {"rate": float(rate)}
        if self.counters:
            metadata |= nxdata_attributes(self.counters[0].name, [["time"], []])
        raw = self._h5.raw_group
        group = self._h5.add_det_group(raw, f"Counters of {platform.node()}", metadata=metadata)
        raw.attrs["default"] = group.name
        return group

    def _declare(self, group: GROUP, counter: Counter) -> EARRAY:
        metadata = {
            "data_type": "data",
            "data_dimension": "Data1D",
            "units": counter.units,
            "label": counter.name,
            "labels": np.array(counter.labels),
        }
        return self._h5.create_earray(
            group,
            counter.name,
            np.float64,
            (len(counter.labels),),
            counter.title,
            metadata=metadata,
        )

    def _declare_time(self, group: GROUP) -> EARRAY:
        metadata = {
            "data_type": "axis",
            "data_dimension": "Data0D",
            "units": "s",
            "label": "time",
            "start": EPOCH,
        }
        return self._h5.create_earray(
            group, "time", np.float64, title="Time of each point", metadata=metadata
        )

    # -- points ---------------------------------------------------------------------------------
    def take(self) -> None:
        """Read all counters once, and hand over what is waiting.

        Raises
        ------
        StorageError, RemoteError
            The storage took nothing for a minute, or refuses.
        """
        moment = time.time()
        self._waiting.append([*(counter.read() for counter in self.counters), moment])
        now = time.monotonic()
        if self._failing_since is not None and now - self._tried < _RETRY:
            return
        try:
            self._hand_over()
        except (StorageError, RemoteError) as exc:
            self._tried = now
            if isinstance(exc, RemoteAccessError) or not self._is_patient(exc, now):
                raise
        else:
            self._recovered()

    def _hand_over(self) -> None:
        """Give the waiting points to the file, each one to all streams or, so far, to some."""
        session = self._h5.session
        with session.hold():
            while self._waiting:
                values = self._waiting[0]
                while self._next < len(values):
                    self._streams[self._next].append(values[self._next])
                    self._next += 1
                self._waiting.popleft()
                self._next = 0
                self.points += 1
        if not session.dirty:
            self.safe = self.points

    def _is_patient(self, exc: H5Error, now: float) -> bool:
        if self._failing_since is None:
            self._failing_since = now
            note(f"Warning: {exc.what}; trying again for {duration(_PATIENCE)}")
        return now - self._failing_since <= _PATIENCE

    def _recovered(self) -> None:
        if self._failing_since is not None:
            seconds = time.monotonic() - self._failing_since
            self._failing_since = None
            self._h5.add_log(f"{_now()} the storage had taken no data for {duration(seconds)}")
            note("the storage takes data again; every point was kept")

    def close(self) -> H5Error | None:
        """Hand over what is waiting and close the file.

        Returns
        -------
        H5Error or None
            What kept rows from being written, after a while of trying.
        """
        deadline = time.monotonic() + _LAST_PATIENCE
        if self._failing_since is None:
            deadline += _PATIENCE
        while True:
            try:
                self._hand_over()
                self._sign_off()
                return None
            except (StorageError, RemoteError) as exc:
                now = time.monotonic()
                if isinstance(exc, RemoteAccessError) or now > deadline:
                    return exc
                self._is_patient(exc, now)
            time.sleep(_RETRY)

    def _sign_off(self) -> None:
        """Close the file, and have what was only needed while readers looked on removed."""
        h5 = self._h5
        if not self._signed_off:
            h5.add_log(f"{_now()} {self.points} points recorded")
            h5.root().attrs["writer_done"] = np.int64(1)
            self._signed_off = True
        if self.live and h5.isopen():
            try:
                h5.finalize_swmr(keep_open=True)
            except FileBusyError:
                # Every point is in the file and the file is closed. Only the log stays in the
                # form that readers can follow, until somebody opens the file for writing.
                note("a reader holds the file: its log is put in order when it is next opened")
        h5.close_file()
        self.safe = self.points


def _now() -> str:
    return datetime.now().isoformat(sep=" ", timespec="seconds")
