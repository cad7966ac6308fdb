"""DataSaverLoader: data with their axes and error bars as arrays of a group, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import H5Error, NodeKindError, ShapeError
from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node
from savers import layout
from savers.axis import AxisSaverLoader
from savers.data import Axis, DataWithAxes
from savers.enums import DataDim, DataSource, DataType, SaveType, UnknownNameError, member
from savers.interchange import DataLike, as_data
from savers.lazy import in_file
from savers.management import DataManagement, Openable, attribute, child, fresh
from savers.viewers import describe_signal

__all__ = ["DataSaverLoader", "signal_attributes"]


def signal_attributes(
    data: DataWithAxes, number: int, nav_indexes: Iterable[int], distribution: str
) -> dict[str, Any]:
    """Return the attributes of the array that holds one of the arrays of data.

    Parameters
    ----------
    data : DataWithAxes
        The data.
    number : int
        Which of its arrays.
    nav_indexes : iterable of int
        Navigation dimensions of the array in the file.
    distribution : str
        ``"uniform"`` or ``"spread"``.
    """
    attrs = {
        "timestamp": float(data.timestamp),
        "label": data.labels[number],
        "source": data.source.name,
        "distribution": distribution,
        "origin": data.origin,
        "units": data.units,
        "nav_indexes": tuple(int(n) for n in nav_indexes),
    }
    extra = {name: getattr(data, name) for name in data.extra_attributes}
    return attrs | {name: v for name, v in extra.items() if name not in layout.DATA_ATTRIBUTES}


class DataSaverLoader(DataManagement):
    """Saves data into a group, and loads them.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    new_file : bool
        For a path: create the file, **replacing one that exists**.
    metadata : mapping, optional
        For a path: attributes of a new file's raw group.
    save_type : SaveType or str
        For a path: what the file is recorded for.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Attributes
    ----------
    data_type : DataType
        ``data``.

    Examples
    --------
    >>> from savers import DataRaw
    >>> with DataSaverLoader("spectra.h5", new_file=True) as saver:
    ...     saver.add_data("/RawData", DataRaw("spectrum", units="V", data=[np.arange(3.0)]))
    ...     saver.load_data("/RawData/Data00")
    DataWithAxes('spectrum', Data1D, 1 x (3,), units='V', origin='')
    """

    data_type: ClassVar[DataType] = DataType.data
    _error_type: ClassVar[DataType | None] = DataType.error

    def __init__(
        self,
        h5saver: Openable,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        save_type: SaveType | str = SaveType.custom,
        **options: Any,
    ) -> None:
        super().__init__(h5saver, new_file, metadata, save_type, **options)
        self._axis_saver = AxisSaverLoader(self._h5saver)
        self._described: set[tuple[int, str]] = set()

    # -- saving ---------------------------------------------------------------------------------
    def add_data(
        self, where: str | Node, data: DataLike, save_axes: bool = True, **kwargs: Any
    ) -> None:
        """Save data as the next arrays of a group, with axes and error bars.

        Axes that are the same as those of the data before them are not saved again.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataWithAxes
            Ours, or any like them. Not changed.
        save_axes : bool
            Whether to save the axes.
        **kwargs
            More attributes of the arrays.

        Raises
        ------
        DTypeError, ShapeError, AttributeValueError
            These are not data, or something in them cannot be stored.
        NodeNotFoundError, NodeKindError
            There is no such group.
        StructureFrozenError, ReadOnlyError, FileClosedError
            Nothing can be added to the file now.
        """
        dwa = as_data(data)
        group = self._get_group(where)
        attrs = [
            signal_attributes(dwa, number, dwa.nav_indexes, dwa.distribution.name) | kwargs
            for number in range(len(dwa))
        ]
        with group.session.hold(), self.all_or_nothing(group):
            first = self._numbers.following(group, self.data_type)
            self._add_arrays(group, (self.data_type, first), dwa.name, dwa.dim, dwa.data, attrs)
            axes = []
            if save_axes:
                axes = self._axis_saver.add_axes_of(group, dwa.axes, first)
            if dwa.errors is not None and self._error_type is not None:
                place = (self._error_type, first)
                name = f"{dwa.name}_errors"
                self._add_arrays(group, place, name, dwa.dim, dwa.errors, attrs)
            self._describe(group, first, dwa, axes)

    @contextmanager
    def all_or_nothing(self, group: GROUP) -> Iterator[None]:
        """Remove what was saved into a group so far if it is not saved to the end.

        Parameters
        ----------
        group : GROUP
            Where data are about to be saved.
        """
        first = self._numbers.following(group, self.data_type)
        starts = {self.data_type: first, DataType.axis: self._axis_saver.following(group)}
        if self._error_type is not None:
            starts[self._error_type] = first
        try:
            yield
        except BaseException:  # also where the user interrupts it
            with suppress(H5Error):
                for kind, number in starts.items():
                    while (name := layout.array_name(kind, number)) in group:
                        self._h5saver.remove_node(group, name)
                        number += 1  # noqa: PLW2901 - counts on from there
            raise

    def _add_arrays(
        self,
        group: GROUP,
        place: tuple[DataType, int],
        name: str,
        dim: DataDim,
        arrays: list[NDArray[Any]],
        attrs: list[dict[str, Any]],
    ) -> None:
        """Create the arrays of one kind, from a number on."""
        kind, first = place
        for number, array in enumerate(arrays):
            self._h5saver.add_array(
                group,
                layout.array_name(kind, first + number),
                kind,
                array,
                data_dimension=dim,
                title=name,
                metadata=attrs[number],
            )
            self._numbers.used(group, kind, first + number)

    def _describe(self, group: GROUP, first: int, dwa: DataWithAxes, axes: list[str]) -> None:
        """Tell other viewers what to plot, once for each group."""
        key = (id(group.session), group.path)
        if key in self._described:
            return
        self._described.add(key)
        names = [layout.array_name(self.data_type, first + n) for n in range(len(dwa))]
        dims: list[list[str]] = [[] for _ in dwa.shape]
        for name, axis in zip(axes, dwa.axes, strict=False):
            dims[axis.index].append(name)
        describe_signal(group, names, dims)

    # -- loading --------------------------------------------------------------------------------
    def get_axes(self, where: str | Node) -> list[Axis]:
        """Return the axes in a group, or those that belong to an array of data.

        Parameters
        ----------
        where : str or Node
        """
        return self._axis_saver.get_axes(where)

    def get_bkg_nodes(self, where: str | Node) -> list[CARRAY]:
        """Return the arrays of background in a group, by their number."""
        return self._arrays_in(self._get_group(where), DataType.bkg)

    def get_data_arrays(
        self, where: str | Node, with_bkg: bool = False, load_all: bool = False
    ) -> list[NDArray[Any]]:
        """Return the values of an array, or of all arrays of its kind beside it.

        Parameters
        ----------
        where : str or Node
            The array, or a group for its first array of data.
        with_bkg : bool
            Whether to subtract the background that was saved with it.
        load_all : bool
            Whether to return all arrays of this kind, name and origin in the group.

        Returns
        -------
        list of ndarray
        """
        nodes, kind = self._chosen(where, load_all)
        nodes = [fresh(node) for node in nodes]
        return [_squeezed(a, n, ()) for n, a in self._values(nodes, kind, with_bkg)]

    def load_data(
        self,
        where: str | Node,
        with_bkg: bool = False,
        load_all: bool = False,
        lazy: bool = False,
    ) -> DataWithAxes:
        """Return the data that an array holds, with the axes beside it.

        Navigation axes that a whole scan shares are not among them, see
        :class:`savers.loader.DataLoader`. The path of the array is the extra attribute ``path``.

        Parameters
        ----------
        where : str or Node
            The array, or a group for its first array of data.
        with_bkg : bool
            Whether to subtract the background that was saved with it.
        load_all : bool
            Whether to load all arrays of this kind, name and origin in the group as one.
        lazy : bool
            Whether to leave the values in the file: the arrays of the data slice then, for as long
            as the file is open, see :func:`savers.lazy.in_file`.

        Returns
        -------
        DataWithAxes

        Raises
        ------
        NodeNotFoundError, NodeKindError
            There is no such array, or it does not hold data.
        ShapeError
            The arrays disagree; a background is asked for lazily.
        """
        nodes, kind = self._chosen(where, load_all)
        nodes = [fresh(node) for node in nodes]
        first = nodes[0]
        facts = first.attrs.to_dict()
        axes = [] if kind is DataType.axis else self._axis_saver.axes_of(first, kind)
        errors = [fresh(node) for node in self._errors_of(nodes, kind)]
        if lazy and with_bkg:
            raise ShapeError(
                "a background cannot be subtracted from values that stay in the file",
                node=first.path,
                remedy="Leave out lazy=True, or with_bkg=True.",
            )
        if lazy:
            arrays = [np.broadcast_to(np.zeros((), n.dtype), n.shape) for n in nodes]
            bars = [np.broadcast_to(np.zeros((), n.dtype), n.shape) for n in errors]
        else:
            pairs = self._values(nodes, kind, with_bkg)
            arrays = [_squeezed(array, node, axes) for node, array in pairs]
            bars = [_squeezed(node.read(), node, axes) for node in errors]
        labels = [str(facts.get("label", first.title))]
        labels += [str(attribute(node, "label", node.title)) for node in nodes[1:]]
        data = _assemble(facts, first.path, arrays, bars, axes, labels)
        if lazy:
            # Where an array has more points than another, all are cut to those that all have.
            points = data.shape[0] if facts.get("CLASS") == "EARRAY" else None
            data._data = [in_file(node, points) for node in nodes]
            data._errors = [in_file(node, points) for node in errors] or None
        return data

    def _chosen(self, where: str | Node, load_all: bool) -> tuple[list[CARRAY], DataType]:
        """Return the arrays that are meant, and what they hold."""
        node = self._get_node(where)
        if isinstance(node, GROUP):
            node = self._first_in(node)
        kind = _kind_of(node)
        if not isinstance(node, CARRAY) or isinstance(node, VLARRAY) or kind is None:
            raise NodeKindError(
                "this node does not hold data",
                file=node.session.driver.location,
                node=node.path,
                expected="an array with a data_type",
                found=f"{type(node).__name__} with data_type {node.attrs.get('data_type')!r}",
            )
        parent = node.parent_node
        if not load_all or parent is None:
            return [node], kind
        same = _name_origin(node)
        return [a for a in self._arrays_in(parent, kind) if _name_origin(a) == same], kind

    def _first_in(self, group: GROUP) -> Node:
        for kind in (self.data_type, DataType.data, DataType.data_enlargeable):
            node = child(group, layout.array_name(kind, 0))
            if node is not None:
                return node
        found = [
            a
            for kind in (DataType.data, DataType.data_enlargeable)
            for a in self._arrays_in(group, kind)
        ]
        if not found:
            raise self._missing(group, "there are no data in this group")
        return found[0]

    def _values(
        self, nodes: list[CARRAY], kind: DataType, with_bkg: bool
    ) -> list[tuple[CARRAY, NDArray[Any]]]:
        pairs = []
        for node in nodes:
            values = node.read()
            bkg = self._beside(node, kind, DataType.bkg) if with_bkg else None
            pairs.append((node, values if bkg is None else values - bkg.read()))
        return pairs

    def _errors_of(self, nodes: list[CARRAY], kind: DataType) -> list[CARRAY]:
        """Return the error bars of arrays of data, nothing unless all have some."""
        if kind in (DataType.error, DataType.axis):
            return []
        found = [self._beside(node, kind, DataType.error) for node in nodes]
        bars = [e for e, node in zip(found, nodes, strict=True) if e is not None]
        return bars if len(bars) == len(nodes) else []

    def _beside(self, node: Node, kind: DataType, other: DataType) -> CARRAY | None:
        """Return the array of another kind that has the number of this one."""
        number = layout.array_number(kind, node.name)
        parent = node.parent_node
        if number is None or parent is None:
            return None
        found = child(parent, layout.array_name(other, number))
        return found if isinstance(found, CARRAY) else None


def _name_origin(node: Node) -> tuple[str, object]:
    return str(attribute(node, "TITLE", "")), attribute(node, "origin", "")


def _kind_of(node: Node) -> DataType | None:
    try:
        return member(DataType, attribute(node, "data_type"))
    except UnknownNameError:
        return None


def _squeezed(values: NDArray[Any], node: Node, axes: Iterable[Axis]) -> NDArray[Any]:
    """Take away the axis of length one that growing arrays of single values have."""
    nav = _nav_indexes(attribute(node, "nav_indexes"))
    if not values.ndim:
        return values.reshape(1)
    signal = [n for n in range(values.ndim) if n not in nav]
    if len(signal) != 1 or values.ndim == 1 or values.shape[signal[0]] != 1:
        return values
    if any(axis.index == signal[0] for axis in axes):
        return values  # with an axis of its own it is a spectrum of one point
    return values.reshape(values.shape[: signal[0]] + values.shape[signal[0] + 1 :])


def _nav_indexes(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list, np.ndarray)):
        return ()
    return tuple(int(n) for n in value)


def _assemble(
    facts: dict[str, Any],
    path: str,
    arrays: list[NDArray[Any]],
    errors: list[NDArray[Any]],
    axes: list[Axis],
    labels: list[str],
) -> DataWithAxes:
    length, axes = _common_length(facts, arrays + errors, axes)
    if length is not None:
        arrays, errors = [a[:length] for a in arrays], [e[:length] for e in errors]
    shape = arrays[0].shape
    nav = tuple(n for n in _nav_indexes(facts.get("nav_indexes")) if n < len(shape))
    extra = {
        name: value
        for name, value in facts.items()
        if name not in layout.DATA_ATTRIBUTES and not hasattr(DataWithAxes, name)
    }
    data = DataWithAxes(
        str(facts.get("TITLE", "")),
        source=_word(DataSource, facts.get("source"), "raw"),
        distribution=str(facts.get("distribution", "uniform")),
        data=arrays,
        labels=labels,
        origin=str(facts.get("origin", "")),
        units=str(facts.get("units", "")),
        axes=_fitting(axes, shape),
        nav_indexes=nav,
        errors=errors or None,
        **(extra | {"path": path}),
    )
    timestamp = facts.get("timestamp")
    if isinstance(timestamp, (int, float)):
        data.timestamp = float(timestamp)
    if not nav and shape == (1,) and facts.get("data_dimension") in ("Data0D", "Data1D"):
        data.set_dim(facts["data_dimension"])
    return data


def _word(kind: type[DataSource], value: object, default: str) -> str:
    try:
        return member(kind, value).name
    except UnknownNameError:
        return default


def _common_length(
    facts: dict[str, Any], arrays: list[NDArray[Any]], axes: list[Axis]
) -> tuple[int | None, list[Axis]]:
    """Return how many points all growing arrays have, and the axes cut to that.

    While a file is written, or after a crash, one may be longer than another.
    """
    if facts.get("CLASS") != "EARRAY" or not arrays[0].ndim:
        return None, axes
    growing = [axis for axis in axes if axis.index == 0 and axis.size]
    length = min([len(a) for a in arrays] + [axis.size for axis in growing])
    return length, [_cut(axis, length) if axis in growing else axis for axis in axes]


def _cut(axis: Axis, length: int) -> Axis:
    if axis.size <= length:
        return axis
    result = axis.copy()
    result.data = axis.get_data()[:length]
    return result


def _fitting(axes: list[Axis], shape: tuple[int, ...]) -> list[Axis]:
    """Return the axes that fit; a group of PyMoDAQ's may have those of other data, too."""
    found: dict[tuple[int, int], Axis] = {}
    for axis in axes:
        if axis.index < len(shape) and axis.size == shape[axis.index]:
            found.setdefault((axis.index, axis.spread_order), axis)
    return list(found.values())
