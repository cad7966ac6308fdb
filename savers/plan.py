"""Write plans: what the first point of a signal resolves, so that the next ones only copy.

A plan knows the arrays, types, shapes and buffers of every signal at one place of a file. A point
is checked against it as a whole before any of it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from h5backends.buffer import RowBuffer
from h5backends.conform import conform
from h5backends.errors import DataError, H5Error, ShapeError
from h5backends.nodes import CARRAY, Node
from h5backends.session import Session
from savers.data import Axis
from savers.interchange import AxisLike, DataLike, as_axis

__all__ = [
    "POINT_TIMES",
    "POSITIONS",
    "AxisWatch",
    "Plan",
    "Plans",
    "SignalPlan",
    "Slot",
    "append_together",
    "point_key",
]

_log = logging.getLogger(__name__)

_NDARRAY = np.ndarray

POSITIONS = "Positions"
"""Behind the name of an axis array: the positions at every point where they differ from it."""
POINT_TIMES = "PointTimes"
"""When each point of a scan was complete, in seconds since 1970; NaN for points still to come."""


class Buffer(Protocol):
    """What a plan needs of the buffer of an array."""

    path: str
    detached: bool


class Slot:
    """One array that points go to.

    Parameters
    ----------
    node : CARRAY
        The array.
    buffer : RowBuffer or BlockBuffer
        Its buffer.
    dtype : dtype
        Type of its elements.
    shape : tuple of int
        Shape of one point.
    fill : numpy scalar
        Value of points that have nothing to go here.
    """

    __slots__ = ("buffer", "dtype", "fill", "node", "shape")

    def __init__(
        self, node: CARRAY, buffer: Any, dtype: np.dtype[Any], shape: tuple[int, ...], fill: Any
    ) -> None:
        self.node = node
        self.buffer = buffer
        self.dtype = dtype
        self.shape = shape
        self.fill = fill

    def fit(self, value: Any, rows: int = 0) -> NDArray[Any]:
        """Return a value as it goes into the array, or refuse it.

        Parameters
        ----------
        value : array_like, shape `shape`, or ``(rows, *shape)``
        rows : int
            How many points it is; 0 for one without an axis for points.

        Raises
        ------
        ShapeError, DTypeError
        """
        shape = (rows, *self.shape) if rows else self.shape
        try:
            array = conform(value, self.dtype)
            if array.shape != shape:
                raise ShapeError(
                    "the data have another shape than those before them",
                    expected=str(shape),
                    found=str(array.shape),
                    remedy="Save data of another shape under another name.",
                )
        except DataError as exc:
            exc.node, exc.file = self.buffer.path, self.node.session.driver.location
            raise
        return array

    def nothing(self, rows: int = 0) -> NDArray[Any]:
        """Return fill values for points that have nothing to go here."""
        return np.full((rows, *self.shape) if rows else self.shape, self.fill, self.dtype)


class AxisWatch:
    """Notices when an axis of a signal is another one than at the first point.

    Parameters
    ----------
    axis : Axis
        The axis as it was saved.
    index : int
        The dimension it has in the signal.
    slot : Slot or None
        Where positions that differ are kept, if that array exists.
    """

    __slots__ = ("_bytes", "_dtype", "_line", "axis", "index", "name", "slot")

    def __init__(self, axis: Axis, index: int, name: str, slot: Slot | None = None) -> None:
        data = axis.data
        self.axis = axis
        self.index = index
        self.name = name
        self.slot = slot
        self._line = (axis.offset, axis.scaling) if data is None else None
        self._bytes = None if data is None else data.tobytes()
        self._dtype = None if data is None else data.dtype

    def same(self, axis: AxisLike) -> bool:
        """Tell whether an axis has the positions of the first point.

        The content is compared and not the object: a program may refill the array of an axis.
        """
        data = axis.data
        if data is not None and self._bytes is not None:
            if data.dtype == self._dtype:
                return data.tobytes() == self._bytes
        elif data is None and self._line is not None:
            return (axis.offset, axis.scaling) == self._line
        return bool(np.array_equal(as_axis(axis).get_data(), self.axis.get_data()))


class SignalPlan:
    """What the points of one signal need.

    Parameters
    ----------
    name, origin : str
        Of the signal.
    slots : list of Slot
        Its arrays.
    bars : list of Slot
        Their error bars; empty without any.
    watches : list of AxisWatch
        Its axes.
    """

    __slots__ = ("bars", "group", "name", "origin", "slots", "watches")

    def __init__(
        self,
        name: str,
        origin: str,
        group: Node,
        slots: list[Slot],
        bars: list[Slot],
        watches: list[AxisWatch],
    ) -> None:
        self.name = name
        self.origin = origin
        self.group = group
        self.slots = slots
        self.bars = bars
        self.watches = watches

    def target(self) -> tuple[str | None, str, list[Any], list[Any], dict[int, AxisWatch]]:
        """Return what :meth:`Plan.quick` compares a point with.

        The name is None, which nothing equals, where points have more than their arrays.
        """
        simple = all(watch.slot is None for watch in self.watches)
        types = [(slot.dtype, slot.shape) for slot in self.slots]
        bars = [(slot.dtype, slot.shape) for slot in self.bars]
        watches = {watch.index: watch for watch in self.watches}
        return self.name if simple else None, self.origin, types, bars, watches

    def all_slots(self) -> list[Slot]:
        """Return the slots in the order in which :meth:`take` gives values."""
        moving = [watch.slot for watch in self.watches if watch.slot is not None]
        return [*self.slots, *self.bars, *moving]

    def take(self, data: DataLike, values: list[NDArray[Any]]) -> None:
        """Check one point and add its values to a list, one for each slot.

        Parameters
        ----------
        data : DataLike
            The point.
        values : list of ndarray
            Is extended.

        Raises
        ------
        ShapeError, DTypeError
            They do not fit.
        """
        arrays = data.data
        if len(arrays) != len(self.slots):
            raise self.misfit("arrays", len(self.slots), len(arrays))
        for slot, value in zip(self.slots, arrays, strict=True):
            if (
                type(value) is np.ndarray
                and value.dtype == slot.dtype
                and value.shape == slot.shape
            ):
                values.append(value)
            else:
                values.append(slot.fit(value))
        errors = data.errors
        if errors is not None or self.bars:
            self.take_errors(errors, values, 0)
        if self.watches:
            self.take_axes(data.axes, values, 0)

    def take_errors(
        self, errors: Sequence[Any] | None, values: list[NDArray[Any]], rows: int
    ) -> None:
        """The same for error bars; points without them get fill values."""
        if errors is None:
            values.extend(slot.nothing(rows) for slot in self.bars)
            return
        if len(errors) != len(self.bars):
            raise self.misfit("error bars", len(self.bars), len(errors))
        values.extend(s.fit(e, rows) for s, e in zip(self.bars, errors, strict=True))

    def take_axes(self, axes: Sequence[AxisLike], values: list[NDArray[Any]], rows: int) -> None:
        """The same for axes that move."""
        for watch in self.watches:
            slot = watch.slot
            if slot is None:
                continue
            axis = next((axis for axis in axes if axis.index == watch.index), None)
            if axis is None or watch.same(axis):
                values.append(slot.nothing(rows))
            else:
                row = slot.fit(as_axis(axis).get_data())
                values.append(np.repeat(row[np.newaxis], rows, axis=0) if rows else row)

    def moved(self, axes: Sequence[AxisLike]) -> list[AxisWatch]:
        """Return the axes that differ from the first point's and have no array for that yet."""
        found = []
        for watch in self.watches:
            if watch.slot is None:
                for axis in axes:
                    if axis.index == watch.index and not watch.same(axis):
                        found.append(watch)
        return found

    def misfit(self, what: str, expected: int, found: int) -> ShapeError:
        """Return the error for another number of something than at the first point."""
        return ShapeError(
            f"the data {self.name!r} have another number of {what} than those before them",
            file=self.group.session.driver.location,
            node=self.group.path,
            expected=str(expected),
            found=str(found),
            remedy="What a signal consists of is fixed by its first point; save others under "
            "another name or in another group.",
        )


class Plan:
    """The signals at one place of a file.

    Parameters
    ----------
    where : str or Node
        The place as the program names it; a node is kept alive, since plans are found by it.
    session : Session
        The open file.
    signals : list of SignalPlan
        In the order of the first point.
    """

    __slots__ = ("_targets", "buffers", "session", "signals", "where")

    def __init__(self, where: str | Node, session: Session, signals: list[SignalPlan]) -> None:
        self.where = where
        self.session = session
        self.signals = signals
        self.buffers: list[Any] = []
        self.renew()

    def renew(self) -> None:
        """Take note of slots that were added."""
        self.buffers = [s.buffer for signal in self.signals for s in signal.all_slots()]
        self._targets = [signal.target() for signal in self.signals]

    def quick(self, data: Sequence[DataLike]) -> list[Any] | None:
        """Return the values of a point that fits exactly as it is.

        This runs for every point of a scan; whatever is not the usual case goes the long way.

        Parameters
        ----------
        data : sequence of DataLike
            The point.

        Returns
        -------
        list of ndarray or None
            None for a point that needs a closer look, fitting or not.
        """
        targets = self._targets
        if len(data) != len(targets):
            return None
        values: list[Any] = []
        for dwa, (name, origin, types, bars, watches) in zip(data, targets, strict=True):
            if dwa.name != name or dwa.origin != origin or dwa.nav_indexes:
                return None
            if not _take_exact(dwa.data, types, values):
                return None
            errors = dwa.errors
            if (errors is not None or bars) and not _take_exact(errors or (), bars, values):
                return None
            if watches:
                for axis in dwa.axes:
                    watch = watches.get(axis.index)
                    if watch is not None and not watch.same(axis):
                        return None
        return values

    def arrange(self, data: Sequence[DataLike]) -> list[DataLike]:
        """Return the data of a point in the order of the plan.

        Raises
        ------
        ShapeError
            Signals are missing, or new.
        """
        found: dict[tuple[str, str], list[DataLike]] = {}
        for dwa in data:
            found.setdefault((dwa.name, dwa.origin), []).append(dwa)
        wanted = [(signal.name, signal.origin) for signal in self.signals]
        ordered = [found[key].pop(0) for key in wanted if found.get(key)]
        new = [key for key, rest in found.items() if rest]
        if len(ordered) == len(wanted) and not new:
            return ordered
        have = [(dwa.name, dwa.origin) for dwa in data]
        raise ShapeError(
            "this point has other signals than those before it; nothing of it was written",
            file=self.session.driver.location,
            node=self.where if isinstance(self.where, str) else self.where.path,
            expected=_names(wanted),
            found=_names(have),
            remedy="Every point brings all signals of the first one. Save others in another "
            "group.",
        )


def _take_exact(arrays: Sequence[Any], types: Sequence[Any], values: list[Any]) -> bool:
    """Add arrays to the values if they are exactly of these types and shapes."""
    if len(arrays) != len(types):
        return False
    for value, (dtype, shape) in zip(arrays, types, strict=True):
        if type(value) is not _NDARRAY or value.shape != shape:
            return False
        if value.dtype is not dtype and value.dtype != dtype:
            return False
        values.append(value)
    return True


_P = TypeVar("_P", bound=Plan)


class Plans(dict[Any, _P]):
    """Plans by place, found without touching the file."""

    def look_up(self, where: str | Node, session: Session | None) -> _P | None:
        """Return the plan for a place, None if there is none or the file changed below it."""
        plan = self.get(where if type(where) is str else id(where))
        if plan is None or plan.session is not session:
            return None
        for buffer in plan.buffers:
            if buffer.detached:
                return None
        return plan


def point_key(where: str | Node) -> str | int:
    """Return what a plan is found by: the text, or which object a node is."""
    return where if type(where) is str else id(where)


def append_together(
    session: Session, buffers: Sequence[RowBuffer], values: Sequence[Any], rows: int = 1
) -> None:
    """Append to several arrays, to all of them or to none.

    Parameters
    ----------
    session : Session
        The open file.
    buffers : sequence of RowBuffer
        Where to.
    values : sequence of array_like
        What, checked already.
    rows : int
        How many rows each value is.

    Raises
    ------
    StorageError, RemoteError
        Something could not be written; all arrays are as long as before.
    """
    done = 0
    with session.hold():
        try:
            for buffer, value in zip(buffers, values, strict=True):
                buffer.append(value, False)
                done += 1
        except H5Error:
            for buffer in buffers[:done]:
                try:
                    buffer.retract(rows)
                except H5Error as exc:
                    _log.warning("cannot shorten %s after a failed write: %s", buffer.path, exc)
            raise


def _names(keys: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{origin}/{name}" if origin else name for name, origin in keys) or "none"
