"""The row of dereferencing a million parents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from h5backends.references import dereference, ref_region_dtype
from savers.bench.figures import Unit, at_most
from savers.bench.harness import Row, Setting, Works, clock, require
from savers.bench.peers import H5FLOW

__all__ = ["ROWS"]


@contextmanager
def _dereference(setting: Setting) -> Iterator[Works]:
    parents, refs = setting.size(10_000, 1_000_000), setting.size(30_000, 3_000_000)
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, parents, (refs, 2))
    pairs[:, 0].sort()  # in the order of the parents, as a scan writes them
    region = np.zeros(parents, ref_region_dtype)
    region["start"] = np.searchsorted(pairs[:, 0], np.arange(parents))
    region["stop"] = np.searchsorted(pairs[:, 0], np.arange(parents), side="right")
    with h5py.File(setting.path("refs.h5"), "w") as file:
        ref = file.create_dataset("ref", data=pairs.astype("u4"))
        kept = file.create_dataset("region", data=region)
        data = file.create_dataset("data", data=generator.random(parents))
        found: dict[str, Any] = {}

        def gather() -> None:
            found["gathered"] = data[:][ref[:][:, 1]]

        def rows() -> None:
            found["rows"] = dereference(slice(0, parents), ref, data, kept)

        def ours() -> float:
            seconds = clock(rows, 1)
            gather()
            require(found["rows"].count() == refs, "references were left out")
            require(np.isclose(found["rows"].sum(), found["gathered"].sum()), "other values")
            return seconds

        yield Works(ours, None, lambda: clock(gather, 1))


ROWS = (
    Row(
        "dereference",
        "dereference 1,000,000 parents with 3,000,000 references",
        Unit.SECONDS,
        at_most(0.2),
        _dereference,
        H5FLOW,
        "read everything and gather in numpy",
    ),
)
