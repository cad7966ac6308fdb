"""What a driver is: one open file seen through one HDF5 library.

A driver knows its library and nothing else: no buffers, no PyMoDAQ attributes, no value
encoding. It receives *stored* values (see :mod:`h5backends.codec`) and resolved selections, and
translates its library's errors into those of :mod:`h5backends.errors`.

What only some libraries can do stands in the ``Supports*`` protocols, announced by a
:class:`~h5backends.types.Capability`.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from h5backends import folders
from h5backends.errors import DTypeError, UnsupportedError
from h5backends.pipeline import FilterStep, Packed
from h5backends.types import (
    ArraySpec,
    Box,
    Capability,
    Filters,
    Handle,
    Mode,
    NodeKind,
    OpenOptions,
    Stored,
    VirtualPart,
)

__all__ = [
    "Appender",
    "ChunkStore",
    "Driver",
    "FrameAppender",
    "SupportsDescriptor",
    "SupportsDirectChunk",
    "SupportsFsync",
    "SupportsPacking",
    "SupportsParallel",
    "SupportsRefresh",
    "SupportsReserve",
    "SupportsSwmr",
    "SupportsVirtual",
]


class Appender(Protocol):
    """The way to the end of one growing array, resolved once."""

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write `rows` behind the first `start` rows and grow the array to hold exactly them.

        Parameters
        ----------
        start : int
            Length of the array before the call.
        rows : ndarray, shape ``(k, *row_shape)``, the stored dtype, C-contiguous
            The new rows, at least one. The caller may reuse the memory afterwards.
        """


@runtime_checkable
class FrameAppender(Appender, Protocol):
    """The way to the end of an array whose rows are a chunk each."""

    def append_frame(self, start: int, frame: NDArray[Any]) -> None:
        """Write one row behind the first `start` rows; else as :meth:`append`.

        Parameters
        ----------
        start : int
            Length of the array before the call.
        frame : ndarray, shape ``row_shape``, the stored dtype, C-contiguous
            The new row.
        """


class ChunkStore(Protocol):
    """Where chunks of one growing array go that were packed outside of the library."""

    def store(self, stop: int, chunks: Sequence[tuple[tuple[int, ...], Packed]]) -> None:
        """Grow the array and store the chunks that begin in its new rows.

        Afterwards the array can be read, also the chunks of which a filter was skipped.

        Parameters
        ----------
        stop : int
            Length of the array from now on, a whole number of chunks.
        chunks : sequence of tuple
            Position of the first element of each chunk, and its bytes.
        """


class Driver(ABC):
    """One open file, through one HDF5 library.

    Instances are made by :meth:`open`. Handles are only ever passed back to the driver that made
    them. Callers hold :attr:`lock` around every call.
    """

    name: ClassVar[str]
    """The name it is registered under."""
    capabilities: ClassVar[Capability]
    """What it can do beyond the common ground."""

    lock: threading.RLock
    """Serialises calls: one per file, or one per library where the library asks for it."""

    # -- the file -------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def open(cls, location: str, mode: Mode, options: OpenOptions) -> Driver:
        """Open or create a file.

        Parameters
        ----------
        location : str
            Absolute path, or domain for a remote driver.
        mode : {"r", "r+", "a", "w", "x"}
            As in h5py. ``w`` replaces an existing file; the caller has made sure that it may.
        options : OpenOptions
            Title of a new file, SWMR, keyword arguments of the library.

        Raises
        ------
        FileError
            One of its kinds, see :mod:`h5backends.errors`.
        RemoteError
            The server cannot be reached or refuses.
        """

    @classmethod
    @abstractmethod
    def exists(cls, location: str, options: OpenOptions) -> bool:
        """Tell whether there is a file (or domain) at this location."""

    @classmethod
    def normalise(cls, location: str | Path) -> str:
        """Bring a location into the one form that :meth:`open` takes.

        Local drivers take a path, made absolute here; remote ones override this.
        """
        return str(Path(location).expanduser().absolute())

    @classmethod
    def folder_names(cls, folder: str, options: OpenOptions) -> list[str]:
        """Return the names of the files and folders directly in a folder; none without it.

        Local drivers list a folder of the file system; remote ones override this.

        Parameters
        ----------
        folder : str
            Absolute path.
        options : OpenOptions
            As for :meth:`open`.
        """
        return folders.names(folder)

    @classmethod
    def make_folder(cls, folder: str, options: OpenOptions) -> None:
        """Make a folder, and those above it that are missing; one that is there is left as it is.

        Parameters
        ----------
        folder : str
            Absolute path.
        options : OpenOptions
            As for :meth:`open`.
        """
        folders.make(folder)

    @property
    @abstractmethod
    def location(self) -> str:
        """Absolute path or domain of the file."""

    @property
    @abstractmethod
    def mode(self) -> Mode:
        """The mode it was opened with."""

    @property
    @abstractmethod
    def native(self) -> Any:
        """The library's own file object."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the file is open."""

    @abstractmethod
    def close(self) -> None:
        """Write everything and close; a second call does nothing."""

    @abstractmethod
    def flush(self) -> None:
        """Hand everything written so far to the operating system or the server."""

    def abandon(self) -> None:  # noqa: B027 - only drivers with a descriptor have work to do
        """Make this copy of the file harmless after ``fork``: it must never write again."""

    # -- the tree -------------------------------------------------------------------------------
    @abstractmethod
    def root(self) -> Handle:
        """Return the root group."""

    @abstractmethod
    def get(self, path: str) -> Handle:
        """Return the node at an absolute, normalised path.

        Raises
        ------
        NodeNotFoundError
            If there is none.
        """

    @abstractmethod
    def path(self, handle: Handle) -> str:
        """Return the absolute path of a node."""

    @abstractmethod
    def identity(self, handle: Handle) -> Any:
        """Return something hashable that two handles share exactly if they are the same node."""

    def native_node(self, handle: Handle) -> Any:
        """Return the library's own object for a node; here the handle itself."""
        return handle

    @abstractmethod
    def kind(self, handle: Handle) -> NodeKind:
        """Tell what a node is: by its ``CLASS`` attribute, else inferred. Never writes."""

    @abstractmethod
    def child_names(self, group: Handle) -> list[str]:
        """List the names of a group's children, sorted."""

    @abstractmethod
    def child(self, group: Handle, name: str) -> Handle:
        """Return one child.

        Raises
        ------
        NodeNotFoundError
            If there is none of this name.
        """

    def has_child(self, group: Handle, name: str) -> bool:
        """Tell whether a group has a child of this name."""
        return name in self.child_names(group)

    def scan(self, group: Handle) -> Iterator[tuple[str, Handle, NodeKind]]:
        """Iterate over a group's children, sorted by name; override where one pass is cheaper."""
        for name in self.child_names(group):
            handle = self.child(group, name)
            yield name, handle, self.kind(handle)

    @abstractmethod
    def create_group(self, parent: Handle, name: str, attrs: Mapping[str, Stored]) -> Handle:
        """Create a group with these attributes; the caller has checked the name."""

    @abstractmethod
    def remove(self, handle: Handle) -> None:
        """Remove a node and everything below it."""

    @abstractmethod
    def move(self, handle: Handle, parent: Handle, name: str) -> Handle:
        """Move a node to another group or name of the same file and return its new handle."""

    # -- attributes -----------------------------------------------------------------------------
    @abstractmethod
    def attr_names(self, handle: Handle) -> list[str]:
        """List the names of a node's attributes, sorted."""

    @abstractmethod
    def read_attr(self, handle: Handle, name: str) -> Stored:
        """Return one attribute.

        Text comes back as ``str``, text arrays as arrays of kind ``U``.

        Raises
        ------
        KeyError
            If there is none of this name.
        """

    def read_attrs(self, handle: Handle) -> dict[str, Stored]:
        """Return all attributes; override where one pass is cheaper."""
        return {name: self.read_attr(handle, name) for name in self.attr_names(handle)}

    @abstractmethod
    def write_attr(self, handle: Handle, name: str, value: Stored) -> None:
        """Create or replace one attribute."""

    def write_attrs(self, handle: Handle, values: Mapping[str, Stored]) -> None:
        """Create or replace several attributes; override where one request is cheaper."""
        for name, value in values.items():
            self.write_attr(handle, name, value)

    @abstractmethod
    def delete_attr(self, handle: Handle, name: str) -> None:
        """Remove one attribute.

        Raises
        ------
        KeyError
            If there is none of this name.
        """

    # -- arrays ---------------------------------------------------------------------------------
    @classmethod
    def check_dtype(cls, dtype: np.dtype[Any], kind: NodeKind) -> None:
        """Raise ``DTypeError`` if arrays of this kind cannot hold this stored dtype here."""
        if dtype.hasobject:
            raise DTypeError(
                f"the driver {cls.name!r} cannot store Python objects",
                found=f"{dtype} for a {kind.value}",
                remedy="Convert them to numbers or text first.",
            )

    @classmethod
    @abstractmethod
    def codecs(cls) -> frozenset[str]:
        """Name the compression codecs available now, in the words of `h5backends.filters`."""

    @abstractmethod
    def create_array(
        self,
        parent: Handle,
        name: str,
        spec: ArraySpec,
        data: NDArray[Any] | None,
        attrs: Mapping[str, Stored],
    ) -> Handle:
        """Create an array with these attributes.

        Parameters
        ----------
        parent : handle
            The group to create it in; the caller has checked the name.
        name : str
            Name of the new node.
        spec : ArraySpec
            What to create.
        data : ndarray or None, shape ``spec.shape``, dtype ``spec.dtype``, C-contiguous
            First content (never for ``VLARRAY``); None for the fill value.
        attrs : mapping
            Attributes of the new node, in stored form.
        """

    @abstractmethod
    def spec(self, handle: Handle) -> ArraySpec:
        """Describe an array as it stands now (shape included)."""

    @abstractmethod
    def shape(self, handle: Handle) -> tuple[int, ...]:
        """Return the current extent of an array."""

    @abstractmethod
    def read(self, handle: Handle, box: Box) -> NDArray[Any]:
        """Read a box of a ``CARRAY`` or ``EARRAY`` into a new array of the stored dtype."""

    @abstractmethod
    def write(self, handle: Handle, box: Box, values: NDArray[Any]) -> None:
        """Write a box inside the extent; `values` has the box's shape and the stored dtype."""

    @abstractmethod
    def resize(self, handle: Handle, length: int) -> None:
        """Set the length of an ``EARRAY`` along axis 0."""

    def appender(self, handle: Handle) -> Appender:
        """Return the way to the end of an ``EARRAY``; override with a faster one."""
        return _PlainAppender(self, handle)

    @abstractmethod
    def append_ragged(self, handle: Handle, rows: Sequence[NDArray[Any]]) -> None:
        """Append rows of any length to a ``VLARRAY``."""

    @abstractmethod
    def read_ragged(self, handle: Handle, start: int, stop: int) -> list[NDArray[Any]]:
        """Read rows ``start`` to ``stop`` of a ``VLARRAY``."""

    # -- common help ----------------------------------------------------------------------------
    def require(self, capability: Capability, to_do: str) -> None:
        """Raise ``UnsupportedError`` unless this driver has a capability.

        Parameters
        ----------
        capability : Capability
            What is needed.
        to_do : str
            What the caller wanted, as in "switch to SWMR".
        """
        if capability not in self.capabilities:
            from h5backends.drivers.registry import drivers_with

            others = ", ".join(drivers_with(capability)) or "none that is installed"
            raise UnsupportedError(
                f"the driver {self.name!r} cannot {to_do}",
                file=self.location,
                expected=f"the capability {capability.name}",
                remedy=f"Drivers that have it: {others}.",
            )


class _PlainAppender:
    """Appending by the common ground alone: grow, then write the new rows."""

    def __init__(self, driver: Driver, handle: Handle) -> None:
        self._driver = driver
        self._handle = handle
        self._tail = tuple(slice(0, n, 1) for n in driver.shape(handle)[1:])

    def append(self, start: int, rows: NDArray[Any]) -> None:
        stop = start + len(rows)
        self._driver.resize(self._handle, stop)
        self._driver.write(self._handle, (slice(start, stop, 1), *self._tail), rows)


@runtime_checkable
class SupportsSwmr(Protocol):
    """Drivers with ``SWMR_WRITE``."""

    def start_swmr(self) -> None:
        """Switch the open file to SWMR; the structure is complete."""

    @property
    def swmr_active(self) -> bool:
        """Whether the file is in SWMR mode (as writer or as reader)."""

    def overwrite_attr(self, handle: Handle, name: str, value: Stored) -> bool:
        """Replace an attribute by one of the same type and size, in place.

        The only change of an attribute that readers of a SWMR file can follow.

        Returns
        -------
        bool
            False, with nothing done, if there is none of exactly this type and size.
        """


@runtime_checkable
class SupportsRefresh(Protocol):
    """Drivers with ``REFRESH``."""

    def refresh(self, handle: Handle) -> None:
        """Bring an array, its shape included, up to date with what its writer flushed."""


@runtime_checkable
class SupportsFsync(Protocol):
    """Drivers with ``FSYNC``."""

    def fsync(self) -> None:
        """Flush, and return when the storage device or the server's store has the data."""


@runtime_checkable
class SupportsReserve(Protocol):
    """Drivers with ``RESERVE``."""

    def reserve(self, handle: Handle, count: int) -> int:
        """Make an ``EARRAY`` longer and return the first of the new rows.

        In one step: whoever else does the same at this time gets other rows.

        Parameters
        ----------
        handle : handle
            The array.
        count : int
            How many rows, at least one. They hold the fill value.
        """


@runtime_checkable
class SupportsParallel(Protocol):
    """Drivers with ``PARALLEL``.

    Ranks change the tree, attributes and lengths together, all with the same calls in the same
    order; they read and write boxes each by itself, and together what is compressed.
    """

    def write_together(self, handle: Handle, box: Box | None, values: NDArray[Any]) -> None:
        """Write a box in one step with all ranks; None by a rank that has nothing to write."""


@runtime_checkable
class SupportsDescriptor(Protocol):
    """Drivers whose file has an operating-system descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


@runtime_checkable
class SupportsDirectChunk(Protocol):
    """Drivers with ``DIRECT_CHUNK``."""

    def write_chunk(
        self, handle: Handle, offset: tuple[int, ...], data: bytes, filter_mask: int = 0
    ) -> None:
        """Store one already filtered chunk; the extent already covers it."""

    def read_chunk(self, handle: Handle, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return filter mask and raw bytes of one chunk."""


@runtime_checkable
class SupportsPacking(Protocol):
    """Drivers with ``DIRECT_CHUNK`` that say how chunks have to be filtered."""

    def filter_steps(self, handle: Handle) -> tuple[FilterStep, ...] | None:
        """Return the filters of an array in their order; None if one cannot be named."""

    def chunk_store(self, handle: Handle) -> ChunkStore | None:
        """Return where packed chunks of an ``EARRAY`` go.

        None for arrays whose elements the library holds otherwise in the file than in memory.
        """


@runtime_checkable
class SupportsVirtual(Protocol):
    """Drivers with ``VIRTUAL``."""

    def create_virtual(
        self,
        parent: Handle,
        name: str,
        spec: ArraySpec,
        parts: Sequence[VirtualPart],
        attrs: Mapping[str, Stored],
    ) -> Handle:
        """Create an array whose rows are in other files; those may be made later.

        Parameters
        ----------
        parent : handle
            The group.
        name : str
            A name that the caller has checked.
        spec : ArraySpec
            ``CARRAY`` or ``EARRAY``; chunks and filters are those of the parts. Rows that no part
            has yet read as its fill value.
        parts : sequence of VirtualPart
            Only the last may be without a length, and only of an ``EARRAY``.
        attrs : mapping of str to Stored
            Its attributes.
        """


def box_shape(box: Box) -> tuple[int, ...]:
    """Return the shape of the array that a box selects."""
    return tuple(max(0, math.ceil((s.stop - s.start) / s.step)) for s in box)


def no_filters(spec: ArraySpec) -> bool:
    """Tell whether chunks of this array are stored as they are in memory."""
    return spec.filters == Filters()
