"""Writing in the background: nothing lost, nothing reordered, nobody held up but on request."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import (
    DTypeError,
    FileClosedError,
    H5Error,
    SelectionError,
    ShapeError,
    StorageError,
)
from savers import (
    Axis,
    BackgroundWriter,
    DataEnlargeableSaver,
    DataExtendedSaver,
    DataLoader,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportEnlargeableSaver,
    DataToExportExtendedSaver,
    DataToExportSaver,
    DataToExportTimedSaver,
    H5SaverLowLevel,
    QueueFullError,
)
from tests.conftest import Place
from tests.savers.conftest import open_saver
from tests.small_disk import Ballast

ROOT = Path(__file__).parents[2]
WHERE = "/RawData"
POWER = f"{WHERE}/Data0D/CH00/EnlData00"
TIME_LIMIT = 60.0


def point(number: float, **kwargs: Any) -> DataToExport:
    """One point of a log: a number and a spectrum."""
    energy = Axis("energy", "eV", np.arange(4.0) / 8)
    power = DataRaw("power", units="W", origin="meter", data=[np.array([float(number)])], **kwargs)
    spectrum = DataRaw("spectrum", origin="cam", data=[np.arange(4.0) + number], axes=[energy])
    power.timestamp = spectrum.timestamp = 1.0
    result = DataToExport("point", [power, spectrum])
    result.timestamp = 100.0 + number
    return result


def numbers(saver: H5SaverLowLevel | str, where: str = POWER) -> list[float]:
    """The numbers of the points of a log, in the order of the file."""
    data = DataLoader(saver).load_data(where)
    return [float(n) for n in data.data[0]]


class Gate:
    """A timed saver whose writes wait until they are let through, as on a slow disk."""

    def __init__(self, saver: Any) -> None:
        self.inner = saver
        self.h5saver = saver.h5saver
        self.open = threading.Event()
        self.arrived = threading.Event()

    def add_data(self, *args: Any, **kwargs: Any) -> None:
        self.arrived.set()
        assert self.open.wait(TIME_LIMIT)
        self.inner.add_data(*args, **kwargs)


@pytest.fixture
def gate(saver: H5SaverLowLevel) -> Iterator[Gate]:
    made = Gate(DataToExportTimedSaver(saver))
    yield made
    made.open.set()


def wait_until(condition: Any) -> None:
    """Wait for something that happens in another thread."""
    end = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class TestCalls:
    """The same calls, directly and through a writer, give the same file."""

    def both(self, make_place: Any, kind: Any, calls: Any, driver: str = "h5py") -> None:
        found = []
        for through_writer in (False, True):
            with open_saver(make_place(driver), new_file=True) as saver:
                layered = kind(saver)
                if through_writer:
                    with BackgroundWriter(layered) as writer:
                        for args, kwargs in calls():
                            assert writer.add_data(*args, **kwargs) is True
                        assert writer.counters.queued == len(list(calls()))
                    assert writer.counters.written == writer.counters.queued
                else:
                    for args, kwargs in calls():
                        layered.add_data(*args, **kwargs)
                found.append(
                    {
                        node.path: (node.attrs.to_dict(), node.read())
                        for node in saver.walk_nodes("/RawData")
                        if hasattr(node, "read") and "ogger" not in node.path
                    }
                )
        direct, queued = found
        assert direct.keys() == queued.keys()
        assert direct
        for path, (attrs, values) in direct.items():
            np.testing.assert_array_equal(values, queued[path][1])
            assert repr(attrs) == repr(queued[path][0])

    @pytest.mark.parametrize("driver", ["h5py", "tables"])
    def test_timed(self, make_place: Any, driver: str) -> None:
        def calls() -> Any:
            for n in range(50):
                yield (WHERE, point(n, errors=[np.array([0.5])])), {"settings_as_xml": "<a/>"}

        self.both(make_place, DataToExportTimedSaver, calls, driver)

    def test_enlargeable(self, make_place: Any) -> None:
        def calls() -> Any:
            for n in range(20):
                yield (WHERE, point(n)), {"axis_values": iter([n, np.array([n**2.0])])}

        def kind(saver: Any) -> Any:
            return DataToExportEnlargeableSaver(saver, ("x", "y"), ("mm", "um"))

        self.both(make_place, kind, calls)

    def test_single_signals(self, make_place: Any) -> None:
        def calls() -> Any:
            for n in range(20):
                data = DataRaw("s", data=[np.arange(3) + n], timestamp_of_trigger=n)
                data.timestamp = 5.0
                yield (WHERE, data), {"axis_values": [n]}

        self.both(make_place, DataEnlargeableSaver, calls)

    def test_extended(self, make_place: Any) -> None:
        def calls() -> Any:
            for n in reversed(range(6)):
                yield (WHERE, point(n)), {"indexes": np.array([n // 3, n % 3])}

        self.both(make_place, lambda saver: DataToExportExtendedSaver(saver, (2, 3)), calls)

        def signals() -> Any:
            for n in range(6):
                data = DataRaw("s", data=[np.arange(3.0) + n])
                data.timestamp = 5.0
                yield (WHERE, data, [n // 3, n % 3]), {}

        self.both(make_place, lambda saver: DataExtendedSaver(saver, (2, 3)), signals)

    def test_export_and_plain(self, make_place: Any) -> None:
        def calls() -> Any:
            for n in range(3):
                yield (WHERE, point(n)), {"remark": "first"}

        self.both(make_place, DataToExportSaver, calls)

        def plain() -> Any:
            for n in range(3):
                yield (WHERE, point(n)[1]), {"save_axes": n != 1}

        self.both(make_place, DataSaverLoader, plain)

    def test_nodes_and_data_of_pymodaq(self, saver: H5SaverLowLevel) -> None:
        log = DataToExportTimedSaver(saver)
        group = saver.add_det_group(WHERE)
        with BackgroundWriter(log) as writer:
            for n in range(5):
                given = point(n).to_pymodaq()
                writer.add_data(group, given)
                for dwa in given.data:
                    dwa.data[0][:] = -1.0
        assert numbers(saver, f"{group.path}/Data0D/CH00/EnlData00") == [0.0, 1.0, 2.0, 3.0, 4.0]

    def test_a_server(self, make_place: Any) -> None:
        with open_saver(make_place("h5pyd"), new_file=True) as saver:
            with BackgroundWriter(DataToExportTimedSaver(saver)) as writer:
                for n in range(500):
                    writer.add_data(WHERE, point(n))
            assert numbers(saver) == list(range(500))


class TestCopies:
    def test_the_caller_reuses_its_buffers(self, gate: Gate) -> None:
        buffer, position = np.zeros(1), np.arange(4.0)
        axis = Axis("energy", "eV", position)
        spectrum = np.zeros(4)
        bundle = DataToExport(
            "p",
            [
                DataRaw("power", origin="m", data=[buffer], errors=[buffer]),
                DataRaw("spectrum", origin="c", data=[spectrum], axes=[axis]),
            ],
        )
        writer = BackgroundWriter(gate)
        for n in range(10):
            buffer[:] = spectrum[:] = n
            bundle.timestamp = float(n)
            assert writer.add_data(WHERE, bundle)
        buffer[:] = spectrum[:] = position[:] = -1
        bundle[0].name = "other"
        gate.open.set()
        writer.close()
        loader = DataLoader(gate.h5saver)
        power = loader.load_data(POWER)
        assert power.data[0].tolist() == list(range(10))
        assert power.errors is not None
        assert power.errors[0].tolist() == list(range(10))
        found = loader.load_data(f"{WHERE}/Data1D/CH00/EnlData00")
        assert found.data[0][:, 3].tolist() == list(range(10))
        energy = found.get_axis_from_label("energy")
        assert energy is not None
        assert energy.get_data().tolist() == [0.0, 1.0, 2.0, 3.0]

    def test_what_the_caller_gave_stays_as_it_is(self, gate: Gate) -> None:
        gate.open.set()
        given = point(1)
        before = given.deepcopy()
        with BackgroundWriter(gate) as writer:
            writer.add_data(WHERE, given)
        assert given == before
        assert given.timestamp == before.timestamp

    def test_arrays_of_any_layout(self, gate: Gate) -> None:
        gate.open.set()
        frame = np.arange(12.0).reshape(3, 4)
        with BackgroundWriter(gate) as writer:
            for array in (frame.T.copy().T, frame[::1], np.asfortranarray(frame), frame.view()):
                writer.add_data(WHERE, DataToExport("p", [DataRaw("frame", data=[array])]))
        found = DataLoader(gate.h5saver).load_data(f"{WHERE}/Data2D/CH00/EnlData00")
        for n in range(4):
            np.testing.assert_array_equal(found.data[0][n], frame)

    def test_classes_of_the_program(self, gate: Gate) -> None:
        class Reading(DataRaw):
            pass

        gate.open.set()
        values = np.array([1.0])
        with BackgroundWriter(gate) as writer:
            writer.add_data(WHERE, DataToExport("p", [Reading("power", data=[values])]))
            values[:] = 7
        assert numbers(gate.h5saver) == [1.0]

    def test_what_cannot_be_copied_is_refused_at_once(self, gate: Gate) -> None:
        gate.open.set()
        with BackgroundWriter(gate) as writer:
            with pytest.raises(DTypeError, match="lock"):
                writer.add_data(WHERE, point(0), remark=threading.Lock())
            assert writer.counters.queued == 0


class TestQueue:
    def test_a_slow_disk_does_not_hold_up_the_caller(self, gate: Gate) -> None:
        """All is taken while the first write has not even returned."""
        with BackgroundWriter(gate, max_bytes=10_000_000) as writer:
            for n in range(200):
                assert writer.add_data(WHERE, point(n))
            counters = writer.counters
            assert (counters.queued, counters.written, counters.waiting) == (200, 0, 200)
            assert counters.longest_stall == 0.0
            assert 200 * 5 * 8 < counters.bytes < 1_000_000
            gate.open.set()
        counters = writer.counters
        assert (counters.written, counters.waiting, counters.bytes) == (200, 0, 0)
        assert counters.most_bytes > 0
        assert counters.longest_write > 0
        assert numbers(gate.h5saver) == list(range(200))

    def frames(self, count: int) -> list[DataToExport]:
        image = np.zeros((100, 100))
        return [DataToExport("p", [DataRaw("i", data=[image + n])]) for n in range(count)]

    def images(self, gate: Gate) -> NDArray[Any]:
        found = DataLoader(gate.h5saver).load_data(f"{WHERE}/Data2D/CH00/EnlData00")
        values: NDArray[Any] = found.data[0][:, 0, 0]
        return values

    def test_block_waits_for_room(self, gate: Gate) -> None:
        writer = BackgroundWriter(gate, max_bytes=250_000)
        taken = []

        def measure() -> None:
            for n, frame in enumerate(self.frames(8)):
                writer.add_data(WHERE, frame)
                taken.append(n)

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(measure)
            assert gate.arrived.wait(TIME_LIMIT)
            wait_until(lambda: len(taken) == 3)
            assert not running.done()
            gate.open.set()
            running.result(TIME_LIMIT)
        writer.close()
        counters = writer.counters
        assert (counters.written, counters.dropped) == (8, 0)
        assert counters.longest_stall > 0
        assert counters.most_bytes <= 250_000
        assert self.images(gate).tolist() == list(range(8))

    def test_drop_counts(self, gate: Gate) -> None:
        with BackgroundWriter(gate, max_bytes=250_000, on_full="drop") as writer:
            taken = [writer.add_data(WHERE, frame) for frame in self.frames(8)]
            assert taken == [True] * 3 + [False] * 5
            assert writer.counters.dropped == 5
            gate.open.set()
        assert self.images(gate).tolist() == [0, 1, 2]

    def test_raise(self, gate: Gate) -> None:
        with BackgroundWriter(gate, max_bytes=250_000, on_full="raise") as writer:
            frames = self.frames(4)
            for frame in frames[:3]:
                writer.add_data(WHERE, frame)
            with pytest.raises(QueueFullError, match="not taken") as caught:
                writer.add_data(WHERE, frames[3])
            assert isinstance(caught.value, queue.Full)
            assert caught.value.remedy
            gate.open.set()
            writer.flush()
            writer.add_data(WHERE, frames[3])
        assert self.images(gate).tolist() == [0, 1, 2, 3]

    def test_larger_than_the_queue(self, gate: Gate) -> None:
        gate.open.set()
        with BackgroundWriter(gate, max_bytes=50_000) as writer:
            with pytest.raises(QueueFullError, match="larger than all"):
                writer.add_data(WHERE, self.frames(1)[0])
            writer.add_data(WHERE, point(1))
        assert writer.counters.written == 1

    def test_data_without_content_fill_the_queue_too(self, gate: Gate) -> None:
        with BackgroundWriter(gate, max_bytes=10_000, on_full="drop") as writer:
            gate.inner.add_data(WHERE, point(0))
            for _ in range(1000):
                writer.add_data("nowhere")
            assert writer.counters.dropped > 900
            gate.open.set()
            with contextlib.suppress(TypeError):
                writer.flush()
            assert len(writer.take_failures()) == writer.counters.failed > 0

    def test_flush(self, gate: Gate) -> None:
        gate.open.set()
        gate.h5saver.flush_policy = FlushPolicy(seconds=None)
        with BackgroundWriter(gate) as writer:
            for n in range(10):
                writer.add_data(WHERE, point(n))
            writer.flush()
            assert writer.counters.waiting == 0
            assert not gate.h5saver.session.dirty
            writer.flush()

    def test_many_callers(self, saver: H5SaverLowLevel) -> None:
        log = DataToExportTimedSaver(saver)
        with BackgroundWriter(log, max_bytes=20_000) as writer:

            def measure(thread: int) -> None:
                for n in range(200):
                    writer.add_data(WHERE, point(1000 * thread + n))

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(measure, range(4)))
        found = numbers(saver)
        assert len(found) == 800
        for thread in range(4):
            mine = [n for n in found if n // 1000 == thread]
            assert mine == [1000 * thread + n for n in range(200)]

    def test_several_writers_on_one_file(self, saver: H5SaverLowLevel) -> None:
        groups = [saver.add_det_group(WHERE) for _ in range(3)]
        writers = [BackgroundWriter(DataToExportTimedSaver(saver)) for _ in groups]
        for n in range(50):
            for writer, group in zip(writers, groups, strict=True):
                writer.add_data(group, point(n))
        for writer in writers:
            writer.close()
        for group in groups:
            assert numbers(saver, f"{group.path}/Data0D/CH00/EnlData00") == list(range(50))

    def test_closed(self, gate: Gate) -> None:
        gate.open.set()
        with BackgroundWriter(gate) as writer:
            writer.add_data(WHERE, point(0))
        writer.close()
        assert gate.h5saver.isopen()
        with pytest.raises(FileClosedError, match="closed"):
            writer.add_data(WHERE, point(1))
        assert "closed" in repr(writer)
        assert threading.current_thread() is not writer._thread
        assert not writer._thread.is_alive()

    def test_bad_arguments(self, saver: H5SaverLowLevel) -> None:
        log = DataToExportTimedSaver(saver)
        for bad in (saver, None, log.add_data):
            with pytest.raises(DTypeError, match="DataToExportTimedSaver"):
                BackgroundWriter(bad)  # type: ignore[arg-type]
        for kwargs in ({"max_bytes": 0}, {"on_full": "wait"}, {"min_free": -1}):
            with pytest.raises(ValueError, match=next(iter(kwargs))):
                BackgroundWriter(log, **kwargs)  # type: ignore[arg-type]
        assert not [t for t in threading.enumerate() if t.name.startswith("write ")]

    def test_a_writer_that_is_forgotten_writes_and_goes(self, gate: Gate) -> None:
        writer = BackgroundWriter(gate)
        thread = writer._thread
        for n in range(5):
            writer.add_data(WHERE, point(n))
        del writer
        gc.collect()
        assert thread.is_alive()
        gate.open.set()
        thread.join(TIME_LIMIT)
        assert not thread.is_alive()
        assert numbers(gate.h5saver) == list(range(5))

    @settings(max_examples=25)
    @given(
        steps=st.lists(
            st.sampled_from(["add", "bad", "flush", "take", "let", "hold"]), max_size=40
        ),
        on_full=st.sampled_from(["drop", "raise"]),
    )
    def test_every_call_is_accounted_for(self, steps: list[str], on_full: Any) -> None:
        """Whatever happens: taken = written + refused, in order, and told of."""
        with H5SaverLowLevel.from_file("m.h5", backend="memory", new_file=True) as saver:
            gate = Gate(DataToExportTimedSaver(saver))
            gate.inner.add_data(WHERE, point(-1))
            gate.open.set()
            writer = BackgroundWriter(gate, max_bytes=6_000, on_full=on_full)
            good, bad, told, taken_back = [], 0, 0, 0
            for n, step in enumerate(steps):
                try:
                    if step == "let":
                        gate.open.set()
                    elif step == "hold":
                        gate.open.clear()
                    elif step == "flush":
                        gate.open.set()
                        writer.flush()
                    elif step == "take":
                        taken_back += len(writer.take_failures())
                    elif step == "add":
                        if writer.add_data(WHERE, point(n)):
                            good.append(float(n))
                    elif writer.add_data(WHERE, DataToExport("p", [point(n)[0]])):
                        bad += 1
                except QueueFullError:
                    pass
                except ShapeError:
                    told += 1
            gate.open.set()
            try:
                writer.close()
            except ShapeError:
                told += 1
            assert numbers(saver) == [-1.0, *good]
            counters = writer.counters
            assert (counters.written, counters.failed) == (len(good), bad)
            assert len(writer.failures) + taken_back == bad
            assert bool(told) == bool(bad)
            writer.take_failures()
            assert writer.counters.bytes == 0


class TestRefused:
    def test_later_calls_are_written_and_the_bad_one_is_kept(self, gate: Gate) -> None:
        writer = BackgroundWriter(gate)
        for n in range(3):
            writer.add_data(WHERE, point(n))
        bad = DataToExport("p", [point(3)[0]])
        writer.add_data(WHERE, bad)
        for n in range(4, 6):
            writer.add_data(WHERE, point(n))
        gate.open.set()
        wait_until(lambda: not writer.counters.waiting)
        with pytest.raises(ShapeError, match="other signals") as caught:
            writer.add_data(WHERE, point(99))
        assert "earlier" in caught.value.__notes__[0]
        assert writer.add_data(WHERE, point(6))  # told once
        writer.close()
        (failure,) = writer.failures
        assert failure.error is caught.value
        assert failure.values == (WHERE, bad)
        assert writer.counters.failed == 1
        assert numbers(gate.h5saver) == [0.0, 1.0, 2.0, 4.0, 5.0, 6.0]

    def test_close_tells(self, gate: Gate) -> None:
        gate.open.set()
        writer = BackgroundWriter(gate)
        writer.add_data(WHERE)  # no data at all: Python's own error
        with pytest.raises(TypeError, match="data"):
            writer.close()
        writer.close()
        assert [failure.values for failure in writer.failures] == [(WHERE,)]

    def test_indexes_of_no_point(self, saver: H5SaverLowLevel) -> None:
        scan = DataToExportExtendedSaver(saver, (3,))
        writer = BackgroundWriter(scan)
        for n in (0, 3, 1):
            writer.add_data(WHERE, point(n), (n,))
        with pytest.raises(SelectionError):
            writer.close()
        assert scan.completed_indexes(WHERE).tolist() == [[0], [1]]
        writer.close()

    def test_refused_calls_take_up_room(self, gate: Gate) -> None:
        gate.open.set()
        with BackgroundWriter(gate, max_bytes=10_000) as writer:
            writer.add_data(WHERE, point(0))
            told = 0
            for _ in range(100):
                try:
                    writer.add_data(WHERE, DataToExport("p", [point(3)[0]]))
                except ShapeError:
                    told += 1
                except QueueFullError as exc:
                    assert "refused" in str(exc)
                    break
            else:
                raise AssertionError("refused calls pile up without end")
            assert told
            assert len(writer.take_failures()) > 5
            with contextlib.suppress(ShapeError):  # the last of them may be untold
                writer.flush()
            writer.add_data(WHERE, point(1))
        assert numbers(gate.h5saver) == [0.0, 1.0]


class TestStorage:
    """A disk that is really full."""

    @pytest.fixture(params=["h5py", "tables"])
    def log(self, small_disk: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
        saver = H5SaverLowLevel.from_file(
            small_disk / "log.h5", backend=request.param, new_file=True,
            flush_policy=FlushPolicy(rows=50, seconds=None),
        )  # fmt: skip
        yield DataToExportTimedSaver(saver)
        saver.close_file()

    def fill(self, writer: BackgroundWriter, limit: int = 20_000) -> int:
        """Add points until the writer complains; return how many were taken."""
        for n in range(limit):
            try:
                writer.add_data(WHERE, point(n))
            except StorageError as exc:
                assert exc.file
                assert exc.remedy
                assert "earlier" in exc.__notes__[0]
                return n
            if n % 100 == 99:
                wait_until(lambda: writer.counters.waiting < 50 or writer._queue._trouble)
        raise AssertionError("the disk was never full")

    def test_it_goes_on_when_there_is_room_again(self, log: Any, small_disk: Path) -> None:
        ballast = Ballast(small_disk)
        writer = BackgroundWriter(log, min_free=0)
        writer.add_data(WHERE, point(-1))
        writer.flush()
        ballast.fill(leave=300 * 1024)
        taken = self.fill(writer)
        for n in range(taken, taken + 100):  # told once; then all is taken
            assert writer.add_data(WHERE, point(n))
        for attempt in (writer.flush, writer.close, writer.close):
            with pytest.raises(StorageError, match="full"):
                attempt()
        assert writer.counters.waiting > 0
        assert writer.add_data(WHERE, point(taken + 100))
        ballast.drop()
        writer.close()
        assert writer.counters.written == taken + 102
        assert writer.counters.failed == 0
        assert numbers(log.h5saver) == [-1.0, *range(taken + 101)]
        log.h5saver.close_file()
        assert len(numbers(str(small_disk / "log.h5"))) == taken + 102

    def test_it_goes_on_by_itself(
        self, log: Any, small_disk: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        ballast = Ballast(small_disk)
        with BackgroundWriter(log, min_free=0) as writer:
            writer.add_data(WHERE, point(-1))
            writer.flush()
            ballast.fill(leave=300 * 1024)
            with caplog.at_level(logging.WARNING):
                taken = self.fill(writer)
                ballast.drop()
                wait_until(lambda: not writer.counters.waiting)
            assert "takes data again" in caplog.text
            assert writer.add_data(WHERE, point(taken))  # what is over is no error any more
        assert numbers(log.h5saver) == [-1.0, *range(taken + 1)]

    @pytest.mark.parametrize("on_full", ["block", "drop", "raise"])
    def test_a_full_queue_over_a_full_disk(self, log: Any, small_disk: Path, on_full: Any) -> None:
        ballast = Ballast(small_disk)
        writer = BackgroundWriter(log, 100_000, on_full, min_free=0)
        writer.add_data(WHERE, point(-1))
        writer.flush()
        ballast.fill()
        expected = {"block": StorageError, "drop": None, "raise": QueueFullError}[on_full]
        errors: list[Exception] = []
        taken = [-1.0]
        for n in range(500):
            try:
                if writer.add_data(WHERE, point(n)):
                    taken.append(float(n))
            except (StorageError, QueueFullError) as exc:
                errors.append(exc)
        assert writer.counters.bytes <= 100_000
        assert writer.counters.dropped == (500 + 1 - len(taken) - len(errors))
        if expected is not None:
            assert type(errors[-1]) is expected
        ballast.drop()
        writer.close()
        assert numbers(log.h5saver) == taken

    def test_room_is_left_to_others(self, log: Any, small_disk: Path) -> None:
        writer = BackgroundWriter(log, min_free=64 * 1024 * 1024)
        writer.add_data(WHERE, point(0))
        with pytest.raises(StorageError, match=r"67,\d{3},\d{3} bytes"):
            writer.flush()
        assert writer.counters.waiting == 1
        writer._queue._write._min_free = 0  # type: ignore[attr-defined]
        writer.close()
        assert numbers(log.h5saver) == [0.0]

    def test_what_waits_can_be_saved_elsewhere(self, log: Any, small_disk: Path) -> None:
        ballast = Ballast(small_disk)
        writer = BackgroundWriter(log, min_free=0)
        writer.add_data(WHERE, point(-1))
        writer.flush()
        ballast.fill(leave=300 * 1024)
        taken = self.fill(writer)
        waiting = writer.counters.waiting
        with H5SaverLowLevel.from_file("m.h5", backend="memory", new_file=True) as memory:
            other = DataToExportTimedSaver(memory)
            rescued = writer.abandon()
            for call in rescued:
                other.add_data(*call.values, **call.keyword)
            assert len(rescued) == waiting
            assert numbers(memory) == list(range(taken - waiting, taken))
        assert writer.counters.bytes == 0
        writer.close()
        assert writer.abandon() == []
        with pytest.raises(FileClosedError):
            writer.add_data(WHERE, point(0))
        ballast.drop()
        assert numbers(log.h5saver) == [-1.0, *range(taken - waiting)]

    def test_a_file_closed_too_early(self, local_place: Place) -> None:
        saver = open_saver(local_place, new_file=True)
        writer = BackgroundWriter(DataToExportTimedSaver(saver), min_free=0)
        writer.add_data(WHERE, point(0))
        writer.flush()
        saver.close_file()
        writer.add_data(WHERE, point(1))
        with pytest.raises(FileClosedError):
            writer.close()
        assert writer.counters.waiting == 1
        saver.init_file(local_place.location)
        writer.close()
        assert numbers(saver) == [0.0, 1.0]
        saver.close_file()


_START = """
import sys, threading, time, warnings
import numpy as np
from savers import BackgroundWriter, DataRaw, DataToExport, DataToExportTimedSaver

def point(number):
    result = DataToExport("p", [DataRaw("power", data=[np.array([float(number)])])])
    result.timestamp = float(number)
    return result

path, driver = sys.argv[1:3]
saver = DataToExportTimedSaver(path, new_file=True, backend=driver)
writer = BackgroundWriter(saver, min_free=0)
for number in range(500):
    writer.add_data("/RawData", point(number))
"""


def run(code: str, *arguments: object) -> tuple[int, str, str]:
    """Run a program to its end."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            _START + textwrap.dedent(code),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=TIME_LIMIT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class TestTheEnd:
    @pytest.mark.parametrize(
        ("end", "code"),
        [
            ("", 0),
            ("sys.exit(3)", 3),
            ("raise RuntimeError('on purpose')", 1),
            ("del writer, saver", 0),
            ("other = DataToExportTimedSaver(path + '.2', new_file=True)\n"
             "second = BackgroundWriter(other, min_free=0)\n"
             "second.add_data('/RawData', point(1))", 0),
        ],
    )  # fmt: skip
    def test_a_program_that_does_not_close(self, local_place: Place, end: str, code: int) -> None:
        returned, _, err = run(end, local_place.location, local_place.driver)
        assert returned == code, err
        assert "Error" not in err.replace("RuntimeError: on purpose", ""), err
        assert numbers(local_place.location, "/RawData/Data0D/CH00/EnlData00") == list(range(500))

    def test_a_disk_that_has_room_again_at_the_end(self, small_disk: Path) -> None:
        code = """
        import os, shutil
        writer.flush()
        room = shutil.disk_usage(path).free - 300 * 1024
        open(path + ".ballast", "wb").write(bytes(room))
        number = 500
        try:
            while True:
                writer.add_data("/RawData", point(number))
                number += 1
        except OSError:
            os.remove(path + ".ballast")
        print(number)
        """
        returned, out, err = run(code, small_disk / "log.h5", "h5py")
        assert returned == 0, err
        assert "lost" not in err
        found = numbers(str(small_disk / "log.h5"), "/RawData/Data0D/CH00/EnlData00")
        assert found == list(range(int(out)))

    def test_threads_that_go_on_after_the_main_one(self, local_place: Place) -> None:
        code = """
        def measure():
            threading.main_thread().join()
            for number in range(500, 600):
                time.sleep(0.005)
                writer.add_data("/RawData", point(number))
        threading.Thread(target=measure).start()
        """
        returned, _, err = run(code, local_place.location, local_place.driver)
        assert (returned, err) == (0, "")
        assert numbers(local_place.location, "/RawData/Data0D/CH00/EnlData00") == list(range(600))

    def test_a_full_disk_does_not_keep_a_program_from_its_end(self, small_disk: Path) -> None:
        code = """
        writer.flush()
        room = __import__("shutil").disk_usage(path).free
        open(path + ".ballast", "wb").write(bytes(room))
        for number in range(500, 20000):
            try:
                writer.add_data("/RawData", point(number))
            except OSError:
                pass
        """
        returned, _, err = run(code, small_disk / "log.h5", "h5py")
        assert returned == 0
        assert "calls of add_data are lost" in err

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_fork(self, local_place: Place) -> None:
        code = """
        import os
        from h5backends.errors import FileClosedError
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads about
        for round in range(5):
            pid = os.fork()
            if not pid:
                for action in (lambda: writer.add_data("/RawData", point(-1)), writer.flush,
                               writer.take_failures):
                    try:
                        action()
                    except FileClosedError as exc:
                        assert "parent" in str(exc)
                    else:
                        os._exit(9)
                writer.counters, writer.failures, repr(writer)
                writer.close()
                with writer:
                    pass
                del writer
                __import__("gc").collect()
                os._exit(0)
            for number in range(500 + round * 100, 600 + round * 100):
                writer.add_data("/RawData", point(number))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        writer.close()
        saver.close()
        print("done")
        """
        returned, out, err = run(code, local_place.location, local_place.driver)
        assert (returned, out) == (0, "done\n"), err
        found = numbers(local_place.location, "/RawData/Data0D/CH00/EnlData00")
        assert found == list(range(1000))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_child_has_a_writer_of_its_own(self, local_place: Place) -> None:
        code = """
        import os
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
        if not pid:
            own = DataToExportTimedSaver(path + ".child", new_file=True, backend=driver)
            with BackgroundWriter(own, min_free=0) as mine:
                mine.add_data("/RawData", point(7))
            own.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """
        returned, _, err = run(code, local_place.location, local_place.driver)
        assert returned == 0, err
        assert numbers(f"{local_place.location}.child", "/RawData/Data0D/CH00/EnlData00") == [7.0]


def test_readers_follow(tmp_path: Path) -> None:
    """SWMR: what the writer flushed, another handle sees."""
    path = tmp_path / "live.h5"
    saver = DataToExportTimedSaver(path, new_file=True, swmr_mode=True)
    with saver, BackgroundWriter(saver, min_free=0) as writer:
        for n in range(10):
            writer.add_data(WHERE, point(n))
        writer.flush()
        with H5Backend("h5py") as reader:
            reader.open_file(path, "r", swmr_mode=True)
            assert len(reader.get_node(POWER)) == 10  # type: ignore[arg-type]


def test_errors_are_ours() -> None:
    assert issubclass(QueueFullError, H5Error)
