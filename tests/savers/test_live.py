"""A loader in this process follows a saver in another one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from h5backends import CARRAY
from savers import DataLoader

LOG = """
    log = DataToExportTimedSaver({path!r}, new_file=True, swmr_mode=True)
    def add(number, data):
        log.add_data("/RawData", data)
"""
SCAN = """
    log = DataToExportExtendedSaver({path!r}, (10, 40), new_file=True, swmr_mode=True)
    def add(number, data):
        log.add_data("/RawData", data, divmod(number, 40))
"""
REST = """
    for number in range(400):
        a = DataRaw("a", origin="o", data=[np.array([float(number)])])
        b = DataRaw("b", origin="o", data=[np.full(500, float(number))])
        point = DataToExport("p", [a, b])
        add(number, point)
        if number == 0:
            print("ready", flush=True)
        time.sleep(0.002)
    input()
    log.close()
"""
START = """
    import time
    import numpy as np
    from savers import *
"""


@contextmanager
def writer(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """A program that writes 400 points, and waits for a word before it closes the file."""
    code = "".join(textwrap.dedent(part) for part in (START, kind.format(path=str(path)), REST))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
            process.communicate("\n", timeout=60)
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.parametrize("kind", [LOG, SCAN], ids=["log", "scan"])
def test_a_loader_follows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "live.h5"
    name = "EnlData00" if kind is LOG else "Data00"
    seen = [0]
    with writer(path, kind), DataLoader(path, swmr_mode=True) as loader:
        deadline = time.monotonic() + 60
        while seen[-1] < 400 and time.monotonic() < deadline:
            done = seen[-1] if kind is LOG else points_done(loader)
            a = loader.load_data(f"/RawData/Data0D/CH00/{name}").data[0].ravel()
            a = a[np.isfinite(a)]
            np.testing.assert_array_equal(a, np.arange(len(a)))
            b = loader.load_data(f"/RawData/Data1D/CH00/{name}").data[0].reshape(-1, 500)
            b = b[np.isfinite(b[:, 0])]
            # Every row that is there is whole, and points that were complete are so everywhere.
            np.testing.assert_array_equal(b, np.repeat(np.arange(len(b))[:, None], 500, axis=1))
            assert len(a) >= done
            assert len(b) >= done
            seen.append(len(a))
    assert seen[-1] == 400
    assert len(set(seen)) > 5
    assert seen == sorted(seen)


def points_done(loader: DataLoader) -> int:
    """How many points of the scan are complete, as the file tells."""
    times = loader.get_node("/RawData/PointTimes")
    assert isinstance(times, CARRAY)
    times.refresh()
    return int(np.isfinite(times.read()).sum())
