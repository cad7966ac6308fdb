"""The follower of the soak: ``python -m tests.torture.soak_reader FILE``.

Once a second it says how many points it saw, its memory, its descriptors and the median of the
latency in milliseconds; at the end ``done N``. Each point is compared.
"""

from __future__ import annotations

import statistics
import sys
import time

from h5backends.follow import DataSource, EndState
from tests.torture.soak_writer import state


def main() -> None:
    """Follow to the end."""
    seen, told, latencies = 0, time.monotonic(), []
    with DataSource(["/keys"], ["/rows", "/frames"], timeout=60, file=sys.argv[1]) as source:
        for frame in source:
            now = time.monotonic()
            moment, number = frame["/rows"].ravel()
            if number != seen or not (frame["/frames"] == seen % 60_000).all():
                raise SystemExit(f"point {seen} is wrong")
            latencies.append(1000 * (now - moment))
            seen += 1
            if now - told >= 1.0:
                print(seen, state(), statistics.median(latencies), flush=True)
                told = now
                latencies.clear()
        if source.end is not EndState.FINISHED:
            raise SystemExit(f"it ended with {source.end}")
    print("done", seen, flush=True)


if __name__ == "__main__":
    main()
