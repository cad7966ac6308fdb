"""The facade's tree: finding, walking, moving, copying and removing nodes, their values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from h5backends import copying, creation
from h5backends.errors import NodeExistsError, NodeKindError, NodeNameError, NodeNotFoundError
from h5backends.facade.file import FileFacade
from h5backends.nodes import CARRAY, GROUP, Node, make_node
from h5backends.session import Session
from h5backends.types import NodeKind

__all__ = ["TreeFacade"]


class TreeFacade(FileFacade):
    """What can be done with the nodes that are there."""

    def root(self) -> GROUP:
        """Return the root group."""
        session = self._open_session()
        with session.lock:
            return GROUP(session, session.driver.root())

    def get_node(self, where: str | Node, name: str | None = None) -> Node:
        """Return a node.

        Parameters
        ----------
        where : str or Node
            Path of the node, or of the group it is in; or that group itself.
        name : str, optional
            Name of the node in the group.

        Raises
        ------
        NodeNotFoundError
            There is none, with every driver.
        """
        session = self._open_session()
        if isinstance(where, Node):
            if where.session is not session:
                where.session.require_alive()
                raise NodeNotFoundError(
                    "the node belongs to another file",
                    file=session.driver.location,
                    node=where.path,
                )
            if name is None:
                return where
            where = where.path
        path = _normalise(where, session)
        if name is not None:
            path = _normalise(f"{path.rstrip('/')}/{name}", session)
        with session.lock:
            return make_node(session, session.driver.get(path))

    def _group(self, where: str | Node) -> GROUP:
        node = self.get_node(where)
        if not isinstance(node, GROUP):
            raise NodeKindError(
                "this node is not a group",
                file=self.filename,
                node=node.path,
                found=type(node).__name__,
            )
        return node

    def get_node_name(self, node: str | Node) -> str:
        """Return the name of a node."""
        return self.get_node(node).name

    def get_node_path(self, node: str | Node) -> str:
        """Return the full path of a node."""
        return self.get_node(node).path

    def get_parent_node(self, node: str | Node) -> GROUP | None:
        """Return the group a node is in; None for the root."""
        return self.get_node(node).parent_node

    def get_children(self, where: str | Node) -> dict[str, Node]:
        """Return the nodes in a group by name, sorted."""
        return self._group(where).children()

    def is_node_in_group(self, where: str | Node, name: str) -> bool:
        """Tell whether a group has a node of this name, letter case aside."""
        wanted = name.lower()
        return any(child.lower() == wanted for child in self._group(where).children_name())

    def walk_nodes(
        self, where: str | Node = "/", depth: int | None = None, only_groups: bool = False
    ) -> Iterator[Node]:
        """Iterate over the nodes at and below a place, level by level.

        Parameters
        ----------
        where : str or Node
            Where to start; comes first.
        depth : int, optional
            How many levels below `where` to go; None for all.
        only_groups : bool
            Whether to leave arrays out.

        Yields
        ------
        Node
        """
        start = self.get_node(where)
        if isinstance(start, GROUP) or not only_groups:
            yield start
        if not isinstance(start, GROUP):
            return
        session = start.session
        waiting: deque[tuple[GROUP, int]] = deque([(start, 0)])
        while waiting:
            group, level = waiting.popleft()
            if depth is not None and level >= depth:
                continue
            with session.lock:
                session.require_alive()
                found = list(session.driver.scan(group.handle))
            for _, handle, kind in found:
                if kind is NodeKind.GROUP:
                    child = GROUP(session, handle)
                    waiting.append((child, level + 1))
                    yield child
                elif not only_groups:
                    with session.lock:
                        node = make_node(session, handle, kind)
                    yield node

    def walk_groups(self, where: str | Node = "/") -> Iterator[GROUP]:
        """Iterate over the groups at and below a place, level by level."""
        for node in self.walk_nodes(where, only_groups=True):
            assert isinstance(node, GROUP)
            yield node

    def get_group_by_title(self, where: str | Node, title: str) -> GROUP | None:
        """Return the first group directly in `where` that has this title, None without one."""
        for child in self._group(where).children().values():
            if isinstance(child, GROUP) and child.title == title:
                return child
        return None

    def remove_node(self, where: str | Node, name: str | None = None) -> None:
        """Remove a node and everything below it.

        Raises
        ------
        NodeNotFoundError, ReadOnlyError, StructureFrozenError
        """
        node = self.get_node(where, name)
        session, path = node.session, node.path
        with session.lock:
            session.require_unfrozen("remove a node", path)
            self._refuse_root(path, "removed")
            session.forget(path)
            session.driver.remove(node.handle)
            session.touch()

    def move_node(self, node: str | Node, where: str | Node, name: str | None = None) -> Node:
        """Move a node to another group, or give it another name.

        Parameters
        ----------
        node : str or Node
            What to move.
        where : str or Node
            The group to move it to.
        name : str, optional
            Its new name; the old one by default.

        Returns
        -------
        Node
            The node in its new place. Others for it, and for those below it, follow.
        """
        moved, group = self.get_node(node), self._group(where)
        session, path = moved.session, moved.path
        name = moved.name if name is None else name
        with session.lock:
            session.require_unfrozen("move a node", path)
            self._refuse_root(path, "moved")
            creation.check_name(name, group.path, session.driver.location)
            if f"{group.path}/".startswith(f"{path}/"):
                raise NodeNameError(
                    "a group cannot move into itself", file=session.driver.location, node=path
                )
            self._refuse_occupied(group, name)
            session.forget(path)
            handle = session.driver.move(moved.handle, group.handle, name)
            session.touch()
            return make_node(session, handle)

    def copy_node(
        self,
        node: str | Node,
        where: str | Node,
        name: str | None = None,
        progress: copying.Progress | None = None,
    ) -> Node:
        """Copy a node and everything below it, within this file or from another one.

        Parameters
        ----------
        node : str or Node
            What to copy; a node of another open file is taken from there.
        where : str or Node
            The group of this file to copy it into.
        name : str, optional
            Name of the copy; by default that of the original.
        progress : callable, optional
            Called with bytes done and bytes in all.
        """
        original = node if isinstance(node, Node) else self.get_node(node)
        group = self._group(where)
        name = original.name if name is None else name
        return copying.copy_node(original, group, name, progress)

    def _refuse_root(self, path: str, what: str) -> None:
        if path == "/":
            raise NodeNameError(f"the root group cannot be {what}", file=self.filename)

    def _refuse_occupied(self, group: GROUP, name: str) -> None:
        if name in group:
            raise NodeExistsError(
                f"a node {name!r} exists already", file=self.filename, node=group.path
            )

    def get_attr(self, node: str | Node, attr_name: str | None = None) -> Any:
        """Return one attribute of a node, or all of them as a dictionary."""
        attrs = self.get_node(node).attrs
        return attrs.to_dict() if attr_name is None else attrs[attr_name]

    def set_attr(self, node: str | Node, attr_name: str, attr_value: Any) -> None:
        """Set one attribute of a node."""
        self.get_node(node).attrs[attr_name] = attr_value

    def has_attr(self, node: str | Node, attr_name: str) -> bool:
        """Tell whether a node has an attribute."""
        return attr_name in self.get_node(node).attrs

    def read(self, array: str | Node, *args: Any, **kwargs: Any) -> Any:
        """Return the content of an array.

        Parameters
        ----------
        array : str or Node
            Which.
        *args
            An index, as in ``array[index]``; none for everything.
        **kwargs
            Ignored; here for the common signature.
        """
        node = self.get_node(array)
        if not isinstance(node, CARRAY):
            raise NodeKindError("a group has no values", file=self.filename, node=node.path)
        return node[args] if args else node.read()


def _normalise(path: str, session: Session) -> str:
    """Bring a path into the one form drivers take: absolute, single slashes, no dots."""
    file = session.driver.location
    if not isinstance(path, str):
        raise NodeNameError(
            "a place in the file is a path or a node", file=file, found=type(path).__name__
        )
    parts = [part for part in path.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise NodeNameError("a path cannot contain '.' or '..'", file=file, node=path)
    if not session.may_name(path):
        raise NodeNotFoundError("there is no such node", file=file, node=ascii(path))
    return "/" + "/".join(parts)
