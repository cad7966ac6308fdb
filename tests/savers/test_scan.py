"""Scans and logs of every kind, on every driver: what was written is what is loaded."""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends import FlushPolicy
from h5backends.follow import KeyFollower
from savers import Axis, DataLoader, DataRaw, DataToExport, H5SaverLowLevel, Scan
from savers.scan import order
from tests.conftest import Place
from tests.savers.scan_program import AXES, describe, measured, number_of
from tests.savers.scanning import check, loaded

SHAPES = {"1d": (40,), "2d": (6, 7), "3d": (4, 3, 5)}
REAL = ("h5py", "tables", "h5pyd")


@pytest.fixture(params=REAL)
def anywhere(request: pytest.FixtureRequest, make_place: Any) -> Place:
    """A new place, for each of the three libraries."""
    return make_place(request.param)


def begin(place: Place, axes: Any, **kwargs: Any) -> Scan:
    """Begin a scan without a bar."""
    kwargs.setdefault("progress", False)
    return Scan(place.location, axes, backend=place.driver, **place.options, **kwargs)


# -- grids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("snake", [False, True], ids=["lines", "snake"])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_grid(anywhere: Place, kind: str, snake: bool) -> None:
    with begin(anywhere, AXES[kind], snake=snake) as scan:
        describe(scan)
        for point in scan:
            point.write(measured(number_of(point, scan.shape)))
        assert scan.shape == SHAPES[kind]
        assert scan.done == len(scan) == math.prod(SHAPES[kind])
        assert scan.completed.tolist() == [list(i) for i in np.ndindex(SHAPES[kind])]
    check(anywhere, range(math.prod(SHAPES[kind])), SHAPES[kind])
    spectrum = loaded(anywhere, "spectrum")
    assert (spectrum.units, spectrum.origin) == ("V", "spectrometer")
    rank = len(SHAPES[kind])
    assert spectrum.nav_indexes == tuple(range(rank))
    axes = sorted(spectrum.axes, key=lambda axis: axis.index)
    assert axes[:rank] == scan.axes
    assert (axes[rank].label, axes[rank].units, axes[rank].size) == ("energy", "eV", 50)
    assert loaded(anywhere, "power").units == "W"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
def test_a_snake_visits_every_point_once_and_never_jumps(shape: tuple[int, ...]) -> None:
    path = list(order.snake(shape))
    assert sorted(path) == list(order.lines(shape)) == list(np.ndindex(shape))
    for before, after in itertools.pairwise(path):
        steps = np.abs(np.subtract(before, after))
        assert steps.sum() == 1, "one axis moves, by one step"
    slowest = [point[0] for point in path]
    assert slowest == sorted(slowest)


def test_a_point_knows_where_it_is(local_place: Place) -> None:
    with begin(local_place, AXES["2d"], snake=True) as scan:
        for number, point in enumerate(scan):
            x, y = point.positions
            assert point.number == number
            assert point["x"] == point[0] == x == point.indexes[0]
            assert point["y"] == point[1] == y == 1 + point.indexes[1] / 2
            point.write(v=x)
            if number == 8:
                assert point.indexes == (1, 5)
                assert repr(point) == "Point(x=1.0, y=3.5)"


def test_an_order_of_the_program(local_place: Place) -> None:
    path = [divmod(int(n), 7) for n in np.random.default_rng(5).permutation(42)]
    with begin(local_place, AXES["2d"]) as scan:
        for point in scan.visit(path[:20]):
            point.write(measured(number_of(point, scan.shape)))
        assert scan.done == 20
        # A second time, only what is missing.
        assert [p.indexes for p in scan.visit(path)] == path[20:]
        for point in scan:
            assert point.indexes not in path[:20]
            point.write(measured(number_of(point, scan.shape)))
    check(local_place, range(42), (6, 7))


def test_points_that_lie_anywhere(anywhere: Place) -> None:
    x, y = np.random.default_rng(1).random((2, 12))
    axes = [Axis("y", "mm", y, spread_order=1), Axis("x", "um", x, spread_order=0)]
    with begin(anywhere, axes) as scan:
        for point in scan:
            assert (point["x"], point["y"]) == (x[point.number], y[point.number])
            point.write(v=point["x"] - point["y"])
    found = loaded(anywhere, "v")
    assert found.distribution == "spread"
    assert [axis.label for axis in found.get_nav_axes()] == ["x", "y"]
    np.testing.assert_array_equal(found.data[0], x - y)


def test_a_point_may_be_measured_again(local_place: Place) -> None:
    with begin(local_place, [("x", "mm", range(3))]) as scan:
        for point in scan:
            point.write(v=-1.0)
        scan.at(1).write(v=5.0)
        assert scan.done == 3
    assert loaded(local_place, "v").data[0].tolist() == [-1.0, 5.0, -1.0]


def test_points_that_are_passed_over(local_place: Place) -> None:
    with begin(local_place, [("x", "mm", range(6))]) as scan:
        for point in scan:
            if point.number % 2:
                point.write(v=float(point.number), n=point.number)
        assert scan.completed.ravel().tolist() == [1, 3, 5]
    np.testing.assert_array_equal(
        loaded(local_place, "v").data[0], [np.nan, 1, np.nan, 3, np.nan, 5]
    )
    assert loaded(local_place, "n").data[0].tolist() == [0, 1, 0, 3, 0, 5]


# -- scans that grow ----------------------------------------------------------------------------


def test_the_program_chooses_each_point(anywhere: Place) -> None:
    seen: list[float] = []

    def search() -> Any:
        """Halve the interval that the root of 2 is in."""
        low, high = 0.0, 2.0
        while high - low > 1e-3:
            middle = (low + high) / 2
            yield middle
            low, high = (middle, high) if seen[-1] < 2 else (low, middle)

    with begin(anywhere, [("x", "mm")]) as scan:
        for point in scan.visit(search()):
            seen.append(point["x"] ** 2)
            point.write(square=seen[-1], trace=np.full(20, point["x"]))
        scan.at(1.5).write(square=2.25, trace=np.full(20, 1.5))
        scan.at(x=1.25).write(square=1.5625, trace=np.full(20, 1.25))
        positions = scan.completed[:, 0]
        assert len(positions) == len(seen) + 2 == scan.done
        assert abs(positions[-3] - math.sqrt(2)) < 2e-3
    square = loaded(anywhere, "square")
    assert square.distribution == "spread"
    assert square.nav_indexes == (0,)
    (axis,) = square.get_nav_axes()
    assert (axis.label, axis.units) == ("x", "mm")
    np.testing.assert_array_equal(axis.get_data(), positions)
    np.testing.assert_array_equal(square.data[0], positions**2)
    trace = loaded(anywhere, "trace").data[0]
    np.testing.assert_array_equal(trace, np.repeat(positions[:, None], 20, axis=1))


def test_positions_in_any_form(local_place: Place) -> None:
    with begin(local_place, AXES["chosen"]) as scan:
        for place in [(1, 2), [3.5, 4], np.array([5, 6]), {"y": 8, "x": 7}]:
            for point in scan.visit([place]):
                point.write(v=point["x"])
        assert scan.completed.tolist() == [[1, 2], [3.5, 4], [5, 6], [7, 8]]
    with begin(local_place, "phase") as scan:
        for point in scan.visit(iter([1, 2.5])):
            point.write(v=point["phase"])
        assert scan.completed.tolist() == [[1], [2.5]]


def test_a_log(anywhere: Place) -> None:
    with begin(anywhere, None, count=25) as scan:
        describe(scan)
        for point in scan:
            point.write(measured(point.number))
        times = scan.completed[:, 0]
        assert scan.group == "/RawData/Data_logger000"
        assert scan.done == len(scan) == 25
    check(anywhere, range(25))
    (axis,) = loaded(anywhere, "power").get_nav_axes()
    assert (axis.label, axis.units) == ("time", "s")
    np.testing.assert_array_equal(axis.get_data(), times)
    assert (np.diff(times) >= 0).all()


def test_a_log_at_intervals(local_place: Place) -> None:
    with begin(local_place, None, every=0.05, count=4) as scan:
        before = time.time()
        for point in scan:
            point.write(v=1)
        times = scan.completed[:, 0]
    # Late at most, each of them, the first too; how late is the machine's business.
    assert np.all(times - before >= 0.05 * np.arange(4) - 0.01)


# -- values -------------------------------------------------------------------------------------


class Quantity:
    """A number with a unit, as pint has them."""

    def __init__(self, magnitude: Any, units: str) -> None:
        self.magnitude = magnitude
        self.units = units


VALUES: dict[str, tuple[Any, tuple[int, ...], str, int]] = {
    "a float": (1.5, (), "f8", 1),
    "an int": (3, (), "i8", 1),
    "a bool": (True, (), "?", 1),
    "a complex": (1j, (), "c16", 1),
    "a numpy number": (np.float32(2.5), (), "f4", 1),
    "an array without axes": (np.array(2, "i2"), (), "i2", 1),
    "an array of one": (np.array([2.0]), (), "f8", 1),
    "a list of numbers": ([1, 2, 3], (3,), "i8", 1),
    "a vector": (np.arange(4, dtype="f4"), (4,), "f4", 1),
    "an image": (np.ones((3, 2), "u2"), (3, 2), "u2", 1),
    "a list of lists": ([[1, 2], [3, 4]], (2, 2), "i8", 1),
    "a stack": (np.ones((2, 3, 4)), (2, 3, 4), "f8", 1),
    "channels": ([np.arange(3.0), np.ones(3)], (3,), "f8", 2),
    "a quantity": (Quantity(np.arange(3.0), "mV"), (3,), "f8", 1),
}


@pytest.mark.parametrize("growing", [False, True], ids=["grid", "growing"])
def test_values_of_every_form(local_place: Place, growing: bool) -> None:
    axes = [("x", "mm")] if growing else [("x", "mm", range(3))]
    values = {name: value for name, (value, *_) in VALUES.items()}
    with begin(local_place, axes) as scan:
        for n in range(3):
            (scan.at(float(n)) if growing else scan.at(n)).write(values)
    for name, (value, shape, dtype, channels) in VALUES.items():
        found = loaded(local_place, name)
        value = getattr(value, "magnitude", value)  # noqa: PLW2901 - the same value
        assert found.units == ("mV" if name == "a quantity" else "")
        assert len(found.data) == channels, name
        for number, array in enumerate(found.data):
            one = np.array(value[number] if channels > 1 else value).reshape(shape)
            assert array.dtype == dtype, name
            np.testing.assert_array_equal(array, np.stack([one] * 3), err_msg=name)


def test_data_and_bundles(local_place: Place) -> None:
    axis = Axis("energy", "eV", np.arange(3.0))
    with begin(local_place, [("x", "mm", range(4))]) as scan:
        for n, point in enumerate(scan):
            spectrum = DataRaw("spectrum", units="V", origin="a", data=[np.arange(3.0) + n],
                               axes=[axis], errors=[np.ones(3) * n])  # fmt: skip
            other = DataRaw("spectrum", units="A", origin="b", data=[np.arange(3.0) - n])
            bundle = DataToExport("camera", [DataRaw("image", data=[np.full((2, 2), n)])])
            # Their order may change from point to point.
            given = [spectrum, other, bundle] if n % 2 else [bundle, other, spectrum]
            renamed = DataRaw("some", units="K", data=[np.array([n / 2])])
            point.write(*given, {"a/b": n}, temperature=renamed)
    with DataLoader(local_place.location, backend=local_place.driver) as loader:
        first = loader.load_data_from_name_origin("spectrum", "a")
        np.testing.assert_array_equal(first.data[0], np.arange(3.0) + np.arange(4)[:, None])
        np.testing.assert_array_equal(first.errors[0], np.ones(3) * np.arange(4)[:, None])
        assert first.get_axis_from_label("energy") is not None
        second = loader.load_data_from_name_origin("spectrum", "b")
        assert second.units == "A"
        assert loader.load_data_from_name_origin("image", "camera").shape == (4, 2, 2)
        assert loader.load_data_from_name_origin("a/b").data[0].tolist() == [0, 1, 2, 3]
        temperature = loader.load_data_from_name_origin("temperature")
        assert (temperature.units, temperature.origin) == ("K", "scan")
        assert temperature.data[0].tolist() == [0, 0.5, 1, 1.5]


def test_what_the_caller_gives_stays_as_it_is(local_place: Place) -> None:
    x, image = np.arange(3.0), np.zeros((2, 2))
    axis = Axis("x", "mm", x, index=0)
    with begin(local_place, [("y", "mm", range(2)), axis]) as scan:
        assert axis.index == 0
        for point in scan:
            image[:] = point.number  # a camera that fills the same memory every time
            point.write(image=image)
    np.testing.assert_array_equal(
        loaded(local_place, "image").data[0][..., 0, 0], np.arange(6).reshape(2, 3)
    )


def test_a_first_point_that_is_given_again(local_place: Place) -> None:
    """What is known of a signal is not lost with a first attempt that was refused."""
    with begin(local_place, [("x", "mm", range(2))]) as scan:
        describe(scan)
        with pytest.raises(TypeError):
            scan.at(0).write({**measured(0), "counts": None})
        with pytest.raises(ValueError, match="energy"):
            scan.at(0).write({"power": 1.0, "spectrum": np.arange(3.0)})
        for point in scan:
            point.write(measured(point.number))
    spectrum = loaded(local_place, "spectrum")
    assert (spectrum.units, spectrum.origin) == ("V", "spectrometer")
    assert spectrum.get_axis_from_label("energy") is not None


def test_a_type_said_beforehand(local_place: Place) -> None:
    with begin(local_place, [("x", "mm", range(3))]) as scan:
        scan.signal("v", dtype=np.float32, labels=["a"], source="calculated")
        for point in scan:
            point.write(v=[0, 0.5, np.nan][point.number])
    found = loaded(local_place, "v")
    assert found.data[0].dtype == np.float32
    assert (found.labels, found.source.name) == (["a"], "calculated")
    np.testing.assert_array_equal(found.data[0], np.array([0, 0.5, np.nan], "f4"))


# -- files --------------------------------------------------------------------------------------


def test_scans_behind_one_another(anywhere: Place) -> None:
    for number in range(3):
        with begin(anywhere, [("x", "mm", range(3))], title=f"run {number}") as scan:
            assert scan.group == f"/RawData/Scan{number:03d}"
            scan.log(f"run {number}")
            for point in scan:
                point.write(v=float(number))
    for number in range(3):
        found = loaded(anywhere, "v", f"/RawData/Scan{number:03d}")
        assert found.data[0].tolist() == [number] * 3
    with anywhere.open("r") as h5:
        assert h5.get_node("/RawData/Scan001").title == "run 1"
        assert h5.get_node("/RawData/Logger")[:] == ["run 0", "run 1", "run 2"]


def test_in_the_file_of_a_program(local_place: Place) -> None:
    saver = H5SaverLowLevel.from_file(
        local_place.location, backend=local_place.driver, new_file=True
    )
    with Scan(saver, [("x", "mm", range(3))], progress=False, metadata={"sample": "A7"}) as scan:
        for point in scan:
            point.write(v=float(point.number))
    assert saver.isopen()
    assert saver.get_node("/RawData/Scan000").attrs["sample"] == "A7"
    assert DataLoader(saver).load_data_from_name_origin("v").data[0].tolist() == [0, 1, 2]
    saver.close_file()


def test_new_file_replaces(local_place: Place) -> None:
    for count in (3, 4):
        with begin(local_place, [("x", "", range(count))], new_file=True) as scan:
            for point in scan:
                point.write(v=1.0)
    assert loaded(local_place, "v").shape == (4,)


def test_paths_for_followers(anywhere: Place) -> None:
    """What the scan says of its keys is what a follower of the finished file needs."""
    for axes in (AXES["2d"], AXES["chosen"], None):
        with begin(anywhere, axes, count=None if axes is AXES["2d"] else 5) as scan:
            places = (
                iter(scan)
                if axes is not AXES["chosen"]
                else scan.visit([(n, n) for n in range(5)])
            )
            for point in itertools.islice(places, 5):
                point.write(v=1.0, image=np.zeros((3, 3)))
            keys, image = scan.keys, scan.path("image")
        with anywhere.open("r") as h5:
            follower = KeyFollower([h5.get_node(keys)], timeout=0)
            assert list(follower) == list(range(5))
            assert h5.get_node(image).shape[-2:] == (3, 3)


def test_the_bar_says_nothing_where_nobody_looks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for progress in (None, False, True):
        with Scan(
            tmp_path / "a.h5", ("x", "", range(5)), progress=progress, title="my scan"
        ) as scan:
            for point in scan:
                point.write(v=1.0)
        out, err = capfd.readouterr()
        assert not out
        assert ("my scan" in err and "5/5" in err) if progress else not err


def test_a_policy_of_the_program(local_place: Place) -> None:
    policy = FlushPolicy(rows=1, seconds=None)
    with begin(local_place, [("x", "", range(5))], flush_policy=policy) as scan:
        for point in scan:
            point.write(v=1.0)
            assert not scan.saver.session.dirty
