"""DataExtendedSaver: signals in arrays of the shape of a whole scan, filled point by point."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from h5backends.block_buffer import BlockBuffer, point_chunks, put_together
from h5backends.errors import DTypeError, NodeKindError, SelectionError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node
from savers import layout
from savers.data import Axis, DataWithAxes
from savers.enums import DataDistribution, DataType, member
from savers.interchange import DataLike, as_data
from savers.management import Openable, child
from savers.plan import POSITIONS, AxisWatch, Plan, Plans, SignalPlan, Slot, point_key
from savers.signal import DataSaverLoader, signal_attributes
from savers.viewers import describe_signal

__all__ = ["DataExtendedSaver", "point_number", "scan_slot"]

_PLAIN = (tuple, list)


class DataExtendedSaver(DataSaverLoader):
    """Writes data point by point into arrays of ``extended_shape + shape of a point``.

    The arrays are made at the first point of a signal and take space as points are written, in
    any order. Arrays that are there already are continued, if they fit. Error bars that come
    later than the first point get arrays then.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    extended_shape : iterable of int
        The shape of the scan.
    fill_value : number, optional
        Value of points that nobody has written, by default that of the saver (NaN). Types that
        cannot hold it have their zero.
    moving_axes : bool
        Whether to make room for signal axes that change from point to point at the first point.
        Without it the array for them is made when one changes, which SWMR does not allow.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``data``.

    Raises
    ------
    ShapeError, DTypeError
        `extended_shape` is no shape.
    """

    data_type: ClassVar[DataType] = DataType.data

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
        self.extended_shape = _shape(extended_shape)
        self.fill_value = fill_value
        self._moving = moving_axes
        self._plans: Plans[Plan] = Plans()

    def add_data(  # type: ignore[override]
        self,
        where: str | Node,
        data: DataLike,
        indexes: Iterable[int],
        distribution: DataDistribution | str = DataDistribution.uniform,
        **kwargs: Any,
    ) -> None:
        """Write one point.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataWithAxes
            Ours, or any like them. Not changed.
        indexes : iterable of int
            Which point of the scan, one index for each of its axes; a point may be written again.
        distribution : DataDistribution or str
            Whether the points of the scan lie on a grid, at the first point.
        **kwargs
            More attributes of the arrays, at the first point.

        Raises
        ------
        SelectionError
            `indexes` are not a point of the scan.
        ShapeError, DTypeError
            The data do not fit those before them.
        StructureFrozenError
            SWMR is on and something new would be needed.
        StorageError, RemoteError
            Earlier points could not be written; they are kept, this one was not taken.
        """
        number = point_number(indexes, self.extended_shape)
        session = self._h5saver.session
        plan = self._plans.look_up(where, session)
        if plan is None:
            group = self._get_group(where)
            with session.hold():
                signal = self.open_signal(group, as_data(data), distribution, kwargs)
            plan = self._plans[point_key(where)] = Plan(where, session, [signal])
        signal = plan.signals[0]
        if not hasattr(data, "nav_indexes"):
            as_data(data)  # says what it lacks
        if self.complete(signal, data):
            plan.renew()
        values: list[Any] = []
        signal.take(data, values)
        put_together(session, plan.buffers, values, number)

    # -- one signal -----------------------------------------------------------------------------
    def open_signal(
        self,
        group: GROUP,
        data: DataWithAxes,
        distribution: DataDistribution | str = DataDistribution.uniform,
        attrs: dict[str, Any] | None = None,
    ) -> SignalPlan:
        """Find or create the arrays of a signal.

        Parameters
        ----------
        group : GROUP
            Where they are.
        data : DataWithAxes
            Any point.
        distribution : DataDistribution or str
            How the points lie.
        attrs : dict, optional
            More attributes of new arrays.

        Raises
        ------
        ShapeError, DTypeError
            What is there does not fit.
        StructureFrozenError
            It is missing and cannot be made now.
        """
        if layout.array_name(self.data_type, 0) not in group:
            self._create(group, data, member(DataDistribution, distribution), attrs or {})
        slots = self._slots(group, self.data_type, data.shape)
        bars = self._slots(group, DataType.error, data.shape)
        signal = SignalPlan(data.name, data.origin, group, slots, bars, self._watches(group))
        if len(slots) != len(data):
            raise signal.misfit("arrays", len(slots), len(data))
        return signal

    def _slots(self, group: GROUP, kind: DataType, shape: tuple[int, ...]) -> list[Slot]:
        arrays = self._arrays_in(group, kind)
        return [scan_slot(array, self.extended_shape, shape, self.fill_value) for array in arrays]

    def _create(
        self,
        group: GROUP,
        data: DataWithAxes,
        distribution: DataDistribution,
        attrs: dict[str, Any],
    ) -> None:
        rank = len(self.extended_shape)
        if distribution is DataDistribution.spread and rank != 1:
            raise ShapeError(
                "spread points lie along one dimension",
                node=group.path,
                expected="an extended_shape of one length",
                found=str(self.extended_shape),
            )
        self._add_scan_arrays(group, self.data_type, data, distribution, attrs)
        if data.errors is not None:
            self._add_scan_arrays(group, DataType.error, data.errors_as_dwa(), distribution, attrs)
        dims: list[list[str]] = [[] for _ in (*self.extended_shape, *_trailing(data.shape))]
        for axis in data.axes:
            own = axis.copy()
            own.index += rank
            name = self._axis_saver.add_axis(group, own).name
            if own.index < len(dims):
                dims[own.index].append(name)
            if self._moving:
                self._add_positions(group, name, own)
        describe_signal(
            group, [layout.array_name(self.data_type, n) for n in range(len(data))], dims
        )

    def _add_scan_arrays(
        self,
        group: GROUP,
        kind: DataType,
        data: DataWithAxes,
        distribution: DataDistribution,
        attrs: dict[str, Any],
    ) -> None:
        rank = len(self.extended_shape)
        nav = (*range(rank), *(n + rank for n in data.nav_indexes))
        for number, array in enumerate(data.data):
            self._h5saver.add_array(
                group,
                layout.array_name(kind, number),
                kind,
                data_shape=data.shape,
                array_type=array.dtype,
                fill_value=self._fill(array.dtype),
                data_dimension=data.dim,
                scan_shape=self.extended_shape,
                add_scan_dim=True,
                title=data.name,
                metadata=signal_attributes(data, number, nav, distribution.name) | attrs,
                chunks=point_chunks(
                    self.extended_shape, _trailing(data.shape), array.dtype.itemsize
                ),
            )

    def _fill(self, dtype: np.dtype[Any]) -> Any:
        wanted = self._h5saver.fill_value if self.fill_value is None else self.fill_value
        return layout.default_fill(dtype, wanted)

    # -- what later points bring ----------------------------------------------------------------
    def complete(self, signal: SignalPlan, data: DataLike) -> bool:
        """Make the arrays that a point needs beyond those of the points before it.

        Parameters
        ----------
        signal : SignalPlan
            What there is.
        data : DataLike
            The point.

        Returns
        -------
        bool
            Whether something was made.

        Raises
        ------
        StructureFrozenError
            SWMR is on.
        """
        late = data.errors is not None and not signal.bars
        moved = signal.moved(data.axes) if signal.watches else []
        if not late and not moved:
            return False
        group = signal.group
        assert isinstance(group, GROUP)
        session = group.session
        session.require_unfrozen(
            "make room for what this point brings (for axes, moving_axes=True does beforehand)",
            group.path,
        )
        if late:
            own = as_data(data)
            if len(own) != len(signal.slots):
                raise signal.misfit("arrays", len(signal.slots), len(own))
            distribution = member(DataDistribution, signal.slots[0].node.attrs["distribution"])
            self._add_scan_arrays(group, DataType.error, own.errors_as_dwa(), distribution, {})
            signal.bars = self._slots(group, DataType.error, own.shape)
        for watch in moved:
            positions = self._add_positions(group, watch.name, watch.axis)
            watch.slot = self._positions_slot(positions, watch.axis.size)
        return True

    def _watches(self, group: GROUP) -> list[AxisWatch]:
        rank = len(self.extended_shape)
        watches = []
        for node in self._arrays_in(group, DataType.axis):
            axis = self._axis_saver.load_axis(node)
            positions = child(group, node.name + POSITIONS)
            found = isinstance(positions, CARRAY)
            slot = self._positions_slot(positions, axis.size) if found else None
            watches.append(AxisWatch(axis, axis.index - rank, node.name, slot))
        return watches

    def _positions_slot(self, node: Node | None, size: int) -> Slot:
        return scan_slot(node, self.extended_shape, (size,), np.nan)

    def _add_positions(self, group: GROUP, name: str, axis: Axis) -> CARRAY:
        dtype = np.result_type(axis.get_data().dtype, np.float32)
        shape = (axis.size,)
        return self._h5saver.create_carray(
            group,
            name + POSITIONS,
            None,
            f"{axis.label} of every point",
            shape=(*self.extended_shape, *_trailing(shape)),
            dtype=dtype,
            chunks=point_chunks(self.extended_shape, _trailing(shape), dtype.itemsize),
            fill_value=np.array(np.nan, dtype)[()],
            metadata={
                "label": axis.label,
                "units": axis.units,
                "index": axis.index,
                "positions_of": name,
            },
        )


def scan_slot(
    node: Node | None,
    scan_shape: tuple[int, ...],
    point_shape: tuple[int, ...],
    fill: Any,
    after: Sequence[BlockBuffer] = (),
) -> Slot:
    """Return the way into an array of the shape of a scan.

    Parameters
    ----------
    node : CARRAY
        The array.
    scan_shape, point_shape : tuple of int
        What it must have.
    fill : number
        Value of points that nobody has written.
    after : sequence of BlockBuffer
        Buffers that are always written before this one.

    Raises
    ------
    NodeKindError
        It is not an array of fixed extent.
    ShapeError
        It has another shape.
    """
    if not isinstance(node, CARRAY) or isinstance(node, EARRAY):
        raise NodeKindError(
            "points of a scan go into arrays of fixed extent",
            node=None if node is None else node.path,
            expected="CARRAY",
            found=type(node).__name__,
        )
    shape = (*scan_shape, *_trailing(point_shape))
    if node.shape != shape:
        raise ShapeError(
            "the array in the file has another shape than this scan",
            file=node.session.driver.location,
            node=node.path,
            expected=str(shape),
            found=str(node.shape),
            remedy="Save another scan, or data of another shape, in another group.",
        )
    buffer = node.session.blocks(node.handle, len(scan_shape), after)
    value = np.nan if fill is None else fill
    return Slot(node, buffer, node.dtype, point_shape, layout.default_fill(node.dtype, value))


def point_number(indexes: Iterable[int], shape: tuple[int, ...]) -> int:
    """Return the number of a point, as ``numpy.ravel_multi_index`` counts.

    Raises
    ------
    SelectionError
        Not one index for each axis, or one that is negative or beyond the last point, or no whole
        number.
    """
    if type(indexes) not in _PLAIN:
        indexes = _listed(indexes, shape)
    if len(indexes) != len(shape):  # type: ignore[arg-type]
        raise _no_point(indexes, shape)
    number = 0
    for index, length in zip(indexes, shape, strict=True):
        if type(index) is not int:
            index = _whole(index, shape)  # noqa: PLW2901 - the same index
        if not 0 <= index < length:
            raise _no_point(indexes, shape)
        number = number * length + index
    return number


def _listed(indexes: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    try:
        return tuple(indexes)
    except TypeError as exc:
        raise _no_point(indexes, shape) from exc


def _whole(index: Any, shape: tuple[int, ...]) -> int:
    if isinstance(index, (bool, np.bool_)):
        raise _no_point(index, shape)
    try:
        return operator.index(index)
    except TypeError as exc:
        raise _no_point(index, shape) from exc


def _no_point(indexes: object, shape: tuple[int, ...]) -> SelectionError:
    return SelectionError(
        "these are not the indexes of a point of the scan",
        expected=f"{len(shape)} whole numbers from zero up, below {shape}",
        found=repr(indexes),
    )


def _shape(lengths: Iterable[int]) -> tuple[int, ...]:
    try:
        shape = tuple(operator.index(length) for length in lengths)
    except TypeError as exc:
        raise DTypeError(
            "the shape of a scan is a sequence of whole numbers", found=repr(lengths)
        ) from exc
    if not shape or min(shape) < 1 or math.prod(shape) > 2**62:
        raise ShapeError(
            "this cannot be the shape of a scan", expected="positive lengths", found=str(shape)
        )
    return shape


def _trailing(point_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes that a point has in the array; single values have none."""
    return () if point_shape == (1,) else point_shape
