"""What all followers share: taking what is there, waiting for more, coming to an end."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from h5backends.follow.waiting import EndState

__all__ = ["Following", "wait_async", "wait_sync"]

T = TypeVar("T")


class Following(ABC, Generic[T]):
    """An iterator over what arrives, for ``for`` and for ``async for``.

    An iterator that came to an end can be iterated over again: it looks for more behind the last
    item, as after a writer that was restarted.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @property
    @abstractmethod
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""

    @abstractmethod
    def _take(self) -> T | None:
        """Return the next item if it is there."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin to wait."""

    @abstractmethod
    def _look(self) -> float | None:
        """Look once; return the pause before the next look, or None when waiting is over."""

    @abstractmethod
    def close(self) -> None:
        """Close the file if it was given by its path; files that were given open stay so."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        item = self._take()
        while item is None:
            wait_sync(self._begin, self._look)
            item = self._take()
            if item is None and self.end is not None:
                raise StopIteration
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        # In a thread, so that a slow disk or server does not hold up the event loop.
        item = await asyncio.to_thread(self._locked_take)
        while item is None:
            await wait_async(self._begin, self._locked_look)
            item = await asyncio.to_thread(self._locked_take)
            if item is None and self.end is not None:
                raise StopAsyncIteration
        return item

    def _locked_take(self) -> T | None:
        with self._lock:
            return self._take()

    def _locked_look(self) -> float | None:
        # A cancelled task leaves its look running in its thread.
        with self._lock:
            return self._look()


def wait_sync(begin: Callable[[], None], look: Callable[[], float | None]) -> None:
    """Look until waiting is over, sleeping in between."""
    begin()
    while (pause := look()) is not None:
        time.sleep(pause)


async def wait_async(begin: Callable[[], None], look: Callable[[], float | None]) -> None:
    """Look until waiting is over, letting other tasks run in between."""
    begin()
    while (pause := await asyncio.to_thread(look)) is not None:
        await asyncio.sleep(pause)
