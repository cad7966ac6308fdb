"""Writing references so that a look-up table never promises what is not there.

Local files: the pairs come first, and reach the file before the tables name them; what a crash
leaves behind them is not named, and the next references take its place.

On a server several programs write at the same time, and nothing can be read and written in one
step. So a row of a table is begun by whoever reserves the row of data, before anybody knows of it,
with the number of pairs that there are by then; later only its end is raised, to the number of
pairs that there are; and whoever raised it looks whether there are more by now, and if so does it
again. Thus whichever program writes last names the pairs of all. The pairs themselves are written
last of all, in one request: they are there or not.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.nodes import CARRAY, EARRAY
from h5backends.references.files import Files
from h5backends.references.grouping import Index, runs_of
from h5backends.references.layout import data_path, ref_region_dtype
from h5backends.references.links import Link
from h5backends.references.ranks import Ranks

__all__ = ["begin_rows", "named_pairs", "rebuild_tables", "write_alone", "write_shared"]

_log = logging.getLogger(__name__)

Pairs = NDArray[Any]
Spans = tuple[Index, Index, Index]
"""Parents, each once, and the first pair and the last pair + 1 of each."""

_PIECE = 2**20
"""Rows of a table that are looked at in one piece."""
_DENSE = 4
"""Rows of a table are changed in one piece if it holds no more than so many times as many."""


def named_pairs(files: Files, link: Link) -> int:
    """Return how many pairs the look-up tables name: those behind them were never completed."""
    named = 0
    for path in link.regions:
        table = files.array(path)
        for start in range(0, len(table), _PIECE):
            rows = table[start : start + _PIECE]
            filled = rows["stop"][rows["stop"] > rows["start"]]
            named = max(named, int(filled.max()) if filled.size else 0)
    length = files.length(link.ref)
    if named < length:
        _log.warning(
            "%s: %d references at the end of /%s were never completed; new ones take their place",
            files.location,
            length - named,
            link.ref,
        )
    return min(named, length)


def write_alone(files: Files, ranks: Ranks, link: Link, pairs: Pairs, start: int) -> int:
    """Write pairs, where nobody but these ranks writes the file.

    Parameters
    ----------
    files, ranks, link
        Where, and who.
    pairs : ndarray, shape (n, 2)
        Checked, in the order of the columns; those of this rank.
    start : int
        Where they begin; see :func:`named_pairs`.

    Returns
    -------
    int
        Where the next ones begin.
    """
    counts = ranks.all(len(pairs))
    stop = start + sum(counts)
    if stop == start:
        return stop
    ref = files.growing(link.ref)
    ref.reserve(max(0, stop - len(ref)))
    first = start + sum(counts[: ranks.rank])
    for end, path in zip(link.ends, link.regions, strict=True):
        lengthen(files.growing(path), files.length(data_path(end)))
    with ranks.agreed():
        if len(pairs):
            ref[first : first + len(pairs)] = pairs
    files.flush()
    ranks.wait()
    spans = [_spans(pairs[:, column], first) for column in (0, 1)]
    gathered = ranks.to_first(spans)
    with ranks.agreed():
        for column, path in enumerate(link.regions if gathered is not None else ()):
            merged = _merged([part[column] for part in gathered or ()])
            _widen(files.array(path), merged)
    if ranks.many:
        files.flush()
        ranks.wait()
    return stop


def write_shared(files: Files, link: Link, pairs: Pairs) -> None:
    """Write pairs, while other programs may be doing the same."""
    if not len(pairs):
        return
    own = files.growing(link.ref).reserve(len(pairs), shared=True)
    owners = [np.unique(pairs[:, column]).astype(np.int64) for column in (0, 1)]
    length = -1
    while length != (present := files.length(link.ref)):
        length = present
        for path, numbers in zip(link.regions, owners, strict=True):
            table = files.growing(path)
            lengthen(table, int(numbers[-1]) + 1, shared=True)
            _raise_ends(table, numbers, length)
    files.growing(link.ref)[own] = pairs


def begin_rows(files: Files, link: Link, end: int, rows: slice) -> None:
    """Begin the rows of a look-up table, for rows of data that were reserved just now."""
    table = files.growing(link.regions[end])
    if not files.shared:
        lengthen(table, rows.stop)
        return
    lengthen(table, rows.stop, shared=True)
    if rows.stop > rows.start:
        length = files.length(link.ref)
        none_yet = np.array((length, length), ref_region_dtype)
        table[rows] = np.full(rows.stop - rows.start, none_yet)


def lengthen(table: EARRAY, length: int, shared: bool = False) -> None:
    """Make a look-up table at least as long as this; never shorter, whoever else does the same."""
    if shared:
        table.refresh()
    if len(table) < length:
        table.reserve(length - len(table), shared)


def rebuild_tables(files: Files, link: Link) -> None:
    """Fill look-up tables from all pairs."""
    ref = files.array(link.ref)
    for start in range(0, len(ref), _PIECE):
        pairs = ref[start : start + _PIECE]
        for column, path in enumerate(link.regions):
            table = files.array(path)
            owners = pairs[:, column].astype(np.int64)
            known = np.flatnonzero(owners < len(table))
            numbers, first, last = _spans(owners[known], 0)
            _widen(table, (numbers, known[first] + start, known[last - 1] + start + 1))


def _spans(owners: NDArray[Any], offset: int) -> Spans:
    """Return where the pairs of each owner begin and end."""
    owners = owners.astype(np.int64)
    numbers, first = np.unique(owners, return_index=True)
    _, from_end = np.unique(owners[::-1], return_index=True)
    return numbers, first + offset, owners.size - from_end + offset


def _merged(parts: list[Spans]) -> Spans:
    """Bring the spans of several ranks together."""
    owners, starts, stops = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(owners, kind="stable")
    owners = owners[order]
    if not owners.size:
        return owners, owners, owners
    edges = np.flatnonzero(np.concatenate(([True], owners[1:] != owners[:-1])))
    first = np.minimum.reduceat(starts[order], edges)
    return owners[edges], first, np.maximum.reduceat(stops[order], edges)


def _widen(table: CARRAY, spans: Spans) -> None:
    """Have rows of a look-up table name more pairs; nobody else changes it."""
    numbers, first, last = spans
    if not numbers.size:
        return
    low, high = int(numbers[0]), int(numbers[-1]) + 1
    dense = high - low <= _DENSE * numbers.size
    block = table[low:high] if dense else table[numbers]
    places = numbers - low if dense else np.arange(numbers.size)
    rows = block[places]
    empty = rows["start"] >= rows["stop"]
    rows["start"] = np.where(empty, first, np.minimum(rows["start"], first))
    rows["stop"] = np.where(empty, last, np.maximum(rows["stop"], last))
    block[places] = rows
    table[slice(low, high) if dense else numbers] = block


def _raise_ends(table: CARRAY, numbers: Index, length: int) -> None:
    """Have rows of a look-up table name pairs up to `length`, and touch no others."""
    for start, stop in runs_of(numbers, numbers + 1, 0, numbers.size).runs:
        rows = table[start:stop]
        if np.any(rows["stop"] < length):
            rows["stop"] = np.maximum(rows["stop"], length)
            table[start:stop] = rows
