"""The PyTables driver: local files in the layout that PyMoDAQ writes by default."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import tables
from numpy.typing import NDArray

from h5backends.drivers._tables import arrays
from h5backends.drivers._tables import filters as codecs
from h5backends.drivers._tables.append import PackedChunks, appender_for
from h5backends.drivers._tables.errors import Translation
from h5backends.drivers._tables.file import LOCK, OpenFile
from h5backends.drivers._tables.lowlevel import Dataset, Group
from h5backends.drivers._tables.native import Records, SafeFile, check_columns, create_records
from h5backends.drivers._tables.tree import KIND, TablesHandle, join
from h5backends.drivers.base import Appender, ChunkStore, Driver
from h5backends.errors import (
    DTypeError,
    NodeExistsError,
    NodeKindError,
    NodeNameError,
)
from h5backends.pipeline import FilterStep
from h5backends.types import ArraySpec, Box, Capability, Mode, NodeKind, OpenOptions, Stored

__all__ = ["TablesDriver", "TablesHandle"]

_RESERVED = re.compile(r"_[cfgv]_|_i_|__members__$")
"""Names that PyTables keeps for itself: its own Python attributes, the indices of tables."""

_TABLES_OWN = frozenset({"CLASS", "VERSION"})
"""Attributes without which PyTables would not open its table again."""

_Held = TypeVar("_Held", arrays.Array, arrays.Ragged)

_GROUP_ATTRIBUTES: dict[str, Stored] = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}


class TablesDriver(Driver):
    """One local file through PyTables."""

    name: ClassVar[str] = "tables"
    capabilities: ClassVar[Capability] = (
        Capability.PERSISTENT | Capability.LOCAL | Capability.FSYNC | Capability.DIRECT_CHUNK
    )

    def __init__(self, file: OpenFile) -> None:
        self.lock = LOCK
        self._file = file
        self._tree = file.tree
        self._attributes = file.attributes
        self._arrays: WeakValueDictionary[int, Any] = WeakValueDictionary()

    # -- the file -------------------------------------------------------------------------------
    @classmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> TablesDriver:
        return cls(OpenFile(location, mode, options))

    @classmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        return os.path.isfile(location)

    @property
    def location(self) -> str:
        return self._file.location

    @property
    def mode(self) -> Mode:
        return self._file.mode

    @property
    def native(self) -> SafeFile:
        """The ``tables.File``, opened when first asked for; it unpickles nothing.

        Lengths that change through it are noticed here; lengths that change here are not noticed
        by nodes already taken from it.
        """
        self._file.in_users_hands = True
        return self._file.tables_file()

    def native_node(self, handle: TablesHandle) -> tables.Node:
        """Return PyTables' own object for a node, as it stands now."""
        with self._at(handle):
            path = handle.path
            node = self.native.get_node(path)
            if isinstance(node, tables.Leaf) and handle.array is not None:
                current = self._array(handle).shape
                found = tuple(node.shape) if isinstance(node, tables.Array) else (node.nrows,)
                if found != current:
                    self.native.forget(path)
                    node = self.native.get_node(path)
            return node

    @property
    def is_open(self) -> bool:
        return self._file.is_open

    def close(self) -> None:
        self._file.close()

    def flush(self) -> None:
        self._file.flush()

    def fsync(self) -> None:
        """Flush, then wait until the storage device has the data."""
        self._file.fsync()

    def fileno(self) -> int:
        """Return the operating system's descriptor of the file."""
        return self._file.fileno()

    def abandon(self) -> None:
        self._file.abandon()

    # -- the tree -------------------------------------------------------------------------------
    def root(self) -> TablesHandle:
        self._file.require_open("/")
        return self._tree.handle("/")

    def get(self, path: str) -> TablesHandle:
        handle = self._tree.handle(path)
        with self._at(handle):
            self._tree.node(handle)
        return handle

    def path(self, handle: TablesHandle) -> str:
        with self._at(handle):
            return handle.path

    def identity(self, handle: TablesHandle) -> Any:
        with self._at(handle):
            return self.location, self._tree.node(handle)._get_obj_info().addr

    def kind(self, handle: TablesHandle) -> NodeKind:
        with self._at(handle):
            return self._tree.kind(handle)

    def child_names(self, group: TablesHandle) -> list[str]:
        with self._at(group):
            return list(self._tree.children(group))

    def has_child(self, group: TablesHandle, name: str) -> bool:
        with self._at(group):
            self._tree.group(group)
            return self._tree.has(join(group.path, name))

    def child(self, group: TablesHandle, name: str) -> TablesHandle:
        with self._at(group):
            self._tree.group(group)
        return self.get(join(group.path, name))

    def scan(self, group: TablesHandle) -> Iterator[tuple[str, TablesHandle, NodeKind]]:
        tree = self._tree
        with self._at(group):
            children = tree.children(group)
        for name, what in children.items():
            with self._at(group):
                handle = tree.child(group, name, what)
                kind = tree.kind(handle)
            yield name, handle, kind

    def create_group(
        self, parent: TablesHandle, name: str, attrs: Mapping[str, Stored]
    ) -> TablesHandle:
        handle = self._new(parent, name)
        low = self._file.low
        with self._at(handle):
            handle.node = self._tree.keep(Group(low, low, handle.path).create())
            self._finish(handle, _GROUP_ATTRIBUTES | dict(attrs))
        return handle

    def remove(self, handle: TablesHandle) -> None:
        with self._at(handle):
            self._check_movable(handle, "removed")
            self._tree.remove(handle)

    def move(self, handle: TablesHandle, parent: TablesHandle, name: str) -> TablesHandle:
        with self._at(handle):
            self._check_movable(handle, "moved")
            new = self._new(parent, name)
            if new.path.startswith(f"{handle.path}/"):
                raise NodeNameError("a group cannot be moved into itself", found=parent.path)
            self._tree.move(handle, new.path)
        return self.get(new.path)

    # -- attributes -----------------------------------------------------------------------------
    def attr_names(self, handle: TablesHandle) -> list[str]:
        with self._at(handle):
            return self._attributes.names(self._tree.node(handle))

    def read_attr(self, handle: TablesHandle, name: str) -> Stored:
        with self._at(handle):
            return self._attributes.read(self._tree.node(handle), name)

    def read_attrs(self, handle: TablesHandle) -> dict[str, Stored]:
        with self._at(handle):
            return self._tree.read_attributes(handle)

    def write_attr(self, handle: TablesHandle, name: str, value: Stored) -> None:
        self.write_attrs(handle, {name: value})

    def write_attrs(self, handle: TablesHandle, values: Mapping[str, Stored]) -> None:
        with self._at(handle):
            self._file.require_writable()
            self._tree.attributes_changed()
            self._attributes.write(self._tree.node(handle), values)

    def delete_attr(self, handle: TablesHandle, name: str) -> None:
        with self._at(handle):
            self._file.require_writable()
            self._tree.attributes_changed()
            self._attributes.delete(self._tree.node(handle), name)

    # -- arrays ---------------------------------------------------------------------------------
    @classmethod
    def check_dtype(cls, dtype: np.dtype[Any], kind: NodeKind) -> None:
        if dtype.names:
            check_columns(dtype, kind)
        else:
            arrays.atom_of(dtype)

    @classmethod
    def codecs(cls) -> frozenset[str]:
        return codecs.available()

    def create_array(
        self,
        parent: TablesHandle,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> TablesHandle:
        handle = self._new(parent, name)
        low, tree = self._file.low, self._tree
        with self._at(handle):
            self.check_dtype(spec.dtype, spec.kind)
            array: Any
            if spec.dtype.names:
                array, own = self._create_records(handle.path, spec, data)
                attrs = {key: value for key, value in attrs.items() if key not in _TABLES_OWN}
            else:
                array = arrays.create(low, handle.path, spec, data)
                own = arrays.class_attributes(spec.kind)
                tree.keep(array.low)
            handle.array = array
            handle.node = tree.keep(Dataset(low, low, handle.path).open())
            self._arrays[handle.node._get_obj_info().addr] = array
            self._finish(handle, own | dict(attrs))
        return handle

    def spec(self, handle: TablesHandle) -> ArraySpec:
        with self._at(handle):
            array = self._array(handle)
            kind = self._tree.kind(handle)
            return ArraySpec(kind, array.dtype, array.shape, array.chunks, array.filters)

    def shape(self, handle: TablesHandle) -> tuple[int, ...]:
        with self._at(handle):
            shape: tuple[int, ...] = self._array(handle).shape
            return shape

    def read(self, handle: TablesHandle, box: Box) -> NDArray[Any]:
        with self._at(handle):
            values: NDArray[Any] = self._array(handle).read(box)
            return values

    def write(self, handle: TablesHandle, box: Box, values: NDArray[Any]) -> None:
        with self._at(handle, writing=True):
            self._file.require_writable()
            self._array(handle).write(box, values)

    def resize(self, handle: TablesHandle, length: int) -> None:
        with self._at(handle):
            self._file.require_writable()
            self._array(handle).resize(length)

    def appender(self, handle: TablesHandle) -> Appender:
        with self._at(handle):
            self._file.require_writable()
            array = self._array(handle)
            if isinstance(array, arrays.Ragged):
                raise NodeKindError(
                    "a block has rows of one length",
                    expected="EARRAY",
                    found="VLARRAY",
                    remedy="Append them one by one.",
                )
            return appender_for(self._file, handle, array)

    def filter_steps(self, handle: TablesHandle) -> tuple[FilterStep, ...] | None:
        """Return the filters of an array in their order; None if one is not known."""
        with self._at(handle):
            array = self._array(handle)
            return array.filter_steps if isinstance(array, arrays.Array) else None

    def chunk_store(self, handle: TablesHandle) -> ChunkStore | None:
        """Return where packed chunks of an ``EARRAY`` go; None if PyTables converts elements."""
        with self._at(handle):
            array = self._array(handle)
            if not isinstance(array, arrays.Array) or array.volatile:
                return None
            return PackedChunks(self._file, handle, array)

    def append_ragged(self, handle: TablesHandle, rows: Sequence[NDArray[Any]]) -> None:
        with self._at(handle, writing=True):
            self._file.require_writable()
            self._of_type(handle, arrays.Ragged, "rows of any length").append_rows(rows)

    def read_ragged(self, handle: TablesHandle, start: int, stop: int) -> list[NDArray[Any]]:
        with self._at(handle):
            ragged = self._of_type(handle, arrays.Ragged, "rows of any length")
            return ragged.read_rows(start, stop)

    def write_chunk(
        self, handle: TablesHandle, offset: tuple[int, ...], data: bytes, filter_mask: int = 0
    ) -> None:
        """Store one already filtered chunk; the extent already covers it."""
        with self._at(handle, writing=True):
            self._file.require_writable()
            self._of_type(handle, arrays.Array, "chunks").write_chunk(offset, data, filter_mask)

    def read_chunk(self, handle: TablesHandle, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return filter mask and raw bytes of one chunk."""
        with self._at(handle):
            return self._of_type(handle, arrays.Array, "chunks").read_chunk(offset)

    # -- common help ----------------------------------------------------------------------------
    def _at(self, handle: TablesHandle, writing: bool = False) -> Translation:
        """Return the context for work with one node, and make sure that it is still there."""
        file = self._file
        if not file.is_open or handle.moves != self._tree.moves:
            with file.translate(handle.path):
                file.require_open()
                self._tree.follow(handle)
        return file.translate(handle.path, writing)

    def _new(self, parent: TablesHandle, name: str) -> TablesHandle:
        """Return the handle of a node to be made."""
        with self._at(parent):
            path = join(parent.path, name)
            self._file.require_writable(path)
            if _RESERVED.match(name):
                raise NodeNameError(
                    "PyTables keeps this name for itself",
                    node=path,
                    expected="a name that does not begin with _c_, _f_, _g_, _v_ or _i_",
                    remedy="Put a letter in front of it.",
                )
            self._tree.group(parent)
            if self._tree.root._g_get_objinfo(path[1:]) != "NoSuchNode":
                raise NodeExistsError("a node of this name exists already", node=path)
        return self._tree.handle(path)

    def _finish(self, handle: TablesHandle, attrs: Mapping[str, Stored]) -> None:
        """Give a new node its attributes; without them it is not to be."""
        try:
            self._attributes.write(handle.node, attrs)
        except BaseException:
            self._tree.remove(handle)
            raise

    def _check_movable(self, handle: TablesHandle, what: str) -> None:
        self._file.require_writable()
        if handle.path == "/":
            raise NodeNameError(f"the root cannot be {what}")
        self._tree.node(handle)
        self._file.forget_natively(handle.path)

    def _array(self, handle: TablesHandle) -> Any:
        """Return the open array of a handle: one object for all handles of the same array."""
        array = handle.array
        if array is None or (isinstance(array, Records) and not array.low._v_isopen):
            array = handle.array = self._open_array(handle)
        elif self._file.in_users_hands and self._file.mode != "r":
            array.refresh(handle.path)
        return array

    def _open_array(self, handle: TablesHandle) -> Any:
        node = self._tree.node(handle)
        if isinstance(node, Group):
            raise NodeKindError("a group holds no values", expected="an array", found="GROUP")
        address = node._get_obj_info().addr
        array = self._arrays.get(address)
        if array is None or (isinstance(array, Records) and not array.low._v_isopen):
            array = arrays.open_array(self._file.low, handle.path)
            if array is None:
                table = self._file.tables_file().table(handle.path)
                array = Records(table, self._file.low, handle.path)
            else:
                self._tree.keep(array.low)
            self._arrays[address] = array
        return array

    def _of_type(self, handle: TablesHandle, kind: type[_Held], what: str) -> _Held:
        array = self._array(handle)
        if isinstance(array, kind):
            return array
        raise NodeKindError(f"this node has no {what}", found=self._tree.kind(handle).value)

    def _create_records(
        self, path: str, spec: ArraySpec, data: NDArray[Any] | None
    ) -> tuple[Records, dict[str, Stored]]:
        if len(spec.shape) != 1:
            raise DTypeError(
                "PyTables holds compound elements along one axis only",
                expected="one axis",
                found=f"shape {spec.shape}",
                remedy="Take the driver 'h5py', or one array for each field.",
            )
        records = create_records(self._file.tables_file(), self._file.low, path, spec, data)
        return records, {KIND: spec.kind.value} if spec.kind is NodeKind.CARRAY else {}
