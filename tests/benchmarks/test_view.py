"""The live view: how soon a point is seen, what that costs the writer, and what a look costs."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from h5backends import H5Backend
from savers.view.model.source import Address, Source
from savers.view.model.viewer import Viewer
from tests.benchmarks.harness import QUICK, clock, compare
from tests.view.conftest import (  # noqa: F401 - fixtures
    Browser,
    address_of,
    browser,
    chromium,
    served,
    start,
    until,
    writer,
)

POINTS = 10 if QUICK else 200
BLOCK = 10_000
LONG = 200_000 if QUICK else 5_000_000

_WATCH = """
window.seen = {};
const curve = Bokeh.documents[0].get_model_by_name('curve');
curve.properties.data.change.connect(() => {
  const count = curve.data.x.length;
  // Two frames later it has been painted.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    window.seen[count] ??= performance.timeOrigin + performance.now();
  }));
});
"""


def _open(window: Browser, url: str, count: int) -> None:
    window.open(url)
    until(lambda: window.points() == count, "the first points")


def test_latency(writer: Any, served: Any, browser: Any) -> None:  # noqa: F811
    """From the writer's flush to the point on the screen, over server and browser."""
    log = writer("log")
    log.tell("points 5")
    _open(browser, served(log.path), 5)
    browser.driver.execute_script(_WATCH)
    delays = []
    for _ in range(POINTS):
        count, flushed = log.tell("points 1")
        seen = until(lambda n=count: browser.value(f"window.seen[{n}]"), "a new point")
        delays.append(seen / 1e3 - flushed)
    median, worst = statistics.median(delays), max(delays)
    print(
        f"\n  from flush to screen, {POINTS} points: median {1e3 * median:.0f} ms, "
        f"worst {1e3 * worst:.0f} ms (bar: 500 ms)"
    )
    assert len(delays) == POINTS


@pytest.mark.parametrize("what", ["clock", "processor"])
def test_writer_is_not_slowed(
    what: str,
    writer: Any,  # noqa: F811
    start: Any,  # noqa: F811
    browser: Any,  # noqa: F811
) -> None:
    """A writer at full speed, with its file on a screen and with the viewer halted.

    In short turns, so that whatever else the machine does meets both.
    """
    log = writer("log")
    count, _ = log.tell("points 10")
    running = start("view", log.path, "--no-browser")
    _open(browser, address_of(running), count)
    viewer = psutil.Process(running.process.pid)

    def seconds() -> float:
        log.tell(f"points {BLOCK}")
        return log.took[what == "processor"] / BLOCK

    def watched() -> float:
        viewer.resume()
        return seconds()

    def alone() -> float:
        viewer.suspend()
        return seconds()

    compare(
        f"append a point to a log with a viewer open, against none, seconds of the {what}",
        watched,
        alone,
        "at least 0.97 times as fast",
        repeat=100,
    )
    viewer.resume()
    until(lambda: browser.headline().startswith("<b>run.h5</b>"), "a page that goes on")


def test_cost_of_a_look(tmp_path: Path) -> None:
    """Taking in a new row of a trace: it must not depend on how many there are."""

    def prepared(name: str, length: int) -> tuple[H5Backend, Any, Viewer]:
        h5 = H5Backend("h5py")
        h5.open_file(tmp_path / name, "w", swmr_mode=True)
        array = h5.create_earray("/", "trace", "float64")
        array.append(np.sin(np.arange(float(length)) / 1e3))
        h5.enable_swmr()
        viewer = Viewer(Source(Address(str(tmp_path / name))))
        viewer.select("/trace")
        while viewer.update().frame is not None:
            pass
        return h5, array, viewer

    short, long = prepared("short.h5", LONG // 10), prepared("long.h5", LONG)

    def look(h5: H5Backend, array: Any, viewer: Viewer) -> float:
        frames = 0
        rows = 30

        def work() -> None:
            nonlocal frames
            for _ in range(rows):
                array.append(0.0)
                h5.flush()
                frames += viewer.update().frame is not None

        seconds = clock(work, rows)
        assert frames >= rows // 2
        return seconds

    compare(
        f"take in a row of a trace of {LONG}, against one of a tenth of that",
        lambda: look(*long),
        lambda: look(*short),
        "at least 0.9 times as fast",
    )
    for h5, _, viewer in (short, long):
        viewer.source.close()
        h5.close_file()
