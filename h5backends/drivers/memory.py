"""The memory driver: a tree of dictionaries, the reference behaviour for all others.

Locations are names in this process; a file stays there after it is closed, so it can be opened
again, and is gone with the process.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import Driver
from h5backends.errors import (
    FileClosedError,
    FileMissingError,
    FileOccupiedError,
    NodeExistsError,
    NodeNotFoundError,
)
from h5backends.types import ArraySpec, Box, Capability, Mode, NodeKind, OpenOptions, Stored

__all__ = ["MemoryDriver"]

_ids = itertools.count()


class _Memory:
    """One node: a group's children, or an array's values."""

    def __init__(self, parent: _Memory | None, name: str, kind: NodeKind) -> None:
        self.id = next(_ids)
        self.parent = parent
        self.name = name
        self.kind = kind
        self.attrs: dict[str, Stored] = {}
        self.children: dict[str, _Memory] = {}
        self.spec: ArraySpec | None = None
        self.values: NDArray[Any] = np.empty(0)
        self.ragged: list[NDArray[Any]] = []


class MemoryDriver(Driver):
    """One file in memory."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[Capability] = Capability.REFRESH

    _files: ClassVar[dict[str, _Memory]] = {}

    def __init__(self, location: str, mode: Mode, root: _Memory) -> None:
        self._location = location
        self._mode = mode
        self._root = root
        self._open = True
        self.lock = threading.RLock()

    # -- the file -------------------------------------------------------------------------------
    @classmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> MemoryDriver:
        present = location in cls._files
        if mode in ("r", "r+") and not present:
            raise FileMissingError("there is no such file in memory", file=location)
        if mode == "x" and present:
            raise FileOccupiedError("the file exists in memory already", file=location)
        if mode == "w" or not present:
            cls._files[location] = _Memory(None, "/", NodeKind.GROUP)
        return cls(location, mode, cls._files[location])

    @classmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        return location in cls._files

    @classmethod
    def folder_names(cls, folder: str, options: OpenOptions) -> list[str]:
        inside = Path(folder)
        parts = (
            Path(location).relative_to(inside).parts
            for location in cls._files
            if Path(location).is_relative_to(inside)
        )
        return sorted({names[0] for names in parts if names})

    @classmethod
    def make_folder(cls, folder: str, options: OpenOptions) -> None:
        """Do nothing: a name in memory needs no folder."""

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
        self._open = False

    def flush(self) -> None:
        self._require_open()

    def abandon(self) -> None:
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise FileClosedError("the file is closed", file=self._location)

    # -- the tree -------------------------------------------------------------------------------
    def root(self) -> _Memory:
        self._require_open()
        return self._root

    def get(self, path: str) -> _Memory:
        node = self.root()
        for part in path.strip("/").split("/"):
            if part and part not in node.children:
                raise self._missing(path)
            node = node.children[part] if part else node
        return node

    def path(self, handle: _Memory) -> str:
        parts: list[str] = []
        node: _Memory | None = handle
        while node is not None and node.parent is not None:
            parts.append(node.name)
            node = node.parent
        if node is not self._root:
            raise self._missing(handle.name)
        return "/" + "/".join(reversed(parts))

    def identity(self, handle: _Memory) -> int:
        return handle.id

    def kind(self, handle: _Memory) -> NodeKind:
        return handle.kind

    def child_names(self, group: _Memory) -> list[str]:
        self._require_open()
        return sorted(group.children)

    def child(self, group: _Memory, name: str) -> _Memory:
        self._require_open()
        try:
            return group.children[name]
        except KeyError as exc:
            raise self._missing(f"{self.path(group).rstrip('/')}/{name}") from exc

    def _missing(self, node: str) -> NodeNotFoundError:
        return NodeNotFoundError("there is no such node", file=self._location, node=node)

    def has_child(self, group: _Memory, name: str) -> bool:
        self._require_open()
        return name in group.children

    def create_group(self, parent: _Memory, name: str, attrs: Mapping[str, Stored]) -> _Memory:
        return self._add(parent, name, NodeKind.GROUP, attrs)

    def _add(
        self, parent: _Memory, name: str, kind: NodeKind, attrs: Mapping[str, Stored]
    ) -> _Memory:
        self._require_open()
        if name in parent.children:
            raise NodeExistsError(
                "a node of this name exists already",
                file=self._location,
                node=f"{self.path(parent).rstrip('/')}/{name}",
            )
        node = parent.children[name] = _Memory(parent, name, kind)
        self.write_attrs(node, attrs)
        return node

    def remove(self, handle: _Memory) -> None:
        self._require_open()
        if handle.parent is not None:
            del handle.parent.children[handle.name]
            handle.parent = None

    def move(self, handle: _Memory, parent: _Memory, name: str) -> _Memory:
        if name in parent.children:
            raise NodeExistsError(
                "a node of this name exists already", file=self._location, node=name
            )
        self.remove(handle)
        handle.parent, handle.name = parent, name
        parent.children[name] = handle
        return handle

    # -- attributes -----------------------------------------------------------------------------
    def attr_names(self, handle: _Memory) -> list[str]:
        self._require_open()
        return sorted(handle.attrs)

    def read_attr(self, handle: _Memory, name: str) -> Stored:
        self._require_open()
        value = handle.attrs[name]
        return value.copy() if isinstance(value, np.ndarray) else value

    def write_attr(self, handle: _Memory, name: str, value: Stored) -> None:
        self._require_open()
        handle.attrs[name] = value.copy() if isinstance(value, np.ndarray) else value

    def delete_attr(self, handle: _Memory, name: str) -> None:
        self._require_open()
        del handle.attrs[name]

    # -- arrays ---------------------------------------------------------------------------------
    @classmethod
    def codecs(cls) -> frozenset[str]:
        return frozenset({"gzip", "shuffle", "fletcher32"})

    def create_array(
        self,
        parent: _Memory,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> _Memory:
        node = self._add(parent, name, spec.kind, attrs)
        node.spec = spec
        if data is not None:
            node.values = np.array(data, spec.dtype)
        else:
            fill = np.zeros((), spec.dtype) if spec.fill is None else spec.fill
            node.values = np.full(spec.shape, fill, spec.dtype)
        return node

    def spec(self, handle: _Memory) -> ArraySpec:
        self._require_open()
        spec = handle.spec
        assert spec is not None
        return ArraySpec(
            spec.kind, spec.dtype, self.shape(handle), spec.chunks, spec.filters, spec.fill
        )

    def shape(self, handle: _Memory) -> tuple[int, ...]:
        self._require_open()
        if handle.kind is NodeKind.VLARRAY:
            return (len(handle.ragged),)
        return handle.values.shape

    def read(self, handle: _Memory, box: Box) -> NDArray[Any]:
        self._require_open()
        return np.array(handle.values[box], handle.values.dtype)

    def write(self, handle: _Memory, box: Box, values: NDArray[Any]) -> None:
        self._require_open()
        handle.values[box] = values

    def resize(self, handle: _Memory, length: int) -> None:
        self._require_open()
        old = handle.values
        spec = self.spec(handle)
        fill = np.zeros((), spec.dtype) if spec.fill is None else spec.fill
        values = np.full((length, *old.shape[1:]), fill, old.dtype)
        kept = min(length, len(old))
        values[:kept] = old[:kept]
        handle.values = values

    def append_ragged(self, handle: _Memory, rows: Sequence[NDArray[Any]]) -> None:
        self._require_open()
        handle.ragged.extend(np.array(row) for row in rows)

    def read_ragged(self, handle: _Memory, start: int, stop: int) -> list[NDArray[Any]]:
        self._require_open()
        return [np.array(row) for row in handle.ragged[start:stop]]

    def refresh(self, handle: _Memory) -> None:
        """See what was written meanwhile: here always the case."""
        self._require_open()
