"""What a node is, at a glance; and the tree of a file as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node, StringARRAY
from h5backends.types import Filters

__all__ = ["TOLD_ANYWAY", "NodeInfo", "tree_lines"]

TOLD_ANYWAY = frozenset(
    {"CLASS", "VERSION", "TITLE", "EXTDIM", "FLAVOR", "shape", "dtype", "dtype_descr", "subdtype"}
)
"""Attributes whose content is shown otherwise."""
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node is.

    Parameters
    ----------
    path, name, title : str
        Where it is and what it is called.
    kind : str
        ``GROUP``, ``CARRAY``, ``EARRAY``, ``VLARRAY`` or ``StringARRAY``.
    attributes : dict
        Its attributes.
    children : int or None
        How many nodes are in a group; None for arrays.
    shape : tuple of int or None
        Extent of an array; None for groups, as all that follows.
    dtype : str or None
        Type of its elements; ``"text"`` for arrays of text.
    units, label : str
        What they mean.
    nbytes : int or None
        Bytes of its elements in memory; None where rows have different lengths.
    chunks : tuple of int or None
        Chunk shape.
    filters : Filters or None
        Compression.
    """

    path: str
    name: str
    title: str
    kind: str
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    children: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    units: str = ""
    label: str = ""
    nbytes: int | None = None
    chunks: tuple[int, ...] | None = None
    filters: Filters | None = None

    @classmethod
    def of(cls, node: Node) -> NodeInfo:
        """Look at a node; its values are not read."""
        attrs = node.attrs.to_dict()
        about: dict[str, Any] = {
            "path": node.path,
            "name": node.name,
            "title": str(attrs.get("TITLE", "")),
            "kind": type(node).__name__,
            "attributes": attrs,
        }
        if isinstance(node, GROUP):
            about["children"] = len(node)
        elif isinstance(node, CARRAY):
            about |= {
                "shape": node.shape,
                "dtype": "text" if isinstance(node, StringARRAY) else str(node.dtype),
                "units": str(attrs.get("units", "")),
                "label": str(attrs.get("label", "")),
                "nbytes": None if isinstance(node, VLARRAY) else node.nbytes,
                "chunks": node.chunks,
                "filters": node.filters,
            }
        return cls(**about)

    @property
    def grows(self) -> bool:
        """Whether rows can be appended."""
        return self.kind in (EARRAY.__name__, VLARRAY.__name__, StringARRAY.__name__)

    def __str__(self) -> str:
        if self.shape is None:
            extent = ""
        else:
            lengths = [
                f"{n}+" if self.grows and not k else str(n) for k, n in enumerate(self.shape)
            ]
            extent = f"  {self.kind}  {' x '.join(lengths) or 'scalar'}  {self.dtype}"
        units = f"  [{self.units}]" if self.units else ""
        title = f"  {' '.join(self.title.split())}" if self.title else ""
        return f"{self.name}{extent}{units}{title}"


def tree_lines(node: Node, depth: int | None = None, attributes: bool = False) -> Iterator[str]:
    """Draw a node and what is below it.

    Parameters
    ----------
    node : Node
        Where to start.
    depth : int, optional
        How many levels below it to go; None for all.
    attributes : bool
        Whether to show attributes too.

    Yields
    ------
    str
        A line.
    """
    info = NodeInfo.of(node)
    inside = isinstance(node, GROUP) and depth != 0
    more = f"  ({info.children} inside)" if info.children and not inside else ""
    yield f"{info}{more}"
    children = list(node.children().values()) if isinstance(node, GROUP) and inside else []
    if attributes:
        bar = "│  " if children else "   "
        yield from (bar + line for line in _attribute_lines(info))
    for number, child in enumerate(children):
        last = number == len(children) - 1
        first, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
        for line in tree_lines(child, None if depth is None else depth - 1, attributes):
            yield first + line
            first = rest


def _attribute_lines(info: NodeInfo) -> Iterator[str]:
    for name, value in info.attributes.items():
        if name not in TOLD_ANYWAY:
            text = " ".join((value if isinstance(value, str) else repr(value)).split())
            yield f"@{name} = {text[:_LONGEST]}{'…' * (len(text) > _LONGEST)}"
