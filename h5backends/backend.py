"""H5Backend: one way to write and read HDF5, whichever library is underneath."""

from __future__ import annotations

import importlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from h5backends import copying, creation, filters
from h5backends.drivers import registry
from h5backends.drivers.base import Driver, SupportsSwmr
from h5backends.errors import (
    FileBusyError,
    FileClosedError,
    FileOccupiedError,
    NodeKindError,
    NodeNameError,
    NodeNotFoundError,
    ReadOnlyError,
    SwmrError,
)
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node, make_node
from h5backends.policy import FlushPolicy
from h5backends.session import Session
from h5backends.types import MODES, Capability, Filters, GroupType, NodeKind, OpenOptions

__all__ = ["H5Backend"]

_log = logging.getLogger(__name__)

LAYOUT_VERSION = "1.0"
"""Version of the file layout, see the reference documentation."""
PYMODAQ_DATA_VERSION = "5.3.0"
"""The release of pymodaq_data whose layout is followed."""
_REOPEN_SECONDS = 5.0
"""How long to wait for readers before a finished file is opened for writing again."""


class H5Backend:
    """A file of any HDF5 library, under PyMoDAQ's names.

    Parameters
    ----------
    backend : str
        Name of a driver: ``"tables"``, ``"h5py"``, ``"h5pyd"``, ``"memory"``, or one that another
        package registered.
    flush_policy : FlushPolicy, optional
        When appended rows are written. By default within one second, and within milliseconds
        while SWMR is on.

    Raises
    ------
    UnknownDriverError, DriverNotInstalledError
        There is no such driver, or its library is missing.

    Examples
    --------
    >>> with H5Backend("h5py") as h5:
    ...     _ = h5.open_file("counts.h5", "w")
    ...     counts = h5.create_earray("/", "counts", "float64")
    ...     for value in range(3):
    ...         counts.append(float(value))
    ...     counts[:]
    array([0., 1., 2.])
    """

    def __init__(self, backend: str = "tables", flush_policy: FlushPolicy | None = None) -> None:
        self._session: Session | None = None
        self._policy = flush_policy
        self._swmr_mode = False
        self._extra: dict[str, Any] = {}
        self._current_group: GROUP | None = None
        self.file_path: Path | str | None = None
        self.compression = Filters()
        self.set_backend(backend)

    # -- the driver -----------------------------------------------------------------------------
    def set_backend(self, backend: str) -> None:
        """Switch to another driver; an open file is closed first.

        Parameters
        ----------
        backend : str
            Name of the driver.
        """
        driver = registry.load(backend)
        self.close_file()
        self._driver: type[Driver] = driver
        self.backend = backend

    @property
    def h5_library(self) -> ModuleType:
        """The library underneath, as a module."""
        try:
            return importlib.import_module(self.backend)
        except ImportError:
            return importlib.import_module(self._driver.__module__)

    @property
    def flush_policy(self) -> FlushPolicy:
        """When appended rows are written; may be set at any time."""
        return self._session.policy if self._session else self._policy or FlushPolicy()

    @flush_policy.setter
    def flush_policy(self, policy: FlushPolicy) -> None:
        self._policy = policy
        if self._session is not None:
            self._session.set_policy(policy)

    # -- the file -------------------------------------------------------------------------------
    def open_file(
        self,
        fullpathname: str | Path,
        mode: str = "r",
        title: str = "PyMoDAQ file",
        swmr_mode: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Open or create a file; one that is open is closed first.

        Parameters
        ----------
        fullpathname : str or Path
            Path, or for h5pyd a domain (``/home/me/scan.h5`` or ``hdf5://home/me/scan.h5``).
        mode : {"r", "r+", "a", "w", "x"}
            Read; read and write; the same, created if missing; created anew, **replacing an
            existing file**; created, which must not exist.
        title : str
            Title of a new file.
        swmr_mode : bool
            Writing: prepare for :meth:`enable_swmr`. Reading: follow a file while it is written.
        **kwargs
            For the library underneath, such as ``endpoint=``, ``username=`` and ``password=``.

        Returns
        -------
        object
            The library's own file object.

        Raises
        ------
        FileMissingError, FileOccupiedError, FileFormatError, FileBusyError, FileCrashedError
            The file is not as `mode` needs it. Nothing was changed.
        RemoteError
            The server cannot be reached, or refuses.
        UnsupportedError
            The driver has no SWMR.
        """
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.close_file()
        location = self._driver.normalise(fullpathname)
        options = OpenOptions(title=str(title), swmr=bool(swmr_mode), extra=kwargs)
        if swmr_mode:
            self._require_swmr(mode)
        new = mode in ("w", "x") or (mode == "a" and not self._driver.exists(location, options))
        driver = self._driver.open(location, mode, options)
        self._session = Session(driver, self._policy)
        self._swmr_mode = bool(swmr_mode)
        self._extra = dict(kwargs)
        self.file_path = fullpathname
        if new:
            self._initialise(str(title))
        return driver.native

    def _require_swmr(self, mode: str) -> None:
        wanted = Capability.SWMR_READ if mode == "r" else Capability.SWMR_WRITE
        remote = Capability.REMOTE in self._driver.capabilities and mode == "r"
        if wanted in self._driver.capabilities or remote:
            return  # what a server shows is always up to date
        others = ", ".join(registry.drivers_with(wanted))
        raise SwmrError(
            f"the driver {self.backend!r} has no SWMR mode",
            expected=f"one of: {others}",
            remedy="Take another driver, or leave swmr_mode out.",
        )

    def _initialise(self, title: str) -> None:
        """Give a new file its root attributes."""
        driver = self._open_session().driver
        attrs = {
            "TITLE": title,
            "CLASS": NodeKind.GROUP.value,
            "VERSION": "1.0",
            "PYTABLES_FORMAT_VERSION": "2.1",
            "pymodaq_version": "0.0.0",
            "pymodaq_data_version": PYMODAQ_DATA_VERSION,
            "h5backends_layout": LAYOUT_VERSION,
            "swmr_compatible": Capability.SWMR_WRITE in driver.capabilities,
            "swmr_active": False,
        }
        driver.write_attrs(driver.root(), creation.encoded(attrs))
        self._open_session().flush()

    def close_file(self) -> None:
        """Write everything and close the file; without an open file does nothing.

        Raises
        ------
        StorageError, RemoteError
            Rows could not be written. The file stays open and they stay in memory: free some
            space and close again.
        """
        session = self._session
        if session is not None:
            session.close()
        self._session = None
        self._current_group = None

    def isopen(self) -> bool:
        """Tell whether a file is open."""
        return self._session is not None and self._session.is_open

    def flush(self) -> None:
        """Write everything appended so far; without an open file does nothing.

        When this returns, the data survive the death of this program, and readers see them.
        """
        if self._session is not None:
            self._session.flush()

    @property
    def h5file(self) -> Any:
        """The library's own file object; None without an open file."""
        return self._session.driver.native if self._session else None

    @property
    def filename(self) -> str:
        """Location of the open file."""
        return self._open_session().driver.location

    @property
    def session(self) -> Session:
        """The open file, for layers built on top."""
        return self._open_session()

    def _open_session(self) -> Session:
        if self._session is None:
            raise FileClosedError(
                "no file is open", file=self.file_path, remedy="Call open_file() first."
            )
        self._session.require_alive()
        return self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_file()

    def __repr__(self) -> str:
        state = f"file={self.filename!r}" if self.isopen() else "closed"
        return f"H5Backend({self.backend!r}, {state})"

    def save_file_as(
        self, filenamepath: str | Path = "h5copy.h5", overwrite: bool = False, **kwargs: Any
    ) -> None:
        """Write a copy of the open file, with the same driver.

        Parameters
        ----------
        filenamepath : str or Path
            Where to.
        overwrite : bool
            Whether a file that is there may be replaced.
        **kwargs
            For the library underneath, as in :meth:`open_file`; by default those of this file.

        Raises
        ------
        FileOccupiedError
            There is a file already.
        """
        session = self._open_session()
        location = self._driver.normalise(filenamepath)
        if location == session.driver.location:
            raise FileOccupiedError("a file cannot be copied onto itself", file=location)
        with H5Backend(self.backend) as copy:
            mode = "w" if overwrite else "x"
            copy.open_file(filenamepath, mode, **(kwargs or self._extra))
            self.copy_to(copy)

    def copy_to(
        self,
        other: H5Backend,
        where: str | Node = "/",
        progress: copying.Progress | None = None,
    ) -> None:
        """Copy everything in this file into another one, of any driver.

        Parameters
        ----------
        other : H5Backend
            An open, writable file.
        where : str or Node
            The group of `other` to copy into; its attributes become those of this file's root.
        progress : callable, optional
            Called with bytes done and bytes in all.

        Raises
        ------
        NodeExistsError
            A node that is there already would have to be replaced.
        """
        copying.copy_content(self.root(), other._group(where), progress)
        other.flush()

    # -- the tree -------------------------------------------------------------------------------
    def root(self) -> GROUP:
        """Return the root group."""
        session = self._open_session()
        with session.lock:
            return GROUP(session, session.driver.root())

    def get_node(self, where: str | Node, name: str | None = None) -> Node:
        """Return a node.

        Parameters
        ----------
        where : str or Node
            Path of the node, or of the group it is in; or that group itself.
        name : str, optional
            Name of the node in the group.

        Raises
        ------
        NodeNotFoundError
            There is none, with every driver.
        """
        session = self._open_session()
        if isinstance(where, Node):
            if where.session is not session:
                where.session.require_alive()
                raise NodeNotFoundError(
                    "the node belongs to another file",
                    file=session.driver.location,
                    node=where.path,
                )
            if name is None:
                return where
            where = where.path
        path = _normalise(where, session.driver.location)
        if name is not None:
            path = _normalise(f"{path.rstrip('/')}/{name}", session.driver.location)
        with session.lock:
            return make_node(session, session.driver.get(path))

    def _group(self, where: str | Node) -> GROUP:
        node = self.get_node(where)
        if not isinstance(node, GROUP):
            raise NodeKindError(
                "this node is not a group",
                file=self.filename,
                node=node.path,
                found=type(node).__name__,
            )
        return node

    def get_node_name(self, node: str | Node) -> str:
        """Return the name of a node."""
        return self.get_node(node).name

    def get_node_path(self, node: str | Node) -> str:
        """Return the full path of a node."""
        return self.get_node(node).path

    def get_parent_node(self, node: str | Node) -> GROUP | None:
        """Return the group a node is in; None for the root."""
        return self.get_node(node).parent_node

    def get_children(self, where: str | Node) -> dict[str, Node]:
        """Return the nodes in a group by name, sorted."""
        return self._group(where).children()

    def is_node_in_group(self, where: str | Node, name: str) -> bool:
        """Tell whether a group has a node of this name, letter case aside."""
        wanted = name.lower()
        return any(child.lower() == wanted for child in self._group(where).children_name())

    def walk_nodes(
        self, where: str | Node = "/", depth: int | None = None, only_groups: bool = False
    ) -> Iterator[Node]:
        """Iterate over the nodes at and below a place, level by level.

        Parameters
        ----------
        where : str or Node
            Where to start; comes first.
        depth : int, optional
            How many levels below `where` to go; None for all.
        only_groups : bool
            Whether to leave arrays out.

        Yields
        ------
        Node
        """
        start = self.get_node(where)
        if isinstance(start, GROUP) or not only_groups:
            yield start
        if not isinstance(start, GROUP):
            return
        session = start.session
        waiting: deque[tuple[GROUP, int]] = deque([(start, 0)])
        while waiting:
            group, level = waiting.popleft()
            if depth is not None and level >= depth:
                continue
            with session.lock:
                session.require_alive()
                found = list(session.driver.scan(group.handle))
            for _, handle, kind in found:
                if kind is NodeKind.GROUP:
                    child = GROUP(session, handle)
                    waiting.append((child, level + 1))
                    yield child
                elif not only_groups:
                    with session.lock:
                        node = make_node(session, handle, kind)
                    yield node

    def walk_groups(self, where: str | Node = "/") -> Iterator[GROUP]:
        """Iterate over the groups at and below a place, level by level."""
        for node in self.walk_nodes(where, only_groups=True):
            assert isinstance(node, GROUP)
            yield node

    def get_group_by_title(self, where: str | Node, title: str) -> GROUP | None:
        """Return the first group directly in `where` that has this title, None without one."""
        for child in self._group(where).children().values():
            if isinstance(child, GROUP) and child.title == title:
                return child
        return None

    def remove_node(self, where: str | Node, name: str | None = None) -> None:
        """Remove a node and everything below it.

        Raises
        ------
        NodeNotFoundError, ReadOnlyError, StructureFrozenError
        """
        node = self.get_node(where, name)
        session, path = node.session, node.path
        with session.lock:
            session.require_unfrozen("remove a node", path)
            self._refuse_root(path, "removed")
            session.forget(path)
            session.driver.remove(node.handle)
            session.touch()

    def move_node(self, node: str | Node, where: str | Node, name: str | None = None) -> Node:
        """Move a node to another group, or give it another name.

        Parameters
        ----------
        node : str or Node
            What to move.
        where : str or Node
            The group to move it to.
        name : str, optional
            Its new name; the old one by default.

        Returns
        -------
        Node
            The node in its new place; earlier ones for it are not to be used any more.
        """
        moved, group = self.get_node(node), self._group(where)
        session, path = moved.session, moved.path
        name = moved.name if name is None else name
        with session.lock:
            session.require_unfrozen("move a node", path)
            self._refuse_root(path, "moved")
            creation.check_name(name, group.path, session.driver.location)
            if f"{group.path}/".startswith(f"{path}/"):
                raise NodeNameError(
                    "a group cannot move into itself", file=session.driver.location, node=path
                )
            self._refuse_occupied(group, name)
            session.forget(path)
            handle = session.driver.move(moved.handle, group.handle, name)
            session.touch()
            return make_node(session, handle)

    def copy_node(
        self,
        node: str | Node,
        where: str | Node,
        name: str | None = None,
        progress: copying.Progress | None = None,
    ) -> Node:
        """Copy a node and everything below it, within this file or from another one.

        Parameters
        ----------
        node : str or Node
            What to copy; a node of another open file is taken from there.
        where : str or Node
            The group of this file to copy it into.
        name : str, optional
            Name of the copy; by default that of the original.
        progress : callable, optional
            Called with bytes done and bytes in all.
        """
        original = node if isinstance(node, Node) else self.get_node(node)
        group = self._group(where)
        return copying.copy_node(original, group, name or original.name, progress)

    def _refuse_root(self, path: str, what: str) -> None:
        if path == "/":
            raise NodeNameError(f"the root group cannot be {what}", file=self.filename)

    def _refuse_occupied(self, group: GROUP, name: str) -> None:
        if name in group:
            from h5backends.errors import NodeExistsError

            raise NodeExistsError(
                f"a node {name!r} exists already", file=self.filename, node=group.path
            )

    # -- making nodes ---------------------------------------------------------------------------
    def get_set_group(self, where: str | Node, name: str, title: str = "", **kwargs: Any) -> GROUP:
        """Return a group, made if it is missing; it becomes the current group.

        Parameters
        ----------
        where : str or Node
            The group it is in.
        name : str
            Its name.
        title : str
            Title of a new group.
        **kwargs
            Attributes of a new group.
        """
        parent = self._group(where)
        session = parent.session
        with session.lock:
            if name in parent:
                group = self._group(f"{parent.path.rstrip('/')}/{name}")
            else:
                group = creation.create_group(session, parent, name, title, kwargs)
        self._current_group = group
        return group

    def add_group(
        self,
        group_name: str,
        group_type: GroupType | str,
        where: str | Node,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Return a group of a type, made if it is missing.

        Parameters
        ----------
        group_name : str
            Its name; a new group's first letter is capitalised.
        group_type : GroupType or str
            What it holds, stored as the attribute ``type``.
        where : str or Node
            The group it is in.
        title : str
            Title of a new group.
        metadata : mapping, optional
            Attributes of a new group.
        """
        parent = self._group(where)
        kind = group_type.name if isinstance(group_type, Enum) else str(group_type)
        session = parent.session
        with session.lock:
            for name in (group_name, group_name[:1].upper() + group_name[1:]):
                if name in parent:
                    return self._group(f"{parent.path.rstrip('/')}/{name}")
            attrs = {"type": kind.lower(), "backend": self.backend, **(metadata or {})}
            return creation.create_group(session, parent, name, title, attrs)

    def define_compression(
        self,
        compression: str | None,
        compression_opts: int | None = None,
        *,
        shuffle: bool | None = None,
        fletcher32: bool = False,
    ) -> None:
        """Set the compression of the arrays made from now on.

        Parameters
        ----------
        compression : str or None
            ``gzip`` (or ``zlib``, the same), ``lzf``, ``zstd``, ``lz4``, ``blosc``, ``blosc2``,
            ``bitshuffle``; None for none.
        compression_opts : int or None
            Effort; 0 with gzip means none, None the codec's default.
        shuffle : bool or None
            Rearrange bytes by significance first; None for where it helps.
        fletcher32 : bool
            Store a checksum with every chunk.

        Raises
        ------
        UnsupportedError
            The driver cannot write it; the message says what would help.
        """
        wanted = filters.parse(
            compression, compression_opts, shuffle=shuffle, fletcher32=fletcher32
        )
        filters.check(wanted, self._driver)
        self.compression = wanted

    def create_carray(
        self,
        where: str | Node,
        name: str,
        obj: ArrayLike | None = None,
        title: str = "",
        *,
        shape: tuple[int, ...] | None = None,
        dtype: DTypeLike | None = None,
        chunks: tuple[int, ...] | None = None,
        fill_value: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CARRAY:
        """Create an array of fixed extent.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        obj : array_like, optional
            Its content: numbers, bool, text, bytes, times, structured.
        title : str
            Its title.
        shape, dtype : optional
            Extent and type of an array to be filled later; space is taken when it is written.
        chunks : tuple of int, optional
            Chunk shape; chosen for you.
        fill_value : optional
            Value of the elements nobody wrote, zero by default.
        metadata : mapping, optional
            More attributes.

        Raises
        ------
        ValueError
            Neither `obj` nor `shape` and `dtype` were given.
        DTypeError, NodeExistsError, NodeNameError
            It cannot be made; nothing was.
        """
        if obj is None and (shape is None or dtype is None):
            raise ValueError("create_carray needs data, or a shape and a dtype")
        parent = self._group(where)
        return creation.create_fixed(
            parent.session,
            parent,
            name,
            obj,
            title=str(title),
            compression=self.compression,
            shape=shape,
            dtype=None if dtype is None else np.dtype(dtype),
            chunks=chunks,
            fill=fill_value,
            metadata=metadata,
        )

    def create_earray(
        self,
        where: str | Node,
        name: str,
        dtype: DTypeLike,
        data_shape: tuple[int, ...] | None = None,
        title: str = "",
        *,
        chunks: tuple[int, ...] | None = None,
        fill_value: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> EARRAY:
        """Create an array that grows along its first axis.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        dtype : dtype
            Type of the elements.
        data_shape : tuple of int, optional
            Shape of one row; none for scalars.
        title : str
            Its title.
        chunks : tuple of int, optional
            Chunk shape; chosen for streams: about 64 KiB of rows, one frame for images.
        fill_value : optional
            Value of elements nobody wrote.
        metadata : mapping, optional
            More attributes.
        """
        parent = self._group(where)
        return creation.create_growing(
            parent.session,
            parent,
            name,
            np.dtype(dtype),
            tuple(int(n) for n in data_shape or ()),
            title=str(title),
            compression=self.compression,
            chunks=chunks,
            fill=fill_value,
            metadata=metadata,
        )

    def create_vlarray(
        self,
        where: str | Node,
        name: str,
        dtype: DTypeLike,
        title: str = "",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> VLARRAY:
        """Create a growing array of rows of any length.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        dtype : dtype or "string"
            Type of the elements of a row; ``"string"`` for an array of text.
        title : str
            Its title.
        metadata : mapping, optional
            More attributes.

        Returns
        -------
        VLARRAY
            A :class:`StringARRAY` for text.
        """
        parent = self._group(where)
        return creation.create_ragged(
            parent.session, parent, name, dtype, title=str(title), metadata=metadata
        )

    # -- attributes and values ------------------------------------------------------------------
    def get_attr(self, node: str | Node, attr_name: str | None = None) -> Any:
        """Return one attribute of a node, or all of them as a dictionary."""
        attrs = self.get_node(node).attrs
        return attrs.to_dict() if attr_name is None else attrs[attr_name]

    def set_attr(self, node: str | Node, attr_name: str, attr_value: Any) -> None:
        """Set one attribute of a node."""
        self.get_node(node).attrs[attr_name] = attr_value

    def has_attr(self, node: str | Node, attr_name: str) -> bool:
        """Tell whether a node has an attribute."""
        return attr_name in self.get_node(node).attrs

    def read(self, array: str | Node, *args: Any, **kwargs: Any) -> Any:
        """Return the content of an array.

        Parameters
        ----------
        array : str or Node
            Which.
        *args
            An index, as in ``array[index]``; none for everything.
        **kwargs
            Ignored; here for the common signature.
        """
        node = self.get_node(array)
        if not isinstance(node, CARRAY):
            raise NodeKindError("a group has no values", file=self.filename, node=node.path)
        return node[args] if args else node.read()

    # -- SWMR -----------------------------------------------------------------------------------
    @property
    def swmr_mode(self) -> bool:
        """Whether the file was opened with ``swmr_mode=True``."""
        return self._swmr_mode

    @property
    def is_swmr_capable(self) -> bool:
        """Whether the driver can write a file while others read it."""
        return Capability.SWMR_WRITE in self._driver.capabilities

    @property
    def is_swmr_compatible(self) -> bool:
        """Whether the open file was created so that SWMR is possible."""
        return self.isopen() and bool(self.root().attrs.get("swmr_compatible", False))

    @property
    def is_swmr_active(self) -> bool:
        """Whether SWMR is on, as writer or as reader."""
        if self._session is None or not self._session.is_open:
            return False
        driver = self._session.driver
        return self._session.frozen or (isinstance(driver, SupportsSwmr) and driver.swmr_active)

    def enable_swmr(self) -> None:
        """Let readers in: from now on the structure is fixed, and arrays grow.

        Every group, array and attribute must exist by now. A second call does nothing.

        Raises
        ------
        UnsupportedError
            The driver has no SWMR; the message names one that has.
        SwmrError
            The file was not opened with ``swmr_mode=True``.
        """
        session = self._open_session()
        if session.frozen:
            return
        session.driver.require(Capability.SWMR_WRITE, "switch to SWMR mode")
        session.require_writable()
        if not self._swmr_mode:
            raise SwmrError(
                "the file was not opened for SWMR",
                file=self.filename,
                remedy="Open it with open_file(..., swmr_mode=True).",
            )
        with session.lock:
            root = session.driver.root()
            session.drain()
            session.write_lengths()
            session.driver.write_attr(root, "swmr_active", np.bool_(True))
            session.start_swmr()

    def finalize_swmr(self, keep_open: bool = False) -> None:
        """End SWMR: bring the attributes up to date and close the file, or open it again.

        Parameters
        ----------
        keep_open : bool
            Whether the file stays open, in mode ``"a"``. Nodes from before have to be fetched
            again.
        """
        session = self._open_session()
        location, extra = session.driver.location, self._extra
        # Closing brings the attributes up to date in place, so that readers who still look at
        # the file do not stand in the way.
        self.close_file()
        if keep_open:
            self._reopen(location, extra)
            self.reconcile_swmr_attrs()

    def _reopen(self, location: str, extra: dict[str, Any]) -> None:
        """Open a file that readers may be holding for a moment."""
        deadline = time.monotonic() + _REOPEN_SECONDS
        pause = 0.01
        while True:
            try:
                self.open_file(location, "a", **extra)
                return
            except FileBusyError as exc:
                if time.monotonic() > deadline:
                    exc.remedy = f"The data are complete and closed. {exc.remedy or ''}".rstrip()
                    raise
                _log.info("%s: waiting for readers to let go", location)
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    def reconcile_swmr_attrs(self) -> None:
        """Bring the ``shape`` attributes of growing arrays up to date, and ``swmr_active``."""
        session = self._open_session()
        if not session.writable:
            raise ReadOnlyError(
                "attributes cannot be brought up to date in a file opened for reading",
                file=self.filename,
                remedy="Open it with mode='a'.",
            )
        driver = session.driver
        with session.lock:
            session.drain()
            root = driver.root()
            if "swmr_active" in driver.attr_names(root):
                driver.write_attr(root, "swmr_active", np.bool_(False))
            for node in self.walk_nodes("/"):
                if isinstance(node, EARRAY):
                    shape = session.encoded_shape(node.shape, grows=True)
                    driver.write_attr(node.handle, "shape", shape)
            session.flush()


def _normalise(path: str, file: str) -> str:
    """Bring a path into the one form drivers take: absolute, single slashes, no dots."""
    if not isinstance(path, str):
        raise NodeNameError(
            "a place in the file is a path or a node", file=file, found=type(path).__name__
        )
    parts = [part for part in path.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise NodeNameError("a path cannot contain '.' or '..'", file=file, node=path)
    return "/" + "/".join(parts)
