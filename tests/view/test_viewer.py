"""What a viewer is shown, without a browser: of any data, and of a file in any state."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.errors import FileFormatError
from h5backends.heartbeat import WriterState
from savers import (
    Axis,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportEnlargeableSaver,
    DataToExportExtendedSaver,
    Scan,
)
from savers.view.model.choice import Kind, Part
from savers.view.model.frames import CurveFrame, ImageFrame, TableFrame, Window
from savers.view.model.log import Log
from savers.view.model.source import Address, Source
from savers.view.model.tree import Tree
from savers.view.model.viewer import Update, Viewer
from tests.view.conftest import until


class Look:
    """A viewer and what it was shown last."""

    def __init__(self, source: Source | Path | str) -> None:
        self.source = source if isinstance(source, Source) else Source(Address(str(source)))
        self.viewer = Viewer(self.source)
        self.seen: dict[str, Any] = {}

    def update(self) -> Update:
        update = self.viewer.update()
        for name in update.__slots__:
            value = getattr(update, name)
            if value is not None:
                self.seen[name] = value
        return update

    def at(self, path: str) -> Look:
        """Choose a node and have it shown."""
        self.viewer.select(path)
        self.seen.pop("frame", None)
        self.update()
        return self

    def until(self, condition: Callable[[Look], Any], what: str) -> None:
        def look() -> Any:
            self.update()
            return condition(self)

        until(look, what)

    def __getattr__(self, name: str) -> Any:
        return self.seen.get(name)


@pytest.fixture
def look() -> Iterator[Callable[..., Look]]:
    """Return a function that looks at a file."""
    made: list[Look] = []

    def begin(source: Any) -> Look:
        made.append(Look(source))
        made[-1].update()
        return made[-1]

    yield begin
    for one in made:
        one.source.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[H5Backend]:
    """A file of no particular layout, open for writing; close it before it is looked at."""
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "any.h5", "w")
        yield h5


def closed(h5: H5Backend) -> str:
    place = h5.filename
    h5.close_file()
    return place


# -- any data ---------------------------------------------------------------------------------
def test_curve_with_axis(tmp_path: Path, look: Any) -> None:
    axis = Axis("wavelength", "nm", np.linspace(400, 700, 31))
    data = DataRaw("spectrum", units="V", data=[np.arange(31.0)], axes=[axis])
    with DataSaverLoader(str(tmp_path / "a.h5"), new_file=True) as saver:
        saver.add_data("/RawData", data)
    seen = look(tmp_path / "a.h5")
    assert (seen.setup.x, seen.setup.y) == ("wavelength (nm)", "spectrum (V)")
    assert isinstance(seen.frame, CurveFrame)
    np.testing.assert_allclose(seen.frame.x, axis.get_data())
    np.testing.assert_array_equal(seen.frame.y[:, 0], np.arange(31.0))
    assert ("units", "V") in seen.attributes
    assert seen.standing.writer is WriterState.FINISHED


def test_image_and_its_part(tmp_path: Path, look: Any) -> None:
    image = np.arange(12.0).reshape(3, 4)
    axes = [Axis("y", "mm", np.array([0.0, 1.0, 2.0]), 0), Axis("x", "mm", np.arange(4.0), 1)]
    with DataSaverLoader(str(tmp_path / "a.h5"), new_file=True) as saver:
        saver.add_data("/RawData", DataRaw("beam", data=[image], axes=axes))
    seen = look(tmp_path / "a.h5")
    assert seen.setup.kind is Kind.IMAGE
    assert seen.setup.square
    np.testing.assert_array_equal(seen.frame.image, image)
    assert (seen.frame.x, seen.frame.y) == ((-0.5, 3.5), (-0.5, 2.5))
    assert seen.frame.levels == (0, 11)
    seen.viewer.look_at(Window((0.6, 2.4), (0.6, 1.4), 500, 500))
    seen.update()
    np.testing.assert_array_equal(seen.frame.image, image[1:2, 1:3])


def test_nexus_of_others(file: H5Backend, look: Any) -> None:
    group = file.add_group("entry", "detector", "/")
    array = file.create_carray(group, "counts", np.arange(5), metadata={"units": "1/s"})
    file.create_carray(group, "angle", np.linspace(0, 1, 5), metadata={"units": "deg"})
    group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": np.array(["angle"])})
    file.root().attrs["default"] = group.name
    path = array.path
    seen = look(closed(file))
    assert seen.setup.path == path
    assert (seen.setup.x, seen.setup.y) == ("angle (deg)", "counts (1/s)")
    np.testing.assert_allclose(seen.frame.x, np.linspace(0, 1, 5))


def test_nothing_to_plot(file: H5Backend, look: Any) -> None:
    file.add_group("empty", "detector", "/")
    seen = look(closed(file)).at("/Empty")
    assert seen.setup.note == "nothing to plot"
    assert [row.name for row in seen.rows] == ["any.h5", "Empty"]


def test_nan_and_infinities(file: H5Backend, look: Any) -> None:
    file.create_carray("/", "line", np.array([1.0, np.nan, np.inf, -np.inf, 3.0]))
    file.create_carray("/", "image", np.array([[np.inf] * 9, [np.nan] * 9, [2.0] * 9] * 9))
    file.create_carray("/", "nothing", np.full(4, np.nan))
    seen = look(closed(file)).at("/line")
    np.testing.assert_array_equal(seen.frame.y[:, 0], [1, np.nan, np.nan, np.nan, 3])
    assert seen.frame.y_limits == pytest.approx((0.9, 3.1))
    assert "2 infinite" in seen.frame.note
    image = seen.at("/image").frame
    assert image.levels == (2, 2)
    assert "infinite" in image.note
    assert seen.at("/nothing").frame.y_limits is None


def test_complex(file: H5Backend, look: Any) -> None:
    values = np.array([3 + 4j, -2j, 0, np.nan])
    file.create_carray("/", "wave", values)
    seen = look(closed(file)).at("/wave")
    assert seen.setup.parts == tuple(Part)
    assert seen.setup.y == "magnitude of wave"
    np.testing.assert_allclose(seen.frame.y[:, 0], np.abs(values))
    for part, wanted in ((Part.PHASE, np.angle(values)), (Part.IMAGINARY, values.imag)):
        seen.viewer.show_part(part)
        seen.update()
        np.testing.assert_allclose(seen.frame.y[:, 0], wanted)
    assert seen.setup.part is Part.IMAGINARY


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 2)])
def test_empty(file: H5Backend, look: Any, shape: tuple[int, ...]) -> None:
    file.create_carray("/", "fixed", np.empty(shape))
    file.create_earray("/", "growing", "float64", data_shape=shape)
    seen = look(closed(file)).at("/fixed")
    if isinstance(seen.frame, TableFrame):
        assert seen.frame.note.startswith("this array is empty")
    else:
        assert len(seen.frame.x) == 0
    frame = seen.at("/growing").frame
    assert isinstance(frame, CurveFrame) or frame.note == "no point yet", frame


def test_text_records_and_single_values(file: H5Backend, look: Any) -> None:
    text = file.create_vlarray("/", "text", "string")
    for line in ("first", "zweite Zeile\nmit Umbruch"):
        text.append(line)
    record = np.array([(1, 2.5), (3, np.inf)], [("n", "i4"), ("v", "f8")])
    file.create_carray("/", "record", record)
    file.create_carray("/", "single", np.float64(2.5))
    ragged = file.create_vlarray("/", "ragged", "float64")
    ragged.append(np.arange(3.0))
    seen = look(closed(file))
    assert seen.at("/text").frame.columns["text"] == ["first", "zweite Zeile mit Umbruch"]
    assert seen.at("/record").frame.columns == {
        "row": ["0", "1"],
        "n": ["1", "3"],
        "v": ["2.5", "inf"],
    }
    assert seen.at("/single").frame.columns == {"value": ["2.5"]}
    assert seen.at("/ragged").frame.columns["values"] == ["[0. 1. 2.]"]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32"])
def test_types(file: H5Backend, look: Any, dtype: str) -> None:
    file.create_carray("/", "a", np.array([0, 1, 1], dtype))
    np.testing.assert_array_equal(look(closed(file)).at("/a").frame.y[:, 0], [0, 1, 1])


def test_times(file: H5Backend, look: Any) -> None:
    file.create_carray("/", "a", np.array(["2024-01-01", "NaT"], "datetime64[s]"))
    np.testing.assert_array_equal(
        look(closed(file)).at("/a").frame.y[:, 0], [1704067200.0, np.nan]
    )


def test_every_way_of_many_dimensions(file: H5Backend, look: Any) -> None:
    values = np.random.default_rng(0).random((3, 4, 5, 6))
    file.create_carray("/", "a", values)
    seen = look(closed(file)).at("/a")
    assert len(seen.setup.ways) == 4 + 6 + 1
    for way, title in enumerate(seen.setup.ways):
        seen.viewer.choose(way)
        for dim in range(4):
            seen.viewer.move(dim, 1)
        seen.update()
        seen.update()
        assert seen.setup.ways[way] == title
        if title == "curve along index 2":
            np.testing.assert_array_equal(seen.frame.y[:, 0], values[1, 1, :, 1])
        if title == "image of index 2 and index 0":
            np.testing.assert_array_equal(seen.frame.image, values[:, 1, :, 1])


def test_large_image_is_averaged(file: H5Backend, look: Any) -> None:
    file.create_carray("/", "a", np.ones((3000, 2500), "u1"))
    seen = look(closed(file)).at("/a")
    assert seen.frame.image.shape[0] <= 600
    assert seen.frame.shape == (3000, 2500)
    assert (seen.frame.image == 1).all()
    seen.viewer.look_at(Window((99.6, 110.4), (9.6, 20.4)))
    seen.update()
    assert seen.frame.image.shape == (11, 11)


def test_ten_thousand_nodes(tmp_path: Path, look: Any) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "many.h5", "w")
        for number in range(20):
            group = h5.get_set_group("/", f"G{number:02d}")
            for array in range(500):
                h5.create_carray(group, f"A{array:03d}", np.arange(2.0))
    seen = look(tmp_path / "many.h5")
    assert len(seen.rows) == 21, "what is closed is not looked at"
    driver = seen.source.h5.session.driver
    opened: list[str] = []
    child = driver.child
    driver.child = lambda group, name: (opened.append(name), child(group, name))[1]
    seen.viewer.toggle("/G07")
    seen.update()
    assert len(seen.rows) == 21 + 201
    assert seen.rows[-13].name == "… 300 more"
    assert len([name for name in opened if name.startswith("A")]) <= 201 + 64
    seen.viewer.more("/G07")
    seen.update()
    assert len(seen.rows) == 21 + 500
    seen.viewer.narrow("a49")
    seen.update()
    assert [row.name for row in seen.rows] == ["many.h5", "G07", *(f"A49{n}" for n in range(10))]
    seen.viewer.narrow("")
    seen.viewer.toggle("/G07")
    seen.update()
    assert len(seen.rows) == 21


def test_rows_that_come_one_after_the_other(tmp_path: Path, look: Any) -> None:
    axis = Axis("delay", "ps", np.linspace(0, 9, 10))
    with DataToExportEnlargeableSaver(
        str(tmp_path / "a.h5"), ("stage",), ("mm",), new_file=True
    ) as saver:
        for n in range(3000):
            data = DataRaw("trace", units="V", data=[np.full(10, float(n))], axes=[axis])
            saver.add_data("/RawData", DataToExport("scope", [data]), (n / 10,))
    seen = look(tmp_path / "a.h5")
    assert seen.progress.points == 3000
    assert [s.title for s in seen.sliders] == ["stage = 299.9 mm"], "the newest one"
    assert (seen.frame.y == 2999).all()
    seen.viewer.choose(seen.setup.ways.index("image of delay and stage"))
    seen.update()
    assert isinstance(seen.frame, ImageFrame)
    assert seen.frame.y == pytest.approx((0, 300), abs=0.2)
    assert seen.frame.image[-1, 0] > 2990
    seen.viewer.look_at(Window((0, 9), (99.95, 100.95)))
    seen.update()
    assert 1000 in seen.frame.image[:, 0], "a part is shown row by row"


def test_spectra_of_a_scan_have_sliders(tmp_path: Path, look: Any) -> None:
    with DataToExportExtendedSaver(str(tmp_path / "a.h5"), (3, 4), new_file=True) as saver:
        scan = saver.add_scan_group()
        saver.add_nav_axes(
            scan, [Axis("y", "mm", np.arange(3.0), 0), Axis("x", "mm", np.arange(4.0), 1)]
        )
        for n in (0, 5, 2):
            data = DataRaw("s", data=[np.full(7, float(n))])
            saver.add_data(scan, DataToExport("d", [data]), divmod(n, 4))
    seen = look(tmp_path / "a.h5")
    assert (seen.progress.points, seen.progress.total) == (3, 12)
    assert [s.index for s in seen.sliders] == [0, 2], "the last point, not the last of the array"
    assert (seen.frame.y == 2).all()
    seen.viewer.move(0, 1)
    seen.viewer.move(1, 1)
    seen.update()
    assert (seen.frame.y == 5).all()
    seen.viewer.follow(True)
    seen.update()
    assert (seen.frame.y == 2).all()


def spread_axes(x: np.ndarray, y: np.ndarray) -> list[Axis]:
    return [Axis("x", "mm", x, spread_order=0), Axis("y", "mm", y, spread_order=1)]


def test_points_that_lie_anywhere(tmp_path: Path, look: Any) -> None:
    """As points, coloured by what was measured there so far."""
    x, y = np.random.default_rng(0).random((2, 50))
    with Scan(tmp_path / "a.h5", spread_axes(x, y), live=True, progress=False) as scan:
        scan.signal("counts", "1/s")
        scan.signal("spectrum", axes=[Axis("wave", "nm", np.arange(3.0))])
        for n in range(20):
            scan.at(n).write(counts=float(n), spectrum=np.arange(3.0) + n)
        scan.flush()
        seen = look(tmp_path / "a.h5").at("/RawData/Scan000/Data0D")
        assert seen.setup.kind is Kind.POINTS
        assert (seen.setup.x, seen.setup.y, seen.setup.value) == (
            "x (mm)",
            "y (mm)",
            "counts (1/s)",
        )
        assert seen.setup.square
        assert seen.setup.ways[:2] == ("points of x and y", "curve along x")
        assert (seen.frame.x.tolist(), seen.frame.y.tolist()) == (x[:20].tolist(), y[:20].tolist())
        assert seen.frame.values.tolist() == list(range(20))
        assert seen.frame.x_limits == (x.min(), x.max()), "there is room for those to come"
        assert (seen.frame.points, seen.frame.levels) == (20, (0, 19))
        scan.at(40).write(counts=-1.0, spectrum=np.zeros(3))
        scan.flush()
        seen.until(lambda s: s.frame.points == 21, "the new point")
        assert (seen.frame.x[-1], seen.frame.values[-1]) == (x[40], -1)
        seen.viewer.look_at(Window((x[40], x[40]), (y[40], y[40])))
        seen.update()
        assert seen.frame.values.tolist() == [-1]
        assert seen.frame.points == 21
        seen.at("/RawData/Scan000/Data1D")
        assert seen.setup.kind is Kind.CURVE, "of each point a curve"
        seen.viewer.choose(seen.setup.ways.index("points of x and y"))
        seen.update()
        assert [s.title for s in seen.sliders] == ["wave = 0 nm"]
        assert seen.frame.values[:20].tolist() == list(range(20))


def test_points_of_an_adaptive_scan(tmp_path: Path, look: Any) -> None:
    axes = ("x", "y", "z"), ("mm", "mm", "mm")
    with DataToExportEnlargeableSaver(str(tmp_path / "a.h5"), *axes, new_file=True) as saver:
        for n in range(30_000):
            data = DataRaw("v", units="V", data=[np.array([float(n)])])
            saver.add_data("/RawData", DataToExport("d", [data]), (n, -n, 1.0))
    seen = look(tmp_path / "a.h5")
    assert seen.setup.kind is Kind.POINTS
    assert (seen.frame.values % 2 == 0).all()
    assert len(seen.frame.x) == 15_000
    assert (seen.frame.x == seen.frame.values).all()
    assert (seen.frame.y == -seen.frame.values).all()
    assert seen.frame.points == 30_000
    assert seen.frame.note == "one in 2 is drawn; positions along z are not shown"


def test_what_fails_once_is_shown_all_the_same(
    tmp_path: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DataSaverLoader(str(tmp_path / "a.h5"), new_file=True) as saver:
        saver.add_data("/RawData", DataRaw("signal", data=[np.arange(5.0)]))
    failing = ["update", "rows"]

    def fail_once(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def once(*args: Any) -> Any:
            if name in failing:
                failing.remove(name)
                raise FileFormatError("caught in the middle of being written")
            return real(*args)

        monkeypatch.setattr(kind, name, once)

    fail_once(Log, "update")
    fail_once(Tree, "rows")
    seen = look(tmp_path / "a.h5")
    seen.until(lambda s: not failing and s.rows and s.setup and s.frame, "all of it")
    assert [row.name for row in seen.rows][:2] == ["a.h5", "RawData"]
    assert seen.frame.points == 5


# -- a file in any state ----------------------------------------------------------------------
def test_only_new_points_of_a_scan_are_read(writer: Any, look: Any) -> None:
    scan = writer("scan")
    scan.tell("points 5")
    seen = look(scan.path)
    seen.until(lambda s: np.isfinite(s.frame.image).sum() == 5, "five points")
    read: list[Any] = []
    session = seen.source.h5.session
    data = session.driver.read
    session.driver.read = lambda handle, box: (read.append((handle.name, box)), data(handle, box))[
        1
    ]
    scan.tell("points 2")
    seen.until(lambda s: np.isfinite(s.frame.image).sum() == 7, "two more")
    boxes = [box for name, box in read if name.endswith("Data0D/CH00/Data00")]
    assert boxes
    assert all(box[0] == slice(0, 1, 1) for box in boxes), boxes
    assert sum(box[1].stop - box[1].start for box in boxes) <= 4


def test_only_new_rows_of_a_log_are_read(writer: Any, look: Any) -> None:
    log = writer("log")
    log.tell("points 500")
    seen = look(log.path)
    seen.viewer.look_at(Window(width=100))
    seen.until(lambda s: s.frame.points == 500, "the first rows")
    assert abs(time.time() - seen.progress.newest) < 60
    log.tell("points 3")
    seen.until(lambda s: s.frame.points == 503, "three more")
    log.tell("line a word")
    seen.until(lambda s: s.log and s.log[-1].endswith("a word"), "a line of the log")
    assert seen.standing.writer is WriterState.WRITING
    assert str(log.process.pid) in seen.standing.who
    log.tell("close")
    seen.until(lambda s: s.standing.writer is WriterState.FINISHED, "its end")
    seen.until(lambda s: s.log and s.log[-1].endswith("a word"), "the log in its final form")
    assert seen.frame.points == 503


def test_crash(writer: Any, look: Any) -> None:
    log = writer("log")
    log.tell("points 20")
    seen = look(log.path)
    before = log.path.read_bytes()
    log.kill()
    seen.until(lambda s: s.standing.writer is WriterState.CRASHED, "word of the crash")
    seen.until(lambda s: s.standing.opened > 1 and s.frame.points == 20, "what it had flushed")
    afterwards = look(log.path)
    assert afterwards.standing.writer is WriterState.CRASHED
    assert afterwards.frame.points == 20
    assert log.path.read_bytes() == before, "reading never writes"


def test_crash_of_a_plain_writer(writer: Any, look: Any) -> None:
    log = writer("plain")
    log.tell("points 20")
    log.kill()
    seen = look(log.path)
    assert seen.standing.writer is WriterState.CRASHED
    assert seen.frame.points == 20


def test_held_by_a_plain_writer(writer: Any, look: Any) -> None:
    log = writer("plain")
    log.tell("points 20")
    seen = look(log.path)
    assert "the file is open in" in seen.standing.trouble
    assert str(log.process.pid) in seen.standing.trouble
    assert "closed it" in seen.standing.remedy
    log.tell("close")
    seen.until(lambda s: s.frame is not None and s.frame.points == 20, "its points")
    assert seen.standing.trouble == ""


def test_a_viewer_stands_in_nobodys_way(tmp_path: Path, look: Any) -> None:
    path = tmp_path / "a.h5"
    with H5Backend("h5py") as h5:
        h5.open_file(path, "w")
        h5.create_earray("/", "a", "float64").append(1.0)
    seen = look(path).at("/a")
    assert seen.frame.points == 1
    code = (
        "import sys; from h5backends import H5Backend\n"
        "with H5Backend('h5py') as h5:\n"
        "    h5.open_file(sys.argv[1], 'r+')\n"
        "    h5.get_node('/a').append(2.0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    seen.until(lambda s: s.frame.points == 2, "what another program appended")


def test_deleted_replaced_and_damaged(tmp_path: Path, look: Any, writer: Any) -> None:
    log = writer("log")
    log.tell("points 4")
    log.tell("close")
    seen = look(log.path)
    assert seen.frame.points == 4
    log.path.unlink()
    seen.until(lambda s: "gone" in s.standing.trouble, "word that it is gone")
    assert seen.frame.points == 4
    log.path.write_bytes(b"not an HDF5 file" * 100)
    seen.until(lambda s: "HDF5" in s.standing.trouble, "word that this is something else")
    log.path.unlink()
    with H5Backend("h5py") as h5:
        h5.open_file(log.path, "w")
        h5.create_carray("/", "other", np.arange(3.0))
    seen.until(lambda s: not s.standing.trouble, "the file that took its place")
    assert [row.name for row in seen.rows] == ["run.h5", "other"]


def test_two_viewers_of_one_source(writer: Any, look: Any) -> None:
    log = writer("log")
    log.tell("points 4")
    first = look(log.path)
    second = look(first.source)
    log.tell("points 4")
    for one in (first, second):
        one.until(lambda s: s.frame.points == 8, "all points")


def test_on_a_server(make_place: Any, look: Any) -> None:
    place = make_place("h5pyd")
    with place.open("w") as h5:
        array = h5.create_earray("/", "signal", "float64", metadata={"units": "V"})
        array.append(np.arange(4.0))
        h5.flush()
        source = Source(Address(place.location, "h5pyd", place.options))
        seen = look(source).at("/signal")
        seen.until(lambda s: s.frame is not None and s.frame.points == 4, "rows on the server")
        assert seen.setup.y == "signal (V)"
        array.append(np.arange(3.0))
        h5.flush()
        seen.until(lambda s: s.frame.points == 7, "new ones")
    bad = look(Source(Address(place.sibling("none.h5").location, "h5pyd", place.options)))
    assert bad.standing.trouble


def test_model_needs_no_bokeh() -> None:
    code = (
        "import sys; sys.modules['bokeh'] = sys.modules['tornado'] = None\n"
        "from savers.view.model.viewer import Viewer\n"
        "from savers.view.model.library import Library\n"
        "import savers.view, h5backends.errors\n"
        "try:\n    savers.view.ViewServer\n"
        "except h5backends.errors.UnsupportedError as exc:\n    print(exc)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'h5backends[view]'" in done.stdout


def test_nobody_reads_as_long_as_nothing_changes(writer: Any, look: Any) -> None:
    log = writer("log")
    log.tell("points 4")
    seen = look(log.path)
    deadline = time.monotonic() + 5
    while seen.update().frame is not None and time.monotonic() < deadline:
        pass
    version = seen.source.version
    os.utime(log.path)
    seen.update()
    assert seen.source.version == version + 1
    seen.update()
    seen.update()
    assert seen.source.version == version + 2, "once more after a change, then no more"
