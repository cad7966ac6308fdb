"""Images in a figure, with a colour bar."""

from __future__ import annotations

from typing import Any

import numpy as np

from savers.plotting.axes import show_times
from savers.plotting.colours import EMPTY, Colours
from savers.view.model.frames import ImageFrame
from savers.view.model.setup import Setup

__all__ = ["draw_image"]

_ROUNDEST = 6.0
"""Images longer than this are stretched, or there would be nothing to see of them."""


def draw_image(axes: Any, setup: Setup, frame: ImageFrame, log: bool) -> list[str]:
    """Draw an image.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    setup : Setup
        What it is called.
    frame : ImageFrame
        The pixels.
    log : bool
        Whether values are on a logarithmic scale.

    Returns
    -------
    list of str
        What a reader of the figure should know beside it.
    """
    colours = Colours.of(setup, frame.image, frame.levels, log)
    (left, right), (bottom, top) = frame.x, frame.y
    x, y = (left, right), (bottom, top)
    if setup.x_is_time:
        x = tuple(show_times(axes, "x", np.asarray(x), as_numbers=True))
    if setup.y_is_time:
        y = tuple(show_times(axes, "y", np.asarray(y), as_numbers=True))
    width, height = abs(right - left), abs(top - bottom)
    square = setup.square and max(width, height) <= _ROUNDEST * min(width, height)
    axes.set_facecolor(EMPTY)
    drawn = axes.imshow(
        colours.values,
        cmap=colours.palette,
        norm=colours.norm,
        extent=(*x, *y),
        origin="lower",
        aspect="equal" if square else "auto",
        interpolation="nearest",
    )
    colours.add_bar(axes, drawn, setup)
    return colours.notes
