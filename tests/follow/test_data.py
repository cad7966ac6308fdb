"""Frames: the right ones in the right place, singly, in blocks, from several arrays, by chunk."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.errors import FollowError, NodeKindError, ShapeError
from h5backends.follow import (
    ChunkSource,
    DataFollower,
    DataSource,
    EndState,
    Follower,
    FrameGrabber,
    FrameReader,
)
from tests.conftest import LOCAL

GRIDS = [((7,), ()), ((7,), (3,)), ((3, 4), ()), ((3, 4), (5, 2)), ((2, 3, 4), (2, 2)), ((), (4,))]


def numbered(scan: tuple[int, ...], frame: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.arange(np.prod(scan + frame, dtype=int), dtype="f8").reshape(scan + frame)


@pytest.mark.parametrize(("scan", "frame"), GRIDS)
def test_every_frame_once_in_its_place(scan: tuple[int, ...], frame: tuple[int, ...]) -> None:
    data = numbered(scan, frame)
    keys = np.ones((*scan, 1)) if scan else np.ones((1,))
    source = DataSource([keys], {"a": data, "b": -data}, timeout=0)
    place = np.zeros_like(data)
    count = 0
    for count, item in enumerate(source, 1):
        assert item.index == count - 1
        assert item["a"].shape == (1,) * len(scan) + frame
        np.testing.assert_array_equal(item["a"], data[item.slice_metadata])
        np.testing.assert_array_equal(item["b"], -data[item.slice_metadata])
        place[item.slice_metadata] = item["a"]
    assert count == np.prod(scan, dtype=int)
    assert source.end is EndState.FINISHED
    np.testing.assert_array_equal(place, data)


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize(("scan", "frame"), GRIDS)
def test_batches(scan: tuple[int, ...], frame: tuple[int, ...], n: int) -> None:
    data = numbered(scan, frame)
    keys = np.ones((*scan, 1)) if scan else np.ones((1,))
    source = DataSource([keys], {"a": data}, timeout=0)
    place, seen = np.zeros_like(data), 0
    for block in source.batches(n):
        assert block.index == seen
        np.testing.assert_array_equal(block["a"], data[block.slice_metadata])
        place[block.slice_metadata] = block["a"]
        size = block["a"].size // np.prod(frame, dtype=int)
        assert 1 <= size <= n
        seen += size
    np.testing.assert_array_equal(place, data)
    with pytest.raises(ValueError, match="at least one frame"):
        source.batches(0)


def test_frames_and_batches_take_turns() -> None:
    source = DataSource([np.ones(10)], {"a": np.arange(10)}, timeout=0, resume_from=1)
    assert next(source)["a"].tolist() == [1]
    assert next(source.batches(3))["a"].tolist() == [2, 3, 4]
    assert [item["a"].item() for item in source] == [5, 6, 7, 8, 9]
    source.reset()
    assert next(source).index == 0


def test_arrays_of_different_extent_in_one_scan() -> None:
    grid, stack = numbered((3, 4), (2,)), numbered((6, 2), (2,))
    for item in DataSource([np.ones((3, 4))], {"grid": grid, "stack": stack}, timeout=0):
        np.testing.assert_array_equal(item["grid"].ravel(), item["stack"].ravel())


@pytest.mark.parametrize("done", [0, 1, 4, 7, 12])
def test_interleaved(done: int) -> None:
    data = numbered((12,), (2, 3))
    parts = [data[number::3] for number in range(3)]
    keys = np.arange(12) < done
    source = DataSource([keys], None, 0, interleaved_datasets={"a": parts})
    found = [(item.index, item.slice_metadata, item["a"]) for item in source]
    assert len(found) == done
    for index, place, frame in found:
        assert place == (slice(index, index + 1),)
        np.testing.assert_array_equal(frame, data[index : index + 1])
    blocks = DataSource([keys], {"whole": data}, 0, interleaved_datasets={"a": parts}).batches(5)
    for block in blocks:
        np.testing.assert_array_equal(block["a"], block["whole"])


def test_frames_shorter_than_keys(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"] = np.ones(5)
        file["data"] = np.arange(3)
        source = DataSource([file["keys"]], {"a": file["data"]}, timeout=0.05)
        found = []
        with pytest.raises(ShapeError, match="does not hold") as caught:
            found.extend(item["a"].item() for item in source)
    assert found == [0, 1, 2]
    assert (caught.value.expected, caught.value.found) == ("at least 5 points", "3")


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(FollowError, match="no data"):
        DataSource([np.ones(2)], None)
    with pytest.raises(ShapeError, match="fewer axes"):
        DataSource([np.ones((2, 2))], {"a": np.ones(4)})
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        group = h5.get_set_group("/", "g")
        with pytest.raises(NodeKindError, match="not an array"):
            DataSource([np.ones(2)], {"a": group})


def test_frame_reader(tmp_path: Path) -> None:
    data = numbered((3, 4), (2, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["d"] = data
        reader = FrameReader(file["d"], 2)
        frame, place = reader.read_frame(6, force_refresh=True)
        assert place == (slice(1, 2), slice(2, 3))
        np.testing.assert_array_equal(frame, data[1:2, 2:3])
        assert reader.get_pos(6, (3, 4, 2, 2)) == (1, 2)
        for index in (12, -1):
            with pytest.raises(ShapeError, match="no point"):
                reader.read_frame(index)


@pytest.mark.parametrize("backend", LOCAL)
def test_facade_nodes(backend: str, tmp_path: Path) -> None:
    data = numbered((6,), (2, 2))
    with H5Backend(backend) as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        frames = h5.create_earray("/", "frames", "float64", data_shape=(2, 2))
        h5.create_carray("/", "keys", np.arange(1, 7))
        for row in data:
            frames.append(row)
    with H5Backend(backend) as h5:
        h5.open_file(tmp_path / "a.h5")
        source = DataSource([h5.get_node("/keys")], {"f": (h5, "/frames")}, timeout=None)
        np.testing.assert_array_equal(np.concatenate([item["f"] for item in source]), data)
        assert source.end is EndState.FINISHED
    with DataSource(
        ["/keys"], ["/frames"], None, file=tmp_path / "a.h5", backend=backend
    ) as source:
        assert len(list(source)) == 6


def test_the_first_interface(tmp_path: Path) -> None:
    first, second = numbered((2, 2), (5, 10)), -numbered((2, 2), (5, 10))
    with h5py.File(tmp_path / "example.h5", "w") as file:
        file["keys/keys_1"] = np.arange(1, 5).reshape(2, 2, 1, 1)
        file["data/data_1"], file["data/data_2"] = first, second
    with h5py.File(tmp_path / "example.h5") as file:
        follower = Follower(file, ["keys"], timeout=1)
        grabber = FrameGrabber("data/data_1", file)
        frames = [grabber.Grabber(key) for key in follower]
        np.testing.assert_array_equal(np.concatenate(frames).reshape(first.shape), first)
        pairs = list(DataFollower(file, ["keys"], ["data/data_1", "data/data_2"], timeout=1))
    with DataFollower(tmp_path / "example.h5", ["keys"], ["data/data_1"]) as by_path:
        assert len(list(by_path)) == 4
    grabber = FrameGrabber("data/data_1", tmp_path / "example.h5")
    np.testing.assert_array_equal(grabber.Grabber(3), first[1:, 1:])
    grabber.close()
    assert len(pairs) == 4
    for one, other in pairs:
        assert one.shape == (1, 1, 5, 10)
        np.testing.assert_array_equal(one, -other)


@pytest.mark.parametrize(
    ("codec", "used"),
    [
        ({}, True),
        ({"compression": "gzip"}, True),
        ({"compression": "gzip", "shuffle": True}, True),
        ({"compression": "lzf"}, False),
        ({"compression": "gzip", "fletcher32": True}, True),
        (dict(hdf5plugin.Blosc("lz4")), None),
        (dict(hdf5plugin.Zstd()), None),
    ],
    ids=["none", "gzip", "gzip+shuffle", "lzf", "checksum", "blosc", "zstd"],
)
@pytest.mark.parametrize("side", [4, 200])
def test_direct_chunks(
    codec: dict[str, Any], used: bool | None, side: int, tmp_path: Path
) -> None:
    data = np.random.default_rng(1).integers(0, 50, (5, 2, side, side)).astype("i4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset(
            "d", data.shape, "i4", chunks=(1, 1, side, side), fillvalue=7, **codec
        )
        kept[:4] = data[:4]
        data[4] = 7  # never written
        source = DataSource([np.ones((5, 2))], {"d": kept}, 0, use_direct_chunk=True)
        if used is not None:
            assert source.frame_readers["d"].use_direct_chunk is used
        for item in source:
            np.testing.assert_array_equal(item["d"], data[item.slice_metadata])
        source.reset()
        for block in source.batches(4):
            np.testing.assert_array_equal(block["d"], data[block.slice_metadata])
        frame, _ = FrameReader(kept, 2, use_direct_chunk=True).read_frame(3)
        np.testing.assert_array_equal(frame, data[1:2, 1:2])


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize(("chunks", "codec"), [((2, 4), None), ((2, 3), "gzip"), ((4, 4), "gzip")])
def test_direct_chunks_of_several_frames(
    driver: str, chunks: tuple[int, ...], codec: str | None, tmp_path: Path
) -> None:
    data = numbered((9,), (4,))
    with H5Backend(driver) as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        if codec is not None:
            h5.define_compression(codec, 4)
        kept = h5.create_earray("/", "d", "f8", data_shape=(4,), chunks=chunks)
        kept.append(data)
        source = DataSource([np.ones(9)], {"d": kept}, 0, use_direct_chunk=True)
        assert source.frame_readers["d"].use_direct_chunk
        frames = [item["d"][0] for item in source]
        np.testing.assert_array_equal(frames, data)
        # What is still in memory is written before its chunk is looked at.
        kept.append(data[0])
        reader = FrameReader(kept, 1, use_direct_chunk=True)
        np.testing.assert_array_equal(reader.read_frame(9)[0], data[:1])


def _write_live(path: str, limit: int | None, commands: Any) -> None:
    """Write a compressed stack in a process of its own, as far as it is told to."""
    data = numbered((20,), (4,))
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        shape = (limit or 0, 4)
        kept = file.create_dataset(
            "d", shape, "f8", maxshape=(limit, 4), chunks=(8, 4), compression="gzip"
        )
        file.swmr_mode = True
        commands.send(0)
        while stop := commands.recv():
            if limit is None:
                kept.resize(stop, 0)
            kept[:stop] = data[:stop]
            kept.flush()
            commands.send(stop)


@pytest.mark.parametrize("limit", [20, None])
def test_frames_of_a_live_stack_out_of_kept_chunks(limit: int | None, tmp_path: Path) -> None:
    data = numbered((20,), (4,))
    ours, others = multiprocessing.Pipe()
    writer = multiprocessing.get_context("spawn").Process(
        target=_write_live, args=(str(tmp_path / "a.h5"), limit, others)
    )
    writer.start()
    assert ours.recv() == 0
    with h5py.File(tmp_path / "a.h5", "r", swmr=True, locking=False) as live:
        reader = FrameReader(live["d"], 1, use_direct_chunk=True)
        assert reader._cache is not None
        for stop in (3, 5, 8, 17, 20):
            ours.send(stop)
            assert ours.recv() == stop
            reader.refresh()
            for index in (stop - 1, 0):
                frame, where = reader.read_frame(index)
                np.testing.assert_array_equal(frame, data[index : index + 1])
                assert where == (slice(index, index + 1),)
    ours.send(0)
    writer.join()
    assert writer.exitcode == 0


def test_frames_that_may_change_here_are_not_kept(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("d", data=numbered((9,), (4,)), chunks=(8, 4), compression=1)
        reader = FrameReader(kept, 1, use_direct_chunk=True)
        assert reader.read_frame(3)[0][0, 0] == 12
        kept[3] = 7
        assert reader.read_frame(3)[0][0, 0] == 7


@pytest.mark.parametrize("limit", [11, None])
@pytest.mark.parametrize("codec", [{}, {"compression": "gzip"}, {"compression": "lzf"}])
def test_chunk_source(codec: dict[str, Any], limit: int | None, tmp_path: Path) -> None:
    data = numbered((11,), (3,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("d", data=data, maxshape=(limit, 3), chunks=(4, 3), **codec)
        source = ChunkSource({"d": kept}, 0)
        found = [(item.index, item.slice_metadata, item["d"]) for item in source]
        assert [index for index, _, _ in found] == [0, 4, 8]
        assert [place for _, place, _ in found] == [[slice(0, 4)], [slice(4, 8)], [slice(8, 11)]]
        np.testing.assert_array_equal(np.concatenate([block for *_, block in found]), data)
        assert source.end is (EndState.FINISHED if limit else EndState.TIMED_OUT)
        source.reset()
        assert len(list(source)) == 3


def test_chunk_source_waits_for_whole_chunks(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        growing = file.create_dataset("g", (0, 2), "i4", maxshape=(None, 2), chunks=(4, 2))
        given = file.create_dataset("f", (8, 2), "i4", chunks=(4, 2))
        source, fixed = ChunkSource({"d": growing}, 0.0), ChunkSource({"d": given}, 0.0)
        assert list(source) == list(fixed) == []
        growing.resize(4, axis=0)
        growing[:] = given[:4] = 5
        file.flush()
        assert next(source)["d"].tolist() == next(fixed)["d"].tolist() == [[5, 5]] * 4
        with pytest.raises(FollowError, match="first axis"):
            ChunkSource({"d": file.create_dataset("x", (4, 4), "i4", chunks=(2, 2))})
        with pytest.raises(FollowError, match="first axis"):
            ChunkSource({"d": file.create_dataset("y", (4, 4), "i4")})
        with pytest.raises(FollowError, match="no data"):
            ChunkSource({})


@pytest.mark.parametrize("limits", [(3, 4), (None, 4), (12,), (None,)])
@pytest.mark.parametrize("how", ["h5py", "facade-h5py", "facade-tables", "group"])
@pytest.mark.parametrize("result", ["number", "spectrum", "block"])
def test_results_in_their_places(
    how: str, limits: tuple[int | None, ...], result: str, tmp_path: Path
) -> None:
    scan = tuple(3 if n is None and len(limits) > 1 else n or 12 for n in limits)
    data = numbered(scan, (20,))
    keys = np.ones(scan)
    source = DataSource([keys], {"d": data}, timeout=0)
    source.kf.maxshape = limits
    if how == "h5py":
        file: Any = h5py.File(tmp_path / "out.h5", "w")
        target = file
    else:
        file = H5Backend("h5py" if how == "group" else how.split("-")[1])
        file.open_file(tmp_path / "out.h5", "w")
        target = file.root() if how == "group" else file
    items = source if result != "block" else source.batches(3)
    out = None
    for item in items:
        values = item["d"].sum(axis=-1) if result == "number" else item["d"]
        if result == "number":
            values = values.reshape(())
        elif result == "spectrum":
            values = values.reshape(20)
        if out is None:
            first = values if result != "block" else values.reshape(-1, 20)[0]
            out = source.create_dataset(first, target, "/entry/result")
        source.append_data(values, item.slice_metadata, out)
    assert out is not None
    expected = data.sum(axis=-1) if result == "number" else data
    np.testing.assert_array_equal(out[...], expected)
    file.close() if how == "h5py" else file.close_file()


def test_no_limit_inside_the_first_axis_needs_h5py(tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        source = DataSource([np.ones((2, 2))], {"d": np.ones((2, 2))}, timeout=0)
        source.kf.maxshape = (None, None)
        with pytest.raises(ShapeError, match="first axis"):
            source.create_dataset(1.0, h5, "/a")


def test_async_iteration() -> None:
    data = numbered((20,), (2,))

    async def read() -> tuple[list[int], list[int], list[int]]:
        source = DataSource([np.ones(20)], {"d": data}, timeout=0)
        frames = [item.index async for item in source]
        source.reset()
        blocks = [block.index async for block in source.batches(8)]
        keys = [key async for key in Follower(None, [np.ones(4)], 0)]
        return frames, blocks, keys

    frames, blocks, keys = asyncio.run(read())
    assert frames == list(range(20))
    assert blocks == [0, 8, 16]
    assert keys == [0, 1, 2, 3]


def test_async_waiting_lets_others_run(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        keys = file.create_dataset("keys", data=np.zeros(5, "i8"))
        source = DataSource([keys], {"d": np.arange(5)}, timeout=30)

        async def write() -> None:
            for number in range(5):
                await asyncio.sleep(0.002)
                keys[number] = 1

        async def read() -> list[int]:
            return [block["d"].item() async for block in source.batches(1)]

        async def both() -> list[int]:
            task = asyncio.create_task(write())
            found = await read()
            await task
            return found

        assert asyncio.run(both()) == [0, 1, 2, 3, 4]


def test_what_is_handed_out_can_be_sent_elsewhere() -> None:
    item = next(DataSource([np.ones(3)], {"d": np.arange(3)}, timeout=0))
    copy = pickle.loads(pickle.dumps(item))
    assert (copy.index, copy.slice_metadata, copy.maxshape) == (0, item.slice_metadata, (3,))
    assert copy["d"].tolist() == [0]
