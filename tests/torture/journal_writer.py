"""A program whose journal meets a full disk, or that dies right behind it.

``python -m tests.torture.journal_writer DRIVER FILE SEED HOW LEAVE ROUND``: goes from round to
round, each with more to be overwritten than the one before, and announces those that are flushed.
In one round, HOW:

``full``
    the disk has LEAVE bytes left while the journal is written; the recording goes on to its end;
``full-dies``
    the same, and the program is killed before anything was written into the file;
``dies``
    the journal is written, and the program is killed before anything was written into the file.

What is done to the disk and to the program is real; only the moment is arranged.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import FlushPolicy, H5Backend
from h5backends.journal import JournalFile
from tests.small_disk import Ballast
from tests.torture.rows import right_rows

ROUNDS = 12
ROWS = 200
"""Rows that each round appends."""
FIXED = 60_000
"""Values that are overwritten, the more the later."""


_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Windows has the one only, and ends the program with it as suddenly."""


def fixed_after(number: int) -> Any:
    """Return what the array that is overwritten holds after a round; shape ``(FIXED,)``."""
    values = np.zeros(FIXED)
    for each in range(number + 1):
        values[: FIXED * (each + 1) // ROUNDS] = each + 1
    return values


def say(words: object) -> None:
    """Tell it in one call, so that a kill never leaves half a line."""
    os.write(1, f"{words}\n".encode())


def put_in(disk: Path, how: str, leave: int) -> list[bool]:
    """Arrange the moment; the list that is returned is made ``[True]`` to have it come next."""
    put, armed, ballast = JournalFile._put, [False], Ballast(disk)

    def put_here(journal: JournalFile, content: bytes) -> None:
        if not armed[0] or len(content) <= 8:
            put(journal, content)
            return
        armed[0] = False
        if how == "dies":
            put(journal, content)
            os.kill(os.getpid(), _AT_ONCE)
        ballast.fill(leave)
        try:
            put(journal, content)
        except OSError:
            say("full")
            if how == "full-dies":
                os.kill(os.getpid(), _AT_ONCE)
            raise
        finally:
            ballast.drop()

    JournalFile._put = put_here  # type: ignore[method-assign]
    return armed


def main() -> None:
    """Record as the arguments say."""
    driver, path, seed, how, leave, at = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    armed = put_in(Path(path).parent, how, int(leave))
    h5 = H5Backend(driver, FlushPolicy(seconds=None))
    record(h5, path, int(seed), int(at), armed)


def record(h5: H5Backend, path: str, seed: int, at: int, armed: list[bool]) -> None:
    """Go from round to round."""
    h5.open_file(path, "w")
    array = h5.create_earray("/", "array", "f8", (4,))
    fixed = h5.create_carray("/", "fixed", np.zeros(FIXED))
    h5.flush()
    for number in range(ROUNDS):
        array.append(right_rows(seed, number * ROWS, (number + 1) * ROWS))
        fixed[: FIXED * (number + 1) // ROUNDS] = number + 1
        group = h5.get_set_group("/", f"group{number}")
        h5.create_carray(group, "made", np.full(10, number))
        armed[0] = number == at
        h5.flush()
        say(number)
    h5.close_file()


if __name__ == "__main__":
    main()
