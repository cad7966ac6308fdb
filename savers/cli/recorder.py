"""Reads counters on time, whatever the storage does: a thread of its own writes."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from h5backends.errors import H5Error, RemoteAccessError, RemoteError, StorageError
from savers.cli.console import duration, note
from savers.cli.recording import Point, Recording
from savers.counters import Counter

__all__ = ["Recorder"]

_PATIENCE = 60.0
"""Seconds for which points are kept while the disk or the server does not take them."""
_RETRY = 0.5
_GLANCE = 0.1


class Recorder:
    """Takes points, and hands them to the file behind the back of the one who takes them.

    Parameters
    ----------
    recording : Recording
        The file.
    counters : list of Counter
        What to read, in the order of the file's streams.

    Attributes
    ----------
    taken : int
        Points read.
    struggling : bool
        Whether the storage does not take points at present.
    """

    def __init__(self, recording: Recording, counters: list[Counter]) -> None:
        self.recording = recording
        self.taken = 0
        self.struggling = False
        self._counters = counters
        self._queue: queue.SimpleQueue[Point | None] = queue.SimpleQueue()
        self._give_up = threading.Event()
        self._pool = ThreadPoolExecutor(1, "write")
        self._writing = self._pool.submit(self._write)

    @property
    def failed(self) -> bool:
        """Whether the storage cannot be written any more; :meth:`close` says why."""
        return self._writing.done()

    @property
    def waiting(self) -> int:
        """Points read that the file has not taken yet."""
        return self.taken - self.recording.points

    def take(self) -> None:
        """Read all counters once."""
        moment = time.time()
        self._queue.put([*(counter.read() for counter in self._counters), moment])
        self.taken += 1

    def close(self) -> None:
        """Wait until everything is written and the file is closed.

        Raises
        ------
        StorageError, RemoteError
            The storage took nothing for a minute, or refuses.
        """
        self._queue.put(None)
        try:
            # In slices, for on Windows no signal interrupts a wait.
            while not wait([self._writing], timeout=_GLANCE).done:
                pass
        finally:
            # Only somebody who does not want to wait any longer gets here before the end.
            self._give_up.set()
            self._pool.shutdown(wait=False)
        self._writing.result()

    # -- in the thread --------------------------------------------------------------------------
    def _write(self) -> None:
        points: deque[Point] = deque()
        more = True
        while more:
            more = self._fetch(points)
            if seconds := self._persist(lambda: self.recording.append(points)):
                line = f"the storage had taken no data for {duration(seconds)}"
                self._persist(functools.partial(self.recording.log, line))
        self._persist(self.recording.close)

    def _fetch(self, points: deque[Point]) -> bool:
        """Wait for a point and move all there are into `points`; False after the last."""
        while True:
            point = self._queue.get()
            if point is None:
                return False
            points.append(point)
            if self._queue.empty():
                return True

    def _persist(self, step: Callable[[], None]) -> float:
        """Try a step until the storage takes it; return the seconds it did not."""
        began: float | None = None
        while True:
            try:
                step()
                break
            except (StorageError, RemoteError) as exc:
                now = time.monotonic()
                if began is None:
                    began = now
                    self._complain(exc)
                hopeless = isinstance(exc, RemoteAccessError) or now - began > _PATIENCE
                if hopeless or self._give_up.wait(_RETRY):
                    raise
        if began is None:
            return 0.0
        self.struggling = False
        note("The storage takes data again; every point was kept")
        return time.monotonic() - began

    def _complain(self, error: H5Error) -> None:
        self.struggling = True
        note(f"Warning: {error.what}; trying again for {duration(_PATIENCE)}")
