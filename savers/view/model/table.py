"""Values as text: single ones, text, records, and whatever else cannot be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from h5backends.file_text import readable
from h5backends.nodes import VLARRAY, StringARRAY
from savers.view.model.dims import Array
from savers.view.model.frames import TableFrame, Window
from savers.view.model.source import Source

__all__ = ["Table", "shortened"]

_ROWS = 500
"""Rows shown at most: the last ones."""
_COLUMNS = 50
_LONGEST = 200


class Table:
    """The last rows of an array as text.

    Parameters
    ----------
    source : Source
        The file; its lock is held at every call.
    array : Array
        What to show.
    """

    def __init__(self, source: Source, array: Array) -> None:
        self._source = source
        self._array = array
        self._shown = False

    def update(self, window: Window, moved: bool) -> TableFrame | None:
        """Read again if the file changed, see :meth:`savers.view.model.curve.Curve.update`."""
        if self._shown and not moved:
            return None
        self._shown = True
        node = self._array.node
        if not isinstance(node, VLARRAY):
            self._source.refresh(node)
        shape = node.shape
        if not shape:
            return _single(node[()])
        length = shape[0]
        start = max(0, length - _ROWS)
        if isinstance(node, StringARRAY):
            columns = {"text": [shortened(row) for row in node[start:length]]}
        else:
            columns = _columns(node, start, length)
        numbers = {"row": [str(n) for n in range(start, length)]}
        note = f"the last {_ROWS} of {length} rows" if start else ""
        return TableFrame(numbers | columns, note)


def _single(value: Any) -> TableFrame:
    if isinstance(value, np.void) and value.dtype.names:
        names = value.dtype.names
        return TableFrame(
            {"field": list(names), "value": [shortened(value[name]) for name in names]}
        )
    return TableFrame({"value": [shortened(value)]})


def _columns(node: Any, start: int, stop: int) -> dict[str, list[str]]:
    """Return rows as columns of text: one for each field, or for each of the first elements."""
    if isinstance(node, VLARRAY):
        return {"values": [shortened(row) for row in node[start:stop]]}
    if len(node.shape) == 1 or node.dtype.names:
        values = np.asarray(node[start:stop])
    else:
        inner = tuple(slice(0, _COLUMNS) if n == 0 else 0 for n in range(len(node.shape) - 1))
        values = np.asarray(node[(slice(start, stop), *inner)])
    if values.dtype.names:
        return {name: [shortened(v) for v in values[name]] for name in values.dtype.names}
    if values.ndim == 1:
        return {"value": [shortened(v) for v in values]}
    return {str(n): [shortened(v) for v in column] for n, column in enumerate(values.T)}


def shortened(value: Any) -> str:
    """Return any value as text of one line that fits into a cell."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, (float, np.floating)):
        text = f"{value:.10g}"
    elif isinstance(value, (complex, np.complexfloating)):
        text = f"{value:.8g}"
    elif isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=20, max_line_width=10_000, precision=8)
    else:
        text = str(value)
    text = " ".join(readable(text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
