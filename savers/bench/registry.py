"""All rows of the comparison, and the choice of some by name."""

from __future__ import annotations

import difflib
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


class UnknownRowError(ValueError):
    """There is no row of this name; the message says which come close."""


def select(names: Sequence[str]) -> list[Row]:
    """Return rows by name, in the order of the table.

    Parameters
    ----------
    names : sequence of str
        Whole names, or how names begin: ``append`` stands for all that begin with ``append-``.
        Without any, all rows.

    Raises
    ------
    UnknownRowError
        One of the names stands for nothing.
    """
    chosen: set[str] = set()
    for name in names:
        found = {row.name for row in ROWS if f"{row.name}-".startswith(f"{name}-")}
        if not found:
            close = difflib.get_close_matches(name, [row.name for row in ROWS], n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise UnknownRowError(f"no row is called {name!r}{hint}")
        chosen |= found
    return [row for row in ROWS if not names or row.name in chosen]
