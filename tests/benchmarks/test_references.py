"""Dereferencing a million parents, against reading and gathering the same data in numpy.

h5flow, which the bar comes from (2.9 s; at most 0.2 s here, where reading and gathering take
0.04 s), cannot be installed from PyPI.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends.references import H5FlowDataManager, dereference, ref_region_dtype
from tests.benchmarks.harness import QUICK, clock, compare

PARENTS, REFS = (10_000, 30_000) if QUICK else (1_000_000, 3_000_000)


def store(path: Path, kind: str) -> None:
    """Store references in the order of their parents, as a scan writes them, or in none."""
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, PARENTS, (REFS, 2))
    if kind == "in order":
        pairs[:, 0].sort()
    region = np.zeros(PARENTS, ref_region_dtype)
    numbers, first = np.unique(pairs[:, 0], return_index=True)
    _, last = np.unique(pairs[::-1, 0], return_index=True)
    region["start"][numbers], region["stop"][numbers] = first, REFS - last
    with h5py.File(path, "w") as file:
        file["ref"], file["region"] = pairs.astype("u4"), region
        file["data"] = generator.random(PARENTS)


@pytest.mark.parametrize("kind", ["in order", "in no order"])
@pytest.mark.parametrize("with_region", [False, True], ids=["all", "region"])
def test_dereference(kind: str, with_region: bool, tmp_path: Path) -> None:
    store(tmp_path / "refs.h5", kind)
    with h5py.File(tmp_path / "refs.h5") as file:
        ref, data = file["ref"], file["data"]
        region = file["region"] if with_region else None
        found: dict[str, Any] = {}

        def ours() -> None:
            found["rows"] = dereference(slice(0, PARENTS), ref, data, region)

        def gather() -> None:
            found["gathered"] = data[:][ref[:][:, 1]]

        compare(
            f"dereference {PARENTS:,} parents, {REFS:,} references {kind}"
            f"{', by region' if with_region else ''}, against read and gather",
            lambda: clock(ours, 1),
            lambda: clock(gather, 1),
            "0.2 times as fast",
        )
        assert found["rows"].count() == REFS
        assert np.isclose(found["rows"].sum(), found["gathered"].sum())


def test_one_parent_of_a_million(tmp_path: Path) -> None:
    """What it costs does not grow with the file."""
    store(tmp_path / "refs.h5", "in order")
    with h5py.File(tmp_path / "refs.h5") as file:
        arrays = file["ref"], file["data"], file["region"]
        ref = np.asarray(arrays[0])

        def peer() -> None:
            for parent in (PARENTS // 2, 3, PARENTS - 1):
                np.flatnonzero(ref[:, 0] == parent)

        def ours() -> None:
            for parent in (PARENTS // 2, 3, PARENTS - 1):
                dereference(parent, *arrays)

        compare(
            f"dereference one parent of {PARENTS:,}, against a look through all in memory",
            lambda: clock(ours, 3),
            lambda: clock(peer, 3),
            "as fast, at 1,000,000",
        )


def test_memory(tmp_path: Path) -> None:
    """Beside its result it needs a few times the references, whatever their order."""
    store(tmp_path / "refs.h5", "in no order")
    with h5py.File(tmp_path / "refs.h5") as file:
        arrays = file["ref"], file["data"], file["region"]
        dereference(slice(0, 10), *arrays)
        tracemalloc.start()  # numpy tells it of every array
        try:
            found = dereference(slice(None), *arrays)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    result = found.data.nbytes + found.mask.nbytes
    print(
        f"\n  {PARENTS:,} parents, {REFS:,} references: {peak / 1e6:.1f} MB at most, of which "
        f"{result / 1e6:.1f} MB result; the references are {REFS * 8 / 1e6:.1f} MB"
    )
    assert peak < result + 12 * REFS * 8


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_writing_and_following_through_the_manager(driver: str, tmp_path: Path) -> None:
    """Batches of a thousand parents, written and read back; against the same rows alone."""
    batches = 3 if QUICK else 100
    generator = np.random.default_rng(0)

    def ours() -> None:
        path = tmp_path / f"{generator.integers(2**40)}.h5"
        with H5FlowDataManager(path, backend=driver) as dm:
            dm.create_dset("a", "f8")
            dm.create_dset("b", "f8")
            dm.create_ref("a", "b")
            for _ in range(batches):
                a, b = dm.reserve_data("a", 1000), dm.reserve_data("b", 3000)
                dm.write_data("a", a, np.zeros(1000))
                dm.write_data("b", b, np.zeros(3000))
                pairs = np.stack(
                    [np.repeat(np.arange(a.start, a.stop), 3), np.arange(b.start, b.stop)]
                )
                dm.write_ref("a", "b", pairs.T)
            assert dm["a", "b", :].shape == (batches * 1000, 3)

    def peer() -> None:
        with h5py.File(tmp_path / f"{generator.integers(2**40)}.h5", "w") as file:
            arrays = [
                file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(8192,))
                for name, dtype in (("a", "f8"), ("b", "f8"), ("ref", "u8"))
            ]
            for _ in range(batches):
                for array, count in zip(arrays, (1000, 3000, 3000), strict=True):
                    array.resize((len(array) + count,))
                    array[-count:] = 0
                file.flush()

    compare(
        f"1,000 parents and 3,000 references a batch, {driver}, against rows alone with h5py",
        lambda: clock(ours, batches),
        lambda: clock(peer, batches),
        "none: it shows what references and safety cost",
        repeat=3,
    )
