"""When rows leave the program: the flush policy, the dial between cost and what a crash loses."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FlushPolicy"]

_LIVE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """When to hand collected rows to the file and the file to the operating system.

    A flush happens when the first of the limits is reached; it always covers every array of the
    file, so arrays that were appended to together become visible together. What a crash of the
    program can cost is what was appended since the last flush.

    Parameters
    ----------
    rows : int or None
        At the latest after this many rows of one array.
    seconds : float or None
        At the latest this many seconds after a row was appended; at once if the last flush is
        longer ago, so that a slow stream is always on disk. None leaves it to `rows`, `bytes`
        and explicit flushes.
    bytes : int or None
        At the latest after this many bytes of one array.
    fsync : bool
        Also wait for the storage device (or the server's store), so that rows survive a power
        failure and not only the program.

    Raises
    ------
    ValueError
        A limit that is not positive.

    Examples
    --------
    >>> FlushPolicy(rows=100)          # every 100 rows, or after a second
    FlushPolicy(rows=100, seconds=1.0, bytes=None, fsync=False)
    """

    rows: int | None = None
    seconds: float | None = 1.0
    bytes: int | None = None
    fsync: bool = False

    def __post_init__(self) -> None:
        for name in ("rows", "seconds", "bytes"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"FlushPolicy: {name} must be positive or None, not {limit!r}")

    @classmethod
    def live(cls) -> FlushPolicy:
        """Return the default while readers are attached: visible within milliseconds."""
        return cls(seconds=_LIVE_SECONDS)
