"""Scan: a scripted scan or log in ten lines, safe against crashes and readable while it runs."""

from __future__ import annotations

import itertools
import math
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import DTypeLike

from h5backends import creation
from h5backends.errors import (
    DataError,
    DTypeError,
    SelectionError,
)
from savers.enums import DataSource
from savers.extended import point_number
from savers.interchange import AxisLike
from savers.low_level import H5SaverLowLevel
from savers.management import Openable
from savers.scan import order
from savers.scan.axes import AxisGiven, ScanAxes, ScanKind
from savers.scan.file import ScanFile
from savers.scan.opening import About, Opening, in_files, in_saver
from savers.scan.point import Point
from savers.scan.progress import Bar
from savers.scan.rotation import Rotation
from savers.scan.signals import ORIGIN, Signals

__all__ = ["Scan"]


class Scan(ScanFile):
    """A scan over one or several axes, or a log, recorded point by point.

    Use it in a ``with`` statement, which closes the file whatever happens, and iterate over it
    for the points. What a point consists of is fixed by the first one; every point is written as
    a whole or not at all.

    Parameters
    ----------
    where : str, Path or H5SaverLowLevel
        The file (the domain, on a server); made if it is missing. The scan is added behind those
        that are in it. Or a saver that has a file open, which stays open.
    axes : sequence of Axis, or of tuples
        The axes, slowest first: an :class:`~savers.Axis`, or name, unit and positions. Without
        positions, ``("x", "mm")``, the program chooses each point during the scan, see
        :meth:`at`. With ``spread_order`` they list points that lie anywhere. None for a log,
        whose points have the time for a position.
    title : str
        Title of the scan.
    snake : bool
        Whether every second line runs backwards.
    resume : bool or str
        Go on with the last scan in the file (or that of a name, ``"Scan003"``): points that are
        written are not visited again. Begins a new scan if there is none. A file that a crash
        left behind is repaired.
    live : bool or None
        Whether readers are let in after the first point. By default wherever driver and file
        allow it.
    rotate : Rotation, optional
        Record into several files, which the one named here shows as one.
    progress : bool or None
        Whether to show a bar; by default on terminals and in notebooks.
    every : float, optional
        Seconds from point to point; without, the loop runs as fast as it can.
    count : int, optional
        Points to visit, for scans that grow; without, the loop has no end.
    fill_value : number, optional
        Value of points of a grid that are not written, NaN by default.
    moving_axes : bool
        Whether axes of the signals change from point to point.
    metadata : mapping, optional
        Attributes of the scan's group. Not changed.
    backend : str, optional
        The driver, ``"h5py"`` by default.
    **options
        For the file: ``flush_policy=``, ``new_file=True`` to **replace** it, ``endpoint=`` and so
        on, see :meth:`savers.H5SaverLowLevel.from_file`.

    Raises
    ------
    DTypeError, ShapeError
        The axes are none; or the scan that is to go on has others.
    UnsupportedError
        The driver cannot do what was asked; nothing was written.
    FileError, RemoteError
        The file cannot be opened.

    Examples
    --------
    >>> with Scan("line.h5", [("delay", "fs", [0.0, 5.0, 10.0])], progress=False) as scan:
    ...     for point in scan:
    ...         point.write(power=np.cos(point["delay"]))
    ...     scan.completed.tolist()
    [[0], [1], [2]]
    """

    def __init__(
        self,
        where: Openable,
        axes: Iterable[AxisGiven] | AxisGiven | None = None,
        *,
        title: str = "",
        snake: bool = False,
        resume: bool | str = False,
        live: bool | None = None,
        rotate: Rotation | None = None,
        progress: bool | None = None,
        every: float | None = None,
        count: int | None = None,
        fill_value: Any = None,
        moving_axes: bool = False,
        metadata: Mapping[str, Any] | None = None,
        backend: str | None = None,
        **options: Any,
    ) -> None:
        scan_axes = ScanAxes(axes)
        self._pace = _pace(scan_axes.grows, every, count)
        self._snake = snake
        self._wants_bar = progress
        self._signals = Signals()
        self._number = 0
        attrs = {"scan_order": "snake" if snake else "lines"} if scan_axes.shape else {}
        about = About(title, attrs | dict(metadata or {}))
        creation.encoded(about.attrs)  # what cannot be stored must not leave an empty file
        arrays = {"fill_value": fill_value, "moving_axes": moving_axes}
        if isinstance(where, H5SaverLowLevel):
            given = {"rotate": rotate, "live": live, "backend": backend, **options}
            _refuse([name for name, value in given.items() if value is not None])
            recording = in_saver(where, scan_axes, about, resume, False, **arrays)
        else:
            opening = Opening(scan_axes.kind, live, bool(resume), backend, **options)
            recording = in_files(where, opening, scan_axes, about, resume, rotate, **arrays)
        super().__init__(scan_axes, recording)
        self._title = title or self.group.rpartition("/")[2]
        try:
            self._signals.expect(recording.signals())
            self._visited.update(recording.completed())
        except BaseException:
            self.close()
            raise

    # -- points ---------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Point]:
        """Iterate over the points that are not written yet.

        Raises
        ------
        SelectionError
            The program chooses the positions, see :meth:`visit` and :meth:`at`.
        FileClosedError
        """
        kind = self._axes.kind
        if kind is ScanKind.CHOSEN:
            raise SelectionError(
                "the axes of this scan have no positions to iterate over",
                remedy="Use scan.visit(positions), where a generator may choose them, or "
                "scan.at(position).",
            )
        if kind is ScanKind.LOG:
            return self._visit(self._limited(itertools.repeat(())))
        points = (order.snake if self._snake else order.lines)(self._axes.shape)
        return self._visit(place for place in points if place not in self._visited)

    def visit(self, places: Iterable[Any]) -> Iterator[Point]:
        """Iterate over points in an order of the program's.

        Parameters
        ----------
        places : iterable
            Indexes of a grid; those of points that are written are passed over. Or positions,
            one number for each axis, where these are chosen during the scan. A generator can
            decide with what it has seen: it is asked when the point before was written.

        Raises
        ------
        SelectionError, ShapeError, DTypeError
            No point of this scan.
        FileClosedError
        """
        if self._axes.grows:
            return self._visit(map(self._position, self._limited(places)))
        indexes = map(self._indexes, places)
        return self._visit(place for place in indexes if place not in self._visited)

    def at(self, *place: float, **named: float) -> Point:
        """Return one point.

        Parameters
        ----------
        *place, **named : number
            The indexes in a grid; the position where it is chosen during the scan, in the order
            of the axes or by their names. Nothing for a log.

        Raises
        ------
        SelectionError, ShapeError, DTypeError
            No point of this scan.
        """
        self._require_open()
        if self._axes.grows:
            return self._point(self._axes.chosen(place, named))
        if named:
            raise SelectionError("points of a grid are named by their indexes", found=repr(named))
        return self._point(self._indexes(place))

    def _limited(self, places: Iterable[Any]) -> Iterable[Any]:
        return itertools.islice(places, self._pace[1])

    def _visit(self, places: Iterable[tuple[Any, ...]]) -> Iterator[Point]:
        self._require_open()
        every, count = self._pace
        total = math.prod(self._axes.shape) if self._axes.shape else count
        if self._axes.grows and total is not None:
            total += self.done
        bar = self._bar = Bar(self._title, total, self.done, self._wants_bar)
        due = time.monotonic()
        try:
            for place in places:
                if every is not None:
                    time.sleep(max(0.0, due - time.monotonic()))
                    # What was missed is not made up for by a burst of points.
                    due = max(due, time.monotonic() - every) + every
                self._require_open()
                yield self._point(place)
        finally:
            bar.stop()

    def _point(self, place: tuple[Any, ...]) -> Point:
        grows = self._axes.grows
        positions = place if grows else self._axes.positions(place)
        number, self._number = self._number, self._number + 1
        return Point(number, () if grows else place, positions, self._axes.labels, self._put)

    def _position(self, place: Any) -> tuple[float, ...]:
        if isinstance(place, Mapping):
            return self._axes.chosen((), dict(place))
        return self._axes.chosen(list(place) if isinstance(place, Iterable) else [place], {})

    def _indexes(self, place: Any) -> tuple[int, ...]:
        indexes = tuple(place) if isinstance(place, Iterable) else (place,)
        point_number(indexes, self._axes.shape)  # which checks them
        return tuple(map(int, indexes))

    def _put(self, point: Point, given: tuple[Any, ...], values: Mapping[str, Any]) -> None:
        """Write a point; what ``point.write`` does."""
        self._require_open()
        place = point.indexes or point.positions
        try:
            in_full = self._recording.makes_arrays(place)
            bundle = self._signals.bundle(given, values, in_full)
        except DataError as exc:
            exc.file, exc.node = exc.file or self.file, exc.node or self.group
            raise
        with self._shield:
            self._recording.write(place, bundle)
            self._signals.begin(bundle)
            self._visited.add(point.indexes)
        if self._bar is not None:
            self._bar.show(self.done)

    def signal(
        self,
        name: str,
        units: str = "",
        *,
        origin: str = ORIGIN,
        labels: Sequence[str] | None = None,
        axes: AxisLike | Iterable[AxisLike] = (),
        dtype: DTypeLike | None = None,
        source: DataSource | str = DataSource.raw,
    ) -> None:
        """Say what the values of a name mean, before the first point.

        Parameters
        ----------
        name : str
            As in ``point.write(name=...)``; any text, for names given in a mapping.
        units : str
            Of the values; any text.
        origin : str
            The instrument they come from.
        labels : sequence of str, optional
            One for each channel.
        axes : Axis or sequence of Axis
            Of the values themselves, such as the wavelengths of a spectrum; ``index`` says of
            which dimension. Not changed.
        dtype : dtype, optional
            To store them as; by default that of the first value.
        source : DataSource or str
            Measured, or computed.

        Raises
        ------
        NodeExistsError
            The scan has begun.
        DTypeError
            Something is of the wrong type.
        """
        self._signals.declare(name, units, origin, labels, axes, dtype, source)


def _pace(grows: bool, every: float | None, count: int | None) -> tuple[float | None, int | None]:
    """Check how often and how many times a loop is to run."""
    if every is not None and not every >= 0:
        raise ValueError(f"every is a number of seconds, not {every!r}")
    if count is not None and (not grows or operator.index(count) < 0):
        raise ValueError(
            f"count is a number of points for scans that have no positions, not {count!r}"
        )
    return every, count


def _refuse(names: list[str]) -> None:
    if names:
        raise DTypeError(
            "these options are for opening a file, and the saver has one open",
            found=", ".join(names),
            remedy="Give the name of the file, or leave them out.",
        )
