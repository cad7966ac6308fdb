"""What belongs to a node: the arrays without which its data would not load elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import SupportsSwmr
from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node, StringARRAY
from h5backends.types import Capability
from savers import layout
from savers.axis import AxisSaverLoader
from savers.enums import DataType, UnknownNameError, member
from savers.loader import DataLoader
from savers.log import LogARRAY, split_lines
from savers.management import attribute, child
from savers.plan import POSITIONS

__all__ = ["arrays_below", "belonging", "kind_of", "lines_of", "refreshed", "rows_of"]

_ROWS_AT_ONCE = 1000


def refreshed(node: Node) -> Node:
    """Return a node with all arrays at and below it as long as the file says now.

    For files that another program is writing; without one nothing happens.
    """
    session = node.session
    driver = session.driver
    live = isinstance(driver, SupportsSwmr) and driver.swmr_active
    if not session.writable and (live or Capability.REMOTE in driver.capabilities):
        for array in arrays_below(node):
            array.refresh()
    return node


def arrays_below(node: Node) -> Iterator[CARRAY]:
    """Iterate over the arrays at and below a node, in the order of their paths."""
    if isinstance(node, GROUP):
        for item in node.children().values():
            yield from arrays_below(item)
    elif isinstance(node, CARRAY):
        yield node


def kind_of(node: Node) -> DataType | None:
    """Return what an array holds, None if it does not tell."""
    try:
        return member(DataType, attribute(node, "data_type"))
    except UnknownNameError:
        return None


def belonging(loader: DataLoader, node: Node) -> list[Node]:
    """Return a node and what its data need beside it, each with all that is below it.

    Parameters
    ----------
    loader : DataLoader
        The file.
    node : Node
        A group, or an array: then its axes, error bars and background belong to it.

    Returns
    -------
    list of Node
        None of them inside another; the node itself first.
    """
    found = [node]
    kind = kind_of(node) if isinstance(node, CARRAY) else None
    if kind in (DataType.data, DataType.data_enlargeable):
        assert kind is not None
        found += _beside(loader, node, kind)
    nav = loader.get_nav_group(node)
    if nav is not None and not f"{nav.path}/".startswith(f"{node.path.rstrip('/')}/"):
        found.append(nav)
    return found


def _beside(loader: DataLoader, node: Node, kind: DataType) -> Iterator[Node]:
    group, number = node.parent_node, layout.array_number(kind, node.name)
    if group is None:
        return
    names = [axis.name for axis in AxisSaverLoader(loader.h5saver).arrays_of(node, kind)]
    names += [name + POSITIONS for name in names]
    if number is not None:
        names += [layout.array_name(other, number) for other in (DataType.error, DataType.bkg)]
    for name in names:
        found = child(group, name)
        if found is not None:
            yield found


def rows_of(node: VLARRAY, count: int | None = None) -> Iterator[NDArray[Any]]:
    """Iterate over rows of different lengths, the first `count` of them or all."""
    length = len(node) if count is None else count
    for start in range(0, length, _ROWS_AT_ONCE):
        for row in node[start : min(start + _ROWS_AT_ONCE, length)]:
            yield np.ascontiguousarray(row, node.dtype)


def lines_of(node: VLARRAY) -> Iterator[str]:
    """Iterate over the texts of an array; of a log, with the lines written while SWMR is on."""
    plain = StringARRAY(node.session, node.handle)
    for start in range(0, len(plain), _ROWS_AT_ONCE):
        yield from plain[start : start + _ROWS_AT_ONCE]
    if node.name == layout.LOGGER:
        stream = LogARRAY(node.session, node.handle).stream
        if stream is not None:
            yield from split_lines(stream.read())
