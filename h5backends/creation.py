"""Making groups and arrays: names checked, attributes complete, nothing half done."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends import codec, filters
from h5backends.attributes import stored_name
from h5backends.chunks import block_chunks, stream_chunks
from h5backends.conform import conform, plain_array
from h5backends.errors import DataError, DTypeError, NodeExistsError, NodeNameError, ShapeError
from h5backends.file_text import is_utf8
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, StringARRAY
from h5backends.session import Session
from h5backends.storage import Storage
from h5backends.types import ArraySpec, Filters, NodeKind, Stored, packed

__all__ = [
    "check_name",
    "create_fixed",
    "create_group",
    "create_growing",
    "create_ragged",
]

_VERSIONS = {
    NodeKind.GROUP: "1.0",
    NodeKind.CARRAY: "1.1",
    NodeKind.EARRAY: "1.1",
    NodeKind.VLARRAY: "1.4",
}
"""PyTables recognises an array only by its class and the version of that class."""

_HEADER_BYTES = 4096
"""About what a node takes beside its data: header, attributes, its place in the group."""
_MOST_AXES = 32
_CHUNK_LIMIT = 2**32
_SIZE_LIMIT = 2**63
"""HDF5's own limits: axes of an array, bytes of a chunk, bytes of an array."""


def check_name(name: object, parent: str, file: str) -> str:
    """Return a name that every driver can give to a node.

    Raises
    ------
    NodeNameError
        Empty, ``.`` or ``..``, or with a slash or a NUL in it.
    """
    problem = None
    if not isinstance(name, str):
        problem = f"a name is a text, not {type(name).__name__}"
    elif not name:
        problem = "the name is empty"
    elif name in {".", ".."}:
        problem = f"{name!r} means a place in the tree and cannot be a name"
    elif "/" in name or "\0" in name:
        problem = f"the name {name!r} contains a slash or a NUL"
    elif not is_utf8(name):
        problem = f"the name {name!r} is not valid text"
    if problem is not None:
        raise NodeNameError(
            problem, file=file, node=parent, remedy="Replace it, for instance with an underscore."
        )
    assert isinstance(name, str)
    return name


def create_group(
    session: Session, parent: GROUP, name: str, title: str, metadata: Mapping[str, Any]
) -> GROUP:
    """Create a group with its attributes.

    Raises
    ------
    NodeExistsError, NodeNameError, ReadOnlyError, StructureFrozenError
    """
    with _located(session, parent, name):
        attrs = _common(NodeKind.GROUP, title) | encoded(metadata)
    with session.lock:
        _prepare(session, parent, name)
        group = GROUP(session, session.driver.create_group(parent.handle, name, attrs))
        session.touch()
    return group


def create_fixed(
    session: Session,
    parent: GROUP,
    name: str,
    data: ArrayLike | None,
    *,
    title: str = "",
    compression: Filters = Filters(),  # noqa: B008 - frozen
    shape: tuple[int, ...] | None = None,
    dtype: Any = None,
    chunks: tuple[int, ...] | None = None,
    fill: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CARRAY:
    """Create an array of fixed extent, from data or from shape and type.

    Raises
    ------
    DTypeError, ShapeError, UnsupportedError
        It cannot be held; nothing was created.
    """
    with _located(session, parent, name):
        values = None if data is None else _values(data, dtype)
        if values is None and (shape is None or dtype is None):
            raise ShapeError("an array without data needs a shape and a dtype")
        storage = Storage.of(_type(dtype) if values is None else values.dtype)
        extent = _extent(shape if values is None else values.shape, storage)
        if values is not None and shape is not None and _extent(shape, storage) != extent:
            raise ShapeError("the data have another shape", expected=shape, found=extent)
        _check(session, storage, NodeKind.CARRAY, compression)
        stored = None
        if values is not None:
            stored = np.asarray(storage.to_stored(values), order="C")
        # Scalars and empty arrays have no chunks, and so no filters.
        whole = bool(extent) and 0 not in extent
        if chunks is not None:
            chunks = tuple(map(min, _chunks(chunks, extent, storage), extent))
        elif compression or fill is not None or data is None:
            chunks = block_chunks(extent, storage.stored.itemsize)
        spec = ArraySpec(
            NodeKind.CARRAY,
            storage.stored,
            extent,
            chunks if whole else None,
            compression if whole else Filters(),
            _fill(storage, fill),
        )
        attrs = _array_attrs(session, spec, storage, title, metadata)
    with session.lock:
        _prepare(session, parent, name, 0 if stored is None else stored.nbytes)
        handle = session.driver.create_array(parent.handle, name, spec, stored, attrs)
        session.touch()
    return CARRAY(session, handle)


def create_growing(
    session: Session,
    parent: GROUP,
    name: str,
    dtype: Any,
    row_shape: Any,
    *,
    title: str = "",
    compression: Filters = Filters(),  # noqa: B008 - frozen
    chunks: tuple[int, ...] | None = None,
    fill: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> EARRAY:
    """Create an empty array that grows along axis 0.

    Raises
    ------
    DTypeError, ShapeError, UnsupportedError
        It cannot be held; nothing was created.
    """
    with _located(session, parent, name):
        storage = Storage.of(_type(dtype))
        extent = (0, *_extent(row_shape, storage, grows=True))
        _check(session, storage, NodeKind.EARRAY, compression)
        if chunks is None:
            chunks = stream_chunks(extent[1:], storage.stored.itemsize, bool(compression))
        spec = ArraySpec(
            NodeKind.EARRAY,
            storage.stored,
            extent,
            _chunks(chunks, extent, storage),
            compression,
            _fill(storage, fill),
        )
        attrs = _array_attrs(session, spec, storage, title, metadata)
    with session.lock:
        _prepare(session, parent, name)
        handle = session.driver.create_array(parent.handle, name, spec, None, attrs)
        session.touch()
    return EARRAY(session, handle)


def create_ragged(
    session: Session,
    parent: GROUP,
    name: str,
    dtype: Any,
    *,
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> VLARRAY:
    """Create an empty array of rows with their own lengths; ``dtype="string"`` for text.

    Raises
    ------
    DTypeError
        Rows of this type cannot be held; nothing was created.
    """
    text = isinstance(dtype, str) and dtype in {"string", "str"}
    with _located(session, parent, name):
        storage = Storage.of(np.dtype(np.uint8) if text else _type(dtype))
        if storage.dtype.kind not in "biufc":
            raise DTypeError(
                "rows of variable length hold numbers",
                found=storage.dtype,
                remedy="For text use dtype='string'.",
            )
        _check(session, storage, NodeKind.VLARRAY, Filters())
        spec = ArraySpec(NodeKind.VLARRAY, storage.stored, (0,), chunks=(64,))
        attrs = _array_attrs(session, spec, storage, title, metadata)
    attrs["subdtype"] = "string" if text else ""
    with session.lock:
        _prepare(session, parent, name)
        handle = session.driver.create_array(parent.handle, name, spec, None, attrs)
        session.touch()
    return (StringARRAY if text else VLARRAY)(session, handle)


def encoded(metadata: Mapping[str, Any] | None) -> dict[str, Stored]:
    """Encode attributes, under the names they are stored by."""
    names = {stored_name(key): value for key, value in (metadata or {}).items()}
    return {name: codec.encode(name, value) for name, value in names.items()}


@contextlib.contextmanager
def _located(session: Session, parent: GROUP, name: object) -> Iterator[None]:
    """Say in an error about data which node of which file they were for."""
    try:
        yield
    except DataError as exc:
        exc.node, exc.file = f"{parent.path.rstrip('/')}/{name}", session.driver.location
        raise


def _prepare(session: Session, parent: GROUP, name: str, nbytes: int = 0) -> None:
    """Make sure that a node may be created; the lock is held."""
    session.require_room(_HEADER_BYTES + nbytes, kept=True)
    path = parent.path
    session.require_unfrozen(f"create {name!r}", path)
    check_name(name, path, session.driver.location)
    if session.driver.has_child(parent.handle, name):
        raise NodeExistsError(
            f"a node {name!r} exists already",
            file=session.driver.location,
            node=path,
            remedy="Choose another name, or remove_node() the present one first.",
        )


def _values(data: ArrayLike, dtype: Any) -> NDArray[Any]:
    if dtype is not None:
        return conform(data, _type(dtype))
    values = plain_array(data)
    if values.dtype.kind == "O" and values.size and all(isinstance(v, str) for v in values.flat):
        return values.astype(np.str_)
    return values.astype(packed(values.dtype), copy=False)


def _type(dtype: Any) -> np.dtype[Any]:
    try:
        if dtype is not None:  # which numpy takes for float64
            found: np.dtype[Any] = np.dtype(dtype)
            return found
    except (TypeError, ValueError) as exc:
        raise DTypeError("numpy knows no such type", found=repr(dtype)) from exc
    raise DTypeError("an array needs a type", found="None")


def _extent(shape: Any, storage: Storage, grows: bool = False) -> tuple[int, ...]:
    """Return a shape as integers, or refuse one that HDF5 cannot hold."""
    try:
        given = (shape,) if hasattr(shape, "__index__") else tuple(shape)
        extent = tuple(operator.index(n) for n in given)
    except TypeError as exc:
        raise ShapeError("a shape is a tuple of integers", found=repr(shape)) from exc
    if min(extent, default=0) < 0:
        raise ShapeError("an extent cannot be negative", found=extent)
    if len(extent) + grows > _MOST_AXES:
        raise ShapeError(
            "too many axes", expected=f"at most {_MOST_AXES}", found=len(extent) + grows
        )
    if storage.stored.itemsize * math.prod(n for n in extent if n) >= _SIZE_LIMIT:
        raise ShapeError("larger than any file", found=extent)
    return extent


def _chunks(chunks: Any, extent: tuple[int, ...], storage: Storage) -> tuple[int, ...]:
    """Return a chunk shape as integers, or refuse one that does not fit the array."""
    shape = _extent(chunks, storage)
    if len(shape) != len(extent) or 0 in shape:
        raise ShapeError(
            "the chunk shape does not fit the array",
            expected=f"{len(extent)} positive numbers",
            found=shape,
        )
    if storage.stored.itemsize * math.prod(shape) >= _CHUNK_LIMIT:
        raise ShapeError("a chunk must be smaller than 4 GiB", found=shape)
    return shape


def _check(session: Session, storage: Storage, kind: NodeKind, compression: Filters) -> None:
    driver = type(session.driver)
    driver.check_dtype(storage.stored, kind)
    if compression:
        filters.check(compression, driver)


def _fill(storage: Storage, fill: Any) -> Any:
    if fill is None:
        return None
    return storage.to_stored(conform(fill, storage.dtype))[()]


def _common(kind: NodeKind, title: str) -> dict[str, Stored]:
    return {
        "TITLE": codec.encode("TITLE", str(title)),
        "CLASS": kind.value,
        "VERSION": _VERSIONS[kind],
    }


def _array_attrs(
    session: Session,
    spec: ArraySpec,
    storage: Storage,
    title: str,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Stored]:
    attrs = _common(spec.kind, title)
    if spec.kind is not NodeKind.CARRAY:
        attrs["EXTDIM"] = np.int32(0)
    own = {"subdtype": "", "backend": session.driver.name, **storage.attrs}
    attrs |= encoded(own)
    attrs["shape"] = session.encoded_shape(spec.shape, grows=spec.kind is not NodeKind.CARRAY)
    return attrs | encoded(metadata)
