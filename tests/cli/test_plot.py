"""Pictures by the command: what is on them, of any data, and what cannot be drawn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import matplotlib.image
import numpy as np
import pytest

from h5backends import H5Backend
from savers import Axis, H5SaverLowLevel, Scan
from savers.plotting import Where, chosen_plot, figure_of
from savers.plotting.choosing import UnknownAxisError
from savers.plotting.figure import Look
from savers.view.model.choice import Part
from savers.view.model.source import Address, Source
from tests.cli.recordings import POWER, SCAN, SPECTRUM, spectrum, write_scan

X = np.linspace(0.0, 10.0, 11)
WAVES = np.linspace(500.0, 600.0, 30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.h5")


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A raster scan of a spectrum and of a complex field."""
    path = tmp_path / "raster.h5"
    axes = [("y", "um", np.arange(4.0)), ("x", "um", X)]
    with Scan(path, axes, progress=False) as scan:
        scan.signal("spectrum", "counts", axes=[Axis("wavelength", "nm", WAVES)])
        scan.signal("field", "V")
        for point in scan:
            line = np.arange(30.0) + 100 * point["x"] + 10_000 * point["y"]
            point.write(spectrum=line, field=np.exp(1j * point["x"]))
    return path


class Drawn:
    """A figure of a node, not yet saved."""

    def __init__(self, path: Path, node: str, *places: str, part: Part | None = None) -> None:
        source = Source(Address(str(path)))
        source.look()
        with source.lock:
            assert isinstance(source.h5, H5SaverLowLevel)
            where = [Where.parse(place) for place in places]
            try:
                self.chosen = chosen_plot(source.h5, source.h5.get_node(node), where, part)
                self.figure = figure_of(source, self.chosen, Look(caption="a caption"))
            finally:
                source.close()
        self.axes = self.figure.axes

    @property
    def image(self) -> np.ma.MaskedArray:
        (image,) = self.axes[0].get_images()
        return image.get_array()

    @property
    def line(self) -> tuple[np.ndarray, np.ndarray]:
        return self.axes[0].lines[0].get_data()


def test_a_trace_with_error_bars(path: Path) -> None:
    drawn = Drawn(path, POWER)
    x, y = drawn.line
    np.testing.assert_array_equal(x, np.arange(6) * 5.0)
    np.testing.assert_array_equal(y, np.arange(6) / 4)
    axes = drawn.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("delay (fs)", "power (W)")
    (bars,) = axes.containers
    segments = np.array(bars.lines[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 1], np.stack([y - 0.1, y + 0.1], 1))


def test_an_image_with_both_axes(path: Path) -> None:
    drawn = Drawn(path, SPECTRUM)
    np.testing.assert_allclose(drawn.image, [spectrum(n) for n in range(6)], atol=1e-6)
    axes = drawn.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy (eV)", "delay (fs)")
    assert "spectrum (V)" in {text.get_ylabel() for text in drawn.figure.findobj(type(axes))}
    np.testing.assert_allclose(axes.get_ylim(), (-2.5, 27.5))


def test_slices_of_more_dimensions(raster: Path) -> None:
    node = f"{SCAN}/Data1D/CH00/Data00"
    first = Drawn(raster, node)
    assert first.chosen.places == ("y = 0 µm", "x = 0 µm")
    np.testing.assert_array_equal(first.line[1], np.arange(30.0))
    here = Drawn(raster, node, "y=2.2", "x=#-1")
    assert here.chosen.places == ("y = 2 µm", "x = 10 µm")
    np.testing.assert_array_equal(here.line[1], np.arange(30.0) + 21_000)
    assert "y = 2 µm, x = 10 µm" in here.axes[0].get_title("left")
    map_ = Drawn(raster, node, "wavelength=500")
    assert map_.image.shape == (4, 11)
    assert map_.image[3, 5] == 30_500
    assert map_.axes[0].get_aspect() == 1.0, "both axes in the same unit"
    along = Drawn(raster, node, "2=#3", "x=4")
    np.testing.assert_array_equal(along.line[1], 403 + 10_000 * np.arange(4.0))


def test_points_that_lie_anywhere(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).random((2, 40))
    axes = [Axis("x", "um", x, spread_order=0), Axis("y", "um", y, spread_order=1)]
    with Scan(tmp_path / "a.h5", axes, progress=False) as scan:
        scan.signal("counts", "1/s")
        for n, point in enumerate(scan):
            if n < 30:
                point.write(counts=point["x"] + point["y"])
    drawn = Drawn(tmp_path / "a.h5", "/RawData/Scan000/Data0D")
    axes = drawn.axes[0]
    (points,) = axes.collections
    np.testing.assert_array_equal(points.get_offsets(), np.stack([x, y], 1)[:30])
    np.testing.assert_array_equal(points.get_array(), (x + y)[:30])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (µm)", "y (µm)")
    (bar,) = axes.child_axes
    assert bar.get_ylabel() == "counts (1/s)"


def test_complex_numbers(raster: Path) -> None:
    node = f"{SCAN}/Data0D/CH00/Data00"
    both = Drawn(raster, node, "y=1")
    magnitude, phase = (axes.lines[0].get_ydata() for axes in both.axes)
    np.testing.assert_allclose(magnitude, 1)
    np.testing.assert_allclose(phase, np.angle(np.exp(1j * X)))
    assert both.axes[1].get_ylabel() == "phase of field (rad)"
    real = Drawn(raster, node, "y=1", part=Part.REAL)
    np.testing.assert_allclose(real.line[1], np.cos(X))
    assert len(Drawn(raster, node).figure.axes) == 2


def test_values_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    image = np.arange(18.0).reshape(3, 6)
    image[1, 2], image[0, 0] = np.nan, np.inf
    with h5py.File(path, "w") as file:
        file["image"], file["line"] = image, [1.0, np.nan, np.inf, 4.0]
        file["nothing"] = np.full(5, np.nan)
        file["times"] = np.arange(4)
    assert np.argwhere(np.ma.getmaskarray(Drawn(path, "image").image)).tolist() == [[0, 0], [1, 2]]
    _, y = Drawn(path, "line").line
    assert np.isnan(y).tolist() == [False, True, True, False]
    drawn = Drawn(path, "nothing")
    assert [text.get_text() for text in drawn.axes[0].texts] == ["no values"]


def test_moments_on_an_axis(run: Any, tmp_path: Path) -> None:
    path, out = tmp_path / "log.h5", tmp_path / "log.png"
    with Scan(path, None, count=4, progress=False) as log:
        for number, point in enumerate(log):
            point.write(value=float(number))
    drawn = Drawn(path, "/")
    assert drawn.axes[0].get_xlabel().startswith("time (")
    x, _ = drawn.line
    assert np.asarray(x).dtype.kind == "M"
    assert run("plot", path, "-o", out).code == 0


def test_a_million_points(run: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["noise"] = np.zeros(1_000_000)
        file["noise"][765_432] = 1.0
    drawn = Drawn(tmp_path / "long.h5", "noise")
    x, y = drawn.line
    assert len(x) < 20_000
    assert y.max() == 1.0, "the one peak is not lost"


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_files(run: Any, path: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"scan.{form}"
    result = run("plot", path, SPECTRUM, "-o", out, "--title", "5 $ a point", "--log")
    assert result.code == 0, result.err
    head = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[form]
    assert out.read_bytes().startswith(head)
    if form == "png":
        picture = matplotlib.image.imread(out)
        np.testing.assert_allclose(picture.shape[:2], (11 / 2.54 * 150, 16 / 2.54 * 150), atol=1)
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 100
    if form == "svg":
        assert "energy (eV)" in out.read_text()
        assert "5 $ a point" in out.read_text()


def test_of_a_file_that_is_being_written(run: Any, tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "live.h5", "x", swmr_mode=True)
        stream = h5.create_earray("/", "stream", "f8")
        h5.enable_swmr()
        stream.append(np.arange(7.0))
        h5.flush()
        result = run("plot", tmp_path / "live.h5", "stream", "-o", tmp_path / "live.png")
        assert result.code == 0, result.err
        np.testing.assert_array_equal(Drawn(tmp_path / "live.h5", "stream").line[1], np.arange(7))


def test_mistakes(run: Any, raster: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["text"], file["empty"], file["one"] = ["a", "b"], np.empty((0, 3)), 7.0
        file["table"] = np.zeros(3, [("a", "f8"), ("b", "i4")])
        file.create_group("group")
    (tmp_path / "taken.png").write_text("precious")
    spectra, fields = f"{SCAN}/Data1D/CH00/Data00", f"{SCAN}/Data0D/CH00/Data00"
    for arguments, code, words in (
        (["missing.h5", "-o", "x.png"], 1, "no such file"),
        (["foreign.h5", "nothing", "-o", "x.png"], 1, "no such node"),
        (["foreign.h5", "-o", "x.png"], 1, "does not say what to plot"),
        (["foreign.h5", "group", "-o", "x.png"], 1, "does not say what to plot"),
        (["foreign.h5", "text", "-o", "x.png"], 1, "cannot be plotted"),
        (["foreign.h5", "table", "-o", "x.png"], 1, "cannot be plotted"),
        (["foreign.h5", "empty", "-o", "x.png"], 1, "empty: 0 x 3"),
        (["foreign.h5", "one", "-o", "x.png"], 1, "7.0"),
        ([raster, "-o", "x.xyz"], 2, "png"),
        ([raster, "-o", "taken.png"], 1, "--overwrite"),
        ([raster, spectra, "-o", "x.png", "--at", "x"], 2, "AXIS=POSITION"),
        ([raster, spectra, "-o", "x.png", "--at", "z=1"], 2, "'wavelength'"),
        ([raster, spectra, "-o", "x.png", "--at", "x=99"], 2, "0 to 10 µm"),
        ([raster, spectra, "-o", "x.png", "--at", "x=#11"], 2, "0 to 10"),
        ([raster, fields, "-o", "x.png", "--at", "x=1", "--at", "y=1"], 2, "no axis is left"),
        ([raster, "-o", "x.png", "--part", "half"], 2, "magnitude"),
        ([raster, "-o", "x.png", "--size", "wide"], 2, "centimetres"),
    ):
        result = run("plot", *arguments)
        assert result.code == code, (arguments, result)
        assert words in " ".join(result.err.split()), (arguments, result)
        assert "Traceback" not in result.err
    assert not (tmp_path / "x.png").exists()
    assert (tmp_path / "taken.png").read_text() == "precious"


def test_without_matplotlib(run: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("matplotlib", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, module, None)
    result = run("plot", path, "-o", "x.png")
    assert result.code == 1
    assert "pip install 'h5backends[plot]'" in result.err


@pytest.mark.parametrize("text", ["x", "x=", "=1", "x=a", "x=#1.5", "x=nan", "x=inf"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="AXIS"):
        Where.parse(text)


def test_an_unknown_axis_is_named(raster: Path) -> None:
    with pytest.raises(UnknownAxisError, match="'z'"):
        Drawn(raster, f"{SCAN}/Data1D/CH00/Data00", "z=1")
