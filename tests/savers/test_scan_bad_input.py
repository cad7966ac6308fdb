"""Mistakes in a scan: each is refused with what is wrong, where, and nothing of it is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from h5backends import FlushPolicy
from h5backends.errors import (
    AttributeValueError,
    DataError,
    DTypeError,
    FileClosedError,
    FileMissingError,
    NodeExistsError,
    NodeNotFoundError,
    SelectionError,
    ShapeError,
    StorageError,
    SwmrError,
    UnknownDriverError,
)
from savers import Axis, DataRaw, H5SaverLowLevel, Rotation, Scan
from tests.conftest import Place
from tests.savers.scanning import loaded

AXES = [("x", "mm", range(3)), ("y", "um", range(4))]


def begin(place: Place, axes: Any = AXES, **kwargs: Any) -> Scan:
    kwargs.setdefault("progress", False)
    return Scan(place.location, axes, backend=place.driver, **place.options, **kwargs)


BAD_AXES: dict[str, tuple[Any, type[DataError], str]] = {
    "no points": ([("x", "mm", [])], ShapeError, "'x' has no points"),
    "an Axis without points": (Axis("x", data=np.empty(0)), ShapeError, "has no points"),
    "two dimensions": ([("x", "mm", np.zeros((2, 2)))], ShapeError, "one-dimensional"),
    "NaN": ([("x", "mm", [0.0, np.nan])], DTypeError, "no numbers"),
    "objects": ([("x", "mm", [None, 1])], DTypeError, "Python objects"),
    "one name twice": ([("x", "mm", range(2)), ("x", "mm", range(3))], ShapeError, "of its own"),
    "no names": ([("", "mm", range(2)), ("", "mm", range(3))], ShapeError, "of its own"),
    "a number": (5, DTypeError, "no axis"),
    "a list of numbers": ([1.0, 2.0, 3.0], DTypeError, "no axis"),
    "units that are no text": ([("x", 5, range(3))], DTypeError, "no axis"),
    "too many parts": ([("x", "mm", range(3), 1)], DTypeError, "no axis"),
    "some chosen": ([("x", "mm"), ("y", "mm", range(3))], ShapeError, "some axes"),
    "unequal lists": (
        [Axis("x", data=range(3)), Axis("y", data=range(4), spread_order=1)],
        ShapeError,
        "one by one",
    ),
    "a gap in the lists": (
        [Axis("x", data=range(3)), Axis("y", data=range(3), spread_order=2)],
        ShapeError,
        "one by one",
    ),
    "larger than any file": (
        [Axis(str(n), size=2**22) for n in range(3)],
        ShapeError,
        "at most",
    ),
}


@pytest.mark.parametrize("bad", BAD_AXES)
def test_axes_that_are_none(tmp_path: Path, bad: str) -> None:
    axes, kind, match = BAD_AXES[bad]
    with pytest.raises(kind, match=match):
        Scan(tmp_path / "a.h5", axes, progress=False)
    assert os.listdir(tmp_path) == []


BAD_POINTS = [(3, 0), (0, 4), (-1, 0), (0,), (0, 0, 0), (0.5, 1), ("a", 1), (True, 0), (None, 0)]


@pytest.mark.parametrize("place", BAD_POINTS, ids=repr)
def test_points_outside(local_place: Place, place: Any) -> None:
    with begin(local_place) as scan:
        with pytest.raises(SelectionError, match="indexes"):
            scan.at(*place)
        with pytest.raises(SelectionError, match="indexes"):
            list(scan.visit([(0, 0), place]))
        with pytest.raises(SelectionError):
            scan.at(x=1, y=2)


@pytest.mark.parametrize(
    "place", [(), (1.0,), (1, 2, 3), ("a", 1), (np.nan, 0), (np.inf, 0), (None, 1), ([1], 2)],
    ids=repr,
)  # fmt: skip
def test_positions_that_are_none(local_place: Place, place: Any) -> None:
    with begin(local_place, ["x", "y"]) as scan:
        with pytest.raises((ShapeError, DTypeError), match="position"):
            scan.at(*place)
        with pytest.raises((ShapeError, DTypeError), match="position"):
            list(scan.visit([place]))
        for named in ({"x": 1}, {"x": 1, "z": 2}, {"x": 1, "y": 2, "z": 3}):
            with pytest.raises(ShapeError, match="position"):
                scan.at(**named)


def test_axes_that_a_point_has_not(local_place: Place) -> None:
    with begin(local_place) as scan:
        point = scan.at(1, 2)
        for wrong in ("z", 2, -3, None, 1.5):
            with pytest.raises(SelectionError, match="'x', 'y'"):
                point[wrong]  # type: ignore[index]
    with begin(local_place, None) as scan, pytest.raises(SelectionError, match="a log"):
        scan.at()["x"]


FIRST = {"v": 1.0, "n": 2, "image": np.zeros((2, 3), "u2")}
BAD_VALUES: dict[str, tuple[dict[str, Any], type[DataError], str]] = {
    "a signal is missing": ({"v": 1.0, "n": 2}, ShapeError, "without image"),
    "a new signal": ({**FIRST, "w": 1.0}, ShapeError, "with w"),
    "another name": ({"v": 1.0, "n": 2, "picture": FIRST["image"]}, ShapeError, "with picture"),
    "nothing": ({}, ShapeError, "without v, n, image"),
    "another shape": ({**FIRST, "image": np.zeros((3, 2), "u2")}, ShapeError, "another shape"),
    "a vector for a number": ({**FIRST, "v": [1.0, 2.0]}, ShapeError, "another shape"),
    "channels for one": ({**FIRST, "image": [FIRST["image"]] * 2}, ShapeError, "arrays"),
    "NaN into int": ({**FIRST, "n": np.nan}, DTypeError, "NaN"),
    "a fraction into int": ({**FIRST, "n": 2.5}, DTypeError, "int64"),
    "too large": ({**FIRST, "image": np.full((2, 3), 2**16)}, DTypeError, "uint16"),
    "complex into float": ({**FIRST, "v": 1j}, DTypeError, "complex"),
    "text": ({**FIRST, "v": "abc"}, DTypeError, "<U3"),
    "None": ({**FIRST, "v": None}, DTypeError, "no value for 'v'"),
    "an object": ({**FIRST, "v": object()}, DTypeError, "'v'"),
    "a ragged list": ({**FIRST, "v": [[1.0], [1.0, 2.0]]}, ShapeError, "'v'.*differ in length"),
}


@pytest.mark.parametrize("growing", [False, True], ids=["grid", "growing"])
@pytest.mark.parametrize("bad", BAD_VALUES)
def test_values_that_do_not_fit(local_place: Place, bad: str, growing: bool) -> None:
    values, kind, match = BAD_VALUES[bad]
    with begin(local_place, "x" if growing else ("x", "", range(5))) as scan:
        scan.at(0).write(FIRST)
        point = scan.at(1)
        with pytest.raises(kind, match=match) as caught:
            point.write(values)
        assert caught.value.file == scan.file
        assert str(caught.value.node).startswith(scan.group)
        assert not point.written
        point.write(FIRST)  # the point can be given again
        assert scan.done == len(scan.completed) == 2
    found = loaded(local_place, "v").data[0]
    np.testing.assert_array_equal(found, [1, 1] if growing else [1, 1, np.nan, np.nan, np.nan])


def test_numbers_that_fit_without_loss(local_place: Place) -> None:
    """Whole numbers go among floats, and into integers if they are some."""
    with begin(local_place, ("x", "", range(2))) as scan:
        scan.at(0).write(v=1.5, n=2)
        scan.at(1).write(v=2, n=np.uint8(3))
    assert loaded(local_place, "v").data[0].tolist() == [1.5, 2.0]


def test_a_first_point_without_values(local_place: Place) -> None:
    with begin(local_place) as scan:
        with pytest.raises(ShapeError, match="at least one value"):
            scan.at(0, 0).write()
        with pytest.raises(DTypeError, match="no value"):
            scan.at(0, 0).write(v=None)
        assert scan.done == 0
        with pytest.raises(NodeNotFoundError, match="no signal 'v'"):
            scan.path("v")


def test_two_signals_of_one_name(local_place: Place) -> None:
    with begin(local_place) as scan:
        with pytest.raises(ShapeError, match="two signals of the name 'v'"):
            scan.at(0, 0).write({"v": 1.0}, v=2.0)
        with pytest.raises(ShapeError, match="two signals"):
            scan.at(0, 0).write(DataRaw("v", data=[np.zeros(1)]), v=2.0)


@pytest.mark.parametrize(
    "name", ["a/b", "/", "", ".", "with space", "µ/日本", "Data00", "x" * 300]
)
def test_names_of_every_form(local_place: Place, name: str) -> None:
    """A name is a title in the file, not a path: anything goes."""
    with begin(local_place, ("x", "", range(2))) as scan:
        for point in scan:
            point.write({name: float(point.number), "other": 1})
        with pytest.raises(NodeNotFoundError):
            scan.path("none of these")
        path = scan.path(name)
    with local_place.open("r") as h5:
        assert h5.get_node(path).read().tolist() == [0, 1]
    assert loaded(local_place, name).data[0].tolist() == [0, 1]


def test_a_name_that_is_no_text(local_place: Place) -> None:
    with begin(local_place) as scan, pytest.raises(DTypeError, match="is a text"):
        scan.at(0, 0).write({5: 1.0})  # type: ignore[dict-item]


def test_a_point_written_twice(local_place: Place) -> None:
    with begin(local_place) as scan:
        point = scan.at(1, 2)
        point.write(v=1.0)
        with pytest.raises(NodeExistsError, match="in one call"):
            point.write(w=1.0)


def test_a_closed_scan(local_place: Place) -> None:
    with begin(local_place) as scan:
        points = iter(scan)
        point = next(points)
        point.write(v=1.0)
        late = next(points)
    for use in (
        lambda: late.write(v=1.0),
        lambda: scan.at(1, 1),
        lambda: next(points),
        lambda: next(iter(scan)),
        lambda: scan.completed,
        lambda: scan.log("text"),
        scan.flush,
        lambda: scan.path("v"),
    ):
        with pytest.raises(FileClosedError, match="resume=True"):
            use()
    scan.close()
    assert scan.done == 1
    assert scan.group in repr(scan)


def test_a_saver_that_was_closed_below_it(local_place: Place) -> None:
    saver = H5SaverLowLevel.from_file(local_place.location, backend=local_place.driver)
    scan = Scan(saver, AXES, progress=False)
    scan.at(0, 0).write(v=1.0)
    saver.close_file()
    with pytest.raises(FileClosedError):
        scan.at(0, 1).write(v=1.0)
    scan.close()


def test_positions_to_iterate_over_are_missing(local_place: Place) -> None:
    with begin(local_place, "x") as scan, pytest.raises(SelectionError, match=r"scan\.visit"):
        iter(scan)


@pytest.mark.parametrize("given", [{"every": -1.0}, {"every": np.nan}, {"count": -1}], ids=str)
def test_paces_that_are_none(local_place: Place, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        begin(local_place, None, **given)
    with pytest.raises(ValueError, match="count"):
        begin(local_place, AXES, count=3)
    assert not Path(local_place.location).exists()


def test_options_for_a_saver_that_is_open(local_place: Place) -> None:
    with H5SaverLowLevel.from_file(local_place.location, backend=local_place.driver) as saver:
        for given in ({"rotate": Rotation(points=3)}, {"live": True}, {"endpoint": "x"}):
            with pytest.raises(DTypeError, match=next(iter(given))):
                Scan(saver, AXES, **given)


def test_signals_described_too_late(local_place: Place) -> None:
    with begin(local_place) as scan:
        for bad in ({"units": 5}, {"origin": None}, {"source": "guessed"}):
            with pytest.raises((DTypeError, ValueError)):
                scan.signal("v", **bad)
        scan.at(0, 0).write(v=1.0)
        with pytest.raises(NodeExistsError, match="has begun"):
            scan.signal("v", "V")


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UnknownDriverError):
        Scan(tmp_path / "a.h5", AXES, backend="hdf6")
    with pytest.raises(FileMissingError):
        Scan(tmp_path / "no" / "a.h5", AXES)
    with pytest.raises(SwmrError, match="h5py"):
        Scan(tmp_path / "a.h5", AXES, backend="tables", live=True)
    with pytest.raises(AttributeValueError, match="'a'"):
        Scan(tmp_path / "a.h5", AXES, metadata={"a": object()})
    with pytest.raises(DTypeError, match="go on in a file that is replaced"):
        Scan(tmp_path / "a.h5", AXES, resume=True, new_file=True)
    assert os.listdir(tmp_path) == []
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(OSError, match="HDF5"):
        Scan(text, AXES, resume=True)
    assert text.read_text() == "not HDF5"


def test_a_full_disk(local_place: Place) -> None:
    """Points that were taken stay; the refused one is given again once there is room."""
    process = psutil.Process()
    if not hasattr(process, "rlimit") or not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system has no limit on the size of files")
    policy = FlushPolicy(seconds=None)
    with begin(local_place, ("x", "", range(20)), flush_policy=policy) as scan:
        scan.at(0).write(image=np.zeros((200, 200)))
        scan.flush()
        free = process.rlimit(psutil.RLIMIT_FSIZE)
        limit = Path(local_place.location).stat().st_size + 1_000_000
        refused = None
        process.rlimit(psutil.RLIMIT_FSIZE, (limit, free[1]))
        try:
            for point in scan:
                try:
                    point.write(image=np.full((200, 200), float(point.indexes[0])))
                except StorageError as exc:
                    refused = exc
                    process.rlimit(psutil.RLIMIT_FSIZE, free)
                    point.write(image=np.full((200, 200), float(point.indexes[0])))
        finally:
            process.rlimit(psutil.RLIMIT_FSIZE, free)
        assert refused is not None
        assert refused.file == local_place.location
        assert scan.done == 20
    assert loaded(local_place, "image").data[0][:, 7, 7].tolist() == list(range(20))
