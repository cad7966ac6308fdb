"""The log in a file: its last lines, also those that come while readers look on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import EARRAY, GROUP, StringARRAY
from savers import layout
from savers.log import split_lines
from savers.low_level import H5SaverLowLevel
from savers.management import child
from savers.view.model.source import Source

__all__ = ["Log"]

_LINES = 500
"""Lines kept."""
_LONGEST = 1000
_END = 0xFF
_TAIL = 200_000
"""Bytes of a stream of log lines that are looked at when a file is opened."""


class Log:
    """The last lines of the log of a file.

    Parameters
    ----------
    source : Source
        The file.
    h5 : H5SaverLowLevel
        The same, opened; its lock is held at every call.
    """

    def __init__(self, source: Source, h5: H5SaverLowLevel) -> None:
        self._source = source
        self._stream: EARRAY | None = None
        self._text: StringARRAY | None = None
        self._lines_read = self._bytes_read = 0
        self._rest: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.lines: list[str] = []
        raw = child(h5.root(), layout.RAW_GROUP)
        if not isinstance(raw, GROUP):
            return
        text, stream = child(raw, layout.LOGGER), child(raw, layout.LIVE_LOGGER)
        if isinstance(text, StringARRAY):
            self._text = text
            self._lines_read = max(0, text.shape[0] - _LINES)
        if isinstance(stream, EARRAY):
            self._stream = stream
            self._bytes_read = max(0, stream.shape[0] - _TAIL)

    @property
    def exists(self) -> bool:
        """Whether the file has a log."""
        return self._text is not None or self._stream is not None

    def update(self) -> bool:
        """Take in new lines; tell whether there were any."""
        new = [*self._new_text(), *self._new_in_stream()]
        for line in new:
            text = line.rstrip("\n")
            self.lines.append(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
        del self.lines[:-_LINES]
        return bool(new)

    def _new_text(self) -> list[str]:
        text = self._text
        if text is None:
            return []
        if self._source.remote:  # in a local file nobody adds to it while readers look on
            self._source.refresh(text)
        start, self._lines_read = self._lines_read, text.shape[0]
        return list(text[start : self._lines_read]) if start < self._lines_read else []

    def _new_in_stream(self) -> list[str]:
        stream = self._stream
        if stream is None:
            return []
        self._source.refresh(stream)
        start, self._bytes_read = self._bytes_read, stream.shape[0]
        if start >= self._bytes_read:
            return []
        new = np.asarray(stream[start : self._bytes_read], np.uint8)
        found = np.concatenate([self._rest, new])
        ends = np.flatnonzero(found == _END)
        whole = int(ends[-1]) + 1 if len(ends) else 0
        self._rest = found[whole:]
        return split_lines(found[:whole])
