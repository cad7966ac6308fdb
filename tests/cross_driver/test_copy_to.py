"""Copies from driver to driver: equal to the last bit, whole or not at all."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import CARRAY, EARRAY, H5Backend, Node
from h5backends.errors import DTypeError, NodeExistsError, ReadOnlyError
from h5backends.testing.comparison import difference
from h5backends.testing.values import ATTRIBUTES, LOGICAL_DTYPES, NAMES, sample
from h5backends.types import packed
from tests.conftest import DRIVERS, Place


def fill(h5: H5Backend) -> dict[str, Any]:
    """Make a file of everything, and return what is in it."""
    expected: dict[str, Any] = {}
    for name, dtype in LOGICAL_DTYPES.items():
        values = sample(dtype, (9,))
        expected[f"/fixed/{name}"] = expected[f"/growing/{name}"] = values.astype(packed(dtype))
        h5.create_carray(h5.get_set_group("/", "fixed"), name, values)
        h5.create_earray(h5.get_set_group("/", "growing"), name, dtype, chunks=(4,)).append(values)
    h5.define_compression("gzip" if "gzip" in type(h5.session.driver).codecs() else None)
    image = np.arange(90_000, dtype="u2").reshape(30, 50, 60)
    h5.create_earray("/", "frames", "u2", (50, 60)).append(image)
    h5.create_carray("/", "stack", image)
    expected["/frames"] = expected["/stack"] = image
    ragged = h5.create_vlarray("/", "ragged", "f4")
    expected["/ragged"] = [sample(np.dtype("f4"), (n,), n) for n in (3, 0, 500)]
    for row in expected["/ragged"]:
        ragged.append(row)
    texts = h5.create_vlarray("/", "texts", "string", "log")
    expected["/texts"] = ["", "äö", "x" * 3000]
    for text in expected["/texts"]:
        texts.append(text)
    place = h5.root()
    for name in NAMES:
        place = h5.get_set_group(place, name, f"title of {name[:5]}")
    h5.get_set_group("/", "group").attrs.update(ATTRIBUTES)
    return expected


def check(h5: H5Backend, expected: dict[str, Any]) -> None:
    for path, values in expected.items():
        node = h5.get_node(path)
        assert isinstance(node, CARRAY)
        same(node.read(), values, path)
        assert isinstance(node, EARRAY) == (
            path.startswith("/growing") or path in {"/frames", "/ragged", "/texts"}
        )
    assert h5.get_node("/" + "/".join(NAMES)).title == f"title of {NAMES[-1][:5]}"
    found = h5.get_node("/group").attrs.to_dict()
    for name, value in ATTRIBUTES.items():
        same(found[name], value, name)


def same(found: Any, expected: Any, where: str) -> None:
    text = difference(found, expected, where)
    assert text is None, text


@pytest.mark.parametrize("first", DRIVERS)
def test_through_all_the_others_and_back(first: str, make_place: Any) -> None:
    others = [name for name in DRIVERS if name != first]
    places: list[Place] = [make_place(name) for name in (first, *others, first)]
    with places[0].open("w") as h5:
        expected = fill(h5)
        paths = [node.path for node in h5.walk_nodes("/")]
    for source, target in itertools.pairwise(places):
        told: list[tuple[int, int]] = []
        with source.open("r") as h5, target.open("w") as copy:
            h5.copy_to(copy, progress=lambda *step, told=told: told.append(step))
            assert [node.path for node in copy.walk_nodes("/")] == paths
            check(copy, expected)
        assert told[-1][0] == told[-1][1]
        assert [done for done, _ in told] == sorted(done for done, _ in told)
    with places[-1].open("a") as h5:
        check(h5, expected)
        frames = h5.get_node("/frames")
        assert isinstance(frames, EARRAY)
        frames.append(expected["/frames"][0])
        assert h5.get_attr("/frames", "shape") in {(30, 50, 60), (31, 50, 60)}
    with places[-1].open("r") as h5:
        assert h5.get_attr("/frames", "shape") == (31, 50, 60)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_saved_under_another_name(driver: str, make_place: Any) -> None:
    place: Place = make_place(driver)
    other = place.sibling("copy.h5")
    with place.open("w") as h5:
        expected = fill(h5)
        h5.save_file_as(other.location)
        with pytest.raises(FileExistsError):
            h5.save_file_as(other.location)
        with pytest.raises(FileExistsError, match="onto itself"):
            h5.save_file_as(place.location)
        h5.remove_node("/growing")
        h5.save_file_as(other.location, overwrite=True)
        check(h5, {path: v for path, v in expected.items() if not path.startswith("/growing")})
    with other.open("r") as h5:
        assert "growing" not in h5.root()
        check(h5, {path: v for path, v in expected.items() if not path.startswith("/growing")})


@pytest.mark.parametrize("target", DRIVERS)
def test_text_of_other_programs(target: str, make_place: Any, tmp_path: Path) -> None:
    """h5py's own strings have no width; the copy has that of the longest."""
    texts = ["", "äö", "longest of them"]
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.create_dataset("names", data=texts, dtype=h5py.string_dtype())
        file.create_dataset("one", data="single", dtype=h5py.string_dtype())
        file.create_dataset("growing", data=texts, dtype=h5py.string_dtype(), maxshape=(None,))
        file.create_dataset("fixed", data=np.array(["a", "bcd"], "S3"))
    place: Place = make_place(target)
    with H5Backend("h5py") as h5, place.open("w") as copy:
        h5.open_file(tmp_path / "foreign.h5", "r")
        assert list(h5.read("/names")) == texts
        h5.copy_to(copy)
        for path in ("/names", "/growing"):
            same(copy.read(path), np.array(texts), path)
        assert copy.read("/one") == "single"
        same(copy.read("/fixed"), np.array(["a", "bcd"], "S3"), "fixed")


def test_what_the_target_cannot_hold_is_refused_beforehand(make_place: Any) -> None:
    with make_place("memory").open("w") as h5, make_place("h5pyd").open("w") as copy:
        h5.create_carray("/", "first", [1.0])
        group = h5.get_set_group("/", "group")
        h5.create_vlarray(group, "rows", "c16").append([1j])
        for action in (lambda: h5.copy_to(copy), lambda: copy.copy_node(group, "/")):
            with pytest.raises(DTypeError) as caught:
                action()
            assert caught.value.node == "/group/rows"
            assert caught.value.file == h5.filename
            assert copy.root().children_name() == []


def test_a_copy_that_is_interrupted_leaves_nothing(place: Place, make_place: Any) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise Stop

    with make_place("memory").open("w") as h5, place.open("w") as copy:
        kept = copy.create_carray("/", "kept", [1.0])
        for number in range(6):
            h5.create_carray(h5.get_set_group("/", "group"), f"array{number}", np.arange(100.0))
            h5.create_carray("/", f"array{number}", np.arange(100.0))
        with pytest.raises(Stop):
            copy.copy_node(h5.get_node("/group"), "/", progress=stop)
        assert copy.root().children_name() == ["kept"]
        with pytest.raises(Stop):
            h5.copy_to(copy, progress=stop)
        assert copy.root().children_name() == ["kept"]
        same(kept.read(), np.array([1.0]), "kept")
        h5.copy_to(copy)
        assert len(copy.root()) == 8


def test_places_that_take_no_copy(place: Place, make_place: Any) -> None:
    with make_place("memory").open("w") as h5:
        h5.create_carray("/", "array", np.arange(3))
        with place.open("w") as copy:
            copy.create_carray("/", "array", [7])
            with pytest.raises(NodeExistsError, match="array"):
                h5.copy_to(copy)
            h5.copy_to(copy, copy.get_set_group("/", "inside"))
            same(copy.read("/inside/array"), np.arange(3), "inside")
            same(copy.read("/array"), np.array([7]), "as before")
        with place.open("r") as copy:
            with pytest.raises(ReadOnlyError):
                h5.copy_to(copy, "/inside")
            with pytest.raises(ReadOnlyError):
                copy.copy_node(h5.get_node("/array"), "/", "copy")


def test_an_array_that_is_being_recorded(local_place: Place, make_place: Any) -> None:
    """What is still in memory comes along, and recording goes on."""
    with local_place.open("w") as h5, make_place("memory").open("w") as copy:
        array = h5.create_earray("/", "array", "f8", chunks=(1000,))
        array.append(np.arange(10.0))
        node: Node = copy.copy_node(array, "/")
        assert isinstance(node, EARRAY)
        assert node.attrs["shape"] == (10,)
        array.append(10.0)
        node.append(-1.0)
        same(array.read(), np.arange(11.0), "original")
        same(node.read(), np.array([*range(10), -1.0]), "copy")


def test_a_copy_of_a_file_in_swmr_mode_is_a_file_at_rest(make_place: Any) -> None:
    place: Place = make_place("h5py")
    with place.open("w", swmr_mode=True) as h5:
        array = h5.create_earray("/", "array", "f8")
        h5.set_attr("/", "operator", "me")
        h5.enable_swmr()
        array.append(1.0)
        h5.save_file_as(place.sibling("copy.h5").location, swmr_mode=False)
        assert h5.get_attr("/", "swmr_active") is True
    with place.sibling("copy.h5").open("r") as copy:
        assert copy.get_attr("/", "swmr_active") is False
        assert copy.get_attr("/", "operator") == "me"
        same(copy.read("/array"), np.array([1.0]), "copy")
