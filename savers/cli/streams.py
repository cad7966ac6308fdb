"""The growing arrays of a file, read in step and in blocks of bounded size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from h5backends.backend import H5Backend
from h5backends.errors import NodeKindError
from h5backends.nodes import EARRAY, VLARRAY, Node
from savers import layout

__all__ = ["Batch", "Stream", "StreamGroup", "find_streams", "has_streams"]

_BLOCK_ROWS = 1024
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Stream:
    """One growing array.

    Parameters
    ----------
    node : EARRAY
        The array.
    name, group, units : str
        Its name, the path of its group, and its unit.
    labels : tuple of str
        What each element of a row is.
    start : str or None
        For times: the moment they count from.
    """

    node: EARRAY
    name: str
    group: str
    units: str
    labels: tuple[str, ...]
    start: str | None

    @classmethod
    def of(cls, node: EARRAY) -> Stream:
        """Describe an array."""
        attrs = node.attrs.to_dict()
        group, _, name = node.path.rpartition("/")
        labels = attrs.get("labels", ())
        named = isinstance(labels, (list, tuple, np.ndarray))
        start = attrs.get("start")
        return cls(
            node,
            name,
            group or "/",
            str(attrs.get("units", "")),
            tuple(map(str, labels)) if named else (),
            start if isinstance(start, str) else None,
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.node.dtype.itemsize * math.prod(self.node.shape[1:])


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of the streams of one group.

    Parameters
    ----------
    streams : list of Stream
        The streams.
    first : int
        Index of the first row.
    rows : list of ndarray, each of shape (n or less, ...)
        The rows of each stream. After a crash a stream may have fewer than the others.
    """

    streams: list[Stream]
    first: int
    rows: list[NDArray[Any]]

    @property
    def count(self) -> int:
        """Number of rows."""
        return max(map(len, self.rows), default=0)


class StreamGroup:
    """The streams of one group.

    Parameters
    ----------
    streams : list of Stream
        At least one.

    Attributes
    ----------
    path : str
        The group.
    next : int
        Index of the first row not returned yet.
    """

    def __init__(self, streams: list[Stream]) -> None:
        # Times first: for the eye, and because they are written last, see `refresh`.
        self.streams = sorted(streams, key=lambda stream: stream.start is None)
        self.path = streams[0].group
        self.next = 0
        row_bytes = max(1, sum(stream.row_bytes for stream in streams))
        self._block = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // row_bytes))

    def refresh(self) -> None:
        """See what the writer flushed; the other streams only if the first has grown."""
        first, *others = self.streams
        first.node.refresh()
        if len(first.node) > self.next:
            for stream in others:
                stream.node.refresh()

    def length(self, final: bool) -> int:
        """Return how many rows all streams have; or, where no more come, any of them."""
        return (max if final else min)(len(stream.node) for stream in self.streams)

    def new(self, final: bool = False) -> Iterator[Batch]:
        """Iterate over the rows not returned yet.

        Parameters
        ----------
        final : bool
            Whether no more come, so that rows which some streams lack are returned too.
        """
        stop = self.length(final)
        while self.next < stop:
            upto = min(stop, self.next + self._block)
            rows = [np.asarray(stream.node[self.next : upto]) for stream in self.streams]
            batch = Batch(self.streams, self.next, rows)
            self.next = upto
            yield batch


def find_streams(h5: H5Backend, path: str) -> list[StreamGroup]:
    """Find the growing arrays at and below a place, by their groups.

    Raises
    ------
    NodeNotFoundError
        There is no such place.
    NodeKindError
        Nothing grows there.
    """
    groups: dict[str, list[Stream]] = {}
    for node in h5.walk_nodes(path):
        if _grows(node):
            stream = Stream.of(node)
            groups.setdefault(stream.group, []).append(stream)
    if not groups:
        raise NodeKindError(
            "there is no array of rows that could be followed",
            file=h5.filename,
            node=path,
            remedy="What there is shows the command: h5backends tree",
        )
    return [StreamGroup(streams) for streams in groups.values()]


def has_streams(h5: H5Backend) -> bool:
    """Tell whether anything grows in a file."""
    return any(_grows(node) for node in h5.walk_nodes("/"))


def _grows(node: Node) -> TypeGuard[EARRAY]:
    # Rows of variable length cannot be read while they are written.
    ragged = isinstance(node, VLARRAY)
    return isinstance(node, EARRAY) and not ragged and node.name != layout.LIVE_LOGGER
