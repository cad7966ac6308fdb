"""Export to a new HDF5 file: a node in its old place, with all that its data need."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from h5backends import copying
from h5backends.backend import H5Backend
from h5backends.creation import create_group
from h5backends.drivers import registry
from h5backends.errors import UnsupportedError
from h5backends.nodes import GROUP, Node
from h5backends.types import Capability
from savers.exporters.base import Exporter, Progress
from savers.exporters.belonging import belonging, refreshed
from savers.loader import DataLoader
from savers.log import fold_logs
from savers.low_level import DEFAULT_BACKEND

__all__ = ["Hdf5Exporter"]

_OF_THE_FILE = frozenset({"CLASS", "VERSION", "swmr_compatible", "swmr_active"})
"""Attributes of a root that say how its own file is made."""
_DEFAULT = "default"


class Hdf5Exporter(Exporter):
    """A node, or a part of the tree, in a file of its own.

    It stands there at the same path, in groups with the attributes of the original ones; the
    axes, error bars and background of an array, and shared navigation axes, come with it.

    Parameters
    ----------
    backend : str
        The driver of the new file, any for local files.
    """

    extension: ClassVar[str] = "h5"
    other_extensions: ClassVar[tuple[str, ...]] = ("hdf5", "hdf")
    description: ClassVar[str] = "HDF5 file"

    def __init__(self, backend: str = DEFAULT_BACKEND) -> None:
        wanted = Capability.LOCAL | Capability.PERSISTENT
        if wanted not in registry.load(backend).capabilities:
            others = [n for n in registry.drivers_with(wanted) if n != backend]
            raise UnsupportedError(
                f"exports go into local files, which the driver {backend!r} does not write",
                expected=f"one of {', '.join(others)}",
                remedy="To copy onto a server open a file there and call copy_to().",
            )
        self._backend = backend

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        parts = [refreshed(part) for part in _parts(loader, node)]
        sizes = [copying.size_of(part) for part in parts] if progress else []
        with H5Backend(self._backend) as copy:
            copy.open_file(target, "x")
            source = loader.h5saver.root()
            attrs = source.attrs.to_dict()
            about = {
                "exported_from": loader.h5saver.filename,
                "exported_node": node.path,
            }
            copy.root().attrs.update(
                {k: v for k, v in attrs.items() if k not in _OF_THE_FILE} | about
            )
            for number, part in enumerate(parts):
                told = _shifted(progress, sizes, number)
                copying.copy_node(part, _place(part, copy), part.name, told)
            # A file that is being written keeps its log elsewhere, and shapes are out of date.
            fold_logs(copy)
            copy.reconcile_swmr_attrs()


def _parts(loader: DataLoader, node: Node) -> list[Node]:
    if node.path == "/" and isinstance(node, GROUP):
        return list(node.children().values())
    return belonging(loader, node)


def _place(part: Node, copy: H5Backend) -> GROUP:
    """Return the group of the copy that a node goes to, with the groups above it."""
    above: list[GROUP] = []
    parent = part.parent_node
    while parent is not None and parent.path != "/":
        above.insert(0, parent)
        parent = parent.parent_node
    place = copy.root()
    inside = [*(group.name for group in above), part.name]
    _lead(place, inside[0])
    for group, lower in zip(above, inside[1:], strict=True):
        if group.name not in place:
            attrs = group.attrs.to_dict()
            title = str(attrs.pop("TITLE", ""))
            place = create_group(copy.session, place, group.name, title, _own(attrs))
            _lead(place, lower)
        else:
            found = place.get_child(group.name)
            assert isinstance(found, GROUP)
            place = found
    return place


def _own(attrs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attrs.items() if name not in ("CLASS", "VERSION")}


def _lead(group: GROUP, name: str) -> None:
    """Let the plot that other viewers open be one that was exported."""
    if _DEFAULT in group.attrs:
        group.attrs[_DEFAULT] = name


def _shifted(progress: Progress | None, sizes: list[int], number: int) -> Progress | None:
    """Return a progress for one of several parts that tells of the whole."""
    if progress is None:
        return None
    before, total = sum(sizes[:number]), sum(sizes)

    def told(done: int, of: int) -> None:
        progress(before + done, total)

    return told
