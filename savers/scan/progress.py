"""How far a scan has come: a bar on a terminal or in a notebook, nothing anywhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bar"]

_INTERVAL = 0.1
"""Seconds between two updates: one at every point would cost more than the point."""


class Bar:
    """The progress bar of a scan.

    Parameters
    ----------
    title : str
        What is going on.
    total : int or None
        Points in all; None if nobody knows.
    done : int
        Points that an earlier run wrote.
    wanted : bool or None
        Whether to show it; by default on terminals and in notebooks.
    """

    def __init__(self, title: str, total: int | None, done: int, wanted: bool | None) -> None:
        self._next = float("inf")
        self._done = done
        self._progress: Progress | None = None
        if wanted is False:
            return
        # Loaded here: programs that show no bar do not pay for it.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        if not (wanted or console.is_terminal or console.is_jupyter):
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(title, total=total, completed=done)
        self._progress.start()
        self._next = 0.0

    def show(self, done: int) -> None:
        """Show how many points are done; cheap enough to be called at every point."""
        self._done = done
        if self._progress is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        """Show the last state and leave the terminal to others; a second call does nothing."""
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.update(self._task, completed=self._done)
            progress.stop()
