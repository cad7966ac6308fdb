"""What all nodes have: a place in an open file, attributes, a parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from h5backends.attributes import Attributes
from h5backends.types import Handle

if TYPE_CHECKING:
    from h5backends.nodes.group import GROUP
    from h5backends.session import Session

__all__ = ["Node", "shown"]


class Node:
    """A node of an open file.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The node, in the driver's terms.
    """

    __slots__ = ("__weakref__", "_handle", "_session")

    def __init__(self, session: Session, handle: Handle) -> None:
        self._session = session
        self._handle = handle

    @property
    def session(self) -> Session:
        """The open file."""
        return self._session

    @property
    def handle(self) -> Handle:
        """The node, in the driver's terms."""
        return self._handle

    @property
    def node(self) -> Any:
        """The library's own object (``h5py.Dataset``, ``tables.EArray``, ...).

        What is buffered for it is written first. Changing the file through it goes around this
        package's promises.
        """
        with self._session.lock:
            self._session.settle(self._handle)
            return self._session.driver.native_node(self._handle)

    @property
    def backend(self) -> str:
        """Name of the driver."""
        return self._session.driver.name

    @property
    def h5file(self) -> Any:
        """The library's own file object."""
        return self._session.driver.native

    @property
    def attrs(self) -> Attributes:
        """The attributes, a mapping."""
        return Attributes(self)

    @property
    def path(self) -> str:
        """Absolute path in the file."""
        session = self._session
        with session.lock:
            session.require_alive()
            return session.driver.path(self._handle)

    @property
    def name(self) -> str:
        """Last part of the path; ``/`` for the root."""
        path = self.path
        return path if path == "/" else path.rsplit("/", 1)[1]

    @property
    def title(self) -> str:
        """The ``TITLE`` attribute, empty where there is none."""
        return str(self.attrs.get("TITLE", ""))

    @property
    def parent_node(self) -> GROUP | None:
        """The group this node is in; None for the root."""
        path = self.path
        if path == "/":
            return None
        with self._session.lock:
            parent = self._session.driver.get(path.rsplit("/", 1)[0] or "/")
        from h5backends.nodes.group import GROUP  # a group is a node: the import must wait

        return GROUP(self._session, parent)

    def get_attr(self, item: str) -> Any:
        """Return one attribute."""
        return self.attrs[item]

    def set_attr(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self.attrs[key] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._session is other._session and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((id(self._session), self._identity()))

    def _identity(self) -> Any:
        session = self._session
        with session.lock:
            session.require_alive()
            return session.driver.identity(self._handle)

    def __str__(self) -> str:
        return f"{self.path} ({type(self).__name__}) {self.title!r}"

    def __repr__(self) -> str:
        return shown(self, lambda: str(self))


def shown(node: Node, text: Callable[[], str]) -> str:
    """Return a representation, also of a node whose file is closed."""
    if not node.session.is_open:
        return f"<{type(node).__name__} of a closed file {node.session.driver.location!r}>"
    return text()
