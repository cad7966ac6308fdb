"""The plots of the page: lines, an image, or text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, Reset
from bokeh.layouts import column
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    DataTable,
    Div,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
    TableColumn,
)
from bokeh.palettes import Category10_10, Category20_20, Viridis256
from bokeh.plotting import figure

from savers.view.model.choice import Kind
from savers.view.model.frames import CurveFrame, Frame, ImageFrame, TableFrame, Window
from savers.view.model.setup import Setup
from savers.view.page.words import literal, paragraph

__all__ = ["Plot", "plot_for"]

_DOTS = 300
"""Up to so many points are marked one by one."""
_EMPTY = "#ececec"
"""Colour of pixels without a value."""

_SQUARE = 5.0
"""Images longer than this many times their width are stretched, though both axes have one unit."""

Limits = tuple[float, float] | None
Moved = Callable[[Window], None]


class Plot(Protocol):
    """Something on the page that shows frames."""

    layout: LayoutDOM

    def show(self, frame: Frame) -> None:
        """Draw a frame."""


def plot_for(setup: Setup, log_scale: bool, moved: Moved) -> Plot:
    """Return the plot that shows what was set up.

    Parameters
    ----------
    setup : Setup
        What it is.
    log_scale : bool
        Whether values are on a logarithmic scale.
    moved : callable
        Called with the part that the person wants to look at.
    """
    if setup.note or setup.kind is Kind.TABLE:
        return TablePlot(setup)
    plot = CurvePlot if setup.kind is Kind.CURVE else ImagePlot
    return plot(setup, log_scale, moved)


class _Axes:
    """A figure whose limits follow the data until the person moves them."""

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


class CurvePlot(_Axes):
    """One line or several.

    Parameters
    ----------
    setup, log_scale, moved
        See :func:`plot_for`.
    """

    def __init__(self, setup: Setup, log_scale: bool, moved: Moved) -> None:
        super().__init__(setup, moved, y_axis_type="log" if log_scale else "linear")
        self._log_scale = log_scale
        names = [f"y{n}" for n in range(len(setup.lines))]
        self._data = ColumnDataSource({"x": [], **{n: [] for n in names}}, name="curve")
        self._dots = []
        colours = Category10_10 if len(names) <= 10 else Category20_20
        for number, (name, label) in enumerate(zip(names, setup.lines, strict=True)):
            colour = colours[number % len(colours)]
            legend = {"legend_label": literal(label)} if len(names) > 1 else {}
            self.fig.line("x", name, source=self._data, color=colour, line_width=1.5, **legend)
            self._dots.append(
                self.fig.scatter("x", name, source=self._data, color=colour, size=5, **legend)
            )
        if len(names) > 1:
            self.fig.legend.click_policy = "hide"
            self.fig.legend.location = "top_left"
            self.fig.legend.label_text_font_size = "8pt"
            self.fig.legend.background_fill_alpha = 0.7
        x = "@x{%F %T.%3N}" if setup.x_is_time else "@x"
        self.fig.add_tools(
            HoverTool(
                tooltips=[("x", x), ("y", "$snap_y")],
                formatters={"@x": "datetime" if setup.x_is_time else "numeral"},
                renderers=self._dots,
            )
        )
        self._note = Div(text="", height=18, sizing_mode="stretch_width")
        self.layout = column(self.fig, self._note, sizing_mode="stretch_both")

    def show(self, frame: Frame) -> None:
        """Draw lines."""
        if not isinstance(frame, CurveFrame):
            self._note.text = paragraph(frame.note)
            return
        if frame.x_limits is not None:
            self._shift = self.ahead(frame.x_limits[1])
        x = self.drawn(frame.x, 0)
        y = np.where(frame.y > 0, frame.y, np.nan) if self._log_scale else frame.y
        few = len(x) <= _DOTS
        for dots in self._dots:
            if dots.visible is not few:
                dots.visible = few
        self._data.data = {"x": x, **{f"y{n}": line for n, line in enumerate(y.T)}}
        self.set_limits(frame.x_limits, self._heights(y, frame), False)
        self._note.text = paragraph(_counted(frame))

    def _heights(self, y: Any, frame: CurveFrame) -> tuple[float, float] | None:
        if not self._log_scale:
            return frame.y_limits
        shown = y[np.isfinite(y)]
        return (float(shown.min()) / 1.2, float(shown.max()) * 1.2) if shown.size else None


def _counted(frame: CurveFrame) -> str:
    text = f"{frame.points:,} points" if frame.points != 1 else "1 point"
    return f"{text}; {frame.note}" if frame.note else text


class ImagePlot(_Axes):
    """An image with a colour bar.

    Parameters
    ----------
    setup, log_scale, moved
        See :func:`plot_for`.
    """

    def __init__(self, setup: Setup, log_scale: bool, moved: Moved) -> None:
        super().__init__(setup, moved, y_axis_type="datetime" if setup.y_is_time else "linear")
        self._log_scale = log_scale
        mapper = LogColorMapper if log_scale else LinearColorMapper
        self._colours = mapper(palette=Viridis256, low=0.0 + log_scale, high=10.0)
        self._colours.nan_color = _EMPTY
        self._data = ColumnDataSource(
            {name: [] for name in ("image", "x", "y", "dw", "dh")}, name="image"
        )
        image = self.fig.image(
            "image", "x", "y", "dw", "dh", source=self._data, color_mapper=self._colours
        )
        self.fig.grid.visible = False
        bar = ColorBar(color_mapper=self._colours, title=literal(setup.value), width=14)
        bar.title_text_font_style = "normal"
        self.fig.add_layout(bar, "right")
        self.fig.add_tools(
            HoverTool(
                tooltips=[("x", "$x"), ("y", "$y"), ("value", "@image")],
                renderers=[image],
            )
        )
        self._note = Div(text="", height=18, sizing_mode="stretch_width")
        self.layout = column(self.fig, self._note, sizing_mode="stretch_both")

    def show(self, frame: Frame) -> None:
        """Draw an image."""
        if not isinstance(frame, ImageFrame):
            self._note.text = paragraph(frame.note)
            return
        self._shift = self.ahead(frame.y_limits[1] if self._times[1] else frame.x_limits[1])
        left, right = (self.drawn(v, 0) for v in frame.x)
        low, high = (self.drawn(v, 1) for v in frame.y)
        self._set_levels(frame)
        self._data.data = {
            "image": [frame.image],
            "x": [left],
            "y": [low],
            "dw": [right - left],
            "dh": [high - low],
        }
        self.set_limits(frame.x_limits, frame.y_limits, True)
        text = f"{frame.shape[1]:,} x {frame.shape[0]:,} pixels"
        self._note.text = paragraph(f"{text}; {frame.note}" if frame.note else text)

    def _set_levels(self, frame: ImageFrame) -> None:
        levels = frame.levels
        if levels is None:
            return
        low, high = levels
        if self._log_scale:
            shown = frame.image[np.isfinite(frame.image) & (frame.image > 0)]
            low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 10.0)
        if not high > low:
            high = low + (abs(low) * 1e-3 or 1.0)
        if (self._colours.low, self._colours.high) != (low, high) and math.isfinite(high - low):
            self._colours.update(low=low, high=high)


class TablePlot:
    """Values as text, or only words.

    Parameters
    ----------
    setup : Setup
        What is shown.
    """

    def __init__(self, setup: Setup) -> None:
        self._data = ColumnDataSource({}, name="table")
        self._table = DataTable(
            source=self._data,
            columns=[],
            name="values",
            index_position=None,
            reorderable=False,
            autosize_mode="fit_columns",
            sizing_mode="stretch_both",
            min_height=200,
        )
        self._note = Div(text=paragraph(setup.note), sizing_mode="stretch_width")
        title = Div(text=f"<b>{paragraph(setup.title)}</b>", sizing_mode="stretch_width")
        below = [] if setup.note else [self._table]
        self.layout = column(title, self._note, *below, sizing_mode="stretch_both")

    def show(self, frame: Frame) -> None:
        """Show values."""
        if not isinstance(frame, TableFrame):
            return
        self._note.text = paragraph(frame.note)
        if [c.title for c in self._table.columns] != list(frame.columns):
            self._table.columns = [
                TableColumn(field=f"c{n}", title=name, sortable=False)
                for n, name in enumerate(frame.columns)
            ]
        self._data.data = {f"c{n}": list(v) for n, v in enumerate(frame.columns.values())}
