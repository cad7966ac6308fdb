"""AxisSaverLoader: axes as arrays, and which axes belong to which data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import DataError, NodeKindError
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node
from savers import layout
from savers.data import Axis
from savers.enums import DataDim, DataType, member
from savers.interchange import AxisLike, as_axis
from savers.management import DataManagement, attribute, fresh

__all__ = ["AxisSaverLoader", "axis_key"]

_FIRST = "first_data"
_LAST = "last_data"
"""On an axis in a group with several data: the numbers of the first and last one it is for."""

_GUESS = 2**40


def axis_key(axis: Axis) -> tuple[object, ...]:
    """Return something that two axes share exactly if they say the same."""
    data = np.ascontiguousarray(axis.get_data())
    digest = hashlib.blake2b(data.view(np.uint8).data, digest_size=16).digest()
    return (axis.label, axis.units, axis.index, axis.spread_order, data.dtype.str, digest)


class AxisSaverLoader(DataManagement):
    """Saves and loads axes.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``axis``.
    """

    data_type = DataType.axis

    def add_axis(
        self,
        where: str | Node,
        axis: AxisLike,
        enlargeable: bool = False,
        *,
        metadata: dict[str, Any] | None = None,
    ) -> CARRAY | EARRAY:
        """Save an axis as the next axis array of a group.

        Parameters
        ----------
        where : str or Node
            The group.
        axis : Axis
            Ours, or any like it. Not changed.
        enlargeable : bool
            Make an empty array that positions are appended to; of `axis` only the type of its
            data is taken.
        metadata : dict, optional
            More attributes.

        Returns
        -------
        CARRAY or EARRAY, shape (size,)

        Raises
        ------
        DTypeError
            This is not like an axis.
        StructureFrozenError, ReadOnlyError
        """
        own = as_axis(axis)
        group = self._get_group(where)
        values = own.get_data()
        linear = not enlargeable and own.is_axis_linear() and own.size > 0
        attrs: dict[str, Any] = {
            "size": 0 if enlargeable else int(values.size),
            "label": own.label,
            "units": own.units,
            "index": own.index,
            "offset": own.offset if linear else None,
            "scaling": own.scaling if linear else None,
            "distribution": "uniform" if linear else "spread",
            "spread_order": own.spread_order,
            "long_name": f"{own.label} ({own.units})" if own.units else own.label,
            **(metadata or {}),
        }
        with group.session.hold():
            number = self._numbers.following(group, self.data_type)
            array = self._h5saver.add_array(
                group,
                layout.array_name(self.data_type, number),
                self.data_type,
                array_to_save=values,
                data_dimension=DataDim.Data1D,
                enlargeable=enlargeable,
                title=own.label,
                metadata=attrs,
            )
            self._numbers.used(group, self.data_type, number)
        return array

    def load_axis(self, where: str | Node) -> Axis:
        """Return the axis that an array holds.

        Parameters
        ----------
        where : str or Node
            The array.

        Raises
        ------
        NodeKindError
            It is not an array, or not one of an axis.
        """
        node = self._get_node(where)
        facts = node.attrs.to_dict()
        if not isinstance(node, CARRAY) or facts.get("data_type") != self.data_type.name:
            raise NodeKindError(
                "this node does not hold an axis",
                file=node.session.driver.location,
                node=node.path,
                expected="an array with data_type 'axis'",
                found=f"{type(node).__name__} with data_type {facts.get('data_type')!r}",
            )
        return _axis_of(facts, fresh(node).read())

    def get_axes(self, where: str | Node) -> list[Axis]:
        """Return the axes in a group; of an array of data, those that belong to it.

        Parameters
        ----------
        where : str or Node
            A group, or an array in one.

        Returns
        -------
        list of Axis
            By the number of their arrays.
        """
        node = self._get_node(where)
        if isinstance(node, GROUP):
            return [self.load_axis(array) for array in self._arrays_in(node)]
        return self.axes_of(node)

    def axes_of(self, data: Node, kind: DataType | None = None) -> list[Axis]:
        """Return the axes that belong to an array of data, looking at no others.

        Parameters
        ----------
        data : Node
            The array.
        kind : DataType, optional
            What it holds; by default what its attribute says.
        """
        return [self.load_axis(array) for array in self.arrays_of(data, kind)]

    def arrays_of(self, data: Node, kind: DataType | None = None) -> list[Node]:
        """Return the arrays of the axes that belong to an array of data.

        Parameters
        ----------
        data, kind
            See :meth:`axes_of`.
        """
        group = data.parent_node
        if group is None:
            return []
        if kind is None:
            kind = member(DataType, attribute(data, "data_type", "data"))
        number = layout.array_number(kind, data.name)
        with group.session.lock:
            return self._axes_for(group, number or 0)

    def _axes_for(self, group: GROUP, number: int) -> list[Node]:
        """Return the arrays of the axes for the data of a number.

        The sets of axes follow one another as the data do, so the last one that begins no later
        is found by doubling and halving, and not by a walk.
        """

        def begins(place: int) -> bool:
            name = layout.array_name(self.data_type, place)
            return name in group and _number(self._axis(group, place), _FIRST) <= number

        last = _last_true(begins, number)
        if last < 0:
            return []
        axes = [self._axis(group, last)]
        first = _number(axes[0], _FIRST)
        for place in range(last - 1, -1, -1):
            axis = self._axis(group, place)
            if _number(axis, _FIRST) != first:
                break
            axes.insert(0, axis)
        end = attribute(axes[0], _LAST)
        return [] if isinstance(end, int) and number > end else axes

    def _axis(self, group: GROUP, number: int) -> Node:
        return group.get_child(layout.array_name(self.data_type, number))

    # -- several data in one group --------------------------------------------------------------
    def following(self, group: GROUP) -> int:
        """Return the number that the next axis in a group gets."""
        return self._numbers.following(group, self.data_type)

    def add_axes_of(self, group: GROUP, axes: Sequence[Axis], first_data: int) -> list[str]:
        """Save the axes of data, unless the data before them have the same.

        Parameters
        ----------
        group : GROUP
            Where the data are.
        axes : sequence of Axis
            Theirs.
        first_data : int
            Number of their first array.

        Returns
        -------
        list of str
            Names of the axis arrays.
        """
        following = self._numbers.following(group, self.data_type)
        present = self._present(group, following)
        wanted = [axis_key(axis) for axis in axes]
        if following and wanted == [key for _, key in present]:
            return [name for name, _ in present]
        attrs = {_FIRST: first_data} if first_data else {}
        arrays = [self.add_axis(group, axis, metadata=attrs) for axis in axes]
        for name, _ in present:
            node = group.get_child(name)
            if _LAST not in node.attrs:
                node.attrs[_LAST] = first_data - 1
        names = [array.name for array in arrays]
        self._last_set = (
            group.session,
            group.path,
            following + len(axes),
            list(zip(names, wanted, strict=True)),
        )
        return names

    _last_set: tuple[object, str, int, list[tuple[str, tuple[object, ...]]]] | None = None

    def _present(self, group: GROUP, following: int) -> list[tuple[str, tuple[object, ...]]]:
        """Return name and content of the axes that the latest data of a group have."""
        if not following:
            return []
        known = self._last_set
        if known is not None and known[:3] == (group.session, group.path, following):
            return known[3]
        nodes = self._axes_for(group, 2**62)
        return [(node.name, axis_key(self.load_axis(node))) for node in nodes]


def _number(node: Node, name: str) -> int:
    value = attribute(node, name, 0)
    return value if isinstance(value, int) else 0


def _last_true(holds: Callable[[int], bool], guess: int) -> int:
    """Return the last place where something holds that holds up to there, -1 for nowhere."""
    if not holds(0):
        return -1
    low, step = 0, 1
    if holds(1):
        low = guess if 1 < guess < _GUESS and holds(guess) else 1
        while holds(low + step):
            low += step
            step *= 2
    high = low + step  # holds at low, not at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _axis_of(facts: dict[str, Any], data: NDArray[Any]) -> Axis:
    """Make an axis of what an array and its attributes say; PyMoDAQ's may have other shapes."""
    try:
        index, order = int(facts.get("index", 0)), int(facts.get("spread_order", 0))
    except (TypeError, ValueError):
        index = order = 0
    label = facts.get("label", facts.get("TITLE", ""))
    try:
        return Axis(
            str(label), str(facts.get("units", "")), data.reshape(-1), index, spread_order=order
        )
    except DataError:
        return Axis(str(label), str(facts.get("units", "")), data.reshape(-1))
