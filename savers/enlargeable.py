"""DataEnlargeableSaver: signals that grow point by point, for logs and adaptive scans."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import DTypeError, NodeKindError, ShapeError
from h5backends.nodes import EARRAY, GROUP, Node
from savers import layout
from savers.data import Axis, DataWithAxes
from savers.enums import DataDim, DataType
from savers.interchange import AxisLike, DataLike, as_axis, as_data
from savers.management import Openable, child
from savers.plan import (
    POSITIONS,
    AxisWatch,
    Plan,
    Plans,
    SignalPlan,
    Slot,
    append_together,
    point_key,
)
from savers.signal import DataSaverLoader, signal_attributes
from savers.viewers import describe_signal

__all__ = [
    "DataEnlargeableSaver",
    "block_length",
    "even_out",
    "growing_slot",
    "listed_positions",
    "named_axes",
    "positions_of",
    "single",
    "take",
]

_log = logging.getLogger(__name__)


class DataEnlargeableSaver(DataSaverLoader):
    """Appends data point by point to growing arrays.

    The first point of a signal in a group fixes its shape, type and number of arrays, and whether
    it has error bars; later ones without error bars get NaN there. A group that has such arrays
    already is continued.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    enl_axis_names, enl_axis_units : iterable of str
        Labels and units of the axes that grow with the data.
    moving_axes : bool
        Whether to make room for signal axes that change from point to point at the first point.
        Without it the array for them is made when one changes, which SWMR does not allow.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``data_enlargeable``.

    Raises
    ------
    ShapeError
        There is not one unit for each name.
    """

    data_type: ClassVar[DataType] = DataType.data_enlargeable

    def __init__(
        self,
        h5saver: Openable,
        enl_axis_names: Iterable[str] = ("nav axis",),
        enl_axis_units: Iterable[str] = ("",),
        *,
        moving_axes: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(h5saver, **options)
        self._enl_axes = named_axes(enl_axis_names, enl_axis_units)
        self._moving = moving_axes
        self._plans: Plans[_GrowingPlan] = Plans()

    def add_data(  # type: ignore[override]
        self,
        where: str | Node,
        data: DataLike,
        axis_values: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append one point, or a block of points.

        Data without navigation are one point. Data with one navigation axis are as many points as
        that axis has, and its positions are those of the growing axis.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataWithAxes
            Ours, or any like them. Not changed.
        axis_values : iterable of float, optional
            The positions of the point on the growing axes, one for each (an array for a block).
            Whether there are any is fixed by the first point.
        **kwargs
            More attributes of the arrays, at the first point.

        Raises
        ------
        ShapeError, DTypeError
            The data do not fit those before them; nothing was appended.
        StructureFrozenError
            SWMR is on and something new would be needed.
        StorageError, RemoteError
            Something could not be written; all arrays are as long as before.
        """
        session = self._h5saver.session
        plan = self._plans.look_up(where, session)
        rows = block_length(data)
        if axis_values is None and rows:
            axis_values = positions_of(data)
        if plan is None:
            plan = self._make_plan(where, as_data(data), axis_values is not None, kwargs)
        signal = plan.signals[0]
        if signal.watches and (moved := signal.moved(data.axes)):
            self.declare_moving(signal, moved)
            plan.renew()
        values: list[Any] = []
        take(signal, data, values, rows)
        values += plan.fit_axes(axis_values, rows)
        append_together(session, plan.buffers, values, rows or 1)

    def _make_plan(
        self, where: str | Node, data: DataWithAxes, with_axes: bool, attrs: dict[str, Any]
    ) -> _GrowingPlan:
        group = self._get_group(where)
        with group.session.hold():
            signal = self.open_signal(group, data, attrs, self._enl_axes if with_axes else [])
            arrays = [self._axis_array(group, n) for n in range(len(self._enl_axes) * with_axes)]
            axes = [growing_slot(array) for array in arrays]
            plan = _GrowingPlan(where, group.session, [signal], axes)
            even_out(plan.slots())
        self._plans[point_key(where)] = plan
        return plan

    def _axis_array(self, group: GROUP, number: int) -> Node | None:
        return child(group, layout.array_name(DataType.axis, number))

    # -- one signal -----------------------------------------------------------------------------
    def open_signal(
        self,
        group: GROUP,
        data: DataWithAxes,
        attrs: dict[str, Any] | None = None,
        enl_axes: Sequence[Axis] = (),
    ) -> SignalPlan:
        """Find or create the growing arrays of a signal.

        Parameters
        ----------
        group : GROUP
            Where they are.
        data : DataWithAxes
            The first point, or a block.
        attrs : dict, optional
            More attributes of new arrays.
        enl_axes : sequence of Axis
            Growing axes to be made in the same group.

        Raises
        ------
        ShapeError, DTypeError
            What is there does not fit.
        StructureFrozenError
            It is missing and cannot be made now.
        """
        if layout.array_name(self.data_type, 0) not in group:
            self._create(group, data, attrs or {}, enl_axes)
        shape = _row_shape(data)
        slots = self._slots(group, self.data_type, shape)
        if len(slots) != len(data):
            raise SignalPlan(data.name, data.origin, group, slots, [], []).misfit(
                "arrays", len(slots), len(data)
            )
        bars = self._slots(group, DataType.error, shape)
        return SignalPlan(data.name, data.origin, group, slots, bars, self._watches(group))

    def _slots(self, group: GROUP, kind: DataType, shape: tuple[int, ...]) -> list[Slot]:
        slots = [growing_slot(array) for array in self._arrays_in(group, kind)]
        for slot in slots:
            if slot.shape != shape:
                raise ShapeError(
                    "the data have another shape than those in the file",
                    file=group.session.driver.location,
                    node=slot.node.path,
                    expected=str(slot.shape),
                    found=str(shape),
                    remedy="Save data of another shape in another group.",
                )
        return slots

    def _create(
        self,
        group: GROUP,
        data: DataWithAxes,
        attrs: dict[str, Any],
        enl_axes: Sequence[Axis],
    ) -> None:
        shape, signal_axes = _row_shape(data), _row_axes(data)
        dim = data.dim if not data.nav_indexes else _row_dim(shape, signal_axes)
        kinds = [(self.data_type, data.name, data.data)]
        if data.errors is not None:
            kinds.append((DataType.error, f"{data.name}_errors", data.errors))
        for kind, title, arrays in kinds:
            for number, array in enumerate(arrays):
                self._h5saver.add_array(
                    group,
                    layout.array_name(kind, number),
                    kind,
                    data_shape=shape,
                    array_type=array.dtype,
                    enlargeable=True,
                    data_dimension=dim,
                    title=title,
                    fill_value=layout.default_fill(array.dtype),
                    metadata=signal_attributes(data, number, (0,), "spread") | attrs,
                )
        names: list[list[str]] = [[] for _ in range(len(shape) + 1)]
        for axis in enl_axes:
            names[0].append(self._axis_saver.add_axis(group, axis, enlargeable=True).name)
        for axis in signal_axes:
            name = self._axis_saver.add_axis(group, axis).name
            names[axis.index].append(name)
            if self._moving:
                self._add_positions(group, name, axis)
        arrays_made = [layout.array_name(self.data_type, n) for n in range(len(data))]
        describe_signal(group, arrays_made, names)

    # -- axes that move -------------------------------------------------------------------------
    def _watches(self, group: GROUP) -> list[AxisWatch]:
        watches = []
        for node in self._arrays_in(group, DataType.axis):
            if isinstance(node, EARRAY):
                continue
            axis = self._axis_saver.load_axis(node)
            positions = child(group, node.name + POSITIONS)
            slot = growing_slot(positions) if isinstance(positions, EARRAY) else None
            watches.append(AxisWatch(axis, axis.index - 1, node.name, slot))
        return watches

    def declare_moving(self, signal: SignalPlan, watches: Iterable[AxisWatch]) -> None:
        """Make the arrays that keep the positions of axes that move.

        Parameters
        ----------
        signal : SignalPlan
            Whose axes.
        watches : iterable of AxisWatch
            Those that moved.

        Raises
        ------
        StructureFrozenError
            SWMR is on; ``moving_axes=True`` makes them beforehand.
        """
        group = signal.group
        assert isinstance(group, GROUP)
        session = group.session
        session.require_unfrozen("keep an axis that moves (see moving_axes=True)", group.path)
        for watch in watches:
            positions = self._add_positions(group, watch.name, watch.axis)
            # Rows of earlier points are fill values: they have the axis of the first point.
            length = len(signal.slots[0].buffer)
            if length:
                with session.lock:
                    session.driver.resize(positions.handle, length)
            watch.slot = growing_slot(positions)

    def _add_positions(self, group: GROUP, name: str, axis: Axis) -> EARRAY:
        dtype = np.result_type(axis.get_data().dtype, np.float32)
        return self._h5saver.create_earray(
            group,
            name + POSITIONS,
            dtype,
            (axis.size,),
            f"{axis.label} of every point",
            fill_value=np.array(np.nan, dtype)[()],
            metadata={
                "label": axis.label,
                "units": axis.units,
                "index": axis.index,
                "positions_of": name,
            },
        )


class _GrowingPlan(Plan):
    """One signal, with growing axes in its own group."""

    __slots__ = ("axes",)

    def __init__(
        self, where: str | Node, session: Any, signals: list[SignalPlan], axes: list[Slot]
    ) -> None:
        self.axes = axes
        super().__init__(where, session, signals)

    def renew(self) -> None:
        super().renew()
        self.buffers += [slot.buffer for slot in self.axes]

    def slots(self) -> list[Slot]:
        """Return all slots, in the order of the buffers."""
        return [s for signal in self.signals for s in signal.all_slots()] + self.axes

    def fit_axes(self, values: Iterable[Any] | None, rows: int) -> list[NDArray[Any]]:
        """Return the positions of a point on the growing axes, checked."""
        given = listed_positions(values)
        if len(given) != len(self.axes):
            raise self.signals[0].misfit("axis values", len(self.axes), len(given))
        return [
            slot.fit(value if rows else single(value, slot), rows)
            for slot, value in zip(self.axes, given, strict=True)
        ]


def take(signal: SignalPlan, data: DataLike, values: list[NDArray[Any]], rows: int) -> None:
    """Check one point, or a block of them, and add its values to a list."""
    if not rows:
        signal.take(data, values)
        return
    (nav,) = data.nav_indexes
    arrays = [_as_rows(np.moveaxis(array, nav, 0)) for array in data.data]
    if len(arrays) != len(signal.slots):
        raise signal.misfit("arrays", len(signal.slots), len(arrays))
    values.extend(s.fit(array, rows) for s, array in zip(signal.slots, arrays, strict=True))
    errors = data.errors
    if errors is not None:
        errors = [_as_rows(np.moveaxis(error, nav, 0)) for error in errors]
    signal.take_errors(errors, values, rows)
    signal.take_axes(_shifted(data.axes, nav), values, rows)


def _as_rows(array: NDArray[Any]) -> NDArray[Any]:
    """Return a block whose points are single values with an axis for these."""
    return array[:, np.newaxis] if array.ndim == 1 else array


def growing_slot(node: Node | None) -> Slot:
    """Return the way to the end of a growing array."""
    if not isinstance(node, EARRAY):
        raise NodeKindError(
            "points can be appended to growing arrays only",
            node=None if node is None else node.path,
            expected="EARRAY",
            found=type(node).__name__,
        )
    dtype = node.dtype
    buffer = node.session.rows(node.handle)
    return Slot(node, buffer, dtype, node.shape[1:], layout.default_fill(dtype))


def even_out(slots: Sequence[Slot]) -> None:
    """Cut growing arrays to the points that all of them have.

    A program that died in the middle of a point may have left one array longer than another.
    """
    lengths = [len(slot.buffer) for slot in slots]
    shortest = min(lengths, default=0)
    for slot, length in zip(slots, lengths, strict=True):
        if length > shortest:
            _log.warning(
                "%s: %s of %d rows belong to no complete point and are removed",
                slot.buffer.path,
                length - shortest,
                length,
            )
            slot.buffer.retract(length - shortest)


def named_axes(names: Iterable[str], units: Iterable[str]) -> list[Axis]:
    """Return the growing axes of these names, still without positions."""
    labels, texts = _listed(names), _listed(units)
    if len(labels) != len(texts) or not labels:
        raise ShapeError(
            "every growing axis needs a name and a unit",
            expected="as many units as names, at least one",
            found=f"{len(labels)} names, {len(texts)} units",
        )
    return [
        Axis(label, unit, np.array([0.0, 1.0]), 0, spread_order=order)
        for order, (label, unit) in enumerate(zip(labels, texts, strict=True))
    ]


def listed_positions(values: Iterable[Any] | None) -> tuple[Any, ...]:
    """Return the positions of a point on the growing axes, none for None.

    Raises
    ------
    DTypeError
        It is a single number, which says not for which axis.
    """
    try:
        return () if values is None else tuple(values)
    except TypeError as exc:
        raise DTypeError(
            "axis_values are positions on all growing axes",
            expected="a sequence of numbers, one for each axis",
            found=repr(values),
        ) from exc


def _listed(texts: Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def single(value: Any, slot: Slot) -> Any:
    """Return one position as a value without axes: some programs give arrays of one."""
    if isinstance(value, np.ndarray) and value.shape == (1,) and not slot.shape:
        return value[0]
    return value


def block_length(data: DataLike) -> int:
    """Return how many points data are, 0 for one point without an axis for points.

    Raises
    ------
    DTypeError
        These are not data.
    ShapeError
        They have several navigation axes.
    """
    try:
        nav = data.nav_indexes
    except AttributeError:
        nav = as_data(data).nav_indexes  # says what it lacks
    if not nav:
        return 0
    indexes = list(nav)
    if len(indexes) != 1:
        raise ShapeError(
            f"the data {data.name!r} cannot be appended",
            expected="no navigation axis, or one",
            found=f"navigation along {tuple(indexes)}",
            remedy="Use DataExtendedSaver for grids.",
        )
    length = int(data.data[0].shape[indexes[0]])
    if not length:
        raise ShapeError(f"the data {data.name!r} have no points")
    return length


def positions_of(data: DataLike) -> list[NDArray[Any]]:
    """Return the positions of a block of points, counted where there is no axis."""
    (nav,) = data.nav_indexes
    axes = [as_axis(axis) for axis in data.axes if axis.index == nav]
    if not axes:
        return [np.arange(data.data[0].shape[nav], dtype=np.float64)]
    return [axis.get_data() for axis in sorted(axes, key=lambda axis: axis.spread_order)]


def _row_shape(data: DataWithAxes) -> tuple[int, ...]:
    """Return the shape of one point, at least ``(1,)``."""
    if not data.nav_indexes:
        return data.shape
    block_length(data)
    return data.sig_shape or (1,)


def _row_axes(data: DataWithAxes) -> list[Axis]:
    """Return copies of the signal axes as they are with the points along dimension 0."""
    if not data.nav_indexes:
        axes = [axis.copy() for axis in data.axes]
    else:
        axes = _shifted(data.axes, data.nav_indexes[0])
    for axis in axes:
        axis.index += 1
    return axes


def _shifted(axes: Sequence[AxisLike], nav: int) -> list[Axis]:
    """Return copies of the axes but that of one dimension, numbered without it."""
    result = []
    for axis in axes:
        if axis.index != nav:
            own = as_axis(axis).copy()
            own.index -= own.index > nav
            result.append(own)
    return result


def _row_dim(shape: tuple[int, ...], axes: Sequence[Axis]) -> DataDim:
    return DataDim.Data1D if shape == (1,) and axes else DataDim.of_shape(shape)
