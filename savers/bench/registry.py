"""All rows of the comparison, and the choice of some by name."""

from __future__ import annotations

from collections.abc import Sequence

from savers.bench import (
    append,
    complete,
    compressed,
    images,
    imports,
    live,
    nodes,
    points,
    references,
    remote,
)
from savers.bench.choosing import UnknownRowError, chosen
from savers.bench.harness import Row

__all__ = ["ROWS", "UnknownRowError", "select"]

ROWS: tuple[Row, ...] = (
    *append.ROWS,
    *compressed.ROWS,
    *points.ROWS,
    *nodes.ROWS,
    *imports.ROWS,
    *remote.ROWS,
    *live.ROWS,
    *complete.ROWS,
    *references.ROWS,
    *images.ROWS,
)
"""In the order of the table."""


def select(names: Sequence[str]) -> list[Row]:
    """Return rows by name; see :func:`savers.bench.choosing.chosen`."""
    return chosen(names, ROWS, "row")
