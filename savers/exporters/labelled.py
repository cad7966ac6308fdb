"""Signals with dimensions that have names: what formats of coordinates are written from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.blocks import boxes
from h5backends.errors import NodeKindError
from h5backends.nodes import Node
from h5backends.types import Box
from savers.exporters.base import Progress
from savers.exporters.signals import signals_below
from savers.interchange.packages import package
from savers.loader import DataLoader

__all__ = ["Teller", "blocks_of", "labelled"]


class _Held:
    """The file that is open anyway, as lazily read arrays ask for it."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader

    @contextmanager
    def acquire_context(self) -> Iterator[Any]:
        yield self._loader.h5saver


def labelled(loader: DataLoader, node: Node, only_signals: bool = False) -> dict[str, Any]:
    """Return datasets of xarray with all that is at and below a node, by their groups.

    Parameters
    ----------
    loader : DataLoader
        The file.
    node : Node
        A group, or an array.
    only_signals : bool
        Whether to leave out arrays that are no signals, where there are signals.

    Raises
    ------
    NodeKindError
        There are none.
    PackageMissingError
        xarray is not installed.
    """
    package("xarray", "'h5backends[xarray]'")
    from savers.interchange.groups import datasets_below

    chosen = {array.path for array in signals_below(node)} if only_signals else None
    found = dict(datasets_below(loader, _Held(loader), node, chosen=chosen))
    if not any(dataset.data_vars for dataset in found.values()):
        raise NodeKindError(
            "there are no signals at or below this node",
            file=loader.h5saver.filename,
            node=node.path,
            found=type(node).__name__,
        )
    return found


def blocks_of(variable: Any, chunks: tuple[int, ...] | None) -> Iterator[tuple[Box, NDArray[Any]]]:
    """Iterate over the values of a variable, block by block; none for one without elements."""
    for box in boxes(variable.shape, variable.dtype.itemsize, chunks):
        yield box, np.asarray(variable[box].values)


class Teller:
    """Tells how many bytes are done, of all variables of several datasets."""

    def __init__(self, progress: Progress | None, datasets: dict[str, Any]) -> None:
        self._tell: Callable[[int, int], None] | None = progress
        self._total = sum(
            variable.nbytes
            for dataset in datasets.values()
            for variable in dataset.variables.values()
        )
        self._done = 0

    def add(self, size: int) -> None:
        """Add some that are done."""
        self._done += size
        if self._tell is not None:
            self._tell(min(self._done, self._total), self._total)
