"""Following stacks chunk by chunk, each read and decoded as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from h5backends.arrays import Array
from h5backends.decoding import ChunkDecoder, chunk_decoder
from h5backends.errors import FollowError
from h5backends.follow.following import Following
from h5backends.follow.frames import SliceDict
from h5backends.follow.places import Places
from h5backends.follow.waiting import EndState, Pace, Patience, Watch

__all__ = ["ChunkSource"]


class ChunkSource(Following[SliceDict]):
    """Iterate over the chunks of one or more stacks while they are written.

    A chunk is complete when the stack has grown over all of it, or, where the stack has its full
    extent from the start, when the chunk is in the file. The last one may be shorter; in a stack
    without limit it comes when the scan is over.

    Parameters
    ----------
    datasets : mapping
        Name to array, as for :class:`DataSource`. Chunks divide the first axis only.
    timeout, finished_dataset, file, backend, **options
        As for :class:`KeyFollower`; a file given by its path has to exist.

    Raises
    ------
    FollowError
        An array without chunks, or with chunks that divide more than the first axis.
    """

    def __init__(
        self,
        datasets: Mapping[str, Any],
        timeout: float | None = 10,
        finished_dataset: Any = None,
        *,
        file: Any = None,
        backend: str = "h5py",
        **options: Any,
    ) -> None:
        super().__init__()
        if not datasets:
            raise FollowError("no data to follow", expected="at least one dataset")
        self.places = Places(file, backend, **options)
        self.timeout = timeout
        self.finished_dataset = finished_dataset
        self.finished_set = False
        self.current_index = 0
        self._patience = Patience(timeout)
        self._stacks = {name: _Stack(self.places.find(item)) for name, item in datasets.items()}
        self.chunk_size = next(iter(self._stacks.values())).chunks[0]
        self._finished = None if finished_dataset is None else self.places.find(finished_dataset)
        arrays = [stack.array for stack in self._stacks.values()]
        self._arrays = arrays if self._finished is None else [*arrays, self._finished]
        limits = [n for stack in self._stacks.values() if (n := stack.limit) is not None]
        self.max_size = min(limits) if limits else None
        self._pace = Pace(self._arrays)
        self._watch = Watch(next((a.file_path for a in arrays if a.file_path), None))
        self._end: EndState | None = None
        self._last_look = False

    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self._end

    def _take(self) -> SliceDict | None:
        start = self.current_index * self.chunk_size
        stop = start + self.chunk_size
        if self.max_size is not None:
            stop = min(stop, self.max_size)
        if stop <= start:
            return None
        complete = all(stack.has(start, stop) for stack in self._stacks.values())
        if not complete:
            # At the end, what there is of the last chunk.
            stop = min(stop, *(stack.length for stack in self._stacks.values()))
            written = all(stack.is_written(start) for stack in self._stacks.values())
            if self._end is None or stop <= start or not written:
                return None
        result = SliceDict((name, stack.read(start, stop)) for name, stack in self._stacks.items())
        result.index = start
        result.slice_metadata = [slice(start, stop)]
        result.maxshape = [self.max_size]
        self.current_index += 1
        return result

    def _begin(self) -> None:
        self._patience.restart()
        self._pace.restart()
        if self._end is not None:
            self._end = None
            self._last_look = self.finished_set = False
            self._watch.restart()

    def _look(self) -> float | None:
        over = self._patience.is_over
        if not (over or self._last_look or self._pace.is_due()):
            return self._patience.cut(self._pace.pause())
        for stack in self._stacks.values():
            stack.array.refresh()
        if self._is_next():
            self._last_look = False
            return None
        end = self._signs(over)
        if end is None:
            return self._patience.cut(self._pace.pause())
        if end is EndState.TIMED_OUT or self._last_look:
            self.finished_set = end is EndState.FINISHED
            self._end, self._last_look = end, False
            return None
        self._last_look = True  # the last rows may have come with the sign of the end
        return 0.0

    def _is_next(self) -> bool:
        start = self.current_index * self.chunk_size
        stop = start + self.chunk_size
        if self.max_size is not None:
            stop = min(stop, self.max_size)
        return start < stop and all(stack.has(start, stop) for stack in self._stacks.values())

    def _signs(self, over: bool) -> EndState | None:
        if self._finished is not None:
            self._finished.refresh()
            shape = self._finished.shape
            if math.prod(shape) == 1:
                flag = self._finished.read(tuple(slice(0, 1, 1) for _ in shape))
                if flag.reshape(-1)[0] != 0:
                    return EndState.FINISHED
        full = self.max_size is not None and self.current_index * self.chunk_size >= self.max_size
        if full:
            return EndState.FINISHED
        fixed = not any(array.can_grow for array in self._arrays)
        growing = all(not stack.is_full for stack in self._stacks.values())
        verdict = self._watch.verdict(growing, now=over or fixed or self._last_look)
        if fixed and not self._watch.suspects_crash:
            return EndState.FINISHED
        return verdict or (EndState.TIMED_OUT if over else None)

    def reset(self) -> None:
        """Begin again with the first chunk."""
        self.current_index = 0
        self._end = None
        self.finished_set = False

    def close(self) -> None:
        """Close the file if it was given by its path."""
        self.places.close()


class _Stack:
    """One array whose chunks divide its first axis only."""

    def __init__(self, array: Array) -> None:
        chunks = array.chunks
        if chunks is None or tuple(chunks[1:]) != array.shape[1:]:
            raise FollowError(
                "the chunks of a stack divide its first axis only",
                node=array.name,
                expected=f"chunks of (n, {', '.join(map(str, array.shape[1:]))})",
                found=chunks,
                remedy="Follow it with a DataSource.",
            )
        self.array = array
        self.chunks = chunks
        self.limit = array.maxshape[0]
        self._decoder: ChunkDecoder | None = chunk_decoder(array)

    @property
    def length(self) -> int:
        """How long the stack is."""
        return self.array.shape[0]

    @property
    def is_full(self) -> bool:
        """Whether it has its full extent, so that this tells nothing about its content."""
        return self.limit is not None and self.length >= self.limit

    def has(self, start: int, stop: int) -> bool:
        """Tell whether some rows are there."""
        return self.length >= stop and (not self.is_full or self.is_written(start))

    def is_written(self, start: int) -> bool:
        """Tell whether the chunk that begins at a row is in the file."""
        if self._decoder is None or self.length <= start:
            return self.length > start
        return self._decoder.is_written(self._offset(start))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows that are in one chunk, if chunks begin at `start`."""
        rows = self.chunks[0]
        if self._decoder is None or start % rows or stop - start > rows:
            return self.array.read((slice(start, stop, 1), *self._frame()))
        raw = self._decoder.fetch(self._offset(start))
        if raw is None:
            return self.array.read((slice(start, stop, 1), *self._frame()))
        return self._decoder.decode(*raw)[: stop - start]

    def _offset(self, start: int) -> tuple[int, ...]:
        return (start, *(0,) * (len(self.chunks) - 1))

    def _frame(self) -> Sequence[slice]:
        return [slice(0, n, 1) for n in self.array.shape[1:]]
