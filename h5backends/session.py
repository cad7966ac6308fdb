"""One open file: its driver, its lock, the rows not yet written, and when they are.

Nodes hold a session and a handle. The session is what several threads share, what the flusher
thread looks after, what is closed at interpreter exit, and what refuses to work in a process that
was forked off.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from h5backends import codec, lifetime
from h5backends.block_buffer import BlockBuffer
from h5backends.buffer import RaggedBuffer, RowBuffer
from h5backends.drivers.base import Driver, SupportsFsync, SupportsSwmr
from h5backends.errors import FileClosedError, H5Error, ReadOnlyError, StructureFrozenError
from h5backends.file_text import is_of_bytes, is_utf8
from h5backends.flusher import Flusher
from h5backends.frame_buffer import FrameBuffer, are_frames
from h5backends.heartbeat import Heartbeat
from h5backends.packed_buffer import PackedFrameBuffer, PackedRowBuffer, queue_for
from h5backends.packing import Budget
from h5backends.policy import FlushPolicy
from h5backends.room import Room
from h5backends.storage import Storage
from h5backends.types import Capability, Handle, Stored

__all__ = ["Session"]

_log = logging.getLogger(__name__)

_ATTR_SECONDS = 1.0
"""Least time between two updates of the ``shape`` attributes while data flow."""
_LONGEST = 2**63 - 1


def _need_nothing(nbytes: int = 0, kept: bool = False) -> None:
    """Stand for `Room.require` where the file is read only, or its disk is not ours to watch."""


class Session:
    """One open file.

    Parameters
    ----------
    driver : Driver
        The file, opened.
    policy : FlushPolicy or None
        When rows are flushed; None for within a second, or within milliseconds while SWMR is on.

    Attributes
    ----------
    lock : RLock
        Hold it around everything that touches the driver.
    dirty : bool
        Whether something was written since the last flush.
    budget : Budget
        How much may wait to be compressed.
    require_room : callable
        Raises ``StorageError`` unless the disk has room: :meth:`Room.require`, without a detour,
        since each frame comes by.
    """

    def __init__(self, driver: Driver, policy: FlushPolicy | None = None) -> None:
        self.driver = driver
        self.lock = driver.lock
        self.writable = driver.mode != "r"
        self.dirty = False
        self.budget = Budget()
        self._given_policy = policy
        self.policy = policy or FlushPolicy()
        self._buffers: dict[Any, RowBuffer | RaggedBuffer | BlockBuffer] = {}
        self._storages: dict[Any, Storage] = {}
        self._swmr = False
        self._dead: str | None = None
        self._held = 0
        self._hold = _Hold(self)
        self._due = False
        self._last_flush = float("-inf")
        self._last_attrs = float("-inf")
        self._failure: H5Error | None = None
        self._flusher: Flusher | None = None
        self._heartbeat: Heartbeat | None = None
        local = self.writable and Capability.LOCAL in driver.capabilities
        self._room = Room(driver.location) if local else None
        self.require_room: Callable[..., None] = (
            self._room.require if self._room else _need_nothing
        )
        lifetime.enrol(self)

    # -- state ----------------------------------------------------------------------------------
    @property
    def is_open(self) -> bool:
        """Whether the file can be used."""
        return self._dead is None and self.driver.is_open

    @property
    def frozen(self) -> bool:
        """Whether this session writes in SWMR mode, where the structure is fixed."""
        return self._swmr

    def require_alive(self) -> None:
        """Raise ``FileClosedError`` unless the file can be used."""
        if self._dead is not None:
            raise FileClosedError(
                self._dead, file=self.driver.location, remedy="Open the file again."
            )

    def may_name(self, text: str) -> bool:
        """Tell whether a name or path is one that a node of this file may have."""
        if text.isascii() or is_utf8(text):
            return True
        return Capability.RAW_NAMES in self.driver.capabilities and is_of_bytes(text)

    def require_writing(self) -> None:
        """Raise if the file is closed, or the last flush failed and flushing fails again."""
        self.require_alive()
        if self._failure is not None:
            self.flush()

    def require_writable(self, node: str | None = None) -> None:
        """Raise unless the file is open for writing."""
        self.require_alive()
        if not self.writable:
            raise ReadOnlyError(
                "the file was opened for reading only",
                file=self.driver.location,
                node=node,
                remedy="Open it with mode='a' to change it.",
            )

    def require_unfrozen(self, to_do: str, node: str | None = None) -> None:
        """Raise unless the tree may change now."""
        self.require_writable(node)
        if self._swmr:
            raise StructureFrozenError(
                f"cannot {to_do} while SWMR is active: readers attached to the file would not "
                "see it, or fail",
                file=self.driver.location,
                node=node,
                remedy="Create every group, array and attribute before enable_swmr(), or call "
                "finalize_swmr(keep_open=True) first.",
            )

    def start_swmr(self) -> None:
        """Switch the driver to SWMR; flushes become frequent unless a policy was given."""
        with self.lock:
            self.flush()
            assert isinstance(self.driver, SupportsSwmr)
            self.driver.start_swmr()
            self._swmr = True
            if Capability.LOCAL in self.driver.capabilities:
                self._heartbeat = Heartbeat(self.driver.location)
                self._heartbeat.start()
            self.set_policy(self._given_policy or FlushPolicy.live())
            self._flusher = Flusher(self)  # also gives the sign of life while nothing is written

    def set_policy(self, policy: FlushPolicy) -> None:
        """Flush by another policy from now on."""
        with self.lock:
            self.policy = policy
            # The flusher may be in the middle of a long wait: the next write starts a new one.
            flusher, self._flusher = self._flusher, None
            if flusher is not None:
                flusher.stop(wait=False)
            self.flush()

    # -- rows on their way ----------------------------------------------------------------------
    def storage(self, handle: Handle) -> Storage:
        """Return how the type of an array is held, found once per array."""
        identity = self.driver.identity(handle)
        storage = self._storages.get(identity)
        if storage is None:
            stored = self.driver.spec(handle).dtype
            name = descr = None
            if stored.kind in "iSV" or stored == np.uint8:  # only these can stand for another type
                name = self._attr(handle, "dtype")
                descr = self._attr(handle, "dtype_descr")
            storage = self._storages[identity] = Storage.restore(stored, name, descr)
        return storage

    def _attr(self, handle: Handle, name: str) -> object:
        try:
            return codec.decode(name, self.driver.read_attr(handle, name))
        except KeyError:
            return None

    def rows(self, handle: Handle) -> RowBuffer:
        """Return the buffer of an ``EARRAY``, the same for every node that stands for it."""
        with self.lock:
            self.require_writable()
            identity = self.driver.identity(handle)
            buffer = self._buffers.get(identity)
            if not isinstance(buffer, RowBuffer):
                spec = self.driver.spec(handle)
                storage, queue = self.storage(handle), queue_for(self, handle, spec)
                large = are_frames(spec, storage)
                if queue is None:
                    buffer = (FrameBuffer if large else RowBuffer)(self, handle, spec, storage)
                elif large and spec.chunks and spec.chunks[0] == 1:
                    buffer = PackedFrameBuffer(self, handle, spec, storage, queue)
                else:
                    buffer = PackedRowBuffer(self, handle, spec, storage, queue)
                self._buffers[identity] = buffer
            return buffer

    def ragged(self, handle: Handle) -> RaggedBuffer:
        """Return the buffer of a ``VLARRAY``."""
        with self.lock:
            self.require_writable()
            identity = self.driver.identity(handle)
            buffer = self._buffers.get(identity)
            if not isinstance(buffer, RaggedBuffer):
                buffer = RaggedBuffer(self, handle, self.driver.shape(handle)[0])
                self._buffers[identity] = buffer
            return buffer

    def blocks(self, handle: Handle, rank: int, after: Sequence[BlockBuffer] = ()) -> BlockBuffer:
        """Return the buffer of a ``CARRAY`` that is written point by point.

        Parameters
        ----------
        handle : handle
            The array.
        rank : int
            How many of its axes are those of the points.
        after : sequence of BlockBuffer
            Buffers that are always written before this one.
        """
        with self.lock:
            self.require_writable()
            identity = self.driver.identity(handle)
            buffer = self._buffers.get(identity)
            if not isinstance(buffer, BlockBuffer) or len(buffer.scan_shape) != rank:
                made = BlockBuffer(self, handle, rank, self.storage(handle), after)
                if buffer is not None:
                    buffer.drain()
                    buffer.detach()
                buffer = self._buffers[identity] = made
            return buffer

    def pending(self, handle: Handle) -> RowBuffer | RaggedBuffer | BlockBuffer | None:
        """Return the buffer of an array if it has one."""
        if not self._buffers:
            return None
        return self._buffers.get(self.driver.identity(handle))

    def settle(self, handle: Handle) -> None:
        """Write what is buffered for one array, so that a read sees it; the lock is held."""
        self.require_alive()
        buffer = self.pending(handle)
        if buffer is not None:
            buffer.drain()

    def forget(self, path: str) -> None:
        """Write and let go of the buffers at and below a path, before it moves or is removed."""
        prefix = path.rstrip("/") + "/"
        for identity, buffer in list(self._buffers.items()):
            if buffer.path == path or buffer.path.startswith(prefix):
                buffer.drain()
                buffer.detach()
                del self._buffers[identity]
        self._storages.clear()

    # -- flushing -------------------------------------------------------------------------------
    def touch(self, due: bool = False) -> None:
        """Take note of a write, and flush if its time has come; the lock is held.

        What was written is safe in memory, so a failure here is not the caller's: it is kept,
        and raised by the next append, flush or close unless writing works again by then.

        Parameters
        ----------
        due : bool
            Whether the policy's rows or bytes are reached.
        """
        self.dirty = True
        self._due = self._due or due
        if self._held:
            return
        seconds = self.policy.seconds
        if self._due or (seconds is not None and time.monotonic() - self._last_flush >= seconds):
            try:
                self.flush()
            except H5Error as exc:
                _log.warning("%s: cannot flush, will try again: %s", self.driver.location, exc)
        elif seconds is not None:
            if self._flusher is None:
                self._flusher = Flusher(self)
            self._flusher.wake()

    def hold(self) -> _Hold:
        """Keep a group of writes together: no flush comes between them.

        Used by the savers, so that all signals of a point become visible at once.
        """
        return self._hold

    def drain(self) -> None:
        """Write all buffered rows into the file; the lock is held."""
        for buffer in self._buffers.values():
            buffer.drain()

    def flush(self) -> None:
        """Write all buffered rows and hand the file to the operating system or the server.

        When this returns, the rows survive the death of this program; with
        ``FlushPolicy(fsync=True)`` that of the machine too.
        """
        with self.lock:
            self.require_alive()
            if not self.writable:
                return
            try:
                self._flush()
            except H5Error as exc:
                self._failure = exc
                for buffer in self._buffers.values():
                    buffer.obstruct()
                raise
            self._failure = None
            self.dirty = self._due = False
            self._last_flush = time.monotonic()
            if self._room is not None:
                self._room.flushed()
            for buffer in self._buffers.values():
                buffer.flushed()

    def _flush(self) -> None:
        self.drain()
        if self.dirty:
            self.require_room()
        now = time.monotonic()
        if (
            not self._swmr
            and now - self._last_attrs >= _ATTR_SECONDS
            and Capability.LOCAL in self.driver.capabilities
        ):
            self.write_lengths()
            self._last_attrs = now
        if self.policy.fsync and isinstance(self.driver, SupportsFsync):
            self.driver.fsync()
        else:
            self.driver.flush()

    def write_lengths(self) -> None:
        """Bring the ``shape`` attributes up to date with the arrays; the lock is held."""
        for buffer in self._buffers.values():
            length = buffer.stale_length
            if length is None:
                continue
            self.write_length(buffer.handle, length)
            buffer.note_length()

    def write_length(self, handle: Handle, length: int) -> None:
        """Bring the ``shape`` attribute of a growing array up to date; the lock is held."""
        row_shape = self.driver.shape(handle)[1:]
        shape = self.encoded_shape((length, *row_shape), grows=True)
        if not self._swmr:
            self.driver.write_attr(handle, "shape", shape)
        elif isinstance(self.driver, SupportsSwmr):
            # In a file made elsewhere the attribute has no room to grow: the array counts.
            self.driver.overwrite_attr(handle, "shape", shape)

    def encoded_shape(self, shape: tuple[int, ...], grows: bool) -> Stored:
        """Return the ``shape`` attribute in stored form.

        That of a growing array has a fixed width where the driver can do SWMR, so that it can be
        brought up to date while readers are attached.
        """
        text = codec.encode("shape", shape)
        if grows and Capability.SWMR_WRITE in self.driver.capabilities:
            widest = codec.encode("shape", (_LONGEST, *shape[1:]))
            return np.bytes_(str(text).ljust(len(str(widest))).encode())
        return text

    def beat(self) -> float | None:
        """Give readers a sign of life if one is due; return the seconds between two, if any."""
        if self._heartbeat is None:
            return None
        self._heartbeat.beat()
        return self._heartbeat.interval

    # -- the end --------------------------------------------------------------------------------
    def close(self) -> None:
        """Write everything and close the file; a second call does nothing.

        Raises
        ------
        StorageError
            Rows could not be written. The file stays open and the rows in memory, so that
            closing again after space was freed saves them.
        """
        with self.lock:
            if self._dead is not None:
                return
            if self.driver.is_open:
                if self.writable:
                    self.drain()
                    if self.dirty:
                        self.require_room()
                    self.write_lengths()
                    if self._swmr and isinstance(self.driver, SupportsSwmr):
                        root = self.driver.root()
                        self.driver.overwrite_attr(root, "swmr_active", np.bool_(False))
                    # A library that fails in the middle of closing leaves nothing to try again
                    # with: what can fail must fail before.
                    self.driver.flush()
                self.driver.close()
            if self._heartbeat is not None:
                self._heartbeat.stop()
            self._die("the file is closed")
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.stop()

    def _die(self, why: str) -> None:
        self._dead = why
        self.dirty = False
        for buffer in self._buffers.values():
            buffer.detach()
        self._buffers.clear()
        lifetime.release(self)

    def abandon(self) -> None:
        """Make this copy of the session useless in a process that was forked off."""
        self.lock.release()  # taken before the fork
        with contextlib.suppress(OSError, H5Error):
            self.driver.abandon()
        self._flusher = None
        self._die("the file belongs to the parent process; HDF5 handles do not survive a fork")


class _Hold:
    """The context of :meth:`Session.hold`; one for each session, since it is entered per point."""

    __slots__ = ("_lock", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = session.lock

    def __enter__(self) -> None:
        self._lock.acquire()
        self._session._held += 1

    def __exit__(self, *error: object) -> None:
        session = self._session
        try:
            session._held -= 1
            if session.dirty and not session._held:
                session.touch()
        finally:
            self._lock.release()
