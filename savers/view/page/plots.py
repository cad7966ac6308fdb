"""The plots of the page: lines, an image, points, or text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    Div,
    HoverTool,
    LayoutDOM,
    TableColumn,
)
from bokeh.palettes import Category10_10, Category20_20

from savers.view.model.choice import Kind
from savers.view.model.frames import CurveFrame, Frame, ImageFrame, TableFrame
from savers.view.model.setup import Setup
from savers.view.page.axes import Axes, Moved
from savers.view.page.colours import Colours
from savers.view.page.points import PointsPlot
from savers.view.page.tables import live_table
from savers.view.page.words import counted, literal, paragraph

__all__ = ["Plot", "plot_for"]

_DOTS = 300
"""Up to so many points are marked one by one."""


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
    plots: dict[Kind, Callable[[Setup, bool, Moved], Plot]] = {
        Kind.CURVE: CurvePlot,
        Kind.IMAGE: ImagePlot,
        Kind.POINTS: PointsPlot,
    }
    return plots[setup.kind](setup, log_scale, moved)


class CurvePlot(Axes):
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
        self._note.text = paragraph(counted(frame.points, frame.note))

    def _heights(self, y: Any, frame: CurveFrame) -> tuple[float, float] | None:
        if not self._log_scale:
            return frame.y_limits
        shown = y[np.isfinite(y)]
        return (float(shown.min()) / 1.2, float(shown.max()) * 1.2) if shown.size else None


class ImagePlot(Axes):
    """An image with a colour bar.

    Parameters
    ----------
    setup, log_scale, moved
        See :func:`plot_for`.
    """

    def __init__(self, setup: Setup, log_scale: bool, moved: Moved) -> None:
        super().__init__(setup, moved, y_axis_type="datetime" if setup.y_is_time else "linear")
        self._colours = Colours(self.fig, setup.value, log_scale)
        self._data = ColumnDataSource(
            {name: [] for name in ("image", "x", "y", "dw", "dh")}, name="image"
        )
        image = self.fig.image(
            "image", "x", "y", "dw", "dh", source=self._data, color_mapper=self._colours.mapper
        )
        self.fig.grid.visible = False
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
        self._colours.fit(frame.levels, frame.image)
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


class TablePlot:
    """Values as text, or only words.

    Parameters
    ----------
    setup : Setup
        What is shown.
    """

    def __init__(self, setup: Setup) -> None:
        self._data = ColumnDataSource({}, name="table")
        self._names: list[str] = []
        self._table = live_table(
            self._data,
            columns=[],
            name="values",
            autosize_mode="none",
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
        names = list(frame.columns)
        if names != self._names:
            self._names = names
            self._table.columns = [
                _column(f"c{n}", name, texts)
                for n, (name, texts) in enumerate(frame.columns.items())
            ]
        self._data.data = {f"c{n}": list(v) for n, v in enumerate(frame.columns.values())}


def _column(field: str, name: str, texts: list[str]) -> TableColumn:
    longest = max(map(len, [name, *texts[-100:]]))
    width = min(max(60, 24 + 7 * longest), 900)
    # A heading, unlike a cell, is taken for HTML.
    return TableColumn(field=field, title=paragraph(name), width=width, sortable=False)
