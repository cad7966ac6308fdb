"""Rows on their way: when they reach the disk, seen by another program; and that none is lost."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from h5backends import EARRAY, FlushPolicy, H5Backend, flusher
from h5backends.errors import DTypeError, ShapeError
from tests.conftest import Place
from tests.core.observer import Observer

_ON_REQUEST = FlushPolicy(seconds=None)


def array_of(h5: H5Backend, **kwargs: Any) -> EARRAY:
    """Make an array that the other program can see from the beginning."""
    array = h5.create_earray("/", kwargs.pop("name", "array"), "f8", **kwargs)
    h5.flush()
    return array


class TestWhenRowsAreWritten:
    def test_only_on_request(self, local_place: Place, observer: Observer) -> None:
        with local_place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = array_of(h5, chunks=(1000,))
            for value in range(20):
                array.append(float(value))
            assert len(observer.rows(local_place.location)) == 0
            h5.flush()
            np.testing.assert_array_equal(observer.rows(local_place.location), np.arange(20.0))
        assert not _flushers()

    @pytest.mark.parametrize("how", ["one by one", "block"])
    def test_after_some_rows(self, local_place: Place, observer: Observer, how: str) -> None:
        policy = FlushPolicy(rows=10, seconds=None)
        with local_place.open("w", flush_policy=policy) as h5:
            array = array_of(h5, chunks=(1000,))
            for total in (10, 20, 30):
                rows = np.arange(total - 10.0, total)
                if how == "block":
                    array.append(rows[:9])
                else:
                    for value in rows[:9]:
                        array.append(value)
                assert len(observer.rows(local_place.location)) == total - 10
                array.append(rows[9])
                np.testing.assert_array_equal(
                    observer.rows(local_place.location), np.arange(float(total))
                )

    def test_rows_count_for_each_array(self, local_place: Place, observer: Observer) -> None:
        policy = FlushPolicy(rows=10, seconds=None)
        with local_place.open("w", flush_policy=policy) as h5:
            first, second = array_of(h5, name="first"), array_of(h5, name="second")
            first.append(np.arange(6.0))
            second.append(np.arange(6.0))
            seen = observer.look(local_place.location, "/first", "/second")
            assert {node: len(rows) for node, rows in seen.items()} == {"/first": 0, "/second": 0}
            second.append(np.arange(4.0))  # and with it everything else in the file
            seen = observer.look(local_place.location, "/first", "/second")
            assert {node: len(rows) for node, rows in seen.items()} == {"/first": 6, "/second": 10}

    def test_after_some_bytes(self, local_place: Place, observer: Observer) -> None:
        policy = FlushPolicy(bytes=800, seconds=None)
        with local_place.open("w", flush_policy=policy) as h5:
            array = array_of(h5, chunks=(10_000,))
            array.append(np.arange(99.0))
            assert len(observer.rows(local_place.location)) == 0
            array.append(99.0)
            assert len(observer.rows(local_place.location)) == 100

    def test_after_some_ragged_rows(self, local_place: Place) -> None:
        policy = FlushPolicy(rows=3, seconds=None)
        with local_place.open("w", flush_policy=policy) as h5:
            texts = h5.create_vlarray("/", "texts", "string")
            h5.flush()
            assert not h5.session.dirty
            texts.append("a")
            texts.append("b")
            assert h5.session.dirty
            texts.append("c")
            assert not h5.session.dirty

    @pytest.mark.parametrize("seconds", [0.05, 0.5])
    def test_in_the_background(
        self, local_place: Place, observer: Observer, seconds: float
    ) -> None:
        """Nobody calls anything after the append, and still the row arrives in time."""
        with local_place.open("w", flush_policy=FlushPolicy(seconds=seconds)) as h5:
            array = array_of(h5, chunks=(1000,))
            for count in range(1, 4):
                array.append(float(count))
                waited = observer.wait_for(local_place.location, count)
                assert waited < seconds + 2.0
            assert _flushers()
        assert not _flushers(), "the thread ends with the file"

    @pytest.mark.parametrize("asleep", [False, True])
    def test_when_the_file_was_closed_around_it(
        self, local_place: Place, asleep: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody told the thread, and still it ends; no file is kept in memory for good."""
        monkeypatch.setattr(flusher, "_NAP", 0.05)
        monkeypatch.setattr(flusher, "_IDLE_SECONDS", 0.1)
        h5 = local_place.open("w", flush_policy=FlushPolicy(seconds=0.05))
        array_of(h5).append(1.0)
        thread = h5.session._flusher._thread  # type: ignore[union-attr]
        if asleep:
            deadline = time.monotonic() + 10
            while not h5.session._flusher._parked:  # type: ignore[union-attr]
                assert time.monotonic() < deadline
                time.sleep(0.01)
        h5.session.driver.close()
        thread.join(timeout=10)
        assert not thread.is_alive()

    def test_a_slow_stream_is_written_at_once(
        self, local_place: Place, observer: Observer
    ) -> None:
        with local_place.open("w", flush_policy=FlushPolicy(seconds=0.05)) as h5:
            array = array_of(h5)
            for count in range(1, 4):
                deadline = time.monotonic() + 0.06
                while time.monotonic() < deadline:
                    pass  # longer than the policy's time since the last flush
                array.append(float(count))
                assert len(observer.rows(local_place.location)) == count

    def test_a_policy_can_change(self, local_place: Place, observer: Observer) -> None:
        with local_place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = array_of(h5)
            array.append(1.0)
            h5.flush_policy = FlushPolicy(rows=1)
            assert len(observer.rows(local_place.location)) == 1
            array.append(2.0)
            assert len(observer.rows(local_place.location)) == 2
            h5.flush_policy = _ON_REQUEST
            array.append(3.0)
            assert len(observer.rows(local_place.location)) == 2
            assert h5.flush_policy == _ON_REQUEST

    def test_with_fsync(self, local_place: Place, observer: Observer) -> None:
        policy = FlushPolicy(rows=5, seconds=None, fsync=True)
        with local_place.open("w", flush_policy=policy) as h5:
            array = array_of(h5)
            array.append(np.arange(5.0))
            assert len(observer.rows(local_place.location)) == 5

    def test_full_chunks_are_written_before_the_flush(self, local_place: Place) -> None:
        """Memory stays bounded by a chunk, whatever the policy."""
        with local_place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = array_of(h5, chunks=(100,))
            for value in range(1000):
                array.append(float(value))
                buffer = h5.session.pending(array.handle)
                assert buffer is not None
                assert len(buffer) - h5.session.driver.shape(array.handle)[0] <= 100


class TestHold:
    def test_arrays_become_visible_together(self, local_place: Place, observer: Observer) -> None:
        with local_place.open("w", flush_policy=FlushPolicy(rows=1)) as h5:
            first, second = array_of(h5, name="first"), array_of(h5, name="second")
            for point in range(1, 5):
                with h5.session.hold():
                    first.append(float(point))
                    seen = observer.look(local_place.location, "/first", "/second")
                    assert [len(rows) for rows in seen.values()] == [point - 1, point - 1]
                    second.append(float(point))
                seen = observer.look(local_place.location, "/first", "/second")
                assert [len(rows) for rows in seen.values()] == [point, point]

    def test_an_error_inside_ends_it(self, local_place: Place, observer: Observer) -> None:
        with local_place.open("w", flush_policy=FlushPolicy(rows=1)) as h5:
            array = array_of(h5)

            def stumble() -> None:
                with h5.session.hold():
                    array.append(1.0)
                    raise RuntimeError("on purpose")

            with pytest.raises(RuntimeError, match="on purpose"):
                stumble()
            array.append(2.0)
            np.testing.assert_array_equal(observer.rows(local_place.location), [1.0, 2.0])

    def test_the_background_waits(self, local_place: Place, observer: Observer) -> None:
        with local_place.open("w", flush_policy=FlushPolicy(seconds=0.01)) as h5:
            first, second = array_of(h5, name="first"), array_of(h5, name="second")
            with h5.session.hold():
                first.append(1.0)
                deadline = time.monotonic() + 0.2  # twenty times the policy's
                while time.monotonic() < deadline:
                    seen = observer.look(local_place.location, "/first", "/second")
                    assert [len(rows) for rows in seen.values()] == [0, 0]
                second.append(1.0)
            observer.wait_for(local_place.location, 1, "/first")
            observer.wait_for(local_place.location, 1, "/second")


class TestWhatIsTaken:
    def test_the_caller_may_use_its_memory_again(self, place: Place) -> None:
        with place.open("w") as h5:
            array = h5.create_earray("/", "array", "f8", (2,), chunks=(64, 2))
            row, block = np.zeros(2), np.zeros((3, 2))
            for value in range(10):
                row[:] = value
                array.append(row)
                block[:] = -value
                array.append(block)
            expected = np.concatenate([[v] + [-v] * 3 for v in range(10)]).astype(float)
            np.testing.assert_array_equal(array[:, 0], expected)

    @pytest.mark.parametrize("chunk", [1, 3, 7, 64])
    def test_blocks_of_any_size_over_chunks_of_any_size(self, place: Place, chunk: int) -> None:
        random = np.random.default_rng(chunk)
        with place.open("w") as h5:
            array = h5.create_earray("/", "array", "i8", chunks=(chunk,))
            total = 0
            for size in random.integers(1, 30, 20):
                array.append(np.arange(total, total + size))
                total += int(size)
            np.testing.assert_array_equal(array[:], np.arange(total))

    @pytest.mark.parametrize("side", [8, 200])
    def test_frames(self, place: Place, side: int) -> None:
        with place.open("w") as h5:
            array = h5.create_earray("/", "array", "u2", (side, side))
            frames = np.random.default_rng(0).integers(0, 60_000, (6, side, side), np.uint16)
            array.append(frames[0])
            array.append(frames[1:4])
            array.append(np.asfortranarray(frames[4]))
            array.append(frames[5][::-1, ::-1])
            expected = frames.copy()
            expected[5] = frames[5][::-1, ::-1]
            np.testing.assert_array_equal(array.read(), expected)

    def test_a_refused_block_changes_nothing(self, place: Place) -> None:
        with place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = h5.create_earray("/", "array", "i2", (2,), chunks=(4, 2))
            array.append([1, 2])
            for bad, kind in (
                ([[3, 4], [5, 70_000]], DTypeError),
                ([[3, 4], [5, 6.5]], DTypeError),
                (np.zeros((9, 3), "i2"), ShapeError),
            ):
                with pytest.raises(kind):
                    array.append(bad)
            assert array.shape == (1, 2)
            array.append([[3, 4]] * 9)
        with place.open("r") as h5:
            np.testing.assert_array_equal(h5.read("/array"), [[1, 2]] + [[3, 4]] * 9)

    def test_numbers_of_every_python_type(self, place: Place) -> None:
        with place.open("w") as h5:
            array = h5.create_earray("/", "array", "f8")
            for value in (1.5, 2, True, np.float32(3), np.int8(4), np.array(5.0), [6], (7.0,)):
                array.append(value)
            np.testing.assert_array_equal(array[:], [1.5, 2, 1, 3, 4, 5, 6, 7])

    def test_one_element_rows(self, place: Place) -> None:
        """PyMoDAQ's scalars have the row shape (1,); a list of them is many rows, or one."""
        with place.open("w") as h5:
            array = h5.create_earray("/", "array", "f8", (1,))
            array.append(1.0)
            array.append([2.0])
            array.append([3.0, 4.0])
            array.append([[5.0], [6.0]])
            with pytest.raises(ShapeError):
                array.append([7.0, 8.0], expand=False)
            np.testing.assert_array_equal(array[:, 0], [1, 2, 3, 4, 5, 6])


class TestReading:
    def test_reading_includes_what_is_in_memory(self, place: Place) -> None:
        with place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = h5.create_earray("/", "array", "f8", chunks=(1000,))
            other = h5.get_node("/array")
            for value in range(10):
                array.append(float(value))
                assert len(other) == value + 1
                assert other[-1] == value
            np.testing.assert_array_equal(other.read(), np.arange(10.0))

    def test_the_librarys_own_object_too(self, local_place: Place) -> None:
        with local_place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = h5.create_earray("/", "array", "f8", chunks=(1000,))
            array.append(np.arange(10.0))
            np.testing.assert_array_equal(h5.get_node("/array").node[:], np.arange(10.0))
            assert array.array.shape == (10,)

    def test_overwriting_what_is_in_memory(self, place: Place) -> None:
        with place.open("w", flush_policy=_ON_REQUEST) as h5:
            array = h5.create_earray("/", "array", "f8", chunks=(1000,))
            array.append(np.arange(10.0))
            array[2:4] = -1
            array.append(10.0)
            np.testing.assert_array_equal(array[:], [0, 1, -1, -1, 4, 5, 6, 7, 8, 9, 10])

    def test_another_session_starts_where_this_one_ended(self, place: Place) -> None:
        for turn in range(3):
            with place.open("a", flush_policy=_ON_REQUEST) as h5:
                if turn == 0:
                    h5.create_earray("/", "array", "i8", chunks=(8,))
                array = h5.get_node("/array")
                assert isinstance(array, EARRAY)
                array.append(np.arange(5 * turn, 5 * turn + 5))
        with place.open("r") as h5:
            np.testing.assert_array_equal(h5.read("/array"), np.arange(15))


def _flushers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("flush ")]
