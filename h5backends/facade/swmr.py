"""The facade's SWMR: letting readers in while the file is written, and ending that."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from h5backends.drivers.base import SupportsSwmr
from h5backends.errors import FileBusyError, ReadOnlyError, SwmrError
from h5backends.facade.making import MakingFacade
from h5backends.nodes import EARRAY
from h5backends.types import Capability

__all__ = ["SwmrFacade"]

_log = logging.getLogger(__name__)

_REOPEN_SECONDS = 5.0
"""How long to wait for readers before a finished file is opened for writing again."""


class SwmrFacade(MakingFacade):
    """Single writer, multiple readers."""

    @property
    def swmr_mode(self) -> bool:
        """Whether the file was opened with ``swmr_mode=True``."""
        return self._swmr_mode

    @property
    def is_swmr_capable(self) -> bool:
        """Whether the driver can write a file while others read it."""
        return Capability.SWMR_WRITE in self._driver.capabilities

    @property
    def is_swmr_compatible(self) -> bool:
        """Whether the open file was created so that SWMR is possible."""
        return self.isopen() and bool(self.root().attrs.get("swmr_compatible", False))

    @property
    def is_swmr_active(self) -> bool:
        """Whether SWMR is on, as writer or as reader."""
        if self._session is None or not self._session.is_open:
            return False
        driver = self._session.driver
        return self._session.frozen or (isinstance(driver, SupportsSwmr) and driver.swmr_active)

    def enable_swmr(self) -> None:
        """Let readers in: from now on the structure is fixed, and arrays grow.

        Every group, array and attribute must exist by now. A second call does nothing.

        Raises
        ------
        UnsupportedError
            The driver has no SWMR; the message names one that has.
        SwmrError
            The file was not opened with ``swmr_mode=True``.
        """
        session = self._open_session()
        if session.frozen:
            return
        session.driver.require(Capability.SWMR_WRITE, "switch to SWMR mode")
        session.require_writable()
        if not self._swmr_mode:
            raise SwmrError(
                "the file was not opened for SWMR",
                file=self.filename,
                remedy="Open it with open_file(..., swmr_mode=True).",
            )
        with session.lock:
            root = session.driver.root()
            session.drain()
            session.write_lengths()
            session.driver.write_attr(root, "swmr_active", np.bool_(True))
            session.start_swmr()

    def finalize_swmr(self, keep_open: bool = False) -> None:
        """End SWMR: bring the attributes up to date and close the file, or open it again.

        Parameters
        ----------
        keep_open : bool
            Whether the file stays open, in mode ``"a"``. Nodes from before have to be fetched
            again.
        """
        session = self._open_session()
        location, extra = session.driver.location, self._extra
        # Closing brings the attributes up to date in place, so that readers who still look at
        # the file do not stand in the way.
        self.close_file()
        if keep_open:
            self._reopen(location, extra)
            self.reconcile_swmr_attrs()

    def _reopen(self, location: str, extra: dict[str, Any]) -> None:
        """Open a file that readers may be holding for a moment."""
        deadline = time.monotonic() + _REOPEN_SECONDS
        pause = 0.01
        while True:
            try:
                self.open_file(location, "a", **extra)
                return
            except FileBusyError as exc:
                if time.monotonic() > deadline:
                    exc.remedy = f"The data are complete and closed. {exc.remedy or ''}".rstrip()
                    raise
                _log.info("%s: waiting for readers to let go", location)
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    def reconcile_swmr_attrs(self) -> None:
        """Bring the ``shape`` attributes of growing arrays up to date, and ``swmr_active``."""
        session = self._open_session()
        if not session.writable:
            raise ReadOnlyError(
                "attributes cannot be brought up to date in a file opened for reading",
                file=self.filename,
                remedy="Open it with mode='a'.",
            )
        driver = session.driver
        with session.lock:
            session.drain()
            root = driver.root()
            if "swmr_active" in driver.attr_names(root):
                driver.write_attr(root, "swmr_active", np.bool_(False))
            for node in self.walk_nodes("/"):
                if isinstance(node, EARRAY):
                    shape = session.encoded_shape(node.shape, grows=True)
                    driver.write_attr(node.handle, "shape", shape)
            session.flush()
