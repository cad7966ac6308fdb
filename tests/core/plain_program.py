"""Another program, which knows HDF5's libraries and nothing of this package.

Run as a program it does what it is told: one JSON line in, one out. ``read`` answers with shape,
type and a checksum of the elements; ``write`` makes an array of what is in a ``.npy`` file.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np


def summary(values: np.ndarray) -> list[Any]:
    """Return what two arrays share only if they are the same."""
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return [list(values.shape), values.dtype.str, digest]


class PlainProgram:
    """The program, and what to tell it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> PlainProgram:
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
        self._process.wait(20)
        self._process.stdout.close()

    def read(self, path: Path, node: str = "/array", library: str = "h5py") -> list[Any]:
        """Return the summary of an array, read by another library in another program."""
        answer: list[Any] = self._ask("read", str(path), node, library)
        return answer

    def write(
        self, path: Path, values: np.ndarray, chunks: tuple[int, ...], filters: dict[str, Any]
    ) -> None:
        """Have plain h5py write ``/array``."""
        source = path.with_suffix(".npy")
        np.save(source, values)
        self._ask("write", str(path), str(source), list(chunks), filters)

    def _ask(self, *question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["done"]


def _read(path: str, node: str, library: str) -> list[Any]:
    import h5py
    import hdf5plugin  # noqa: F401 - registers the filters
    import tables

    if library == "h5py":
        with h5py.File(path) as file:
            return summary(file[node][()])
    with tables.open_file(path) as file:
        return summary(file.get_node(node).read())


def _write(path: str, source: str, chunks: list[int], filters: dict[str, Any]) -> None:
    import h5py
    import hdf5plugin  # noqa: F401 - registers the filters

    options = {name: tuple(v) if isinstance(v, list) else v for name, v in filters.items()}
    with h5py.File(path, "w") as file:
        values = np.load(source)
        limits = (None, *values.shape[1:])
        file.create_dataset("array", data=values, maxshape=limits, chunks=tuple(chunks), **options)


def main() -> None:
    for line in sys.stdin:
        order, *arguments = json.loads(line)
        try:
            done = {"read": _read, "write": _write}[order](*arguments)
            assert not any(name.startswith("h5backends") for name in sys.modules)
            answer: dict[str, Any] = {"done": done}
        except Exception as exc:  # noqa: BLE001 - the test that asked tells
            answer = {"error": repr(exc)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
