"""The data manager on every driver: what it makes, what it reads, what it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h5backends.errors import (
    DTypeError,
    H5Error,
    NodeExistsError,
    NodeNameError,
    NodeNotFoundError,
    ReadOnlyError,
    SelectionError,
    ShapeError,
    UnsupportedError,
)
from h5backends.references import H5FlowDataManager, ref_region_dtype
from tests.conftest import Place
from tests.references.definition import children_of, parents_of, true_regions

HIT = np.dtype([("time", "f8"), ("channel", "i4")])


def manager(place: Place, mode: str = "a", **more: Any) -> H5FlowDataManager:
    return H5FlowDataManager(place.location, mode, backend=place.driver, **place.options, **more)


def filled(dm: H5FlowDataManager) -> None:
    """Three events, six hits in two of them, four tracks that share hits."""
    dm.create_dset("charge/events", "f8")
    dm.create_dset("charge/hits", HIT)
    dm.create_dset("tracks", "i4", (2,))
    dm.create_ref("charge/events", "charge/hits")
    dm.create_ref("tracks", "charge/hits")
    dm.write_data("charge/events", dm.reserve_data("charge/events", 3), [0.5, 1.5, 2.5])
    hits = np.zeros(6, HIT)
    hits["time"], hits["channel"] = np.arange(6) / 10, np.arange(6)
    dm.write_data("charge/hits", dm.reserve_data("charge/hits", 6), hits)
    dm.write_data("tracks", dm.reserve_data("tracks", 4), np.arange(8).reshape(4, 2))
    dm.write_ref("charge/events", "charge/hits", [[0, 0], [0, 1], [2, 4], [0, 2], [2, 5]])
    dm.write_ref("charge/hits", "tracks", [[1, 0], [4, 3], [4, 1]])  # the other way round


# -- the interface ------------------------------------------------------------------------------
def test_signature() -> None:
    names = list(inspect.signature(H5FlowDataManager).parameters)
    assert names[:5] == ["filepath", "mode", "mpi", "drop_list", "compression"]


def test_everything_comes_back(place: Place) -> None:
    with manager(place) as dm:
        filled(dm)
        check_filled(dm)
        dm.close_file()
        check_filled(dm)  # opened again by itself
    if place.driver != "memory":
        with manager(place, "r") as dm:
            check_filled(dm)


def check_filled(dm: H5FlowDataManager) -> None:
    assert dm.dset_exists("charge/events")
    assert not dm.dset_exists("charge")
    assert dm.exists("charge")
    assert dm.ref_exists("charge/hits", "charge/events")
    assert not dm.ref_exists("charge/events", "tracks")
    assert dm.ref_region_exists("charge/hits", "tracks")
    ref, direction = dm.get_ref("charge/hits", "charge/events")
    assert direction == (1, 0)
    assert ref.path == "/charge/events/ref/charge/hits/ref"
    assert ref[:].tolist() == [[0, 0], [0, 1], [2, 4], [0, 2], [2, 5]]
    assert ref.dtype == "u4"
    assert {node.path for node in dm.get_refs("charge/hits")} == {
        "/charge/events/ref/charge/hits/ref",
        "/tracks/ref/charge/hits/ref",
    }
    region = dm.get_ref_region("charge/events", "charge/hits")
    assert region.dtype == ref_region_dtype
    assert len(region) == 3
    assert len(dm.get_ref_region("tracks", "charge/hits")) == 4

    assert dm["charge"].path == "/charge"
    assert dm["charge/events/data"].path == "/charge/events/data"
    assert dm["charge/events",][:].tolist() == [0.5, 1.5, 2.5]
    assert dm["charge/events", :2].tolist() == [0.5, 1.5]
    assert dm["charge/events", -1].tolist() == [2.5]
    assert dm["charge/events", ::-1].tolist() == [2.5, 1.5, 0.5]
    assert dm["charge/events", [True, False, True]].tolist() == [0.5, 2.5]
    assert dm["charge/events", [2, 0, 2]].tolist() == [2.5, 0.5, 2.5]
    assert dm["charge/events", []].tolist() == []

    hits = dm["charge/events", "charge/hits", :]
    assert hits.dtype == HIT
    assert hits["channel"].tolist() == [[0, 1, 2], [None] * 3, [4, 5, None]]
    assert dm["charge/events", "charge/hits"]["channel"].tolist() == hits["channel"].tolist()
    assert dm["charge/events", "charge/hits", -1]["channel"].tolist() == [[4, 5]]
    assert dm["charge/hits", "charge/events", [5, 3]].tolist() == [[2.5], [None]]
    tracks = dm["charge/events", "charge/hits", "tracks", [2, 0]]
    assert tracks.shape == (2, 3, 2, 2)
    assert tracks[0, 0].tolist() == [[6, 7], [2, 3]]
    assert tracks[1, 1].tolist() == [[0, 1], [None, None]]
    assert tracks.mask[0, 2].all()


def test_attributes(place: Place) -> None:
    with manager(place) as dm:
        dm.set_attrs("run", number=3, label="first", gains=np.arange(3.0))
        assert dm.attr_exists("run", "number")
        assert not dm.attr_exists("run", "other")
        assert not dm.attr_exists("nothing", "number")
        assert dm.get_attrs("run")["label"] == "first"
        dm.set_attrs("run", number=4)
        dm.set_attrs("empty")
        assert dm.exists("empty")
        assert dm.get_attrs("run")["number"] == 4
        assert dm.get_attrs("run")["gains"].tolist() == [0, 1, 2]


def test_making_twice_changes_nothing(place: Place) -> None:
    with manager(place) as dm:
        filled(dm)
        dm.create_dset("charge/events", "f8")
        dm.create_ref("charge/events", "charge/hits")
        check_filled(dm)
        with pytest.raises(DTypeError, match="another type"):
            dm.create_dset("charge/events", "i8")
        with pytest.raises(ShapeError, match="another shape"):
            dm.create_dset("tracks", "i4", (3,))
        with pytest.raises(NodeExistsError, match="serve both"):
            dm.create_ref("charge/hits", "charge/events")


def test_references_within_one_dataset(place: Place) -> None:
    with manager(place) as dm:
        dm.create_dset("a", "i4")
        dm.create_ref("a", "a")
        dm.write_data("a", dm.reserve_data("a", 4), [0, 10, 20, 30])
        dm.write_ref("a", "a", [[1, 3], [2, 0], [1, 0]])
        assert dm["a", "a", :].tolist() == [[None] * 2, [30, 0], [0, None], [None] * 2]
        assert dm["a", "a", "a", 1].tolist() == [[[None], [None]]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (0, slice(5, 5)),
        (3, slice(5, 8)),
        (np.int64(2), slice(5, 7)),
        (slice(2, 9), slice(2, 9, None)),
        (slice(None, 4), slice(0, 4, None)),
        ([1, 7], [1, 7]),
        ([slice(0, 2), slice(6, 8)], [slice(0, 2), slice(6, 8)]),
    ],
)
def test_reserving(spec: Any, expected: Any, local_place: Place) -> None:
    with manager(local_place) as dm:
        dm.create_dset("a", "i4")
        dm.create_dset("b", "i4")
        dm.create_ref("a", "b")
        dm.reserve_data("a", 5)
        assert dm.reserve_data("a", spec) == expected
        dm.write_data("a", expected, np.int32(1))
        length = {0: 5, 3: 8, 2: 7}.get(spec if isinstance(spec, int) else -1)
        assert length is None or len(dm.get_dset("a")) == length
        assert len(dm.get_ref_region("a", "b")) == len(dm.get_dset("a"))
        rows = (
            np.concatenate([np.arange(12)[part] for part in expected])
            if isinstance(expected, list) and isinstance(expected[0], slice)
            else np.arange(12)[expected]
        )
        marked = np.flatnonzero(dm.get_dset("a")[:])
        assert marked.tolist() == sorted(rows.tolist())


# -- any sequence of writes equals the definition -----------------------------------------------
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("driver", ["h5py", "tables", "memory"])
def test_any_writes(driver: str, make_place: Callable[..., Place], data: st.DataObject) -> None:
    place = make_place(driver)
    pairs: list[tuple[int, int]] = []
    counts = {"a": 0, "b": 0}
    dm = manager(place)
    dm.create_dset("a", "i8")
    dm.create_dset("b", "i8")
    if data.draw(st.booleans()):
        dm.write_data("b", dm.reserve_data("b", 2), [0, 1])
        counts["b"] = 2
    dm.create_ref("a", "b")
    for _ in range(data.draw(st.integers(1, 6))):
        name, count = data.draw(st.sampled_from("ab")), data.draw(st.integers(0, 5))
        rows = dm.reserve_data(name, count)
        dm.write_data(name, rows, np.arange(counts[name], counts[name] + count))
        counts[name] += count
        if all(counts.values()):
            pair = st.tuples(*(st.integers(0, counts[name] - 1) for name in "ab"))
            batch = data.draw(st.lists(pair, max_size=6))
            flipped = data.draw(st.booleans())
            dm.write_ref(*("ba" if flipped else "ab"), [p[::-1] if flipped else p for p in batch])
            pairs += batch
        if driver != "memory" and data.draw(st.booleans()):
            dm.close_file()
    for parent, child, column in (("a", "b", 0), ("b", "a", 1)):
        expected = children_of(range(counts[parent]), pairs, (column, 1 - column))
        found = dm[parent, child, :]
        assert [[v for v in row if v is not None] for row in found.tolist()] == expected
        region = dm.get_ref_region(parent, child)[:]
        tight = true_regions(pairs, counts[parent], column)
        assert [tuple(row) if row[1] else (0, 0) for row in region.tolist()] == tight
        if counts[parent]:
            sel = data.draw(st.lists(st.integers(-counts[parent], counts[parent] - 1), max_size=5))
            some = [expected[n] for n in parents_of(sel, counts[parent])]
            taken = dm[parent, child, sel].tolist()
            assert [[v for v in row if v is not None] for row in taken] == some
    dm.finish()


# -- deleting and dropping ----------------------------------------------------------------------
def test_deleting_takes_the_references_along(place: Place) -> None:
    with manager(place) as dm:
        filled(dm)
        dm.delete("tracks")
        assert not dm.exists("tracks")
        assert not dm.ref_region_exists("charge/hits", "tracks")
        assert dm["charge/events", "charge/hits", 0]["channel"].tolist() == [[0, 1, 2]]
        dm.delete("tracks")  # is gone already
        dm.delete("charge")
        assert not dm.exists("charge/events")
        assert dm.get_refs("charge") == []
        filled(dm)
        check_filled(dm)


def test_what_is_dropped_is_used_but_not_kept(place: Place) -> None:
    with manager(place, drop_list=["raw", "charge/hits"]) as dm:
        filled(dm)
        dm.create_dset("raw/packets", "u1")
        dm.create_ref("raw/packets", "charge/events")
        dm.write_data("raw/packets", dm.reserve_data("raw/packets", 2), [7, 8])
        dm.write_ref("raw/packets", "charge/events", [[1, 0]])
        assert dm["charge/events", "raw/packets", 0].tolist() == [[8]]
        check_filled_hits(dm)
        if place.driver in ("h5py", "tables"):
            assert len(list(Path(place.location).parent.glob("*.dropped-*.h5"))) == 1
    if place.driver == "memory":
        return
    with manager(place, "r") as dm:
        assert dm.dset_exists("charge/events")
        assert dm.dset_exists("tracks")
        for name in ("raw", "charge/hits"):
            assert not dm.exists(name)
        for name in ("raw/packets", "charge/hits"):
            assert not dm.ref_region_exists("charge/events", name)
        assert dm.get_refs("charge") == []
    if place.driver in ("h5py", "tables"):
        assert not list(Path(place.location).parent.glob("*.dropped-*"))


def check_filled_hits(dm: H5FlowDataManager) -> None:
    hits = dm["charge/events", "charge/hits", :]
    assert hits["channel"].tolist() == [[0, 1, 2], [None] * 3, [4, 5, None]]


# -- modes and compression ----------------------------------------------------------------------
def test_modes(local_place: Place) -> None:
    with pytest.raises(H5Error):
        manager(local_place, "r").exists("a")
    with manager(local_place, "w") as dm:
        dm.create_dset("a", "i4")
        dm.close_file()
        assert dm.dset_exists("a")  # opened again, not made anew
    with manager(local_place, "r") as dm:
        for change in (
            lambda: dm.create_dset("b", "i4"),
            lambda: dm.reserve_data("a", 1),
            lambda: dm.set_attrs("a", x=1),
            lambda: dm.delete("a"),
        ):
            with pytest.raises(ReadOnlyError):
                change()
        assert dm.fh is not None
    with pytest.raises(ValueError, match="mode"):
        manager(local_place, "rw")


@pytest.mark.parametrize("compression", ["gzip", 4])
def test_compression(compression: Any, local_place: Place) -> None:
    with manager(local_place, compression=compression) as dm:
        dm.create_dset("a", "i4")
        dm.create_dset("b", "i4")
        dm.create_ref("a", "b")
        assert dm.get_dset("a").filters.codec == "gzip"
        dm.write_data("a", dm.reserve_data("a", 1000), np.arange(1000))
        assert dm["a", [999]].tolist() == [999]


# -- files of h5flow ----------------------------------------------------------------------------
def h5flow_file(path: Path, regions: bool = True) -> None:
    """Write a file as h5flow lays it out, by its documentation, with h5py alone."""
    pairs = [(0, 0), (0, 2), (3, 1), (0, 3)]
    with h5py.File(path, "w") as file:
        for name, count in (("events", 4), ("stage0/hits", 5)):
            file.create_dataset(f"{name}/data", data=np.arange(count) * 10, maxshape=(None,))
        ref = file.create_dataset(
            "events/ref/stage0/hits/ref", data=np.array(pairs, "u4"), maxshape=(None, 2)
        )
        ref.attrs["dset0"], ref.attrs["dset1"] = "/events/data", "/stage0/hits/data"
        for column, (name, other, count) in enumerate(
            [("events", "stage0/hits", 4), ("stage0/hits", "events", 5)]
        ):
            if regions:
                table = file.create_dataset(
                    f"{name}/ref/{other}/ref_region",
                    data=np.array(true_regions(pairs, count, column), ref_region_dtype),
                    maxshape=(None,),
                )
                table.attrs["ref"] = ref.name
                ref.attrs[f"ref_region{column}"] = table.name


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_a_file_of_h5flow(driver: str, make_place: Callable[..., Place]) -> None:
    place = make_place(driver)
    h5flow_file(Path(place.location))
    with manager(place, "r") as dm:
        assert dm["events", "stage0/hits", :].tolist() == [
            [0, 20, 30],
            *[[None] * 3] * 2,
            [10, None, None],
        ]
        assert dm["stage0/hits", "events", -2].tolist() == [[0]]
    with manager(place) as dm:
        dm.write_data("events", dm.reserve_data("events", 1), [40])
        dm.write_ref("stage0/hits", "events", [[4, 4], [0, 3]])
        assert dm["events", "stage0/hits", [4, 3]].tolist() == [[40, None], [10, 0]]
    with h5py.File(place.location) as file:
        assert file["events/ref/stage0/hits/ref"][-2:].tolist() == [[4, 4], [3, 0]]
        assert file["events/ref/stage0/hits/ref_region"][:].tolist() == [
            (0, 4), (0, 0), (0, 0), (2, 6), (4, 5),
        ]  # fmt: skip
        assert file["stage0/hits/ref/events/ref_region"][:].tolist() == [
            (0, 6), (2, 3), (1, 2), (3, 4), (4, 5),
        ]  # fmt: skip


def test_our_files_in_h5flow_terms(local_place: Place) -> None:
    """What h5flow looks for stands where it looks, in the types that it expects."""
    with manager(local_place) as dm:
        filled(dm)
    with h5py.File(local_place.location) as file:
        ref = file["charge/events/ref/charge/hits/ref"]
        assert ref.dtype == "u4"
        assert ref.maxshape == (None, 2)
        assert ref.attrs["dset0"] == "/charge/events/data"
        assert ref.attrs["dset1"] == "/charge/hits/data"
        for column, name in enumerate(["charge/events", "charge/hits"]):
            other = ["charge/hits", "charge/events"][column]
            path = f"/{name}/ref/{other}/ref_region"
            assert ref.attrs[f"ref_region{column}"] == path
            assert file[path].attrs["ref"] == ref.name
            assert file[path].dtype == ref_region_dtype
            assert len(file[path]) == len(file[name]["data"])
        assert file["charge/events/ref/charge/hits/ref_region"][:].tolist() == [
            (0, 4), (0, 0), (2, 5),
        ]  # fmt: skip


def test_missing_look_up_tables(local_place: Place) -> None:
    """They are searched around, refused to be added to, and made by create_ref."""
    h5flow_file(Path(local_place.location), regions=False)
    with manager(local_place) as dm:
        assert dm["events", "stage0/hits", 0].tolist() == [[0, 20, 30]]
        with pytest.raises(NodeNotFoundError, match="ref_region"):
            dm.get_ref_region("events", "stage0/hits")
        with pytest.raises(NodeNotFoundError, match="ref_region"):
            dm.write_ref("events", "stage0/hits", [[1, 1]])
        assert len(dm.get_ref("events", "stage0/hits")[0]) == 4
        dm.create_ref("events", "stage0/hits")
        assert dm.get_ref_region("events", "stage0/hits")[:].tolist() == [
            (0, 4), (0, 0), (0, 0), (2, 3),
        ]  # fmt: skip
        dm.write_ref("events", "stage0/hits", [[1, 1]])
        assert dm["events", "stage0/hits", [1, 3]].tolist() == [[10], [10]]


# -- bad input ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("refs", "error", "words"),
    [
        ([[0, 6]], SelectionError, "charge/hits"),
        ([[3, 0]], SelectionError, "charge/events"),
        ([[-1, 0]], SelectionError, "-1"),
        ([0, 1], ShapeError, "(N, 2)"),
        ([[0, 1, 2]], ShapeError, "(N, 2)"),
        ([[0], [1, 2]], ShapeError, "unequal"),
        ([[0.0, 1.0]], DTypeError, "float64"),
        (np.array([[2**63, 0]], "u8"), SelectionError, "charge/events"),
    ],
)
def test_bad_references_change_nothing(
    refs: Any, error: type[H5Error], words: str, place: Place
) -> None:
    with manager(place) as dm:
        filled(dm)
        with pytest.raises(error) as caught:
            dm.write_ref("charge/events", "charge/hits", refs)
        assert words in str(caught.value)
        assert place.location in str(caught.value) or "unequal" in words
        check_filled(dm)


def test_no_references(place: Place) -> None:
    with manager(place) as dm:
        filled(dm)
        for nothing in ([], np.zeros((0, 2), int), np.zeros((0, 2))):
            dm.write_ref("charge/events", "charge/hits", nothing)
        check_filled(dm)


@pytest.mark.parametrize(
    ("spec", "words"),
    [(-1, "negative"), (slice(-3, None), "forwards"), (slice(3, 0, -1), "forwards"),
     ("all", "named"), (1.5, "named"), ([0, -1], "named"), (slice("a", "b"), "forwards")],
)  # fmt: skip
def test_bad_reservations(spec: Any, words: str, make_place: Callable[..., Place]) -> None:
    with manager(make_place("h5py")) as dm:
        dm.create_dset("a", "i4")
        with pytest.raises(SelectionError, match=words):
            dm.reserve_data("a", spec)
        assert len(dm.get_dset("a")) == 0


def test_bad_writes_and_reads(local_place: Place) -> None:
    with manager(local_place) as dm:
        filled(dm)
        with pytest.raises(SelectionError, match="reserve_data"):
            dm.write_data("charge/events", slice(2, 5), [1.0, 2.0, 3.0])
        with pytest.raises(ShapeError):
            dm.write_data("charge/events", slice(0, 3), [1.0, 2.0])
        with pytest.raises(DTypeError):
            dm.write_data("charge/events", slice(0, 1), ["text"])
        for sel in (3, -4, [0, 9], [True], "x"):
            with pytest.raises(H5Error):
                dm["charge/events", "charge/hits", sel]
        with pytest.raises(SelectionError, match="names of datasets"):
            dm[0]
        with pytest.raises(SelectionError, match="names of datasets"):
            dm["charge/events", 0, "charge/hits"]
        for missing in ("nothing", "charge"):
            with pytest.raises(NodeNotFoundError):
                dm.get_dset(missing)
            with pytest.raises(NodeNotFoundError):
                dm.create_ref(missing, "charge/hits")
        with pytest.raises(NodeNotFoundError, match="create_ref"):
            dm["charge/events", "tracks", 0]
        for name in ("", "/", None, 3):
            with pytest.raises(NodeNameError):
                dm.create_dset(name, "i4")  # type: ignore[arg-type]
        with pytest.raises(NodeNameError, match="'ref'"):
            dm.create_dset("a/ref/b", "i4")
        with pytest.raises(DTypeError):
            dm.create_dset("objects", object)
        check_filled(dm)


def test_deleted_children_and_shrunken_data(local_place: Place) -> None:
    with manager(local_place) as dm:
        filled(dm)
    with h5py.File(local_place.location, "a") as file:
        file["charge/hits/data"].resize((4,))
        del file["tracks/data"]
    with manager(local_place, "r") as dm:
        assert dm["charge/events", "charge/hits", 0]["channel"].tolist() == [[0, 1, 2]]
        with pytest.raises(SelectionError, match=r"beyond.*/charge/hits/data"):
            dm["charge/events", "charge/hits", :]
        with pytest.raises(NodeNotFoundError, match="tracks/data"):
            dm["charge/hits", "tracks", 0]
    with h5py.File(local_place.location, "a") as file:
        file["charge/events/ref/charge/hits/ref"].resize((3, 2))
    with manager(local_place, "r") as dm, pytest.raises(SelectionError, match="look-up table"):
        dm["charge/events", "charge/hits", 0]


def test_what_a_driver_cannot_do(local_place: Place) -> None:
    with pytest.raises(UnsupportedError, match=r"RESERVE.*h5pyd"):
        manager(local_place, shared=True)
    with pytest.raises(UnsupportedError, match="PARALLEL"):
        H5FlowDataManager(local_place.location, mpi=True, backend="tables")
    assert not Path(local_place.location).exists()
