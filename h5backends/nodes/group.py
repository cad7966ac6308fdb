"""Groups, and making the node that fits a handle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeGuard

from h5backends import codec
from h5backends.errors import NodeNotFoundError
from h5backends.nodes.array import CARRAY, EARRAY
from h5backends.nodes.base import Node, shown
from h5backends.nodes.ragged import VLARRAY, StringARRAY
from h5backends.types import Handle, NodeKind

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["GROUP", "make_node"]


class GROUP(Node):
    """A group."""

    __slots__ = ()

    def children(self) -> dict[str, Node]:
        """Return the nodes in this group by name, sorted."""
        session = self._session
        with session.lock:
            session.require_alive()
            return {
                name: make_node(session, handle, kind)
                for name, handle, kind in session.driver.scan(self._handle)
            }

    def children_name(self) -> list[str]:
        """Return the names of the nodes in this group, sorted."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.child_names(self._handle)

    def get_child(self, name: str) -> Node:
        """Return one node of this group.

        Raises
        ------
        NodeNotFoundError
            There is none of this name.
        """
        session = self._session
        with session.lock:
            session.require_alive()
            if not _is_name(name, session):  # which some libraries would take for a path
                path = f"{self.path.rstrip('/')}/{name}"
                raise NodeNotFoundError(
                    "there is no such node", file=session.driver.location, node=path
                )
            return make_node(session, session.driver.child(self._handle, name))

    def walk_arrays(self) -> Iterator[tuple[str, Node]]:
        """Iterate over the arrays at any depth below this group.

        Yields
        ------
        path : str
            Absolute path of the array.
        node : CARRAY, EARRAY, VLARRAY or StringARRAY
        """
        for node in self.children().values():
            if isinstance(node, GROUP):
                yield from node.walk_arrays()
            else:
                yield node.path, node

    def remove_children(self) -> None:
        """Remove everything in this group."""
        session = self._session
        with session.lock:
            session.require_unfrozen("remove nodes", self.path)
            for name in session.driver.child_names(self._handle):
                child = session.driver.child(self._handle, name)
                session.forget(session.driver.path(child))
                session.driver.remove(child)
            session.touch()

    def __getitem__(self, name: str) -> Node:
        node: Node = self
        for part in name.strip("/").split("/") if isinstance(name, str) else [name]:
            if not isinstance(node, GROUP):
                raise NodeNotFoundError(
                    "there is no such node", file=self._session.driver.location, node=name
                )
            node = node.get_child(part)
        return node

    def __contains__(self, name: object) -> bool:
        session = self._session
        with session.lock:
            session.require_alive()
            if _is_name(name, session):
                return session.driver.has_child(self._handle, name)
            if not isinstance(name, str) or "/" not in name:
                return False
            group, _, rest = name.partition("/")
            if group not in self or not rest:
                return False
            child = self.get_child(group)
            return isinstance(child, GROUP) and rest in child

    def __iter__(self) -> Iterator[str]:
        return iter(self.children_name())

    def __len__(self) -> int:
        return len(self.children_name())

    def __bool__(self) -> bool:
        return True  # an empty group is still a group

    def __repr__(self) -> str:
        def children() -> str:
            found = ", ".join(f"{n!r} ({type(c).__name__})" for n, c in self.children().items())
            return f"{self}\n  children := [{found}]"

        return shown(self, children)


def _is_name(name: object, session: Session) -> TypeGuard[str]:
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        return False
    return session.may_name(name)


_CLASSES: dict[NodeKind, type[Node]] = {
    NodeKind.GROUP: GROUP,
    NodeKind.CARRAY: CARRAY,
    NodeKind.EARRAY: EARRAY,
    NodeKind.VLARRAY: VLARRAY,
}


def make_node(session: Session, handle: Handle, kind: NodeKind | None = None) -> Node:
    """Make the node that fits a handle.

    Parameters
    ----------
    session : Session
        The open file; its lock is held.
    handle : handle
        The node, in the driver's terms.
    kind : NodeKind or None
        What it is, where that is already known.
    """
    driver = session.driver
    kind = kind or driver.kind(handle)
    if kind is NodeKind.VLARRAY:
        try:
            # PyMoDAQ's own files have this attribute in its JSON form.
            if codec.decode("subdtype", driver.read_attr(handle, "subdtype")) == "string":
                return StringARRAY(session, handle)
        except KeyError:
            pass  # not one of ours: rows of numbers
    return _CLASSES[kind](session, handle)
