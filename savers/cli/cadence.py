"""A schedule of equally spaced points, kept exactly however long each point takes."""

from __future__ import annotations

import time

from savers.cli.console import Stop

__all__ = ["Cadence"]


class Cadence:
    """Points at whole multiples of a period after the start, on the monotonic clock.

    The moments are fixed at the start, so that delays do not add up. A moment that has passed
    unused before its turn came is left out, never caught up in a hurry.

    Parameters
    ----------
    rate : float
        Points per second.
    seconds : float or None
        How long; None for without end.

    Attributes
    ----------
    taken, left_out : int
        Moments used, and passed unused.
    worst : float
        Longest delay of a point behind its moment, in seconds.
    """

    def __init__(self, rate: float, seconds: float | None = None) -> None:
        self.rate = rate
        self.count = None if seconds is None else max(1, round(seconds * rate))
        self.taken = 0
        self.left_out = 0
        self.worst = 0.0
        self._start: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the first wait began."""
        return 0.0 if self._start is None else time.monotonic() - self._start

    def wait(self, stop: Stop) -> bool:
        """Wait for the next moment; False at the end, or if asked to stop.

        The first call is the start; the first moment comes one period later.
        """
        if self._start is None:
            self._start = time.monotonic()
        self._leave_out_the_passed()
        turn = self.taken + self.left_out + 1
        if self.count is not None and turn > self.count:
            return False
        due = self._start + turn / self.rate
        if not stop.sleep_until(due):
            self._leave_out_the_passed()
            return False
        self.taken += 1
        self.worst = max(self.worst, time.monotonic() - due)
        return True

    def _leave_out_the_passed(self) -> None:
        """Give up all moments that have passed but the latest, which is taken late."""
        passed = int(self.elapsed * self.rate)
        if self.count is not None:
            passed = min(passed, self.count + 1)
        self.left_out += max(0, passed - (self.taken + self.left_out + 1))
