"""A program that forks again and again while its threads record.

``python -m tests.torture.forking DRIVER FILE swmr|plain SEED``: says how often it forked, and how
many rows each array took.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import FileClosedError

FORKS = 12


def main() -> None:
    """Record and fork."""
    driver, path, mode, seed = sys.argv[1:]
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads about
    chance = random.Random(int(seed))
    h5 = H5Backend(driver, FlushPolicy(seconds=0.005))
    h5.open_file(path, "w", **({"swmr_mode": True} if mode == "swmr" else {}))
    arrays: list[Any] = [h5.create_earray("/", f"array{n}", "i8", chunks=(64,)) for n in range(2)]
    if mode == "swmr":
        h5.enable_swmr()
    counts, stop = [0, 0], threading.Event()

    def record(number: int) -> None:
        while not stop.is_set():
            arrays[number].append(counts[number])
            counts[number] += 1

    threads = [threading.Thread(target=record, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for number in range(FORKS):
        time.sleep(chance.uniform(0, 0.02))  # a random moment is what is wanted
        how = chance.choice(["exit", "record", "killed"])
        child = os.fork()
        if not child:
            live(h5, arrays, how, f"{os.path.dirname(path)}/child-{number}.h5", driver)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != (-9 if how == "killed" else 0):
            raise SystemExit(f"a child ({how}) ended with code {code}")
    stop.set()
    for thread in threads:
        thread.join()
    h5.close_file()
    print(FORKS, *counts, flush=True)


def live(h5: H5Backend, arrays: list[Any], how: str, own: str, driver: str) -> None:
    """What a child does: it cannot use the file, and ends in one way or another."""
    try:
        uses: list[Callable[[], object]] = [
            lambda: arrays[0].append(-1),
            lambda: arrays[1][:],
            h5.flush,
            h5.root,
        ]
        for use in uses:
            try:
                use()
            except FileClosedError:
                continue
            raise AssertionError("a child could use its parent's file")
        if how == "record":
            with H5Backend(driver) as mine:
                mine.open_file(own, "w")
                array: Any = mine.create_earray("/", "array", "i8")
                for value in range(10):
                    array.append(value)
    except BaseException:  # noqa: BLE001 - this process must not live on
        traceback.print_exc()
        os._exit(9)
    if how == "killed":
        os.kill(os.getpid(), 9)
    os._exit(0)


if __name__ == "__main__":
    main()
