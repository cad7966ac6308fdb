"""The choice of rows or laws by their names, or by how these begin."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["Named", "UnknownRowError", "chosen"]


class Named(Protocol):
    """Anything that has a name."""

    @property
    def name(self) -> str:
        """Its name."""


T = TypeVar("T", bound=Named)


class UnknownRowError(ValueError):
    """There is nothing of this name; the message says which come close."""


def chosen(names: Sequence[str], known: Sequence[T], kind: str) -> list[T]:
    """Return what is called so, in the order in which it is known.

    Parameters
    ----------
    names : sequence of str
        Whole names, or how names begin: ``append`` stands for all that begin with ``append-``.
        Without any, all.
    known : sequence
        All there is.
    kind : str
        What one of them is, for the message.

    Raises
    ------
    UnknownRowError
        One of the names stands for nothing.
    """
    found: set[str] = set()
    for name in names:
        matching = {each.name for each in known if f"{each.name}-".startswith(f"{name}-")}
        if not matching:
            close = difflib.get_close_matches(name, [each.name for each in known], 3, 0.4)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise UnknownRowError(f"no {kind} is called {name!r}{hint}")
        found |= matching
    return [each for each in known if not names or each.name in found]
