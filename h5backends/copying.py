"""Copy nodes between files and drivers, block by block, with their attributes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends import codec
from h5backends.blocks import BLOCK_BYTES, boxes
from h5backends.chunks import block_chunks
from h5backends.creation import check_name, encoded
from h5backends.errors import (
    AttributeValueError,
    DTypeError,
    H5Error,
    NodeExistsError,
    NodeNameError,
)
from h5backends.file_text import is_utf8, readable
from h5backends.lifetime import both_locked
from h5backends.nodes import GROUP, Node, make_node
from h5backends.session import Session
from h5backends.storage import Storage
from h5backends.types import ArraySpec, Box, Capability, Filters, Handle, NodeKind, Stored, packed

__all__ = ["Progress", "copy_content", "copy_node", "size_of"]

Progress = Callable[[int, int], None]
"""Called with the bytes copied so far and the bytes in all."""

_RAGGED_ROWS = 1000
_OF_THE_FILE = ("swmr_active", "swmr_compatible")
"""Attributes that tell of the file that is copied from, not of its content."""
_HEADER_BYTES = 4096


def copy_node(
    source: Node,
    parent: GROUP,
    name: str,
    progress: Progress | None = None,
) -> Node:
    """Copy a node and everything below it into a group, of any file and driver.

    Values and attributes arrive as they are. Compression is kept where the target has the codec;
    otherwise gzip takes its place, or nothing where gzip is missing too.

    Parameters
    ----------
    source : Node
        What to copy.
    parent : GROUP
        Where to; may belong to another file.
    name : str
        Name of the copy.
    progress : callable, optional
        Told bytes done and bytes in all.

    Raises
    ------
    NodeExistsError
        The group has a node of this name.
    NodeNameError
        No name for a node, one that is not UTF-8, or a group would be copied into itself.
    AttributeValueError
        The name of an attribute is not UTF-8; nothing was copied.
    DTypeError
        The target's driver cannot hold one of the arrays; nothing was copied.
    """
    target = parent.session
    with both_locked(source.session, target):
        source.session.require_alive()
        target.require_unfrozen(f"create {name!r}", parent.path)
        check_name(name, parent.path, target.driver.location)
        _refuse_itself(source, parent)
        _refuse_occupied(parent, [name])
        copier = _Copier(source.session, target, progress, source)
        with _all_or_nothing(parent):
            handle = copier.copy(source.handle, parent.handle, name)
        target.touch()
        return make_node(target, handle)


def copy_content(source: GROUP, target: GROUP, progress: Progress | None = None) -> None:
    """Copy everything in a group, and its attributes, into another group.

    Raises
    ------
    NodeExistsError, NodeNameError, AttributeValueError, DTypeError
        As :func:`copy_node`; nothing was copied.
    """
    with both_locked(source.session, target.session):
        source.session.require_alive()
        target.session.require_unfrozen("copy nodes", target.path)
        _refuse_itself(source, target)
        copier = _Copier(source.session, target.session, progress, source)
        children = [(n, h) for n, h, _ in source.session.driver.scan(source.handle)]
        _refuse_occupied(target, [name for name, _ in children])
        with _all_or_nothing(target):
            for name, handle in children:
                copier.copy(handle, target.handle, name)
            attrs = copier.attributes(source.handle)
            for name in _OF_THE_FILE:
                attrs.pop(name, None)
            target.session.driver.write_attrs(target.handle, attrs)
        target.session.touch()


@contextlib.contextmanager
def _all_or_nothing(target: GROUP) -> Iterator[None]:
    """Remove what was copied into a group so far if it is not copied to the end."""
    driver = target.session.driver
    before = set(driver.child_names(target.handle))
    try:
        yield
    except BaseException:  # also where the user interrupts it, or `progress` does
        with contextlib.suppress(H5Error):
            for name in set(driver.child_names(target.handle)) - before:
                driver.remove(driver.child(target.handle, name))
        raise


def _refuse_itself(source: Node, target: GROUP) -> None:
    inside = f"{target.path}/".startswith(f"{source.path.rstrip('/')}/")
    if source.session is target.session and isinstance(source, GROUP) and inside:
        raise NodeNameError(
            "a group cannot be copied into itself",
            file=target.session.driver.location,
            node=source.path,
            found=target.path,
        )


def _refuse_occupied(target: GROUP, names: list[str]) -> None:
    for name in names:
        if target.session.driver.has_child(target.handle, name):
            raise NodeExistsError(
                f"a node {name!r} exists already",
                file=target.session.driver.location,
                node=target.path,
                remedy="Choose another name, or remove_node() the present one first.",
            )


def size_of(node: Node) -> int:
    """Return the bytes of all arrays at and below a node (ragged ones count by their rows)."""
    if isinstance(node, GROUP):
        return sum(size_of(child) for child in node.children().values())
    session = node.session
    with session.lock:
        session.settle(node.handle)
        return _nbytes(session.driver.spec(node.handle))


class _Copier:
    """Carries nodes from one open file to another, and tells how far it is."""

    def __init__(
        self, source: Session, target: Session, progress: Progress | None, top: Node
    ) -> None:
        self._source = source
        self._from = source.driver
        self._target = target
        self._to = target.driver
        self._progress = progress
        self._total = size_of(top) if progress else 0
        self._done = 0
        self._has_raw = Capability.RAW_NAMES in self._from.capabilities
        self._check(top.handle)

    def _check(self, handle: Handle) -> None:
        """Make sure that the target can hold everything, before anything is written."""
        if self._has_raw:
            self._check_attribute_names(handle)
        kind = self._from.kind(handle)
        if kind is NodeKind.GROUP:
            for name, child, _ in list(self._from.scan(handle)):
                if not is_utf8(name):
                    raise self._not_written(name, self._from.path(child))
                self._check(child)
            return
        spec = self._from.spec(handle)
        try:
            if spec.dtype.hasobject and kind is not NodeKind.VLARRAY:
                spec = self._as_text(handle, spec)[0]
            type(self._to).check_dtype(spec.dtype, kind)
        except DTypeError as exc:
            exc.node, exc.file = self._from.path(handle), self._from.location
            raise

    def _check_attribute_names(self, handle: Handle) -> None:
        for name in self._from.attr_names(handle):
            if not is_utf8(name):
                raise AttributeValueError(
                    "this attribute's name is not UTF-8, and is not written into another file",
                    file=self._from.location,
                    node=readable(self._from.path(handle)),
                    found=repr(name),
                    remedy="Store the attribute by another name first.",
                )

    def _not_written(self, name: str, path: str) -> NodeNameError:
        """Return the error for a name that not every library can read: PyTables dies of it."""
        return NodeNameError(
            "this name is not UTF-8, and is not written into another file",
            file=self._from.location,
            node=readable(path),
            found=repr(name),
            remedy="Give the node another name first: move_node().",
        )

    def attributes(self, handle: Handle) -> dict[str, Stored]:
        """Return the attributes of a node as the target can hold them."""
        found = self._from.read_attrs(handle)
        if not self._has_raw or Capability.RAW_NAMES in self._to.capabilities:
            return found
        return {name: _reworded(name, value) for name, value in found.items()}

    def copy(self, handle: Handle, parent: Handle, name: str) -> Handle:
        """Copy one node, with everything below it, and return the copy's handle."""
        self._source.settle(handle)
        self._target.require_room(_HEADER_BYTES, kept=True)
        kind = self._from.kind(handle)
        attrs = self.attributes(handle)
        if kind is NodeKind.GROUP:
            group = self._to.create_group(parent, name, attrs)
            for child, child_handle, _ in list(self._from.scan(handle)):
                self.copy(child_handle, group, child)
            return group
        spec = _adapted(self._from.spec(handle), self._target)
        if spec.dtype.hasobject and kind is not NodeKind.VLARRAY:
            spec, texts, own = self._as_text(handle, spec)
            copy = self._to.create_array(parent, name, spec, texts, attrs | own)
            self._count(texts.nbytes)
            return copy
        if "shape" in attrs and kind is not NodeKind.CARRAY:
            attrs["shape"] = self._target.encoded_shape(spec.shape, grows=True)
        if kind is NodeKind.CARRAY and _nbytes(spec) <= BLOCK_BYTES:
            data = np.asarray(self._from.read(handle, _full(spec.shape)), spec.dtype)
            self._target.require_room(data.nbytes)
            copy = self._to.create_array(parent, name, spec, data, attrs)
            self._count(data.nbytes)
            return copy
        empty = spec if kind is NodeKind.CARRAY else replace(spec, shape=(0, *spec.shape[1:]))
        copy = self._to.create_array(parent, name, empty, None, attrs)
        match kind:
            case NodeKind.CARRAY:
                self._copy_fixed(handle, copy, spec)
            case NodeKind.EARRAY:
                self._copy_growing(handle, copy, spec)
            case NodeKind.VLARRAY:
                self._copy_ragged(handle, copy, spec)
        return copy

    def _as_text(
        self, handle: Handle, spec: ArraySpec
    ) -> tuple[ArraySpec, NDArray[Any], dict[str, Stored]]:
        """Give text of variable length, which other programs write, the width of the longest."""
        values = np.asarray(self._from.read(handle, _full(spec.shape)))
        if not all(isinstance(item, str) for item in values.flat):
            raise DTypeError("arrays cannot hold Python objects", found=spec.dtype)
        texts = values.astype(np.str_)
        storage = Storage.of(texts.dtype)
        stored = np.asarray(storage.to_stored(texts), order="C")
        chunks = spec.chunks and block_chunks(spec.shape, stored.dtype.itemsize)
        spec = replace(spec, kind=NodeKind.CARRAY, dtype=stored.dtype, chunks=chunks, fill=None)
        return spec, stored, encoded(storage.attrs)

    def _copy_fixed(self, handle: Handle, copy: Handle, spec: ArraySpec) -> None:
        for box in boxes(spec.shape, spec.dtype.itemsize, spec.chunks):
            block = np.asarray(self._from.read(handle, box), spec.dtype)
            self._target.require_room(block.nbytes)
            self._to.write(copy, box, block)
            self._count(block.nbytes)

    def _copy_growing(self, handle: Handle, copy: Handle, spec: ArraySpec) -> None:
        if 0 in spec.shape[1:]:
            self._to.resize(copy, spec.shape[0])
            return
        appender = self._to.appender(copy)
        rows_at_once = (spec.chunks[0] if spec.chunks else 1, *spec.shape[1:])
        for box in boxes(spec.shape, spec.dtype.itemsize, rows_at_once):
            rows = np.ascontiguousarray(self._from.read(handle, box), spec.dtype)
            self._target.require_room(rows.nbytes)
            appender.append(box[0].start, rows)
            self._count(rows.nbytes)

    def _copy_ragged(self, handle: Handle, copy: Handle, spec: ArraySpec) -> None:
        length = spec.shape[0]
        for start in range(0, length, _RAGGED_ROWS):
            stop = min(start + _RAGGED_ROWS, length)
            rows = self._from.read_ragged(handle, start, stop)
            self._target.require_room(sum(row.nbytes + 16 for row in rows), kept=True)
            self._to.append_ragged(copy, rows)
            self._count((stop - start) * spec.dtype.itemsize)

    def _count(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)


def _reworded(name: str, value: Stored) -> Stored:
    """Return text that is not UTF-8 in the form in which this package writes such."""
    texts = value.flat if isinstance(value, np.ndarray) and value.dtype.kind == "U" else [value]
    if all(is_utf8(text) for text in texts if isinstance(text, str)):
        return value
    return codec.encode(name, value)


def _adapted(spec: ArraySpec, target: Session) -> ArraySpec:
    """Replace what the target driver cannot do: its codecs, a missing chunk shape."""
    # Libraries hang notes on types that others do not understand.
    dtype = spec.dtype if spec.dtype.hasobject else packed(spec.dtype)
    chunks = spec.chunks
    if chunks is not None and spec.kind is NodeKind.CARRAY:
        chunks = tuple(map(min, chunks, spec.shape)) if 0 not in spec.shape else None
    available = type(target.driver).codecs()
    wanted = spec.filters
    codec = wanted.codec
    if codec is not None and codec not in available:
        codec = "gzip" if "gzip" in available else None
    filters = Filters(
        codec,
        wanted.level if codec == wanted.codec else None,
        wanted.shuffle and "shuffle" in available,
        wanted.fletcher32 and "fletcher32" in available,
    )
    return replace(spec, dtype=dtype, chunks=chunks, filters=filters if chunks else Filters())


def _nbytes(spec: ArraySpec) -> int:
    return spec.dtype.itemsize * math.prod(spec.shape)


def _full(shape: tuple[int, ...]) -> Box:
    return tuple(slice(0, n, 1) for n in shape)
