"""The references between two objects: pairs of row numbers, and a look-up table for each end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from h5backends.backend import H5Backend
from h5backends.errors import AttributeMissingError, NodeNotFoundError
from h5backends.nodes import CARRAY, Node
from h5backends.references import layout
from h5backends.references.files import Files

__all__ = ["Link", "find_link", "links_of", "make_link"]


@dataclass(frozen=True)
class Link:
    """Where the references between two objects stand.

    Parameters
    ----------
    parent, child : str
        The objects of the first and of the second column.
    """

    parent: str
    child: str

    @property
    def ends(self) -> tuple[str, str]:
        """The objects, by column."""
        return self.parent, self.child

    @property
    def ref(self) -> str:
        """Path of the pairs."""
        return layout.ref_path(self.parent, self.child)

    @property
    def regions(self) -> tuple[str, str]:
        """Paths of the look-up tables, by column."""
        parent, child = self.ends
        return layout.region_path(parent, child), layout.region_path(child, parent)


def find_link(files: Files, parent: str, child: str) -> tuple[Link, tuple[int, int]]:
    """Return the link between two objects, and in which columns they are.

    Raises
    ------
    NodeNotFoundError
        There are no references between them.
    """
    for link, direction in ((Link(parent, child), (0, 1)), (Link(child, parent), (1, 0))):
        if isinstance(files.find(link.ref), CARRAY):
            return link, direction
    raise NodeNotFoundError(
        f"there are no references between {parent!r} and {child!r}",
        file=files.location,
        node=f"/{layout.ref_path(parent, child)}",
        remedy=f"Make them: create_ref({parent!r}, {child!r}).",
    )


def links_of(files: Files, name: str) -> list[Link]:
    """Return all links that an object, or one below it, is an end of."""
    found: dict[Link, None] = {}
    for h5 in files.opened():
        with contextlib.suppress(NodeNotFoundError):
            for node in _tables(h5, name):
                link = _link_of(files, node)
                if link is not None:
                    found[link] = None
    return list(found)


def _tables(h5: H5Backend, name: str) -> Iterator[Node]:
    for node in h5.walk_nodes(f"/{name}"):
        if isinstance(node, CARRAY) and node.path.endswith("/ref_region"):
            yield node


def _link_of(files: Files, table: Node) -> Link | None:
    owner, _, rest = table.path.strip("/").partition("/ref/")
    other = rest.rpartition("/")[0]
    with contextlib.suppress(NodeNotFoundError):
        return find_link(files, owner, other)[0]
    return None


def make_link(files: Files, link: Link) -> bool:
    """Make the pairs, the look-up tables, and the attributes that lead from one to the other.

    What is there stays as it is, so that a call that was interrupted can be made again.

    Returns
    -------
    bool
        Whether a look-up table was missing.
    """
    home = files.home(*link.ends, link.ref.rpartition("/")[0])
    fill = layout.UNWRITTEN
    ref = files.make(home, link.ref, layout.ref_dtype, (2,), packed=False, fill_value=fill)
    missing = False
    for end, path in zip(link.ends, link.regions, strict=True):
        if files.find(path) is None:
            missing = True
            table = files.make(home, path, layout.ref_region_dtype, (), packed=False)
            lacking = files.length(layout.data_path(end)) - len(table)
            if lacking > 0:
                table.reserve(lacking)
        _complete(files.array(path), {"ref": ref.path})
    first, second = link.regions
    _complete(
        ref,
        {
            "dset0": files.array(layout.data_path(link.parent)).path,
            "dset1": files.array(layout.data_path(link.child)).path,
            "ref_region0": files.array(first).path,
            "ref_region1": files.array(second).path,
        },
    )
    return missing


def _complete(node: Node, attrs: dict[str, str]) -> None:
    """Set the attributes that a node does not have as they should be."""
    wrong = {}
    for name, value in attrs.items():
        try:
            if node.attrs[name] == value:
                continue
        except AttributeMissingError:
            pass
        wrong[name] = value
    if wrong and node.session.writable:
        node.attrs.update(wrong)
