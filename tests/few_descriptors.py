"""A program that has no file descriptors left, or only a few."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["exhausted"]

_LIMIT = 256


@contextlib.contextmanager
def exhausted(leave: int = 0) -> Iterator[None]:
    """Take all descriptors of this process but a few; not on Windows."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_LIMIT, soft), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(leave):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
