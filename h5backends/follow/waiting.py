"""When a follower looks for news, and what it means if none comes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from enum import Enum

from h5backends.arrays import Array
from h5backends.errors import FollowError
from h5backends.heartbeat import WriterState, WriterWatch
from h5backends.holders import network_file_system

__all__ = ["EndState", "Pace", "Patience", "Watch"]

_SHORTEST = 0.001
"""Seconds between two looks right after news came."""
_LIVELY = 0.05
"""So long after the last news the stream counts as live, and looking often is worth its cost."""
_IDLE_CHEAP = 0.005
"""Longest pause where a look at the file's size and time tells whether a real one is due."""
_IDLE = 0.02
"""Longest pause where it does not."""
_TICK = 0.006
"""A file's time may advance in steps as long as this, and so stand for two changes."""
_EXPECT = 0.02
"""So long after a change that brought nothing yet its news is expected."""
_TRUST = 0.2
"""Seconds after which a real look is taken whatever size and time say."""
_LONG_IDLE = 1.0
"""Seconds without news after which all pauses are longer, so many times."""
_LONGER = 4
_DUTY = 50
"""While nothing happens, looking may take one part in this many of the time."""
_WATCH_SECONDS = 0.4
"""Between two looks at the writer's sign of life, while nothing happens."""
_WATCH_AFTER = 0.05
_CONFIRM_SECONDS = 0.02


class EndState(Enum):
    """Why a follower came to its end."""

    FINISHED = "finished"
    TIMED_OUT = "timed_out"
    WRITER_CRASHED = "writer_crashed"


class Patience:
    """How long to wait for news, on the monotonic clock.

    Parameters
    ----------
    timeout : float or None
        Seconds; None for ever, 0 for one look.

    Raises
    ------
    ValueError
        Negative, or not a number.
    """

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(
                f"a timeout is a number of seconds, 0 or more, or None for ever, not {timeout!r}"
            )
        self._timeout = timeout
        self._deadline = float("inf")
        self.restart()

    def restart(self) -> None:
        """Wait from now on."""
        if self._timeout is not None:
            self._deadline = time.monotonic() + self._timeout

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._deadline

    def cut(self, pause: float) -> float:
        """Shorten a pause so that it ends with the time."""
        return max(0.0, min(pause, self._deadline - time.monotonic()))


class Pace:
    """Chooses the pause between two looks: short while news comes, cheap while none does.

    Parameters
    ----------
    arrays : iterable of Array
        What is looked at.
    """

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._files = _files_that_show_changes(list(arrays))
        self._seen = self._signature()
        self._cost = 0.0
        self._news = self._changed = time.monotonic()
        self._looked = float("-inf")
        self._found = False

    def restart(self) -> None:
        """Begin to wait for the next news; the last was found."""
        self._news = time.monotonic()
        self._found = True

    def is_due(self) -> bool:
        """Tell whether a real look is worth its cost."""
        if self._files is None:
            return True
        now = time.monotonic()
        signature = self._signature()
        if signature != self._seen:
            self._seen, self._changed, self._found = signature, now, False
        since = now - self._changed
        if not self._found and since < _EXPECT:
            return True  # the writer may be in the middle of its flush
        settled = self._changed + _TICK
        trust = _LONGER * _TRUST if now - self._news > _LONG_IDLE else _TRUST
        return self._looked < settled <= now or now - self._looked > trust

    def looked(self, cost: float) -> None:
        """Take note of a real look and the seconds that it took."""
        self._cost = cost
        self._looked = time.monotonic()

    def pause(self) -> float:
        """Return the seconds to wait before the next look."""
        idle = time.monotonic() - self._news
        wanted = max(_SHORTEST, idle / 8)
        if idle < _LIVELY:
            return max(wanted, 2 * self._cost)
        slow = _LONGER if idle > _LONG_IDLE else 1
        if self._files is not None:
            return min(wanted, slow * _IDLE_CHEAP)
        return max(min(wanted, slow * _IDLE), _DUTY * self._cost)

    def _signature(self) -> list[tuple[int, int]] | None:
        if self._files is None:
            return None
        found = []
        for path in self._files:
            try:
                status = os.stat(path)
            except OSError:
                return None
            found.append((status.st_mtime_ns, status.st_size))
        return found


def _files_that_show_changes(arrays: list[Array]) -> list[str] | None:
    """List the files whose size and time tell of changes; None where they cannot be trusted."""
    if sys.platform == "win32":
        return None  # a file's time stands still there while it is open
    paths = {array.file_path for array in arrays}
    if not paths or any(array.is_assembled for array in arrays):
        return None
    local = [path for path in paths if path is not None and network_file_system(path) is None]
    return sorted(local) if len(local) == len(paths) else None


class Watch:
    """Looks after the writer of a file, and after the file being the one that was opened.

    Parameters
    ----------
    path : str or None
        The local file; None where there is none to look at, as on a server.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._writer = WriterWatch(path) if path is not None else None
        self._identity = _identity(path)
        self._was_written = False
        self._state = WriterState.UNKNOWN
        self._next = 0.0
        self._crashed_since: float | None = None

    def restart(self) -> None:
        """Forget the last writer's end: another one may have gone on."""
        self._was_written = False
        self._state = WriterState.UNKNOWN
        self._crashed_since = None
        self._next = time.monotonic() + _WATCH_AFTER

    def verdict(self, complete: bool, now: bool = False) -> EndState | None:
        """Tell whether the writer has come to an end.

        Parameters
        ----------
        complete : bool
            Whether the keys that are there have no gap, as in a file that was finished.
        now : bool
            Whether to look at once, not only every now and then.

        Raises
        ------
        FollowError
            Another file stands in the place of the one that was opened.
        """
        if self._writer is None:
            return None
        moment = time.monotonic()
        if not now and moment < self._next:
            return self._judge(complete)
        self._next = moment + _WATCH_SECONDS
        self._require_same_file()
        try:
            self._state = self._writer.state()
        except OSError:
            self._state = WriterState.UNKNOWN
        if self._state in {WriterState.WRITING, WriterState.STALLED}:
            self._was_written = True
        if self._state is not WriterState.CRASHED:
            self._crashed_since = None
        elif self._crashed_since is None:
            # Caught between two steps of an opening or closing it may look dead for a moment.
            self._crashed_since = moment
            self._next = moment + _CONFIRM_SECONDS
        return self._judge(complete)

    @property
    def suspects_crash(self) -> bool:
        """Whether the writer seems to be dead, which a second look has to confirm."""
        return self._crashed_since is not None

    def _judge(self, complete: bool) -> EndState | None:
        if self._state is WriterState.FINISHED and (self._was_written or complete):
            return EndState.FINISHED
        since = self._crashed_since
        if since is not None and time.monotonic() - since >= _CONFIRM_SECONDS:
            return EndState.WRITER_CRASHED
        return None

    def _require_same_file(self) -> None:
        if self._identity is None or _identity(self.path) == self._identity:
            return
        raise FollowError(
            "the file was replaced or removed while it was followed",
            file=self.path,
            remedy="What it held up to then was handed out. Open the new file to follow that.",
        )


def _identity(path: str | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
