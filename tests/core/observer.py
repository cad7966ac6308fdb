"""Another program that looks at a file, as it stands on the disk, without a lock and without harm.

Run as a program it answers questions: one JSON line in, ``{"path": ..., "nodes": [...]}``, one
out, ``{"nodes": {path: rows}}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

TIME_LIMIT = 20.0


class Observer:
    """The program, and what to ask it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.observer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(TIME_LIMIT)
        self._process.stdout.close()

    def look(self, path: str | Path, *nodes: str) -> dict[str, np.ndarray] | str:
        """Return the rows of some arrays as they are on the disk now, or what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(path), "nodes": nodes}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            return str(answer["error"])
        return {node: np.array(rows) for node, rows in answer["nodes"].items()}

    def rows(self, path: str | Path, node: str = "/array") -> np.ndarray:
        """Return the rows of one array; the file can be read."""
        found = self.look(path, node)
        assert isinstance(found, dict), found
        return found[node]

    def wait_for(self, path: str | Path, count: int, node: str = "/array") -> float:
        """Wait until so many rows are on the disk, and return the seconds that it took."""
        start = time.monotonic()
        while True:
            found = self.look(path, node)
            if isinstance(found, dict) and len(found[node]) >= count:
                return time.monotonic() - start
            if time.monotonic() - start > TIME_LIMIT:
                raise TimeoutError(f"{count} rows did not come; last seen: {found}")


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    import h5py

    from h5backends.overlay import MendedFile

    try:
        with h5py.File(MendedFile(question["path"]), "r") as file:
            nodes = {node: file[node][...].tolist() for node in question["nodes"]}
    except (OSError, KeyError, RuntimeError, ValueError) as exc:
        return {"error": repr(exc)}
    return {"nodes": nodes}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
