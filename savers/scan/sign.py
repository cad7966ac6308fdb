"""The sign that a master file is being written, though nobody has it open."""

from __future__ import annotations

import atexit
import contextlib
import threading
from pathlib import Path

from h5backends.heartbeat import Heartbeat
from h5backends.superblock import patched, read_superblock

__all__ = ["Sign", "set_mark"]

_CLOSED, _SWMR_WRITER = 0x00, 0x05
"""Consistency flags of a superblock."""


class Sign:
    """Tells followers that a file's writer lives, and after a crash that it died.

    A master is replaced again and again. Were it closed or opened in between, a follower that
    looks just then would take it for finished; so it bears a SWMR writer's mark from its first
    moment on, and the sign of life stands beside it all the time.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heartbeat = Heartbeat(path)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def shown(self) -> bool:
        """Whether the sign is there."""
        return self._thread is not None

    def show(self) -> None:
        """Begin; a second call does nothing."""
        if self._thread is None:
            self._heartbeat.start()
            name = f"sign of life of {self._path.name}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()
            atexit.register(self.take_away)  # for programs that end without closing the scan

    def take_away(self) -> None:
        """End: take the mark off the file, then the sign away."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        atexit.unregister(self.take_away)
        self._stop.set()
        thread.join()
        with contextlib.suppress(FileNotFoundError):
            set_mark(self._path, False)
        self._heartbeat.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._heartbeat.interval):
            self._heartbeat.beat()


def set_mark(path: Path, written: bool) -> None:
    """Put a SWMR writer's mark on a closed file, or take it off.

    Parameters
    ----------
    path : Path
        The file, which nobody has open for writing.
    written : bool
        Whether it is to bear the mark.
    """
    block = read_superblock(path)
    flags = _SWMR_WRITER if written else _CLOSED
    with open(path, "r+b", buffering=0) as file:
        file.seek(block.offset)
        file.write(patched(block, end=block.end, flags=flags))
