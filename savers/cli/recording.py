"""The file of a recording: ``/RawData/Detector000`` with a stream per counter and one of times."""

from __future__ import annotations

import platform
from collections import deque
from datetime import datetime
from typing import Any

import numpy as np

from h5backends.errors import FileBusyError
from h5backends.nodes import EARRAY, GROUP
from h5backends.policy import FlushPolicy
from h5backends.types import Capability, SaveType
from savers.cli.console import counted, note
from savers.cli.options import Place
from savers.counters import Counter
from savers.layout import nxdata_attributes
from savers.low_level import H5SaverLowLevel
from savers.marks import DONE_MARK, writer_marks

__all__ = ["Point", "Recording"]

_EPOCH = "1970-01-01T00:00:00+00:00"
"""Attribute ``start`` of a stream of times, as NeXus has it: the moment they count from."""
_REMOTE_SECONDS = 0.2
"""How long rows wait for a server: each request costs some milliseconds."""

Point = list[Any]
"""The values of all counters and the time, in the order of the streams."""


class Recording:
    """A new file with its streams.

    Parameters
    ----------
    place : Place
        Where to.
    counters : list of Counter
        What is recorded.
    rate : float
        Points per second, noted in the file.
    swmr : bool
        Whether readers may follow, where the driver has that.
    overwrite : bool
        Whether a file that is there is replaced.

    Attributes
    ----------
    live : bool
        Whether SWMR is on.
    points, safe : int
        Points the file has taken, and those of them that the end of this program, however
        sudden, cannot take away any more.

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
        self.live = swmr and Capability.SWMR_WRITE in place.driver.capabilities
        self.points = self.safe = 0
        self._next = 0  # stream that takes the next value of the point in hand
        self._signed_off = False
        policy = FlushPolicy(seconds=_REMOTE_SECONDS) if place.is_remote else None
        self._h5 = H5SaverLowLevel(SaveType.logger, place.backend, flush_policy=policy)
        self._h5.init_file(
            place.new_location(),
            new_file=overwrite,
            mode="a" if overwrite else "x",
            swmr_mode=self.live,
            **place.options,
        )
        self._h5.root().attrs.update({"TITLE": "Counters of a computer", **writer_marks()})
        group = self._declare_group(counters, rate)
        self._streams = [self._declare(group, counter) for counter in counters]
        # Last, so that a time that can be read has its values before it.
        self._streams.append(self._declare_time(group))
        self._h5.add_log(f"{_now()} recording at {rate:g} Hz")
        # A plain number, for only that can be replaced while readers look on; the last of all,
        # for on a server readers are there from the beginning.
        self._h5.root().attrs[DONE_MARK] = np.int64(0)
        if self.live:
            self._h5.enable_swmr()
        self._h5.flush()

    @property
    def location(self) -> str:
        """Where the file is."""
        return self._h5.filename

    def _declare_group(self, counters: list[Counter], rate: float) -> GROUP:
        metadata: dict[str, Any] = {"rate": float(rate)}
        if counters:
            metadata |= nxdata_attributes(counters[0].name, [["time"], []])
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
        shape = (len(counter.labels),)
        return self._h5.create_earray(
            group, counter.name, np.float64, shape, counter.title, metadata=metadata
        )

    def _declare_time(self, group: GROUP) -> EARRAY:
        metadata = {
            "data_type": "axis",
            "data_dimension": "Data0D",
            "units": "s",
            "label": "time",
            "start": _EPOCH,
        }
        return self._h5.create_earray(
            group, "time", np.float64, title="Time of each point", metadata=metadata
        )

    def append(self, points: deque[Point]) -> None:
        """Take points, from the left and out of `points`; readers see each as a whole.

        Parameters
        ----------
        points : deque
            What could not be taken stays in it. A point that some streams have and others not
            is gone on with at the next call.

        Raises
        ------
        StorageError, RemoteError
            The storage does not take rows.
        """
        session = self._h5.session
        with session.hold():
            while points:
                values = points[0]
                while self._next < len(values):
                    self._streams[self._next].append(values[self._next])
                    self._next += 1
                points.popleft()
                self._next = 0
                self.points += 1
        if not session.dirty:
            self.safe = self.points

    def log(self, text: str) -> None:
        """Add a line to the log in the file."""
        self._h5.add_log(f"{_now()} {text}")

    def close(self) -> None:
        """Write everything, close the file, and put in order what only live readers needed.

        Can be called again after an error.

        Raises
        ------
        StorageError, RemoteError
            The storage does not take rows.
        """
        h5 = self._h5
        if h5.isopen():
            if not self._signed_off:
                self.log(f"{counted(self.points, 'point')} recorded")
                self._signed_off = True
            h5.flush()
            self.safe = self.points
            h5.root().attrs[DONE_MARK] = np.int64(1)
            if self.live:
                self._put_in_order()
        h5.close_file()

    def _put_in_order(self) -> None:
        try:
            self._h5.finalize_swmr(keep_open=True)
        except FileBusyError:
            # Every point is in the file, and the file is closed.
            note("A reader holds the file: its log is put in order when it is next opened")


def _now() -> str:
    return datetime.now().isoformat(sep=" ", timespec="seconds")
