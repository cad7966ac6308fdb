"""Dereferencing equals its definition in nested loops, for every form of argument."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tables
from hypothesis import example, given
from hypothesis import strategies as st

from h5backends import H5Backend
from h5backends.errors import (
    DTypeError,
    FileClosedError,
    H5Error,
    SelectionError,
    ShapeError,
)
from h5backends.references import dereference, dereference_chain, ref_region_dtype
from tests.references.definition import children_of, parents_of, true_regions

RECORD = np.dtype([("time", "f8"), ("pixel", "i4", (2,)), ("name", "S4")])


class Counted:
    """A dataset that notes which rows are read."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)
        self.read: list[tuple[int, int]] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values.dtype

    def __getitem__(self, item: slice) -> Any:
        self.read.append((item.start, item.stop))
        return self._values[item]


def table(regions: Any) -> np.ndarray[Any, Any]:
    return np.array([tuple(region) for region in regions], ref_region_dtype)


def as_lists(result: Any) -> list[Any]:
    """Turn a masked array of one value per slot into lists, without what is missing."""
    if result.ndim == 1:
        missing = np.ma.getmaskarray(result)
        return [value for value, out in zip(result.data.tolist(), missing, strict=True) if not out]
    return [as_lists(part) for part in result]


# -- random arguments against the definition ----------------------------------------------------
@st.composite
def links(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]]]:
    parents, children = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    pair = st.tuples(st.integers(0, parents - 1), st.integers(0, children - 1))
    pairs = draw(st.lists(pair, max_size=40))
    if draw(st.booleans()):
        pairs.sort()
    return parents, children, pairs


def selections(count: int) -> st.SearchStrategy[Any]:
    index = st.integers(-count, count - 1)
    bound = st.none() | st.integers(-count - 2, count + 2)
    step = st.none() | st.integers(-4, 4).filter(bool)
    return st.one_of(
        index,
        st.lists(index, max_size=20),
        st.lists(st.booleans(), min_size=count, max_size=count),
        st.builds(slice, bound, bound, step),
    )


def masks(size: int) -> st.SearchStrategy[list[bool] | None]:
    return st.none() | st.lists(st.booleans(), min_size=size, max_size=size)


@given(st.data())
def test_equals_the_definition(data: st.DataObject) -> None:
    parents, children, pairs = data.draw(links())
    direction = data.draw(st.sampled_from([(0, 1), (1, 0)]))
    count = (parents, children)[direction[0]]
    sel = data.draw(selections(count))
    wanted: list[int | None] = list(parents_of(sel, count))
    mask = data.draw(
        st.none() | st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted))
    )
    for place, out in enumerate(mask or []):
        wanted[place] = None if out else wanted[place]
    ref = np.array(pairs, data.draw(st.sampled_from(["u4", "i8", ">i2", "u1"]))).reshape(-1, 2)
    regions = true_regions(pairs, count, direction[0])
    expected = children_of(wanted, pairs, direction)
    rows = np.arange(100, 100 + max(parents, children)) * 1.5
    keep = None if mask is None else np.array(mask, bool)

    found = dereference(
        sel, ref, region=Counted(table(regions)), mask=keep, ref_direction=direction,
        indices_only=True,
    )  # fmt: skip
    assert found.shape == (len(wanted), max([1, *map(len, expected)]))
    assert found.dtype == ref.dtype
    assert as_lists(found) == expected

    loaded = dereference(
        sel, Counted(ref), Counted(rows), Counted(table(regions)), keep, direction, as_masked=False
    )
    assert [part.tolist() for part in loaded] == [rows[part].tolist() for part in expected]

    own = table([regions[p] for p in parents_of(sel, count)])
    by_place = dereference(
        parents_of(sel, count), ref, rows, own, keep, direction, indices_only=True
    )
    assert as_lists(by_place) == expected
    searched = dereference(parents_of(sel, count), ref, rows, None, keep, direction)
    assert as_lists(searched) == [rows[part].tolist() for part in expected]


@given(st.data())
def test_regions_count_also_where_they_lie(data: st.DataObject) -> None:
    """A region that leaves out references of its parent hides them, and only them."""
    parents, _, pairs = data.draw(links())
    bounds = st.tuples(st.integers(0, len(pairs)), st.integers(0, len(pairs))).map(sorted)
    regions = [tuple(data.draw(bounds)) for _ in range(parents)]
    sel = data.draw(st.lists(st.integers(0, parents - 1), max_size=15))
    ref = np.array(pairs, "i8").reshape(-1, 2)
    found = dereference(sel, ref, region=Counted(table(regions)), indices_only=True)
    assert as_lists(found) == children_of(sel, pairs, regions=regions)  # type: ignore[arg-type]


@given(st.data())
def test_one_region_for_each_place(data: st.DataObject) -> None:
    """Regions in memory belong to elements of the selection: one parent may have several."""
    parents, _, pairs = data.draw(links())
    sel = data.draw(st.lists(st.integers(0, parents - 1), max_size=15))
    bounds = st.tuples(st.integers(0, len(pairs)), st.integers(0, len(pairs))).map(sorted)
    regions = [tuple(data.draw(bounds)) for _ in sel]
    found = dereference(
        sel, np.array(pairs, "u4").reshape(-1, 2), region=table(regions), indices_only=True
    )
    expected = [
        [child for parent, child in pairs[start:stop] if parent == wanted]
        for wanted, (start, stop) in zip(sel, regions, strict=True)
    ]
    assert as_lists(found) == expected


@given(st.data())
def test_chain_equals_the_definition(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 4))
    counts = [data.draw(st.integers(1, 6)) for _ in range(steps + 1)]
    directions, pairs, regions = [], [], []
    for here, there in itertools.pairwise(counts):
        pair = st.tuples(st.integers(0, here - 1), st.integers(0, there - 1))
        direction = data.draw(st.sampled_from([(0, 1), (1, 0)]))
        found = data.draw(st.lists(pair, max_size=15))
        pairs.append([(p[direction[0]], p[direction[1]]) for p in found])
        directions.append(direction)
        tight = true_regions(pairs[-1], here, direction[0])
        regions.append(Counted(table(tight)) if data.draw(st.booleans()) else None)
    sel = data.draw(st.lists(st.integers(0, counts[0] - 1), max_size=8))
    mask = data.draw(masks(len(sel)))

    def descend(parent: int | None, step: int) -> Any:
        if step == steps:
            return parent
        (found,) = children_of([parent], pairs[step], directions[step])
        return [descend(child, step + 1) for child in found]

    expected = [
        descend(None if mask and mask[place] else parent, 0) for place, parent in enumerate(sel)
    ]
    result = dereference_chain(
        sel,
        [np.array(p, "i8").reshape(-1, 2) for p in pairs],
        np.arange(counts[-1]),
        regions=regions,
        mask=None if mask is None else np.array(mask, bool),
        ref_directions=directions,
    )
    assert result.ndim == steps + 1
    assert result.shape[0] == len(sel)
    assert _without_gaps(as_lists(result), steps + 1) == _without_gaps(expected, steps + 1)


def _without_gaps(lists: Any, depth: int) -> Any:
    """Drop empty lists: where nothing is, the padded layout cannot tell how deep it ended."""
    if depth == 1:
        return lists
    return [part for part in (_without_gaps(part, depth - 1) for part in lists) if part]


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(0, 3))
@example([0, 2**40], 0)
def test_parents_far_apart(parents: list[int], extra: int) -> None:
    """Numbers that no table could hold; found by bisection."""
    pairs = [(parent, row) for row, parent in enumerate(parents * 2)]
    wanted = parents + list(range(extra))
    found = dereference(wanted, np.array(pairs, "i8"), indices_only=True, as_masked=False)
    assert [part.tolist() for part in found] == children_of(wanted, pairs)


# -- the documented examples --------------------------------------------------------------------
def test_examples_of_the_interface() -> None:
    ref, letters = [[1, 0], [2, 1]], ["A", "B", "C", "D"]
    forward = dereference([0, 1, 2], ref, letters, ref_direction=(0, 1), as_masked=False)
    assert [part.tolist() for part in forward] == [[], ["A"], ["B"]]
    backward = dereference([0, 1, 2], ref, letters, ref_direction=(1, 0), as_masked=False)
    assert [part.tolist() for part in backward] == [["B"], ["C"], []]
    assert dereference(slice(100), ref, letters).shape[0] == 100


@pytest.mark.parametrize("sel", [[], slice(0, 0), np.zeros(0, int), [False] * 3])
def test_nothing_selected(sel: Any) -> None:
    found = dereference(sel, [[1, 0]], np.zeros(3), region=Counted(table([(0, 1)] * 3)))
    assert found.shape == (0, 1)
    assert dereference(sel, [[1, 0]], np.zeros(3), as_masked=False) == []


def test_nothing_referred_to() -> None:
    for ref in ([], np.zeros((0, 2), "u4"), [[7, 0]]):
        found = dereference([0, 1], ref, np.ones(4))
        assert found.shape == (2, 1)
        assert found.mask.all()


def test_structured_rows_and_rows_of_images() -> None:
    records = np.zeros(3, RECORD)
    records["time"], records["name"] = [1, 2, 3], [b"a", b"b", b"c"]
    found = dereference([0, 1], [[0, 2], [0, 1]], records)
    assert found.dtype == RECORD
    assert found["name"][0].tolist() == [b"c", b"b"]
    assert found.mask["pixel"].shape == (2, 2, 2)
    assert found.mask["time"][1].all()
    images = np.arange(24).reshape(3, 2, 4)
    stacked = dereference([1, 0], [[0, 2], [0, 1]], images)
    assert stacked.shape == (2, 2, 2, 4)
    assert stacked.mask[0].all()
    assert np.array_equal(stacked[1], images[[2, 1]])


def test_masked_selection_is_a_selection_with_a_mask() -> None:
    sel = np.ma.MaskedArray([99, 1], mask=[True, False])
    found = dereference(sel, [[1, 5]], region=Counted(table([(0, 0), (0, 1)])), indices_only=True)
    assert as_lists(found) == [[], [5]]


# -- only what is needed is read ----------------------------------------------------------------
def test_reads_only_what_the_region_names() -> None:
    count = 200_000
    ref = np.stack([np.arange(count), np.arange(count)], 1)
    near = Counted(ref)
    data = Counted(np.arange(count))
    every = np.zeros(count, ref_region_dtype)
    every["start"], every["stop"] = np.arange(count), np.arange(count) + 1
    regions = Counted(every)
    found = dereference([150_000, 3, 150_002], near, data, regions)
    assert found.data.ravel().tolist() == [150_000, 3, 150_002]
    for source in (near, data, regions):
        assert sum(stop - start for start, stop in source.read) <= 4, source.read


def test_many_far_places_are_few_reads() -> None:
    count = 300_000
    every = np.zeros(count, ref_region_dtype)
    every["start"], every["stop"] = np.arange(count), np.arange(count) + 1
    ref = Counted(np.stack([np.arange(count), np.arange(count)], 1))
    wanted = np.arange(0, count, 100)
    found = dereference(wanted, ref, region=every[wanted], indices_only=True)
    assert np.array_equal(found.data.ravel(), wanted)
    assert len(ref.read) <= 64


# -- arrays of any library ----------------------------------------------------------------------
@pytest.fixture(params=["h5py", "h5py through swmr", "PyTables", "h5pyd", "nodes"])
def stored(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., dict[str, Any]]]:
    """Store arrays and open them again with one of the libraries."""
    with contextlib.ExitStack() as stack:
        path = str(tmp_path / "stored.h5")

        def store(**arrays: Any) -> dict[str, Any]:
            kind = request.param
            if kind.startswith("h5py"):
                with h5py.File(path, "w", libver="v110") as file:
                    for name, values in arrays.items():
                        file.create_dataset(name, data=values, chunks=True)
                file = stack.enter_context(h5py.File(path, "r", swmr="swmr" in kind))
                return {name: file[name] for name in arrays}
            if kind == "PyTables":
                with tables.open_file(path, "w") as out:
                    for name, values in arrays.items():
                        make = out.create_table if values.dtype.names else out.create_array
                        make("/", name, obj=values)
                opened = stack.enter_context(tables.open_file(path, "r"))
                return {name: opened.get_node("/", name) for name in arrays}
            if kind == "h5pyd":
                import h5pyd

                server = request.getfixturevalue("hsds")
                domain = f"{server.home}{tmp_path.name}.h5"
                login = {"use_cache": False, **server.login}
                with contextlib.closing(h5pyd.File(domain, "w", **login)) as file:
                    for name, values in arrays.items():
                        file.create_dataset(name, data=values, chunks=values.shape)
                file = stack.enter_context(contextlib.closing(h5pyd.File(domain, "r", **login)))
                return {name: file[name] for name in arrays}
            h5 = stack.enter_context(H5Backend("h5py"))
            h5.open_file(path, "w")
            return {name: h5.create_carray("/", name, values) for name, values in arrays.items()}

        yield store


def test_datasets_of_any_library(stored: Callable[..., dict[str, Any]]) -> None:
    generator = np.random.default_rng(7)
    pairs = generator.integers(0, 50, (400, 2)).astype("u4")
    records = np.zeros(50, [("time", "f8"), ("channel", "i4")])
    records["time"], records["channel"] = np.arange(50) / 2, np.arange(50)
    regions = true_regions(pairs.tolist(), 50)
    arrays = stored(ref=pairs, data=records, region=table(regions))
    for sel in (slice(None), slice(None, None, -3), [5, -1, 5], 49, np.arange(50) % 2 == 0):
        found = dereference(sel, arrays["ref"], arrays["data"], arrays["region"])
        wanted = np.atleast_1d(np.arange(50)[sel])
        expected = children_of(wanted.tolist(), pairs.tolist())
        assert as_lists(found["channel"]) == expected
        assert found.dtype.names == ("time", "channel")


# -- bad input ----------------------------------------------------------------------------------
PAIRS = np.array([[0, 0], [0, 1], [1, 2]])
ROWS = np.arange(3)
GOOD = table([(0, 2), (2, 3)])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"ref": np.zeros(4, int)}, ShapeError, "pairs"),
        ({"ref": np.zeros((4, 3), int)}, ShapeError, "(N, 2)"),
        ({"ref": 5}, DTypeError, "int"),
        ({"ref": PAIRS.astype(float)}, DTypeError, "float64"),
        ({"ref": [[0, 1], [2]]}, ShapeError, "differ in length"),
        ({"data": np.arange(2)}, SelectionError, "beyond"),
        ({"data": np.arange(0)}, SelectionError, "empty"),
        ({"ref": [[0, -1]]}, SelectionError, "-1"),
        ({"data": np.float64(3)}, ShapeError, "scalar"),
        ({"data": None}, DTypeError, "indices_only"),
        ({"data": object()}, DTypeError, "not an array"),
        ({"region": GOOD[:1]}, ShapeError, "region[sel]"),
        ({"region": np.zeros((2, 2), int)}, DTypeError, "start"),
        ({"region": GOOD.astype([("start", "f8"), ("stop", "f8")])}, DTypeError, "integer"),
        ({"region": GOOD.reshape(2, 1)}, ShapeError, "one axis"),
        ({"region": table([(0, 9), (0, 0)])}, SelectionError, "do not exist"),
        ({"region": table([(-1, 2), (0, 0)])}, SelectionError, "-1"),
        ({"region": table([(2, 1), (0, 0)])}, SelectionError, "2 to 1"),
        ({"mask": [True]}, ShapeError, "wrong length"),
        ({"mask": [0, 1]}, DTypeError, "bool"),
        ({"sel": [0, -1]}, SelectionError, "region="),
        ({"sel": slice(None)}, SelectionError, "not known"),
        ({"sel": slice(None, None, -1)}, SelectionError, "not known"),
        ({"sel": slice(-2, 5)}, SelectionError, "not known"),
        ({"sel": slice(0, 5, 0)}, SelectionError, "not a slice"),
        ({"sel": "all"}, SelectionError, "all"),
        ({"sel": [0.5]}, SelectionError, "integers"),
        ({"sel": None}, SelectionError, "integers"),
        ({"sel": [[0, 1]]}, ShapeError, "one axis"),
        ({"sel": [2], "region": Counted(GOOD)}, SelectionError, "out of range"),
        ({"sel": [True], "region": Counted(GOOD)}, SelectionError, "wrong length"),
        ({"ref_direction": (1, 1)}, SelectionError, "(0, 1)"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[H5Error], words: str) -> None:
    call: dict[str, Any] = {"sel": [0, 1], "ref": PAIRS, "data": ROWS} | arguments
    with pytest.raises(error) as caught:
        dereference(**call)
    assert words in str(caught.value)


def test_chain_needs_as_many_of_each() -> None:
    with pytest.raises(ShapeError, match="as many"):
        dereference_chain([0], [PAIRS, PAIRS], ROWS, regions=[None])
    with pytest.raises(ShapeError, match="as many"):
        dereference_chain([0], [], ROWS)
    with pytest.raises(SelectionError, match="beyond"):
        dereference_chain([0], [[[0, 9]], PAIRS], ROWS, regions=[None, Counted(GOOD)])


def test_a_masked_array_that_fits_nowhere() -> None:
    """One parent with a million references, and a million parents."""
    many = 1_000_000
    ref = np.stack([np.zeros(many, "u4"), np.arange(many, dtype="u4")], 1)
    sel = slice(0, 2**21)
    with pytest.raises(ShapeError, match="as_masked=False"):
        dereference(sel, ref, indices_only=True)
    back = ref[:, ::-1]
    with pytest.raises(ShapeError, match="as_masked=False"):
        dereference_chain(slice(0, 1), [ref, back, ref, back, ref], indices_only=True)
    listed = dereference(slice(0, 3), ref, indices_only=True, as_masked=False)
    assert [len(part) for part in listed] == [many, 0, 0]


def test_closed_and_shortened_files(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        ref = file.create_dataset("ref", data=PAIRS)
        data = file.create_dataset("data", data=ROWS, maxshape=(None,))
        data.resize((2,))
        with pytest.raises(SelectionError, match="/data"):
            dereference([0, 1], ref, data)
    with pytest.raises(FileClosedError):
        dereference([0, 1], ref, ROWS)
    with tables.open_file(str(tmp_path / "b.h5"), "w") as opened:
        array = opened.create_array("/", "ref", PAIRS)
    with pytest.raises(FileClosedError):
        dereference([0, 1], array, ROWS)
