"""A scan over several files: which point goes where, and a master file that shows all of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import FileBusyError, ShapeError
from h5backends.nodes import GROUP
from savers import layout
from savers.data import DataToExport
from savers.low_level import H5SaverLowLevel
from savers.management import child
from savers.scan import series
from savers.scan.axes import ScanAxes
from savers.scan.master import Master, Share
from savers.scan.opening import About, Opening, add_group
from savers.scan.recording import Recording, grid_points, grown_points, record, signals_in
from savers.scan.rotation import Rotation
from savers.scan.signals import SignalKey

__all__ = ["RotatedRecording"]

_log = logging.getLogger(__name__)

_MOST_PARTS = 10_000
"""Beyond this, HDF5 takes long to open the master."""


class RotatedRecording:
    """The points of one scan, over several files.

    Parameters
    ----------
    path : Path
        The master file.
    opening : Opening
        How files are opened.
    rotation : Rotation
        When to go on in another one.
    axes : ScanAxes
        Those of the scan.
    about : About
        For a new scan.
    resume : bool or str
        Whether to go on with the last scan, or with which.
    **arrays
        For :func:`savers.scan.recording.record`.

    Raises
    ------
    FileOccupiedError
        `path` is a file that holds data itself.
    ShapeError
        The scan that is to go on has other axes.
    """

    def __init__(
        self,
        path: Path,
        opening: Opening,
        rotation: Rotation,
        axes: ScanAxes,
        about: About,
        resume: bool | str,
        **arrays: Any,
    ) -> None:
        self._opening = opening
        self._rotation = rotation
        self._axes = axes
        self._about = about
        self._arrays = arrays
        self._recording: Recording | None = None
        found = None
        if resume:
            name = "" if resume is True else resume
            found = series.go_on(path, opening, rotation, axes, name)
        self._series = found or series.begin(path, opening, rotation, axes)
        self._master = Master(path, opening.driver, opening.live, arrays.get("fill_value"))
        self._number = max(self._series.made, default=self._series.first)
        self._saver = self._open(self._number)
        # Of a grid the master knows all files at once, of a scan that grows those up to now.
        self._unpublished = found is None or axes.grows
        self._late = False
        self._count = len(self.completed()) if found is not None and axes.grows else 0

    # -- files ----------------------------------------------------------------------------------
    def _open(self, number: int) -> H5SaverLowLevel:
        made = self._series.made
        saver = self._opening.open(self._series.file(number), "a" if number in made else "x")
        try:
            add_group(saver, self._axes.kind, self._about, self._series.name)
        except BaseException:
            saver.close_file()
            raise
        made.add(number)
        return saver

    def _turn_to(self, number: int) -> None:
        """Go on in another file."""
        self._saver.close_file()
        self._recording = None
        self._saver = self._open(number)
        self._number = number
        self._unpublished = self._unpublished or self._axes.grows

    @property
    def saver(self) -> H5SaverLowLevel:
        """The file that is written at present."""
        return self._saver

    @property
    def group(self) -> str:
        """Path of the scan's group, the same in all files."""
        return f"/{layout.RAW_GROUP}/{self._series.name}"

    @property
    def file(self) -> str:
        """The master file."""
        return str(self._series.master)

    # -- points ---------------------------------------------------------------------------------
    def makes_arrays(self, place: tuple[Any, ...]) -> bool:
        """Tell whether arrays will be made for the next point, if it is this one."""
        return self._recording is None or self._locate(place)[0] != self._number

    def _locate(self, place: tuple[Any, ...]) -> tuple[int, int]:
        return self._series.locate(self._count if self._axes.grows else place[0])

    def write(self, place: tuple[Any, ...], bundle: DataToExport) -> None:
        """Write one point, in the file that it belongs to."""
        if self._series.rows is None and self._rotation.scans is None:
            self._series.rows = self._find_rows(bundle)
        number, step = self._locate(place)
        if number != self._number:
            self._turn_to(number)
        if self._recording is None:
            self._recording = self._record()
        self._recording.write(place if self._axes.grows else (step, *place[1:]), bundle)
        self._count += 1
        if self._unpublished:
            self._publish()

    def _find_rows(self, bundle: DataToExport) -> int:
        arrays = [a for data in bundle for a in [*data.data, *(data.errors or ())]]
        shape = self._axes.shape
        point_bytes = sum(array.nbytes for array in arrays) + 8  # and its time
        rows = self._rotation.rows(point_bytes, math.prod(shape[1:]))
        if shape and shape[0] > rows * _MOST_PARTS:
            raise ShapeError(
                "this rotation would cut the scan into too many files",
                file=self.file,
                expected=f"at most {_MOST_PARTS}",
                found=str(math.ceil(shape[0] / rows)),
                remedy="Choose a higher limit.",
            )
        return rows

    def _record(self) -> Recording:
        axes, steps = self._axes, self._series.steps(self._number)
        if axes.shape and steps is not None:
            start = self._series.start(self._number)
            axes = axes.part(start, start + steps)
        return record(self._saver, self.group, axes, **self._arrays)

    def _publish(self) -> None:
        """Enter the scan, or its latest file, into the master."""
        files = self._series
        shares = [
            Share(files.file(n).name, files.start(n), files.steps(n)) for n in files.numbers()
        ]
        if self._axes.grows:
            shares[-1] = Share(shares[-1].file, shares[-1].start, None)
        group = self._saver.get_node(self.group)
        assert isinstance(group, GROUP)
        self._unpublished = self._late = False
        try:
            self._master.publish(group, shares, self._axes, (files.first, files.rows))
        except FileBusyError as exc:
            # Measuring goes on; the next file, or the end, tries again.
            _log.warning("%s", exc)
            self._late = True

    # -- what there is --------------------------------------------------------------------------
    def completed(self) -> NDArray[Any]:
        """Return the points that are written, their indexes or their positions, one a row."""
        width = len(self._axes.shape) or len(self._axes.axes) or 1
        look = grown_points if self._axes.grows else grid_points
        found = [np.empty((0, width), np.float64 if self._axes.grows else np.intp)]
        for number, group in self._groups():
            points = look(group, width)
            if not self._axes.grows:
                points[:, 0] += self._series.start(number)
            found.append(points)
        return np.concatenate(found)

    def signals(self) -> dict[SignalKey, str]:
        """Return the signals that the points have, with their units; none before the first."""
        for _, group in self._groups():
            if found := signals_in(group):
                return found
        return {}

    def _groups(self) -> Iterator[tuple[int, GROUP]]:
        """Iterate over the scan's group in all files that exist, each open meanwhile."""
        for number in sorted(self._series.made):
            if number == self._number:
                group = child(self._saver.raw_group, self._series.name)
                if isinstance(group, GROUP):
                    yield number, group
                continue
            with self._opening.open(self._series.file(number), "r") as saver:
                group = child(saver.raw_group, self._series.name)
                if isinstance(group, GROUP):
                    yield number, group

    def close(self) -> None:
        """Write everything and close all files.

        Raises
        ------
        FileBusyError
            The master could not be brought up to date; the data are complete.
        """
        late = self._late and self._saver.isopen()
        if late:
            self._publish()
        self._saver.close_file()
        self._master.release()
        if late and self._late:
            raise FileBusyError(
                "the master file could not be brought up to date while somebody reads it",
                file=self.file,
                remedy="The data are complete in the files beside it. Resuming the scan enters "
                "them.",
            )
