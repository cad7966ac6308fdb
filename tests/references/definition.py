"""What dereferencing means, in nested loops; nothing here is shared with the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Pairs = Sequence[tuple[int, int]]
Regions = Sequence[tuple[int, int]]


def parents_of(sel: Any, count: int) -> list[int]:
    """Resolve a selection among `count` parents, as a list of their numbers would."""
    everyone = list(range(count))
    if isinstance(sel, slice):
        return everyone[sel]
    if isinstance(sel, int):
        return [everyone[sel]]
    if sel and all(isinstance(item, bool) for item in sel):
        return [parent for parent, chosen in zip(everyone, sel, strict=True) if chosen]
    return [everyone[item] for item in sel]


def children_of(
    parents: Sequence[int | None],
    pairs: Pairs,
    direction: tuple[int, int] = (0, 1),
    regions: Regions | None = None,
) -> list[list[int]]:
    """List what each parent refers to, in the order of the pairs; regions by parent."""
    result = []
    for parent in parents:
        found = []
        if parent is not None:
            start, stop = (0, len(pairs)) if regions is None else regions[parent]
            for row in range(start, stop):
                if pairs[row][direction[0]] == parent:
                    found.append(pairs[row][direction[1]])
        result.append(found)
    return result


def true_regions(pairs: Pairs, count: int, column: int = 0) -> list[tuple[int, int]]:
    """Return the tightest region of each of `count` parents; (0, 0) without references."""
    regions = []
    for parent in range(count):
        rows = [row for row, pair in enumerate(pairs) if pair[column] == parent]
        regions.append((rows[0], rows[-1] + 1) if rows else (0, 0))
    return regions
