"""Print what there is in a file or a group: references, data, attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from h5backends.backend import H5Backend
from h5backends.errors import NodeKindError
from h5backends.nodes import GROUP, Node
from h5backends.references.reading import FlowReader

__all__ = ["print_attr", "print_data", "print_ref"]


def print_ref(grp: Any) -> None:
    """Print path, shape and type of all references in a file or a group.

    Parameters
    ----------
    grp : H5FlowDataManager, H5Backend, GROUP, or a file or group of h5py, h5pyd or PyTables
        Where to look.

    Raises
    ------
    NodeKindError
        Something else.
    """
    _print_arrays(grp, "ref")


def print_data(grp: Any) -> None:
    """Print path, shape and type of all datasets in a file or a group.

    Parameters
    ----------
    grp : object
        Where to look, as in :func:`print_ref`.
    """
    _print_arrays(grp, "data")


def print_attr(grp: Any) -> None:
    """Print all attributes of a file or a group and of what is in it.

    Parameters
    ----------
    grp : object
        Where to look, as in :func:`print_ref`.
    """
    top = _top(grp)
    for path, node in [("", top), *_walk(top, "")]:
        attrs = _attributes(node)
        if attrs:
            print(f"{path or '.'}")
            width = max(map(len, attrs))
            for name, value in sorted(attrs.items()):
                print(f"    {name:{width}}  {value!r}")


def _print_arrays(grp: Any, name: str) -> None:
    found = [
        (path, node)
        for path, node in _walk(_top(grp), "")
        if path.rpartition("/")[2] == name and hasattr(node, "dtype")
    ]
    width = max((len(path) for path, _ in found), default=0)
    for path, node in found:
        print(f"{path:{width}}  {tuple(map(int, node.shape))}  {node.dtype}")


def _top(grp: Any) -> Any:
    if isinstance(grp, FlowReader):
        return grp.root()
    if isinstance(grp, H5Backend):
        return grp.root()
    top = getattr(grp, "root", grp) if hasattr(grp, "get_node") else grp  # a PyTables file
    if _children(top) is None:
        raise NodeKindError("there is nothing in this to print", found=type(grp).__name__)
    return top


def _walk(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Iterate over everything below a group, by name."""
    for name, node in sorted((_children(group) or {}).items()):
        below = f"{path}/{name}".lstrip("/")
        yield below, node
        yield from _walk(node, below)


def _children(node: Any) -> dict[str, Any] | None:
    """Return what is in a group of any library; None for what is not one."""
    if isinstance(node, Node):
        return node.children() if isinstance(node, GROUP) else None
    if hasattr(node, "_v_children"):
        return {name: node._v_children[name] for name in node._v_children}  # opened one by one
    if hasattr(node, "keys") and hasattr(node, "attrs"):
        found = {name: node.get(name) for name in node}
        return {name: child for name, child in found.items() if child is not None}
    return None


def _attributes(node: Any) -> dict[str, Any]:
    if isinstance(node, Node):
        return node.attrs.to_dict()
    if hasattr(node, "_v_attrs"):
        names = node._v_attrs._v_attrnames
        return {name: node._v_attrs[name] for name in names}
    return dict(node.attrs)
