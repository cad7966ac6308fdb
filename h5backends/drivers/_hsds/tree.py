"""The tree of groups and datasets on an HSDS: finding, making, moving and removing nodes."""

from __future__ import annotations

import contextlib
import uuid
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from h5backends.drivers._hsds import attributes
from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Connection, Refused
from h5backends.drivers._hsds.session import HsdsSession
from h5backends.errors import DTypeError, NodeKindError, NodeNameError, NodeNotFoundError
from h5backends.types import NodeKind, Stored

__all__ = ["Node", "Tree"]

_GROUP, _DATASET = "g-", "d-"
"""How ids on the server begin."""
_SMALL = 1024
_KINDS = {kind.value: kind for kind in (NodeKind.CARRAY, NodeKind.EARRAY, NodeKind.VLARRAY)}


class Node:
    """A handle: one group or dataset of the server, at the place where it was found.

    Parameters
    ----------
    node_id : str
        Its id on the server.
    path : str
        Where it was found; follows when this process moves it.
    parent : str or None
        Id of the group that holds the link to it, None if not known.
    """

    __slots__ = ("__weakref__", "array", "gone", "id", "kind", "parent", "path")

    def __init__(self, node_id: str, path: str, parent: str | None = None) -> None:
        self.id = node_id
        self.path = path
        self.parent = parent
        self.kind: NodeKind | None = NodeKind.GROUP if node_id.startswith(_GROUP) else None
        self.array: Array | None = None
        self.gone = False

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def url(self) -> str:
        """Where the server answers for it."""
        collection = "groups" if self.id.startswith(_GROUP) else "datasets"
        return f"/{collection}/{self.id}"

    def below(self, name: str) -> str:
        """Return the path of a child."""
        return f"{self.path.rstrip('/')}/{name}"


class Tree:
    """The nodes of one open domain.

    Parameters
    ----------
    session : HsdsSession
        The way to the server.

    Attributes
    ----------
    root : Node
        The root group.
    """

    def __init__(self, session: HsdsSession) -> None:
        self._session = session
        self.root = Node(session.root_id, "/")
        self._nodes: weakref.WeakSet[Node] = weakref.WeakSet()
        self._arrays: weakref.WeakValueDictionary[str, Array] = weakref.WeakValueDictionary()

    # -- finding --------------------------------------------------------------------------------
    def get(self, path: str) -> Node:
        """Return the node at an absolute path."""
        if path == "/":
            return self.root
        return self._look_up({"h5path": path}, path, None)

    def child(self, group: Node, name: str) -> Node:
        """Return one child of a group."""
        query = {"h5path": name, "parent_id": group.id}
        return self._look_up(query, group.below(name), group.id)

    def has_child(self, group: Node, name: str) -> bool:
        """Tell whether a group has a child of this name."""
        document, path = {"titles": [name]}, group.below(name)
        try:
            self._session.ask(lambda http: http.post(f"{group.url}/links", document), path)
        except NodeNotFoundError:
            return False
        return True

    def links(self, group: Node) -> dict[str, str]:
        """Return name and id of each child, sorted; links that lead nowhere are no children."""
        answer = self._session.ask(lambda http: http.get(f"{group.url}/links"), group.path)
        found: dict[str, str] = {}
        for link in sorted(answer["links"], key=lambda link: str(link["title"])):
            name, node_id = link["title"], link.get("id")
            if link["class"] == "H5L_TYPE_SOFT":
                with contextlib.suppress(NodeNotFoundError, NodeKindError):
                    node_id = self.child(group, name).id
            if node_id and node_id.startswith((_GROUP, _DATASET)):
                found[name] = node_id
        return found

    def scan(self, group: Node) -> Iterator[tuple[str, Node, NodeKind]]:
        """Iterate over a group's children with two requests for all of them."""
        links = self.links(group)
        classes = self._classes(group, [i for i in links.values() if i.startswith(_DATASET)])
        for name, node_id in links.items():
            node = self._node(node_id, group.below(name), group.id)
            if node.kind is None:
                node.kind = self._kind(node, classes.get(node_id))
            yield name, node, node.kind

    def kind(self, node: Node) -> NodeKind:
        """Tell what a node is."""
        if node.kind is None:
            class_name: object = None
            with contextlib.suppress(KeyError):
                class_name = attributes.read(self._session, node.url, node.path, "CLASS")
            node.kind = self._kind(node, class_name)
        return node.kind

    def forget_kind(self, node: Node) -> None:
        """Have the kind of a dataset found again."""
        if node.id.startswith(_DATASET):
            node.kind = None

    def array(self, node: Node) -> Array:
        """Return what is known of a dataset, the same for every handle of it."""
        self.require(node)
        if node.array is None:
            node.array = self._arrays.get(node.id)
        if node.array is None:
            return self.know(node, self._session.ask(lambda http: http.get(node.url), node.path))
        return node.array

    def know(self, node: Node, described: dict[str, Any]) -> Array:
        """Take note of the server's description of a dataset."""
        array = self._arrays.get(node.id)
        if array is None:
            array = self._arrays[node.id] = Array(described, node.path)
        else:
            array.update(described)
        node.array = array
        return array

    def _kind(self, node: Node, class_name: object) -> NodeKind:
        kind = _KINDS.get(class_name) if isinstance(class_name, str) else None
        if kind is not None:
            return kind
        try:
            return self.array(node).inferred_kind
        except DTypeError:  # of a foreign file: it can be listed, but not read
            return NodeKind.CARRAY

    def _classes(self, group: Node, datasets: list[str]) -> dict[str, object]:
        """Return the ``CLASS`` attributes of datasets."""
        if not datasets:
            return {}
        # All small attributes: if only this one were asked for, a dataset without it would fail
        # the whole request.
        params = {"IncludeData": 1, "max_data_size": _SMALL}
        document, url = {"obj_ids": datasets}, f"{group.url}/attributes"
        answer = self._session.ask(lambda http: http.post(url, document, params), group.path)
        found = answer["attributes"]
        if isinstance(found, list):  # for a single dataset
            found = {datasets[0]: found}
        return {
            node_id: next((item.get("value") for item in items if item["name"] == "CLASS"), None)
            for node_id, items in found.items()
        }

    def _look_up(self, query: dict[str, str], path: str, parent: str | None) -> Node:
        query["follow_soft_links"] = "1"

        def look(http: Connection) -> dict[str, Any]:
            try:
                return http.get("/", query)
            except Refused as exc:
                # The server fails where the path leads through a dataset.
                above = path.rpartition("/")[0]
                if not exc.failed or not above or "parent_id" in query:
                    raise
                if http.get("/", {"h5path": above})["id"].startswith(_GROUP):
                    raise
                raise Refused(404, f"{above} is not a group") from exc

        described = self._session.ask(look, path)
        node_id = described["id"]
        if not node_id.startswith((_GROUP, _DATASET)):
            raise NodeKindError(
                "this is neither a group nor an array", file=self._session.location, node=path
            )
        node = self._node(node_id, path, parent)
        if node_id.startswith(_DATASET):
            self.know(node, described)
        return node

    def _node(self, node_id: str, path: str, parent: str | None) -> Node:
        node = Node(node_id, path, parent)
        self._nodes.add(node)
        return node

    # -- changing -------------------------------------------------------------------------------
    def create(
        self,
        parent: Node,
        name: str,
        collection: str,
        body: dict[str, Any],
        attrs: Mapping[str, Stored],
    ) -> tuple[Node, dict[str, Any]]:
        """Create an object, its attributes and the link to it with one request.

        Parameters
        ----------
        parent : Node
            The group to create it in.
        name : str
            Name of the link.
        collection : {"groups", "datasets"}
            What it is.
        body : dict
            What else the server must be told.
        attrs : mapping
            Attributes, in stored form.

        Returns
        -------
        node : Node
            The new handle.
        described : dict
            The server's description of it.
        """
        session, path = self._session, self.require(parent).below(name)
        session.require_writable(path)
        parts = attributes.described(session, path, attrs)
        body = {**body, "id": self._new_id(collection)}
        if len(parts) == 1:
            body["attributes"] = parts.pop()
        node = self._node(body["id"], path, parent.id)

        def create(http: Connection) -> dict[str, Any]:
            linked = {**body, "link": {"id": parent.id, "name": name}}
            try:
                return http.post(f"/{collection}", linked)
            except Refused as exc:
                # If an answer got lost on the way, the object is there already, with this id.
                if exc.status in (400, 409):
                    with contextlib.suppress(Refused):
                        found = http.get(node.url)
                        http.put(f"{parent.url}/links", {"links": {name: {"id": node.id}}})
                        return found
                raise

        def create_again(http: Connection) -> None:
            try:
                http.get(node.url)
            except Refused as exc:
                if not exc.missing:
                    raise
                http.post(f"/{collection}", body)

        described = session.ask(create, path, changes=True)
        session.kept.keep_change(node.id, "create", f"the node {path}", create_again)
        self._keep_link(parent, name, node.id)
        for part in parts:
            attributes.put(session, node.url, path, part)
        return node, described

    def remove(self, node: Node) -> None:
        """Remove a node and everything below it."""
        self._session.require_writable(self.require(node).path)
        self._unlink(self._parent(node), node)
        for below in self._at_and_below(node.path):
            # The server would go on taking what is written to it, where nobody finds it.
            below.gone = True
            if below.array is not None:
                below.array.gone = True
            self._arrays.pop(below.id, None)
            self._session.kept.forget(below.id)

    def require(self, node: Node) -> Node:
        """Return a node, or raise ``NodeNotFoundError`` if this process has removed it."""
        if node.gone:
            raise NodeNotFoundError(
                "this node was removed", file=self._session.location, node=node.path
            )
        return node

    def move(self, node: Node, parent: Node, name: str) -> Node:
        """Move a node; handles of it and of what is below follow."""
        old, new = self.require(node).path, self.require(parent).below(name)
        self._session.require_writable(old)
        if new == old:
            return node
        if f"{new}/".startswith(f"{old}/"):
            raise NodeNameError(
                "a group cannot be moved into itself",
                file=self._session.location,
                node=old,
                found=new,
            )
        source = self._parent(node)
        link = {"links": {name: {"id": node.id}}}
        self._session.ask(lambda http: http.put(f"{parent.url}/links", link), new, changes=True)
        self._keep_link(parent, name, node.id)
        self._unlink(source, node)
        for below in self._at_and_below(old):
            below.path = new + below.path[len(old) :]
            if below.array is not None:
                below.array.path = below.path
        node.parent = parent.id
        return node

    def _at_and_below(self, path: str) -> list[Node]:
        return [node for node in self._nodes if f"{node.path}/".startswith(f"{path}/")]

    def _keep_link(self, parent: Node, name: str, target: str) -> None:
        url, link = f"{parent.url}/links", {"links": {name: {"id": target}}}

        def again(http: Connection) -> None:
            try:
                http.put(url, link)
            except Refused as exc:
                if exc.status != 409:
                    raise
                # The server also forgot that another node of this name was removed before.
                http.delete(url, {"titles": name, "separator": "/"})
                http.put(url, link)

        what = f"the link {parent.below(name)}"
        self._session.kept.keep_change(parent.id, f"link {name}", what, again)

    def _unlink(self, parent: str, node: Node) -> None:
        name = node.name

        def unlink(http: Connection) -> None:
            http.delete(f"/groups/{parent}/links", {"titles": name, "separator": "/"})

        self._session.ask(unlink, node.path, changes=True)
        what = f"the removal of {node.path}"
        self._session.kept.keep_change(parent, f"link {name}", what, unlink)

    def _parent(self, node: Node) -> str:
        if node.parent is None:
            if node.path == "/":
                raise NodeNameError(
                    "the root group stays where it is", file=self._session.location, node="/"
                )
            node.parent = self.get(node.path.rpartition("/")[0] or "/").id
        return node.parent

    def _new_id(self, collection: str) -> str:
        """Make an id for an object of this domain: its first half is that of the root group."""
        digits = self.root.id[2:].replace("-", "")[:16] + uuid.uuid4().hex[:16]
        cuts = (digits[:8], digits[8:16], digits[16:20], digits[20:26], digits[26:])
        return "-".join((collection[0], *cuts))
