"""A file as plain Python objects: what a driver under the facade must not be told apart from."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModelArray", "ModelGroup", "ModelNode", "ModelRows"]


@dataclass
class ModelNode:
    """What every node has.

    Parameters
    ----------
    attrs : dict
        The attributes that were set by the user.
    """

    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass
class ModelArray(ModelNode):
    """A fixed or growing array.

    Parameters
    ----------
    values : ndarray
        Its content.
    grows : bool
        Whether it takes more rows.
    """

    values: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    grows: bool = False

    def append(self, rows: NDArray[Any]) -> None:
        """Append a block of rows, shape ``(k, *values.shape[1:])``."""
        self.values = np.concatenate([self.values, rows])


@dataclass
class ModelRows(ModelNode):
    """A ragged array of numbers, or an array of text.

    Parameters
    ----------
    dtype : numpy.dtype or None
        Type of the numbers; None for text.
    rows : list
        Arrays of shape (n,), or texts.
    """

    dtype: np.dtype[Any] | None = None
    rows: list[Any] = field(default_factory=list)


@dataclass
class ModelGroup(ModelNode):
    """A group.

    Parameters
    ----------
    children : dict
        The nodes in it.
    """

    children: dict[str, ModelNode] = field(default_factory=dict)

    def get(self, path: str) -> ModelNode:
        """Return the node at a path relative to this group."""
        node: ModelNode = self
        for part in path.strip("/").split("/"):
            if part:
                assert isinstance(node, ModelGroup)
                node = node.children[part]
        return node

    def group(self, path: str) -> ModelGroup:
        """Return the group at a path."""
        node = self.get(path)
        assert isinstance(node, ModelGroup)
        return node

    def walk(self, path: str = "/") -> Iterator[tuple[str, ModelNode]]:
        """Iterate over all nodes with their paths, this group first."""
        yield path, self
        for name, child in sorted(self.children.items()):
            below = f"{path.rstrip('/')}/{name}"
            if isinstance(child, ModelGroup):
                yield from child.walk(below)
            else:
                yield below, child

    def paths(self, kind: type[ModelNode] = ModelNode) -> list[str]:
        """List the paths of all nodes of a kind, sorted."""
        return sorted(path for path, node in self.walk() if isinstance(node, kind))

    def take(self, path: str) -> ModelNode:
        """Remove a node and return it."""
        parent, _, name = path.rpartition("/")
        return self.group(parent).children.pop(name)

    def clone(self, path: str) -> ModelNode:
        """Return a copy of a node with everything below it."""
        return copy.deepcopy(self.get(path))
