"""The h5py driver: local files, SWMR, direct chunk writes."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5o, h5p, h5s, h5t
from numpy.typing import NDArray

from h5backends import lifetime, localfile
from h5backends.drivers._h5py import attributes, bits, parallel, unpacking, virtual
from h5backends.drivers._h5py import filters as codecs
from h5backends.drivers._h5py.append import FOREIGN, PackedChunks, appender_for
from h5backends.drivers._h5py.caching import chunk_cache, with_own_cache
from h5backends.drivers._h5py.datasets import LateDataset
from h5backends.drivers._h5py.moves import Moves
from h5backends.drivers._h5py.texts import text_reader
from h5backends.drivers._journal.hooks import tap
from h5backends.drivers.alignment import ALIGNMENT, LEAST_BYTES
from h5backends.drivers.base import Appender, ChunkStore, Driver
from h5backends.drivers.hdf5_library import find_library
from h5backends.errors import (
    DTypeError,
    FileBusyError,
    FileClosedError,
    FileCrashedError,
    H5Error,
    NodeExistsError,
    NodeKindError,
    NodeNotFoundError,
    ShapeError,
    UnsupportedError,
)
from h5backends.file_text import decoded, encoded, is_utf8
from h5backends.local_errors import os_error
from h5backends.overlay import MendedFile
from h5backends.pipeline import FilterStep
from h5backends.types import (
    ArraySpec,
    Box,
    Capability,
    Filters,
    Mode,
    NodeKind,
    OpenOptions,
    Stored,
    VirtualPart,
)

__all__ = ["H5pyDriver"]

_FIXED_KIND = b"H5B_KIND"
_LIBVER = ("v110", "v110")
"""Superblock 3 and nothing newer: SWMR needs it, and HDF5 1.10 can still open the file."""
_WRITING = {
    "libver": _LIBVER,
    "alignment_threshold": LEAST_BYTES,
    "alignment_interval": ALIGNMENT,
}
"""How files are opened for writing, unless the caller says otherwise."""

_LINKED = h5py.h5f.__file__
"""Where HDF5's own functions are found."""

_log = logging.getLogger(__name__)

_Handle = Any


class H5pyDriver(Driver):
    """One local file through h5py."""

    name: ClassVar[str] = "h5py"
    capabilities: ClassVar[Capability] = (
        Capability.PERSISTENT
        | Capability.LOCAL
        | Capability.SWMR_WRITE
        | Capability.SWMR_READ
        | Capability.REFRESH
        | Capability.FSYNC
        | Capability.DIRECT_CHUNK
        | Capability.VIRTUAL
        | Capability.RAW_NAMES
        | (Capability.PARALLEL if parallel.AVAILABLE else Capability.NONE)
    )

    def __init__(self, file: h5py.File, location: str, mode: Mode, together: bool = False) -> None:
        self._file = file
        self._together = together  # with other MPI ranks
        self._location = location
        self._mode = mode
        self._moves = Moves()
        # HDF5 cannot refresh an array that is open twice: a follower gets the one there is.
        self._held: dict[str, h5py.Dataset] | None = {} if file.swmr_mode and mode == "r" else None
        self.lock = threading.RLock()
        self._tap = (
            None
            if mode == "r" or together or file.driver != "sec2"
            else tap(_LINKED, file.id.id, location, file.flush, keep_lock=False)
        )
        # Ranks must ask for the same things together: h5py alone then.
        self._library = None if together else find_library(_LINKED, file.id.id, file.filename)
        self._texts = text_reader(self._library)
        nothing = contextlib.nullcontext()
        self._guard: AbstractContextManager[None] = self._tap or nothing
        self._writing: AbstractContextManager[None] = self._tap.writing if self._tap else nothing

    # -- the file -------------------------------------------------------------------------------
    @classmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> H5pyDriver:
        if options.extra.get("comm") is not None:
            return cls._open_together(location, mode, options)
        try:
            localfile.check_before_open(location, mode, cls.name, swmr=options.swmr)
        except FileCrashedError:
            if mode != "r":
                raise
            _log.warning("%s: left behind by a crash; shown up to its last flush", location)
            return cls(_open(MendedFile(location), location, mode, {}), location, mode)
        arguments: dict[str, Any] = dict(options.extra)
        if mode == "r":
            arguments.setdefault("swmr", options.swmr)
        else:
            arguments = _WRITING | arguments
        if not (mode == "r" and options.swmr and "locking" not in arguments):
            return cls(_open(location, location, mode, arguments), location, mode)
        try:
            # A reader's lock would keep the writer from opening the file again when it is done.
            file = _open(location, location, mode, {**arguments, "locking": False})
        except FileBusyError:
            # The writer is in this process and has the file open with its lock.
            file = _open(location, location, mode, arguments)
        return cls(file, location, mode)

    @classmethod
    def _open_together(cls, location: str, mode: Mode, options: OpenOptions) -> H5pyDriver:
        """Open a file with all ranks of the communicator ``comm=``."""

        def check() -> bool:
            localfile.check_before_open(location, mode, cls.name)
            return os.path.isfile(location)

        exists = parallel.on_first_rank(options.extra["comm"], check)
        arguments = {"libver": _LIBVER, **options.extra} if mode != "r" else options.extra
        file = parallel.open_together(_open, location, mode, exists, arguments)
        return cls(file, location, mode, together=True)

    @classmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        comm = options.extra.get("comm")
        if comm is not None:
            return bool(parallel.on_first_rank(comm, lambda: os.path.isfile(location)))
        return os.path.isfile(location)

    @property
    def location(self) -> str:
        return self._location

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def native(self) -> h5py.File:
        return self._file

    @property
    def is_open(self) -> bool:
        return bool(self._file.id.valid)

    def close(self) -> None:
        if self.is_open:
            with self._translate():
                self._file.close()

    def flush(self) -> None:
        with self._translate():
            self._file.flush()

    def fsync(self) -> None:
        """Flush, then wait until the storage device has the data."""
        if self._tap is not None:
            self._tap.sync = True
        self.flush()
        if not self._together:  # which has flushed with MPI's own sync
            os.fsync(self.fileno())

    def fileno(self) -> int:
        """Return the operating system's descriptor of the file."""
        with self._translate():
            return int(self._file.id.get_vfd_handle())

    def abandon(self) -> None:
        # The file is the parent's: not for it is what HDF5 still writes when this process ends.
        if self.is_open and not self._together:
            lifetime.divert(self.fileno())

    def start_swmr(self) -> None:
        """Switch to SWMR; the structure is complete and no attribute is open."""
        self.flush()
        if self._tap is not None:
            self._tap.let_readers_in()
        with self._translate():
            self._file.swmr_mode = True

    @property
    def swmr_active(self) -> bool:
        """Whether the file is in SWMR mode, as writer or as reader."""
        return self.is_open and bool(self._file.swmr_mode)

    def overwrite_attr(self, handle: _Handle, name: str, value: Stored) -> bool:
        """Replace an attribute by one of the same type and size, in place."""
        with self._translate():
            return attributes.overwrite(handle.id, name, value)

    # -- the tree -------------------------------------------------------------------------------
    def root(self) -> h5py.Group:
        with self._translate("/"):
            return h5py.Group(h5g.open(self._file.id, b"/"))

    def get(self, path: str) -> _Handle:
        if self._held is not None and path in self._held:
            return self._held[path]
        with self._translate(path):
            try:
                handle = self._to_write(self._file[_stored(path)], self._file.id, path)
            except KeyError as exc:
                raise self.translated(exc, path) from exc
        return self._hold(self._checked(handle, path), path)

    def _hold(self, handle: _Handle, path: str) -> _Handle:
        """Keep the one handle of an array that a follower may refresh."""
        if self._held is not None and isinstance(handle, h5py.Dataset):
            return self._held.setdefault(path, handle)
        return handle

    def path(self, handle: _Handle) -> str:
        with self._translate():
            raw: str | bytes | None = handle.name  # bytes where it is not UTF-8
            name = decoded(raw) if isinstance(raw, bytes) else raw
            # HDF5 forgets the name of a removed node, but not those of the nodes below it; arrays
            # also keep theirs when they, or a group above, move.
            if name is not None:
                if not self._moves.any:
                    return name
                for path in self._moves.paths(name):
                    if self._leads_to(path, handle):
                        return path
        if not self.is_open:
            raise self.translated(ValueError("closed"))
        raise self._missing(name or "a node that was removed")

    def _leads_to(self, path: str, handle: _Handle) -> bool:
        try:
            found = self._file[_stored(path)]
        except (KeyError, UnicodeDecodeError):
            return False
        return bool(self.identity(found) == self.identity(handle))

    def identity(self, handle: _Handle) -> Any:
        try:
            info = h5o.get_info(handle.id)
        except FOREIGN as exc:
            raise self.translated(exc) from exc
        return info.fileno, info.addr

    def kind(self, handle: _Handle) -> NodeKind:
        # By structure, not by the CLASS attribute: cheaper, and right in foreign files too.
        if isinstance(handle, h5py.Group):
            return NodeKind.GROUP
        if _is_plainly_fixed(handle.id):
            return NodeKind.CARRAY
        if isinstance(handle.id.get_type(), h5t.TypeVlenID):
            return NodeKind.VLARRAY
        limits = handle.id.get_space().get_simple_extent_dims(maxdims=True)
        if limits[:1] != (h5s.UNLIMITED,):
            return NodeKind.CARRAY
        # PyTables cannot but let a compound array grow; our files say what it is to be.
        fixed = h5a.exists(handle.id, _FIXED_KIND)
        return NodeKind.CARRAY if fixed else NodeKind.EARRAY

    def child_names(self, group: h5py.Group) -> list[str]:
        with self._translate():
            return sorted(map(decoded, group.id))

    def has_child(self, group: h5py.Group, name: str) -> bool:
        with self._translate():
            raw = _stored(name)
            if isinstance(raw, str):
                return raw in group
            # h5py makes text of the bytes again before it asks HDF5.
            return bool(group.id.links.exists(raw) and h5o.exists_by_name(group.id, raw))

    def child(self, group: h5py.Group, name: str) -> _Handle:
        if self._held is not None:
            return self.get(f"{self.path(group).rstrip('/')}/{name}")
        with self._translate(name):
            try:
                handle = self._to_write(group[_stored(name)], group.id, name)
            except KeyError as exc:
                raise self.translated(exc, f"{self.path(group).rstrip('/')}/{name}") from exc
        return self._checked(handle, name)

    def _to_write(self, handle: Any, parent: Any, name: str) -> Any:
        """Give an array that may be written the chunk cache of a new one."""
        if self._mode == "r" or not isinstance(handle, h5py.Dataset):
            return handle
        kept = with_own_cache(found := handle.id, parent, encoded(name))
        return handle if kept is found else h5py.Dataset(kept)

    def _missing(self, node: str) -> NodeNotFoundError:
        return NodeNotFoundError("there is no such node", file=self._location, node=node)

    def scan(self, group: h5py.Group) -> Iterator[tuple[str, _Handle, NodeKind]]:
        if self._held is not None:
            # A dangling link is not a node; through one handle each costs more, but holds.
            for name in self.child_names(group):
                with contextlib.suppress(NodeNotFoundError, NodeKindError):
                    held = self.child(group, name)
                    yield name, held, self.kind(held)
            return
        group_id = group.id
        with self._translate():
            names = sorted(group_id)
        for raw in names:
            try:
                node_id = h5o.open(group_id, raw)
            except (KeyError, OSError, UnicodeDecodeError):
                # A soft or external link that leads nowhere is not a node. (The last: h5py
                # cannot word that when the name is not UTF-8.)
                continue
            except FOREIGN as exc:
                raise self.translated(exc) from exc
            try:
                if isinstance(node_id, h5d.DatasetID):
                    if self._mode != "r":
                        node_id = with_own_cache(node_id, group_id, raw)
                    handle: _Handle = LateDataset(node_id)
                elif isinstance(node_id, h5g.GroupID):
                    handle = h5py.Group(node_id)
                else:
                    continue
                kind = self.kind(handle)
            except FOREIGN as exc:
                raise self.translated(exc) from exc
            yield decoded(raw), handle, kind

    def create_group(
        self, parent: h5py.Group, name: str, attrs: Mapping[str, Stored]
    ) -> h5py.Group:
        with self._translate(name):
            group = parent.create_group(name)
            attributes.write(group.id, attrs)
        return group

    def remove(self, handle: _Handle) -> None:
        path = self.path(handle)
        with self._translate(path):
            del self._file[_stored(path)]
        self._moves.removed()

    def move(self, handle: _Handle, parent: h5py.Group, name: str) -> _Handle:
        with self._translate():
            old, above = self.path(handle), self.path(parent)
            parent.move(_stored(old), name)
            self._moves.moved(old, f"{above.rstrip('/')}/{name}")
            return parent[name]

    def _checked(self, handle: Any, path: str) -> _Handle:
        if isinstance(handle, (h5py.Group, h5py.Dataset)):
            return handle
        raise NodeKindError(
            "this is neither a group nor an array",
            file=self._location,
            node=path,
            found=type(handle).__name__,
        )

    # -- attributes -----------------------------------------------------------------------------
    def attr_names(self, handle: _Handle) -> list[str]:
        with self._translate():
            return attributes.names(handle.id)

    def read_attr(self, handle: _Handle, name: str) -> Stored:
        with self._translate():
            return attributes.read(handle.id, name, self._texts)

    def read_attrs(self, handle: _Handle) -> dict[str, Stored]:
        try:  # not `with`, which costs as much as reading a number: walks come here at every node
            return attributes.read_all(handle.id, self._texts)
        except FOREIGN as exc:
            raise self.translated(exc) from exc

    def write_attr(self, handle: _Handle, name: str, value: Stored) -> None:
        with self._translate():
            attributes.write(handle.id, {name: value})

    def write_attrs(self, handle: _Handle, values: Mapping[str, Stored]) -> None:
        with self._translate():
            attributes.write(handle.id, values)

    def delete_attr(self, handle: _Handle, name: str) -> None:
        with self._translate():
            attributes.delete(handle.id, name)

    # -- arrays ---------------------------------------------------------------------------------
    @classmethod
    def codecs(cls) -> frozenset[str]:
        return codecs.available()

    def create_array(
        self,
        parent: h5py.Group,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> h5py.Dataset:
        dtype = spec.dtype
        if spec.kind is NodeKind.VLARRAY:
            dtype = h5py.vlen_dtype(dtype)
        creation = h5p.create(h5p.DATASET_CREATE)
        if spec.chunks is not None:
            creation.set_chunk(spec.chunks)
            codecs.apply(creation, spec.filters, spec.dtype.itemsize)
        if spec.fill is not None:
            creation.set_fill_value(np.asarray(spec.fill, spec.dtype))
        maxshape = tuple(h5s.UNLIMITED if n is None else n for n in spec.maxshape)
        with self._translate(name):
            space = (
                h5s.create_simple(spec.shape, maxshape) if spec.shape else h5s.create(h5s.SCALAR)
            )
            dataset_id = h5d.create(
                parent.id,
                name.encode(),
                h5t.py_create(dtype, logical=True),
                space,
                dcpl=creation,
                dapl=chunk_cache(spec),
            )
            dataset = h5py.Dataset(dataset_id)
            if data is not None and data.size:
                dataset_id.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(data, spec.dtype))
            attributes.write(dataset_id, attrs)
        return dataset

    def create_virtual(
        self,
        parent: h5py.Group,
        name: str,
        spec: ArraySpec,
        parts: Sequence[VirtualPart],
        attrs: Mapping[str, Stored],
    ) -> h5py.Dataset:
        """Create an array whose rows are in other files; those may be made later."""
        with self._translate(name):
            dataset_id = virtual.create(parent.id, name, spec, parts)
            attributes.write(dataset_id, attrs)
            return h5py.Dataset(dataset_id)

    def spec(self, handle: h5py.Dataset) -> ArraySpec:
        with self._translate():
            dtype = handle.dtype
            kind = self.kind(handle)
            if kind is NodeKind.VLARRAY:
                dtype = np.dtype(h5t.check_vlen_dtype(dtype) or dtype)
            dtype = bits.dtype_of(_element_type(handle), dtype)
            creation = handle.id.get_create_plist()
            filters = codecs.read(creation) if handle.chunks is not None else Filters()
            return ArraySpec(kind, dtype, handle.shape or (), handle.chunks, filters)

    def shape(self, handle: h5py.Dataset) -> tuple[int, ...]:
        with self._translate():
            return tuple(handle.id.shape)

    def read(self, handle: h5py.Dataset, box: Box) -> NDArray[Any]:
        with self._translate():
            if handle.shape is None:
                return np.empty(0, handle.dtype)
            if h5t.check_string_dtype(handle.dtype) is not None and handle.dtype.kind == "O":
                return np.asarray(
                    handle.asstr("utf-8", "surrogateescape")[box or ()], dtype=object
                )
            found = None if self._together else unpacking.read(handle.id, handle.dtype, box)
            # h5py makes a scalar of bytes as short as its content.
            values = (
                np.asarray(handle[box or ()], None if box else handle.dtype)
                if found is None
                else found
            )
            if values.dtype.kind in "uV":
                return bits.as_written(handle.id.get_type(), values)
            return values

    def write(self, handle: h5py.Dataset, box: Box, values: NDArray[Any]) -> None:
        with self._translate(guard=self._writing):
            dtype = handle.dtype
            if dtype.hasobject:
                handle[box or ()] = values
                return
            # The same bytes, as the file's own type: what HDF5 converts, it can damage, see
            # `_h5py.append`.
            raw = np.ascontiguousarray(values).view(dtype)
            if not box:
                handle.id.write(h5s.ALL, h5s.ALL, raw, handle.id.get_type())
                return
            space = handle.id.get_space()
            start, step = tuple(s.start for s in box), tuple(s.step for s in box)
            space.select_hyperslab(start, raw.shape, step)
            handle.id.write(h5s.create_simple(raw.shape), space, raw, handle.id.get_type())

    def resize(self, handle: h5py.Dataset, length: int) -> None:
        with self._translate():
            handle.id.set_extent((length, *handle.id.shape[1:]))

    def write_together(self, handle: _Handle, box: Box | None, values: NDArray[Any]) -> None:
        """Write a box in one step with all ranks; None by a rank that has nothing to write."""
        with self._translate():
            parallel.write_together(handle.id, box, values)

    def appender(self, handle: h5py.Dataset) -> Appender:
        if self._together:
            raise UnsupportedError(
                "rows cannot be appended where several ranks have the file open",
                file=self._location,
                node=handle.name,
                remedy="Take them with reserve(), all ranks together, and write each its own.",
            )
        return appender_for(
            handle.id, self.spec(handle), self.translated, self._writing, self._tap, self._library
        )

    def filter_steps(self, handle: h5py.Dataset) -> tuple[FilterStep, ...]:
        """Return the filters of an array in their order."""
        with self._translate():
            return codecs.steps(handle.id.get_create_plist())

    def chunk_store(self, handle: h5py.Dataset) -> ChunkStore | None:
        """Return where packed chunks of an ``EARRAY`` go; None where ranks share the file."""
        if self._together or handle.id.dtype.hasobject:
            return None
        return PackedChunks(handle.id, self.translated, self._writing)

    def append_ragged(self, handle: h5py.Dataset, rows: Sequence[NDArray[Any]]) -> None:
        with self._translate(guard=self._writing):
            start = int(handle.id.shape[0])
            block = np.empty(len(rows), dtype=object)
            for index, row in enumerate(rows):
                block[index] = row
            handle.id.set_extent((start + len(rows),))
            try:
                # Dataset.__setitem__ would take rows of equal length for a second axis.
                space = handle.id.get_space()
                space.select_hyperslab((start,), block.shape)
                memory = h5s.create_simple(block.shape)
                handle.id.write(memory, space, block, h5t.py_create(handle.dtype))
            except FOREIGN:
                handle.id.set_extent((start,))  # or the next try would leave empty rows
                raise

    def read_ragged(self, handle: h5py.Dataset, start: int, stop: int) -> list[NDArray[Any]]:
        with self._translate():
            kind = _element_type(handle)
            return [bits.as_written(kind, np.asarray(row)) for row in handle[start:stop]]

    def refresh(self, handle: h5py.Dataset) -> None:
        """Bring an array, its shape included, up to date with what its writer flushed."""
        with self._translate():
            # Dataset.refresh, not DatasetID.refresh: the latter leaves the cached shape stale.
            handle.refresh()

    def write_chunk(
        self, handle: h5py.Dataset, offset: tuple[int, ...], data: bytes, filter_mask: int = 0
    ) -> None:
        """Store one already filtered chunk; the extent already covers it."""
        with self._translate(guard=self._writing):
            handle.id.write_direct_chunk(offset, data, filter_mask)

    def read_chunk(self, handle: h5py.Dataset, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return filter mask and raw bytes of one chunk."""
        with self._translate():
            mask, raw = handle.id.read_direct_chunk(offset)
        return int(mask), bytes(raw)

    # -- errors ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _translate(
        self, node: str | None = None, guard: AbstractContextManager[None] | None = None
    ) -> Iterator[None]:
        """Raise this package's errors in place of h5py's."""
        try:
            with guard or self._guard:
                yield
        except FOREIGN as exc:
            raise self.translated(exc, node) from exc

    def translated(self, exc: Exception, node: str | None = None) -> Exception:
        """Return this package's error for what h5py raised; the only place that knows both.

        Parameters
        ----------
        exc : Exception
            One of :data:`FOREIGN`; an error of this package, or a mistake in a program, comes
            back as it is.
        node : str, optional
            Path of the node it happened at.
        """
        text = str(exc)
        if isinstance(exc, H5Error):
            return exc
        if not self.is_open:
            return FileClosedError(
                "the file is closed", file=self._location, node=node, remedy="Open it again."
            )
        if isinstance(exc, UnicodeDecodeError):  # HDF5's own words, with a name that is not UTF-8
            text = exc.object.decode("utf-8", "backslashreplace")
            exc = KeyError(text) if "doesn't exist" in text else OSError(text)
        if isinstance(exc, KeyError):
            return self._missing(node or "")
        if "already exists" in text:
            return NodeExistsError(
                "a node of this name exists already", file=self._location, node=node
            )
        if isinstance(exc, (OSError, RuntimeError)):
            failure = exc if isinstance(exc, OSError) else OSError(text)
            return os_error(self._location, failure, self._mode)
        if isinstance(exc, ValueError) and text.startswith("Unable to"):
            return ShapeError(text, file=self._location, node=node)  # HDF5 on extents and chunks
        if isinstance(exc, TypeError) and ("dtype" in text or "conversion" in text):
            return DTypeError(text, file=self._location, node=node)
        return exc


def _stored(name: str) -> str | bytes:
    """Return a name or path as h5py takes it, which makes UTF-8 of text, and nothing else."""
    return name if name.isascii() or is_utf8(name) else encoded(name)


def _open(file: Any, location: str, mode: Mode, arguments: Mapping[str, Any]) -> h5py.File:
    try:
        return h5py.File(file, mode, **arguments)
    except OSError as exc:
        if "locking flag values" in str(exc):
            raise FileBusyError("this program has the file open already", file=location) from exc
        raise os_error(location, exc, mode) from exc


def _is_plainly_fixed(dataset: h5d.DatasetID) -> bool:
    """Tell by its storage alone that an array neither grows nor has rows of any length.

    What lies in one piece has a place in the file and cannot grow; rows of any length take
    16 bytes each. Asking for type and shape instead takes ten times as long.
    """
    if dataset.get_offset() is None:
        return False
    return bool(dataset.get_storage_size() % 16)


def _element_type(handle: h5py.Dataset) -> h5t.TypeID:
    """Return the type of an array's elements in the file; of a ragged one's rows."""
    kind = handle.id.get_type()
    return kind.get_super() if isinstance(kind, h5t.TypeVlenID) else kind
