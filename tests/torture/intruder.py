"""A program that tries to write a file that another one is recording.

``python -m tests.torture.intruder FILE``: says ``refused N``, or how it got in.
"""

from __future__ import annotations

import logging
import sys

from h5backends import H5Backend
from h5backends.errors import FileBusyError, FileOccupiedError, H5Error
from h5backends.swmr import repair


def main() -> None:
    """Try every way once."""
    path = sys.argv[1]
    logging.disable(logging.CRITICAL)
    refused = 0
    for driver in ("h5py", "tables"):
        for mode in ("a", "r+", "w", "x"):
            try:
                H5Backend(driver).open_file(path, mode)
            except (FileBusyError, FileOccupiedError) as exc:
                if mode != "x" and not isinstance(exc, FileBusyError):
                    raise
                refused += 1
            else:
                print(f"got in: {driver} with mode {mode}", flush=True)
                return
    try:
        repair(path)
        print("got in: repair", flush=True)
        return
    except H5Error:
        refused += 1
    print(f"refused {refused}", flush=True)


if __name__ == "__main__":
    main()
