"""Since when a server is away, as far as any file of this program has noticed.

A program with many files on a server that is dead waits for it once, not once for each of them:
when it ends, that would take half a minute a file.
"""

from __future__ import annotations

import time

__all__ = ["ABSENCES", "Absences"]


class Absences:
    """The servers that do not answer, by their endpoints.

    Without a lock: a child must not inherit a locked one, and what two threads say at the same
    time differs by moments.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}  # first and last attempt in vain

    def missed(self, endpoint: str, memory: float) -> float:
        """Take note of an attempt in vain.

        Parameters
        ----------
        endpoint : str
            The server.
        memory : float
            Seconds after which an earlier attempt says nothing about this one.

        Returns
        -------
        float
            When the first attempt was made since which the server did not answer anybody, as
            told by :func:`time.monotonic`.
        """
        now = time.monotonic()
        first, last = self._seen.get(endpoint, (now, now))
        if now - last > memory:
            first = now
        self._seen[endpoint] = first, now
        return first

    def answered(self, endpoint: str) -> None:
        """Take note of an answer."""
        self._seen.pop(endpoint, None)


ABSENCES = Absences()
"""Of this program."""
