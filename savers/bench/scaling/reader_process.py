"""A program that follows what :mod:`savers.bench.live_process` writes.

It says ``ready`` when it has the first point. A number on its input has it take so many more and
say, as JSON, how late they were (seconds) and which share of a processor it took; the end of its
input ends it.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import time

import numpy as np

from h5backends import H5Backend, follow

_TIMEOUT = 60


def main() -> None:
    """Argument: the file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input, not with Ctrl-C
    with H5Backend("h5py") as h5:
        h5.open_file(sys.argv[1], "r", swmr_mode=True)
        file = h5.h5file
        source = follow.DataSource([file["keys"]], {"t": file["times"]}, _TIMEOUT)
        next(source)
        _say("ready")
        for line in sys.stdin:
            _say(_take(source, int(line)))


def _take(source: follow.DataSource, count: int) -> str:
    """Take points; return what there is to say of them."""
    begin, used = time.perf_counter(), time.process_time()
    stamps, delays = [], []
    for item in itertools.islice(source, count):
        stamps.append(item["t"].item())
        delays.append(time.perf_counter() - stamps[-1])
    share = (time.process_time() - used) / (time.perf_counter() - begin)
    return json.dumps(
        {
            "seen": len(set(stamps)),
            "median": float(np.median(delays)),
            "late": float(np.percentile(delays, 99)),
            "share": share,
        }
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
