"""A program that reads suspect files by every way there is, and says what came of each.

``python -m tests.crash.reader DRIVER FILE ...``: one line of JSON for each file. What the library
does not survive, or does not come back from, ends this program; the file that it had announced
last is the one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from h5backends import H5Backend, open_h5_file_for_reading
from h5backends.errors import H5Error

SECONDS = 2.0
MEMORY = 4 * 2**30
ARRAYS = ("/plain", "/packed", "/checked", "/group/late")


def say(**found: Any) -> None:
    os.write(1, (json.dumps(found) + "\n").encode())


def read(driver: str, path: str) -> dict[str, str]:
    """Read everything; an error's name, or the digest of the values, for each array."""
    if driver == "open_h5_file_for_reading":
        file, _ = open_h5_file_for_reading(path)
        with file:
            return dict(_arrays(lambda name: file[name][:]))
    with H5Backend(driver) as h5:
        h5.open_file(path, "r")
        for node in h5.walk_nodes("/"):
            dict(node.attrs)
        return dict(_arrays(lambda name: h5.get_node(name)[:]))


def _arrays(get: Any) -> Iterator[tuple[str, str]]:
    for name in ARRAYS:
        try:
            values = np.ascontiguousarray(get(name))
            yield name, hashlib.sha256(values.tobytes()).hexdigest()
        except (H5Error, MemoryError) as exc:
            yield name, f"Error {type(exc).__name__}"
        except (OSError, KeyError, RuntimeError, ValueError) as exc:
            # Only where the file is h5py's own object.
            yield name, f"library {type(exc).__name__}"


def limit_memory() -> None:
    """Let no damaged length take the memory of the whole machine."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


def main() -> None:
    limit_memory()
    logging.disable(logging.WARNING)
    driver, *paths = sys.argv[1:]
    for path in paths:
        say(at=path)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of work: ends this program
        try:
            say(path=path, arrays=read(driver, path))
        except (H5Error, MemoryError) as exc:
            say(path=path, error=type(exc).__name__)
        except Exception as exc:  # noqa: BLE001 - none is expected, and all are told
            say(path=path, stranger=f"{type(exc).__name__}: {exc}")


if __name__ == "__main__":
    main()
