"""Points that lie anywhere in a figure, coloured by their values."""

from __future__ import annotations

from typing import Any

from savers.plotting.axes import show_times
from savers.plotting.colours import Colours
from savers.view.model.frames import PointsFrame
from savers.view.model.setup import Setup

__all__ = ["draw_points"]

_LARGEST, _SMALLEST = 36.0, 2.0
"""Square points that a point takes, of few and of many."""
_FEW = 150


def draw_points(axes: Any, setup: Setup, frame: PointsFrame, log: bool) -> list[str]:
    """Draw points.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    setup : Setup
        What they are called.
    frame : PointsFrame
        The points.
    log : bool
        Whether values are on a logarithmic scale.

    Returns
    -------
    list of str
        What a reader of the figure should know beside it.
    """
    colours = Colours.of(setup, frame.values, frame.levels, log)
    x: Any = show_times(axes, "x", frame.x) if setup.x_is_time else frame.x
    y: Any = show_times(axes, "y", frame.y) if setup.y_is_time else frame.y
    drawn = axes.scatter(
        x,
        y,
        c=colours.values,
        s=max(_SMALLEST, min(_LARGEST, _LARGEST * _FEW / max(1, len(frame.x)))),
        cmap=colours.palette,
        norm=colours.norm,
        linewidths=0,
    )
    axes.grid(color="0.9", linewidth=0.7)
    axes.margins(0.04)
    colours.add_bar(axes, drawn, setup)
    return colours.notes
