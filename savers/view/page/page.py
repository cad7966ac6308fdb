"""The page: one for each viewer, brought up to date as long as it is open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bokeh.core.validation import silence
from bokeh.core.validation.warnings import EMPTY_LAYOUT
from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import CustomJS, Div, Select, Toggle
from bokeh.models import Slider as SliderWidget

from h5backends.errors import H5Error
from h5backends.file_text import readable
from savers.view.model.choice import Part
from savers.view.model.frames import CurveFrame, Frame, ImageFrame, PointsFrame
from savers.view.model.setup import Setup, Slider
from savers.view.model.viewer import Update, Viewer
from savers.view.page.plots import Plot, plot_for
from savers.view.page.tree_table import TreeTable
from savers.view.page.words import headline, literal, log_text

__all__ = ["Page"]

silence(EMPTY_LAYOUT)  # boxes for plots and sliders that are still to come

_log = logging.getLogger(__name__)

_PERIOD = 0.15
"""Seconds between two looks at the file: soon enough for the eye, and leaves the processor to the
program that measures."""
_DRAWN_PERIOD = 0.25
"""Seconds after a look that found something: a browser takes longer to draw than we to look, and a
file may grow all the time."""
_WISHED_PERIOD = 0.03
"""Seconds to a look that the person is waiting for."""
_SHARE = 3
"""Looking may take one part in this many of the time, and one more, while nobody waits for it."""
_RATE = 20e6
"""Bytes per second that a browser is sent at most; it may be at the end of a tunnel."""
_HEADLINE_SECONDS = 0.2
_PATIENCE = 10.0
_LET_GO = "setTimeout(() => cb_obj.document?.freeze_all_models(() => {}), 0)"
"""Has the browser let go of a plot that was replaced, which it else does when nothing happens."""


class Page:
    """What a person sees of a file.

    Parameters
    ----------
    doc : Document
        Bokeh's document, of one browser window.
    viewer : Viewer
        What the person looks at.
    closed : callable
        Called when the window was closed.
    """

    def __init__(self, doc: Document, viewer: Viewer, closed: Callable[[], None]) -> None:
        self._doc = doc
        self._viewer = viewer
        self._closed = closed
        self._open = True
        self._plot: Plot | None = None
        self._drawn: tuple[Setup, bool] | None = None
        self._sliders: dict[int, SliderWidget] = {}
        self._busy = False
        self._wished = asyncio.Event()
        self._headline_time = 0.0
        self._tree = TreeTable(viewer)
        self._headline = Div(name="headline", sizing_mode="stretch_width", height=24)
        self._ways = Select(name="way", width=260, options=[])
        self._parts = Select(name="part", width=140, options=[], visible=False)
        self._log_scale = Toggle(name="log_scale", label="log scale", width=90)
        self._follow = Toggle(name="follow", label="follow", active=True, width=80, visible=False)
        self._slider_box = column(sizing_mode="stretch_width")
        self._plot_box = column(sizing_mode="stretch_both")
        self._plot_box.js_on_change("children", CustomJS(code=_LET_GO))
        self._log = Div(
            name="log",
            sizing_mode="stretch_width",
            height=120,
            visible=False,
            stylesheets=[":host > .bk-clearfix { display: block; width: 100%; }"],
        )
        self._connect()
        doc.title = readable(viewer.source.address.name)
        doc.add_root(self._arranged())
        doc.on_session_destroyed(self._end)
        doc.add_next_tick_callback(self._start)

    def _arranged(self) -> Any:
        tools = row(
            self._ways, self._parts, self._log_scale, self._follow, sizing_mode="stretch_width"
        )
        right = column(
            self._headline,
            tools,
            self._slider_box,
            self._plot_box,
            self._log,
            sizing_mode="stretch_both",
        )
        return row(
            self._tree.layout,
            right,
            sizing_mode="stretch_both",
            styles={"padding": "8px", "box-sizing": "border-box"},
            spacing=12,
        )

    def _connect(self) -> None:
        self._ways.on_change("value", self._on_way)
        self._parts.on_change("value", self._on_part)
        self._log_scale.on_change("active", self._on_log_scale)
        self._follow.on_change("active", self._on_follow)

    # -- what the person does -------------------------------------------------------------------
    def _on_way(self, name: str, old: str, new: str) -> None:
        if not self._busy:
            self._viewer.choose(int(new))

    def _on_part(self, name: str, old: str, new: str) -> None:
        if not self._busy:
            self._viewer.show_part(Part(new))

    def _on_log_scale(self, name: str, old: bool, new: bool) -> None:
        self._viewer.redraw()

    def _on_follow(self, name: str, old: bool, new: bool) -> None:
        if not self._busy:
            self._viewer.follow(new)

    def _on_slider(self, dim: int, name: str, old: int, new: int) -> None:
        if not self._busy:
            self._viewer.move(dim, int(new))

    # -- the loop -------------------------------------------------------------------------------
    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._viewer.wished = partial(loop.call_soon_threadsafe, self._wished.set)
        self._task = loop.create_task(self._run())
        self._task.add_done_callback(_tell)

    async def _run(self) -> None:
        """Look and show until the window is closed; the file is read in another thread."""
        try:
            while self._open:
                self._wished.clear()
                began = time.monotonic()
                update = await asyncio.to_thread(self._viewer.update)
                cost = time.monotonic() - began
                shown = asyncio.Event()
                self._doc.add_next_tick_callback(partial(self._show, update, shown))
                with contextlib.suppress(TimeoutError):  # of a window that was closed meanwhile
                    await asyncio.wait_for(shown.wait(), _PATIENCE)
                await self._rest(update.frame, cost)
        finally:
            # Not before the last look is over: it would open the file again.
            self._let_go()

    async def _rest(self, frame: Frame | None, cost: float) -> None:
        """Wait until the next look, not as long if the person wants to see something else."""
        least = max(_WISHED_PERIOD, _size(frame) / _RATE)
        usual = max(_PERIOD if frame is None else _DRAWN_PERIOD, _SHARE * cost)
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wished.wait(), max(0.0, usual - least))

    def _let_go(self) -> None:
        try:
            self._closed()
        except H5Error as exc:
            _log.warning("%s", exc)

    def _end(self, context: Any) -> None:
        self._open = False

    # -- showing --------------------------------------------------------------------------------
    def _show(self, update: Update, shown: asyncio.Event) -> None:
        self._busy = True
        try:
            self._show_headline(update)
            if update.rows is not None:
                self._tree.show_rows(update.rows, self._viewer.path)
            if update.attributes is not None:
                self._tree.show_attributes(update.attributes)
            if update.setup is not None:
                self._show_setup(update.setup)
            if update.sliders is not None:
                self._show_sliders(update.sliders)
            if update.frame is not None and self._plot is not None:
                self._plot.show(update.frame)
            if update.log is not None:
                self._log.update(text=log_text(update.log), visible=True)
        finally:
            self._busy = False
            shown.set()

    def _show_headline(self, update: Update) -> None:
        now = time.time()
        if now - self._headline_time < _HEADLINE_SECONDS:
            return
        self._headline_time = now
        name = self._viewer.source.address.name
        text = headline(name, update.standing, update.progress, now)
        if text != self._headline.text:
            self._headline.text = text

    def _show_setup(self, setup: Setup) -> None:
        drawn = (setup, bool(self._log_scale.active))
        if drawn == self._drawn:
            return  # the same as before, in a file that was opened anew: what is seen stays
        self._drawn = drawn
        self._ways.options = [(str(n), readable(title)) for n, title in enumerate(setup.ways)]
        self._ways.value = str(setup.way)
        self._parts.options = [part.value for part in setup.parts]
        self._parts.visible = bool(setup.parts)
        if setup.part is not None:
            self._parts.value = setup.part.value
        self._plot = plot_for(setup, bool(self._log_scale.active), self._viewer.look_at)
        self._plot_box.children = [self._plot.layout]
        self._slider_box.children = []
        self._sliders = {}
        self._follow.visible = False

    def _show_sliders(self, sliders: tuple[Slider, ...]) -> None:
        if [s.dim for s in sliders if s.size > 1] != list(self._sliders):
            self._make_sliders(sliders)
        for slider in sliders:
            widget = self._sliders.get(slider.dim)
            if widget is not None:
                widget.update(end=slider.size - 1, value=slider.index, title=literal(slider.title))
        self._follow.active = any(slider.follows for slider in sliders)

    def _make_sliders(self, sliders: tuple[Slider, ...]) -> None:
        self._sliders = {}
        for slider in sliders:
            if slider.size > 1:
                widget = SliderWidget(
                    name=f"slider{slider.dim}",
                    start=0,
                    end=slider.size - 1,
                    value=slider.index,
                    title=literal(slider.title),
                    sizing_mode="stretch_width",
                )
                widget.on_change("value", partial(self._on_slider, slider.dim))
                self._sliders[slider.dim] = widget
        self._slider_box.children = [row(*self._sliders.values(), sizing_mode="stretch_width")]
        self._follow.visible = any(slider.can_follow for slider in sliders)


def _tell(task: asyncio.Task[None]) -> None:
    """Do not let an error in the loop go unheard."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("the page is no longer brought up to date", exc_info=error)


def _size(frame: Frame | None) -> int:
    """Return how many bytes a frame is."""
    if isinstance(frame, (CurveFrame, PointsFrame)):
        return int(frame.x.nbytes + frame.y.nbytes)
    return int(frame.image.nbytes) if isinstance(frame, ImageFrame) else 0
