"""One open domain of an HSDS: its connections, its lock, what it keeps, and how it ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from h5backends.drivers._hsds import domain as domains
from h5backends.drivers._hsds.http import Away, Connection, translated
from h5backends.drivers._hsds.retention import KEPT_BYTES, Retention
from h5backends.errors import FileClosedError, ReadOnlyError, RemoteError
from h5backends.types import Mode

__all__ = ["RETRIES", "HsdsSession"]

_T = TypeVar("_T")
_PATIENCE = 30.0
RETRIES = 3


class HsdsSession:
    """What every part of the driver needs to talk to the server.

    Parameters
    ----------
    location : str
        Absolute path of the domain.
    mode : {"r", "r+", "a", "w", "x"}
        As in h5py.
    extra : mapping
        See :class:`h5backends.drivers.h5pyd_.H5pydDriver`.

    Attributes
    ----------
    root_id : str
        Id of the root group.
    created : bool
        Whether the domain is new.
    lock : RLock
        Held by every caller.
    """

    def __init__(self, location: str, mode: Mode, extra: Mapping[str, Any]) -> None:
        self.location = location
        self.mode = mode
        self.lock = threading.RLock()
        self.is_open = False
        self.endpoint = str(extra.get("endpoint") or "")
        with self.translate():
            self.http = Connection(location, extra)
            self.endpoint = self.http.endpoint
            try:
                retries = int(extra.get("retries", RETRIES))
                self.root_id, self.created = domains.obtain(self.http, mode, retries)
                if mode != "r" and not self.created:
                    domains.require_update(self.http, self.http.about())
            except BaseException:
                self.http.close()
                raise
            self._aside = Connection(location, extra)
        patience = float(extra.get("timeout", _PATIENCE))
        limit = int(extra.get("keep_bytes", KEPT_BYTES))
        self.kept = Retention(self.http, self._aside, self.lock, patience, limit)
        self.is_open = True

    def ask(self, request: Callable[[Connection], _T], node: str, *, changes: bool = False) -> _T:
        """Make requests about one node; they may be made again.

        Parameters
        ----------
        request : callable
            Makes them.
        node : str
            Path of the node, for messages.
        changes : bool
            Whether they change the file.

        Raises
        ------
        FileClosedError, NodeError, RemoteError
        """
        return self.run(lambda: request(self.http), node, changes=changes)

    def run(
        self, operation: Callable[[], _T], node: str | None = None, *, changes: bool = False
    ) -> _T:
        """Do the same with an operation that has its own connection."""
        self.require_open()
        with self.translate(node):
            return self.kept.run(operation, changes)

    def translate(self, node: str | None = None) -> contextlib.AbstractContextManager[None]:
        """Turn what the server and its libraries report into this package's errors."""
        return translated(self.location, self.endpoint, node)

    def require_open(self) -> None:
        """Raise ``FileClosedError`` unless the file can be used."""
        if not self.is_open:
            raise FileClosedError(
                "the file is closed", file=self.location, remedy="Open it again."
            )

    def require_writable(self, node: str) -> None:
        """Raise ``ReadOnlyError`` unless the file is open for writing."""
        self.require_open()
        if self.mode == "r":
            raise ReadOnlyError(
                "the file was opened for reading only",
                file=self.location,
                node=node,
                remedy="Open it with mode='a' to change it.",
            )

    def store(self, done: str) -> None:
        """Return when the server has stored everything.

        Raises
        ------
        RemoteError
            It does not answer; everything is kept, so that a second attempt can succeed.
        """
        self.require_open()
        with self.translate():
            try:
                self.kept.store()
            except Away as exc:
                raise RemoteError(
                    f"the file cannot be {done}: the HSDS at {self.endpoint} does not answer",
                    file=self.location,
                    found=f"{exc}; not known to be stored: {self.kept.what()}",
                    remedy="Start the server and try again; until then it is kept in memory.",
                ) from exc

    def close(self) -> None:
        """Store everything and let go of the server."""
        self.store("closed")
        self.is_open = False
        self.kept.stop()
        self.http.close()
        self._aside.close()

    def abandon(self) -> None:
        """Make no request any more, in a process that was forked off."""
        self.is_open = False
        self.kept.abandon()
