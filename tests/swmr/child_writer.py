"""A program that writes one file until it is told to close, or killed.

``child_writer.py PATH KIND HOW [BEAT]``: KIND is the library and file version, HOW is ``hold``
(write 1,000 rows, flush, wait) or ``run`` (append and flush without end). BEAT is the interval of
its sign of life in seconds; without it there is none. Each flush is announced on the standard
output with the number of rows that are safe by then.

Commands, one a line: ``close`` (and end), ``append`` (10 rows), ``drop`` (lose the descriptor but
live on), ``swmr`` (switch), ``quiet`` (no more signs of life).
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from h5backends.heartbeat import Heartbeat

V110 = ("v110", "v110")
H5PY: dict[str, dict[str, Any]] = {
    "swmr": {"libver": V110},
    "swmr-late": {"libver": V110},
    "swmr-userblock": {"libver": V110, "userblock_size": 1024},
    "plain": {"libver": V110},
    "plain-v0": {},
    "plain-v2": {"libver": ("v108", "v110")},
    "plain-userblock": {"libver": V110, "userblock_size": 512},
    "plain-v0-userblock": {"userblock_size": 2048},
}


def expected(start: int, stop: int) -> np.ndarray[Any, Any]:
    """Rows `start` to `stop` of every file that this program writes: float64, 4 a row."""
    return np.sqrt(np.arange(4 * start, 4 * stop, dtype="f8")).reshape(-1, 4)


class H5pyFile:
    """One growing array through h5py."""

    def __init__(self, path: str, kind: str) -> None:
        import h5py

        self.file = h5py.File(path, "w", **H5PY[kind])
        group = self.file.create_group("group")
        group.attrs["units"] = "mm"
        self.array = group.create_dataset(
            "array", (0, 4), maxshape=(None, 4), chunks=(64, 4), dtype="f8"
        )
        self.file.flush()
        if kind.startswith("swmr") and kind != "swmr-late":
            self.switch()

    def switch(self) -> None:
        self.file.swmr_mode = True

    def append(self, count: int) -> int:
        have = int(self.array.shape[0])
        self.array.resize(have + count, axis=0)
        self.array[have:] = expected(have, have + count)
        # A flush of the array alone leaves the end that the header records behind.
        (self.array if self.file.swmr_mode else self.file).flush()
        return have + count

    def descriptor(self) -> int:
        return int(self.file.id.get_vfd_handle())

    def close(self) -> None:
        self.file.close()


class TablesFile:
    """One growing array through PyTables."""

    def __init__(self, path: str, kind: str) -> None:
        import tables

        self.file = tables.open_file(path, "w")
        group = self.file.create_group("/", "group")
        group._v_attrs.units = "mm"
        self.array = self.file.create_earray(
            group, "array", tables.Float64Atom(), (0, 4), chunkshape=(64, 4)
        )

    def append(self, count: int) -> int:
        have = int(self.array.nrows)
        self.array.append(expected(have, have + count))
        self.file.flush()
        return have + count

    def descriptor(self) -> int:
        return int(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def say(word: object) -> None:
    # One write call, so that a kill never leaves half a line.
    os.write(1, f"{word}\n".encode())


def main() -> None:
    path, kind, how = sys.argv[1:4]
    heart = Heartbeat(path, float(sys.argv[4])) if len(sys.argv) > 4 else None
    file: Any = TablesFile(path, kind) if kind == "tables" else H5pyFile(path, kind)
    if heart:
        heart.start()
    if how == "run":
        while True:
            say(file.append(7))
            if heart:
                heart.beat()
    say(file.append(1000))
    if heart:
        keep_beating(heart)
    for line in sys.stdin:
        command = line.strip()
        if command == "close":
            file.close()
            if heart:
                heart.stop()
            say("closed")
            return
        if command == "append":
            say(file.append(10))
        elif command == "swmr":
            file.switch()
            say("switched")
        elif command == "drop":
            os.close(file.descriptor())
            say("dropped")
        elif command == "quiet":
            heart = None
            keep_beating(None)
            say("quiet")


def keep_beating(heart: Heartbeat | None, _at_work: list[Any] = []) -> None:  # noqa: B006
    """Beat in a thread of its own from now on, or stop doing so."""
    import threading

    while _at_work:
        _at_work.pop().set()
    if heart is None:
        return
    over = threading.Event()
    _at_work.append(over)

    def work() -> None:
        while not over.wait(heart.interval / 4):
            heart.beat()

    threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    main()
