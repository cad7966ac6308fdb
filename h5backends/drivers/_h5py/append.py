"""Rows to the end of an h5py dataset: around the library's machinery wherever that is safe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from ctypes import c_int64
from typing import Any

from h5py import h5d, h5s
from h5py._objects import phil
from numpy.typing import NDArray

from h5backends.drivers.base import Appender, no_filters
from h5backends.drivers.frame_calls import Counted, Journal, frame_calls
from h5backends.pipeline import Packed, as_array
from h5backends.types import ArraySpec

__all__ = ["FOREIGN", "PackedChunks", "appender_for"]

FOREIGN = (ValueError, RuntimeError, OSError, TypeError)
"""What h5py raises for a failure of HDF5."""

Translated = Callable[[Exception], Exception]


def appender_for(
    dataset: h5d.DatasetID,
    spec: ArraySpec,
    translated: Translated,
    guard: AbstractContextManager[None],
    journal: Journal | None,
    library: Any,
) -> Appender:
    """Choose the fastest safe way to the end of a dataset.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The dataset.
    spec : ArraySpec
        Its description.
    translated : callable
        Turns what h5py raises into this package's errors.
    guard : context manager
        To be in while h5py is at work.
    journal : Journal or None
        The file's, if it has one.
    library : ctypes library or None
        The HDF5 library, if its functions can be called directly.
    """
    whole_rows = spec.chunks is not None and spec.chunks[1:] == spec.shape[1:]
    if whole_rows and no_filters(spec) and 0 not in spec.shape[1:]:
        if spec.chunks and spec.chunks[0] == 1:
            frames = _Frames(dataset, translated, journal)
            append_frame = frame_calls(library, spec.shape[1:], spec.dtype, frames)
            if append_frame is not None:
                return _FrameAppender(dataset, spec, translated, guard, append_frame=append_frame)
        return _ChunkAppender(dataset, spec, translated, guard)
    return _Appender(dataset, spec, translated, guard)


class _Appender:
    """Every row through a hyperslab: right for any chunk shape."""

    __slots__ = ("_chunk", "_guard", "_id", "_memory_type", "_origin", "_row_shape", "_translated")

    def __init__(
        self,
        dataset: h5d.DatasetID,
        spec: ArraySpec,
        translated: Translated,
        guard: AbstractContextManager[None],
    ) -> None:
        self._id = dataset
        self._row_shape = spec.shape[1:]
        self._origin = (0,) * len(self._row_shape)
        # The file's own type, so that nothing is converted: HDF5 would cut the last character of a
        # text that fills PyTables' fixed width, and knows no way from bool to PyTables' bits.
        self._memory_type = dataset.get_type()
        self._chunk = spec.chunks[0] if spec.chunks else 1
        self._translated = translated
        self._guard = guard

    def append(self, start: int, rows: NDArray[Any]) -> None:
        try:
            with self._guard:
                self._id.set_extent((start + len(rows), *self._row_shape))
                self._put(start, rows)
        except FOREIGN as exc:
            raise self._translated(exc) from exc

    def _put(self, start: int, rows: NDArray[Any]) -> None:
        self._write(start, rows)

    def _write(self, start: int, rows: NDArray[Any]) -> None:
        space = self._id.get_space()
        space.select_hyperslab((start, *self._origin), rows.shape)
        self._id.write(h5s.create_simple(rows.shape), space, rows, self._memory_type)

    def _read(self, start: int, rows: NDArray[Any]) -> None:
        space = self._id.get_space()
        space.select_hyperslab((start, *self._origin), rows.shape)
        self._id.read(h5s.create_simple(rows.shape), space, rows, self._memory_type)


class _ChunkAppender(_Appender):
    """Whole chunks directly, what is left before and behind them through a hyperslab."""

    __slots__ = ()

    def _put(self, start: int, rows: NDArray[Any]) -> None:
        chunk, stop = self._chunk, start + len(rows)
        position = start
        head = min(-start % chunk, len(rows))
        if head:
            self._write(start, rows[:head])
            position += head
        while position + chunk <= stop:
            offset = position - start
            self._id.write_direct_chunk((position, *self._origin), rows[offset : offset + chunk])
            position += chunk
        if position < stop:
            self._write(position, rows[position - start :])


class _FrameAppender(_ChunkAppender):
    """Chunks of one row each, around h5py too."""

    __slots__ = ("append_frame",)

    def __init__(self, *as_others: Any, append_frame: Callable[[int, NDArray[Any]], None]) -> None:
        super().__init__(*as_others)
        self.append_frame = append_frame


class _Frames:
    """What is around the two calls of HDF5's own that write a frame.

    Parameters
    ----------
    dataset, translated, journal
        As for :func:`appender_for`.
    """

    lock = phil
    """h5py's own, as in each of its calls."""
    counted: Counted | None = None

    def __init__(
        self,
        dataset: h5d.DatasetID,
        translated: Translated,
        journal: Journal | None,
    ) -> None:
        self.dataset = c_int64(dataset.id)
        self.journal = journal
        self._id = dataset
        self._translated = translated

    def append_slowly(self, start: int, frame: NDArray[Any]) -> None:
        """Write a frame through h5py, which says what is wrong."""
        self._id.set_extent((start + 1, *frame.shape))
        self._id.write_direct_chunk((start, *(0 for _ in frame.shape)), frame)

    def raise_ours(self, exc: BaseException) -> None:
        """Raise our error for one of h5py's; return if it is none."""
        if isinstance(exc, FOREIGN):
            raise self._translated(exc) from exc


class PackedChunks:
    """Chunks that were packed outside of HDF5, to the end of a dataset.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The dataset.
    translated, guard
        As for :func:`appender_for`.
    """

    def __init__(
        self,
        dataset: h5d.DatasetID,
        translated: Translated,
        guard: AbstractContextManager[None],
    ) -> None:
        self._id = dataset
        self._row_shape = dataset.shape[1:]
        self._translated = translated
        self._guard = guard

    def store(self, stop: int, chunks: Sequence[tuple[tuple[int, ...], Packed]]) -> None:
        """Grow the array and store the chunks that begin in its new rows."""
        try:
            with self._guard:
                self._id.set_extent((stop, *self._row_shape))
                for offset, packed in chunks:
                    data = as_array(packed.data)
                    self._id.write_direct_chunk(offset, data, packed.mask)
                    if packed.mask:
                        self._look_behind(stop)
        except FOREIGN as exc:
            raise self._translated(exc) from exc

    def _look_behind(self, stop: int) -> None:
        """Have HDF5 look up another chunk, the one behind the end, which is not there.

        It remembers the latest chunk with the mask from before it was written directly, and
        could not read it.
        """
        with contextlib.suppress(*FOREIGN):
            self._id.read_direct_chunk((stop, *(0 for _ in self._row_shape)))
