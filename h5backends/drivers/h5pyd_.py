"""The h5pyd driver: files on an HSDS, the HDF Group's distributed service.

Values reach the server with the call that writes them. The server stores them later; what it
forgets when it is restarted in between is sent again, see :mod:`._hsds.retention`. Only
:meth:`H5pydDriver.fsync` and :meth:`H5pydDriver.close` wait until it has stored everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers._hsds import append as appending
from h5backends.drivers._hsds import array as arrays
from h5backends.drivers._hsds import attributes, folders, types
from h5backends.drivers._hsds import domain as domains
from h5backends.drivers._hsds import values as boxes
from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Connection, h5pyd, translated
from h5backends.drivers._hsds.session import RETRIES, HsdsSession
from h5backends.drivers._hsds.tree import Node, Tree
from h5backends.drivers.base import Appender, Driver
from h5backends.types import ArraySpec, Box, Capability, Mode, NodeKind, OpenOptions, Stored

__all__ = ["H5pydDriver"]


class H5pydDriver(Driver):
    """One domain of an HSDS.

    ``OpenOptions.extra`` takes ``endpoint``, ``username``, ``password``, ``bucket`` and
    ``api_key`` (absent ones come from h5pyd's environment variables and configuration file),
    ``retries`` (how often opening is tried again, default 3), ``timeout`` (seconds for which a
    call keeps trying while the server is away, default 30) and ``keep_bytes`` (how much is kept
    in memory until the server has stored it, default 128 MiB).
    """

    name: ClassVar[str] = "h5pyd"
    capabilities: ClassVar[Capability] = (
        Capability.PERSISTENT
        | Capability.REMOTE
        | Capability.REFRESH
        | Capability.SHARED_WRITE
        | Capability.FSYNC
        | Capability.RESERVE
    )

    def __init__(self, location: str, mode: Mode, options: OpenOptions) -> None:
        self._session = HsdsSession(location, mode, options.extra)
        self._tree = Tree(self._session)
        self._native: Any = None
        self.lock = self._session.lock
        if self._session.created and options.title:
            try:
                self.write_attr(self._tree.root, "TITLE", options.title)
            except BaseException:
                self._session.abandon()
                raise

    # -- the file -------------------------------------------------------------------------------
    @classmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> H5pydDriver:
        return cls(cls.normalise(location), mode, options)

    @classmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        with cls._asking(location, options) as (http, retries):
            found = domains.look_up(http, retries)
        return found is not None and "root" in found

    @classmethod
    def folder_names(cls, folder: str, options: OpenOptions) -> list[str]:
        with cls._asking(folder, options) as (http, retries):
            return folders.names(http, retries)

    @classmethod
    def make_folder(cls, folder: str, options: OpenOptions) -> None:
        with cls._asking(folder, options) as (http, retries):
            folders.make(http, retries)

    @classmethod
    @contextlib.contextmanager
    def _asking(cls, location: str, options: OpenOptions) -> Iterator[tuple[Connection, int]]:
        """Return a way to a domain or folder that is not opened, and how often to try it."""
        domain = cls.normalise(location)
        with (
            translated(domain, str(options.extra.get("endpoint") or "")),
            contextlib.closing(Connection(domain, options.extra)) as http,
        ):
            yield http, int(options.extra.get("retries", RETRIES))

    @classmethod
    def normalise(cls, location: str | Path) -> str:
        return domains.normalise(location)

    @property
    def location(self) -> str:
        return self._session.location

    @property
    def mode(self) -> Mode:
        return self._session.mode

    @property
    def native(self) -> Any:
        """The domain as an ``h5pyd.File`` of its own, opened when first asked for."""
        self._session.require_open()
        if self._native is None:
            mode = "r" if self.mode == "r" else "r+"
            with self._session.translate():
                # As found when the file was opened: h5pyd looks at the environment only once.
                login = self._session.http.login
                self._native = h5pyd.File(self.location, mode, use_cache=False, **login)
        return self._native

    @property
    def is_open(self) -> bool:
        return self._session.is_open

    def close(self) -> None:
        if self.is_open:
            self._session.close()
            native, self._native = self._native, None
            if native:
                native.close()

    def flush(self) -> None:
        # Everything was sent by the call that wrote it; what is left is to see that the server
        # is still the one that took it.
        self._session.run(lambda: None, changes=self.mode != "r")

    def fsync(self) -> None:
        """Return when the server has stored everything; about two seconds."""
        self._session.store("stored")

    def abandon(self) -> None:
        self._session.abandon()
        self._native = None

    # -- the tree -------------------------------------------------------------------------------
    def root(self) -> Node:
        self._session.require_open()
        return self._tree.root

    def get(self, path: str) -> Node:
        self._session.require_open()
        return self._tree.get(path)

    def path(self, handle: Node) -> str:
        return self._tree.require(handle).path

    def identity(self, handle: Node) -> str:
        return handle.id

    def kind(self, handle: Node) -> NodeKind:
        return self._tree.kind(handle)

    def child_names(self, group: Node) -> list[str]:
        return list(self._tree.links(group))

    def has_child(self, group: Node, name: str) -> bool:
        return self._tree.has_child(group, name)

    def child(self, group: Node, name: str) -> Node:
        return self._tree.child(group, name)

    def scan(self, group: Node) -> Iterator[tuple[str, Node, NodeKind]]:
        return self._tree.scan(group)

    def create_group(self, parent: Node, name: str, attrs: Mapping[str, Stored]) -> Node:
        return self._tree.create(parent, name, "groups", {}, attrs)[0]

    def remove(self, handle: Node) -> None:
        self._tree.remove(handle)

    def move(self, handle: Node, parent: Node, name: str) -> Node:
        return self._tree.move(handle, parent, name)

    # -- attributes -----------------------------------------------------------------------------
    def attr_names(self, handle: Node) -> list[str]:
        return attributes.names(self._session, handle.url, handle.path)

    def read_attr(self, handle: Node, name: str) -> Stored:
        return attributes.read(self._session, handle.url, handle.path, name)

    def read_attrs(self, handle: Node) -> dict[str, Stored]:
        return attributes.read_all(self._session, handle.url, handle.path)

    def write_attr(self, handle: Node, name: str, value: Stored) -> None:
        self.write_attrs(handle, {name: value})

    def write_attrs(self, handle: Node, values: Mapping[str, Stored]) -> None:
        self._session.require_writable(self.path(handle))
        for part in attributes.described(self._session, handle.path, values):
            attributes.put(self._session, handle.url, handle.path, part)
        if "CLASS" in values:
            self._tree.forget_kind(handle)

    def delete_attr(self, handle: Node, name: str) -> None:
        self._session.require_writable(self.path(handle))
        attributes.delete(self._session, handle.url, handle.path, name)
        if name == "CLASS":
            self._tree.forget_kind(handle)

    # -- arrays ---------------------------------------------------------------------------------
    @classmethod
    def check_dtype(cls, dtype: np.dtype[Any], kind: NodeKind) -> None:
        types.check(dtype, kind)

    @classmethod
    def codecs(cls) -> frozenset[str]:
        return arrays.CODECS

    def create_array(
        self,
        parent: Node,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> Node:
        types.check(spec.dtype, spec.kind)
        body = arrays.creation(spec)
        node, described = self._tree.create(parent, name, "datasets", body, attrs)
        node.kind = spec.kind
        array = self._tree.know(node, described)
        if data is not None:
            boxes.write(self._session, array, tuple(slice(0, n, 1) for n in spec.shape), data)
        return node

    def spec(self, handle: Node) -> ArraySpec:
        return self._array(handle).spec(self.kind(handle))

    def shape(self, handle: Node) -> tuple[int, ...]:
        return self._array(handle).shape

    def read(self, handle: Node, box: Box) -> NDArray[Any]:
        return boxes.read(self._session, self._array(handle), box)

    def write(self, handle: Node, box: Box, values: NDArray[Any]) -> None:
        boxes.write(self._session, self._array(handle), box, values)

    def resize(self, handle: Node, length: int) -> None:
        boxes.resize(self._session, self._array(handle), length)

    def appender(self, handle: Node) -> Appender:
        return _HsdsAppender(self._session, self._array(handle))

    def reserve(self, handle: Node, count: int) -> int:
        """Make an array longer and return the first of the new rows; each caller's own."""
        return appending.reserve(self._session, self._array(handle), count)

    def append_ragged(self, handle: Node, rows: Sequence[NDArray[Any]]) -> None:
        appending.append_ragged(self._session, self._array(handle), rows)

    def read_ragged(self, handle: Node, start: int, stop: int) -> list[NDArray[Any]]:
        return boxes.read_ragged(self._session, self._array(handle), start, stop)

    def refresh(self, handle: Node) -> None:
        """Learn how long an array is now."""
        described = self._session.ask(lambda http: http.get(handle.url), handle.path)
        self._tree.know(handle, described)

    def _array(self, node: Node) -> Array:
        self._session.require_open()
        return self._tree.array(node)


class _HsdsAppender:
    """The way to the end of one growing array."""

    def __init__(self, session: HsdsSession, array: Array) -> None:
        self._session = session
        self._array = array

    def append(self, start: int, rows: NDArray[Any]) -> None:
        appending.append_rows(self._session, self._array, start, rows)
