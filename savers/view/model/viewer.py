"""One person's look at a file: what is chosen, and at each update what there is to show anew."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from h5backends.errors import H5Error
from h5backends.nodes import Node
from savers.low_level import H5SaverLowLevel
from savers.view.model import setup as setups
from savers.view.model.choice import Part, array_to_plot, choices
from savers.view.model.dims import Array, describe
from savers.view.model.frames import Frame, TableFrame, Window
from savers.view.model.log import Log
from savers.view.model.progress import Progress
from savers.view.model.setup import Picture, Setup, Slider
from savers.view.model.source import Source, Standing
from savers.view.model.subject import Subject
from savers.view.model.tree import Row, Tree, attributes_of

__all__ = ["Update", "Viewer"]

_log = logging.getLogger(__name__)

_FAILURES = 15
"""Looks in a row that may fail: a reader can meet a row in the middle of being written."""
_ODD = (OSError, ValueError, TypeError, ArithmeticError, LookupError)
"""What data and attributes that contradict each other may lead to."""
_TREE_SECONDS = 5.0
"""How often the tree of a file on a server, where nodes may be added, is looked at again."""


@dataclass(frozen=True, slots=True)
class Update:
    """What there is to show anew; None for what is as it was.

    Parameters
    ----------
    standing : Standing
        How the file stands.
    progress : Progress
        How far the data are.
    rows : list of Row
        The tree.
    attributes : list of tuple of str
        Names and values of the chosen node's attributes.
    setup : Setup
        What the plot is.
    sliders : tuple of Slider
        Where its sliders are.
    frame : Frame
        What is in it.
    log : list of str
        The last lines of the log.
    """

    standing: Standing
    progress: Progress
    rows: list[Row] | None = None
    attributes: list[tuple[str, str]] | None = None
    setup: Setup | None = None
    sliders: tuple[Slider, ...] | None = None
    frame: Frame | None = None
    log: list[str] | None = None


class Viewer:
    """What one person looks at. Wishes may come from any thread; they count at the next update.

    Parameters
    ----------
    source : Source
        The file.

    Attributes
    ----------
    path : str or None
        The node that is chosen; None for what the file itself wants to be shown.
    wished : callable
        Called when there is a new wish, by the thread that it came from.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.path: str | None = None
        self.wished: Callable[[], object] = _nobody
        self._wishes: deque[Callable[[], None]] = deque()
        self._tree = Tree()
        self._log: Log | None = None
        self._log_due = True
        self._opened = self._version = -1
        self._tree_due = True
        self._tree_time = 0.0
        self._node_due = True
        self._fresh = True
        self._array: Array | None = None
        self._picture: Picture | None = None
        self._choice = 0
        self._part: Part | None = None
        self._indexes: dict[int, int] = {}
        self._follow = True
        self._window = Window()
        self._sliders: tuple[Slider, ...] = ()
        self._progress = Progress()
        self._failures = 0

    # -- wishes ---------------------------------------------------------------------------------
    def _wish(self, act: Callable[[], None]) -> None:
        self._wishes.append(act)
        self.wished()

    def select(self, path: str) -> None:
        """Show another node."""
        self._wish(lambda: self._select(path))

    def toggle(self, path: str) -> None:
        """Open a group of the tree, or close it, and show what it wants to be plotted."""
        self._wish(lambda: self._change_tree(lambda: self._tree.toggle(path)))
        self.select(path)

    def more(self, path: str) -> None:
        """Show more members of a group."""
        self._wish(lambda: self._change_tree(lambda: self._tree.more(path)))

    def narrow(self, text: str) -> None:
        """Show only members with this in their name."""
        self._wish(lambda: self._change_tree(lambda: setattr(self._tree, "filter", text.strip())))

    def choose(self, number: int) -> None:
        """Plot the array in another of its ways."""
        self._wish(lambda: self._choose(number))

    def show_part(self, part: Part) -> None:
        """Show another part of complex numbers."""
        self._wish(lambda: self._show_part(part))

    def move(self, dim: int, index: int) -> None:
        """Move a slider, which ends following the newest point."""
        self._wish(lambda: self._move(dim, index))

    def follow(self, on: bool) -> None:
        """Keep sliders at the newest point, or leave them where they are."""
        self._wish(lambda: self._set_follow(on))

    def look_at(self, window: Window) -> None:
        """Look at a part of the plot."""
        self._wish(lambda: setattr(self, "_window", window))

    def redraw(self) -> None:
        """Set the plot up again as it is."""
        self._wish(self._set_node_due)

    def _set_node_due(self) -> None:
        self._node_due = True

    def _select(self, path: str) -> None:
        if path != self.path:
            self.path = path
            self._choice, self._part, self._indexes, self._follow = 0, None, {}, True
            self._window = replace(self._window, x=None, y=None)
        self._node_due = True

    def _change_tree(self, change: Callable[[], None]) -> None:
        change()
        self._tree_due = True

    def _choose(self, number: int) -> None:
        self._choice = number
        self._window = replace(self._window, x=None, y=None)
        self._node_due = True

    def _show_part(self, part: Part) -> None:
        self._part, self._picture = part, None
        self._node_due = True

    def _move(self, dim: int, index: int) -> None:
        self._follow = False
        self._indexes[dim] = index

    def _set_follow(self, on: bool) -> None:
        self._follow = on

    # -- updates --------------------------------------------------------------------------------
    def update(self) -> Update:
        """Look at the file and return what there is to show anew; never raises `H5Error`."""
        standing = self.source.look()
        while self._wishes:
            self._wishes.popleft()()
        with self.source.lock:
            h5 = self.source.h5
            if h5 is None:
                self._opened = -1
                return Update(self.source.standing, self._progress)
            try:
                found = self._looked(h5, standing)
            except H5Error as exc:
                # What was found before it failed was not shown: it is found again.
                self._tree_due = self._node_due = True
                if not self._may_pass(exc):
                    self.source.give_up(exc)
                return Update(self.source.standing, self._progress)
        return found

    def _looked(self, h5: H5SaverLowLevel, standing: Standing) -> Update:
        if standing.opened != self._opened:
            self._begin(h5, standing.opened)
        version = self.source.version
        moved = version != self._version
        rows = self._rows(h5)
        attributes = setup = None
        if self._node_due:
            try:
                attributes, setup = self._show_node(h5)
            except (H5Error, *_ODD) as exc:
                if not self._may_pass(exc):
                    self._node_due, self._array = False, None
                    setup = Setup(self.path or "/", self.path or "/", note=_refusal(exc))
        log = self._log_news(h5, moved)
        # What is shown for the first time is read, whether the file changed or not.
        fresh, self._fresh = self._fresh, False
        sliders, frame = self._picture_news(moved or fresh)
        self._version = version
        return Update(standing, self._progress, rows, attributes, setup, sliders, frame, log)

    def _begin(self, h5: H5SaverLowLevel, opened: int) -> None:
        """Start anew with a file that was opened anew; what was chosen stays chosen."""
        self._log, self._log_due = None, True
        self._tree.forget()
        self._tree_due = self._node_due = True
        self._version, self._opened = -1, opened
        self._array = self._picture = None

    def _log_news(self, h5: H5SaverLowLevel, moved: bool) -> list[str] | None:
        """Return the last lines of the log if there are new ones; do without one that fails."""
        if not (moved or self._log_due):
            return None
        try:
            if self._log is None and self._log_due:
                self._log = Log(self.source, h5)
            self._log_due = False
            return self._log.lines[:] if self._log is not None and self._log.update() else None
        except (H5Error, *_ODD) as exc:
            if self._may_pass(exc):
                self._log_due = True
            else:
                self._log = None
            return None

    def _rows(self, h5: H5SaverLowLevel) -> list[Row] | None:
        now = time.monotonic()
        if self.source.remote and now - self._tree_time > _TREE_SECONDS:
            self._tree_due = True
        if not self._tree_due:
            return None
        if self.path is None:
            self._show_first(h5)
        rows = self._tree.rows(h5)
        self._tree_due, self._tree_time = False, now
        return rows

    def _show_first(self, h5: H5SaverLowLevel) -> None:
        """Choose what the file wants to be shown."""
        array = array_to_plot(h5.root())
        if array is not None:
            self.path = array.path
            self._tree.reveal(array.path)

    def _show_node(self, h5: H5SaverLowLevel) -> tuple[list[tuple[str, str]], Setup]:
        """Return attributes and plot of the chosen node."""
        node = self._chosen(h5)
        array = array_to_plot(node)
        attributes = attributes_of(node)
        self._picture, self._sliders, self._progress = None, (), Progress()
        self._array = None if array is None else describe(h5, array)
        self._node_due, self._fresh = False, True
        if self._array is None:
            return attributes, Setup(node.path, node.title or node.name, note="nothing to plot")
        if self._choice >= len(choices(self._array)):
            self._choice = 0
        return attributes, setups.setup_of(self._array, self._choice, self._part)

    def _chosen(self, h5: H5SaverLowLevel) -> Node:
        if self.path is None:
            return h5.root()
        try:
            return h5.get_node(self.path)
        except H5Error:
            # Not in this file, which has taken the place of the one it was chosen in.
            self.path = None
            self._show_first(h5)
            return h5.root() if self.path is None else h5.get_node(self.path)

    def _picture_news(self, moved: bool) -> tuple[tuple[Slider, ...] | None, Frame | None]:
        array = self._array
        if array is None:
            return None, None
        try:
            sliders = self._moved_sliders(array, moved)
            if setups.is_empty(array, self._choice):
                empty = TableFrame({}, setups.emptiness(array))
                return sliders, empty if moved or sliders else None
            if self._picture is None:
                choice = choices(array)[self._choice]
                indexes = dict(self._indexes)
                subject = Subject(self.source, array, choice, indexes, self._part)
                self._picture = setups.picture_of(subject)
                moved = True
            frame = self._picture.update(self._window, moved)
            self._failures = 0
        except (H5Error, *_ODD) as exc:
            self._fresh = True
            return None, None if self._may_pass(exc) else TableFrame({}, _refusal(exc))
        return sliders, frame

    def _may_pass(self, exc: Exception) -> bool:
        """Tell whether something that failed is to be tried again before it is talked about."""
        _log.debug("%s: %s", self.source.address.location, exc)
        self._failures += 1
        if isinstance(exc, H5Error) and self._failures < _FAILURES:
            return True
        self._failures = 0
        return False

    def _moved_sliders(self, array: Array, moved: bool) -> tuple[Slider, ...] | None:
        """Bring progress and sliders up to date; return them if they are other ones."""
        if moved:
            self._progress = self._progress.of(self.source, array)
        choice = choices(array)[self._choice]
        latest = self._progress.latest
        sliders = setups.sliders_of(array, choice, self._indexes, latest, self._follow)
        if sliders == self._sliders:
            return None
        if [s.index for s in sliders] != [s.index for s in self._sliders]:
            self._indexes |= {slider.dim: slider.index for slider in sliders}
            self._picture = None
        self._sliders = sliders
        return sliders


def _refusal(exc: Exception) -> str:
    """Return what to show instead of something that cannot be shown."""
    return f"this cannot be shown: {exc.what if isinstance(exc, H5Error) else exc}"


def _nobody() -> None:
    """Be told of wishes as long as nobody else is."""
