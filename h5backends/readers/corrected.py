"""Images minus their backgrounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import ShapeError
from h5backends.readers.chunk_cache import BaseImageChunkCache
from h5backends.readers.spans import Coming, Lock, Now

__all__ = ["ImageCorrCache"]


class ImageCorrCache(BaseImageChunkCache):
    """Images minus their backgrounds, computed as they are asked for.

    Parameters
    ----------
    image, image_bg : HDF5ImageCache
        Images and backgrounds, equally many of the same shape.

    Notes
    -----
    The difference of 8-bit images is ``int16``, of 16-bit ones ``int32``, of floats a float.

    Raises
    ------
    ShapeError
        There are not as many backgrounds as images, or they differ in shape.
    """

    def __init__(self, image: BaseImageChunkCache, image_bg: BaseImageChunkCache) -> None:
        if image.shape != image_bg.shape:
            raise ShapeError(
                "every image has a background of its shape",
                expected=str(image.shape),
                found=str(image_bg.shape),
            )
        super().__init__(
            image.shape,
            image._wanted_chunk_size,
            image.cache_size,
            cache_bytes=image._cache_bytes,
        )
        self.image = image
        self.image_bg = image_bg
        self._dtype = _difference_dtype(image.dtype, image_bg.dtype)

    def _get_chunk_data(self, chunk_slice: slice) -> NDArray[Any]:
        return _Difference(
            Now(self.image._get_chunk_data(chunk_slice)),
            Now(self.image_bg._get_chunk_data(chunk_slice)),
            self.dtype,
        ).result()

    def _begin(self, start: int, stop: int) -> Coming:
        if not self._asks_ahead:
            return super()._begin(start, stop)
        image, image_bg = self.image._begin(start, stop), self.image_bg._begin(start, stop)
        return _Difference(image, image_bg, self.dtype)

    def refresh(self, appended: bool = False) -> None:
        """Take in what a writer flushed meanwhile: images that have a background by now."""
        super().refresh(appended)
        self.image.refresh(appended)
        self.image_bg.refresh(appended)
        self._resize(min(len(self.image), len(self.image_bg)))

    @property
    def _lock(self) -> Lock | None:
        return self.image._lock or self.image_bg._lock

    @property
    def _block_size(self) -> int:
        return self.image._block_size

    @property
    def _asks_ahead(self) -> bool:
        both = (self.image, self.image_bg)
        return all(cache._asks_ahead and cache._is_direct for cache in both)


class _Difference:
    """The difference of images that are coming."""

    def __init__(self, image: Coming, image_bg: Coming, dtype: np.dtype[Any]) -> None:
        self._image = image
        self._image_bg = image_bg
        self._dtype = dtype

    def result(self) -> NDArray[Any]:
        images = self._image.result().astype(self._dtype)
        images -= self._image_bg.result()
        return images

    def cancel(self) -> None:
        self._image.cancel()
        self._image_bg.cancel()


def _difference_dtype(image: np.dtype[Any], image_bg: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that holds the difference of two images."""
    both = np.result_type(image, image_bg)
    return np.dtype(f"i{min(8, 2 * both.itemsize)}") if both.kind in "iub" else both
