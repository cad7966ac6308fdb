"""What the writers of the crash campaign write: known to the last bit from a seed alone.

A writer goes from round to round: it appends to its arrays, in plain mode it also makes and
removes groups and arrays, then it flushes and announces the number of the round. Whoever reads the
file afterwards knows from that number what must be in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from h5backends import H5Backend
from h5backends.errors import NodeNotFoundError

__all__ = ["Losses", "append_round", "build", "inspect", "rows_after", "to_be_removed"]

LATE = 3
"""In plain mode a new group with an array is made every so many rounds."""
KEPT = 5
"""And so many of them are kept."""


class Stream(NamedTuple):
    """One growing array.

    Parameters
    ----------
    dtype : str
        Its type.
    shape : tuple of int
        Shape of a row.
    codec : str or None
        How it is compressed.
    most : int
        Rows that one round appends at most.
    """

    dtype: str
    shape: tuple[int, ...]
    codec: str | None
    most: int


STREAMS = {
    "points": Stream("float64", (4,), None, 40),
    "packed": Stream("int32", (50,), "gzip", 60),
    "frames": Stream("uint16", (64, 64), None, 3),
}
LATE_STREAM = Stream("int64", (8,), None, 20)


def values(stream: Stream, salt: int, start: int, stop: int) -> np.ndarray[Any, Any]:
    """Return rows of a stream; shape ``(stop - start, *stream.shape)``."""
    size = int(np.prod(stream.shape))
    numbers = np.arange(start * size, stop * size, dtype=np.int64) + 1_000_003 * salt
    rows = np.sqrt(numbers) if stream.dtype == "float64" else (numbers * 7919 >> 3) % 60_000
    return rows.astype(stream.dtype).reshape(stop - start, *stream.shape)


def count(stream: Stream, seed: int, number: int) -> int:
    """Return how many rows a round appends."""
    return 1 + (31 * seed + 17 * number + stream.most) % stream.most


def text(number: int) -> str:
    """Return the line of the log that a round appends."""
    return f"round {number} " + "x" * (number % 50)


# -- writing ----------------------------------------------------------------------------------
def build(h5: H5Backend, plain: bool) -> dict[str, Any]:
    """Make the arrays that are there from the beginning."""
    nodes = {}
    for name, stream in STREAMS.items():
        h5.define_compression(stream.codec, 1 if stream.codec else None)
        nodes[name] = h5.create_earray("/", name, stream.dtype, stream.shape)
    h5.define_compression(None)
    if plain:
        nodes["log"] = h5.create_vlarray("/", "log", "string")
    return nodes


def append_round(h5: H5Backend, nodes: dict[str, Any], seed: int, number: int) -> None:
    """Write one round, and flush nothing."""
    for name, stream in STREAMS.items():
        start = len(nodes[name])
        nodes[name].append(values(stream, seed, start, start + count(stream, seed, number)))
    if "log" not in nodes:
        return
    nodes["log"].append(text(number))
    if number % LATE == 0:
        group = h5.get_set_group("/", f"late{number}", number=number)
        late = h5.create_earray(group, "array", LATE_STREAM.dtype, LATE_STREAM.shape)
        late.append(values(LATE_STREAM, number, 0, count(LATE_STREAM, seed, number)))
    if (old := to_be_removed(number)) is not None:
        h5.remove_node(f"/late{old}")


def to_be_removed(number: int) -> int | None:
    """Return the number of the round whose group is removed in this one."""
    old = number - LATE * KEPT
    return old if number % LATE == 0 and old >= 0 else None


# -- reading ----------------------------------------------------------------------------------
def rows_after(seed: int, number: int) -> dict[str, int]:
    """Return how many rows there are after a round, -1 for before the first."""
    return {
        name: sum(count(stream, seed, i) for i in range(number + 1))
        for name, stream in STREAMS.items()
    }


class Losses(NamedTuple):
    """What is wrong with a file.

    Parameters
    ----------
    lost : list of str
        What was flushed and is not there, or not as it was.
    torn : list of str
        What was not flushed, and is there in part.
    more : int
        Rows that were not promised and are there.
    """

    lost: list[str]
    torn: list[str]
    more: int


def inspect(h5: H5Backend, seed: int, number: int, plain: bool) -> Losses:
    """Compare an open file with what must be in it after a round was announced."""
    lost: list[str] = []
    torn: list[str] = []
    more = 0
    for name, needed in rows_after(seed, number).items():
        try:
            found = h5.get_node(f"/{name}")[:]
        except Exception as exc:  # noqa: BLE001 - whatever keeps it from being read
            lost.append(f"{name}: {exc}")
            continue
        right = values(STREAMS[name], seed, 0, len(found))
        if len(found) < needed or not np.array_equal(found[:needed], right[:needed]):
            lost.append(f"{name}: {needed} rows were flushed, {len(found)} are there")
        elif not np.array_equal(found, right):
            torn.append(f"{name}: {len(found) - needed} more rows than flushed, not as appended")
        more += max(0, len(found) - needed)
    if plain:
        lost.extend(_missing_in_plain(h5, seed, number))
    return Losses(lost, torn, more)


def _missing_in_plain(h5: H5Backend, seed: int, number: int) -> Iterator[str]:
    checks: list[tuple[str, Callable[[], bool]]] = [("log", lambda: _log_is_right(h5, number))]
    # What the next round would remove may be gone already.
    first = max(0, number + 2 - LATE * KEPT)
    for made in range(number + 1):
        if made % LATE == 0 and made >= first:
            checks.append((f"late{made}", lambda made=made: _late_is_right(h5, seed, made)))
    for name, check in checks:
        try:
            if not check():
                yield f"{name}: not as flushed"
        except NodeNotFoundError:
            yield f"{name}: gone"
        except Exception as exc:  # noqa: BLE001 - whatever keeps it from being read
            yield f"{name}: {exc}"


def _log_is_right(h5: H5Backend, number: int) -> bool:
    lines = list(h5.get_node("/log")[: number + 1])
    return lines == [text(i) for i in range(number + 1)]


def _late_is_right(h5: H5Backend, seed: int, made: int) -> bool:
    right = values(LATE_STREAM, made, 0, count(LATE_STREAM, seed, made))
    found = h5.get_node(f"/late{made}/array")[:]
    return np.array_equal(found, right) and h5.get_node(f"/late{made}").attrs["number"] == made
