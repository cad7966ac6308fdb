"""An image of two dimensions of an array, read again only where it changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savers.view.model.frames import ImageFrame, Window, limits
from savers.view.model.grid import Grid, mean_of_blocks
from savers.view.model.subject import Subject

__all__ = ["Image"]

Floats = NDArray[np.float64]

_KEPT = 4_000_000
"""Elements of an image that is kept as it is, so that only what changed has to be read."""
_PIECE = 4_000_000
"""Elements to read at a time of larger ones."""
_DRAWN = 1_000_000
"""Pixels to draw at most."""


class Image:
    """Two dimensions of an array, none of which grows.

    Parameters
    ----------
    subject : Subject
        What to draw.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._array = subject.array
        self._rows, self._columns = subject.dims
        self._shape = tuple(self._array.shape[n] for n in subject.choice.along)
        self._y = Grid(self._rows.positions(0, self._shape[0]))
        self._x = Grid(self._columns.positions(0, self._shape[1]))
        self._kept: Floats | None = None
        self._infinite = False
        self._times: NDArray[Any] | None = None
        self._shown: object = None

    def update(self, window: Window, moved: bool) -> ImageFrame | None:
        """Take in what is new, see :meth:`savers.view.model.curve.Curve.update`."""
        changed = moved and self._take_in()
        if not changed and window == self._shown:
            return None
        self._shown = window
        rows = self._y.part(window.y)
        columns = self._x.part(window.x)
        if self._kept is not None:
            drawn = mean_of_blocks(self._kept[slice(*rows), slice(*columns)], _most(window))
        else:
            drawn = self._reduced(rows, columns, _most(window))
        left, right, drawn = self._x.spread(drawn, columns, 1)
        low, high, drawn = self._y.spread(drawn, rows, 0)
        note = "infinite values are not drawn" if self._infinite else ""
        return ImageFrame(
            np.ascontiguousarray(drawn, np.float32 if drawn.size > _DRAWN // 4 else np.float64),
            (left, right),
            (low, high),
            self._x.limits,
            self._y.limits,
            limits(drawn),
            (self._shape[0], self._shape[1]),
            note,
        )

    # -- reading --------------------------------------------------------------------------------
    def _read(self, rows: slice, columns: slice) -> Floats:
        parts = {self._rows.index: rows, self._columns.index: columns}
        drawn, infinite = self._subject.read(parts)
        self._infinite |= infinite > 0
        return drawn

    def _take_in(self) -> bool:
        """Read what changed since the last time, as far as the file tells what that is.

        Returns
        -------
        bool
            Whether anything may have.
        """
        now = self._point_times()
        changed = self._changed(now)
        if changed == ():
            return False
        if math.prod(self._shape) > _KEPT:
            return True  # read piece by piece when it is drawn
        if self._kept is None or changed is None:
            self._kept = self._read(slice(None), slice(None))
        else:
            self._kept[changed] = self._read(*changed)
        self._times = now  # only now: what could not be read is tried again
        return True

    def _point_times(self) -> NDArray[Any] | None:
        """Return when the points of the image were complete, None where the file does not tell."""
        times = self._array.times
        plotted = {self._rows.index, self._columns.index}
        scan = [dim.index for dim in self._array.dims if dim.navigation]
        now = None
        if times is not None and plotted <= set(scan):
            self._subject.source.refresh(times)
            key = tuple(
                slice(None) if n in plotted else self._subject.indexes.get(n, 0) for n in scan
            )
            now = np.asarray(times[key])
        # After the times: what they say is complete is then in what is read.
        self._subject.refresh()
        return now

    def _changed(self, now: NDArray[Any] | None) -> tuple[slice, slice] | tuple[()] | None:
        """Return the points that were written since the last time; None where nobody knows."""
        before = self._times
        if now is None or before is None or before.shape != now.shape:
            return None
        new = np.argwhere((now != before) & ~np.isnan(now))
        if not len(new):
            return ()
        (top, left), (bottom, right) = new.min(axis=0), new.max(axis=0) + 1
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def _reduced(
        self, rows: tuple[int, int], columns: tuple[int, int], most: tuple[int, int]
    ) -> Floats:
        """Read a part piece by piece, averaged over blocks of pixels."""
        width = columns[1] - columns[0]
        block = max(1, -(-(rows[1] - rows[0]) // most[0]))
        step = max(1, _PIECE // width // block) * block
        pieces = []
        for start in range(rows[0], rows[1], step):
            piece = self._read(slice(start, min(start + step, rows[1])), slice(*columns))
            pieces.append(mean_of_blocks(piece, (-(-len(piece) // block), most[1])))
        return np.concatenate(pieces)


def _most(window: Window) -> tuple[int, int]:
    """Return how many rows and columns are drawn at most."""
    scale = max(1.0, math.sqrt(window.width * window.height / _DRAWN))
    return max(64, int(window.height / scale)), max(64, int(window.width / scale))
