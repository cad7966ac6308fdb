"""A program that writes a scan, a point at a time, for a follower in another program.

It says ``ready`` when one point is there. Every line on its input, as in ``300 0.01``, has it
write so many points with so many seconds between; the end of its input ends it.
"""

from __future__ import annotations

import signal
import sys
import time

import numpy as np

from h5backends import H5Backend

_SHAPE = (8, 8)


def main() -> None:
    """Argument: the file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input, not with Ctrl-C
    with H5Backend("h5py") as h5:
        h5.open_file(sys.argv[1], "x", swmr_mode=True)
        frames = h5.create_earray("/", "frames", "int32", data_shape=_SHAPE)
        times = h5.create_earray("/", "times", "float64")
        keys = h5.create_earray("/", "keys", "int64")
        h5.create_carray("/", "finished", np.zeros(1, "int32"))
        h5.enable_swmr()

        def point() -> None:
            with h5.session.hold():
                frames.append(np.full(_SHAPE, len(keys), "int32"))
                times.append(time.perf_counter())
                keys.append(len(keys) + 1)

        point()
        h5.flush()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            count, period = line.split()
            due = time.perf_counter()
            for _ in range(int(count)):
                due += float(period)
                time.sleep(max(0.0, due - time.perf_counter()))
                point()


if __name__ == "__main__":
    main()
