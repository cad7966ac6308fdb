"""The tree of a file as rows that are opened one group at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from h5backends.errors import H5Error
from h5backends.file_text import readable
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node, StringARRAY
from savers.low_level import H5SaverLowLevel
from savers.management import child
from savers.view.model.dims import signed
from savers.view.model.table import shortened

__all__ = ["Row", "Tree", "attributes_of"]

_PAGE = 200
"""Members of a group shown at first, and more at each asking."""
_HIDDEN = frozenset({"CLASS", "VERSION", "EXTDIM", "FLAVOR", "PYTABLES_FORMAT_VERSION"})


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree.

    Parameters
    ----------
    path : str
        The node; for a line that offers more members, their group.
    name, detail : str
        For people: the name, and shape, type and unit of an array.
    level : int
        Groups above it.
    is_group, is_open, is_more : bool
        Whether it can be opened, is, and whether it stands for members not shown.
    """

    path: str
    name: str
    detail: str = ""
    level: int = 0
    is_group: bool = False
    is_open: bool = False
    is_more: bool = False


@dataclass
class Tree:
    """Which groups are open, and what is seen.

    Attributes
    ----------
    filter : str
        Only members with this in their name are shown, of the groups that are open.
    """

    filter: str = ""
    _open: dict[str, int] = field(default_factory=lambda: {"/": _PAGE})
    _known: dict[str, Row] = field(default_factory=dict)

    def toggle(self, path: str) -> None:
        """Open a group, or close it."""
        if path in self._open:
            del self._open[path]
        else:
            self._open[path] = _PAGE

    def reveal(self, path: str) -> None:
        """Open all groups above a node."""
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            self._open.setdefault("/".join(parts[:depth]) or "/", _PAGE)

    def more(self, path: str) -> None:
        """Show more members of a group."""
        self._open[path] = self._open.get(path, 0) + 5 * _PAGE

    def forget(self) -> None:
        """Look at every node again: the file was opened anew."""
        self._known.clear()

    def rows(self, h5: H5SaverLowLevel) -> list[Row]:
        """Return the lines that are seen; only nodes on them are looked at.

        Parameters
        ----------
        h5 : H5SaverLowLevel
            The open file.
        """
        found = [Row("/", h5.filename.rsplit("/", 1)[-1], "", 0, True, "/" in self._open)]
        if "/" in self._open:
            self._add(h5.root(), "/", 1, found)
        return found

    def _add(self, group: GROUP, path: str, level: int, found: list[Row]) -> None:
        names = group.children_name()
        if self.filter:
            wanted = self.filter.lower()
            kept = [n for n in names if wanted in n.lower()]
            opened = {p.rsplit("/", 1)[1] for p in self._open if _parent(p) == path and p != "/"}
            names = sorted({*kept, *(opened & set(names))})
        shown = names[: self._open[path]]
        for name in shown:
            below = f"{path.rstrip('/')}/{name}"
            row = self._row(group, name, below, level)
            found.append(row)
            if row.is_open:
                member = child(group, name)
                if isinstance(member, GROUP):
                    self._add(member, below, level + 1, found)
        left = len(names) - len(shown)
        if left:
            found.append(Row(path, f"… {left} more", "click to show", level, is_more=True))

    def _row(self, group: GROUP, name: str, path: str, level: int) -> Row:
        row = self._known.get(path)
        if row is None:
            try:
                node = child(group, name)
                detail = "cannot be opened" if node is None else _detail(node)
            except H5Error as exc:
                node, detail = None, exc.what
            row = Row(path, readable(name), detail, level, isinstance(node, GROUP))
            self._known[path] = row
        is_open = row.is_group and path in self._open
        return row if not is_open else Row(path, row.name, row.detail, level, True, True)


def _parent(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


def _detail(node: Node) -> str:
    """Return what to say of a node beside its name."""
    facts = node.attrs.to_dict()
    title, units = str(facts.get("TITLE", "")), str(facts.get("units", ""))
    if isinstance(node, GROUP):
        return shortened(title)
    if isinstance(node, StringARRAY):
        return "text"
    if not isinstance(node, CARRAY):
        return ""
    # The length of a growing array would be out of date at once.
    shape = ["…", *map(str, node.shape[1:])] if isinstance(node, EARRAY) else map(str, node.shape)
    kind = "record" if node.dtype.names else str(node.dtype)
    text = "rows of any length" if isinstance(node, VLARRAY) else " x ".join(shape)
    text = f"{text} {kind}".strip()
    text += f", {signed(units)}" if units else ""
    return shortened(f"{text}, {title}" if title and title != node.name else text)


def attributes_of(node: Node) -> list[tuple[str, str]]:
    """Return names and values of the attributes of a node, and of an array what it is.

    Parameters
    ----------
    node : Node
        Any.
    """
    found: list[tuple[str, str]] = []
    if isinstance(node, CARRAY):
        found.append(("shape", " x ".join(map(str, node.shape)) or "a single value"))
        if not isinstance(node, VLARRAY):
            found.append(("type", str(node.dtype)))
            found.append(("size", _bytes(node.nbytes)))
            if node.chunks:
                found.append(("chunks", " x ".join(map(str, node.chunks))))
            if node.filters.codec:
                found.append(("compression", str(node.filters.codec)))
    shown = {name for name, _ in found} | {"dtype"}
    for name, value in node.attrs.to_dict().items():
        if name not in _HIDDEN and name not in shown:
            found.append((readable(name), shortened(value)))
    return found


def _bytes(size: int) -> str:
    step = min(4, int(math.log(size, 1000))) if size else 0
    return f"{size / 1000**step:.4g} {('B', 'kB', 'MB', 'GB', 'TB')[step]}"
