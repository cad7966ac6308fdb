"""Scan: a scripted scan or log in ten lines, safe against crashes and readable while it runs."""

from __future__ import annotations

import itertools
import math
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from numpy.typing import DTypeLike, NDArray

from h5backends import creation
from h5backends.errors import (
    DataError,
    DTypeError,
    FileClosedError,
    NodeNotFoundError,
    SelectionError,
)
from h5backends.nodes import GROUP
from savers import layout
from savers.data import Axis
from savers.enums import DataSource, DataType
from savers.extended import point_number
from savers.interchange import AxisLike
from savers.low_level import H5SaverLowLevel
from savers.management import Openable
from savers.plan import POINT_TIMES
from savers.scan import order
from savers.scan.axes import AxisGiven, ScanAxes, ScanKind
from savers.scan.interrupt import Shield
from savers.scan.opening import About, Opening, in_files, in_saver
from savers.scan.point import Point
from savers.scan.progress import Bar
from savers.scan.recording import arrays_in
from savers.scan.rotation import Rotation
from savers.scan.signals import ORIGIN, Signals

__all__ = ["Scan"]


class Scan:
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
        self._axes = ScanAxes(axes)
        self._pace = _pace(self._axes.grows, every, count)
        self._snake = snake
        self._wants_bar = progress
        self._bar: Bar | None = None
        self._signals = Signals()
        self._shield = Shield()
        self._number = 0
        about = About(title, {"scan_order": "snake" if snake else "lines"} | dict(metadata or {}))
        creation.encoded(about.attrs)  # what cannot be stored must not leave an empty file
        arrays = {"fill_value": fill_value, "moving_axes": moving_axes}
        if isinstance(where, H5SaverLowLevel):
            given = {"rotate": rotate, "live": live, "backend": backend, **options}
            _refuse([name for name, value in given.items() if value is not None])
            self._recording = in_saver(where, self._axes, about, resume, False, **arrays)
        else:
            opening = Opening(self._axes.kind, live, bool(resume), backend, **options)
            self._recording = in_files(where, opening, self._axes, about, resume, rotate, **arrays)
        self._title = title or self.group.rpartition("/")[2]
        self._visited = order.Visited(self._axes.shape)
        self._open = True
        try:
            self._signals.expect(self._recording.signals())
            self._visited.update(self._recording.completed())
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
        begun = time.monotonic()
        try:
            for number, place in enumerate(places):
                if every is not None:
                    time.sleep(max(0.0, begun + number * every - time.monotonic()))
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

    # -- the file -------------------------------------------------------------------------------
    @property
    def axes(self) -> list[Axis]:
        """The axes of the scan, as copies."""
        return [axis.copy() for axis in self._axes.axes]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a grid; empty for a scan that grows."""
        return self._axes.shape

    @property
    def done(self) -> int:
        """Number of points that are written."""
        return self._visited.count

    @property
    def completed(self) -> NDArray[Any]:
        """The points that are written, by what the file says.

        Returns
        -------
        ndarray, shape (n, number of axes)
            Their indexes in a grid; their positions, or times, where the scan grows.
        """
        self._require_open()
        return self._recording.completed()

    @property
    def file(self) -> str:
        """Where to read the scan; with rotation, the master file."""
        return self._recording.file

    @property
    def group(self) -> str:
        """Path of the scan's group in there."""
        return self._recording.group

    @property
    def saver(self) -> H5SaverLowLevel:
        """The saver underneath; with rotation, that of the file written at present."""
        return self._recording.saver

    @property
    def keys(self) -> str:
        """Path of the array that tells followers which points are complete."""
        if self._axes.kind is ScanKind.LOG:
            return f"{self.group}/{layout.NAV_AXES}/{layout.array_name(DataType.axis, 0)}"
        return f"{self.group}/{POINT_TIMES}"

    def path(self, name: str, channel: int = 0) -> str:
        """Return the path of the array of a signal, for followers and loaders.

        Parameters
        ----------
        name : str
            Of the signal.
        channel : int
            Which of its arrays.

        Raises
        ------
        NodeNotFoundError
            There is none yet, which is so before the first point.
        """
        self._require_open()
        saver = self._recording.saver
        group = saver.get_node(self.group)
        assert isinstance(group, GROUP)
        for (_, found), arrays in arrays_in(group).items():
            if found == name and 0 <= channel < len(arrays):
                return arrays[channel].path
        raise NodeNotFoundError(
            f"the scan has no signal {name!r}" + f" with a channel {channel}" * bool(channel),
            file=saver.filename,
            node=self.group,
        )

    def log(self, text: str) -> None:
        """Append a line to the log of the file.

        Raises
        ------
        DTypeError
            Not a text.
        FileClosedError
        """
        self._require_open()
        self._recording.saver.add_log(text)

    def flush(self) -> None:
        """Write everything; when this returns the points survive the death of the program.

        Raises
        ------
        StorageError, RemoteError
            It cannot be written now. It is kept in memory.
        """
        self._require_open()
        self._recording.saver.flush()

    def close(self) -> None:
        """Write everything and close the file, if the scan opened it; a second call does nothing.

        Raises
        ------
        StorageError, RemoteError
            Something could not be written. The scan stays open, close it again.
        """
        if self._bar is not None:
            self._bar.stop()
        if self._open:
            with self._shield:
                self._recording.close()
                self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise FileClosedError(
                "the scan is closed",
                file=self.file,
                node=self.group,
                remedy="Go on with it by Scan(..., resume=True).",
            )

    def __len__(self) -> int:
        """Return the number of points: of all in a grid, of those written where it grows."""
        return math.prod(self.shape) if self.shape else self.done

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._shield.put_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            self._shield.take_down()

    def __repr__(self) -> str:
        of = f" of {len(self)}" if self.shape else ""
        return f"Scan({self.file!r}, {self.group!r}, {self.done}{of} points)"


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
