"""DataLoader: data from a file, complete with the navigation axes that a whole scan shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import NodeNotFoundError
from h5backends.nodes import CARRAY, GROUP, Node
from savers import layout
from savers.axis import AxisSaverLoader
from savers.data import Axis, DataToExport, DataWithAxes
from savers.enums import DataType
from savers.lazy import first_points
from savers.low_level import H5SaverLowLevel
from savers.management import Openable, attribute, child, open_saver
from savers.plan import POSITIONS
from savers.signal import DataSaverLoader

__all__ = ["DataLoader", "DataNotFoundError"]

_LOADED = frozenset({DataType.data.name, DataType.data_enlargeable.name})


class DataNotFoundError(NodeNotFoundError, NameError):
    """No data of this name and origin."""


class DataLoader:
    """Loads data, with navigation axes and background.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to read.
    swmr_mode : bool
        For a path: follow a file while it is written.
    **options
        For a path, see :func:`savers.management.open_saver`: ``backend=``, and so on.

    Raises
    ------
    FileError
        The file cannot be read.

    Examples
    --------
    >>> with DataLoader("scan.h5") as loader:                      # doctest: +SKIP
    ...     image = loader.load_data("/RawData/Scan000/Data2D/CH00/Data00")
    """

    def __init__(self, h5saver: Openable, swmr_mode: bool = False, **options: Any) -> None:
        if isinstance(h5saver, (str, Path)):
            options = {"mode": "r", "swmr_mode": swmr_mode, **options}
        self.h5saver = open_saver(h5saver, **options)

    @property
    def h5saver(self) -> H5SaverLowLevel:
        """The saver underneath; may be replaced by another."""
        return self._h5saver

    @h5saver.setter
    def h5saver(self, h5saver: H5SaverLowLevel) -> None:
        self._h5saver = h5saver
        self._axis_loader = AxisSaverLoader(h5saver)
        self._data_loader = DataSaverLoader(h5saver)

    @property
    def raw_group(self) -> GROUP:
        """The group that data are in."""
        return self._h5saver.raw_group

    def close_file(self) -> None:
        """Close the file."""
        self._h5saver.close_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_file()

    def walk_nodes(
        self, where: str | Node = "/", depth: int | None = None, only_groups: bool = False
    ) -> Iterator[Node]:
        """Iterate over the nodes at and below a place, level by level."""
        return self._h5saver.walk_nodes(where, depth, only_groups)

    def get_node(self, where: str | Node, name: str | None = None) -> Node:
        """Return a node, see :meth:`h5backends.backend.H5Backend.get_node`."""
        return self._h5saver.get_node(where, name)

    def get_nav_group(self, where: str | Node) -> GROUP | None:
        """Return the group of navigation axes that is nearest above a node.

        Parameters
        ----------
        where : str or Node

        Returns
        -------
        GROUP or None
            None if there is none up to the root.
        """
        node: Node | None = self.get_node(where)
        while node is not None:
            if isinstance(node, GROUP):
                found = child(node, layout.NAV_AXES)
                if isinstance(found, GROUP):
                    return found
            node = node.parent_node
        return None

    def load_data(
        self,
        where: str | Node,
        with_bkg: bool = False,
        load_all: bool = False,
        lazy: bool = False,
    ) -> DataWithAxes:
        """Return the data that an array holds, with signal and navigation axes.

        Only the array and what belongs to it are looked at, so the cost does not depend on how
        much else is in the file. Where a file is being written, or its writer died, arrays and
        axes are cut to the points that all of them have.

        Parameters
        ----------
        where, with_bkg, load_all, lazy
            See :meth:`savers.signal.DataSaverLoader.load_data`.

        Returns
        -------
        DataWithAxes
            Dimensions without a saved axis have one that counts points.

        Raises
        ------
        NodeNotFoundError, NodeKindError
            There is no such array, or it does not hold data.
        """
        data = self._data_loader.load_data(where, with_bkg, load_all, lazy)
        if data.nav_indexes:
            group = self.get_nav_group(where)
            if group is not None:
                data = _with_navigation(data, self._axis_loader.get_axes(group), lazy)
        data.create_missing_axes()
        return data

    def load_axis_positions(self, where: str | Node) -> dict[str, NDArray[Any]]:
        """Return the positions of the signal axes that changed from point to point.

        Parameters
        ----------
        where : str or Node
            The array of the data.

        Returns
        -------
        dict of ndarray, shape (points..., size)
            By the label of the axis; empty if none changed. The axes of the loaded data
            themselves are those of the first point.
        """
        node = self.get_node(where)
        group = node.parent_node
        found: dict[str, NDArray[Any]] = {}
        if group is None:
            return found
        for axis in self._axis_loader.arrays_of(node):
            moved = child(group, axis.name + POSITIONS)
            if isinstance(moved, CARRAY) and isinstance(axis, CARRAY):
                first = axis.read()
                positions = moved.read().reshape(*_points(moved.shape, first.size), first.size)
                # Points that had the axis of the first one were not written.
                same = np.isnan(positions).all(axis=-1, keepdims=True)
                found[str(axis.attrs.get("label", ""))] = np.where(same, first, positions)
        return found

    def load_all(
        self,
        where: str | Node,
        data: DataToExport | None = None,
        with_bkg: bool = False,
        lazy: bool = False,
    ) -> DataToExport:
        """Return all data at and below a place.

        Parameters
        ----------
        where : str or Node
            A group, or one array.
        data : DataToExport, optional
            A bundle to add them to.
        with_bkg, lazy
            See :meth:`load_data`.

        Returns
        -------
        DataToExport
            One for each name and origin in each group, its arrays together.
        """
        bundle = DataToExport("Loaded data") if data is None else data
        node = self.get_node(where)
        found = list(self._found(node, with_bkg, lazy))
        for dwa in found:
            dwa.origin = dwa.origin or node.name
        bundle.data = [*bundle.data, *found]
        return bundle

    def _found(self, node: Node, with_bkg: bool, lazy: bool) -> Iterator[DataWithAxes]:
        if not isinstance(node, GROUP):
            if attribute(node, "data_type") in _LOADED:
                yield self.load_data(node, with_bkg, True, lazy)
            return
        seen = set()
        for item in node.children().values():
            if isinstance(item, GROUP):
                yield from self._found(item, with_bkg, lazy)
            elif attribute(item, "data_type") in _LOADED:
                same = (item.title, attribute(item, "origin", ""))
                if same not in seen:
                    seen.add(same)
                    yield self.load_data(item, with_bkg, True, lazy)

    def load_data_from_name_origin(
        self,
        name: str,
        origin: str = "",
        where: str | Node | None = None,
        with_bkg: bool = False,
        load_all: bool = True,
        lazy: bool = False,
    ) -> DataWithAxes:
        """Return the first data of a name and origin.

        Parameters
        ----------
        name : str
            Name of the data.
        origin : str
            Where they come from; empty for anywhere.
        where : str or Node, optional
            Where to look, by default in the raw group.
        with_bkg, load_all, lazy
            See :meth:`load_data`.

        Raises
        ------
        DataNotFoundError
            There are none; it is a ``NameError``, too.
        """
        start = self.raw_group if where is None else self.get_node(where)
        for node in self.walk_nodes(start):
            if isinstance(node, GROUP) or node.title != name:
                continue
            facts = node.attrs.to_dict()
            if facts.get("data_type") in _LOADED and origin in ("", facts.get("origin")):
                return self.load_data(node, with_bkg, load_all, lazy)
        raise DataNotFoundError(
            f"there are no data of the name {name!r}" + (f" and origin {origin!r}" * bool(origin)),
            file=self._h5saver.filename,
            node=start.path,
        )


def _points(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return the axes of points in an array of positions; single ones have no axis there."""
    return shape[:-1] if size != 1 or shape[-1:] == (1,) else shape


def _with_navigation(data: DataWithAxes, axes: Sequence[Axis], lazy: bool) -> DataWithAxes:
    """Return data with the shared axes that fit them, all cut to the points that all have."""
    shared = [axis.copy() for axis in axes if axis.index < len(data.nav_indexes)]
    for axis in shared:
        axis.index = data.nav_indexes[axis.index]
    own = {(axis.index, axis.spread_order) for axis in data.axes}
    shared = [a for a in shared if (a.index, a.spread_order) not in own]
    growing = "EARRAY" if data.nav_indexes == (0,) else ""
    if growing and shared:
        length = min(axis.size for axis in shared if axis.index == 0)
        if 0 < length < data.shape[0]:
            data = _shortened(data, length, lazy)
    kept = []
    for axis in shared:
        length = data.shape[axis.index]
        if axis.size > length:
            axis.data = axis.get_data()[:length]
        if axis.size == length:
            kept.append(axis)
    data.axes = [*data.axes, *kept]
    return data


def _shortened(data: DataWithAxes, length: int, lazy: bool) -> DataWithAxes:
    """Return data with the first points only; none of them is read if they are loaded lazily."""
    axes = [axis.copy() for axis in data.axes]
    for axis in axes:
        if axis.index == 0:
            axis.data = axis.get_data()[:length]
    if lazy:
        data._data = [first_points(array, length) for array in data.data]
        if data._errors is not None:
            data._errors = [first_points(array, length) for array in data._errors]
        data.axes = axes
        return data
    errors = None if data.errors is None else [e[:length] for e in data.errors]
    arrays = [a[:length] for a in data.data]
    result = data.copy()
    result._errors, result._axes = None, []
    result.data = arrays
    result.errors = errors
    result.axes = axes
    return result
