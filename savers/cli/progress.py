"""How far long work has come: a bar with a rate on a terminal, nothing anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from savers.cli.console import Stop, err

__all__ = ["Meter", "StoppedError"]

_INTERVAL = 0.2


class StoppedError(Exception):
    """Somebody asked to stop; what was begun is undone on the way out."""


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
        What one step is, in the plural. Of ``bytes`` the bar shows kilobytes, megabytes and so on.
    stop : Stop, optional
        Asks for an end: :meth:`told` raises then.
    """

    def __init__(
        self, what: str, total: int | None, unit: str = "bytes", stop: Stop | None = None
    ) -> None:
        self._shown = float("-inf")
        self._what, self._stop = what, stop
        of = "" if total is None else f" of {total}"
        count: list[ProgressColumn] = [
            TextColumn(f"{{task.completed:.0f}}{of} {unit}"),
            _Rate(),
        ]
        if unit == "bytes":
            count = [DownloadColumn(), TransferSpeedColumn()]
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            *count,
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

    def told(self, done: int, total: int, what: str | None = None) -> None:
        """Show how far it is, as work that knows its end while it goes on tells it.

        Parameters
        ----------
        done, total : int
            Steps.
        what : str, optional
            What is going on now, if it is something else than before.

        Raises
        ------
        StoppedError
            Somebody asked to stop.
        """
        if self._stop:
            raise StoppedError
        if what is not None and what != self._what:
            self._what = what
            self._progress.reset(self._task, description=what)
        self._progress.update(self._task, total=total)
        self.show(done)

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
