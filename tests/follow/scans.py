"""Start, command and kill the program that writes a scan."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

TIME_LIMIT = 60.0
CHILD = "tests.follow.child_writer"
ROOT = Path(__file__).parents[2]


class Writer:
    """A running writer.

    Parameters
    ----------
    location : path or domain
        What it writes.
    mode : str
        ``w`` for a new scan, ``a`` to go on with one.
    backend, **options
        Driver, and what ``open_file`` needs.
    """

    def __init__(
        self, location: Path | str, mode: str = "w", backend: str = "h5py", **options: Any
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(location), mode, backend, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        assert self.hear() == "ready"

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(line.strip())

    def hear(self, limit: float = TIME_LIMIT) -> str:
        """Wait for the next thing it says."""
        return self._said.get(timeout=limit)

    def tell(self, command: str) -> str:
        """Give it a command and wait for the first thing it says to that."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.hear()

    def close(self) -> int:
        """Have it close the file and end; return how many points it wrote."""
        count = int(self.tell("close"))
        assert self.process.wait(TIME_LIMIT) == 0
        return count

    def kill(self) -> None:
        """Kill it where it stands."""
        self.process.kill()
        self.process.wait(TIME_LIMIT)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._listener.join(TIME_LIMIT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def in_thread(work: Any) -> tuple[threading.Thread, list[Any]]:
    """Run something in a thread; what it returns or raises is put into the list."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as exc:  # noqa: BLE001 - handed to the test
            found.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found
