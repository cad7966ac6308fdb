"""Images in a figure, with a colour bar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from savers.plotting.axes import show_times
from savers.view.model.choice import Part
from savers.view.model.frames import ImageFrame
from savers.view.model.setup import Setup

__all__ = ["draw_image"]

_EMPTY = "#e6e6e6"
"""Colour of pixels without a value."""
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
    from matplotlib.colors import LogNorm, Normalize

    pixels = np.ma.masked_invalid(frame.image)
    notes = []
    low, high = frame.levels or (0.0, 1.0)
    norm: Any = Normalize(low, high)
    if setup.part is Part.PHASE:
        norm = Normalize(-math.pi, math.pi)
    elif log:
        positive = pixels.compressed()
        positive = positive[positive > 0]
        if positive.size:
            norm = LogNorm(float(positive.min()), float(positive.max()))
            pixels = np.ma.masked_less_equal(pixels, 0)
        else:
            notes.append("no value above zero for a logarithmic scale")
    (left, right), (bottom, top) = frame.x, frame.y
    x, y = (left, right), (bottom, top)
    if setup.x_is_time:
        x = tuple(show_times(axes, "x", np.asarray(x), as_numbers=True))
    if setup.y_is_time:
        y = tuple(show_times(axes, "y", np.asarray(y), as_numbers=True))
    width, height = abs(right - left), abs(top - bottom)
    square = setup.square and max(width, height) <= _ROUNDEST * min(width, height)
    axes.set_facecolor(_EMPTY)
    drawn = axes.imshow(
        pixels,
        cmap="twilight" if setup.part is Part.PHASE else "viridis",
        norm=norm,
        extent=(*x, *y),
        origin="lower",
        aspect="equal" if square else "auto",
        interpolation="nearest",
    )
    # Beside the image as it is, not beside the place that it could have had.
    beside = axes.inset_axes((1.02, 0, 0.035, 1))
    axes.figure.colorbar(drawn, cax=beside, label=setup.value.replace("$", r"\$"))
    if frame.levels is None:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color="0.4")
    return notes
