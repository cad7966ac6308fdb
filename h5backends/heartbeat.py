"""The writer's sign of life: is a file being written, finished, stalled, or left by a crash?

A SWMR writer's mark in the file is the same before and after it died, and nothing inside the file
can be read without an HDF5 library. So a writer keeps a small text file beside the data,
``.<name>.writer``, which says who it is and counts up; it is gone when the file was closed.

On the writer's own machine its process tells whether it lives. Elsewhere, over a shared folder,
only a counter that moves does; clocks of two machines are never compared.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import sys
import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from h5backends.holders import network_file_system, process_start, program_name, writers
from h5backends.shortage import is_shortage
from h5backends.superblock import FileState, file_state

__all__ = ["Beat", "Heartbeat", "WriterState", "WriterWatch", "read_heartbeat", "writer_state"]

_log = logging.getLogger(__name__)

_RECORD_SIZE = 1024
"""Every beat fills the same bytes, so that replacing one never leaves the tail of another."""
_STALLED_BEATS = 3.0
"""A writer that missed this many beats has stalled."""
_CRASHED_BEATS = 10.0
"""A writer on another machine that missed this many beats is taken for dead."""
_INTERVALS = (0.02, 30.0)
"""Seconds; what a sign of life says about its interval is believed only between these."""
_SAME_START = 3.0
"""Seconds by which two readings of a process's start may differ where the clock can be set."""


class WriterState(Enum):
    """What is known about the program that writes a file."""

    WRITING = "being written"
    FINISHED = "finished"
    STALLED = "its writer lives but gives no sign"
    CRASHED = "its writer died"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Beat:
    """One sign of life.

    Parameters
    ----------
    token : str
        Unique to one opening of the file by one writer.
    beat : int
        Counts up with every sign.
    interval : float
        Seconds between two signs.
    pid : int
        The writer's process number, on its machine.
    start : float
        When that process started, see `h5backends.holders.process_start`.
    program, host : str
        Names for people.
    place : str
        Identifies the running system: equal only where process numbers mean the same.
    tick : float
        The running system's monotonic clock, in seconds.
    time : float
        Seconds since 1970 by the writer's clock; for people, never compared.
    """

    token: str
    beat: int
    interval: float
    pid: int
    start: float
    program: str
    host: str
    place: str
    tick: float
    time: float

    @property
    def is_here(self) -> bool:
        """Whether the writer runs, or ran, on this system since it was started."""
        return self.place == _place()

    @property
    def is_alive_here(self) -> bool:
        """Whether the writer's process runs on this system now."""
        if not self.is_here:
            return False
        start = process_start(self.pid)
        return start is not None and abs(start - self.start) <= _SAME_START

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid} on {self.host})"


def sidecar(path: str | os.PathLike[str]) -> Path:
    """Return where a file's sign of life stands, links to the file followed."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.writer")


class Heartbeat:
    """Gives the sign of life for a file that this process writes.

    Where the sign cannot be written (no permission for new files in the folder, a full disk) the
    writer goes on without: readers then see state ``UNKNOWN`` or what the system tells.

    Parameters
    ----------
    path : path-like
        The data file.
    interval : float
        Seconds between two signs.
    """

    def __init__(self, path: str | os.PathLike[str], interval: float = 1.0) -> None:
        self.path = sidecar(path)
        self.interval = interval
        self._pid = os.getpid()
        self._next = float("-inf")
        self._running = False
        self._failed = False
        self._token = uuid.uuid4().hex
        self._beat: Beat | None = None

    def start(self) -> None:
        """Give the first sign, right after the file was opened."""
        self._running = True
        self._write()

    def beat(self) -> None:
        """Give a sign if one is due; cheap enough to be called at every flush."""
        if self._running and time.monotonic() >= self._next:
            self._write()

    def stop(self) -> None:
        """Take the sign away, after the file was closed; a second call does nothing."""
        if not self._running or os.getpid() != self._pid:
            return
        self._running = False
        try:
            found = _read(self.path)
            ours = found is not None and found.token == self._token
        except OSError:
            ours = True  # another writer's, if it is, comes back with its next beat
        if ours:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _write(self) -> None:
        if os.getpid() != self._pid:
            return  # a copy made by fork; the file is the parent's
        now = time.monotonic()
        self._next = now + self.interval
        try:
            # Not before it can be written: without descriptors the system tells nothing of us.
            beat = self._beat or self._first()
            self._beat = replace(beat, beat=beat.beat + 1, tick=now, time=time.time())
            content = json.dumps(asdict(self._beat)).encode("ascii")
            record = content.ljust(_RECORD_SIZE - 1) + b"\n"
            # Opened anew each time: somebody may have tidied it away, and over a shared folder
            # others see what was written only once it is closed.
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self.path, flags, 0o644)
            try:
                os.write(descriptor, record)
            finally:
                os.close(descriptor)
        except OSError as exc:
            if not self._failed:
                _log.debug("no sign of life beside %s: %s", self.path, exc)
            self._failed = True

    def _first(self) -> Beat:
        """Say who gives the sign."""
        return Beat(
            token=self._token,
            beat=0,
            interval=self.interval,
            pid=self._pid,
            start=process_start(self._pid) or 0.0,
            program=program_name(self._pid)[:80],
            host=platform.node()[:80],
            place=_place(),
            tick=0.0,
            time=0.0,
        )


def read_heartbeat(path: str | os.PathLike[str]) -> Beat | None:
    """Read the sign of life beside a data file.

    Parameters
    ----------
    path : path-like
        The data file.

    Returns
    -------
    Beat or None
        None if there is none, or none that makes sense.

    Raises
    ------
    OSError
        For want of descriptors or memory it cannot be told.
    """
    return _read(sidecar(path))


def _read(place: Path) -> Beat | None:
    for _ in range(3):
        try:
            text = place.read_bytes()[: 4 * _RECORD_SIZE]
            return _parsed(json.loads(text, parse_constant=_refuse))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as exc:
            if isinstance(exc, OSError) and is_shortage(exc):
                raise
            # Caught in the middle of being written, or not ours.
            time.sleep(0.002)
    return None


_KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}


def _parsed(values: Any) -> Beat:
    beat = Beat(**values)
    for field in fields(Beat):
        kinds = _KINDS[str(field.type)]
        if not isinstance(getattr(beat, field.name), kinds):
            raise TypeError(field.name)
    shortest, longest = _INTERVALS
    return replace(beat, interval=min(max(beat.interval, shortest), longest))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _place() -> str:
    """Identify the running system, and the container in it, that process numbers belong to."""
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            return f"{boot} {os.readlink('/proc/self/ns/pid')}"
        except OSError as exc:
            if is_shortage(exc):
                raise
    return f"{platform.node()} {uuid.getnode():012x}"


class WriterWatch:
    """Looks after the writer of one file, again and again, without ever waiting.

    Parameters
    ----------
    path : path-like
        The data file; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._seen: tuple[str, int] | None = None
        self._since = time.monotonic()
        self._moves = False

    def state(self) -> WriterState:
        """Tell what is known now about the program that writes the file.

        Returns
        -------
        WriterState
            ``UNKNOWN`` for a file that is not there or bears a mark whose writer cannot be seen
            from here; for a writer on another machine also until its counter was seen to move.

        Raises
        ------
        OSError
            The operating system does not let us read the file.
        """
        state = self._look()
        # It may have closed the file and ended while we looked: what counts is how the file
        # stands now that the process is gone.
        return self._look() if state is WriterState.CRASHED else state

    def _look(self) -> WriterState:
        # The sign first: a writer that closes takes its mark off before it takes the sign away.
        beat = read_heartbeat(self.path)
        state = file_state(self.path)
        marked = state in {FileState.WRITING, FileState.SWMR_WRITING}
        # Its header is written only at the first flush, and it may be read while it is replaced.
        unborn = state in {FileState.EMPTY, FileState.DAMAGED, FileState.MISSING}
        if beat is not None:
            living = self._by_beat(beat)
            if living in {WriterState.WRITING, WriterState.STALLED}:
                return living
            if living is WriterState.UNKNOWN and (marked or unborn):
                return living
        if state is FileState.CLOSED:
            return WriterState.FINISHED
        if marked:
            return self._by_system(beat)
        if state is FileState.OVERHANG:
            return WriterState.CRASHED
        if unborn and beat is not None:
            return WriterState.CRASHED
        return WriterState.UNKNOWN

    def _by_beat(self, beat: Beat) -> WriterState:
        now = time.monotonic()
        current = (beat.token, beat.beat)
        if current != self._seen:
            self._moves = self._seen is not None
            self._seen, self._since = current, now
        if beat.is_here:
            if not beat.is_alive_here:
                return WriterState.CRASHED
            # One system, one monotonic clock: the age of the sign is known at once.
            late = now - beat.tick > _STALLED_BEATS * beat.interval
            return self._stalled_here(beat) if late else WriterState.WRITING
        missed = (now - self._since) / beat.interval
        if missed <= _STALLED_BEATS:
            return WriterState.WRITING if self._moves else WriterState.UNKNOWN
        return WriterState.STALLED if missed <= _CRASHED_BEATS else WriterState.CRASHED

    def _stalled_here(self, beat: Beat) -> WriterState:
        """The process lives, but it may have dropped the file without closing it."""
        visible = sys.platform == "linux" and os.access(f"/proc/{beat.pid}/fd", os.R_OK)
        if visible and self.path.exists() and not writers(self.path):
            return WriterState.CRASHED
        return WriterState.STALLED

    def _by_system(self, beat: Beat | None) -> WriterState:
        if writers(self.path):
            return WriterState.WRITING
        if beat is None and network_file_system(self.path) is not None:
            return WriterState.UNKNOWN
        return WriterState.CRASHED


def writer_state(path: str | os.PathLike[str], patience: float | None = None) -> WriterState:
    """Tell whether a file is being written, finished, stalled, or left behind by a crash.

    Answers at once, except for a writer on another machine: its counter is watched until it moves
    or `patience` is over.

    Parameters
    ----------
    path : path-like
        The data file; it need not exist.
    patience : float, optional
        Longest time to watch in seconds; where nothing is given, as long as it takes to call a
        silent writer stalled. Enough to call it dead: ``math.inf``.

    Returns
    -------
    WriterState

    Raises
    ------
    OSError
        The operating system does not let us read the file.
    """
    watch = WriterWatch(path)
    state = watch.state()
    beat = read_heartbeat(path)
    if beat is None or beat.is_here:
        return state
    if patience is None:
        patience = (_STALLED_BEATS + 1) * beat.interval
    deadline = time.monotonic() + min(patience, (_CRASHED_BEATS + 1) * beat.interval)
    undecided = {WriterState.UNKNOWN, WriterState.STALLED}
    while state in undecided and time.monotonic() < deadline:
        time.sleep(min(0.05, beat.interval / 4))
        state = watch.state()
    return state
