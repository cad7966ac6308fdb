"""DataToExportExtendedSaver: bundles of data at the points of a scan of known shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.block_buffer import point_chunks, put_together
from h5backends.errors import NodeNotFoundError, ShapeError
from h5backends.nodes import CARRAY, GROUP, Node
from savers.axis import axis_key
from savers.data import DataToExport
from savers.enums import DataDistribution
from savers.export import DataToExportSaver, group_attributes
from savers.export_enlargeable import as_parts, nav_group_in, open_to_readers, time_of
from savers.extended import DataExtendedSaver, point_number, scan_slot
from savers.interchange import AxisLike, DataLike, ExportLike, as_axis, as_data
from savers.management import Openable, child
from savers.plan import POINT_TIMES, Plan, Plans, SignalPlan, Slot, point_key

__all__ = ["DataToExportExtendedSaver", "point_times"]


class DataToExportExtendedSaver(DataToExportSaver):
    """Writes bundles of data at the points of a scan, in any order.

    A signal that comes later than the first point gets its array then, with the fill value at the
    points before; a point may leave signals out, and keeps the fill value there. Beside the data
    the array ``PointTimes`` says when each point was complete, so that a scan that was interrupted
    can go on, see :meth:`completed_indexes`. In a file opened with ``swmr_mode=True`` readers are
    let in after the first point.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    extended_shape : iterable of int
        The shape of the scan.
    fill_value, moving_axes
        See :class:`savers.extended.DataExtendedSaver`.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Examples
    --------
    >>> from savers import Axis, DataRaw, DataToExport
    >>> with DataToExportExtendedSaver("scan.h5", (3,), new_file=True) as saver:
    ...     scan = saver.add_scan_group()
    ...     saver.add_nav_axes(scan, [Axis("delay", "fs", offset=0.0, scaling=5.0, size=3)])
    ...     for n in (0, 2):
    ...         power = DataRaw("power", units="W", data=[np.array([n / 2])])
    ...         saver.add_data(scan, DataToExport("meter", [power]), (n,))
    ...     saver.completed_indexes(scan).tolist()
    [[0], [2]]
    """

    def __init__(
        self,
        h5saver: Openable,
        extended_shape: Iterable[int],
        fill_value: Any = None,
        *,
        moving_axes: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(h5saver, **options)
        self._scanner = DataExtendedSaver(
            self._h5saver, extended_shape, fill_value, moving_axes=moving_axes
        )
        self._data_saver = self._scanner
        self._shape = self._scanner.extended_shape
        self._plans: Plans[_ScanPlan] = Plans()

    @property
    def extended_shape(self) -> tuple[int, ...]:
        """The shape of the scan."""
        return self._shape

    def add_nav_axes(self, where: str | Node, axes: Iterable[AxisLike]) -> None:
        """Save the axes of the scan, which all its data share.

        Parameters
        ----------
        where : str or Node
            The group of the scan.
        axes : iterable of Axis
            Ours, or any like them. Not changed. A scan that goes on gives the same ones again.

        Raises
        ------
        ShapeError
            They do not fit the shape of the scan, or the group has others.
        """
        group = self._get_group(where)
        own = [as_axis(axis) for axis in axes]
        for axis in own:
            if axis.index >= len(self._shape) or axis.size != self._shape[axis.index]:
                raise ShapeError(
                    f"the axis {axis.label!r} does not fit the scan",
                    node=group.path,
                    expected=f"an axis for the shape {self._shape}",
                    found=f"{axis.size} points along dimension {axis.index}",
                )
        saver = self._scanner._axis_saver
        with group.session.hold():
            nav_group = nav_group_in(group)
            present = saver.get_axes(nav_group)
            if not present:
                for axis in own:
                    saver.add_axis(nav_group, axis)
            elif [axis_key(axis) for axis in present] != [axis_key(axis) for axis in own]:
                raise ShapeError(
                    "this group has other navigation axes",
                    file=group.session.driver.location,
                    node=nav_group.path,
                    expected=repr(present),
                    found=repr(own),
                    remedy="Begin another group for another scan.",
                )

    def add_data(  # type: ignore[override]
        self,
        where: str | Node,
        data: ExportLike | DataLike,
        indexes: Iterable[int],
        distribution: DataDistribution | str = DataDistribution.uniform,
        settings_as_xml: str = "",
        **kwargs: Any,
    ) -> None:
        """Write one point.

        Parameters
        ----------
        where : str or Node
            The group of the scan.
        data : DataToExport
            Ours, or any like it. Not changed.
        indexes : iterable of int
            Which point, one index for each axis of the scan; a point may be written again.
        distribution : DataDistribution or str
            Whether the points lie on a grid, at the first point.
        settings_as_xml : str
            Settings of the instrument, an attribute of new channel groups.
        **kwargs
            More attributes of new channel groups.

        Raises
        ------
        SelectionError
            `indexes` are not a point of the scan.
        ShapeError, DTypeError
            The point does not fit those before it; nothing of it was written.
        StructureFrozenError
            SWMR is on and something new would be needed.
        StorageError, RemoteError
            Earlier points could not be written; they are kept, this one was not taken.
        """
        number = point_number(indexes, self._shape)
        parts = data.data if type(data) is DataToExport else as_parts(data)
        saver = self._h5saver
        plan = self._plans.look_up(where, saver._session)
        values = None if plan is None else plan.quick(parts)
        if plan is None or values is None:
            attrs = group_attributes(settings_as_xml, kwargs)
            plan = self._put_new(where, parts, number, data, distribution, attrs)
            open_to_readers(saver)
        else:
            values.append(time_of(data))
            put_together(plan.session, plan.buffers, values, number)
        saver.tick_flush()

    def _put_new(
        self,
        where: str | Node,
        data: Sequence[DataLike],
        number: int,
        bundle: ExportLike | DataLike,
        distribution: DataDistribution | str,
        attrs: dict[str, Any],
    ) -> _ScanPlan:
        """Write the first point, or one that has to be looked at closely."""
        session = self._h5saver.session
        plan = self._plans.look_up(where, session)
        signals, new = [], []
        with session.hold():
            group = self._get_group(where) if plan is None else plan.group
            known = [] if plan is None else list(plan.signals)
            for dwa in data:
                found = next((s for s in known if _same(s, dwa)), None)
                if found is None:
                    own = as_data(dwa)
                    ((channel, own),) = self._each(group, DataToExport(own.name, [own]), attrs)
                    found = self._scanner.open_signal(channel, own, distribution)
                    new.append(found)
                else:
                    known.remove(found)
                signals.append(found)
            if plan is None:
                plan = _ScanPlan(where, group, [], self._times(group))
                self._plans[point_key(where)] = plan
            for signal, dwa in zip(signals, data, strict=True):
                self._scanner.complete(signal, dwa)
            plan.signals += new
            plan.renew()
            values: list[Any] = []
            for signal, dwa in zip(signals, data, strict=True):
                signal.take(dwa, values)
            values.append(time_of(bundle))
            buffers = [slot.buffer for signal in signals for slot in signal.all_slots()]
            put_together(session, [*buffers, plan.times.buffer], values, number)
        return plan

    # -- which points are there -----------------------------------------------------------------
    def _times(self, group: GROUP) -> Slot:
        node = child(group, POINT_TIMES)
        if node is None:
            node = self._h5saver.create_carray(
                group,
                POINT_TIMES,
                None,
                "time at which each point was complete",
                shape=self._shape,
                dtype=np.float64,
                chunks=point_chunks(self._shape, (), 8),
                fill_value=np.nan,
                metadata={"units": "s"},
            )
        return scan_slot(node, self._shape, (1,), np.nan)

    def completed_indexes(self, where: str | Node) -> NDArray[np.intp]:
        """Return the points of a scan that are complete.

        Parameters
        ----------
        where : str or Node
            The group of the scan.

        Returns
        -------
        ndarray of int, shape (n, len(extended_shape))
            Their indexes, in the order of the array; none for a scan that has not begun.
        """
        group = self._get_group(where)
        if child(group, POINT_TIMES) is None:
            return np.empty((0, len(self._shape)), np.intp)
        return np.argwhere(np.isfinite(point_times(group)))


class _ScanPlan(Plan):
    """The signals of a scan and the times of its points."""

    __slots__ = ("group", "times")

    def __init__(
        self, where: str | Node, group: GROUP, signals: list[SignalPlan], times: Slot
    ) -> None:
        self.group = group
        self.times = times
        super().__init__(where, group.session, signals)

    def renew(self) -> None:
        super().renew()
        # A point counts as complete only when its data are in the file.
        self.times.buffer.after = tuple(self.buffers)
        self.buffers.append(self.times.buffer)


def point_times(group: GROUP) -> NDArray[np.float64]:
    """Return when each point of a scan was complete.

    Parameters
    ----------
    group : GROUP
        The group of the scan.

    Returns
    -------
    ndarray of float64, shape of the scan
        Seconds since 1970; NaN for points still to come.

    Raises
    ------
    NodeNotFoundError
        The file does not tell: another program wrote it.
    """
    node = child(group, POINT_TIMES)
    if not isinstance(node, CARRAY):
        raise NodeNotFoundError(
            "this group does not tell which of its points are complete",
            file=group.session.driver.location,
            node=group.path,
        )
    return np.asarray(node.read(), np.float64)


def _same(signal: SignalPlan, data: DataLike) -> bool:
    return signal.name == data.name and signal.origin == data.origin
