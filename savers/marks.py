"""What a recording notes in the file about its writer, and what that tells of its state."""

from __future__ import annotations

import math
import os
import platform
import time
from typing import Any

from h5backends.backend import H5Backend
from h5backends.heartbeat import WriterState
from h5backends.holders import process_start

__all__ = ["DONE_MARK", "WRITER_MARK", "MarkWatch", "writer_marks"]

WRITER_MARK = "writer_pid"
"""Root attribute that is there from the first moment of a recording."""
DONE_MARK = "writer_done"
"""Root attribute that is 0 once every stream exists, and 1 at the end."""
_INTERVAL = 0.5


def writer_marks() -> dict[str, Any]:
    """Return root attributes that say which process writes."""
    pid = os.getpid()
    start = process_start(pid) or 0.0
    return {WRITER_MARK: pid, "writer_host": platform.node(), "writer_start": start}


class MarkWatch:
    """Looks after the writer of a file on a server, where no file system tells.

    Parameters
    ----------
    h5 : H5Backend
        The open file.
    """

    def __init__(self, h5: H5Backend) -> None:
        self._h5 = h5
        self._asked = -math.inf
        self._state = WriterState.UNKNOWN

    def state(self) -> WriterState:
        """Tell what is known about the writer; a file without marks counts as finished."""
        now = time.monotonic()
        if now - self._asked >= _INTERVAL:
            self._asked = now
            self._state = _state(self._h5.root().attrs.to_dict())
        return self._state


def _state(marks: dict[str, Any]) -> WriterState:
    if marks.get(DONE_MARK, 1):
        return WriterState.FINISHED
    if marks.get("writer_host") != platform.node():
        return WriterState.WRITING  # as far as can be told from here
    alive = process_start(int(marks[WRITER_MARK])) == marks.get("writer_start")
    return WriterState.WRITING if alive else WriterState.CRASHED
