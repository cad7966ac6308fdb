"""A program that appends many numbers and prints by how many bytes its memory grew meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable

import psutil

_BEFORE = 10_000
"""Numbers that are appended first: buffers and caches have then their size."""


def growth(append: Callable[[float], object], count: int) -> int:
    """Append numbers and return the growth of the memory of this process, bytes."""
    process = psutil.Process()
    for value in range(_BEFORE):
        append(float(value))
    before = process.memory_info().rss
    for value in range(count):
        append(float(value))
    return int(process.memory_info().rss - before)


def log(driver: str, count: int, path: str) -> tuple[int, int]:
    """Add points to a log; return the growth, bytes, and how many points are there."""
    import savers
    from savers.bench.points import points

    given = points(savers, 1)
    with savers.DataToExportTimedSaver(path, new_file=True, backend=driver) as saver:
        grown = growth(
            lambda value: saver.add_data("/RawData", given[int(value) % len(given)]), count
        )
        return grown, len(saver.get_node("/RawData/Data0D/CH00/EnlData00"))


def main() -> None:
    """Arguments: how, how many, the file.

    The first is a driver, ``raw`` for PyTables alone, or ``log-`` and a driver for points of a
    saver's log.
    """
    how, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if how == "raw":
        import tables

        with tables.open_file(path, "w") as file:
            stored = file.create_earray("/", "a", tables.Float64Atom(), (0,))
            grown = growth(lambda value: stored.append([value]), count)
            length = len(stored)
    elif how.startswith("log-"):
        grown, length = log(how.removeprefix("log-"), count, path)
    else:
        from h5backends import H5Backend

        with H5Backend(how) as h5:
            h5.open_file(path, "w")
            array = h5.create_earray("/", "a", "float64")
            grown = growth(array.append, count)
            length = len(array)
    if length != _BEFORE + count:
        raise SystemExit(f"{length} numbers are there, not {_BEFORE + count}")
    sys.stdout.write(f"{grown}\n")


if __name__ == "__main__":
    main()
