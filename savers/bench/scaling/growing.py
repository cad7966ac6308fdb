"""Laws of recordings that get longer: cost per point against points."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import savers
from h5backends import H5Backend
from savers.bench.append import raw_array
from savers.bench.figures import Unit
from savers.bench.harness import LOCAL, Setting, require
from savers.bench.points import opened
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes

__all__ = ["LAWS"]

_MARKS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10**7)
_LOG_MARKS = _MARKS[:-2]
_BLOCK = 100_000
_CHUNK_ROWS = 1 << 13
"""Numbers in 64 KiB, as chunks have here."""
_GIVEN = 20


def _sections(marks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return where each section of a recording begins and ends."""
    yield from zip((0, *marks), marks, strict=False)


def _blocks(start: int, stop: int) -> Iterator[range]:
    """Return a section in blocks: their points are made outside the clock."""
    for begin in range(start, stop, _BLOCK):
        yield range(begin, min(begin + _BLOCK, stop))


def _numbers(driver: str, setting: Setting) -> Iterator[Sample]:
    path = setting.path("numbers.h5")
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        array = h5.create_earray("/", "a", "float64")
        append, stop = array.append, 0
        for start, stop in _sections(sizes(_MARKS, setting.size(10_000, _MARKS[-1]))):
            seconds = 0.0
            for block in _blocks(start, stop):
                values = np.arange(block.start, block.stop, dtype=float).tolist()
                begin = time.perf_counter()
                for value in values:
                    append(value)
                seconds += time.perf_counter() - begin
            begin = time.perf_counter()
            h5.flush()
            seconds += time.perf_counter() - begin
            yield Sample(f"number, {driver}", stop, seconds / (stop - start))
        require(np.array_equal(array[:], np.arange(stop, dtype=float)), "other numbers are there")
    path.unlink()


def _chunks(setting: Setting) -> Iterator[Sample]:
    """Fill chunks in numpy and write them whole."""
    path = setting.path("chunks.h5")
    with raw_array(path, (), np.float64, _CHUNK_ROWS) as (chunk, file):
        block: NDArray[Any] = np.zeros(_CHUNK_ROWS)
        for start, stop in _sections(sizes(_MARKS, setting.size(10_000, _MARKS[-1]))):
            begin = time.perf_counter()
            for row in range(start - start % _CHUNK_ROWS, stop, _CHUNK_ROWS):
                block[max(0, start - row) : stop - row] = 1.5
                chunk.set_extent((min(row + _CHUNK_ROWS, stop),))
                chunk.write_direct_chunk((row,), block)
            file.flush()
            yield Sample(_LIMIT, stop, (time.perf_counter() - begin) / (stop - start))
    path.unlink()


def _given(count: int) -> list[Any]:
    """Return points with one signal, made beforehand and added in turns."""
    return [
        savers.DataToExport("log", [savers.DataRaw("v", data=[np.array([float(n)])], origin="o")])
        for n in range(count)
    ]


def _log(driver: str, setting: Setting) -> Iterator[Sample]:
    path = setting.path("log.h5")
    saver = opened(savers, driver, path)
    log, given, stop = savers.DataToExportTimedSaver(saver), _given(_GIVEN), 0
    for start, stop in _sections(sizes(_LOG_MARKS, setting.size(3_000, _LOG_MARKS[-1]))):
        begin = time.perf_counter()
        for number in range(start, stop):
            log.add_data("/RawData", given[number % _GIVEN])
        saver.flush()
        yield Sample(f"log, {driver}", stop, (time.perf_counter() - begin) / (stop - start))
    found = saver.get_node("/RawData/Data0D/CH00/EnlData00").read().ravel()
    saver.close_file()
    require(np.array_equal(found, np.arange(stop) % _GIVEN), "other points are there")
    path.unlink()


def _points(setting: Setting) -> Generator[Sample]:
    yield from _chunks(setting)
    for driver in LOCAL:
        yield from _numbers(driver, setting)
        yield from _log(driver, setting)


_LIMIT = "whole chunks from numpy"

LAWS = (
    Law(
        "points",
        "Cost of a point in a recording that grows",
        "points in the recording",
        "time per point, flush included",
        Scale.COUNT,
        Unit.SECONDS,
        (
            *(Curve(f"log, {driver}", flat=True) for driver in LOCAL),
            *(Curve(f"number, {driver}", flat=True) for driver in LOCAL),
            Curve(_LIMIT, limit=True),
        ),
        _points,
        budget=70,
    ),
)
