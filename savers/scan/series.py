"""The files of a scan that goes over several: their numbers, and what the master knows of them."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from pathlib import Path

from h5backends.errors import FileFormatError, FileOccupiedError, ShapeError
from h5backends.nodes import GROUP
from savers import layout
from savers.low_level import H5SaverLowLevel
from savers.management import attribute, child
from savers.scan.axes import ScanAxes
from savers.scan.master import FIRST_PART, MARK, ROWS
from savers.scan.opening import Opening, find_scan, group_type
from savers.scan.recording import nav_axes, require_same_axes
from savers.scan.rotation import Rotation, part_name, parts_beside

__all__ = ["Series", "begin", "go_on"]


@dataclass(slots=True)
class Series:
    """The files of one scan.

    Parameters
    ----------
    master : Path
        The master file.
    name : str
        Of the scan's group, the same in all files.
    first : int
        Number of the first file.
    length : int or None
        Steps of the slowest axis in the whole scan; None for a scan that grows.
    rows : int or None
        Steps in each file; None for a scan that is not cut, and while that is not known.
    made : set of int
        Numbers of the files that exist.
    """

    master: Path
    name: str
    first: int
    length: int | None
    rows: int | None = None
    made: set[int] = field(default_factory=set)

    def file(self, number: int) -> Path:
        """Return where a file is."""
        return self.master.with_name(part_name(self.master, number))

    def locate(self, step: int) -> tuple[int, int]:
        """Return in which file a step is, and which one it is there."""
        if self.rows is None:
            return self.first, step
        share, inner = divmod(step, self.rows)
        return self.first + share, inner

    def start(self, number: int) -> int:
        """Return the first step that is in a file."""
        return (number - self.first) * (self.rows or 0)

    def steps(self, number: int) -> int | None:
        """Return how many steps a file is for; None for as many as come."""
        if self.length is None:
            return self.rows
        rest = self.length - self.start(number)
        return rest if self.rows is None else min(self.rows, rest)

    def numbers(self) -> range:
        """Return the numbers of all files, those to come included as far as they are known."""
        if self.rows is None:
            count = 1
        elif self.length is not None:
            count = math.ceil(self.length / self.rows)
        else:
            count = max(self.made, default=self.first) - self.first + 1
        return range(self.first, self.first + count)


def begin(master: Path, opening: Opening, rotation: Rotation, axes: ScanAxes) -> Series:
    """Find name and first file of a new scan.

    Raises
    ------
    FileOccupiedError
        The master is a file that holds data itself.
    """
    kind = group_type(axes.kind)
    number, used = _last_in(master, opening, layout.group_stem(kind))
    number += 1
    series = Series(master, "", 0, axes.shape[0] if axes.shape else None)
    if rotation.scans is None:
        series.first = max([used, *parts_beside(master)]) + 1
    else:
        # A program that died may not have entered its scan into the master.
        while _holds(series.file(number // rotation.scans), opening, kind, number):
            number += 1
        series.first = number // rotation.scans
        if series.file(series.first).exists():
            series.made.add(series.first)
    series.name = layout.group_name(kind, number)
    return series


def _last_in(path: Path, opening: Opening, stem: str) -> tuple[int, int]:
    """Return the highest number of a scan, and of a file, that the master knows; -1 without."""
    if not path.exists():
        return -1, -1
    _prepare(path, opening)
    with opening.open(path, "r") as master:
        _require_master(master)
        groups = [n for n in master.raw_group.children().values() if isinstance(n, GROUP)]
        used = [-1]
        for group in groups:
            first, rows = attribute(group, FIRST_PART), attribute(group, ROWS)
            if isinstance(first, int) and isinstance(rows, int):
                sizes = [axis.size for axis in nav_axes(master, group) if axis.index == 0]
                used.append(first + max(1, math.ceil(max(sizes, default=0) / rows)) - 1)
        return layout.last_number((group.name for group in groups), stem), max(used)


def _holds(path: Path, opening: Opening, kind: str, number: int) -> bool:
    if not path.exists():
        return False
    opening.prepare(path)
    with opening.open(path, "r") as saver:
        return child(saver.raw_group, layout.group_name(kind, number)) is not None


def go_on(
    path: Path, opening: Opening, rotation: Rotation, axes: ScanAxes, name: str
) -> Series | None:
    """Find the files of a scan that is to go on, and mend those that need it.

    Parameters
    ----------
    path : Path
        The master.
    opening, rotation, axes
        Of the program that wants to go on.
    name : str
        Of the scan; by default the last one of this kind.

    Returns
    -------
    Series or None
        None if there is none.

    Raises
    ------
    ShapeError
        The scan has other axes, or was rotated in another way.
    """
    if not path.exists():
        return None
    _prepare(path, opening)
    with opening.open(path, "r") as master:
        _require_master(master)
        group = find_scan(master, axes, name)
        if group is None:
            return None
        require_same_axes(master, group, axes)
        series = Series(path, group.name, 0, axes.shape[0] if axes.shape else None)
        first, series.rows = attribute(group, FIRST_PART), attribute(group, ROWS)
        if (series.rows is None) != (rotation.scans is not None):
            raise ShapeError(
                "the scan that is to go on was rotated in another way",
                file=path,
                node=group.path,
                expected="Rotation(scans=...)"
                if series.rows is None
                else f"{series.rows} steps of the slowest axis in each file",
                found=repr(rotation),
            )
    if first is None:
        stem = layout.group_stem(group_type(axes.kind))
        first = (layout.number_of(series.name, stem) or 0) // (rotation.scans or 1)
    series.first = int(first)
    _find_made(series)
    return series


def _find_made(series: Series) -> None:
    """Find the files that exist; the master may not know the last one yet."""
    number = series.first
    while series.file(number).exists() or number in series.numbers():
        if series.file(number).exists():
            series.made.add(number)
        number += 1


def _prepare(master: Path, opening: Opening) -> None:
    """Make sure that the master can be used; where files are mended, its parts come first."""
    for number in parts_beside(master) if opening.mend else []:
        # A file that is something else only has a name like a part.
        with contextlib.suppress(FileFormatError):
            opening.prepare(master.with_name(part_name(master, number)))
    opening.prepare(master)


def _require_master(file: H5SaverLowLevel) -> None:
    if not attribute(file.root(), MARK, False):
        raise FileOccupiedError(
            "this file holds data itself and cannot become the master of others",
            file=file.filename,
            remedy="Choose another name for a scan with rotate, or leave rotate out.",
        )
