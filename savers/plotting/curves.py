"""Lines in a figure, with error bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import CARRAY
from savers.exporters.signals import signal_of
from savers.plotting.axes import show_times
from savers.plotting.text import plain
from savers.view.model.choice import Part
from savers.view.model.frames import CurveFrame
from savers.view.model.setup import Setup
from savers.view.model.subject import Subject

__all__ = ["draw_curve"]

_DOTS = 120
"""Up to so many points are marked one by one."""
_BARS = 300
"""Up to so many points have error bars; beyond, they are a band."""
_NAMED = 12
"""Up to so many lines are named in a legend; beyond, a colour bar counts them."""

Floats = NDArray[np.float64]


def draw_curve(
    axes: Any, subject: Subject, setup: Setup, frame: CurveFrame, log: bool
) -> list[str]:
    """Draw one line or several.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    subject : Subject
        What is drawn.
    setup : Setup
        What it is called.
    frame : CurveFrame
        The points.
    log : bool
        Whether values are on a logarithmic scale.

    Returns
    -------
    list of str
        What a reader of the figure should know beside it.
    """
    x: Any = frame.x
    if setup.x_is_time:
        x = show_times(axes, "x", frame.x)
    count = frame.y.shape[1]
    marker = "o" if len(x) <= _DOTS else "None"
    colours = _colours(axes, count)
    notes = []
    for line in range(count):
        name = plain(setup.lines[line]) if line < len(setup.lines) else str(line)
        axes.plot(
            x, frame.y[:, line], marker=marker, markersize=3, color=colours[line], label=name
        )
    errors = _errors(subject, frame)
    if errors is not None:
        _draw_errors(axes, x, frame.y[:, 0], errors, colours[0])
    elif subject.part is None and count == 1 and _error_node(subject) is not None:
        notes.append("error bars left out: too many points")
    if 1 < count <= _NAMED:
        axes.legend(loc="best")
    axes.grid(color="0.9", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    if log:
        axes.set_yscale("log", nonpositive="mask")
    if not np.isfinite(frame.y).any():
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color="0.5")
    return notes


def _colours(axes: Any, count: int) -> list[Any]:
    if count <= 10:
        return [f"C{n}" for n in range(count)]
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(0, count - 1), "viridis")
    if count > _NAMED:
        axes.figure.colorbar(scale, ax=axes, label="line")
    return [colormaps["viridis"](n / (count - 1)) for n in range(count)]


def _error_node(subject: Subject) -> CARRAY | None:
    return signal_of(subject.array.node).errors


def _errors(subject: Subject, frame: CurveFrame) -> Floats | None:
    """Return the error bars of the points, None where there are none or points were merged."""
    if subject.part not in (None, Part.REAL, Part.IMAGINARY) or frame.y.shape[1] != 1:
        return None
    node = _error_node(subject)
    length = len(frame.x)
    if node is None or length != subject.available() or node.ndim < len(subject.array.dims):
        return None
    bars = replace(subject, array=replace(subject.array, node=node), part=subject.part)
    stop = min(length, node.shape[subject.dims[0].index])
    found, _ = bars.read({subject.dims[0].index: slice(0, stop)})
    errors = np.full(length, np.nan)
    errors[:stop] = np.abs(np.asarray(found, np.float64).reshape(stop, -1)[:, 0])
    return errors


def _draw_errors(axes: Any, x: Any, y: Floats, errors: Floats, colour: Any) -> None:
    if len(y) > _BARS:
        axes.fill_between(x, y - errors, y + errors, color=colour, alpha=0.25, linewidth=0)
        return
    # Points without a value have no bar; matplotlib refuses NaN among them only in some scales.
    known = np.isfinite(y) & np.isfinite(errors)
    axes.errorbar(
        x[known], y[known], errors[known], fmt="none", ecolor=colour, elinewidth=0.9, capsize=2
    )
