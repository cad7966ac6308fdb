"""Compare a copy with its original: every node, every attribute, every element, block by block."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.blocks import boxes
from h5backends.comparison import difference
from h5backends.copying import Progress, size_of
from h5backends.errors import StorageError
from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node

__all__ = ["CopyDiffersError", "verify_copy"]

_STORAGE = frozenset(
    {"CLASS", "VERSION", "FLAVOR", "EXTDIM", "shape", "swmr_compatible", "swmr_active"}
)
"""Attributes that say how a driver stores a node or a file, which is its own affair."""
_RAGGED_ROWS = 1000


class CopyDiffersError(StorageError):
    """A copy is not what its original is."""


def verify_copy(original: Node, copy: Node, progress: Progress | None = None) -> int:
    """Read a copy and its original, and compare them.

    What a copy may change is passed over: the way of storage, and the width of text of variable
    length. Everything else has to be equal to the last bit; NaN equals NaN.

    Parameters
    ----------
    original, copy : Node
        An array or a group with all that is below it, of any two files and drivers.
    progress : callable, optional
        Told bytes compared and bytes in all.

    Returns
    -------
    int
        How many nodes were compared.

    Raises
    ------
    CopyDiffersError
        They differ; it names the node and what differs in it.
    """
    return _Comparison(original, copy, progress).run()


class _Comparison:
    """Walks through two trees at once, and tells how far it is."""

    def __init__(self, original: Node, copy: Node, progress: Progress | None) -> None:
        self._top = (original, copy)
        self._progress = progress
        self._total = size_of(original) if progress else 0
        self._done = 0

    def run(self) -> int:
        count = 0
        for original, copy in self._pairs(*self._top):
            self._attributes(original, copy)
            if isinstance(original, CARRAY):
                self._array(original, copy)
            count += 1
        return count

    def _pairs(self, original: Node, copy: Node) -> Iterator[tuple[Node, Node]]:
        yield original, copy
        if not isinstance(original, GROUP):
            return
        if not isinstance(copy, GROUP):
            raise self._differs(copy, "group", type(copy).__name__)
        mine, theirs = original.children(), copy.children()
        if set(mine) != set(theirs):
            raise self._differs(copy, sorted(mine), sorted(theirs))
        for name, child in mine.items():
            yield from self._pairs(child, theirs[name])

    def _attributes(self, original: Node, copy: Node) -> None:
        found = copy.attrs.to_dict()
        for name, value in original.attrs.to_dict().items():
            if name in _STORAGE:
                continue
            if name not in found:
                raise self._differs(copy, f"an attribute {name!r}", "none")
            if text := difference(value, found[name], f"attribute {name!r}"):
                raise self._differs(copy, found=text)

    def _array(self, original: CARRAY, copy: Node) -> None:
        if not isinstance(copy, CARRAY) or isinstance(original, VLARRAY) != isinstance(
            copy, VLARRAY
        ):
            raise self._differs(copy, type(original).__name__, type(copy).__name__)
        if original.shape != copy.shape:
            raise self._differs(copy, f"shape {original.shape}", f"shape {copy.shape}")
        if isinstance(original, VLARRAY):
            self._rows(original, copy)
        elif original.dtype.hasobject:
            # The copy has the width of the longest text, which is not a part of any of them.
            mine, theirs = (
                np.asarray(a.read()).astype(np.str_).tolist() for a in (original, copy)
            )
            self._same(copy, mine, theirs, "text")
        else:
            self._blocks(original, copy)

    def _blocks(self, original: CARRAY, copy: CARRAY) -> None:
        dtype = original.dtype
        for box in boxes(original.shape, dtype.itemsize, original.chunks):
            mine, theirs = np.asarray(original[box]), np.asarray(copy[box])
            self._same(copy, mine, theirs, f"element from {[s.start for s in box]}")
            self._count(mine.nbytes)

    def _rows(self, original: CARRAY, copy: CARRAY) -> None:
        length = original.shape[0]
        for start in range(0, length, _RAGGED_ROWS):
            stop = min(start + _RAGGED_ROWS, length)
            pairs = zip(original[start:stop], copy[start:stop], strict=True)
            for row, (mine, theirs) in zip(itertools.count(start), pairs, strict=False):
                self._same(copy, mine, theirs, f"row {row}")
            self._count((stop - start) * original.dtype.itemsize)

    def _same(self, copy: Node, mine: Any, theirs: Any, where: str) -> None:
        if _equal_bytes(mine, theirs):
            return
        if text := difference(mine, theirs, where):
            raise self._differs(copy, found=text)

    def _differs(
        self, copy: Node, expected: object = None, found: object = None
    ) -> CopyDiffersError:
        return CopyDiffersError(
            "the copy is not what its original is",
            file=copy.session.driver.location,
            node=copy.path,
            expected=expected,
            found=found,
        )

    def _count(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)


def _equal_bytes(mine: Any, theirs: Any) -> bool:
    """Tell, at the speed of memory, whether two arrays are the same; False where in doubt."""
    if not (isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray)):
        return False
    if mine.dtype != theirs.dtype or mine.shape != theirs.shape or mine.dtype.hasobject:
        return False
    return bool(np.array_equal(_raw(mine), _raw(theirs)))


def _raw(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
