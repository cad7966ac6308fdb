"""What other viewers (h5web, silx, NeXpy) need to plot a group: written once, at creation."""

from __future__ import annotations

from collections.abc import Sequence

from h5backends.nodes import GROUP
from savers import layout

__all__ = ["describe_signal", "point_to"]

_SIGNAL = "signal"
_DEFAULT = "default"


def describe_signal(group: GROUP, signals: Sequence[str], axes: Sequence[Sequence[str]]) -> None:
    """Make a group an ``NXdata``, unless it is something already, and lead the root to it.

    Parameters
    ----------
    group : GROUP
        Where the signals are.
    signals : sequence of str
        Names of the arrays, the one to plot first.
    axes : sequence of sequences of str
        For each dimension the names of its axes in the same group.
    """
    present = set(group.attrs)
    if _SIGNAL in present:
        return
    attrs = layout.nxdata_attributes(signals[0], axes, signals[1:])
    if "NX_class" in present:
        del attrs["NX_class"]
    group.attrs.update(attrs)
    point_to(group)


def point_to(group: GROUP) -> None:
    """Set ``default`` on the groups above that have none, so that a file opens with a plot."""
    lower, node = group, group.parent_node
    while node is not None:
        present = set(node.attrs)
        if _DEFAULT in present:
            return
        attrs = {_DEFAULT: lower.name}
        if "NX_class" not in present:
            attrs["NX_class"] = "NXcollection"
        node.attrs.update(attrs)
        lower, node = node, node.parent_node
