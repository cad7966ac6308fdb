"""A program that writes round after round until it is killed, and announces what was flushed.

``python -m tests.crash.writer REQUEST``, with the request as JSON: see `Request`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from h5backends import FlushPolicy, H5Backend
from h5backends.drivers._journal import hooks
from tests.crash import plan

__all__ = ["Request", "main", "write"]


@dataclass
class Request:
    """What to write.

    Parameters
    ----------
    driver, location : str
        Where to.
    options : dict
        What ``open_file`` needs beside it.
    seed : int
        Decides what is written.
    swmr : bool
        Whether readers are let in.
    rounds : int
        How many; without end where negative.
    end : str
        A file that, once it is there, has the writer close its own and end.
    announce : str
        A file to announce to; the standard output where empty.
    fsync : bool
        Whether every flush is to survive a power failure.
    journal : bool
        False to write as the library alone does, to see what the journal is good for.
    """

    driver: str
    location: str
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    swmr: bool = False
    rounds: int = -1
    end: str = ""
    announce: str = ""
    fsync: bool = False
    journal: bool = True

    def text(self) -> str:
        """Return it as one argument of a program."""
        return json.dumps(asdict(self))

    @property
    def plain(self) -> bool:
        """Whether groups and arrays come and go while it writes."""
        return not self.swmr


def main() -> None:
    """Do what the first argument asks for."""
    request = Request(**json.loads(sys.argv[1]))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    write(request, os.open(request.announce, flags, 0o600) if request.announce else 1)


def write(request: Request, out: int) -> None:
    """Write, and announce to a descriptor."""
    if not request.journal:
        hooks.find_file_driver = lambda *_: None  # type: ignore[assignment]
    # Every second writer is also flushed by the thread that does so in real life.
    seconds = 0.003 if request.seed % 2 and not request.announce else None
    h5 = H5Backend(request.driver, flush_policy=FlushPolicy(seconds=seconds, fsync=request.fsync))
    h5.open_file(
        request.location, "w", **request.options, **({"swmr_mode": True} if request.swmr else {})
    )
    nodes = plan.build(h5, request.plain)
    h5.flush()
    if request.swmr:
        h5.enable_swmr()
    number = 0
    while number != request.rounds and not (request.end and os.path.exists(request.end)):
        plan.append_round(h5, nodes, request.seed, number)
        h5.flush()
        # One call, so that a kill never leaves half a line.
        os.write(out, f"{number}\n".encode())
        number += 1
    h5.close_file()


if __name__ == "__main__":
    main()
