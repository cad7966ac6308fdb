"""How the points of a scan get into one file: a grid that is filled, or arrays that grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import CARRAY, GROUP
from savers import layout
from savers.axis import AxisSaverLoader
from savers.data import Axis, DataToExport
from savers.enums import DataDistribution, DataType
from savers.export_enlargeable import DataToExportEnlargeableSaver
from savers.export_extended import DataToExportExtendedSaver, point_times
from savers.low_level import H5SaverLowLevel
from savers.management import attribute, child
from savers.plan import POINT_TIMES
from savers.scan.axes import ScanAxes, ScanKind, require_same
from savers.scan.signals import SignalKey
from savers.timed import DataToExportTimedSaver

__all__ = [
    "GridRecording",
    "GrowingRecording",
    "Recording",
    "arrays_in",
    "grid_points",
    "grown_points",
    "nav_axes",
    "record",
    "require_same_axes",
    "signals_in",
]


class Recording(Protocol):
    """Takes the points of a scan."""

    @property
    def saver(self) -> H5SaverLowLevel:
        """The file that is written at present."""

    @property
    def group(self) -> str:
        """Path of the scan's group."""

    @property
    def file(self) -> str:
        """Where to read all of the scan."""

    def makes_arrays(self, place: tuple[Any, ...]) -> bool:
        """Tell whether arrays will be made for the next point, if it is this one."""

    def write(self, place: tuple[Any, ...], bundle: DataToExport) -> None:
        """Write one point: at its indexes in a grid, or behind the others with its position."""

    def completed(self) -> NDArray[Any]:
        """Return the points that are written, their indexes or their positions, one a row."""

    def signals(self) -> dict[SignalKey, str]:
        """Return the signals that the points have, with their units; none before the first."""

    def close(self) -> None:
        """Write everything, and close what was opened for the scan."""


class _InOneFile:
    """What both kinds have in common.

    Parameters
    ----------
    saver : H5SaverLowLevel
        The open file.
    group : str
        The group of the scan in there.
    owned : bool
        Whether the file is closed with the scan.
    """

    def __init__(self, saver: H5SaverLowLevel, group: str, owned: bool) -> None:
        self.saver = saver
        self.group = group
        self.file = saver.filename
        self._owned = owned
        self._untouched = True

    def makes_arrays(self, place: tuple[Any, ...]) -> bool:
        """Tell whether arrays will be made for the next point, if it is this one."""
        return self._untouched

    def signals(self) -> dict[SignalKey, str]:
        """Return the signals that the points have, with their units; none before the first."""
        return signals_in(self._node())

    def close(self) -> None:
        """Write everything, and close the file if it was opened for the scan."""
        if self._owned:
            self.saver.close_file()
        elif self.saver.isopen():
            self.saver.flush()

    def _node(self) -> GROUP:
        node = self.saver.get_node(self.group)
        assert isinstance(node, GROUP)
        return node


class GridRecording(_InOneFile):
    """Points with indexes, in arrays of the shape of the scan."""

    def __init__(
        self,
        saver: H5SaverLowLevel,
        group: str,
        owned: bool,
        axes: ScanAxes,
        **options: Any,
    ) -> None:
        super().__init__(saver, group, owned)
        self._rank = len(axes.shape)
        spread = axes.kind is ScanKind.LIST
        self._distribution = DataDistribution.spread if spread else DataDistribution.uniform
        self._data = DataToExportExtendedSaver(saver, axes.shape, **options)
        self._data.add_nav_axes(group, axes.axes)

    def write(self, place: tuple[int, ...], bundle: DataToExport) -> None:
        """Write one point at its indexes."""
        self._data.add_data(self.group, bundle, place, self._distribution)
        self._untouched = False

    def completed(self) -> NDArray[np.intp]:
        """Return the indexes of the points that are written, one point a row."""
        return grid_points(self._node(), self._rank)


class GrowingRecording(_InOneFile):
    """Points one behind the other, each with its position or its time."""

    def __init__(
        self,
        saver: H5SaverLowLevel,
        group: str,
        owned: bool,
        axes: ScanAxes,
        **options: Any,
    ) -> None:
        super().__init__(saver, group, owned)
        self._width = len(axes.axes) or 1
        self._data: DataToExportTimedSaver | DataToExportEnlargeableSaver
        if axes.kind is ScanKind.LOG:
            self._data = DataToExportTimedSaver(saver, **options)
        else:
            units = [axis.units for axis in axes.axes]
            self._data = DataToExportEnlargeableSaver(saver, axes.labels, units, **options)

    def write(self, place: tuple[float, ...], bundle: DataToExport) -> None:
        """Append one point."""
        if isinstance(self._data, DataToExportTimedSaver):
            self._data.add_data(self.group, bundle)
        else:
            self._data.add_data(self.group, bundle, place)
        self._untouched = False

    def completed(self) -> NDArray[np.float64]:
        """Return the positions of the points that are written (their times), one point a row."""
        return grown_points(self._node(), self._width)


def grid_points(group: GROUP, rank: int) -> NDArray[np.intp]:
    """Return the indexes of the points of a grid that are written, one point a row."""
    if child(group, POINT_TIMES) is None:
        return np.empty((0, rank), np.intp)
    return np.argwhere(np.isfinite(point_times(group)))


def grown_points(group: GROUP, width: int) -> NDArray[np.float64]:
    """Return the positions on the growing axes that are written, one point a row."""
    nav = child(group, layout.NAV_AXES)
    if not isinstance(nav, GROUP):
        return np.empty((0, width))
    nodes = [nav.get_child(layout.array_name(DataType.axis, n)) for n in range(width)]
    columns = [node.read() for node in nodes if isinstance(node, CARRAY)]
    # A program that was killed may have left one longer than another.
    length = min([len(column) for column in columns] + _lengths(group))
    return np.stack([column[:length] for column in columns], axis=1)


def record(
    saver: H5SaverLowLevel,
    group: str,
    axes: ScanAxes,
    owned: bool = True,
    fill_value: Any = None,
    moving_axes: bool = False,
) -> GridRecording | GrowingRecording:
    """Return the way to write a scan into a group of an open file.

    Parameters
    ----------
    saver, group, owned
        See the classes.
    axes : ScanAxes
        Those of the scan.
    fill_value, moving_axes
        See :class:`savers.extended.DataExtendedSaver`.
    """
    if axes.grows:
        return GrowingRecording(saver, group, owned, axes, moving_axes=moving_axes)
    return GridRecording(saver, group, owned, axes, fill_value=fill_value, moving_axes=moving_axes)


def arrays_in(group: GROUP) -> dict[SignalKey, list[CARRAY]]:
    """Return the arrays of each signal of a scan, by its origin and name."""
    found: dict[SignalKey, list[CARRAY]] = {}
    wanted = {DataType.data.name, DataType.data_enlargeable.name}
    for dim in _groups(group):
        for channel in _groups(dim):
            for node in channel.children().values():
                if isinstance(node, CARRAY) and attribute(node, "data_type") in wanted:
                    key = (str(attribute(node, "origin", "")), node.title)
                    found.setdefault(key, []).append(node)
    return found


def signals_in(group: GROUP) -> dict[SignalKey, str]:
    """Return the signals of a scan that was begun, with their units."""
    return {
        key: str(attribute(arrays[0], "units", "")) for key, arrays in arrays_in(group).items()
    }


def nav_axes(saver: H5SaverLowLevel, group: GROUP) -> list[Axis]:
    """Return the axes of a scan in a file; those that grow without their positions."""
    nav = child(group, layout.NAV_AXES)
    if not isinstance(nav, GROUP):
        return []
    loader = AxisSaverLoader(saver)
    return [
        Axis(axis.label, axis.units, spread_order=axis.spread_order)
        if attribute(node, "CLASS") == "EARRAY"
        else axis
        for node in nav.children().values()
        for axis in [loader.load_axis(node)]
    ]


def require_same_axes(saver: H5SaverLowLevel, group: GROUP, axes: ScanAxes) -> None:
    """Refuse to go on with a scan that has other axes.

    Raises
    ------
    ShapeError
    """
    found = nav_axes(saver, group)
    if not found:
        return  # it had only been begun
    wanted: Sequence[Axis] = axes.axes
    if axes.kind is ScanKind.LOG:
        wanted = [Axis("time", "s")]
    elif axes.kind is ScanKind.CHOSEN:
        wanted = [Axis(a.label, a.units, spread_order=n) for n, a in enumerate(wanted)]
    require_same(wanted, found, saver.filename, group.path)


def _groups(group: GROUP) -> list[GROUP]:
    return [
        node
        for name, node in group.children().items()
        if isinstance(node, GROUP) and name != layout.NAV_AXES
    ]


def _lengths(group: GROUP) -> list[int]:
    """Return the lengths of all growing arrays of the signals of a scan."""
    arrays = [array for several in arrays_in(group).values() for array in several]
    times = child(group, POINT_TIMES)
    if isinstance(times, CARRAY):
        arrays.append(times)
    return [array.shape[0] for array in arrays]
