"""A program that records with little memory to spare, and goes on when there is none.

``python -m tests.torture.hungry DRIVER FILE swmr|plain packed|unpacked MIB close|die SEED``: says
how often it was refused, and how many rows are flushed, as they are.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
from typing import Any

import numpy as np
import psutil

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import H5Error

WIDTH = 1024
"""Values in a row; 4 KiB."""
_STEPS = 60
_MIB = 2**20


def limit(spare: int) -> None:
    """Take no more memory from now on than so many MiB beyond what there is."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + spare * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def unlimit() -> None:
    """Take what is needed again."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def rows(start: int, count: int) -> Any:
    """Return rows that hold their own number; uint32, shape ``(count, WIDTH)``."""
    values = np.empty((count, WIDTH), "u4")
    values[:] = np.arange(start, start + count, dtype="u4")[:, None]
    return values


def main() -> None:
    """Record."""
    driver, path, mode, packed, spare, end, seed = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    chance = random.Random(int(seed))
    h5 = H5Backend(driver, FlushPolicy(seconds=None))
    h5.open_file(path, "w", **({"swmr_mode": True} if mode == "swmr" else {}))
    if packed == "packed":
        h5.define_compression("gzip", 1)
    array: Any = h5.create_earray("/", "array", "u4", (WIDTH,))
    array.append(rows(0, 10))  # all that is loaded late is there
    h5.flush()
    if mode == "swmr":
        h5.enable_swmr()
    say(0, 10)
    limit(int(spare))
    refused, flushed = record(h5, array, chance)
    if end == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    unlimit()
    h5.close_file()
    say(refused, len(array) if h5.isopen() else flushed)


def record(h5: H5Backend, array: Any, chance: random.Random) -> tuple[int, int]:
    """Append more and more at once; return how often that was refused, and the rows flushed."""
    taken = flushed = 10
    refused = 0
    hoard: list[Any] = []
    for step in range(_STEPS):
        try:
            count = chance.choice([1, 10, 100, 1000, 3000 + 400 * step])
            given = rows(taken, count)
            array.append(given)
            taken += count
        except (MemoryError, H5Error):
            refused += 1
            gc.collect()
            if len(array) != taken:
                words = f"{len(array)} rows after a refused append, {taken} before it"
                raise SystemExit(words) from None
        if chance.random() < 0.3:
            try:
                hoard.append(np.ones(chance.choice([1, 4, 8]) * _MIB // 8))  # others take it too
            except MemoryError:
                hoard.clear()
        try:
            if chance.random() < 0.2:
                array[:]
            h5.flush()
            flushed = taken
        except (MemoryError, H5Error):
            refused += 1
        say(refused, flushed)
    hoard.clear()
    return refused, flushed


def say(refused: int, flushed: int) -> None:
    """Tell it in one call, so that a kill never leaves half a line."""
    os.write(1, f"{refused} {flushed}\n".encode())


if __name__ == "__main__":
    main()
