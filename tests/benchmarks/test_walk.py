"""Walking a file of ten thousand nodes with their attributes, against pymodaq_data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from tests.benchmarks.harness import QUICK, clock, compare
from tests.conftest import LOCAL

GROUPS = 5 if QUICK else 100
ARRAYS = 99
NODES = 1 + GROUPS * (ARRAYS + 1)


def _build(backend: Any, path: Path) -> None:
    backend.open_file(str(path), "w")
    for number in range(GROUPS):
        group = backend.get_set_group("/", f"G{number:03d}")
        for array in range(ARRAYS):
            backend.create_carray(group, f"A{array:02d}", np.arange(3.0))
    backend.close_file()


def _walk(backend: Any, path: Path, attrs: bool) -> float:
    backend.open_file(str(path), "r")
    found = []

    def work() -> None:
        for node in backend.walk_nodes("/"):
            found.append(node.attrs.to_dict() if attrs else None)

    seconds = clock(work, NODES)
    backend.close_file()
    assert len(found) == NODES
    return seconds


@pytest.mark.filterwarnings("default")  # importing and closing the peer warns
@pytest.mark.parametrize("attrs", [False, True], ids=["kinds", "attributes"])
@pytest.mark.parametrize("driver", LOCAL)
def test_walk(driver: str, attrs: bool, tmp_path: Path) -> None:
    backends = pytest.importorskip("pymodaq_data.h5modules.backends")
    path = tmp_path / "nodes.h5"
    _build(backends.H5Backend(driver), path)
    what = "all attributes" if attrs else "kinds"
    compare(
        f"walk {NODES} nodes with {what}, {driver}, against pymodaq_data",
        lambda: _walk(H5Backend(driver), path, attrs),
        lambda: _walk(backends.H5Backend(driver), path, attrs),
        "5 times as fast",
        repeat=3,
    )
