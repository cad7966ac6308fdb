"""Appending rows that are too large to be collected: each is written as it comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends.buffer import RowBuffer
from h5backends.drivers.base import FrameAppender
from h5backends.storage import Storage
from h5backends.types import ArraySpec, Handle

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["FrameBuffer", "are_frames"]

_LEAST_BYTES = 64 * 1024
"""Rows from this size on gain nothing from being collected."""


def are_frames(spec: ArraySpec, storage: Storage) -> bool:
    """Tell whether the rows of an array are large.

    Parameters
    ----------
    spec : ArraySpec
        The array.
    storage : Storage
        How its type is held.
    """
    return storage.dtype.itemsize * int(np.prod(spec.shape[1:])) >= _LEAST_BYTES


class FrameBuffer(RowBuffer):
    """Passes on the rows of one ``EARRAY``, and counts those since the last flush.

    Parameters
    ----------
    session, handle, spec, storage
        See :class:`RowBuffer`.
    """

    __slots__ = ("_append_frame", "_require_room")

    def __init__(
        self, session: Session, handle: Handle, spec: ArraySpec, storage: Storage
    ) -> None:
        super().__init__(session, handle, spec, storage)
        self._require_room = session.require_room
        appender = self._appender
        self._append_frame = (
            appender.append_frame if isinstance(appender, FrameAppender) else self._append_as_block
        )

    def append(self, value: ArrayLike, expand: bool = True) -> None:
        """Append one row or a block of rows; see :meth:`RowBuffer.append`."""
        # While a frame is copied, the processor forgets everything else: what is called here
        # comes from memory again each time. So few things are.
        if (
            type(value) is not np.ndarray
            or value.dtype != self._dtype
            or value.shape != self._row_shape
            or not value.flags.c_contiguous
        ):
            self._append_block(self._block_of(value, expand))
            return
        with self._lock:
            if not self._room:
                self._append_block(value[np.newaxis])
                return
            session, base = self._session, self._base
            self._require_room(self._row_bytes, self._packed)
            try:
                self._append_frame(base, value)
            except BaseException as exc:
                self._undo(exc)
                raise
            self._base = base + 1  # no call in between, at whose end an interrupt could come
            self._since += 1
            self._due = due = self._due - 1
            if due <= 0 or not session.dirty:
                session.touch(due=due <= 0)

    def _append_as_block(self, base: int, frame: NDArray[Any]) -> None:
        self._appender.append(base, frame[np.newaxis])

    def _append_block(self, block: NDArray[Any]) -> None:
        with self._lock:
            if not self._room:
                self._require_taking()
            self._write_through(block)
            session = self._session
            if self._due <= 0 or not session.dirty:
                session.touch(due=self._due <= 0)

    def _set_marks(self) -> None:
        # None is ever kept back, and so none is due before the policy says so.
        self._room = int(self._plain)  # else each has to be converted first
        self._due = self._rows_due(sys.maxsize)
