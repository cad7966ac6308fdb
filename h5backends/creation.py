"""Making groups and arrays: names checked, attributes complete, nothing half done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends import codec, filters
from h5backends.chunks import block_chunks, stream_chunks
from h5backends.conform import conform
from h5backends.errors import DTypeError, NodeExistsError, NodeNameError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, StringARRAY
from h5backends.session import Session
from h5backends.storage import Storage
from h5backends.types import ArraySpec, Filters, NodeKind, Stored

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
    else:
        try:
            name.encode()
        except UnicodeEncodeError:
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
    attrs = _common(NodeKind.GROUP, title)
    attrs.update(encoded(metadata))
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
    values = None if data is None else _values(data, dtype)
    if values is not None:
        shape, logical = values.shape, values.dtype
    elif shape is None or dtype is None:
        raise ShapeError("an array without data needs a shape and a dtype", node=name)
    else:
        logical = np.dtype(dtype)
    storage = Storage.of(logical)
    _check(session, storage, NodeKind.CARRAY, compression)
    stored = None if values is None else np.ascontiguousarray(storage.to_stored(values))
    if stored is not None and stored.ndim != len(shape):
        stored = stored.reshape(shape)  # ascontiguousarray turns scalars into one element
    whole = bool(shape) and 0 not in shape
    if chunks is None and whole and (compression or fill is not None or data is None):
        chunks = block_chunks(shape, storage.stored.itemsize)
    spec = ArraySpec(
        NodeKind.CARRAY,
        storage.stored,
        shape,
        chunks if whole else None,
        compression if whole else Filters(),
        _fill(storage, fill),
    )
    attrs = _array_attrs(session, spec, storage, title, metadata)
    with session.lock:
        _prepare(session, parent, name)
        handle = session.driver.create_array(parent.handle, name, spec, stored, attrs)
        session.touch()
    return CARRAY(session, handle)


def create_growing(
    session: Session,
    parent: GROUP,
    name: str,
    dtype: Any,
    row_shape: tuple[int, ...],
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
    storage = Storage.of(np.dtype(dtype))
    _check(session, storage, NodeKind.EARRAY, compression)
    if chunks is None:
        chunks = stream_chunks(row_shape, storage.stored.itemsize)
    elif len(chunks) != len(row_shape) + 1 or min(chunks) < 1:
        raise ShapeError(
            "the chunk shape does not fit the array",
            node=name,
            expected=f"{len(row_shape) + 1} positive numbers",
            found=str(chunks),
        )
    spec = ArraySpec(
        NodeKind.EARRAY,
        storage.stored,
        (0, *row_shape),
        chunks,
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
    logical = np.dtype(np.uint8) if text else np.dtype(dtype)
    storage = Storage.of(logical)
    if logical.kind not in "biufc":
        raise DTypeError(
            "rows of variable length hold numbers",
            node=name,
            found=str(logical),
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
    names = {"title": "TITLE"}
    return {
        names.get(key, key): codec.encode(names.get(key, key), value)
        for key, value in (metadata or {}).items()
    }


def _prepare(session: Session, parent: GROUP, name: str) -> None:
    """Make sure that a node may be created; the lock is held."""
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
        return conform(data, np.dtype(dtype))
    try:
        values = np.asarray(data)
    except ValueError as exc:
        raise ShapeError(
            "the data are ragged",
            found=str(exc),
            remedy="Rows of different lengths go into a VLARRAY.",
        ) from exc
    if values.dtype.kind == "O" and values.size and all(isinstance(v, str) for v in values.flat):
        return values.astype(np.str_)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


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
