"""Points on their way into an array of fixed extent: collected in memory, written block by block.

A scan writes one point at a time into an array that exists as a whole from the start. The points
of one chunk are collected and written when the scan leaves it, when the array is read, and when
the file is flushed. Only points that were put are ever written, so what the file holds of the
others stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import SupportsDirectChunk, no_filters
from h5backends.errors import ShapeError
from h5backends.types import Box, Capability, Handle

if TYPE_CHECKING:
    from h5backends.session import Session
    from h5backends.storage import Storage

__all__ = ["BlockBuffer", "point_chunks", "put_together"]

_CHUNK_BYTES = 256 * 1024
"""Target of a chunk: few writes for a scan that visits neighbours, little to read for a look."""
_MOST_BOXES = 16
"""Scattered points of one block are written one by one up to here, from there on as a whole."""


def point_chunks(
    scan_shape: Sequence[int], point_shape: Sequence[int], itemsize: int
) -> tuple[int, ...]:
    """Choose chunks for an array that is written point by point and read as images.

    Whole points, as many neighbours along the last scan axes as make about 256 KiB; a point beyond
    that is one chunk.

    Parameters
    ----------
    scan_shape, point_shape : sequence of int
        Together the shape of the array.
    itemsize : int
        Bytes of one element.

    Returns
    -------
    tuple of int
        One length for each axis.
    """
    budget = max(1, _CHUNK_BYTES // max(1, itemsize * math.prod(point_shape)))
    chunks = [1] * len(scan_shape)
    for axis in range(len(scan_shape) - 1, -1, -1):
        length = max(1, scan_shape[axis])
        if length > budget:
            # Parts of equal length: no sliver at the end of every line.
            chunks[axis] = math.ceil(length / math.ceil(length / budget))
            break
        chunks[axis] = length
        budget //= length
    return (*chunks, *(max(1, n) for n in point_shape))


class BlockBuffer:
    """Collects the points of one ``CARRAY``.

    Parameters
    ----------
    session : Session
        The open file; its lock guards this buffer and is held around every call.
    handle : handle
        The array, in the driver's terms.
    rank : int
        How many of its axes are those of the scan; the others are those of a point.
    storage : Storage
        How its type is held in the file.
    after : sequence of BlockBuffer
        Buffers that are always written before this one.

    Raises
    ------
    ShapeError
        The array has fewer axes.
    """

    __slots__ = (
        "_block",
        "_direct",
        "_due",
        "_gate",
        "_inner",
        "_line",
        "_mask",
        "_points",
        "_refused",
        "_session",
        "_shape_held",
        "_since",
        "_size",
        "_start",
        "_storage",
        "_zeros",
        "after",
        "detached",
        "handle",
        "path",
        "point_shape",
        "scan_shape",
        "shape",
    )

    def __init__(
        self,
        session: Session,
        handle: Handle,
        rank: int,
        storage: Storage,
        after: Sequence[BlockBuffer] = (),
    ) -> None:
        driver = session.driver
        spec = driver.spec(handle)
        if not 0 < rank <= len(spec.shape):
            raise ShapeError(
                "the array has no axes for the points of a scan",
                node=driver.path(handle),
                expected=f"{rank} axes or more",
                found=f"shape {spec.shape}",
            )
        self._session = session
        self.handle = handle
        self.path = driver.path(handle)
        self.shape = spec.shape
        self.scan_shape, self.point_shape = spec.shape[:rank], spec.shape[rank:]
        self._storage = storage
        self.after = tuple(after)
        wanted = point_chunks(self.scan_shape, self.point_shape, storage.dtype.itemsize)
        self._block = wanted[:rank]
        # The one axis of which a block is a part; before it single lines, behind it whole ones.
        self._line = next((n for n, c in enumerate(self._block) if c > 1), rank - 1)
        self._inner = math.prod(self.scan_shape[self._line + 1 :])
        self._direct = (
            spec.chunks == wanted
            and no_filters(spec)
            and storage.plain
            and Capability.DIRECT_CHUNK in driver.capabilities
        )
        # A single value has an axis here, since numpy takes values of either shape for it.
        self._shape_held = self.point_shape or (1,)
        self._zeros = (0,) * len(self.point_shape)
        self._points = np.empty((0, *self._shape_held), storage.dtype)
        self._mask = bytearray()
        self._start = 0  # number of the first point of the block, as numpy.ravel counts
        self._size = 0  # points of the block
        self._gate = 0  # the same, or 0 where the next point needs a closer look
        self._since = 0  # points since the last flush
        self._due = self._find_due()
        self._refused = False  # whether the latest write failed
        self.detached = False

    def seek(self, number: int) -> None:
        """Make room for a point.

        Parameters
        ----------
        number : int
            Of the point, as ``numpy.ravel_multi_index`` counts them; inside the scan.

        Raises
        ------
        StorageError, RemoteError
            Points collected before could not be written. They are kept.
        """
        self._session.require_writing()
        self.drain()
        line, block = self._line, self._block[self._line]
        step = number // self._inner  # lines before this point, over all earlier axes
        along = step % self.scan_shape[line]
        base = along - along % block
        self._start = (step - along % block) * self._inner
        self._size = self._gate = min(block, self.scan_shape[line] - base) * self._inner
        if not len(self._points):
            room = block * self._inner
            self._points = np.empty((room, *self._shape_held), self._storage.dtype)
            self._mask = bytearray(room)

    def drain(self) -> None:
        """Write the collected points into the file."""
        size = self._size
        count = self._mask.count(1, 0, size)
        if not count:
            return
        if self.after:
            for buffer in self.after:
                buffer.drain()
            if self._session.frozen:
                # Readers see overwritten elements at once, new chunks only after a flush: what
                # comes after them must wait for that.
                self._session.driver.flush()
        self._session.require_room(self._points.nbytes)
        driver = self._session.driver
        if self._refused:
            self._look_elsewhere()
        self._refused = True  # until it turns out otherwise
        if count == size == len(self._points) and self._direct:
            offset = (*self._origin(), *self._zeros)
            # The libraries take any memory; the protocol speaks of bytes.
            cast(SupportsDirectChunk, driver).write_chunk(
                self.handle, offset, cast(bytes, self._points)
            )
        else:
            self._write_parts()
        self._refused = False
        # Only now: had the write failed, the points would still be here to be tried again.
        self._mask[:size] = bytes(size)  # zeros

    def flushed(self) -> None:
        """Take note of a flush."""
        self._since = 0
        self._due = self._find_due()

    def obstruct(self) -> None:
        """Have the next point find out whether writing works again."""
        self._gate = 0

    def detach(self) -> None:
        """Stop taking points: the file is closed, or the array is gone or has moved."""
        self._gate = self._size = 0
        self.detached = True

    @property
    def stale_length(self) -> int | None:
        """The length that the ``shape`` attribute should tell: it never changes."""
        return None

    def note_length(self) -> None:
        """Take note that the ``shape`` attribute is up to date; nothing to do here."""

    def _look_elsewhere(self) -> None:
        """Have HDF5 look up another chunk than the one that it could not write.

        It remembers the latest chunk it looked up, also where writing it failed before the chunk
        was entered into the index; writing it again would then go nowhere without an error.
        """
        last = tuple(n - 1 for n in self.shape)
        far = last if not self._start else (0,) * len(self.shape)
        if 0 not in self.shape:
            box = tuple(slice(n, n + 1, 1) for n in far)
            self._session.driver.read(self.handle, box)

    def _origin(self) -> tuple[int, ...]:
        rest, origin = self._start, []
        for length in reversed(self.scan_shape):
            rest, index = divmod(rest, length)
            origin.append(index)
        return tuple(reversed(origin))

    def _write_parts(self) -> None:
        """Write the points that were put, in as few pieces as their order allows."""
        line = self._line
        origin = self._origin()
        lines = self._size // self._inner
        inner = self.scan_shape[line + 1 :]
        mask = np.frombuffer(self._mask, bool, self._size).reshape(lines, *inner)
        points = self._points[: self._size].reshape(lines, *inner, *self.point_shape)
        boxes = list(_boxes(mask))
        shared = Capability.SHARED_WRITE in self._session.driver.capabilities
        if len(boxes) > _MOST_BOXES and not shared:
            boxes = [self._merge(mask, points, origin)]
        for box in boxes:
            self._write(box, origin, points[box])

    def _merge(
        self, mask: NDArray[np.bool_], points: NDArray[Any], origin: tuple[int, ...]
    ) -> Box:
        """Complete the block with what the file holds, and return all of it as one box."""
        box = tuple(slice(0, n, 1) for n in mask.shape)
        present = self._session.driver.read(self.handle, self._in_file(box, origin))
        points[~mask] = self._storage.from_stored(present)[~mask]
        return box

    def _write(self, box: Box, origin: tuple[int, ...], values: NDArray[Any]) -> None:
        stored = np.ascontiguousarray(self._storage.to_stored(values))
        if not stored.size:
            return  # points without elements
        target = self._in_file(box, origin)
        shape = (*(1 for _ in origin[: self._line]), *values.shape)
        self._session.driver.write(self.handle, target, stored.reshape(shape))

    def _in_file(self, box: Box, origin: tuple[int, ...]) -> Box:
        """Return a box of the block as one of the array."""
        before = tuple(slice(n, n + 1, 1) for n in origin[: self._line])
        moved = tuple(
            slice(part.start + n, part.stop + n, 1)
            for part, n in zip(box, origin[self._line :], strict=True)
        )
        return (*before, *moved, *(slice(0, n, 1) for n in self.point_shape))

    def _find_due(self) -> int:
        """Return how many points the policy lets come before a flush."""
        policy = self._session.policy
        due = 2**62
        if policy.rows is not None:
            due = min(due, policy.rows)
        if policy.bytes is not None:
            point = max(1, self._storage.dtype.itemsize * math.prod(self.point_shape))
            due = min(due, -(-policy.bytes // point))
        return due


def put_together(
    session: Session, buffers: Sequence[BlockBuffer], values: Sequence[Any], number: int
) -> None:
    """Write one point of several arrays, all of it or nothing.

    Parameters
    ----------
    session : Session
        The open file.
    buffers : sequence of BlockBuffer
        Where to.
    values : sequence of ndarray, shape of a point (or ``(1,)`` for single values)
        What, checked already and of the types of the arrays; copied.
    number : int
        Which point, as ``numpy.ravel_multi_index`` counts them; inside the scan.

    Raises
    ------
    StorageError, RemoteError
        Earlier points could not be written; they are kept, and none of this one was taken.
    """
    with session.hold():
        # Whatever can fail comes first.
        for buffer in buffers:
            if not 0 <= number - buffer._start < buffer._gate:
                buffer.seek(number)
        due = not session.dirty
        for buffer, value in zip(buffers, values, strict=True):
            place = number - buffer._start
            buffer._points[place] = value
            buffer._mask[place] = 1
            buffer._since = since = buffer._since + 1
            if since >= buffer._due:
                due = True
        if due:
            session.touch(due=any(b._since >= b._due for b in buffers))


def _boxes(mask: NDArray[np.bool_]) -> Iterator[Box]:
    """Cover the marked elements of a mask, and no others, with boxes."""
    if mask.all():
        yield tuple(slice(0, n, 1) for n in mask.shape)
        return
    full: NDArray[np.bool_] = np.all(mask.reshape(len(mask), -1), axis=1)
    for start, stop in _runs(full):
        yield (slice(start, stop, 1), *(slice(0, n, 1) for n in mask.shape[1:]))
    if mask.ndim > 1:
        partly = mask.reshape(len(mask), -1).any(axis=1) & ~full
        for line in np.flatnonzero(partly):
            for box in _boxes(mask[line]):
                yield (slice(int(line), int(line) + 1, 1), *box)


def _runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and stop of each run of marked elements."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
