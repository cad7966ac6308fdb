"""Arrays of a PyTables file: opened, created, read, written and appended to.

One object here stands for one array in the file, shared by all handles of that array: the
extension keeps the current length itself, so two objects with lengths of their own would write
over each other's rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from h5backends import chunks as chunking
from h5backends.drivers._tables import filters as codecs
from h5backends.drivers._tables.lowlevel import (
    EArray,
    H5File,
    VLArray,
    dataset_shape,
    extents,
    inferred_class,
    stored_filters,
)
from h5backends.drivers._tables.reader import is_boolean
from h5backends.drivers.base import box_shape, no_filters
from h5backends.errors import DTypeError, NodeKindError, SelectionError
from h5backends.types import ArraySpec, Box, Filters, NodeKind, Stored

__all__ = ["Array", "Ragged", "atom_of", "class_attributes", "create", "open_array"]

_VERSIONS = {NodeKind.CARRAY: "1.1", NodeKind.EARRAY: "1.4", NodeKind.VLARRAY: "1.4"}
"""``VERSION`` attribute that PyTables writes, and wants to see, for each kind."""


class Array:
    """An open array of numbers, flags or bytes.

    Parameters
    ----------
    low : EArray
        The array, in the extension's terms.
    path : str
        Where it is.

    Attributes
    ----------
    length : int
        Current extent along axis 0. Who changes it without this object brings it up to date.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "chunks",
        "dtype",
        "filter_steps",
        "filters",
        "length",
        "low",
        "volatile",
    )

    def __init__(self, low: EArray, path: str) -> None:
        self.low = low
        self.dtype, self._base = _element(low.atom, path)
        # PyTables converts this one type in place, in the caller's memory.
        self.volatile = low.atom.type == "time64"
        self.length = self._known_length()
        self.chunks = None if low.chunkshape is None else tuple(map(int, low.chunkshape))
        stored = stored_filters(low._v_file, path) if self.chunks else {}
        self.filters = codecs.read(stored) if self.chunks else Filters()
        self.filter_steps = codecs.steps(stored)
        if self.filters.codec == "blosc2":
            codecs.avoid_shortcuts()

    def __del__(self) -> None:
        self.low._v_file.graveyard.append(self.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Current extent."""
        shape = tuple(map(int, self.low.shape))
        return (self.length, *shape[1:]) if shape else ()

    def _known_length(self) -> int:
        """Return the extent along axis 0 that the extension knows."""
        return int(self.low.shape[0]) if self.low.shape else 0

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""
        values = np.empty(box_shape(box), self._base) if box else np.zeros((), self._base)
        if values.size:
            starts, stops, steps = (
                extents(*(getattr(s, edge) for s in box)) for edge in ("start", "stop", "step")
            )
            try:
                self.low._g_read_slice(starts, stops, steps, values)
            except tables.HDF5ExtError as exc:
                codecs.check_readable(self.filters, exc)
                raise
        return values if self._base == self.dtype else values.astype(self.dtype)

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Write a box inside the extent."""
        count = box_shape(box)
        if math.prod(count):
            starts = extents(*(s.start for s in box))
            steps = extents(*(s.step for s in box))
            self.low._g_write_slice(starts, steps, extents(*count), self._memory(values))

    def refresh(self, path: str) -> None:
        """Look up the extent again: somebody else may have changed it in this process."""
        if dataset_shape(self.low._v_file, path) != self.shape:
            self.low.reopen(path)
            self.length = self._known_length()

    def resize(self, length: int) -> None:
        """Set the length along axis 0."""
        if length != self.length:
            self.low._g_truncate(length)
            self.length = length

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end: C-contiguous, of the stored type."""
        if not rows.size:
            self.resize(self.length + len(rows))
            return
        if self.length != self.low.shape[0]:
            self.low._g_truncate(self.length)  # it adds where it believes the end to be
        self.low._append(self._memory(rows) if self.volatile else rows)
        self.length = self._known_length()

    def write_chunk(self, offset: tuple[int, ...], data: Any, filter_mask: int = 0) -> None:
        """Store one chunk as it comes: filtered already, or as in memory where there is no filter.

        Parameters
        ----------
        offset : tuple of int
            Position of its first element.
        data : bytes or ndarray
            C-contiguous.
        filter_mask : int
            Bits of the filters that were skipped.
        """
        raw = np.frombuffer(data, np.uint8)
        self.low._g_write_chunk(extents(*offset), raw, filter_mask)

    def read_chunk(self, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return filter mask and bytes of one chunk.

        Raises
        ------
        SelectionError
            Nobody wrote to it yet.
        """
        position = extents(*offset)
        mask, address, _ = self.low._g_chunk_info(position)
        if address is None:
            raise SelectionError(
                "this chunk was never written", node=self.low._v_pathname, found=offset
            )
        return int(mask), self.low._g_read_chunk(position, None).tobytes()

    @property
    def whole_row_chunk(self) -> int:
        """Rows in a chunk that can be stored as it is in memory; 0 where none can."""
        if self.chunks is None or self.filters != Filters() or self.volatile:
            return 0
        same = self.chunks[1:] == self.shape[1:] and math.prod(self.chunks[1:]) > 0
        return self.chunks[0] if same else 0

    def _memory(self, values: NDArray[Any]) -> NDArray[Any]:
        array = np.require(values, self._base, "C")
        return array.copy() if self.volatile else array


class Ragged:
    """An open array of rows of any length."""

    __slots__ = ("__weakref__", "_path", "chunks", "dtype", "filters", "low")

    def __init__(self, low: VLArray, path: str) -> None:
        self.low = low
        self._path = path
        self.dtype, _ = _element(low.atom, path)
        self.chunks = tuple(map(int, low.chunkshape))
        self.filters = codecs.read(stored_filters(low._v_file, path))

    def __del__(self) -> None:
        self.low._v_file.graveyard.append(self.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, in a tuple."""
        return (int(self.low.nrows),)

    def append_rows(self, rows: Sequence[NDArray[Any]]) -> None:
        """Add rows at the end."""
        for row in rows:
            memory = np.require(row, self.dtype, "C")
            self.low._append(memory, len(memory))
            self.low.nrows += 1

    def read_rows(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Read rows ``start`` to ``stop``; as they are in the file, never unpickled."""
        if stop <= start:
            return []
        rows: list[NDArray[Any]] = self.low._read_array(start, stop, 1)
        return [row if row.dtype == self.dtype else row.astype(self.dtype) for row in rows]

    def read(self, box: Box) -> NDArray[Any]:
        """Refuse: rows have no common shape."""
        raise self._refusal()

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Refuse: rows have no common shape."""
        raise self._refusal()

    def resize(self, length: int) -> None:
        """Refuse: rows are only ever added."""
        raise self._refusal()

    def refresh(self, path: str) -> None:
        """Look up the number of rows again."""
        if dataset_shape(self.low._v_file, path) != self.shape:
            self.low.reopen(path)

    def _refusal(self) -> NodeKindError:
        return NodeKindError(
            "rows of any length make no array of one shape",
            node=self._path,
            expected="CARRAY or EARRAY",
            found="VLARRAY",
        )


def class_attributes(kind: NodeKind) -> dict[str, Stored]:
    """Return the attributes by which PyTables knows an array of this kind."""
    own: dict[str, Stored] = {"CLASS": kind.value, "TITLE": "", "VERSION": _VERSIONS[kind]}
    return own | ({"EXTDIM": np.int32(0)} if kind is NodeKind.EARRAY else {})


def open_array(file: H5File, path: str) -> Array | Ragged | None:
    """Open the data of a dataset; None if it is one of compound elements (a ``tables.Table``).

    Parameters
    ----------
    file : H5File
        The file.
    path : str
        Absolute path of the dataset.

    Raises
    ------
    DTypeError
        PyTables has no equivalent of its type.
    """
    # What is opened as something it is not makes the extension write past its buffers.
    found = inferred_class(file, path)
    rank = len(dataset_shape(file, path))
    try:
        if found in {"ARRAY", "CARRAY", "EARRAY"}:
            array: Array = _held(Array, EArray(file, path).open(), path)
            if len(array.shape) != rank:
                raise unreadable(path, "elements that are arrays themselves")
            return array
        if found == "VLARRAY" and rank == 1:
            return _held(Ragged, VLArray(file, path).open(), path)  # type: ignore[no-any-return]
    except DTypeError:
        raise
    except (TypeError, ValueError, KeyError) as exc:
        raise unreadable(path, str(exc)) from exc
    if found == "TABLE" and rank == 1:
        return None
    kinds = {"TABLE": "compound elements in more than one dimension, or in none"}
    raise unreadable(path, kinds.get(found, "a type without equivalent in PyTables"))


def _held(kind: Any, low: EArray | VLArray, path: str) -> Any:
    """Return an open array, or close what was opened of it."""
    try:
        return kind(low, path)
    except BaseException:
        low.close()
        raise


def unreadable(path: str, found: str) -> DTypeError:
    """Return the error for data that another driver must be taken for."""
    return DTypeError(
        "PyTables cannot read this array",
        node=path,
        found=found,
        remedy="Open the file with the driver 'h5py'.",
    )


def atom_of(dtype: np.dtype[Any], fill: Any = None) -> tables.Atom:
    """Return PyTables' description of an element.

    Raises
    ------
    DTypeError
        There is none.
    """
    try:
        return tables.Atom.from_dtype(np.dtype(dtype.newbyteorder("=")), dflt=fill)
    except (TypeError, ValueError, KeyError) as exc:
        raise DTypeError(
            "PyTables cannot store this type",
            expected="bool, integers, floats, complex numbers or bytes",
            found=str(dtype),
            remedy="Convert the values, or use the driver 'h5py'.",
        ) from exc


def create(file: H5File, path: str, spec: ArraySpec, data: NDArray[Any] | None) -> Array | Ragged:
    """Create an array, without attributes.

    Parameters
    ----------
    file : H5File
        The file.
    path : str
        Absolute path of the new array.
    spec : ArraySpec
        What to create; no compound elements.
    data : ndarray or None, shape ``spec.shape``
        First content.
    """
    if spec.kind is NodeKind.VLARRAY:
        return _create_ragged(file, path, spec)
    low = EArray(file, path)
    low._v_version, low._c_classid = _VERSIONS[spec.kind], spec.kind.value
    low.atom = atom_of(spec.dtype, spec.fill)
    chunks = _chunks(spec, data is not None)
    low.filters = codecs.request(spec.filters if chunks else Filters())
    try:
        if chunks is None:
            # Without strides there is nothing to write, and HDF5 reads zeros.
            zeros = np.broadcast_to(np.zeros((), low.atom.dtype), spec.shape)
            memory = zeros if data is None else np.require(data, low.atom.dtype, "C")
            low.create_contiguous(memory)
        else:
            low.extdim = -1 if spec.kind is NodeKind.CARRAY else 0
            low.shape, low.chunkshape = spec.shape, chunks
            low.create_chunked()
    except BaseException:
        low.close()
        raise
    array: Array = _held(Array, low, path)
    if chunks is not None and data is not None:
        array.write(tuple(slice(0, n, 1) for n in spec.shape), data)
    return array


def _create_ragged(file: H5File, path: str, spec: ArraySpec) -> Ragged:
    low = VLArray(file, path)
    low._v_version, low._c_classid = _VERSIONS[spec.kind], spec.kind.value
    low.atom = atom_of(spec.dtype)
    low.filters = codecs.request(spec.filters)
    low.chunkshape = spec.chunks or chunking.stream_chunks((), 16)
    try:
        low.create()
    finally:
        low.close()
    ragged: Ragged = _held(Ragged, VLArray(file, path).open(), path)
    return ragged


def _chunks(spec: ArraySpec, has_data: bool) -> tuple[int, ...] | None:
    """Return the chunk shape to create with, None for storage in one piece."""
    if spec.kind is NodeKind.EARRAY:
        chosen = spec.chunks or chunking.stream_chunks(spec.shape[1:], spec.dtype.itemsize)
        return tuple(max(1, n) for n in chosen)
    if not math.prod(spec.shape) or not spec.shape:
        return None
    fill = b"" if spec.fill is None else np.asarray(spec.fill, spec.dtype).tobytes()
    filled = not has_data and fill.strip(b"\0") != b""
    if spec.chunks is None and (filled or not no_filters(spec)):
        # PyTables knows fill values and filters of chunked arrays alone.
        return chunking.block_chunks(spec.shape, spec.dtype.itemsize)
    return spec.chunks


def _element(atom: tables.Atom, path: str) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the type that callers see, and the one in which the extension reads it."""
    if atom.kind == "reference" or atom.shape != ():
        raise unreadable(path, f"elements of the type {atom.type} {atom.shape or ''}".rstrip())
    if atom.kind == "enum":
        base = np.dtype(atom.dtype.base)
        members = dict(atom.enum)
        return (np.dtype(bool) if is_boolean(members) else base), base
    dtype = np.dtype(atom.dtype.newbyteorder("="))
    return dtype, dtype
