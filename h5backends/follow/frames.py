"""Frames of a scan: the part of an array that belongs to one point, or to a block of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.arrays import Array, Followable, Limits
from h5backends.chunk_reader import ChunkReader
from h5backends.errors import ShapeError
from h5backends.follow.following import wait_sync
from h5backends.follow.scanning import box_at, box_size, points
from h5backends.follow.waiting import Pace, Patience
from h5backends.readers.cache import HDF5ImageCache
from h5backends.types import Box

__all__ = ["FrameReader", "Interleaved", "SliceDict"]

_CACHE_NBYTES = 1 << 25
_APPEARANCE_SECONDS = 1.0
"""How long to wait for a frame whose key is already set."""


class SliceDict(dict[str, NDArray[Any]]):
    """Frames of one point, or blocks of frames, by name.

    Attributes
    ----------
    slice_metadata : sequence of slice or None
        Where in the scan the data are from, one slice for each axis.
    maxshape : sequence of int or None
        Extent that the scan may grow to.
    index : int or None
        Flat index of the (first) point.
    """

    __slots__ = ("__dict__", "index", "maxshape", "slice_metadata")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slice_metadata: Sequence[slice] | None = None
        self.maxshape: Sequence[int | None] | None = None
        self.index: int | None = None


class FrameReader:
    """Reads the frames of an array by the flat indices that a :class:`KeyFollower` gives.

    Parameters
    ----------
    dataset : Followable
        The array: the axes of the scan first, then those of a frame.
    scan_rank : int
        How many axes are those of the scan.
    use_direct_chunk : bool
        Read chunks around HDF5 and decode them here, several at once, where their filters can be
        undone here (none, gzip, shuffle; blosc and zstd with their packages). Elsewhere it makes
        no difference.

    Raises
    ------
    ShapeError
        The array has fewer axes than the scan.
    """

    def __init__(
        self, dataset: Followable | Array, scan_rank: int, use_direct_chunk: bool = False
    ) -> None:
        self.array = dataset if isinstance(dataset, Array) else Array(dataset)
        self.dataset = self.array.source
        self.scan_rank = scan_rank
        self._shape = self.array.shape
        self._fresh = 0
        if len(self._shape) < scan_rank:
            raise ShapeError(
                "the data have fewer axes than the scan",
                node=self.array.name,
                expected=f"at least {scan_rank} axes, as the keys have",
                found=f"shape {self._shape}",
            )
        self._chunks = ChunkReader(self.array) if use_direct_chunk else None
        self.use_direct_chunk = self._chunks is not None and self._chunks.decoder is not None
        self._cache = self._frame_cache()

    def _frame_cache(self) -> HDF5ImageCache | None:
        """Return what keeps decoded chunks, where one holds several frames that are asked for."""
        several = self.points_in_chunk > 1 and len(self._shape) > 1
        chunks = self._chunks
        if not several or chunks is None or not chunks.decodes or self.array.is_written_here:
            return None
        return HDF5ImageCache(self.array, cache_bytes=_CACHE_NBYTES)

    # -- extent ---------------------------------------------------------------------------------
    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame, without the axes of the scan."""
        return self._shape[self.scan_rank :]

    @property
    def frame_nbytes(self) -> int:
        """Bytes of one frame in memory."""
        return math.prod(self.frame_shape) * self.array.dtype.itemsize

    @property
    def points_in_chunk(self) -> int:
        """How many consecutive points of a stack share a chunk; 1 where it makes no difference."""
        chunks = self.array.chunks
        return chunks[0] if chunks and self.scan_rank == 1 else 1

    @property
    def maxshape(self) -> Limits:
        """Extent that the array may grow to."""
        return self.array.maxshape

    def refresh(self) -> None:
        """Take in what the writer flushed."""
        if self._cache is None:
            self.array.refresh()
        else:
            self._cache.refresh()
        self._shape = self.array.shape

    def covers(self, count: int) -> int:
        """Return how many points the array has, brought up to date if `count` is news."""
        if count > self._fresh:
            self.refresh()
            self._fresh = count
        size = math.prod(self._shape[: self.scan_rank])
        self._fresh = min(self._fresh, size)
        return size

    def get_pos(self, index: int, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the position in the scan of a flat index."""
        scan = tuple(shape[: self.scan_rank])
        return tuple(int(n) for n in np.unravel_index(index, scan))

    def box(self, start: int, stop: int) -> Box:
        """Return the largest box of points that begins at `start`, ends by `stop`."""
        return box_at(start, stop, self._shape[: self.scan_rank])

    # -- reading --------------------------------------------------------------------------------
    def read_frame(
        self, index: int, force_refresh: bool = False
    ) -> tuple[NDArray[Any], tuple[slice, ...]]:
        """Read the frame of one point.

        Parameters
        ----------
        index : int
            Flat index of the point.
        force_refresh : bool
            Whether to take in first what the writer flushed.

        Returns
        -------
        frame : ndarray, shape ``(1, ..., 1, *frame_shape)``
            Read-only where it comes from a chunk that is kept.
        slice_metadata : tuple of slice
            Position of the point in the scan.

        Raises
        ------
        ShapeError
            The array has no such point, also after waiting a second for it.
        """
        if force_refresh:
            self.refresh()
        if not 0 <= index < self._points:
            self._await(index)
        box = self.box(index, index + 1)
        where = next(iter(points(box)))
        if self._cache is not None:
            return self._cache[index][np.newaxis], where
        return self.read_box(box), where

    def read_box(self, box: Box) -> NDArray[Any]:
        """Read the frames of a box of points.

        Returns
        -------
        ndarray, the shape of the box followed by that of a frame
        """
        whole = (*box, *[slice(0, n, 1) for n in self.frame_shape])
        return self.array.read(whole) if self._chunks is None else self._chunks.read(whole)

    def read_flat(self, start: int, stop: int) -> NDArray[Any]:
        """Read the frames of consecutive points.

        Returns
        -------
        ndarray, shape ``(stop - start, 1, ..., 1, *frame_shape)``
            With `scan_rank` ones.
        """
        parts = []
        while start < stop:
            box = self.box(start, stop)
            parts.append(self.as_frames(self.read_box(box)))
            start += box_size(box)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def as_frames(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return a block with one axis for its points and an axis of length 1 per scan axis."""
        count = math.prod(block.shape[: self.scan_rank])
        return block.reshape(count, *[1] * self.scan_rank, *block.shape[self.scan_rank :])

    @property
    def _points(self) -> int:
        return math.prod(self._shape[: self.scan_rank])

    def _await(self, index: int) -> None:
        patience, pace = Patience(_APPEARANCE_SECONDS), Pace([self.array])

        def look() -> float | None:
            over = patience.is_over
            self.refresh()
            return None if over or 0 <= index < self._points else patience.cut(pace.pause())

        if index >= 0:
            wait_sync(pace.restart, look)
        if not 0 <= index < self._points:
            raise ShapeError(
                f"the data have no point {index}",
                node=self.array.name,
                expected=f"0 to {self._points - 1}",
                found=f"shape {self._shape}",
            )


class Interleaved:
    """Frames dealt out in turn to several arrays, by several file writers.

    Parameters
    ----------
    readers : list of FrameReader
        Frame i is frame ``i // len(readers)`` of reader ``i % len(readers)``.
    """

    def __init__(self, readers: list[FrameReader]) -> None:
        self.readers = readers

    @property
    def frame_nbytes(self) -> int:
        """Bytes of one frame in memory."""
        return self.readers[0].frame_nbytes

    @property
    def points_in_chunk(self) -> int:
        """How many consecutive points share a chunk in each array."""
        return self.readers[0].points_in_chunk * len(self.readers)

    def covers(self, count: int) -> int:
        """Return how many points are there without a gap."""
        turns = len(self.readers)
        return min(
            reader.covers(len(range(number, count, turns))) * turns + number
            for number, reader in enumerate(self.readers)
        )

    def read_flat(self, start: int, stop: int) -> NDArray[Any]:
        """Read the frames of consecutive points, as :meth:`FrameReader.read_flat`."""
        turns = len(self.readers)
        block: NDArray[Any] | None = None
        for number, reader in enumerate(self.readers):
            mine = range(start + (number - start) % turns, stop, turns)
            if not mine:
                continue
            first = mine[0] // turns
            frames = reader.read_flat(first, first + len(mine))
            if block is None:
                block = np.empty((stop - start, *frames.shape[1:]), frames.dtype)
            block[mine[0] - start :: turns] = frames
        assert block is not None
        return block
