"""Keys: what counts as complete, in which order, what ends the waiting, what is refused."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends import H5Backend
from h5backends.errors import (
    DTypeError,
    FileClosedError,
    FollowError,
    NodeNotFoundError,
)
from h5backends.follow import EndState, KeyFollower, RowKeyFollower
from h5backends.follow.scanning import box_at, box_size, points
from tests.conftest import LOCAL


class Counted:
    """An array that counts how many of its elements are read."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values
        self.read = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def refresh(self) -> None:
        """Stand for a dataset that can grow."""

    def __getitem__(self, item: Any) -> Any:
        found = self.values[item]
        self.read += np.size(found)
        return found


def follow(*keys: Any, **options: Any) -> list[int]:
    options.setdefault("timeout", 0)
    return list(KeyFollower([np.asarray(k) for k in keys], **options))


@given(st.lists(st.integers(1, 5), min_size=0, max_size=4).map(tuple), st.data())
def test_boxes_cover_the_scan_in_order(extent: tuple[int, ...], data: st.DataObject) -> None:
    size = math.prod(extent)
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    flat = np.arange(size).reshape(extent)
    seen: list[int] = []
    while start < stop:
        box = box_at(start, stop, extent)
        assert flat[box].size == box_size(box) >= 1
        assert [int(flat[point].item()) for point in points(box)] == flat[box].ravel().tolist()
        seen += flat[box].ravel().tolist()
        start += box_size(box)
    assert seen == list(range(seen[0], stop))


def test_keys_count_up_to_the_first_that_is_not_set() -> None:
    assert follow([1, 2, 0, 4]) == [0, 1]
    assert follow([0, 2]) == []
    assert follow(np.ones((3, 2, 1, 1))) == list(range(6))
    assert follow([-1, -2, 0]) == [0, 1], "a negative key is set too"
    assert follow([True, False]) == [0]
    assert follow(np.zeros((0,))) == []
    assert follow(np.int64(1)) == [0], "a scan of a single point"
    assert follow([1.5, np.nan, 2.5]) == [0], "the time of a point still to come"


def test_many_keys_are_read_in_growing_steps() -> None:
    keys = np.ones((700, 300))
    keys[650, 17:] = 0
    assert follow(keys)[-1] == 650 * 300 + 16


def test_several_keys_of_different_rank_and_length() -> None:
    first, second = np.ones((4, 3)), np.ones(12)
    second[7] = 0
    assert follow(first, second) == list(range(7))
    assert follow(first, np.ones(5)) == list(range(5))
    follower = KeyFollower([second, first], timeout=0)
    follower.check_datasets()
    assert follower.scan_rank == 2
    assert follower.maxshape == (4, 3)


def test_a_poll_reads_only_new_keys() -> None:
    def cost(done: int) -> int:
        keys = Counted(np.ones(done + 100_000))
        keys.values[done:] = 0
        follower = KeyFollower([keys])
        assert follower.refresh()
        assert follower.get_current_max() == done - 1
        keys.read = 0
        keys.values[done : done + 3] = 1
        assert follower.refresh()
        assert follower.get_current_max() == done + 2
        return keys.read

    assert cost(100_000) == cost(1000) <= 1000


def test_resume_from() -> None:
    assert follow([1, 1, 1, 1, 0], resume_from=2) == [2, 3]
    assert follow([0, 0, 1, 1, 0], resume_from=2) == [2, 3], "what is before it counts as done"
    assert follow([1, 1], resume_from=7) == []
    follower = KeyFollower([np.ones(4)], timeout=0, resume_from=2)
    assert list(follower) == [2, 3]
    follower.reset()
    assert list(follower) == [0, 1, 2, 3]


def test_row_follower() -> None:
    keys = np.ones((3, 4))
    keys[2, 1] = 0
    rows = RowKeyFollower([keys], timeout=0)
    assert list(rows) == [3, 7]
    assert (rows.scan_rank, rows.maxshape, rows.row_size) == (2, (3, 4), 4)
    assert rows.end is EndState.FINISHED
    keys[2, 1] = 1
    assert list(rows) == [11], "an incomplete row is not lost"
    rows.reset()
    assert list(rows) == [3, 7, 11]
    assert list(RowKeyFollower([np.ones(7)], timeout=0, row_size=3)) == [2, 5]
    with pytest.raises(ValueError, match="at least one"):
        RowKeyFollower([keys], row_size=0)


def test_row_size_must_be_known(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        keys = file.create_dataset("keys", (0, 0), "i8", maxshape=(None, None), chunks=(8, 8))
        with pytest.raises(FollowError, match="row_size"):
            RowKeyFollower([keys]).check_datasets()


@pytest.mark.parametrize("flag", [1, [1], [[1]]], ids=["scalar", "one element", "one by one"])
def test_finished_flag(flag: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"] = [1, 1, 0]
        file["finished"] = flag
        follower = KeyFollower([file["keys"]], 30, file["finished"])
        start = time.monotonic()
        assert list(follower) == [0, 1]
        assert time.monotonic() - start < 10
        assert (follower.end, follower.finished_set) == (EndState.FINISHED, True)
        assert follower.is_finished()
        assert not follower.timed_out


def test_flag_of_several_elements_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"] = [1, 0]
        follower = KeyFollower([file["keys"]], 0, np.ones(2))
        assert list(follower) == [0]
        assert follower.end is EndState.TIMED_OUT
    assert "more than one element" in caplog.text


def test_timeouts(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"] = [1, 0]
        for timeout in (0, 0.05):
            follower = KeyFollower([file["keys"]], timeout)
            start = time.monotonic()
            assert list(follower) == [0]
            assert time.monotonic() - start >= timeout
            assert follower.timed_out
            assert follower.end is EndState.TIMED_OUT
            assert not follower.finished_set
        follower = KeyFollower([file["keys"]], None, np.ones(1))
        assert list(follower) == [0]
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            KeyFollower([np.ones(1)], timeout)


def test_an_ended_follower_goes_on(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        keys = file.create_dataset("keys", data=[1, 0, 0])
        follower = KeyFollower([keys], 0)
        assert list(follower) == [0]
        keys[1] = 2
        assert list(follower) == [1]
        assert list(follower) == []
        assert not follower.are_keys_complete()
        keys[2] = 3
        assert follower.refresh()
        assert follower.are_keys_complete()
        assert next(follower) == 2
        assert follower.is_finished()


def test_growing_along_a_fast_axis_keeps_the_points() -> None:
    keys = Counted(np.ones((1, 2)))
    follower = KeyFollower([keys], 0)
    assert list(follower) == [0, 1]
    keys.values = np.array([[1, 1, 1, 1], [1, 0, 0, 0]])
    assert list(follower) == [2, 3, 4]


def test_refused() -> None:
    with pytest.raises(FollowError, match="no keys"):
        KeyFollower([])
    with pytest.raises(FollowError, match="no keys"):
        KeyFollower("keys")
    with pytest.raises(FollowError, match="cannot be followed"):
        KeyFollower([object()]).check_datasets()
    with pytest.raises(FollowError, match="file="):
        KeyFollower(["/keys"]).check_datasets()
    with pytest.raises(DTypeError, match="numbers"):
        KeyFollower([np.array(["a"])]).check_datasets()
    with pytest.raises(ValueError, match="resume_from"):
        KeyFollower([np.ones(1)], resume_from=-1)
    keys = Counted(np.ones(5))
    follower = KeyFollower([keys], 0)
    assert len(list(follower)) == 5
    keys.values = np.ones(2)
    with pytest.raises(FollowError, match="became fewer"):
        next(follower)


def test_paths_pairs_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["keys/one"] = [1, 1, 0]
        file["keys/two"] = [1, 0, 0]
    for keys in (["/keys/one", "keys/two"], ["keys"]):
        with h5py.File(path) as file:
            assert list(KeyFollower(keys, 0, file=file)) == [0]
            assert list(KeyFollower([file["keys"]], 0)) == [0]
            assert list(KeyFollower([(file, "/keys/one")], 0)) == [0, 1]
        follower = KeyFollower(keys, 0, file=path)
        assert list(follower) == [0]
        follower.close()
        for backend in LOCAL:
            with H5Backend(backend) as h5:
                h5.open_file(path)
                assert list(KeyFollower(keys, 0, file=h5)) == [0]
                assert list(KeyFollower([h5.get_node("/keys/one")], 0)) == [0, 1]
    with h5py.File(path) as file, pytest.raises(NodeNotFoundError):
        KeyFollower(["nothing"], 0, file=file).check_datasets()


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keys"] = [1, 0]
        follower = KeyFollower([file["keys"]], 5)
        assert next(follower) == 0
    with pytest.raises(FileClosedError):
        next(follower)


def test_tables_files_are_followed_to_their_end(tmp_path: Path) -> None:
    with H5Backend("tables") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        keys = h5.create_earray("/", "keys", "int64")
        for key in (1, 2, 0):
            keys.append(key)
        follower = KeyFollower([keys], 0)
        assert list(follower) == [0, 1]
        assert follower.end is EndState.TIMED_OUT, "this program could still write"
    with H5Backend("tables") as h5:
        h5.open_file(tmp_path / "a.h5")
        follower = KeyFollower([h5.get_node("/keys")], None)
        assert list(follower) == [0, 1]
        assert follower.end is EndState.FINISHED
        assert follower.advice
        assert "h5py" in follower.advice
