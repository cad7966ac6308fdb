"""A figure of an array: axes with units, a colour bar, error bars, where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from savers.interchange.packages import package
from savers.plotting.choosing import Chosen
from savers.plotting.curves import draw_curve
from savers.plotting.images import draw_image
from savers.plotting.points import draw_points
from savers.plotting.text import plain
from savers.view.model.choice import Kind, Part
from savers.view.model.frames import CurveFrame, Frame, ImageFrame, PointsFrame, Window
from savers.view.model.setup import picture_of, setup_of
from savers.view.model.source import Source
from savers.view.model.subject import Subject

__all__ = ["Look", "figure_of", "file_types"]

_STYLE = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 10.5,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.linewidth": 1.3,
    "figure.dpi": 150.0,
    # Text stays text, which can be searched and edited.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_MOST_PIXELS = 4000


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure looks.

    Parameters
    ----------
    title : str or None
        Above it; by default what the data are called, and at which positions.
    size : tuple of float
        Width and height in centimetres.
    dpi : int
        Pixels per inch.
    log : bool
        Whether values are on a logarithmic scale.
    caption : str
        Below it, small: where the data come from.
    """

    title: str | None = None
    size: tuple[float, float] = (16.0, 11.0)
    dpi: int = 150
    log: bool = False
    caption: str = ""


def _matplotlib(module: str) -> Any:
    return package(f"matplotlib{module}", "'h5backends[plot]'")


def file_types() -> list[str]:
    """Return the endings of files that figures can be saved to: png, pdf, svg, ...

    Raises
    ------
    PackageMissingError
        matplotlib is not installed.
    """
    backend = _matplotlib(".backends.backend_agg").FigureCanvasAgg
    return sorted(backend.get_supported_filetypes())


def figure_of(source: Source, chosen: Chosen, look: Look) -> Any:
    """Draw an array.

    Parameters
    ----------
    source : Source
        The open file; its lock is held.
    chosen : Chosen
        What to draw.
    look : Look
        How.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot, no window opens.

    Raises
    ------
    PackageMissingError
        matplotlib is not installed.
    """
    figures = _matplotlib(".figure")
    size = tuple(length / 2.54 for length in look.size)
    with _matplotlib("").rc_context(_STYLE):
        figure = figures.Figure(size, dpi=look.dpi, layout="constrained")
        _matplotlib(".backends.backend_agg").FigureCanvasAgg(figure)
        image = chosen.choice.kind in {Kind.IMAGE, Kind.POINTS}
        rows, columns = (1, len(chosen.parts)) if image else (len(chosen.parts), 1)
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).reshape(-1)
        for axes, part in zip(panels, chosen.parts, strict=True):
            notes = _draw(axes, source, chosen, part, look)
        for axes in panels[1:] if image else panels[:-1]:
            # Panels beside one another share the upright axis, those below one another the other.
            (axes.set_ylabel if image else axes.set_xlabel)("")
        setup = setup_of(chosen.array, chosen.way, chosen.parts[0])
        title = look.title
        if title is None:
            title = "\n".join(filter(None, [setup.title, ", ".join(chosen.places)]))
        panels[0].set_title(plain(title), loc="left")
        caption = "  ·  ".join(filter(None, [look.caption, *notes]))
        if caption:
            figure.supxlabel(plain(caption), fontsize=6.5, color="0.4", ha="left", x=0.01)
    return figure


def _draw(axes: Any, source: Source, chosen: Chosen, part: Part | None, look: Look) -> list[str]:
    setup = setup_of(chosen.array, chosen.way, part)
    subject = Subject(source, chosen.array, chosen.choice, chosen.indexes, part)
    frame = _frame(subject, look)
    axes.set_xlabel(plain(setup.x))
    axes.set_ylabel(plain(setup.y))
    if chosen.choice.kind is Kind.CURVE and isinstance(frame, CurveFrame):
        notes = draw_curve(axes, subject, setup, frame, look.log)
    elif isinstance(frame, ImageFrame):
        notes = draw_image(axes, setup, frame, look.log)
    elif isinstance(frame, PointsFrame):
        notes = draw_points(axes, setup, frame, look.log)
    else:
        notes = ["no values"]
    return [*notes, *filter(None, [getattr(frame, "note", "")])]


def _frame(subject: Subject, look: Look) -> Frame | None:
    """Read what is drawn, however many steps that takes."""
    width, height = (math.ceil(length / 2.54 * look.dpi) for length in look.size)
    window = Window(width=min(width, _MOST_PIXELS), height=min(height, _MOST_PIXELS))
    picture = picture_of(subject)
    frame = picture.update(window, True)
    while (more := picture.update(window, False)) is not None:
        frame = more
    return frame
