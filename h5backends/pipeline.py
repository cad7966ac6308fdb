"""The filters of an array, applied to a chunk and undone outside of HDF5.

HDF5 filters chunks one after the other, under one lock for the whole process. What is filtered
here has the same form, byte by byte as HDF5 reads it, but may be done by several threads at once.
Where one filter of an array is not known here there is no pipeline, and HDF5's own does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from h5backends.filter_plugins import BytesLostError
from h5backends.filter_steps import (
    FLETCHER32,
    SHUFFLE,
    UNREADABLE,
    Buffer,
    Step,
    as_array,
    plain_memory,
    step,
)

__all__ = [
    "FLETCHER32",
    "SHUFFLE",
    "UNREADABLE",
    "Buffer",
    "FilterStep",
    "Packed",
    "Pipeline",
    "as_array",
    "pipeline",
]

_log = logging.getLogger(__name__)


class FilterStep(NamedTuple):
    """One filter of an array, as the file has it."""

    identifier: int
    values: tuple[int, ...]


class Packed(NamedTuple):
    """A chunk as it stands in a file."""

    mask: int
    """Bits of the filters that were skipped."""
    data: Buffer


class Pipeline:
    """The filters of one array.

    Parameters
    ----------
    steps : sequence of Step
        In the order in which they are applied.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._allocates = [*(each.allocate for each in steps[1:]), plain_memory][: len(steps)]
        self.quiet = all(each.quiet for each in steps)

    def __bool__(self) -> bool:
        return bool(self._steps)

    def allocate(self, nbytes: int) -> Buffer:
        """Return memory to put the elements of a chunk into, to be packed."""
        return self._steps[0].allocate(nbytes) if self._steps else plain_memory(nbytes)

    def pack(self, data: Buffer) -> Packed:
        """Apply the filters to the bytes of one whole chunk; any thread may do it.

        A filter that does not want the bytes, because they would not get smaller, is skipped and
        noted in the mask, as HDF5 does with an optional filter.

        Parameters
        ----------
        data : Buffer
            From :meth:`allocate`; not to be used afterwards.

        Raises
        ------
        BytesLostError
            No memory was left, and a filter did not keep the bytes.
        """
        mask = 0
        for index, (each, allocate) in enumerate(zip(self._steps, self._allocates, strict=True)):
            try:
                packed = each.apply(data, allocate)
            except BytesLostError:
                raise
            except Exception as exc:  # noqa: BLE001 - a measurement: stored as it is, not lost
                _log.warning("a chunk is stored without one of its filters: %r", exc)
                packed = None
            if packed is None:
                mask |= 1 << index
            else:
                data = packed
        return Packed(mask, data)

    def unpack(self, mask: int, data: Buffer) -> NDArray[np.uint8]:
        """Undo the filters; any thread may do it.

        Parameters
        ----------
        mask : int
            Bits of the filters that were skipped.
        data : Buffer
            The chunk as it stands in the file.

        Returns
        -------
        ndarray, 1D, uint8
            The bytes of the elements.

        Raises
        ------
        One of UNREADABLE
            The bytes are not what the filters make.
        """
        for index in range(len(self._steps) - 1, -1, -1):
            if not mask >> index & 1:
                data = self._steps[index].undo(data)
        return as_array(data)


@lru_cache(256)
def pipeline(filters: tuple[FilterStep, ...]) -> Pipeline | None:
    """Return what applies and undoes these filters; None if one of them is not known here.

    Parameters
    ----------
    filters : tuple of FilterStep
        In the order in which they are applied.
    """
    steps = []
    for each in filters:
        known = step(*each)
        if known is None:
            return None
        steps.append(known)
    return Pipeline(steps)
