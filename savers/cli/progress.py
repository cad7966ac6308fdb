"""How far long work has come: a bar with a rate on a terminal, nothing anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from savers.cli.console import err

__all__ = ["Meter"]

_INTERVAL = 0.2


class _Rate(ProgressColumn):
    """Steps per second, over the last seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s", style="cyan")


class Meter:
    """A progress bar on standard error; use it as a context manager.

    Parameters
    ----------
    what : str
        What is going on.
    total : int or None
        Steps in all; None if nobody knows.
    unit : str
        What one step is, in the plural.
    """

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self._shown = float("-inf")
        of = "" if total is None else f" of {total}"
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn(f"{{task.completed:.0f}}{of} {unit}"),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[beside]}", style="yellow"),
            console=err,
            refresh_per_second=4,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._progress.add_task(what, total=total, beside="")

    def show(self, done: int, beside: str = "") -> None:
        """Show how many steps are done; cheap enough to be called at every step."""
        now = time.monotonic()
        if now - self._shown >= _INTERVAL:
            self._shown = now
            self._progress.update(self._task, completed=done, beside=beside)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
