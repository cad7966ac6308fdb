"""One file that is looked at: opened as its writer's state allows, again whenever that changes.

Viewers share one source for a file, for HDF5 cannot refresh an array that is open twice in one
process. Nothing here ever waits for a writer or stands in its way: a file that nobody writes is
opened without a lock, and let go as soon as a writer's mark appears on it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from h5backends.drivers import registry
from h5backends.errors import FileBusyError, FileError, FileMissingError, H5Error, RemoteError
from h5backends.heartbeat import WriterState, WriterWatch, read_heartbeat
from h5backends.nodes import CARRAY
from h5backends.superblock import FileState, file_state
from h5backends.types import Capability
from savers.low_level import H5SaverLowLevel
from savers.marks import DONE_MARK, MarkWatch

__all__ = ["Address", "Source", "Standing"]

_log = logging.getLogger(__name__)

_ASK = 0.25
"""Seconds between two questions after the writer; more where an answer takes long."""
_RETRY = 0.5
"""Seconds after which a file that could not be opened is tried again."""
_BIRTH = 1.0
"""Seconds that a file may look unfinished, as while it is created, before that is an error."""
_OPENABLE = {FileState.CLOSED, FileState.SWMR_WRITING, FileState.WRITING, FileState.OVERHANG}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is, and how to get to it.

    Parameters
    ----------
    location : str
        Absolute path, or domain on a server.
    backend : str
        Name of the driver.
    options : dict
        What the driver needs beside the location.
    """

    location: str
    backend: str = "h5py"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name without the way to it."""
        return self.location.replace(os.sep, "/").rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a file stands.

    Parameters
    ----------
    writer : WriterState
        What its writer does.
    who : str
        Which program that is, where it is known.
    trouble : str
        Why the file cannot be read at present; empty while it can.
    remedy : str
        What can be done about that.
    opened : int
        Counts how often the file was opened anew: nodes from before are not to be used any more.
    """

    writer: WriterState = WriterState.UNKNOWN
    who: str = ""
    trouble: str = ""
    remedy: str = ""
    opened: int = 0

    @property
    def live(self) -> bool:
        """Whether more may come."""
        return self.writer in {WriterState.WRITING, WriterState.STALLED, WriterState.UNKNOWN}


class Source:
    """A file that is looked at, by one viewer or by several.

    Parameters
    ----------
    address : Address
        The file.

    Attributes
    ----------
    lock : RLock
        Held around everything that touches the file.
    standing : Standing
        How the file stood at the last look.
    version : int
        Counts looks at which the file may have changed.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.lock = threading.RLock()
        self.standing = Standing()
        self.version = 0
        self._h5: H5SaverLowLevel | None = None
        self._swmr = False
        self._driver = registry.load(address.backend)
        self._remote = Capability.REMOTE in self._driver.capabilities
        self._watch: WriterWatch | MarkWatch | None = None
        self._identity: object = None
        self._signature: object = None
        self._unsettled = False
        self._ask = self._retry = float("-inf")
        self._unborn: float | None = None
        self._marked = False

    @property
    def h5(self) -> H5SaverLowLevel | None:
        """The open file; None while it cannot be read. Hold :attr:`lock` to use it."""
        return self._h5

    @property
    def remote(self) -> bool:
        """Whether it is on a server."""
        return self._remote

    def refresh(self, node: CARRAY) -> None:
        """Bring an array up to date, where another program may be writing it."""
        if self._swmr or self._remote:
            node.refresh()

    def close(self) -> None:
        """Let the file go; a later look opens it again."""
        with self.lock:
            h5, self._h5 = self._h5, None
            self._watch = None
            if h5 is not None:
                h5.close_file()

    def look(self) -> Standing:
        """Find out how the file stands, and open it anew where that is called for.

        Never raises for what may happen to a file: that is in :attr:`Standing.trouble`.
        """
        with self.lock:
            try:
                if self._remote:
                    self._look_remote()
                else:
                    self._look_local()
            except (H5Error, OSError) as exc:
                self.give_up(exc)
            return self.standing

    def give_up(self, exc: H5Error | OSError) -> None:
        """Take note that the file could not be read; the next look in a moment tries again."""
        with self.lock:
            _log.info("%s: %s", self.address.location, exc)
            self._retry = time.monotonic() + _RETRY
            try:
                self.close()
            except H5Error as closing:
                _log.info("%s: %s", self.address.location, closing)
            what, remedy = _words(exc)
            self.standing = replace(self.standing, trouble=what, remedy=remedy)

    # -- local files ----------------------------------------------------------------------------
    def _look_local(self) -> None:
        path = self.address.location
        try:
            status = os.stat(path)
        except FileNotFoundError:
            self._lost()
            return
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            self.close()
            self._identity, self._retry = identity, float("-inf")
        signature = (status.st_mtime_ns, status.st_size)
        changed = signature != self._signature
        if changed or self._unsettled:
            self.version += 1
        # Once more after a change: a second one in the same tick of the clock looks like it.
        self._signature, self._unsettled = signature, changed
        state = file_state(path)
        if state not in _OPENABLE:
            self._wait_for_birth(state)
            return
        self._unborn = None
        self._ask_local()
        swmr = state is FileState.SWMR_WRITING and self.standing.writer is not WriterState.CRASHED
        held = state is FileState.WRITING and self.standing.writer is not WriterState.CRASHED
        # A file that nobody should be writing and that changed was written by somebody after all.
        stale = changed and not self._swmr
        if self._h5 is not None and (swmr is not self._swmr or held or stale):
            self.close()
        if self._h5 is None and time.monotonic() >= self._retry:
            self._open(swmr)

    def _lost(self) -> None:
        if self._identity is None:
            raise FileMissingError("there is no such file", file=self.address.location)
        self.close()
        self.standing = replace(
            self.standing,
            writer=WriterState.UNKNOWN,
            who="",
            trouble="the file is gone: deleted, moved or renamed",
            remedy="What is shown was read before. It goes on when a file of this name appears.",
        )

    def _wait_for_birth(self, state: FileState) -> None:
        """Be patient with a file that has no complete header yet."""
        now = time.monotonic()
        self._unborn = self._unborn or now
        if now - self._unborn > _BIRTH and now >= self._retry:
            self._open(False)  # opening it says what is wrong

    def _ask_local(self) -> None:
        now = time.monotonic()
        if self._watch is None:
            self._watch, self._ask = WriterWatch(self.address.location), now
        if now < self._ask:
            return
        writer = self._watch.state()
        beat = read_heartbeat(self.address.location)
        self.standing = replace(
            self.standing, writer=writer, who="" if beat is None else str(beat)
        )
        # Looking for a process can take long, so it gets a small part of the time.
        self._ask = now + max(_ASK, 100 * (time.monotonic() - now))

    # -- servers --------------------------------------------------------------------------------
    def _look_remote(self) -> None:
        now = time.monotonic()
        if self._h5 is None:
            if now < self._retry:
                return
            self._open(True)
        assert self._h5 is not None
        if self._watch is None:
            self._watch, self._ask = MarkWatch(self._h5), now
            self._marked = DONE_MARK in self._h5.root().attrs.attrs_name
        if now >= self._ask:
            # A file without marks is one that another program may write, or nobody.
            writer = self._watch.state() if self._marked else WriterState.UNKNOWN
            self.standing = replace(self.standing, writer=writer)
            self._ask = time.monotonic() + _ASK
            self.version += 1

    def _open(self, swmr: bool) -> None:
        h5 = H5SaverLowLevel(backend=self.address.backend)
        options = dict(self.address.options)
        can_follow = Capability.SWMR_READ in self._driver.capabilities
        if can_follow and not swmr:
            # A reader's lock would keep a program from going on with the file.
            options.setdefault("locking", False)
        try:
            h5.open_file(
                self.address.location,
                "r",
                swmr_mode=swmr and (can_follow or self._remote),
                **options,
            )
        except FileBusyError as exc:
            if not self._remote:
                exc.remedy = (
                    "Live reading needs a writer in SWMR mode or a server. This page shows the "
                    "file as soon as its writer has closed it."
                )
            raise
        self._h5, self._swmr, self._watch = h5, swmr, None
        self.version += 1
        self.standing = replace(
            self.standing, trouble="", remedy="", opened=self.standing.opened + 1
        )


def _words(exc: H5Error | OSError) -> tuple[str, str]:
    """Return what went wrong and what to do, for people."""
    if not isinstance(exc, H5Error):
        return str(exc), ""
    text = exc.what
    if isinstance(exc, (FileError, RemoteError)) and exc.found:
        text += f": {exc.found}"
    return text, exc.remedy or ""
