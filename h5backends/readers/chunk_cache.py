"""What all image caches have in common: numpy's indices, chunks, what is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from h5backends.errors import SelectionError, ShapeError
from h5backends.readers.indexing import Rows, index_array, row_number
from h5backends.readers.spans import Coming, Lock, Now, Spans
from h5backends.types import Box

__all__ = ["BaseImageChunkCache"]

_WINDOW_NBYTES = 1 << 24
"""What is read at once when images are read in order: more gains nothing."""


class BaseImageChunkCache(ABC):
    """A stack of images that are read or computed in chunks and kept in memory.

    Reading an image out of order brings the block that it is in, and nothing else; reading
    images in order brings the following ones ahead. What was not used for the longest time goes
    first.

    Parameters
    ----------
    shape : tuple of int
        Number of images, and the shape of one.
    chunk_size : int
        How many images :meth:`get_chunk` returns, and are read at once at most.
    cache_size : int
        How many such chunks are kept.
    cache_bytes : int, optional
        How many bytes are kept, in place of `cache_size`. One block is kept in any case.

    Notes
    -----
    An integer index and :meth:`get_chunk` return read-only views of what is kept; any other index
    returns an array of its own. May be used from several threads.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        chunk_size: int = 1000,
        cache_size: int = 2,
        *,
        cache_bytes: int | None = None,
    ) -> None:
        if not shape:
            raise ShapeError("a scalar is not a stack of images")
        if chunk_size < 1 or cache_size < 1 or (cache_bytes is not None and cache_bytes < 1):
            raise ShapeError(
                "a cache holds something",
                expected="chunk_size, cache_size and cache_bytes of 1 or more",
                found=f"{chunk_size}, {cache_size}, {cache_bytes}",
            )
        self._length = int(shape[0])
        self.image_shape = tuple(int(n) for n in shape[1:])
        self.cache_size = cache_size
        self._cache_bytes = cache_bytes
        self._wanted_chunk_size = chunk_size
        self._dtype: np.dtype[Any] | None = None
        self._spans: Spans | None = None
        self._assembled: tuple[int, NDArray[Any]] | None = None

    # -- what kinds of caches differ in ---------------------------------------------------------
    @abstractmethod
    def _get_chunk_data(self, chunk_slice: slice) -> NDArray[Any]:
        """Return images, read or computed anew.

        Parameters
        ----------
        chunk_slice : slice
            Which ones, with a step of 1; may end behind the last.
        """

    def _begin(self, start: int, stop: int) -> Coming:
        """Ask for images; may return before they are there."""
        return Now(self._get_chunk_data(slice(start, stop)))

    @property
    def _block_size(self) -> int:
        """How many images are read together anyway."""
        return self.chunk_size

    @property
    def _asks_ahead(self) -> bool:
        """Whether :meth:`_begin` returns before the images are there."""
        return False

    @property
    def _lock(self) -> Lock | None:
        """The lock that reading takes, if it takes one."""
        return None

    # -- extent ---------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, and the shape of one."""
        return (self._length, *self.image_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        if self._dtype is None:
            self._dtype = self._get_chunk_data(slice(0, min(1, self._length))).dtype
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 1 + len(self.image_shape)

    @property
    def size(self) -> int:
        """Number of pixels in all images."""
        return self._length * self._pixels

    @property
    def chunk_size(self) -> int:
        """How many images a chunk has; all, if there are fewer than were asked for."""
        return min(self._length, self._wanted_chunk_size)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return (self.chunk_size, *self.image_shape)

    @property
    def num_chunks(self) -> int:
        """How many chunks there are, the last of which may be shorter."""
        return -(-self._length // self.chunk_size) if self._length else 0

    @property
    def cache_bytes(self) -> int:
        """How many bytes are kept at most."""
        if self._cache_bytes is not None:
            return self._cache_bytes
        return self.cache_size * self._wanted_chunk_size * self._image_nbytes

    @property
    def cached_bytes(self) -> int:
        """How many bytes are kept now."""
        return 0 if self._spans is None else self._spans.nbytes

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True

    # -- images ---------------------------------------------------------------------------------
    def __getitem__(self, index: Any) -> Any:
        """Return images.

        Parameters
        ----------
        index : int, slice, list, mask, or a tuple of these
            With numpy's meaning.

        Returns
        -------
        ndarray
            A read-only view for an integer, an array of its own otherwise.

        Raises
        ------
        SelectionError
            No such image.
        """
        row = index if type(index) is int else row_number(index, self._length)
        if row is None:
            return index_array(index, self.shape, self._gather)
        if not 0 <= row < self._length:
            row = row_number(row, self._length)
            assert row is not None
        return self._image(row)

    def _image(self, row: int) -> Any:
        span = (self._spans or self._made_spans()).at(row)
        return span.data[row - span.start]

    def _gather(self, rows: Rows, tail: Box) -> NDArray[Any]:
        part = [len(range(s.start, s.stop, s.step)) for s in tail]
        out = np.empty((len(rows), *part), self.dtype)
        (self._spans or self._made_spans()).gather(rows, tail, out)
        return out

    def __iter__(self) -> Iterator[Any]:
        return (self._image(n) for n in range(self._length))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("images of a file cannot be used without a copy: copy=False")
        return np.asarray(self[:], dtype=dtype)

    # -- chunks ---------------------------------------------------------------------------------
    def get_chunk(self, chunk_index: int) -> NDArray[Any]:
        """Return one chunk of images.

        Parameters
        ----------
        chunk_index : int
            Which one; negative ones count from the end.

        Returns
        -------
        ndarray, shape :attr:`chunk_shape` or less in the last one
            Read-only.

        Raises
        ------
        SelectionError
            No such chunk.
        """
        number = self._chunk_number(chunk_index)
        start = number * self.chunk_size
        stop = min(start + self.chunk_size, self._length)
        spans = self._spans or self._made_spans()
        if self._is_direct and start % spans.block == 0:
            span = spans.covering(start, stop)
            return span.data[start - span.start : stop - span.start]
        # Chunks that begin within a block are put together; the last one is kept.
        kept = self._assembled
        if kept is None or kept[0] != number or len(kept[1]) != stop - start:
            images = self[start:stop]
            images.flags.writeable = False
            kept = self._assembled = (number, images)
        return kept[1]

    def get_chunk_size(self, chunk_index: int) -> int:
        """Return how many images a chunk has."""
        number = self._chunk_number(chunk_index)
        return min(self.chunk_size, self._length - number * self.chunk_size)

    def get_chunk_slice(self, chunk_index: int) -> slice:
        """Return which images a full chunk of this number has; the last may have fewer."""
        number = self._chunk_number(chunk_index)
        return slice(number * self.chunk_size, (number + 1) * self.chunk_size)

    def iter_chunks(self) -> Iterator[int]:
        """Iterate over the numbers of the chunks."""
        return iter(range(self.num_chunks))

    def _chunk_number(self, chunk_index: int) -> int:
        try:
            number = row_number(chunk_index, self.num_chunks)
        except SelectionError as exc:
            raise SelectionError(
                f"there is no chunk {chunk_index}", expected=f"0 to {self.num_chunks - 1}"
            ) from exc
        if number is None:
            raise SelectionError("the number of a chunk is an integer", found=repr(chunk_index))
        return number

    # -- change ---------------------------------------------------------------------------------
    def refresh(self, appended: bool = False) -> None:
        """Take in what has changed.

        Parameters
        ----------
        appended : bool
            Whether images are only ever added at the end, complete as they come. What was there
            before stays in memory then; else everything is read or computed anew.
        """
        if not appended:
            self.clear()

    def clear(self) -> None:
        """Forget what is kept."""
        self._assembled = None
        if self._spans is not None:
            self._spans.clear()

    def _resize(self, length: int) -> None:
        """Take in how many images there are now."""
        self._length = length
        self._assembled = None
        if self._spans is not None:
            self._spans.resize(self._rows)

    # -- help -----------------------------------------------------------------------------------
    @property
    def _is_direct(self) -> bool:
        """Whether rows of the spans are the images, in their order."""
        return True

    @property
    def _rows(self) -> int:
        """How many rows the spans have."""
        return self._length

    @property
    def _pixels(self) -> int:
        return int(np.prod(self.image_shape, dtype=np.int64))

    @property
    def _image_nbytes(self) -> int:
        return max(1, self._pixels * self.dtype.itemsize)

    def _made_spans(self) -> Spans:
        self._spans = Spans(
            self._begin,
            length=self._rows,
            block=max(1, self._block_size),
            window=min(self._wanted_chunk_size, max(1, _WINDOW_NBYTES // self._image_nbytes)),
            capacity=self.cache_bytes,
            row_nbytes=self._image_nbytes,
            ahead=self._asks_ahead,
            lock=self._lock,
        )
        return self._spans
