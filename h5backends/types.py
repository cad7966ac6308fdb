"""The vocabulary shared by drivers and facade: node kinds, capabilities, array specifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MODES",
    "ArraySpec",
    "Box",
    "Capability",
    "Filters",
    "GroupType",
    "Handle",
    "Mode",
    "NodeKind",
    "OpenOptions",
    "SaveType",
    "Stored",
    "VirtualPart",
    "packed",
]

Mode = Literal["r", "r+", "a", "w", "x"]
MODES: tuple[Mode, ...] = ("r", "r+", "a", "w", "x")

Handle = Any
"""A driver's own reference to one node; opaque to everyone else."""

Box = tuple[slice, ...]
"""One slice per axis with non-negative start and stop and a positive step, inside the extent."""

Stored = str | np.generic | NDArray[Any]
"""An attribute value as drivers see it: text, a numpy scalar, or an array (text: kind ``U``).

``numpy.bytes_`` is text to be stored with exactly this many bytes; it reads back as ``str``.
"""


def packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type in this machine's byte order, without gaps between fields, without metadata.

    The same values, in the one form that arrays and attributes are held in.
    """
    if dtype.names:
        return np.dtype([(name, packed(dtype[name])) for name in dtype.names])
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((packed(base), shape))
    return np.dtype(dtype.newbyteorder("=").str)


class NodeKind(Enum):
    """What a node is; the value is what stands in its ``CLASS`` attribute."""

    GROUP = "GROUP"
    CARRAY = "CARRAY"
    EARRAY = "EARRAY"
    VLARRAY = "VLARRAY"


class Capability(Flag):
    """What a driver can do beyond the common ground. Ask for these, never for a driver's name."""

    NONE = 0
    PERSISTENT = auto()
    """Data outlive the process."""
    LOCAL = auto()
    """Locations are paths of the local file system."""
    REMOTE = auto()
    """Locations are domains on a server."""
    SWMR_WRITE = auto()
    """Can switch an open file to single-writer-multiple-reader mode."""
    SWMR_READ = auto()
    """Can open a file that a SWMR writer holds."""
    REFRESH = auto()
    """An open array can be brought up to date with what another process wrote."""
    SHARED_WRITE = auto()
    """Several processes may hold one file for writing."""
    FSYNC = auto()
    """A flush can be carried through to the storage device or the server's store."""
    DIRECT_CHUNK = auto()
    """Whole chunks can be written and read around the filter pipeline."""
    VIRTUAL = auto()
    """Can make arrays whose elements are in other files."""
    RESERVE = auto()
    """Several programs can make one array longer at a time, and each gets rows of its own."""
    PARALLEL = auto()
    """The ranks of an MPI program can write one file together (``comm=`` when it is opened)."""
    RAW_NAMES = auto()
    """Nodes and attributes whose names are not UTF-8, as other programs write them, can be
    read; this package writes none."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Compression of an array, in one vocabulary for every driver.

    Parameters
    ----------
    codec : str or None
        One of :data:`h5backends.filters.CODECS`, or None for no compression.
    level : int or None
        Effort, 0 to 9 (gzip, blosc, blosc2, lz4 ignore what they lack), None for the codec's
        default.
    shuffle : bool
        Rearrange bytes by significance first.
    fletcher32 : bool
        A checksum with every chunk, verified at every read.
    """

    codec: str | None = None
    level: int | None = None
    shuffle: bool = False
    fletcher32: bool = False

    def __bool__(self) -> bool:
        return bool(self.codec or self.shuffle or self.fletcher32)


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Everything a driver needs to know to create an array.

    Parameters
    ----------
    kind : NodeKind
        ``CARRAY`` (fixed), ``EARRAY`` (grows along axis 0) or ``VLARRAY`` (each row a 1D array
        of its own length).
    dtype : numpy.dtype
        The *stored* type (see :mod:`h5backends.codec`); of one element of a row for ``VLARRAY``.
    shape : tuple of int
        Extent at creation.
    chunks : tuple of int or None
        Chunk shape; None for contiguous storage.
    filters : Filters
        Compression; needs chunks.
    fill : numpy scalar or None
        Value of elements nobody wrote; None for zero.
    """

    kind: NodeKind
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None = None
    filters: Filters = Filters()
    fill: Any = None

    @property
    def maxshape(self) -> tuple[int | None, ...]:
        """The extent the array may grow to; None where it has no limit."""
        if self.kind is NodeKind.CARRAY:
            return self.shape
        return (None, *self.shape[1:])


@dataclass(frozen=True, slots=True)
class VirtualPart:
    """Some rows of a virtual array: which they are, and the array in another file that has them.

    Parameters
    ----------
    file : str
        That file; a relative path begins in the folder of the file with the virtual array.
    node : str
        Path of the array in there, whose first rows they are.
    start : int
        The first row.
    length : int or None
        How many; None for all that the other array has, now or later.
    """

    file: str
    node: str
    start: int
    length: int | None


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to open a file, beside its location and mode.

    Parameters
    ----------
    title : str
        ``TITLE`` of a new file's root.
    swmr : bool
        Prepare for (writing) or take part in (reading) SWMR.
    extra : mapping
        Keyword arguments for the library underneath: ``endpoint``, ``username`` and ``password``
        for a server, ``rdcc_nbytes`` for h5py, and so on.
    """

    title: str = ""
    swmr: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class SaveType(Enum):
    """What a file was recorded for (PyMoDAQ's names)."""

    scan = 0
    detector = 1
    logger = 2
    custom = 3
    actuator = 4
    optimizer = 5


class GroupType(Enum):
    """What a group holds (PyMoDAQ's names)."""

    detector = 0
    actuator = 1
    data = 2
    ch = 3
    scan = 4
    external_h5 = 5
    data_dim = 6
    data_logger = 7
