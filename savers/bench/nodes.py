"""Rows of files with many nodes: walking them, adding to them, loading one signal of many."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import savers
from h5backends import H5Backend
from savers import DataLoader, DataSaverLoader
from savers.bench import points
from savers.bench.figures import Unit, at_most, times_the_speed
from savers.bench.harness import LOCAL, Row, Setting, Works, clock, require
from savers.bench.peers import PYMODAQ

__all__ = ["ROWS"]

_ARRAYS = 99
"""In each group."""
_FEW = 100
_THEIRS = 500
"""Signals in the file that the peer loads from: it looks at all of them, for minutes."""
_TENTH, _NEARBY = 10, 50


# -- walking ------------------------------------------------------------------------------------
@contextmanager
def _walking(driver: str, setting: Setting) -> Iterator[Works]:
    groups = setting.size(3, 100)
    nodes = 1 + groups * (_ARRAYS + 1)
    path = setting.path("nodes.h5")
    theirs = setting.peer(PYMODAQ)
    # Written by the peer, if there is one: it reads its own files at their best.
    builder = theirs.backends.H5Backend(driver) if theirs else H5Backend(driver)
    builder.open_file(str(path), "w")
    for number in range(groups):
        group = builder.get_set_group("/", f"G{number:03d}")
        for array in range(_ARRAYS):
            builder.create_carray(group, f"A{array:02d}", np.arange(3.0))
    builder.close_file()

    def walk(backend: Any) -> float:
        backend.open_file(str(path), "r")
        found = []

        def work() -> None:
            for node in backend.walk_nodes("/"):
                found.append(node.attrs.to_dict())

        seconds = clock(work, nodes)
        backend.close_file()
        require(len(found) == nodes and found[-1], "the walk left out nodes or attributes")
        return seconds

    yield Works(
        lambda: walk(H5Backend(driver)),
        (lambda: walk(theirs.backends.H5Backend(driver))) if theirs else None,
        lambda: _visit(path, nodes),
    )


def _visit(path: Path, nodes: int) -> float:
    """Walk with HDF5's own iteration, without attributes."""
    with h5py.File(path, "r") as file:
        found: list[bytes] = []
        seconds = clock(lambda: h5py.h5o.visit(file.id, found.append), nodes)
    require(len(found) >= nodes - 1, "HDF5 did not visit all nodes")
    return seconds


# -- adding -------------------------------------------------------------------------------------
def _data(names: Any, number: int) -> Any:
    axis = names.Axis("e", "eV", np.linspace(0, 1, 50))
    return names.DataRaw("d", data=[np.arange(50.0) + number], axes=[axis])


def _add(saver: Any, names: Any, number: int) -> float:
    """Return the seconds of one call, its data made beforehand."""
    data = _data(names, number)
    start = time.perf_counter()
    saver.add_data("/RawData", data)
    return time.perf_counter() - start


def _growth(many: Any, few: Any, names: Any, count: int) -> float:
    """Fill a file up to `count` signals; return how many times the tenth call the last ones cost.

    The last calls and the tenth one, in another file, are made in turns: whatever
    else the machine does meets both.
    """
    nearby = min(_NEARBY, count // 4)
    for number in range(count - nearby):
        _add(many, names, number)
    for number in range(_TENTH):
        _add(few, names, number)
    late, early = [], []
    for number in range(nearby):
        late.append(_add(many, names, count - nearby + number))
        early.append(_add(few, names, _TENTH + number))
    return statistics.median(late) / statistics.median(early)


def _make(driver: str, path: Path, count: int) -> None:
    """Make a file with so many signals."""
    with DataSaverLoader(path, new_file=True, backend=driver) as saver:
        for number in range(count):
            _add(saver, savers, number)


@contextmanager
def _adding(driver: str, setting: Setting) -> Iterator[Works]:
    count, their_count = setting.size(100, 10_000), setting.size(20, 150)
    theirs = setting.peer(PYMODAQ)

    def ours() -> float:
        options: dict[str, Any] = {"new_file": True, "backend": driver}
        with (
            DataSaverLoader(setting.path("many.h5"), **options) as many,
            DataSaverLoader(setting.path("few.h5"), **options) as few,
        ):
            return _growth(many, few, savers, count)

    def peer() -> float:
        names = points.names_of(theirs)
        files = [points.opened(names, driver, setting.path("theirs.h5")) for _ in range(2)]
        many, few = (names.DataSaverLoader(file) for file in files)
        growth = _growth(many, few, names, their_count)
        for file in files:
            file.close_file()
        return growth

    yield Works(ours, peer if theirs else None)


# -- loading one --------------------------------------------------------------------------------
def _load(path: Path, driver: str, count: int, times: int) -> float:
    """Return the median seconds to load one of the signals of a file."""
    found = []
    with DataLoader(path, backend=driver) as loader:
        for number in np.random.default_rng(1).integers(0, count, times):
            start = time.perf_counter()
            data = loader.load_data(f"/RawData/Data{number:02d}")
            found.append(time.perf_counter() - start)
            require(data.data[0][0] == number and data.axes[0].units == "eV", "other data")
    return statistics.median(found)


def _many(driver: str, setting: Setting) -> tuple[Path, int]:
    count = setting.size(100, 10_000)

    def make() -> Path:
        path = setting.shared_path("many.h5")
        _make(driver, path, count)
        return path

    return setting.once(("many signals", driver), make), count


@contextmanager
def _loading(driver: str, setting: Setting) -> Iterator[Works]:
    path, count = _many(driver, setting)
    theirs = setting.peer(PYMODAQ)

    their_count = min(count, _THEIRS)
    smaller = setting.path("smaller.h5")
    _make(driver, smaller, their_count)

    def peer() -> float:
        saver = theirs.saving.H5SaverLowLevel("custom", driver)
        saver.init_file(smaller, new_file=False)
        loader = theirs.data_saving.DataLoader(saver)
        found: list[Any] = []
        where = f"/RawData/Data{their_count // 2:02d}"
        seconds = clock(lambda: found.append(loader.load_data(where)), 1)
        saver.close_file()
        require(found[0].data[0][0] == their_count // 2, "the peer loaded other data")
        return seconds

    def limit() -> float:
        with h5py.File(path, "r") as file:
            group = file["RawData"]

            def work() -> None:
                for name in (f"Data{count // 2:02d}", "Axis00"):
                    array = group[name]
                    _, _ = array[...], dict(array.attrs)

            return clock(work, 1)

    yield Works(lambda: _load(path, driver, count, 30), peer if theirs else None, limit)


@contextmanager
def _loading_from_small(driver: str, setting: Setting) -> Iterator[Works]:
    path, count = _many(driver, setting)
    small = setting.path("few.h5")
    _make(driver, small, _FEW)
    yield Works(lambda: _load(path, driver, count, 30) / _load(small, driver, _FEW, 30))


def _rows() -> Iterator[Row]:
    for driver in LOCAL:
        walking, adding, loading, growing = (
            functools.partial(prepare, driver)
            for prepare in (_walking, _adding, _loading, _loading_from_small)
        )
        yield Row(
            f"walk-{driver}", f"walk 10,000 nodes with all attributes, {driver}; per node",
            Unit.SECONDS, times_the_speed(5), walking, PYMODAQ,
            "H5Ovisit, without attributes", rounds=3,
        )  # fmt: skip
        yield Row(
            f"add-growth-{driver}",
            f"add_data into one group, {driver}: the 10,000th call against the 10th",
            Unit.FACTOR, at_most(1.5), adding, PYMODAQ, rounds=2,
            note="pymodaq_data: its 150th call against its 10th",
        )  # fmt: skip
        yield Row(
            f"load-{driver}", f"load one signal of 10,000, {driver}",
            Unit.SECONDS, at_most(0.005), loading, PYMODAQ,
            "raw h5py: two arrays and their attributes", rounds=3,
            note=f"pymodaq_data: from a file with {_THEIRS} signals; its time grows with them",
        )  # fmt: skip
        yield Row(
            f"load-growth-{driver}",
            f"load one signal of 10,000 against one of 100, {driver}",
            Unit.FACTOR, at_most(1.5), growing, rounds=5,
        )  # fmt: skip


ROWS = tuple(_rows())
