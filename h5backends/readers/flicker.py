"""Whether the light of a measurement flickered."""

from __future__ import annotations

from typing import Any

import numpy as np

from h5backends.errors import NodeNotFoundError, ShapeError
from h5backends.readers.rtdc import HDF5Data

__all__ = ["detect_flickering"]


def detect_flickering(
    image_data: Any,
    roi_height: int = 10,
    brightness_threshold: float = 2.5,
    count_threshold: int = 5,
    max_frames: int = 1000,
) -> bool:
    """Tell whether the brightness of images jumps, as that of a faulty light source does.

    The median of the upper rows of every image is compared with the median of all of them.

    Parameters
    ----------
    image_data : ndarray, image cache or dataset, shape ``(n, height, width)``, or HDF5Data
        The images, of which only the upper rows are read.
    roi_height : int
        How many rows, in pixels.
    brightness_threshold : float
        How far an image has to be from the others to count.
    count_threshold : int
        How many such images make it a flicker.
    max_frames : int
        How many images to look at, from the first on.

    Returns
    -------
    bool
        False if there are no images.

    Raises
    ------
    ShapeError
        These are no images.
    NodeNotFoundError
        The measurement has none.
    """
    images = image_data.image if isinstance(image_data, HDF5Data) else image_data
    if images is None:
        raise NodeNotFoundError("the measurement has no images", file=image_data.path)
    if len(getattr(images, "shape", ())) != 3:
        raise ShapeError(
            "flickering is looked for in a stack of images",
            expected="shape (n, height, width)",
            found=str(getattr(images, "shape", type(images).__name__)),
        )
    upper = np.asarray(images[:max_frames, :roi_height])
    if not upper.size:
        return False
    brightness = np.median(upper, axis=(1, 2))
    distance = np.abs(brightness - np.median(brightness))
    return int(np.count_nonzero(distance >= abs(brightness_threshold))) >= count_threshold
