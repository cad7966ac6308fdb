"""The nodes of a file: groups, fixed, growing and ragged arrays, arrays of text.

A node holds the open file (its session) and the driver's handle, nothing else, so making one is
cheap and two nodes for the same place are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from h5backends import pickled_text
from h5backends.attributes import Attributes
from h5backends.buffer import RaggedBuffer, RowBuffer
from h5backends.conform import conform
from h5backends.drivers.base import SupportsRefresh
from h5backends.errors import DataError, NodeError, NodeNotFoundError, SelectionError, ShapeError
from h5backends.selection import Selection, select
from h5backends.types import Box, Capability, Filters, Handle, NodeKind

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["CARRAY", "EARRAY", "GROUP", "VLARRAY", "Node", "StringARRAY", "make_node"]


class Node:
    """A node of an open file.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The node, in the driver's terms.
    """

    __slots__ = ("__weakref__", "_handle", "_session")

    def __init__(self, session: Session, handle: Handle) -> None:
        self._session = session
        self._handle = handle

    @property
    def session(self) -> Session:
        """The open file."""
        return self._session

    @property
    def handle(self) -> Handle:
        """The node, in the driver's terms."""
        return self._handle

    @property
    def node(self) -> Any:
        """The library's own object (``h5py.Dataset``, ``tables.EArray``, ...).

        What is buffered for it is written first. Changing the file through it goes around this
        package's promises.
        """
        with self._session.lock:
            self._session.settle(self._handle)
            return self._session.driver.native_node(self._handle)

    @property
    def backend(self) -> str:
        """Name of the driver."""
        return self._session.driver.name

    @property
    def h5file(self) -> Any:
        """The library's own file object."""
        return self._session.driver.native

    @property
    def attrs(self) -> Attributes:
        """The attributes, a mapping."""
        return Attributes(self)

    @property
    def path(self) -> str:
        """Absolute path in the file."""
        with self._session.lock:
            return self._session.driver.path(self._handle)

    @property
    def name(self) -> str:
        """Last part of the path; ``/`` for the root."""
        path = self.path
        return path if path == "/" else path.rsplit("/", 1)[1]

    @property
    def title(self) -> str:
        """The ``TITLE`` attribute, empty where there is none."""
        return str(self.attrs.get("TITLE", ""))

    @property
    def parent_node(self) -> GROUP | None:
        """The group this node is in; None for the root."""
        path = self.path
        if path == "/":
            return None
        with self._session.lock:
            parent = self._session.driver.get(path.rsplit("/", 1)[0] or "/")
        return GROUP(self._session, parent)

    def get_attr(self, item: str) -> Any:
        """Return one attribute."""
        return self.attrs[item]

    def set_attr(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self.attrs[key] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._session is other._session and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((id(self._session), self._identity()))

    def _identity(self) -> Any:
        with self._session.lock:
            return self._session.driver.identity(self._handle)

    def __str__(self) -> str:
        return f"{self.path} ({type(self).__name__}) {self.title!r}"

    def __repr__(self) -> str:
        return _shown(self, str(self))


class GROUP(Node):
    """A group."""

    __slots__ = ()

    def children(self) -> dict[str, Node]:
        """Return the nodes in this group by name, sorted."""
        session = self._session
        with session.lock:
            session.require_alive()
            return {
                name: make_node(session, handle, kind)
                for name, handle, kind in session.driver.scan(self._handle)
            }

    def children_name(self) -> list[str]:
        """Return the names of the nodes in this group, sorted."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.child_names(self._handle)

    def get_child(self, name: str) -> Node:
        """Return one node of this group.

        Raises
        ------
        NodeNotFoundError
            There is none of this name.
        """
        with self._session.lock:
            self._session.require_alive()
            return make_node(self._session, self._session.driver.child(self._handle, name))

    def remove_children(self) -> None:
        """Remove everything in this group."""
        session = self._session
        with session.lock:
            session.require_unfrozen("remove nodes", self.path)
            for name in session.driver.child_names(self._handle):
                child = session.driver.child(self._handle, name)
                session.forget(session.driver.path(child))
                session.driver.remove(child)
            session.touch()

    def __getitem__(self, name: str) -> Node:
        node: Node = self
        for part in name.strip("/").split("/"):
            if not isinstance(node, GROUP):
                raise NodeNotFoundError(
                    "there is no such node", file=self._session.driver.location, node=name
                )
            node = node.get_child(part)
        return node

    def __contains__(self, name: object) -> bool:
        with self._session.lock:
            self._session.require_alive()
            return isinstance(name, str) and self._session.driver.has_child(self._handle, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.children_name())

    def __len__(self) -> int:
        return len(self.children_name())

    def __bool__(self) -> bool:
        return True  # an empty group is still a group

    def __repr__(self) -> str:
        def children() -> str:
            found = ", ".join(f"{n!r} ({type(c).__name__})" for n, c in self.children().items())
            return f"{self}\n  children := [{found}]"

        return _shown(self, children)


class CARRAY(Node):
    """An array of fixed extent; reads and writes like a numpy array.

    numpy, dask and xarray can take it as it is: it has ``shape``, ``dtype``, ``ndim``,
    ``chunks`` and slices lazily.
    """

    __slots__ = ()

    @property
    def array(self) -> Any:
        """The library's own object, see :attr:`Node.node`."""
        return self.node

    @property
    def shape(self) -> tuple[int, ...]:
        """Current extent, rows still in memory included."""
        session = self._session
        with session.lock:
            session.require_alive()
            pending = session.pending(self._handle)
            return pending.shape if pending else session.driver.shape(self._handle)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.storage(self._handle).dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the elements in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunk shape; None for contiguous storage."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.spec(self._handle).chunks

    @property
    def filters(self) -> Filters:
        """Compression."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.spec(self._handle).filters

    def refresh(self) -> None:
        """See what the writer flushed meanwhile (the file is open for SWMR reading, or remote).

        Raises
        ------
        UnsupportedError
            The driver cannot follow a growing file.
        """
        session = self._session
        with session.lock:
            session.require_alive()
            session.driver.require(Capability.REFRESH, "follow an array while it is written")
            if isinstance(session.driver, SupportsRefresh):
                session.driver.refresh(self._handle)

    def read(self) -> Any:
        """Return the whole array.

        Returns
        -------
        ndarray, shape :attr:`shape`, :attr:`dtype`
        """
        return np.asarray(self[...])

    def __getitem__(self, item: Any) -> Any:
        session = self._session
        with session.lock:
            session.settle(self._handle)
            chosen = self._select(item)
            blocks = [session.driver.read(self._handle, box) for box in chosen.boxes]
            storage = session.storage(self._handle)
        block = storage.from_stored(_join(blocks, chosen.axis))
        result = block if chosen.key is None else block[chosen.key]
        return result[()] if isinstance(result, np.ndarray) and not result.ndim else result

    def __setitem__(self, key: Any, value: ArrayLike) -> None:
        session = self._session
        with session.lock:
            session.require_writable(self.path)
            session.settle(self._handle)
            chosen = self._select(key)
            storage = session.storage(self._handle)
            values = self._conform(value, storage.dtype)
            blocks = self._overlay(chosen, values)
            for box, block in zip(chosen.boxes, blocks, strict=True):
                if block.size:
                    session.driver.write(self._handle, box, storage.to_stored(block))
            session.touch()

    def _overlay(self, chosen: Selection, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the content of each box with the values in their places."""
        lengths = [_lengths(box) for box in chosen.boxes]
        sizes = [shape[chosen.axis] if shape else 1 for shape in lengths]
        shape = list(lengths[0])
        if shape:
            shape[chosen.axis] = sum(sizes)
        if chosen.covers:
            block = np.empty(shape, values.dtype)
        else:
            driver, storage = self._session.driver, self._session.storage(self._handle)
            stored = [driver.read(self._handle, box) for box in chosen.boxes]
            block = storage.from_stored(_join(stored, chosen.axis)).copy()
        try:
            block[... if chosen.key is None else chosen.key] = values
        except (ValueError, IndexError) as exc:
            raise ShapeError(
                "the values do not fit the selection",
                file=self._session.driver.location,
                node=self.path,
                expected=f"something that broadcasts to the selected part of {self.shape}",
                found=f"shape {values.shape}",
            ) from exc
        if not shape:
            return [block]
        return np.split(block, np.cumsum(sizes)[:-1], axis=chosen.axis)

    def _conform(self, value: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            return conform(value, dtype)
        except DataError as exc:
            exc.node, exc.file = self.path, self._session.driver.location
            raise

    def _select(self, item: Any) -> Selection:
        try:
            return select(item, self._session.driver.shape(self._handle))
        except SelectionError as exc:
            exc.node, exc.file = self.path, self._session.driver.location
            raise

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array of a file cannot be used without a copy: copy=False")
        return np.asarray(self.read(), dtype=dtype)

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError(f"{self.path} is a scalar and has no length")
        return shape[0]

    def __bool__(self) -> bool:
        return True  # like a group; the truth of an array would be ambiguous

    def __repr__(self) -> str:
        return _shown(self, lambda: f"{self}\n  shape := {self.shape}\n  dtype := {self.dtype}")


class EARRAY(CARRAY):
    """An array that grows along its first axis."""

    __slots__ = ("_rows",)

    def __init__(self, session: Session, handle: Handle) -> None:
        super().__init__(session, handle)
        self._rows: RowBuffer | None = None

    def append(self, data: ArrayLike, expand: bool = True) -> None:
        """Append one row, or a block of rows.

        The rows are collected in memory and written by the file's flush policy; reading this
        array always includes them.

        Parameters
        ----------
        data : array_like, shape ``shape[1:]`` or ``(k, *shape[1:])``
            One row or `k` rows; copied.
        expand : bool
            Whether `k` numbers are `k` rows where a row has the shape ``(1,)``.

        Raises
        ------
        ShapeError, DTypeError
            The data do not fit; the array is as it was.
        ReadOnlyError, FileClosedError
            The file does not take data.
        StorageError, RemoteError
            Earlier rows could not be written. They are kept; `data` was not taken.
        """
        rows = self._rows
        if rows is None or rows.detached:
            rows = self._rows = self._session.rows(self._handle)
        rows.append(data, expand)


class VLARRAY(EARRAY):
    """A growing array of rows, each with its own length."""

    __slots__ = ()

    def _ragged(self) -> RaggedBuffer:
        session = self._session
        # A ragged row is of variable length, which readers of a SWMR file cannot follow.
        session.require_unfrozen("append rows of variable length", self.path)
        return session.ragged(self._handle)

    def append(self, data: ArrayLike, expand: bool = True) -> None:
        """Append one row.

        Parameters
        ----------
        data : array_like, shape (n,)
            The row; any length, 0 included.
        expand : bool
            Ignored; here for the common signature.

        Raises
        ------
        ShapeError, DTypeError
            It is not one-dimensional or not of the array's type.
        """
        row = self._conform(data, self.dtype)
        if row.ndim > 1:
            raise ShapeError(
                "a row of variable length has one axis",
                file=self._session.driver.location,
                node=self.path,
                found=f"shape {row.shape}",
            )
        self._ragged().append(np.array(row).reshape(-1))

    def read(self) -> Any:
        """Return all rows.

        Returns
        -------
        list of ndarray, each of shape (n,) and :attr:`dtype`
        """
        return self[:]

    def __getitem__(self, item: Any) -> Any:
        session = self._session
        with session.lock:
            session.settle(self._handle)
            length = session.driver.shape(self._handle)[0]
            if isinstance(item, tuple) and len(item) == 1:
                item = item[0]
            if item is ...:
                item = slice(None)
            if not isinstance(item, slice):
                chosen = self._select(item)
                if isinstance(item, (int, np.integer)):
                    start = chosen.boxes[0][0].start
                    return self._decode(
                        session.driver.read_ragged(self._handle, start, start + 1)
                    )[0]
                picks = np.arange(length)[item]
                return [self[int(index)] for index in picks]
            wanted = range(*item.indices(length))
            if not wanted:
                return []
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1])
            rows = self._decode(session.driver.read_ragged(self._handle, low, high + 1))
            return [rows[index - low] for index in wanted]

    def __setitem__(self, key: Any, value: ArrayLike) -> None:
        raise NodeError(
            "rows of variable length cannot be overwritten, only appended",
            file=self._session.driver.location,
            node=self.path,
        )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        rows = self.read()
        result = np.empty(len(rows), dtype=object)
        for index, row in enumerate(rows):
            result[index] = row
        return result

    def _decode(self, rows: list[NDArray[Any]]) -> list[Any]:
        return rows


class StringARRAY(VLARRAY):
    """A growing array of text, held as PyMoDAQ holds it."""

    __slots__ = ()

    def append(self, data: Any, expand: bool = True) -> None:
        """Append one text.

        Parameters
        ----------
        data : str
            Any text.
        expand : bool
            Ignored; here for the common signature.

        Raises
        ------
        DTypeError
            Not a text.
        """
        self._ragged().append(self.string_to_array(data))

    def _decode(self, rows: list[NDArray[Any]]) -> list[Any]:
        return [self.array_to_string(row) for row in rows]

    def array_to_string(self, array: NDArray[np.uint8]) -> str:
        """Return the text that one stored element holds; nothing in it is executed."""
        return pickled_text.decode(array)

    def string_to_array(self, string: str) -> NDArray[np.uint8]:
        """Return the bytes that PyMoDAQ expects for one text.

        Returns
        -------
        ndarray of uint8, shape (n,)
        """
        if not isinstance(string, str):
            from h5backends.errors import DTypeError

            raise DTypeError(
                "this array holds text",
                file=self._session.driver.location,
                node=self.path,
                expected="str",
                found=type(string).__name__,
                remedy="Convert it with str(...) first.",
            )
        return pickled_text.encode(string)


_CLASSES: dict[NodeKind, type[Node]] = {
    NodeKind.GROUP: GROUP,
    NodeKind.CARRAY: CARRAY,
    NodeKind.EARRAY: EARRAY,
    NodeKind.VLARRAY: VLARRAY,
}


def make_node(session: Session, handle: Handle, kind: NodeKind | None = None) -> Node:
    """Make the node that fits a handle.

    Parameters
    ----------
    session : Session
        The open file; its lock is held.
    handle : handle
        The node, in the driver's terms.
    kind : NodeKind or None
        What it is, where that is already known.
    """
    driver = session.driver
    kind = kind or driver.kind(handle)
    if kind is NodeKind.VLARRAY:
        try:
            if driver.read_attr(handle, "subdtype") == "string":
                return StringARRAY(session, handle)
        except KeyError:
            pass  # not one of ours: rows of numbers
    return _CLASSES[kind](session, handle)


def _join(blocks: list[NDArray[Any]], axis: int) -> NDArray[Any]:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(len(range(s.start, s.stop, s.step)) for s in box)


def _shown(node: Node, text: Any) -> str:
    """Return a representation, also of a node whose file is closed."""
    if not node.session.is_open:
        return f"<{type(node).__name__} of a closed file {node.session.driver.location!r}>"
    return cast("str", text() if callable(text) else text)
