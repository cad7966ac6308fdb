"""Where nodes may be that were moved: HDF5 leaves arrays the names that they were opened by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

__all__ = ["Moves"]

_MOST = 10_000
"""Moves to remember; a program may move a node a second for months."""


class Moves:
    """What was moved and removed in one open file."""

    def __init__(self) -> None:
        self.any = False
        """Whether the name of a node may be an old one."""
        self._moves: deque[tuple[str, str]] = deque(maxlen=_MOST)

    def moved(self, old: str, new: str) -> None:
        """Take note that what stood at one path stands at another now."""
        self.any = True
        self._moves.append((old, new))

    def removed(self) -> None:
        """Take note that something was removed."""
        self.any = True

    def paths(self, name: str) -> Iterator[str]:
        """Iterate over the paths that a node may have now.

        Parameters
        ----------
        name : str
            A path that it had once. Since then others may have had the same.

        Yields
        ------
        str
            First `name` itself, then where each move of it, and those after, have led.
        """
        yield name
        moves = list(self._moves)
        for first, (old, _) in enumerate(moves):
            if _is_at_or_below(name, old):
                path = name
                for before, after in moves[first:]:
                    if _is_at_or_below(path, before):
                        path = after + path[len(before) :]
                yield path


def _is_at_or_below(path: str, node: str) -> bool:
    return path == node or path.startswith(f"{node}/")
