"""Copy nodes between files and drivers, block by block, with their attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from h5backends.creation import check_name
from h5backends.errors import NodeExistsError
from h5backends.nodes import GROUP, Node, make_node
from h5backends.session import Session
from h5backends.types import ArraySpec, Box, Filters, Handle, NodeKind

__all__ = ["Progress", "copy_content", "copy_node", "size_of"]

Progress = Callable[[int, int], None]
"""Called with the bytes copied so far and the bytes in all."""

_BLOCK_BYTES = 8 * 1024 * 1024
_RAGGED_ROWS = 1000


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
    """
    target = parent.session
    with source.session.lock, target.lock:
        target.require_unfrozen(f"create {name!r}", parent.path)
        check_name(name, parent.path, target.driver.location)
        if target.driver.has_child(parent.handle, name):
            raise NodeExistsError(
                f"a node {name!r} exists already", file=target.driver.location, node=parent.path
            )
        count = _Count(progress, size_of(source) if progress else 0)
        handle = _copy(source.session, source.handle, target, parent.handle, name, count)
        target.touch()
        return make_node(target, handle)


def copy_content(source: GROUP, target: GROUP, progress: Progress | None = None) -> None:
    """Copy everything in a group, and its attributes, into another group."""
    with source.session.lock, target.session.lock:
        target.session.require_unfrozen("copy nodes", target.path)
        count = _Count(progress, size_of(source) if progress else 0)
        attrs = source.session.driver.read_attrs(source.handle)
        target.session.driver.write_attrs(target.handle, attrs)
        for child, handle, _ in list(source.session.driver.scan(source.handle)):
            _copy(source.session, handle, target.session, target.handle, child, count)
        target.session.touch()


def size_of(node: Node) -> int:
    """Return the bytes of all arrays at and below a node (ragged ones count by their rows)."""
    if isinstance(node, GROUP):
        return sum(size_of(child) for child in node.children().values())
    driver = node.session.driver
    with node.session.lock:
        spec = driver.spec(node.handle)
        return spec.dtype.itemsize * math.prod(driver.shape(node.handle))


class _Count:
    """Bytes done and in all."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)


def _copy(
    source: Session, handle: Handle, target: Session, parent: Handle, name: str, count: _Count
) -> Handle:
    driver = source.driver
    source.settle(handle)
    attrs = driver.read_attrs(handle)
    kind = driver.kind(handle)
    if kind is NodeKind.GROUP:
        group = target.driver.create_group(parent, name, attrs)
        for child, child_handle, _ in list(driver.scan(handle)):
            _copy(source, child_handle, target, group, child, count)
        return group
    spec = _adapted(driver.spec(handle), target)
    type(target.driver).check_dtype(spec.dtype, kind)
    if kind is NodeKind.VLARRAY:
        return _copy_ragged(source, handle, target, parent, name, spec, attrs, count)
    if kind is NodeKind.EARRAY:
        return _copy_growing(source, handle, target, parent, name, spec, attrs, count)
    if spec.dtype.itemsize * math.prod(spec.shape) <= _BLOCK_BYTES:
        data = np.asarray(driver.read(handle, _full(spec.shape)))
        count.add(data.nbytes)
        return target.driver.create_array(parent, name, spec, data, attrs)
    copy = target.driver.create_array(parent, name, spec, None, attrs)
    for box in _boxes(spec):
        block = driver.read(handle, box)
        target.driver.write(copy, box, block)
        count.add(block.nbytes)
    return copy


def _copy_growing(
    source: Session,
    handle: Handle,
    target: Session,
    parent: Handle,
    name: str,
    spec: ArraySpec,
    attrs: Any,
    count: _Count,
) -> Handle:
    length = spec.shape[0]
    empty = replace(spec, shape=(0, *spec.shape[1:]))
    copy = target.driver.create_array(parent, name, empty, None, attrs)
    if length and 0 not in spec.shape[1:]:
        appender = target.driver.appender(copy)
        for box in _boxes(spec):
            rows = np.ascontiguousarray(source.driver.read(handle, box))
            appender.append(box[0].start, rows)
            count.add(rows.nbytes)
    elif length:
        target.driver.resize(copy, length)
    return copy


def _copy_ragged(
    source: Session,
    handle: Handle,
    target: Session,
    parent: Handle,
    name: str,
    spec: ArraySpec,
    attrs: Any,
    count: _Count,
) -> Handle:
    copy = target.driver.create_array(parent, name, replace(spec, shape=(0,)), None, attrs)
    for start in range(0, spec.shape[0], _RAGGED_ROWS):
        stop = min(start + _RAGGED_ROWS, spec.shape[0])
        target.driver.append_ragged(copy, source.driver.read_ragged(handle, start, stop))
        count.add((stop - start) * spec.dtype.itemsize)
    return copy


def _adapted(spec: ArraySpec, target: Session) -> ArraySpec:
    """Replace what the target driver cannot do: its codecs, a missing chunk shape."""
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
    return replace(spec, filters=filters)


def _full(shape: tuple[int, ...]) -> Box:
    return tuple(slice(0, n, 1) for n in shape)


def _boxes(spec: ArraySpec) -> Iterator[Box]:
    """Cut an array along axis 0 into blocks of a few MiB, whole chunks where it has some."""
    row_bytes = max(1, spec.dtype.itemsize * math.prod(spec.shape[1:]))
    rows = max(1, _BLOCK_BYTES // row_bytes)
    if spec.chunks:
        rows = max(spec.chunks[0], rows // spec.chunks[0] * spec.chunks[0])
    tail = _full(spec.shape[1:])
    for start in range(0, spec.shape[0], rows):
        yield (slice(start, min(start + rows, spec.shape[0]), 1), *tail)
