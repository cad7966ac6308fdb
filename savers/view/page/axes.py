"""A figure whose limits follow the data until the person moves them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, Reset
from bokeh.models import Range1d
from bokeh.plotting import figure

from savers.view.model.frames import Window
from savers.view.model.setup import Setup
from savers.view.page.words import literal

__all__ = ["Axes", "Moved"]

_SQUARE = 5.0
"""Images longer than this many times their width are stretched, though both axes have one unit."""

Limits = tuple[float, float] | None
Moved = Callable[[Window], None]
"""Is told what part of a plot the person wants to look at."""


class Axes:
    """A figure whose limits follow the data until the person moves them.

    Parameters
    ----------
    setup : Setup
        What is plotted.
    moved : callable
        Called with the part that the person wants to look at.
    **options
        For the figure.
    """

    def __init__(self, setup: Setup, moved: Moved, **options: Any) -> None:
        self._moved = moved
        self._times = (setup.x_is_time, setup.y_is_time)
        self._free = True
        self._shift = 0.0
        self._square = setup.square
        self._size: tuple[int, int] | None = None
        self._limits: tuple[Limits, Limits, bool] | None = None
        self.fig = figure(
            name="plot",
            title=literal(setup.title),
            x_axis_label=literal(setup.x),
            y_axis_label=literal(setup.y),
            x_axis_type="datetime" if setup.x_is_time else "linear",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools="pan,wheel_zoom,box_zoom,reset,save",
            active_drag="box_zoom",
            active_scroll="wheel_zoom",
            sizing_mode="stretch_both",
            min_height=240,
            output_backend="canvas",
            **options,
        )
        self.fig.toolbar.logo = None
        self.fig.title.text_font_size = "11pt"
        self.fig.axis.axis_label_text_font_style = "normal"
        self.fig.grid.grid_line_alpha = 0.5
        self.fig.on_event(RangesUpdate, self._on_ranges)
        self.fig.on_event(Reset, self._on_reset)
        self.fig.on_change("inner_width", self._on_size)
        self.fig.on_change("inner_height", self._on_size)

    def ahead(self, moment: float) -> float:
        """Return the seconds by which clocks here are ahead of Greenwich; Bokeh shows UTC."""
        try:
            offset = datetime.fromtimestamp(moment).astimezone().utcoffset()
        except (OverflowError, OSError, ValueError):
            return 0.0
        return offset.total_seconds() if offset else 0.0

    def drawn(self, values: Any, axis: int) -> Any:
        """Return positions as the figure takes them."""
        return (values + self._shift) * 1e3 if self._times[axis] else values

    def set_limits(self, x: Limits, y: Limits, tight: bool) -> None:
        """Show all there is, unless the person looks at a part.

        Parameters
        ----------
        x, y : tuple of float, or None
            Of the data; None leaves the figure's as they are.
        tight : bool
            Whether nothing may be seen beside them.
        """
        self._limits = (x, y, tight)
        if not self._free:
            return
        if self._square and x is not None and y is not None and self._size is not None:
            x, y = _same_scale(x, y, self._size)
        for limits, axis, range_ in ((x, 0, self.fig.x_range), (y, 1, self.fig.y_range)):
            if limits is None:
                continue
            low, high = self.drawn(limits[0], axis), self.drawn(limits[1], axis)
            room = 0.0 if tight or axis else 0.02 * (high - low)
            if not high > low:
                room = 500.0 if self._times[axis] else max(0.5, abs(low) * 1e-6)
            low, high = low - room, high + room
            if (range_.start, range_.end) != (low, high):
                range_.update(start=low, end=high, reset_start=low, reset_end=high)

    def _window(self, x: tuple[float, float] | None, y: tuple[float, float] | None) -> Window:
        width, height = self._size or (1000, 600)
        return Window(x, y, width, height)

    def _on_ranges(self, event: Any) -> None:
        self._free = False
        x = sorted(self._position(value, 0) for value in (event.x0, event.x1))
        y = sorted(self._position(value, 1) for value in (event.y0, event.y1))
        self._moved(self._window((x[0], x[1]), (y[0], y[1])))

    def _position(self, value: float, axis: int) -> float:
        """Return what the data call a position in the figure."""
        return value / 1e3 - self._shift if self._times[axis] else value

    def _on_reset(self, event: Any) -> None:
        self._free = True
        self._moved(self._window(None, None))

    def _on_size(self, name: str, old: Any, new: Any) -> None:
        try:
            self._size = (int(self.fig.inner_width), int(self.fig.inner_height))
        except UnsetValueError:
            return  # the browser tells one after the other
        if self._limits is not None:
            self.set_limits(*self._limits)
        if self._free:
            self._moved(self._window(None, None))


def _same_scale(
    x: tuple[float, float], y: tuple[float, float], size: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return limits that show both axes on the same scale, unless one would vanish by that."""
    width, height = x[1] - x[0], y[1] - y[0]
    if (
        not (width > 0 and height > 0 and min(size) > 0)
        or not 1 / _SQUARE < width / height < _SQUARE
    ):
        return x, y
    scale = max(width / size[0], height / size[1])
    wide, high = (scale * size[0] - width) / 2, (scale * size[1] - height) / 2
    return (x[0] - wide, x[1] + wide), (y[0] - high, y[1] + high)
