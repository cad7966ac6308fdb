"""Boxes of an array read chunk by chunk: fetched here, decoded in threads, possibly ahead.

Only the thread that asks ever calls HDF5, so a lock that it holds cannot stop what it waits for;
the threads do nothing but decode.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from h5backends import workers
from h5backends.chunks import parts
from h5backends.decoding import ChunkDecoder, Chunked, Raw, chunk_decoder
from h5backends.types import Box

__all__ = ["ChunkReader", "Pending", "Readable"]

_TASK_NBYTES = 1 << 18
"""Decoded bytes that are worth handing to a thread."""


class Readable(Chunked, Protocol):
    """An array that can be read box by box, see :class:`h5backends.arrays.Array`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Current extent."""

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""


class Pending:
    """A box that is being decoded.

    Parameters
    ----------
    out : ndarray
        Where it goes.
    futures : sequence of Future
        What has to be done first.
    """

    __slots__ = ("_futures", "_out")

    def __init__(self, out: NDArray[Any], futures: Sequence[Future[None]] = ()) -> None:
        self._out = out
        self._futures = futures

    def result(self) -> NDArray[Any]:
        """Wait for it.

        Returns
        -------
        ndarray, the shape of the box

        Raises
        ------
        StorageError
            A chunk cannot be decoded.
        """
        for future in self._futures:
            future.result()
        return self._out

    def cancel(self) -> None:
        """Give up what was not begun."""
        for future in self._futures:
            future.cancel()


class ChunkReader:
    """Reads boxes of an array, through HDF5 or around it, whichever is faster.

    Parameters
    ----------
    array : Readable
        The array.
    """

    def __init__(self, array: Readable) -> None:
        self.array = array
        self.decoder: ChunkDecoder | None = chunk_decoder(array)

    @property
    def decodes(self) -> bool:
        """Whether chunks are decoded here, so that several can be decoded at once."""
        return self.decoder is not None and self.decoder.is_packed

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box.

        Parameters
        ----------
        box : tuple of slice
            Inside the extent, all steps 1.

        Returns
        -------
        ndarray, the shape of the box, the array's dtype
            It may be read-only.
        """
        return self.begin(box).result()

    def begin(self, box: Box) -> Pending:
        """Fetch a box, and decode it in threads while the caller goes on.

        Parameters
        ----------
        box : tuple of slice
            As for :meth:`read`.
        """
        decoder = self.decoder
        if decoder is None or not decoder.is_packed:
            return Pending(self.array.read(box))
        offset = tuple(part.start for part in box)
        if self._is_chunk(decoder, box) and (raw := decoder.fetch(offset)) is not None:
            return Pending(decoder.decode(*raw))  # one chunk as it is: nothing to copy
        out = np.empty([part.stop - part.start for part in box], self.array.dtype)
        if not out.size:
            return Pending(out)
        jobs = self._jobs(decoder, box, out)
        nbytes = math.prod(decoder.chunks) * out.itemsize
        groups = _grouped(jobs, max(1, _TASK_NBYTES // max(1, nbytes)))
        first = next(groups, [])
        second = next(groups, None)
        if second is None:  # not worth a thread
            return _now(first, out)
        rest = itertools.chain([first, second], groups)
        return Pending(out, [workers.submit_and_wait(_run, group) for group in rest])

    @staticmethod
    def _is_chunk(decoder: ChunkDecoder, box: Box) -> bool:
        return all(
            part.stop - part.start == size and not part.start % size
            for part, size in zip(box, decoder.chunks, strict=True)
        )

    def _jobs(
        self, decoder: ChunkDecoder, box: Box, out: NDArray[Any]
    ) -> Iterator[Callable[[], None]]:
        """Fetch the chunks that a box touches, and say what is left to do for each."""
        for part in parts(box, decoder.chunks):
            raw = decoder.fetch(part.offset)
            if raw is None:  # nobody wrote it: HDF5 knows the fill value
                out[part.place] = self.array.read(part.outer)
            else:
                yield _Job(decoder, raw, part.inner, out[part.place])


class _Job:
    """One fetched chunk, to be decoded into its place."""

    __slots__ = ("_decoder", "_inner", "_place", "_raw")

    def __init__(
        self,
        decoder: ChunkDecoder,
        raw: Raw,
        inner: tuple[slice, ...],
        place: NDArray[Any],
    ) -> None:
        self._decoder = decoder
        self._raw = raw
        self._inner = inner
        self._place = place

    def __call__(self) -> None:
        self._place[...] = self._decoder.decode(*self._raw)[self._inner]


def _now(jobs: list[Callable[[], None]], out: NDArray[Any]) -> Pending:
    _run(jobs)
    return Pending(out)


def _run(jobs: list[Callable[[], None]]) -> None:
    for job in jobs:
        job()


def _grouped(jobs: Iterator[Callable[[], None]], size: int) -> Iterator[list[Callable[[], None]]]:
    while group := list(itertools.islice(jobs, size)):
        yield group
