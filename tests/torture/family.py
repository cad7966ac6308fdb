"""The processes of one torture, wherever they went: found by a mark in their environment."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path

import psutil

__all__ = ["Family", "words"]

_VARIABLE = "H5BACKENDS_TORTURE"
_SECONDS = 10.0


class Family:
    """A process and all that it starts, also those that have another parent by now.

    Attributes
    ----------
    environment : dict
        To be given to the first of them.
    """

    def __init__(self) -> None:
        self._token = uuid.uuid4().hex
        self.environment = {_VARIABLE: self._token}

    def members(self) -> list[psutil.Process]:
        """List those that run."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(_VARIABLE) != self._token:
                    continue
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left(self, patience: float) -> list[psutil.Process]:
        """List those that still run after a while."""
        deadline = time.monotonic() + patience
        while (found := self.members()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def end(self) -> None:
        """Kill all of them, until there is none."""
        deadline = time.monotonic() + _SECONDS
        while (found := self.members()) and time.monotonic() < deadline:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=1.0)


def words(process: psutil.Process) -> str:
    """Name a process."""
    with contextlib.suppress(psutil.Error):
        return f"{Path(process.name()).name} {' '.join(process.cmdline()[1:5])}"
    return str(process.pid)
