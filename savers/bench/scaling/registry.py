"""All scaling laws, and the choice of some by name."""

from __future__ import annotations

from collections.abc import Sequence

from savers.bench.choosing import chosen
from savers.bench.scaling import crowded, framed, growing, rates, served, several, wide
from savers.bench.scaling.law import Law

__all__ = ["LAWS", "select"]

LAWS: tuple[Law, ...] = (
    *growing.LAWS,
    *wide.LAWS,
    *crowded.LAWS,
    *framed.LAWS,
    *several.LAWS,
    *rates.LAWS,
    *served.LAWS,
)
"""In the order of the page."""


def select(names: Sequence[str]) -> list[Law]:
    """Return laws by name; see :func:`savers.bench.choosing.chosen`."""
    return chosen(names, LAWS, "law")
