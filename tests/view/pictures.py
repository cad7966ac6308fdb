"""Takes the pictures of the documentation: ``python -m tests.view.pictures docs/images``.

A program of its own records what is on them, and Chromium looks at it, as in the tests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from savers import (
    Axis,
    DataRaw,
    DataToExport,
    DataToExportExtendedSaver,
    DataToExportTimedSaver,
)

SIDE = 90


def scan(path: str) -> None:
    """Record a laser spot, line by line: two thirds at once, and the rest slowly."""
    place = np.linspace(-4.5, 4.5, SIDE)
    rng = np.random.default_rng(0)
    with DataToExportExtendedSaver(path, (SIDE, SIDE), new_file=True, swmr_mode=True) as saver:
        group = saver.add_scan_group(title="laser spot")
        saver.get_set_logger()
        axes = [Axis(f"stage {name}", "um", place, n) for n, name in enumerate("yx")]
        saver.add_nav_axes(group, axes)
        for row, column in np.ndindex(SIDE, SIDE):
            radius = np.hypot(place[row], place[column]) + 1e-9
            power = 850 * (np.sin(2.2 * radius) / (2.2 * radius)) ** 2 + 20 * rng.random()
            data = [
                DataRaw("reflected power", units="uW", data=[np.array([power])]),
                DataRaw("camera", units="counts", data=[rng.poisson(9, (8, 8))]),
            ]
            saver.add_data(group, DataToExport("detector", data), (row, column))
            if column == SIDE - 1:
                saver.add_log(f"line {row + 1} of {SIDE} at y = {place[row]:.2f} um")
            if row >= 2 * SIDE // 3:
                _slowly(saver)


def trace(path: str) -> None:
    """Record an oven that is switched on: a quarter of an hour at once, and the rest slowly."""
    rng = np.random.default_rng(1)
    began = time.time() - 900
    with DataToExportTimedSaver(path, new_file=True, swmr_mode=True) as saver:
        saver.get_set_logger()
        saver.add_log("heater on")
        for second in range(5000):
            value = 22 + 61 * (1 - np.exp(-second / 190)) + 0.8 * np.sin(second / 25)
            noisy = np.array([value + 0.15 * rng.normal()])
            bundle = DataToExport("oven", [DataRaw("temperature", units="degC", data=[noisy])])
            bundle.timestamp = began + second if second < 900 else time.time()
            saver.add_data("/RawData", bundle)
            if second % 60 == 59:
                saver.add_log(f"after {(second + 1) // 60} min: {value:.1f} degC")
            if second >= 900:
                _slowly(saver)


def _slowly(saver: Any) -> None:
    saver.flush()
    print("ready", flush=True)
    time.sleep(0.1)


def main(folder: Path) -> None:
    """Take both pictures."""
    from tests.cli.conftest import Running
    from tests.view.conftest import Browser, address_of, start_chromium, until

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        driver = start_chromium(Path(temporary) / "profile")
        try:
            for kind in ("scan", "trace"):
                path = Path(temporary) / f"{kind}.h5"
                command = [sys.executable, "-m", "tests.view.pictures", kind, str(path)]
                writer = subprocess.Popen(command, stdout=subprocess.PIPE)
                assert writer.stdout is not None
                writer.stdout.readline()
                server = Running("view", str(path), "--no-browser")
                window = Browser(driver)
                window.open(address_of(server))
                until(lambda w=window: w.pixels() or w.points(), "a plot")
                time.sleep(1)  # nobody waits for this program: the layout may settle
                driver.save_screenshot(str(folder / f"view-{kind}.png"))
                server.end()
                writer.kill()
                writer.communicate()
        finally:
            driver.quit()


if __name__ == "__main__":
    if sys.argv[1] in {"scan", "trace"}:
        {"scan": scan, "trace": trace}[sys.argv[1]](sys.argv[2])
    else:
        main(Path(sys.argv[1]))
