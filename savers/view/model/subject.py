"""What a picture is of: an array, which of its dimensions, and where the others stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import CARRAY
from savers.view.model.choice import Choice, Kind, Part
from savers.view.model.dims import Array, Dim
from savers.view.model.frames import plottable
from savers.view.model.source import Source

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture is of.

    Parameters
    ----------
    source : Source
        The file; its lock is held by who uses this.
    array : Array
        What to draw.
    choice : Choice
        Along which dimensions.
    indexes : mapping of int to int
        Index shown of each other dimension.
    part : Part or None
        What of complex numbers.
    """

    source: Source
    array: Array
    choice: Choice
    indexes: Mapping[int, int]
    part: Part | None = None

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dimensions along the axes of the picture."""
        return tuple(self.array.dims[n] for n in self.choice.along)

    def available(self) -> int:
        """Return how many points there are along the first dimension, positions included."""
        dim = self.dims[0]
        length = self.array.node.shape[dim.index]
        return min([length, *(axis.shape[0] for axis in self._growing_axes())])

    def refresh(self) -> None:
        """See what was written meanwhile, of a growing axis before the array."""
        for axis in self._growing_axes():
            self.source.refresh(axis)
        self.source.refresh(self.array.node)

    def _growing_axes(self) -> list[CARRAY]:
        dims = self.array.spread if self.choice.kind is Kind.POINTS else self.dims[:1]
        return [dim.axis for dim in dims if dim.grows and dim.axis is not None]

    def read(self, parts: Mapping[int, slice]) -> tuple[NDArray[np.float64], int]:
        """Read a part as it is drawn.

        Parameters
        ----------
        parts : mapping of int to slice
            What of which dimension; of all others the index shown.

        Returns
        -------
        ndarray of float64, one axis for each of `parts`
        int
            How many infinities there were, which are NaN now.
        """
        key: list[Any] = [self.indexes.get(n, 0) for n in range(len(self.array.dims))]
        # Behind the dimensions that mean something there may be one of a single element.
        key += [0] * (len(self.array.node.shape) - len(key))
        for dim, part in parts.items():
            key[dim] = part
        return plottable(np.asarray(self.array.node[tuple(key)]), self.part)
