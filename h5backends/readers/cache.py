"""Images out of stacks in files, one at a time or many, from chunks that are kept in memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.arrays import Array
from h5backends.chunk_reader import ChunkReader
from h5backends.readers.chunk_cache import BaseImageChunkCache
from h5backends.readers.corrected import ImageCorrCache
from h5backends.readers.indexing import Rows
from h5backends.readers.mapped import MappedHDF5Dataset
from h5backends.readers.spans import Coming, Lock
from h5backends.types import Box

__all__ = ["BaseImageChunkCache", "EmptyDatasetWarning", "HDF5ImageCache", "ImageCorrCache"]

_BLOCK_NBYTES = 1 << 12
"""What is read at once of images that are not compressed: no more than costs nothing."""


class EmptyDatasetWarning(UserWarning):
    """A dataset of images holds none."""


class HDF5ImageCache(BaseImageChunkCache):
    """A stack of images in a file.

    An image that is read out of order costs the decoding of its HDF5 chunk, once; images that are
    read in order are decoded ahead, in several threads. Images that are not compressed are kept
    only when they are read in order: the operating system keeps their file anyway.

    Parameters
    ----------
    h5ds : array node, h5py or h5pyd dataset, numpy array or MappedHDF5Dataset
        The images, along the first axis. A mapped dataset is cached by the chunks it reads from.
    chunk_size, cache_size, cache_bytes
        See :class:`BaseImageChunkCache`.
    boolean : bool
        Whether pixels are yes or no: all that are not 0 are yes.

    Attributes
    ----------
    h5ds : object
        What was given.

    Raises
    ------
    ShapeError
        A scalar.

    Warns
    -----
    EmptyDatasetWarning
        There are no images, and none can come.

    Examples
    --------
    >>> cache = HDF5ImageCache(np.zeros((3, 2, 2), "uint8"))
    >>> cache[-1].shape, cache[::2].shape
    ((2, 2), (2, 2, 2))
    """

    def __init__(
        self,
        h5ds: Any,
        chunk_size: int = 1000,
        cache_size: int = 2,
        boolean: bool = False,
        *,
        cache_bytes: int | None = None,
    ) -> None:
        self.h5ds = h5ds
        self.boolean = boolean
        self._mapping: NDArray[Any] | None = None
        if isinstance(h5ds, MappedHDF5Dataset):
            self._array, self._mapping = h5ds.array, h5ds.mapping_indices
        else:
            self._array = h5ds if isinstance(h5ds, Array) else Array(h5ds)
        super().__init__(tuple(h5ds.shape), chunk_size, cache_size, cache_bytes=cache_bytes)
        self._dtype = np.dtype(bool) if boolean else self._array.dtype
        self._reader = ChunkReader(self._array)
        self._last_row = -1
        self._is_plain = not self._is_filtered and not self._array.is_assembled
        self._tail = tuple(slice(0, n, 1) for n in self.image_shape)
        if not self._length and not self._array.can_grow:
            _warn_of_nothing(self._array)

    # -- reading --------------------------------------------------------------------------------
    def _get_chunk_data(self, chunk_slice: slice) -> NDArray[Any]:
        start, stop, _ = chunk_slice.indices(self._length)
        if self._mapping is not None:
            return np.asarray(self.h5ds[start:stop], self.dtype)
        return self._begin(start, stop).result()

    def _begin(self, start: int, stop: int) -> Coming:
        coming = self._reader.begin((slice(start, stop, 1), *self._tail))
        return _AsBool(coming) if self.boolean else coming

    def _image(self, row: int) -> Any:
        row = row if self._mapping is None else int(self._mapping[row])
        in_order = row - self._last_row in (0, 1)
        self._last_row = row
        if in_order or not self._is_plain:
            return super()._image(row)
        try:
            image = np.asarray(self._array.source[row], self.dtype)
        except (OSError, RuntimeError, ValueError, KeyError):
            return super()._image(row)  # which says what is wrong
        image.flags.writeable = False
        return image

    def _gather(self, rows: Rows, tail: Box) -> NDArray[Any]:
        if self._mapping is not None:
            chosen = (
                self._mapping[slice(rows.start, rows.stop, rows.step)]
                if isinstance(rows, range)
                else self._mapping[rows]
            )
            rows = chosen.astype(np.intp)
        return super()._gather(rows, tail)

    def refresh(self, appended: bool = False) -> None:
        """Take in what a writer flushed meanwhile, the number of images included.

        Parameters
        ----------
        appended : bool
            Whether images are only ever added at the end, complete as they come. What was there
            before stays in memory then. Leave it where images have their place before they are
            written.

        Raises
        ------
        FileClosedError, StorageError
            The file was closed, or cannot be read any more.
        """
        super().refresh(appended)
        self._array.refresh()
        if self._array.node is not None:
            self._array.node.node  # noqa: B018 - what this process itself buffered is written
        self._resize(self._array.shape[0] if self._mapping is None else self._length)

    # -- help -----------------------------------------------------------------------------------
    @property
    def _block_size(self) -> int:
        rows = (self._array.chunks or (self._rows,))[0]
        if self._array.chunks is None or not self._is_filtered:
            rows = min(rows, _BLOCK_NBYTES // self._image_nbytes)
        return max(1, rows)

    @property
    def _is_filtered(self) -> bool:
        decoder = self._reader.decoder
        if decoder is not None:
            return decoder.is_packed
        return self._array.chunks is not None or self._array.file_path is None

    @property
    def _asks_ahead(self) -> bool:
        return self._reader.decodes

    @property
    def _lock(self) -> Lock | None:
        return None if self._array.node is None else self._array.node.session.lock

    @property
    def _is_direct(self) -> bool:
        return self._mapping is None

    @property
    def _rows(self) -> int:
        return self._length if self._mapping is None else self._array.shape[0]


class _AsBool:
    """Pixels that are coming, as yes or no."""

    def __init__(self, coming: Coming) -> None:
        self._coming = coming
        self.cancel = coming.cancel

    def result(self) -> NDArray[Any]:
        return self._coming.result().astype(bool)


def _warn_of_nothing(array: Array) -> None:
    where = f" in {array.file_path!r}" if array.file_path else ""
    warnings.warn(
        f"the dataset {array.name!r}{where} holds no images", EmptyDatasetWarning, stacklevel=3
    )
