"""The nodes of a PyTables file: found by path, opened once, closed in good time."""

from __future__ import annotations

from collections import deque
from typing import Any

import tables

from h5backends.drivers._tables.attributes import Attributes
from h5backends.drivers._tables.lowlevel import (
    Dataset,
    Group,
    H5File,
    inferred_class,
    is_chunked,
)
from h5backends.errors import FileFormatError, NodeKindError, NodeNotFoundError
from h5backends.file_text import decoded, is_utf8
from h5backends.types import NodeKind, Stored

__all__ = ["KIND", "TablesHandle", "Tree", "join"]

KIND = "H5B_KIND"
"""Hidden attribute of a table that stands for an array of fixed length."""

_KINDS = {
    "ARRAY": NodeKind.CARRAY,
    "CARRAY": NodeKind.CARRAY,
    "EARRAY": NodeKind.EARRAY,
    "TABLE": NodeKind.EARRAY,
    "VLARRAY": NodeKind.VLARRAY,
}
"""``CLASS`` attributes, and what PyTables guesses, -> kinds. Others count as fixed arrays."""

_CANDIDATES: dict[str, tuple[type[Group] | type[Dataset], ...]] = {
    "Group": (Group,),
    "Leaf": (Dataset,),
    "SoftLink": (Group, Dataset),
}
"""What PyTables says of a name -> what it can be opened as."""


def join(parent: str, name: str) -> str:
    """Return the path of a child."""
    return f"/{name}" if parent == "/" else f"{parent}/{name}"


class TablesHandle:
    """One node of an open file: its path, and what was opened or found out about it."""

    __slots__ = (
        "array",
        "graveyard",
        "kind",
        "known",
        "moves",
        "name",
        "names",
        "node",
        "parent",
        "path",
        "stamp",
    )

    def __init__(self, path: str, moves: int, graveyard: deque[Any]) -> None:
        self.path = path
        self.moves = moves  # how many of the file's moves the path takes into account
        self.graveyard = graveyard
        self.node: Any = None
        self.array: Any = None
        self.kind: NodeKind | None = None
        self.parent: TablesHandle | None = None  # as long as it is not opened: its group,
        self.name = ""  # and its name there
        self.names: list[str] | None = None  # of all attributes
        self.known: dict[str, Stored] = {}  # the attributes that were read already
        self.stamp = -1  # state of the file's attributes for which the last three are right

    def __del__(self) -> None:
        # Handles die in any thread, HDF5 objects must not: they wait for the next call.
        if self.node is not None:
            self.graveyard.append(self.node)

    def __repr__(self) -> str:
        return f"<TablesHandle {self.path}>"


class Tree:
    """The nodes of one open file.

    Parameters
    ----------
    file : H5File
        The file.
    attributes : Attributes
        Access to the attributes in it.
    """

    def __init__(self, file: H5File, attributes: Attributes) -> None:
        self.file = file
        self.attributes = attributes
        self._open: dict[int, Any] = {}
        self._moves: list[tuple[str, str | None]] = []
        self._stamp = 0
        self.root = self.keep(Group(file, file, "/").open())

    def handle(self, path: str) -> TablesHandle:
        """Return a handle of what is, or will be, at an absolute path."""
        return TablesHandle(path, len(self._moves), self.file.graveyard)

    def keep(self, low: Any) -> Any:
        """Remember an open object until its handle dies or the file is closed."""
        while self.file.graveyard:
            self.release(self.file.graveyard.popleft())
        self._open[id(low)] = low
        return low

    def release(self, low: Any) -> None:
        """Close an object that no handle has."""
        if self._open.pop(id(low), None) is not None:
            low.close()

    def close(self) -> None:
        """Close all that is open: HDF5 keeps a file open as long as anything in it is."""
        for low in self._open.values():
            low.close()
        self._open.clear()

    def follow(self, handle: TablesHandle) -> None:
        """Bring a handle's path up to date with the moves since it was made.

        Raises
        ------
        NodeNotFoundError
            The node was removed.
        """
        for old, new in self._moves[handle.moves :]:
            if handle.path == old or handle.path.startswith(f"{old}/"):
                if new is None:
                    raise NodeNotFoundError("the node was removed", node=handle.path)
                handle.path = new + handle.path[len(old) :]
                handle.parent = None
        handle.moves = len(self._moves)

    @property
    def moves(self) -> int:
        """How many nodes were moved or removed so far."""
        return len(self._moves)

    def node(self, handle: TablesHandle) -> Any:
        """Return the open object of a node: a Group or a Dataset."""
        if handle.moves != len(self._moves):
            self.follow(handle)
        if handle.node is None:
            parent, handle.parent = handle.parent, None
            handle.node = (
                self.open(handle.path)
                if parent is None
                else self.keep(Dataset(self.file, self.group(parent), handle.name).open())
            )
        return handle.node

    def child(
        self, group: TablesHandle, name: str, what: type[Group] | type[Dataset]
    ) -> TablesHandle:
        """Return the handle of one of a group's :meth:`children`.

        It is opened only where its kind cannot be told otherwise.
        """
        handle = self.handle(join(group.path, name))
        opened = self.group(group)
        if what is Dataset:
            word = self.attributes.read_class(opened, name)
            kind = None if word is None or word == "TABLE" else _KINDS.get(word)
            if word is not None and kind is not None:
                handle.parent, handle.name = group, name
                handle.kind, handle.known, handle.stamp = kind, {"CLASS": word}, self._stamp
                return handle
        handle.node = self.keep(what(self.file, opened, name).open())
        return handle

    def group(self, handle: TablesHandle) -> Group:
        """Return the open object of a group."""
        node = self.node(handle)
        if not isinstance(node, Group):
            raise NodeKindError("an array has no children", node=handle.path, expected="a group")
        return node

    def open(self, path: str) -> Group | Dataset:
        """Open the object at an absolute path.

        Raises
        ------
        NodeNotFoundError
            There is none.
        NodeKindError
            It is neither a group nor an array of this file.
        """
        kind = "Group" if path == "/" else self.root._g_get_objinfo(path[1:])
        for candidate in _CANDIDATES.get(kind, ()):
            try:
                low: Group | Dataset = candidate(self.file, self.file, path).open()
                self.keep(low)
                return low
            except (tables.HDF5ExtError, TypeError):
                if kind != "SoftLink":
                    raise
        if kind in {"NoSuchNode", "SoftLink"}:
            raise NodeNotFoundError("there is no such node", node=path)
        raise NodeKindError(
            "this is neither a group nor an array of this file",
            node=path,
            found=kind,
            remedy="The driver 'h5py' follows links to other files."
            if kind == "ExternalLink"
            else None,
        )

    def has(self, path: str) -> bool:
        """Tell whether there is a node at a path."""
        kind = self.root._g_get_objinfo(path[1:])
        return kind in {"Group", "Leaf"} or (kind == "SoftLink" and self._target(path) is not None)

    def children(self, handle: TablesHandle) -> dict[str, type[Group] | type[Dataset]]:
        """Return the names of a group's children, sorted, and what each is."""
        group = self.group(handle)
        self._check_names(group, handle.path)
        groups, leaves, links, _ = group.content()
        found: dict[str, Any] = dict.fromkeys(groups, Group)
        found.update(dict.fromkeys(leaves, Dataset))
        for name in links:
            # Links that lead nowhere, or to other files, are no nodes.
            path = join(handle.path, name)
            if self.has(path):
                found[name] = self._target(path)
        return dict(sorted(found.items()))

    def _check_names(self, group: Group, path: str) -> None:
        """Refuse a group with names that are not UTF-8, of which the extension would die."""
        direct = self.file.direct
        names = direct.link_names(group._v_objectid) if direct is not None else []
        for name in names:
            if not name.isascii() and not is_utf8(decoded(name)):
                raise FileFormatError(
                    "PyTables cannot read names that are not UTF-8",
                    node=path,
                    found=repr(name),
                    remedy="Open the file with the driver 'h5py'.",
                )

    def _target(self, path: str) -> type[Group] | type[Dataset] | None:
        """Return what a soft link leads to, None for nothing."""
        try:
            low = self.open(path)
        except NodeNotFoundError:
            return None
        self.release(low)
        return type(low)

    def kind(self, handle: TablesHandle) -> NodeKind:
        """Tell what a node is, by its ``CLASS`` attribute or by its type and layout."""
        if handle.stamp == self._stamp and handle.kind is not None:
            return handle.kind
        node = self.node(handle)
        if isinstance(node, Group):
            return NodeKind.GROUP
        handle.names = self.attributes.stored_names(node)
        handle.known = {}
        handle.kind = self._kind_of(handle, node, handle.names)
        handle.stamp = self._stamp
        return handle.kind

    def read_attributes(self, handle: TablesHandle) -> dict[str, Stored]:
        """Return all attributes of a node, sorted by name."""
        parent = handle.parent
        if parent is not None:
            found = self.attributes.read_all_by_name(self.group(parent), handle.name)
            if found is not None:
                return found
        node = self.node(handle)
        if handle.stamp != self._stamp:
            return self.attributes.read_all(node)
        return self.attributes.read_all(node, handle.names, handle.known)

    def attributes_changed(self) -> None:
        """Note that what is known about attributes may be wrong from now on."""
        self._stamp += 1

    def _kind_of(self, handle: TablesHandle, node: Dataset, names: list[str]) -> NodeKind:
        name = None
        if "CLASS" in names:
            value = handle.known["CLASS"] = self.attributes.read_one(node, "CLASS")
            name = value if isinstance(value, str) else None
        if name == "TABLE" and KIND in names:
            return NodeKind.CARRAY
        kind = None if name is None else _KINDS.get(name)
        if kind is not None:
            return kind
        guess = inferred_class(self.file, handle.path)
        if guess == "TABLE" and not is_chunked(self.file, handle.path):
            return NodeKind.CARRAY
        return _KINDS.get(guess, NodeKind.CARRAY)

    def remove(self, handle: TablesHandle) -> None:
        """Remove a node and everything below it."""
        Group(self.file, self.file, handle.path)._g_delete(self.file)
        self._moves.append((handle.path, None))
        self.attributes_changed()

    def move(self, handle: TablesHandle, path: str) -> None:
        """Move a node to another path, where nothing is."""
        file_id, old = self.file._v_objectid, handle.path
        self.root._g_move_node(file_id, old, file_id, path, old, path)
        self._moves.append((old, path))
