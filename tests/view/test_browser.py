"""The page in a real browser, while a real program writes the file."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import H5Backend
from savers import (
    Axis,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportExtendedSaver,
    Scan,
)
from tests.view.child_writer import SIDE
from tests.view.conftest import until

VIRIDIS = np.array([[68, 1, 84], [253, 231, 37]])
BLUE = np.array([31, 119, 180])
EMPTY = np.array([236, 236, 236])


def like(shot: Any, colour: Any, distance: int = 40) -> int:
    """Return how many pixels of a picture have about a colour."""
    return int((np.abs(shot.astype(int) - colour).max(axis=2) < distance).sum())


def test_scan_fills_in(writer: Any, serve: Any, browser: Any) -> None:
    scan = writer("scan")
    scan.tell(f"points {SIDE}")
    browser.open(serve(scan.path))
    until(lambda: browser.pixels() == SIDE, "the first line of the image")
    until(lambda: like(browser.shot(), EMPTY, 4) > 50_000, "points still to come are grey")
    before = like(browser.shot(), EMPTY, 4)
    assert "writing" in browser.headline()
    assert f"{SIDE} of {SIDE * SIDE} points" in browser.headline()
    assert browser.value("Bokeh.documents[0].get_model_by_name('plot').title.text") == "power"
    assert browser.model("plot", ".below[0].axis_label") == "stage x (µm)"
    count, _ = scan.tell(f"points {SIDE * (SIDE - 2)}")
    until(lambda: browser.pixels() == count, "the lines after it")
    until(lambda: like(browser.shot(), EMPTY, 4) < before / 5, "fewer of them are grey")
    shot = browser.shot()
    assert min(like(shot, colour) for colour in VIRIDIS) > 100, "dark sides and a bright middle"
    scan.tell("line lamp is warm")
    until(lambda: "lamp is warm" in (browser.model("log", ".text") or ""), "a line of the log")
    scan.tell("close")
    until(lambda: "finished" in browser.headline(), "the end of the scan")
    assert browser.pixels() == count


def test_click_in_the_tree_and_move_a_slider(writer: Any, served: Any, browser: Any) -> None:
    scan = writer("scan")
    count, _ = scan.tell(f"points {SIDE + 5}")
    browser.open(served(scan.path))
    until(lambda: browser.pixels() == count, "an image")
    browser.click("Data1D")
    until(lambda: browser.points() == 50, "the spectrum that the group stands for")
    row = browser.model("slider0", ".title"), browser.model("slider1", ".title")
    assert row[0].startswith("stage y = -3.27")
    assert row[1].startswith("stage x = -1.09")
    assert browser.model("plot", ".below[0].axis_label") == "wavelength (nm)"
    until(lambda: like(browser.shot(), BLUE, 60) > 100, "a blue curve")
    peak = browser.value("Math.max(...Bokeh.documents[0].get_model_by_name('curve').data.y0)")
    scan.tell("points 1")
    until(
        lambda: (
            browser.model("slider1", ".value") == 5
            and browser.value("Math.max(...Bokeh.documents[0].get_model_by_name('curve').data.y0)")
            > peak
        ),
        "the slider follows the newest point",
    )
    browser.driver.execute_script("Bokeh.documents[0].get_model_by_name('slider0').value = 0;")
    until(lambda: browser.model("slider0", ".title").startswith("stage y = -4"), "another row")
    assert browser.model("follow", ".active") is False
    browser.click("CH00")  # in Data1D, which is open now
    until(lambda: "Data00" in browser.rows(), "its array")
    names = browser.model("attributes", ".data.name")
    assert "NX_class" in names


def test_who_wants_to_see_something_else_need_not_wait(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A click counts at once, not at the next look at the file: that is never due here."""
    for period in ("_PERIOD", "_DRAWN_PERIOD"):
        monkeypatch.setattr(f"savers.view.page.page.{period}", 1e6)
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.create_carray("/", "short", np.arange(7.0))
        h5.create_carray("/", "long", np.arange(70.0))
    with _serving(tmp_path / "a.h5") as url:
        browser.open(url)
        for name, count in (("short", 7), ("long", 70), ("short", 7)):
            browser.click(name)
            until(lambda count=count: browser.points() == count, name)
        browser.driver.get("about:blank")


@contextlib.contextmanager
def _serving(path: Path) -> Iterator[str]:
    """Serve the page of a file from within this process."""
    from savers.view import Address, ViewServer

    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended = threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = ViewServer(Address(str(path)))
        addresses.put(server.url)
        server.run(ended.is_set)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield addresses.get(timeout=30)
    finally:
        ended.set()
        thread.join(30)
    assert not thread.is_alive()


def test_trace_grows_and_its_writer_dies(writer: Any, served: Any, browser: Any) -> None:
    log = writer("log")
    log.tell("points 40")
    browser.open(served(log.path))
    until(lambda: browser.points() == 40, "the first points")
    until(lambda: like(browser.shot(), BLUE, 60) > 200, "a blue curve")
    before = browser.shot()
    end = browser.model("plot", ".x_range.end")
    log.tell("run 60 0.005")
    until(lambda: browser.points() == 100, "points that came later")
    until(lambda: browser.model("plot", ".x_range.end") > end, "an axis that goes with them")
    until(lambda: (browser.shot() != before).mean() > 0.001, "another picture")
    assert browser.model("plot", ".left[0].axis_label") == "temperature (°C)"
    log.kill()
    until(lambda: "crashed" in browser.headline(), "word of the crash")
    assert browser.points() == 100


def test_shown_within_half_a_second(writer: Any, served: Any, browser: Any) -> None:
    """Measured with the machine's one clock, from the writer's flush to the point in the browser.

    How long it takes is for the benchmark to say; here it must only come by itself.
    """
    log = writer("log")
    log.tell("points 5")
    browser.open(served(log.path))
    until(lambda: browser.points() == 5, "the first points")
    _, flushed = log.tell("points 1")
    until(lambda: browser.points() == 6, "the new one")
    assert time.time() > flushed


def test_points_that_lie_anywhere(served: Any, browser: Any, tmp_path: Path) -> None:
    """A scan of a list of points fills in, each point in the colour of its value."""
    x, y = np.random.default_rng(0).random((2, 60))
    axes = [Axis("x", "um", x, spread_order=0), Axis("y", "um", y, spread_order=1)]
    with Scan(tmp_path / "list.h5", axes, live=True, progress=False) as scan:
        scan.signal("counts")
        for n in range(30):
            scan.at(n).write(counts=float(n == 29))
        scan.flush()
        browser.open(served(tmp_path / "list.h5"))
        until(lambda: browser.model("points", ".data.x.length") == 30, "the points so far")
        assert browser.model("plot", ".left[0].axis_label") == "y (µm)"
        few = until(lambda: like(browser.shot(), VIRIDIS[0]), "points of the lowest value")
        for n in range(30, 60):
            scan.at(n).write(counts=0.0)
        scan.flush()
        until(lambda: browser.model("points", ".data.x.length") == 60, "the others")
        until(lambda: like(browser.shot(), VIRIDIS[0]) > 1.5 * few, "they are drawn")
        assert like(browser.shot(), VIRIDIS[1]) > 20, "the one of the highest value"


def test_million_points_stay_fluid(served: Any, browser: Any, tmp_path: Path) -> None:
    values = np.sin(np.arange(1_000_000) / 1e5)
    values[777_777] = 9.0  # a spike of one point must not get lost
    with DataSaverLoader(str(tmp_path / "long.h5"), new_file=True) as saver:
        saver.add_data("/RawData", DataRaw("signal", units="V", data=[values]))
    browser.open(served(tmp_path / "long.h5"))
    count = until(browser.points, "a curve")
    assert count < 5000
    top = "Math.max(...Bokeh.documents[0].get_model_by_name('curve').data.y0)"
    assert browser.value(top) == 9.0
    browser.drag(0.7, 0.85)
    first = "Bokeh.documents[0].get_model_by_name('curve').data.x[0]"
    until(lambda: 600_000 < browser.value(first) < 777_777, "only the part that is looked at")
    assert browser.value(top) == 9.0
    assert browser.points() < 5000
    browser.find_class("bk-tool-icon-reset").click()
    until(lambda: browser.value(first) == 0, "all of it again")


def test_hostile_names_are_only_text(served: Any, browser: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=window.hacked=1>"
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "evil.h5", "w", title=evil)
        group = h5.add_group("g", "detector", "/", title=evil)
        array = h5.create_carray(
            group,
            f"a {evil}",
            np.zeros((3, 4, 5)),
            title=evil,
            metadata={"units": evil, "x": evil},
        )
        array.attrs["label"] = evil
        h5.create_vlarray("/", "text", "string").append(evil)
        h5.create_carray("/", "record", np.zeros(3, [(evil, "i4"), ("second", "f8")]))
    with DataToExportExtendedSaver(str(tmp_path / "scan.h5"), (3,), new_file=True) as saver:
        scan = saver.add_scan_group(title=evil)
        saver.add_nav_axes(scan, [Axis(evil, evil, np.arange(3.0))])
        saver.get_set_logger()
        saver.add_log(evil)
        point = DataRaw(evil, units=evil, data=[np.arange(5.0)])
        saver.add_data(scan, DataToExport(evil, [point]), (1,))
    browser.open(served(tmp_path / "evil.h5"))
    until(lambda: len(browser.rows()) > 2, "the tree")
    browser.click("G")
    until(lambda: f"a {evil}" in browser.rows(), "the group opened")
    browser.click(f"a {evil}")
    until(browser.pixels, "an image")
    browser.click("text")
    until(lambda: browser.find(evil), "a table")
    browser.click("record")
    until(lambda: browser.find(evil, "slick-column-name"), "a table of records")
    assert browser.value("window.hacked") is None
    browser.open(served(tmp_path / "scan.h5"))
    until(lambda: browser.points() == 5, "a curve")
    assert evil in browser.model("slider0", ".title")
    assert browser.value("window.hacked") is None


def test_text_in_latin_1_is_readable(served: Any, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        group = h5py.Group(h5py.h5g.create(file.id, "Gerät".encode("latin-1")))
        group["trace"] = np.arange(5.0)
        group["trace"].attrs["units"] = np.bytes_("µm".encode("latin-1"))
    browser.open(served(path))
    until(lambda: "Gerät" in browser.rows(), "the tree")
    browser.click("Gerät")
    until(lambda: "trace" in browser.rows(), "the group opened")
    browser.click("trace")
    until(lambda: browser.points() == 5, "a curve")
    assert browser.find("µm")


def test_tables_show_what_there_is_now(served: Any, browser: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "tables.h5", "w")
        for name, units in (("one", "mV"), ("two", "kHz")):
            record = np.array([(units, 1)], [("text", "S8"), ("number", "i4")])
            h5.create_carray("/", name, record, metadata={"units": units})
    browser.open(served(tmp_path / "tables.h5"))
    for name, units, other in (("one", "mV", "kHz"), ("two", "kHz", "mV"), ("one", "mV", "kHz")):
        browser.click(name)
        # In the attributes and in the table, which both have as many rows for both arrays.
        until(lambda u=units: browser.count(u) == 2, f"both tables of {name}")
        until(lambda o=other: browser.count(o) == 0, "nothing else")


def test_two_windows_on_one_file(writer: Any, served: Any, browser: Any) -> None:
    log = writer("log")
    log.tell("points 3")
    url = served(log.path)
    browser.open(url)
    until(lambda: browser.points() == 3, "the first points")
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.open(url)
        until(lambda: browser.points() == 3, "the same in the second window")
        log.tell("points 4")
        until(lambda: browser.points() == 7, "new ones in the second window")
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)
    until(lambda: browser.points() == 7, "and in the first one")
    log.tell("points 1")
    until(lambda: browser.points() == 8, "which goes on when the second is closed")


def test_file_deleted_and_another_in_its_place(writer: Any, served: Any, browser: Any) -> None:
    log = writer("log")
    log.tell("points 3")
    browser.open(served(log.path))
    until(lambda: browser.points() == 3, "the first points")
    log.tell("close")
    log.path.unlink()
    until(lambda: "the file is gone" in browser.headline(), "word of it")
    assert browser.points() == 3, "what was read stays"
    again = writer("log")
    again.tell("points 5")
    until(lambda: browser.points() == 5, "the file that took its place")


def test_plain_writer_is_said_to_hold_the_file(writer: Any, served: Any, browser: Any) -> None:
    log = writer("plain")
    log.tell("points 3")
    browser.open(served(log.path))
    until(lambda: "not readable" in browser.headline(), "word of it")
    assert "closed it" in browser.headline()
    log.tell("close")
    until(lambda: browser.points() == 3, "its points once it is closed")
