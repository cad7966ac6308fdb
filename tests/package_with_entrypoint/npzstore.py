"""A stranger's driver: a tree of groups and arrays in one NumPy ``.npz`` archive.

The archive is read whole when it is opened and written whole at every flush, beside the old one
and then in its place. It holds ``index.json`` with the tree, and the arrays and attributes as
members that ``numpy.load`` reads.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import Driver
from h5backends.errors import (
    FileAccessError,
    FileClosedError,
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    NodeExistsError,
    NodeNotFoundError,
)
from h5backends.types import (
    ArraySpec,
    Box,
    Capability,
    Filters,
    Mode,
    NodeKind,
    OpenOptions,
    Stored,
)

_ids = itertools.count()


@dataclass(eq=False)
class Item:
    """One node in memory."""

    kind: NodeKind
    name: str = "/"
    parent: Item | None = None
    attrs: dict[str, Stored] = field(default_factory=dict)
    children: dict[str, Item] = field(default_factory=dict)
    spec: ArraySpec | None = None
    values: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    rows: list[NDArray[Any]] = field(default_factory=list)
    number: int = field(default_factory=lambda: next(_ids))


class NpzDriver(Driver):
    """One ``.npz`` archive."""

    name: ClassVar[str] = "npz"
    capabilities: ClassVar[Capability] = Capability.PERSISTENT | Capability.LOCAL

    def __init__(self, location: str, mode: Mode, root: Item) -> None:
        self._location = location
        self._mode = mode
        self._root = root
        self._open = True
        self.lock = threading.RLock()

    # -- the file ----------------------------------------------------------------------------
    @classmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> NpzDriver:
        present = os.path.exists(location)
        if mode in {"r", "r+"} and not present:
            raise FileMissingError("there is no such file", file=location)
        if mode == "x" and present:
            raise FileOccupiedError("the file exists already", file=location)
        if mode == "w" or not present:
            driver = cls(location, mode, Item(NodeKind.GROUP))
            driver.flush()
            return driver
        try:
            return cls(location, mode, _load(location))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
            raise FileFormatError("not an archive of npzstore", file=location) from exc

    @classmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        return os.path.exists(location)

    @property
    def location(self) -> str:
        return self._location

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def native(self) -> Any:
        return self._root

    @property
    def is_open(self) -> bool:
        return self._open

    def close(self) -> None:
        if self._open:
            self.flush()
            self._open = False

    def flush(self) -> None:
        self._require_open()
        if self._mode == "r":
            return
        try:
            _save(self._root, self._location)
        except OSError as exc:
            raise FileAccessError("cannot write", file=self._location, found=exc) from exc

    def abandon(self) -> None:
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise FileClosedError("the file is closed", file=self._location)

    # -- the tree ----------------------------------------------------------------------------
    def root(self) -> Item:
        self._require_open()
        return self._root

    def get(self, path: str) -> Item:
        node = self.root()
        for part in filter(None, path.split("/")):
            if part not in node.children:
                raise self._missing(path)
            node = node.children[part]
        return node

    def path(self, handle: Item) -> str:
        self._require_open()
        names, node = [], handle
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        if node is not self._root:
            raise self._missing(handle.name)
        return "/" + "/".join(reversed(names))

    def identity(self, handle: Item) -> int:
        return handle.number

    def kind(self, handle: Item) -> NodeKind:
        return handle.kind

    def child_names(self, group: Item) -> list[str]:
        self._require_open()
        return sorted(group.children)

    def child(self, group: Item, name: str) -> Item:
        self._require_open()
        if name not in group.children:
            raise self._missing(f"{self.path(group).rstrip('/')}/{name}")
        return group.children[name]

    def create_group(self, parent: Item, name: str, attrs: Mapping[str, Stored]) -> Item:
        return self._add(parent, Item(NodeKind.GROUP, name), attrs)

    def remove(self, handle: Item) -> None:
        self._require_open()
        assert handle.parent is not None
        del handle.parent.children[handle.name]
        handle.parent = None

    def move(self, handle: Item, parent: Item, name: str) -> Item:
        self.remove(handle)
        handle.name, handle.parent = name, parent
        parent.children[name] = handle
        return handle

    def _add(self, parent: Item, node: Item, attrs: Mapping[str, Stored]) -> Item:
        self._require_open()
        if node.name in parent.children:
            raise NodeExistsError("the name is taken", file=self._location, node=node.name)
        node.parent = parent
        parent.children[node.name] = node
        self.write_attrs(node, attrs)
        return node

    def _missing(self, path: str) -> NodeNotFoundError:
        return NodeNotFoundError("there is no such node", file=self._location, node=path)

    # -- attributes --------------------------------------------------------------------------
    def attr_names(self, handle: Item) -> list[str]:
        self._require_open()
        return sorted(handle.attrs)

    def read_attr(self, handle: Item, name: str) -> Stored:
        self._require_open()
        value = handle.attrs[name]
        return value.copy() if isinstance(value, np.ndarray) else value

    def write_attr(self, handle: Item, name: str, value: Stored) -> None:
        self._require_open()
        handle.attrs[name] = value.copy() if isinstance(value, np.ndarray) else value

    def delete_attr(self, handle: Item, name: str) -> None:
        self._require_open()
        del handle.attrs[name]

    # -- arrays ------------------------------------------------------------------------------
    @classmethod
    def codecs(cls) -> frozenset[str]:
        return frozenset()

    def create_array(
        self,
        parent: Item,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> Item:
        node = Item(spec.kind, name, spec=spec)
        if data is not None:
            node.values = np.array(data, spec.dtype)
        else:
            node.values = _filled(spec.shape, spec)
        return self._add(parent, node, attrs)

    def spec(self, handle: Item) -> ArraySpec:
        self._require_open()
        assert handle.spec is not None
        return replace(handle.spec, shape=self.shape(handle))

    def shape(self, handle: Item) -> tuple[int, ...]:
        self._require_open()
        return (len(handle.rows),) if handle.kind is NodeKind.VLARRAY else handle.values.shape

    def read(self, handle: Item, box: Box) -> NDArray[Any]:
        self._require_open()
        return np.array(handle.values[box], handle.values.dtype)

    def write(self, handle: Item, box: Box, values: NDArray[Any]) -> None:
        self._require_open()
        handle.values[box] = values

    def resize(self, handle: Item, length: int) -> None:
        self._require_open()
        assert handle.spec is not None
        old = handle.values[:length]
        handle.values = _filled((length, *old.shape[1:]), handle.spec)
        handle.values[: len(old)] = old

    def append_ragged(self, handle: Item, rows: Sequence[NDArray[Any]]) -> None:
        self._require_open()
        handle.rows.extend(np.array(row) for row in rows)

    def read_ragged(self, handle: Item, start: int, stop: int) -> list[NDArray[Any]]:
        self._require_open()
        return [np.array(row) for row in handle.rows[start:stop]]


def _filled(shape: tuple[int, ...], spec: ArraySpec) -> NDArray[Any]:
    return np.full(shape, np.zeros((), spec.dtype) if spec.fill is None else spec.fill, spec.dtype)


# -- the archive ---------------------------------------------------------------------------------
def _save(root: Item, location: str) -> None:
    beside = f"{location}.{os.getpid()}.new"
    index: list[dict[str, Any]] = []
    with zipfile.ZipFile(beside, "w") as archive:
        for number, (path, node) in enumerate(_walk(root, "/")):
            entry: dict[str, Any] = {"path": path, "kind": node.kind.value, "attrs": {}}
            for name, value in node.attrs.items():
                if isinstance(value, str):
                    entry["attrs"][name] = value
                else:
                    member = f"{number}/attrs/{len(entry['attrs'])}"
                    entry["attrs"][name] = {"member": member, "scalar": not np.ndim(value)}
                    _put(archive, member, value)
            if node.spec is not None:
                entry |= {"chunks": node.spec.chunks, "filters": asdict(node.spec.filters)}
                entry["dtype"] = np.lib.format.dtype_to_descr(node.spec.dtype)
                if node.spec.fill is not None:
                    _put(archive, f"{number}/fill", node.spec.fill)
                    entry["fill"] = f"{number}/fill"
                rows = node.rows or [np.empty(0, node.spec.dtype)]
                ragged = node.kind is NodeKind.VLARRAY
                _put(archive, f"{number}/values", np.concatenate(rows) if ragged else node.values)
                entry["lengths"] = [len(row) for row in node.rows]
                entry["values"] = f"{number}/values"
            index.append(entry)
        archive.writestr("index.json", json.dumps(index))
    Path(beside).replace(location)


def _walk(node: Item, path: str) -> Iterator[tuple[str, Item]]:
    yield path, node
    for name, child in node.children.items():
        yield from _walk(child, f"{path.rstrip('/')}/{name}")


def _put(archive: zipfile.ZipFile, member: str, value: Any) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(value), allow_pickle=False)
    archive.writestr(f"{member}.npy", stream.getvalue())


def _get(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    with archive.open(f"{member}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _load(location: str) -> Item:
    root = Item(NodeKind.GROUP)
    with zipfile.ZipFile(location) as archive:
        for entry in json.loads(archive.read("index.json")):
            node = root
            if entry["path"] != "/":
                where, _, name = entry["path"].rpartition("/")
                parent = root
                for part in filter(None, where.split("/")):
                    parent = parent.children[part]
                node = Item(NodeKind(entry["kind"]), name, parent)
                parent.children[name] = node
            for name, kept in entry["attrs"].items():
                node.attrs[name] = _attribute(archive, kept)
            if "values" in entry:
                _fill_in(node, entry, archive)
    return root


def _attribute(archive: zipfile.ZipFile, kept: Any) -> Stored:
    if isinstance(kept, str):
        return kept
    array = _get(archive, kept["member"])
    return array[()] if kept["scalar"] else array


def _fill_in(node: Item, entry: dict[str, Any], archive: zipfile.ZipFile) -> None:
    node.values = _get(archive, entry["values"])
    if node.kind is NodeKind.VLARRAY:
        ends = np.cumsum(entry["lengths"])
        starts = [0, *ends[:-1]]
        node.rows = [node.values[a:b] for a, b in zip(starts, ends, strict=False)]
    node.spec = ArraySpec(
        node.kind,
        node.values.dtype,
        node.values.shape,
        None if entry["chunks"] is None else tuple(entry["chunks"]),
        Filters(**entry["filters"]),
        _get(archive, entry["fill"])[()] if "fill" in entry else None,
    )
