"""A program that writes data and references; told on its command line where and how.

``child_writer.py HOW PLACE``: PLACE is JSON (driver, location, options). ``run`` writes batches
and says how many are flushed until it is killed. ``between`` writes two batches, then data
without references, says so and waits. ``share NUMBER TURNS`` is one of several programs: it says
that it is ready, waits for a line, and writes its part.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import count

import numpy as np

from h5backends.references import H5FlowDataManager

PARENTS, CHILDREN = 3, 7
"""Rows of each kind in one batch."""
SHARED = 5
"""Parents that all programs refer to."""
PART = np.dtype([("writer", "i4"), ("turn", "i4"), ("place", "i4")])


def manager(place: str, mode: str = "a") -> H5FlowDataManager:
    where = json.loads(place)
    return H5FlowDataManager(where["location"], mode, backend=where["driver"], **where["options"])


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


def make(dm: H5FlowDataManager) -> None:
    dm.create_dset("a", "i8")
    dm.create_dset("b", "i8")
    dm.create_ref("a", "b")


def expected_pairs(batch: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """References of one batch: some to the row before, which belongs to the batch before."""
    children = np.arange(batch * CHILDREN, (batch + 1) * CHILDREN)
    parents = batch * PARENTS + np.arange(CHILDREN) % PARENTS
    parents[0] = max(0, parents[0] - 1)
    return np.stack([parents, children], 1)


def write_batch(dm: H5FlowDataManager, batch: int) -> None:
    for name, size in (("a", PARENTS), ("b", CHILDREN)):
        rows = dm.reserve_data(name, size)
        dm.write_data(name, rows, np.arange(rows.start, rows.stop) + 1)
    dm.write_ref("a", "b", expected_pairs(batch))


def run(place: str) -> None:
    dm = manager(place)
    make(dm)
    begun = len(dm.get_dset("a")) // PARENTS
    # A flush by time may have come between the two: a program that goes on makes them equal.
    short = begun * CHILDREN - len(dm.get_dset("b"))
    if short > 0:
        rows = dm.reserve_data("b", short)
        dm.write_data("b", rows, np.arange(rows.start, rows.stop) + 1)
    for batch in count(begun):
        write_batch(dm, batch)
        dm.flush()
        say(batch + 1)


def between(place: str) -> None:
    dm = manager(place)
    make(dm)
    for batch in range(2):
        write_batch(dm, batch)
    rows = dm.reserve_data("a", PARENTS)
    dm.write_data("a", rows, np.arange(rows.start, rows.stop) + 1)
    ref, _ = dm.get_ref("a", "b")
    ref[ref.reserve(2)] = [[0, 0], [1, 1]]  # as far as write_ref has come when it is killed
    dm.flush()
    say(2)
    sys.stdin.readline()


def share(place: str, number: str, turns: str) -> None:
    """Every turn some rows, referred to by rows of this program's own and by shared ones."""
    writer = int(number)
    generator = np.random.default_rng(writer)
    with manager(place) as dm:
        say("ready")
        sys.stdin.readline()
        for turn in range(int(turns)):
            size = int(generator.integers(0, 12))
            rows = dm.reserve_data("parts", size)
            block = np.zeros(size, PART)
            block["writer"], block["turn"], block["place"] = writer, turn, np.arange(size)
            dm.write_data("parts", rows, block)
            own = dm.reserve_data("turns", 1)
            dm.write_data("turns", own, [writer * 1000 + turn])
            places = np.arange(rows.start, rows.stop)
            dm.write_ref("turns", "parts", np.stack([np.full(size, own.start), places], 1))
            dm.write_ref("common", "parts", np.stack([places % SHARED, places], 1))
            say(size)
    say("done")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
