"""DataToExportEnlargeableSaver: bundles appended point by point, with shared growing axes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from h5backends.creation import create_group
from h5backends.errors import ShapeError
from h5backends.nodes import GROUP, Node
from h5backends.session import Session
from savers import layout
from savers.data import DataToExport
from savers.enlargeable import (
    DataEnlargeableSaver,
    block_length,
    even_out,
    growing_slot,
    listed_positions,
    named_axes,
    positions_of,
    single,
    take,
)
from savers.export import DataToExportSaver, group_attributes
from savers.interchange import DataLike, ExportLike, as_data, as_export
from savers.low_level import H5SaverLowLevel
from savers.management import Openable, child
from savers.plan import POINT_TIMES, Plan, Plans, SignalPlan, Slot, append_together, point_key

__all__ = [
    "DataToExportEnlargeableSaver",
    "as_parts",
    "nav_group_in",
    "open_to_readers",
    "time_of",
]


class DataToExportEnlargeableSaver(DataToExportSaver):
    """Appends bundles of data point by point, with the positions of each point.

    The first point fixes the signals; a later one with signals missing or new is refused as a
    whole. All signals of a point become visible together, and all arrays are always equally long.
    The array ``PointTimes`` keeps when each point was taken. A group that has such arrays already
    is continued. In a file opened with ``swmr_mode=True``
    readers are let in after the first point.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    enl_axis_names, enl_axis_units : iterable of str, optional
        Labels and units of the growing axes.
    axis_name, axis_units : str
        The same for a single one.
    moving_axes : bool
        See :class:`savers.enlargeable.DataEnlargeableSaver`.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Raises
    ------
    ShapeError
        There is not one unit for each name.
    """

    _keeps_times: ClassVar[bool] = True
    """Whether the time of each point is kept beside the positions."""

    def __init__(
        self,
        h5saver: Openable,
        enl_axis_names: Iterable[str] | None = None,
        enl_axis_units: Iterable[str] | None = None,
        axis_name: str = "nav axis",
        axis_units: str = "",
        *,
        moving_axes: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(h5saver, **options)
        names = (axis_name,) if enl_axis_names is None else enl_axis_names
        units = (axis_units,) if enl_axis_units is None else enl_axis_units
        self._enl_axes = named_axes(names, units)
        self._grower = DataEnlargeableSaver(self._h5saver, moving_axes=moving_axes)
        self._data_saver = self._grower
        self._plans: Plans[_BundlePlan] = Plans()

    def add_data(  # type: ignore[override]
        self,
        where: str | Node,
        data: ExportLike | DataLike,
        axis_values: Iterable[Any] | None = None,
        axis_value: Any = None,
        settings_as_xml: str = "",
        **kwargs: Any,
    ) -> None:
        """Append one point, or a block of points.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataToExport
            Ours, or any like it. Not changed. Signals with one navigation axis are a block of
            points, for all signals the same number.
        axis_values : iterable of float, optional
            The positions on the growing axes, one for each; arrays for a block. A block may
            leave them out: then they are those of its navigation axis.
        axis_value : float, optional
            The same for a single axis.
        settings_as_xml : str
            Settings of the instrument, an attribute of new channel groups.
        **kwargs
            More attributes of new channel groups.

        Raises
        ------
        ShapeError, DTypeError
            The point does not fit those before it; nothing was appended.
        StructureFrozenError
            SWMR is on and something new would be needed.
        StorageError, RemoteError
            Something could not be written; all arrays are as long as before.
        """
        if axis_values is None and axis_value is not None:
            axis_values = (axis_value,)
        signals: Sequence[DataLike]
        signals = data.data if type(data) is DataToExport else as_parts(data)
        self._append(where, signals, axis_values, time_of(data), settings_as_xml, kwargs)

    def _append(
        self,
        where: str | Node,
        data: Sequence[DataLike],
        axis_values: Iterable[Any] | None,
        stamp: float,
        settings_as_xml: str,
        more: dict[str, Any],
    ) -> None:
        saver = self._h5saver
        plan = self._plans.look_up(where, saver._session)
        values = None if plan is None else plan.quick(data)
        if plan is None or values is None:
            self._append_new(where, data, axis_values, stamp, settings_as_xml, more)
        else:
            plan.take_axes(axis_values, values, 0)
            if plan.times is not None:
                values.append(stamp)
            append_together(plan.session, plan.buffers, values)
        saver.tick_flush()

    def _append_new(
        self,
        where: str | Node,
        data: Sequence[DataLike],
        axis_values: Iterable[Any] | None,
        stamp: float,
        settings_as_xml: str,
        more: dict[str, Any],
    ) -> None:
        """Append the first point, or one that has to be looked at closely."""
        session = self._h5saver.session
        plan = self._plans.look_up(where, session)
        if plan is None:
            plan = self._make_plan(where, data, group_attributes(settings_as_xml, more))
        if not plan.fits(data):
            data = plan.arrange(data)
        rows = block_length(data[0]) if data else 0
        values: list[Any] = []
        moved = []
        for signal, dwa in zip(plan.signals, data, strict=True):
            _same_length(dwa, rows)
            moved += [(signal, watches) for watches in [signal.moved(dwa.axes)] if watches]
        for signal, watches in moved:
            self._grower.declare_moving(signal, watches)
            plan.renew()
        for signal, dwa in zip(plan.signals, data, strict=True):
            take(signal, dwa, values, rows)
        if axis_values is None and rows:
            axis_values = positions_of(data[0])
        plan.take_axes(axis_values, values, rows)
        if plan.times is not None:
            values.append(np.full(rows or 1, stamp))
        append_together(session, plan.buffers, values, rows or 1)
        open_to_readers(self._h5saver)

    def _make_plan(
        self, where: str | Node, data: Sequence[DataLike], attrs: dict[str, Any]
    ) -> _BundlePlan:
        group = self._get_group(where)
        bundle = DataToExport("point", [as_data(dwa) for dwa in data])
        if not len(bundle):
            raise ShapeError("there are no data in this bundle", node=group.path)
        with group.session.hold():
            signals = [
                self._grower.open_signal(channel, dwa)
                for channel, dwa in self._each(group, bundle, attrs)
            ]
            axes = self._growing_axes(group)
            grown = [s for signal in signals for s in signal.all_slots()] + axes
            times = self._times(group, len(grown[0].buffer)) if self._keeps_times else None
            plan = _BundlePlan(where, group.session, signals, axes, times)
            even_out(grown if times is None else [*grown, times])
        self._plans[point_key(where)] = plan
        return plan

    def _growing_axes(self, group: GROUP) -> list[Slot]:
        """Find or create the axes that all signals share."""
        nav_group = nav_group_in(group)
        saver = self._grower._axis_saver
        if saver.get_last_node_name(nav_group) is None:
            for axis in self._enl_axes:
                saver.add_axis(nav_group, axis, enlargeable=True)
        present = saver._arrays_in(nav_group)
        if len(present) != len(self._enl_axes):
            raise ShapeError(
                "this group has another number of axes than the points have positions",
                file=group.session.driver.location,
                node=nav_group.path,
                expected=", ".join(axis.label for axis in self._enl_axes),
                found=", ".join(str(array.attrs.get("label", array.name)) for array in present),
                remedy="Begin another group.",
            )
        return [growing_slot(array) for array in present]

    def _times(self, group: GROUP, length: int) -> Slot:
        """Find or create the array that says when each point was taken."""
        node = child(group, POINT_TIMES)
        if node is None:
            title, attrs = "time at which each point was taken", {"units": "s"}
            node = self._h5saver.create_earray(
                group, POINT_TIMES, np.float64, None, title, fill_value=np.nan, metadata=attrs
            )
            if length:  # of points that another program saved nothing is known
                with group.session.lock:
                    group.session.driver.resize(node.handle, length)
        return growing_slot(node)


class _BundlePlan(Plan):
    """Several signals, the growing axes they share, and the times of the points."""

    __slots__ = ("axes", "times")

    def __init__(
        self,
        where: str | Node,
        session: Session,
        signals: list[SignalPlan],
        axes: list[Slot],
        times: Slot | None,
    ) -> None:
        self.axes = axes
        self.times = times
        super().__init__(where, session, signals)

    def renew(self) -> None:
        super().renew()
        self.buffers += [slot.buffer for slot in self.axes]
        if self.times is not None:
            self.buffers.append(self.times.buffer)

    def fits(self, data: Sequence[DataLike]) -> bool:
        """Tell whether these are the signals of the plan, in its order."""
        signals = self.signals
        if len(data) != len(signals):
            return False
        for signal, dwa in zip(signals, data, strict=True):
            if dwa.name != signal.name or dwa.origin != signal.origin:
                return False
        return True

    def take_axes(self, given: Iterable[Any] | None, values: list[Any], rows: int) -> None:
        """Check the positions of a point and add them to the values."""
        positions = given if type(given) is tuple else listed_positions(given)
        if len(positions) != len(self.axes):
            raise ShapeError(
                "this point needs a position on every growing axis",
                file=self.session.driver.location,
                node=self.axes[0].node.path,
                expected=f"{len(self.axes)} axis_values",
                found=str(len(positions)),
            )
        for slot, value in zip(self.axes, positions, strict=True):
            if type(value) is float and not rows:
                values.append(value)
            else:
                values.append(slot.fit(value if rows else single(value, slot), rows))


def nav_group_in(group: GROUP) -> GROUP:
    """Return the group of the axes that all data of a group share, made if it is missing."""
    found = child(group, layout.NAV_AXES)
    if isinstance(found, GROUP):
        return found
    return create_group(group.session, group, layout.NAV_AXES, "", {"NX_class": "NXcollection"})


def open_to_readers(saver: H5SaverLowLevel) -> None:
    """Let SWMR readers in where the file was opened for that, now that the structure is there."""
    if saver.swmr_mode and saver.is_swmr_capable and not saver.is_swmr_active:
        saver.enable_swmr()


def time_of(data: ExportLike | DataLike) -> float:
    """Return when data were taken, in seconds since 1970; now, if they do not tell."""
    stamp = getattr(data, "timestamp", None)
    if type(stamp) is float and math.isfinite(stamp):
        return stamp
    try:
        stamp = float(stamp)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return time.time()
    return stamp if math.isfinite(stamp) else time.time()


def as_parts(data: ExportLike | DataLike) -> Sequence[DataLike]:
    """Return the data of a bundle of whatever package, without converting those it has."""
    parts = getattr(data, "data", None)
    if not isinstance(parts, (list, tuple)) or hasattr(data, "nav_indexes"):
        return as_export(data).data
    return parts


def _same_length(data: DataLike, rows: int) -> None:
    found = block_length(data)
    if found != rows:
        raise ShapeError(
            f"the data {data.name!r} are another number of points than those beside them",
            expected=str(rows or 1),
            found=str(found or 1),
        )
