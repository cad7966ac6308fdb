"""Start, command and kill the writer programs of these tests."""

from __future__ import annotations

import hashlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from tests.swmr.child_writer import expected

TIME_LIMIT = 30.0
CHILD = Path(__file__).with_name("child_writer.py")

SWMR_KINDS = ("swmr", "swmr-userblock")
PLAIN_KINDS = (
    "plain",
    "plain-v0",
    "plain-v2",
    "plain-userblock",
    "plain-v0-userblock",
    "tables",
)
ALL_KINDS = SWMR_KINDS + PLAIN_KINDS


class Writer:
    """A running writer program.

    Parameters
    ----------
    path : Path
        The file that it creates.
    kind, how : str
        As in `child_writer`.
    beat : float, optional
        Interval of its sign of life in seconds.
    """

    def __init__(self, path: Path, kind: str, how: str = "hold", beat: float | None = None):
        self.path = path
        self.rows = 0
        signs = [] if beat is None else [str(beat)]
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(path), kind, how, *signs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self.hear()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word = line.strip()
            if word.isdigit():
                self.rows = int(word)
            self._said.put(word)

    def hear(self) -> str:
        """Wait for the next thing it says."""
        return self._said.get(timeout=TIME_LIMIT)

    def tell(self, command: str) -> str:
        """Give it a command and wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.hear()

    def close(self) -> None:
        """Have it close the file and end."""
        assert self.tell("close") == "closed"
        assert self.process.wait(TIME_LIMIT) == 0

    def kill(self) -> int:
        """Kill it where it stands and return how many rows it had flushed."""
        self.process.kill()
        self.process.wait(TIME_LIMIT)
        self._reader.join(TIME_LIMIT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        return self.rows


def crashed(path: Path, kind: str) -> int:
    """Make a file that its writer left behind by a crash; return its number of rows."""
    with Writer(path, kind) as writer:
        return writer.kill()


def until(condition: Callable[[], Any], limit: float = TIME_LIMIT) -> Any:
    """Wait until a condition holds and return what it gave."""
    deadline = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return found


def digest(path: Path) -> str:
    """Sum up every byte of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_rows(file: h5py.File, rows: int) -> None:
    """Check the first `rows` rows bit for bit, and whatever follows as far as it is there."""
    array = file["group/array"]
    assert array.shape[0] >= rows
    np.testing.assert_array_equal(array[:rows], expected(0, rows))
    assert file["group"].attrs["units"] in {"mm", b"mm"}


def small_file(path: Path, **options: Any) -> Path:
    """Make a closed file with one array."""
    with h5py.File(path, "w", **options) as file:
        file.create_group("group").create_dataset("array", data=expected(0, 200), chunks=(64, 4))
        file["group"].attrs["units"] = "mm"
    return path
