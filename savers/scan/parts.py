"""A scan over several files: which point goes where, and the master file that shows all."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import FileBusyError, FileOccupiedError, ShapeError
from h5backends.nodes import GROUP
from savers import layout
from savers.data import DataToExport
from savers.low_level import H5SaverLowLevel
from savers.management import attribute, child
from savers.scan.axes import ScanAxes
from savers.scan.master import FIRST_PART, MARK, ROWS, Master, Share
from savers.scan.opening import About, Opening, add_group, find_scan, group_type
from savers.scan.recording import (
    Recording,
    grid_points,
    grown_points,
    nav_axes,
    record,
    require_same_axes,
    signals_in,
)
from savers.scan.rotation import Rotation, part_name, parts_beside
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
    **options
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
        **options: Any,
    ) -> None:
        self._opening = opening
        self._rotation = rotation
        self._axes = axes
        self._about = about
        self._options = options
        self._path = path
        self._rows: int | None = None
        self._made: set[int] = set()
        self._count = 0
        self._to_publish = True
        self._recording: Recording | None = None
        self._name = ""
        self._first = 0
        if not (resume and self._go_on("" if resume is True else resume)):
            self._begin()
        self._master = Master(path, opening.driver, opening.live)
        self._number = max(self._made, default=self._first)
        self._saver = self._open(self._number)

    # -- beginning ------------------------------------------------------------------------------
    def _begin(self) -> None:
        """Find the number of a new scan, and of its first file."""
        stem = layout.group_stem(group_type(self._axes.kind))
        taken, used = self._in_master(stem)
        number = taken + 1
        if self._rotation.scans is None:
            self._first = max([used, *parts_beside(self._path)]) + 1
        else:
            while self._has_group(number // self._rotation.scans, f"{stem}{number:03d}"):
                number += 1  # of a program that died before it could enter it into the master
            self._first = number // self._rotation.scans
            if self._part(self._first).exists():
                self._made.add(self._first)
        self._name = layout.group_name(group_type(self._axes.kind), number)

    def _in_master(self, stem: str) -> tuple[int, int]:
        """Return the last number of a scan, and of a file, that the master knows; -1 without."""
        if not self._path.exists():
            return -1, -1
        self._opening.repair(self._path)
        with self._opening.open(self._path, "r") as master:
            self._require_master(master)
            groups = [n for n in master.raw_group.children().values() if isinstance(n, GROUP)]
            used = [-1]
            for group in groups:
                first, rows = (attribute(group, name) for name in (FIRST_PART, ROWS))
                if isinstance(first, int) and isinstance(rows, int):
                    axes = [axis.size for axis in nav_axes(master, group) if axis.index == 0]
                    used.append(first + math.ceil(max(axes, default=0) / rows) - 1)
            return layout.last_number((group.name for group in groups), stem), max(used)

    def _require_master(self, file: H5SaverLowLevel) -> None:
        if not attribute(file.root(), MARK, False):
            raise FileOccupiedError(
                "this file holds data itself and cannot become the master of others",
                file=self._path,
                remedy="Choose another name for a scan with rotate, or leave rotate out.",
            )

    def _has_group(self, part: int, name: str) -> bool:
        path = self._part(part)
        if not path.exists():
            return False
        self._opening.repair(path)
        with self._opening.open(path, "r") as saver:
            return child(saver.raw_group, name) is not None

    def _go_on(self, name: str) -> bool:
        """Find the scan that is to go on; return whether there is one."""
        if not self._path.exists():
            return False
        self._opening.repair(self._path)
        with self._opening.open(self._path, "r") as master:
            self._require_master(master)
            group = find_scan(master, self._axes, name)
            if group is None:
                return False
            require_same_axes(master, group, self._axes)
            self._name = group.name
            rows = attribute(group, ROWS)
            first = attribute(group, FIRST_PART)
        if (rows is None) != (self._rotation.scans is not None):
            raise ShapeError(
                "the scan that is to go on was rotated in another way",
                file=self._path,
                node=f"/{layout.RAW_GROUP}/{self._name}",
                expected="whole scans in each file" if rows is None else f"{rows} rows in each",
                found=repr(self._rotation),
            )
        if self._rotation.scans is not None:
            number = layout.number_of(self._name, self._name.rstrip("0123456789"))
            self._first = (number or 0) // self._rotation.scans
        else:
            self._first, self._rows = int(first), int(rows)
        # The master may not know the last one yet.
        number = self._first
        last = self._first + (self._shares_in_all() - 1 if self._axes.shape else _MOST_PARTS)
        while number <= last and (self._part(number).exists() or self._axes.shape):
            if self._part(number).exists():
                self._opening.repair(self._part(number))
                self._made.add(number)
            number += 1
        self._to_publish = self._axes.kind.grows
        if self._to_publish:
            self._count = len(self.completed())
        return True

    # -- files ----------------------------------------------------------------------------------
    def _part(self, number: int) -> Path:
        return self._path.with_name(part_name(self._path, number))

    def _open(self, number: int) -> H5SaverLowLevel:
        saver = self._opening.open(self._part(number), "a" if number in self._made else "x")
        try:
            add_group(saver, self._axes.kind, self._about, self._name)
        except BaseException:
            saver.close_file()
            raise
        self._made.add(number)
        return saver

    def _turn_to(self, number: int) -> None:
        """Go on in another file."""
        self._saver.close_file()
        self._recording = None
        self._saver = self._open(number)
        self._number = number
        if self._axes.kind.grows:
            self._to_publish = True

    @property
    def saver(self) -> H5SaverLowLevel:
        """The file that is written at present."""
        return self._saver

    @property
    def group(self) -> str:
        """Path of the scan's group, the same in all files."""
        return f"/{layout.RAW_GROUP}/{self._name}"

    @property
    def file(self) -> str:
        """The master file."""
        return str(self._path)

    # -- points ---------------------------------------------------------------------------------
    def write(self, place: tuple[Any, ...], bundle: DataToExport) -> None:
        """Write one point, in the file that it belongs to."""
        if self._rows is None and self._rotation.scans is None:
            self._rows = self._find_rows(bundle)
        number = self._first
        if self._rows is not None:
            step = self._count if self._axes.kind.grows else place[0]
            share, step = divmod(step, self._rows)
            number += share
            if not self._axes.kind.grows:
                place = (step, *place[1:])
        if number != self._number:
            self._turn_to(number)
        if self._recording is None:
            self._recording = self._record(number - self._first)
        self._recording.write(place, bundle)
        self._count += 1
        if self._to_publish:
            self._publish()

    def _find_rows(self, bundle: DataToExport) -> int:
        arrays = [a for data in bundle for a in [*data.data, *(data.errors or ())]]
        row_points = math.prod(self._axes.shape[1:])
        rows = self._rotation.rows(8 + sum(a.nbytes for a in arrays), row_points)
        if self._axes.shape and self._axes.shape[0] / rows > _MOST_PARTS:
            raise ShapeError(
                "this rotation would cut the scan into too many files",
                file=self._path,
                expected=f"at most {_MOST_PARTS}",
                found=str(math.ceil(self._axes.shape[0] / rows)),
                remedy="Choose a higher limit.",
            )
        return rows

    def _record(self, share: int) -> Recording:
        axes = self._axes
        if axes.shape and self._rows is not None:
            start = share * self._rows
            axes = axes.part(start, min(start + self._rows, axes.shape[0]))
        return record(self._saver, self.group, axes, **self._options)

    def _shares_in_all(self) -> int:
        """Return over how many files the scan goes, as far as that is known."""
        if self._rows is None:
            return 1
        if self._axes.shape:
            return math.ceil(self._axes.shape[0] / self._rows)
        return max(self._made) - self._first + 1

    def _publish(self) -> None:
        """Enter the scan, or its latest file, into the master."""
        rows, count = self._rows, self._shares_in_all()
        shares = []
        for share in range(count):
            start = share * (rows or 0)
            length = self._axes.shape[0] - start if self._axes.shape else None
            if rows is not None and (share < count - 1 or (length is not None and length > rows)):
                length = rows
            shares.append(Share(part_name(self._path, self._first + share), start, length))
        source = self._saver.get_node(self.group)
        assert isinstance(source, GROUP)
        try:
            self._master.publish(source, shares, self._axes, rows)
            self._to_publish = False
        except FileBusyError as exc:
            _log.warning("%s", exc)  # measuring goes on; the next file or the end tries again
            self._to_publish = False
            self._late = True

    _late = False
    """Whether the master lacks something that could not be entered."""

    # -- what there is --------------------------------------------------------------------------
    def completed(self) -> NDArray[Any]:
        """Return the points that are written, their indexes or their positions, one a row."""
        width = len(self._axes.shape) or len(self._axes.axes) or 1
        dtype = np.intp if self._axes.shape else np.float64
        found: list[NDArray[Any]] = [np.empty((0, width), dtype)]
        for number in sorted(self._made):
            points = self._completed_in(number, width)
            if self._axes.shape and self._rows is not None and len(points):
                points[:, 0] += (number - self._first) * self._rows
            found.append(points)
        return np.concatenate(found)

    def _completed_in(self, number: int, width: int) -> NDArray[Any]:
        look = grid_points if self._axes.shape else grown_points
        if self._is_current(number):
            group = self._saver.get_node(self.group)
            return look(group, width) if isinstance(group, GROUP) else np.empty((0, width))
        with self._opening.open(self._part(number), "r") as saver:
            found = child(saver.raw_group, self._name)
            return look(found, width) if isinstance(found, GROUP) else np.empty((0, width))

    def _is_current(self, number: int) -> bool:
        saver = getattr(self, "_saver", None)
        return saver is not None and number == self._number and saver.isopen()

    def signals(self) -> dict[SignalKey, str]:
        """Return the signals that the points have, with their units; none before the first."""
        for number in sorted(self._made):
            if self._is_current(number):
                group = child(self._saver.raw_group, self._name)
                found = signals_in(group) if isinstance(group, GROUP) else {}
            else:
                with self._opening.open(self._part(number), "r") as saver:
                    group = child(saver.raw_group, self._name)
                    found = signals_in(group) if isinstance(group, GROUP) else {}
            if found:
                return found
        return {}

    def close(self) -> None:
        """Write everything and close all files.

        Raises
        ------
        FileBusyError
            The master could not be brought up to date; the data are complete.
        """
        if self._late and self._saver.isopen():
            self._late = False
            self._publish()
        self._saver.close_file()
        self._master.release()
