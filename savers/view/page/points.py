"""The plot of points that lie anywhere, coloured by their values."""

from __future__ import annotations

from bokeh.layouts import column
from bokeh.models import ColumnDataSource, Div, HoverTool

from savers.view.model.frames import Frame, PointsFrame
from savers.view.model.setup import Setup
from savers.view.page.axes import Axes, Moved
from savers.view.page.colours import Colours
from savers.view.page.words import counted, paragraph

__all__ = ["PointsPlot"]

_LARGEST, _SMALLEST = 9.0, 3.0
"""Pixels of a point, of few and of many."""
_FEW = 200


class PointsPlot(Axes):
    """Points that lie anywhere.

    Parameters
    ----------
    setup, log_scale, moved
        See :func:`savers.view.page.plots.plot_for`.
    """

    def __init__(self, setup: Setup, log_scale: bool, moved: Moved) -> None:
        super().__init__(setup, moved, y_axis_type="datetime" if setup.y_is_time else "linear")
        self._colours = Colours(self.fig, setup.value, log_scale)
        self._data = ColumnDataSource({name: [] for name in ("x", "y", "value")}, name="points")
        dots = self.fig.scatter(
            "x",
            "y",
            source=self._data,
            size=_LARGEST,
            line_color=None,
            fill_color={"field": "value", "transform": self._colours.mapper},
        )
        self._glyph = dots.glyph
        self.fig.add_tools(
            HoverTool(
                tooltips=[("x", "$snap_x"), ("y", "$snap_y"), ("value", "@value")],
                renderers=[dots],
            )
        )
        self._note = Div(text="", height=18, sizing_mode="stretch_width")
        self.layout = column(self.fig, self._note, sizing_mode="stretch_both")

    def show(self, frame: Frame) -> None:
        """Draw points."""
        if not isinstance(frame, PointsFrame):
            self._note.text = paragraph(frame.note)
            return
        latest = frame.y_limits if self._times[1] else frame.x_limits
        if latest is not None:
            self._shift = self.ahead(latest[1])
        self._colours.fit(frame.levels, frame.values)
        size = max(_SMALLEST, min(_LARGEST, _LARGEST * (_FEW / max(1, len(frame.x))) ** 0.5))
        if self._glyph.size != size:
            self._glyph.size = size
        self._data.data = {
            "x": self.drawn(frame.x, 0),
            "y": self.drawn(frame.y, 1),
            "value": frame.values,
        }
        self.set_limits(frame.x_limits, _with_room(frame.y_limits), False)
        self._note.text = paragraph(counted(frame.points, frame.note))


def _with_room(limits: tuple[float, float] | None) -> tuple[float, float] | None:
    """Leave room above and below, so that no point is cut off."""
    if limits is None:
        return None
    room = 0.03 * (limits[1] - limits[0])
    return limits[0] - room, limits[1] + room
