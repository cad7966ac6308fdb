"""Side by side with the real swmr_tools: the same names, signatures and results."""

from __future__ import annotations

import inspect
import itertools
import math
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends import follow
from h5backends.follow import chunk_utils, utils

peer = pytest.importorskip("swmr_tools", reason="swmr-tools and blosc are not installed")
peer_keys = pytest.importorskip("swmr_tools.keyfollower")
peer_data = pytest.importorskip("swmr_tools.datasource")

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


def test_everything_it_exports_is_here() -> None:
    assert set(peer.__all__) <= set(follow.__all__)
    for module, ours in ((peer.utils, utils), (peer.chunk_utils, chunk_utils)):
        for name, thing in inspect.getmembers(module):
            if getattr(thing, "__module__", None) == module.__name__ and name[0] != "_":
                assert hasattr(ours, name), name
    assert issubclass(follow.SliceDict, dict)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        *[(getattr(follow, n), getattr(peer, n)) for n in peer.__all__ if n[0].isupper()],
        (follow.FrameReader, peer_data.FrameReader),
        *[
            (getattr(utils, name), thing)
            for name, thing in inspect.getmembers(peer.utils, inspect.isfunction)
            if name[0] != "_"
        ],
        *[
            (getattr(chunk_utils, n), getattr(peer.chunk_utils, n))
            for n in ("get_slice_structure", "write_data")
        ],
    ],
    ids=lambda thing: thing.__name__,
)
def test_calls_written_for_it_work_here(ours: Any, theirs: Any) -> None:
    mine = inspect.signature(ours).parameters
    for place, (name, parameter) in enumerate(inspect.signature(theirs).parameters.items()):
        assert name in mine
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            assert list(mine)[place] == name
        if parameter.default is not parameter.empty:
            assert mine[name].default == parameter.default
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if name[0] != "_" and name not in {"get_frame", "get_frame_direct"}:
            expected = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(ours, name)).parameters)[: len(expected)] == (
                expected
            )


@given(shapes, st.integers(0, 124), st.integers(1, 3))
def test_positions(shape: tuple[int, ...], index: int, rank: int) -> None:
    rank = min(rank, len(shape))
    index %= math.prod(shape[:rank])
    for name in ("get_position", "get_position_snake", "get_position_snake_row", "get_row_slice"):
        assert getattr(utils, name)(index, shape, rank) == getattr(peer.utils, name)(
            index, shape, rank
        )
    for snake in (False, True):
        slices = [slice(index, index + 1), slice(0, 3)]
        scan = shape[:rank]
        assert utils.convert_stack_to_grid(slices, scan, snake) == (
            peer.utils.convert_stack_to_grid(slices, scan, snake)
        )


@given(st.data(), shapes)
def test_keys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    several = data.draw(st.integers(1, 3))
    masks = [
        np.array(
            data.draw(
                st.lists(
                    st.sampled_from([-1, 0, 1, 2, 3]),
                    min_size=math.prod(shape),
                    max_size=math.prod(shape),
                )
            )
        ).reshape(shape)
        for _ in range(several)
    ]
    with h5py.File("keys", "w", driver="core", backing_store=False) as file:
        keys = [file.create_dataset(f"k{n}", data=mask) for n, mask in enumerate(masks)]
        theirs = peer.KeyFollower(keys, timeout=0.0)
        theirs.check_datasets()
        ours = follow.KeyFollower(keys, timeout=0.0)
        assert list(ours) == list(theirs)
        for name in ("current_key", "current_max", "scan_rank", "maxshape"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.get_current_max() == theirs.get_current_max()
        assert ours.are_keys_complete() == theirs.are_keys_complete()
        assert ours.is_finished() or not ours.are_keys_complete()


@pytest.mark.parametrize(("scan", "frame"), [((6,), (3, 2)), ((3, 4), ()), ((2, 3, 2), (4,))])
@pytest.mark.parametrize("done", [0, 5, None])
def test_frames(
    scan: tuple[int, ...], frame: tuple[int, ...], done: int | None, tmp_path: Path
) -> None:
    size = math.prod(scan)
    keys = (np.arange(size) < (size if done is None else done)).reshape(scan) * 5
    data = np.random.default_rng(3).integers(0, 99, scan + frame)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"], file["data"], file["fin"] = keys, data, [1]
        arguments = ([file["keys"]], {"d": file["data"]}, 0.1, file["fin"])
        ours, theirs = follow.DataSource(*arguments), peer.DataSource(*arguments)
        for mine, other in itertools.zip_longest(ours, theirs):
            assert mine.index == other.index
            assert mine.slice_metadata == other.slice_metadata
            assert mine.maxshape == other.maxshape
            np.testing.assert_array_equal(mine["d"], other["d"])
            assert mine["d"].shape == other["d"].shape
        assert ours.is_scan_finished() == theirs.is_scan_finished()
        assert ours.has_timed_out() == theirs.has_timed_out()
        if done == 0:
            return
        for index in range(size):
            one, other_one = (
                follow.FrameReader(file["data"], len(scan)),
                peer_data.FrameReader(file["data"], len(scan)),
            )
            mine_frame, mine_place = one.read_frame(index)
            other_frame, other_place = other_one.read_frame(index)
            assert mine_place == other_place
            np.testing.assert_array_equal(mine_frame, other_frame)


def test_rows_interleaved_direct_and_chunks(tmp_path: Path) -> None:
    data = np.random.default_rng(4).integers(0, 9, (12, 64, 64)).astype("u2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["grid"], file["stack"], file["fin"] = np.ones((3, 4)), np.ones(12), [1]
        packed = file.create_dataset("d", data=data, chunks=(1, 64, 64), **hdf5plugin.Blosc("lz4"))
        for number in range(3):
            file[f"part{number}"] = data[number::3]
        thick = file.create_dataset("thick", data=data, chunks=(3, 64, 64))
        rows = [
            kind([file["grid"]], 0.1, file["fin"])
            for kind in (follow.RowKeyFollower, peer.RowKeyFollower)
        ]
        for follower in rows:
            follower.check_datasets()
        assert list(rows[0]) == list(rows[1]) == [3, 7, 11]
        parts = {"i": [file[f"part{number}"] for number in range(3)]}
        arguments = ([file["stack"]], {"d": packed}, 0.1, file["fin"], True, parts)
        for mine, other in itertools.zip_longest(
            follow.DataSource(*arguments), peer.DataSource(*arguments)
        ):
            assert mine.slice_metadata == other.slice_metadata
            for name in ("d", "i"):
                np.testing.assert_array_equal(mine[name], other[name])
        chunks = [
            list(kind({"c": thick}, 0.1, file["fin"]))
            for kind in (follow.ChunkSource, peer.ChunkSource)
        ]
        assert [c.index for c in chunks[0]] == [c.index for c in chunks[1]] == [0, 3, 6, 9]
        for mine, other in zip(*chunks, strict=True):
            np.testing.assert_array_equal(mine["c"], other["c"])
            assert mine.maxshape == other.maxshape
            # Theirs ends at another place from the second chunk on.
            assert mine.slice_metadata[0].start == other.slice_metadata[0].start


@given(st.integers(1, 25), st.integers(1, 12), st.integers(1, 4), st.booleans(), st.integers(0, 2))
def test_chunks_into_a_grid(points: int, width: int, height: int, snake: bool, rank: int) -> None:
    shape = (height, width)
    frame = (3, 2)[:rank]
    data = np.arange(math.prod(shape) * math.prod(frame)).reshape(-1, *frame)
    expected = np.full(shape + frame, -1)
    place = utils.get_position_snake if snake else utils.get_position
    for index in range(len(data)):
        expected[place(index, shape, 2)] = data[index]
    for structure, write in itertools.product(
        (chunk_utils.get_slice_structure, peer.chunk_utils.get_slice_structure),
        (chunk_utils.write_data, peer.chunk_utils.write_data),
    ):
        output, last = np.full(shape + frame, -1), None
        for index in range(0, len(data), points):
            chunk = data[index : index + points]
            write(structure(index, points, list(shape), snake), chunk, last, output)
            last = chunk
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("maxshape", [(4,), (None,), (2, 3), (None, 3)])
@pytest.mark.parametrize("result", [(), (3,), (20, 20)])
def test_results(
    maxshape: tuple[int | None, ...], result: tuple[int, ...], tmp_path: Path
) -> None:
    outs = []
    for number, kind in enumerate((utils, peer.utils)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            first = np.full(result, 1.0)
            out = kind.create_dataset(first, maxshape, file, "/a/b")
            assert out.maxshape == maxshape + result
            scan = tuple(2 if n is None else n for n in maxshape)
            for index in range(math.prod(scan)):
                place = tuple(slice(n, n + 1) for n in np.unravel_index(index, scan))
                kind.append_data(np.full(result, index + 1.0), place, out)
            outs.append(out[...])
    np.testing.assert_array_equal(outs[0], outs[1])


def test_nexus(tmp_path: Path) -> None:
    found = []
    for number, kind in enumerate((utils, peer.utils)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            entry = kind.create_nxentry(file, "entry")
            source = kind.create_nxdata(entry, "data")
            source.attrs["axes"] = ["x", "y", "."]
            source.attrs["x_indices"] = 0
            source["x"], source["y"] = [1, 2], [3, 4]
            target = kind.create_nxdata(entry, "result", default=False)
            kind.copy_nexus_axes(source, target, 2, ["q"])
            kind.copy_nexus_axes(source, kind.create_nxdata(entry, "plain"), 1)
            content: dict[str, Any] = {}
            file.visititems(
                lambda name, item, content=content: content.update(
                    {name: {k: np.asarray(v).tolist() for k, v in item.attrs.items()}}
                )
            )
            found.append((content, dict(file.attrs)))
    assert found[0] == found[1]


def test_readable(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["d"] = [1]
        file["far"] = h5py.ExternalLink("missing.h5", "/d")
    for kind in (utils, peer.utils):
        path = str(tmp_path / "a.h5")
        assert kind.check_file_readable(path, ["d"], timeout=0.2)
        assert not kind.check_file_readable(path, ["d", "far"], timeout=0.2)
        assert not kind.check_file_readable(str(tmp_path / "b.h5"), [], timeout=0.2)
