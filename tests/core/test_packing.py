"""Compressed streams packed by threads: nothing lost, in order, bounded, read by anybody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h5backends import EARRAY, FlushPolicy, H5Backend, packing, workers
from h5backends.drivers import registry
from h5backends.errors import StorageError
from h5backends.packed_buffer import PackedRowBuffer
from h5backends.pipeline import Pipeline
from tests.conftest import LOCAL
from tests.core.plain_program import PlainProgram, summary
from tests.small_disk import Ballast

_MANUAL = FlushPolicy(seconds=None)
_CODECS = {
    driver: sorted(registry.load(driver).codecs() - {"shuffle", "fletcher32"}) for driver in LOCAL
}


@pytest.fixture(scope="module")
def plain() -> Iterator[PlainProgram]:
    with PlainProgram() as program:
        yield program


def frames(count: int, shape: tuple[int, ...] = (128, 128), dtype: str = "u2") -> np.ndarray:
    """Return frames with noise and structure, each another."""
    random = np.random.default_rng(0)
    smooth = 100 + 50 * np.sin(np.arange(np.prod(shape)) / 20).reshape(shape)
    return random.poisson(smooth, (count, *shape)).astype(dtype)


def buffer_of(array: EARRAY) -> PackedRowBuffer:
    buffer = array.session.rows(array.handle)
    assert isinstance(buffer, PackedRowBuffer)
    return buffer


@st.composite
def streams(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an array and how it is appended to."""
    driver = draw(st.sampled_from(LOCAL))
    row = tuple(draw(st.lists(st.integers(1, 90), max_size=2)))
    dtype = np.dtype(draw(st.sampled_from(["u1", "u2", "i4", "f4", "f8", "c16", "S5", "?"])))
    row_bytes = dtype.itemsize * int(np.prod(row))
    # Above the least that is worth a thread, and sometimes a row cut into several chunks.
    rows = max(1, -(-draw(st.sampled_from([1, 17_000, 40_000])) // row_bytes))
    cut = tuple(draw(st.integers(max(1, n // 2), n)) for n in row)
    return {
        "driver": driver,
        "codec": draw(st.sampled_from([None, *_CODECS[driver]])),
        "shuffle": draw(st.booleans()),
        "fletcher32": draw(st.booleans()),
        "row": row,
        "dtype": dtype,
        "chunks": (rows, *(cut if draw(st.booleans()) else row)),
        "blocks": draw(
            st.lists(
                st.tuples(
                    st.integers(1, 1 + 5 * rows // 2),
                    st.sampled_from(["append", "append", "flush", "read", "change", "reopen"]),
                ),
                min_size=1,
                max_size=6,
            )
        ),
    }


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=streams(), seed=st.integers(0, 99))
def test_what_is_written_here_is_read_by_others(
    stream: dict[str, Any], seed: int, plain: PlainProgram, tmp_path: Path
) -> None:
    path = tmp_path / f"{uuid.uuid4().hex}.h5"
    with H5Backend(stream["driver"], _MANUAL) as h5:
        expected = record(h5, path, stream, seed)
    written = summary(expected)
    found = plain.read(path)
    if expected.dtype.kind == "b":  # PyTables' flags are bits to others
        found[1] = written[1]
    assert found == written
    if stream["codec"] in {None, *_CODECS["tables"]} and stream["dtype"].kind != "b":
        assert plain.read(path, library="tables") == written
    path.unlink()


def record(h5: H5Backend, path: Path, stream: dict[str, Any], seed: int) -> np.ndarray:
    """Append, flush, read, change and reopen as drawn; return what has to be in the array."""
    random = np.random.default_rng(seed)
    dtype, row = stream["dtype"], stream["row"]
    expected = np.empty((0, *row), dtype)
    h5.open_file(path, "w")
    h5.define_compression(
        stream["codec"], shuffle=stream["shuffle"], fletcher32=stream["fletcher32"]
    )
    array = h5.create_earray("/", "array", dtype, row, chunks=stream["chunks"])
    for count, then in stream["blocks"]:
        high = 2 if dtype.kind == "b" else 100 if seed % 2 else 3
        low = ord("a") if dtype.kind == "S" else 0  # of bytes behind a zero nobody asks
        raw = random.integers(low, low + high, (count, *row, dtype.itemsize), np.uint8)
        block = raw.view(dtype).reshape(count, *row)
        given_away = block.copy()
        array.append(given_away)
        given_away[...] = np.zeros((), dtype)  # the caller uses it for the next one
        expected = np.concatenate([expected, block])
        assert len(array) == len(expected)
        if then == "flush":
            h5.flush()
        elif then == "read":
            assert array[:].tobytes() == expected.tobytes()
        elif then == "change" and len(expected):
            place = seed % len(expected)
            array[place] = expected[place] = expected[-1]
        elif then == "reopen":
            h5.close_file()
            h5.open_file(path, "a")
            array = h5.get_node("/array")
    return expected


@pytest.mark.parametrize("driver", LOCAL)
def test_every_codec_is_packed_here(driver: str, tmp_path: Path) -> None:
    """All but lzf, which is part of h5py itself and cannot be called from outside."""
    with H5Backend(driver, _MANUAL) as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        for codec in _CODECS[driver]:
            h5.define_compression(codec, fletcher32=True)
            array = h5.create_earray("/", codec, "u2", (128, 128))
            packed = isinstance(array.session.rows(array.handle), PackedRowBuffer)
            assert packed == (codec != "lzf")


@pytest.mark.parametrize("driver", LOCAL)
class TestOrder:
    def test_blocks_across_the_ends_of_chunks(self, driver: str, tmp_path: Path) -> None:
        values = frames(57)
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 1)
            array = h5.create_earray("/", "array", "u2", (128, 128), chunks=(4, 128, 128))
            for start, stop in ((0, 3), (3, 4), (4, 13), (13, 40), (40, 41), (41, 57)):
                array.append(values[start:stop])
            assert array.shape == values.shape
            np.testing.assert_array_equal(array[:], values)

    def test_the_array_never_has_rows_that_are_not_there(
        self, driver: str, tmp_path: Path
    ) -> None:
        values = frames(40)
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 1)
            array = h5.create_earray("/", "array", "u2", (128, 128))
            for count, frame in enumerate(values, 1):
                array.append(frame)
                with array.session.lock:
                    driver_ = array.session.driver
                    length = driver_.shape(array.handle)[0]
                    box = tuple(slice(0, n, 1) for n in (length, 128, 128))
                    np.testing.assert_array_equal(driver_.read(array.handle, box), values[:length])
                assert length <= count

    def test_eight_threads(self, driver: str, tmp_path: Path) -> None:
        """To one array each, and all to one, while another thread flushes and reads."""
        values = frames(30)
        with H5Backend(driver, FlushPolicy(seconds=0.01)) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 1)
            own = [h5.create_earray("/", f"own{n}", "u2", (128, 128)) for n in range(8)]
            shared = h5.create_earray("/", "shared", "u2", (128, 128))

            def work(number: int) -> None:
                for frame in values:
                    own[number].append(frame)
                    shared.append(frame + np.uint16(1000 * number))

            threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                h5.flush()
                count = len(own[0][:])
                np.testing.assert_array_equal(own[0][:count], values[:count])
            for thread in threads:
                thread.join()
            for array in own:
                np.testing.assert_array_equal(array[:], values)
            everything = shared[:]
            assert len(everything) == 8 * len(values)
            for number in range(8):  # rows of one thread keep their order
                mine = everything[everything[:, 0, 0] // 1000 == number]
                np.testing.assert_array_equal(mine, values + np.uint16(1000 * number))


@pytest.mark.parametrize("driver", LOCAL)
class TestTakingBack:
    @pytest.mark.parametrize("kept", range(0, 14, 3))
    @pytest.mark.parametrize("flushed", [0, 2, 5])
    def test_rows_in_every_place(
        self, driver: str, kept: int, flushed: int, tmp_path: Path
    ) -> None:
        """In the buffer, on their way, inside a chunk on its way, in the file."""
        values = frames(20)
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("zstd" if driver == "h5py" else "blosc2")
            array = h5.create_earray("/", "array", "u2", (128, 128), chunks=(4, 128, 128))
            for frame in values[:flushed]:
                array.append(frame)
            h5.flush()
            with array.session.hold():
                array.append(values[flushed:14])
                buffer_of(array).retract(14 - max(kept, flushed))
            kept = max(kept, flushed)
            assert len(array) == kept
            array.append(values[kept:])
            np.testing.assert_array_equal(array[:], values)
        with H5Backend(driver) as h5:
            h5.open_file(tmp_path / "file.h5", "r")
            np.testing.assert_array_equal(h5.read("/array"), values)

    def test_an_append_that_is_interrupted_was_not_taken(
        self, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = frames(20)
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 1)
            array = h5.create_earray("/", "array", "u2", (128, 128), chunks=(2, 128, 128))
            array.append(values[:5])
            make_room, calls = packing.Budget.make_room, []

            def interrupted(*arguments: Any) -> None:
                calls.append(arguments)
                if len(calls) == 4:
                    raise KeyboardInterrupt
                make_room(*arguments)

            with monkeypatch.context() as patch:
                patch.setattr(packing.Budget, "make_room", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    array.append(values[5:])
            assert len(array) == 5
            np.testing.assert_array_equal(array[:], values[:5])
            array.append(values[5:])
            np.testing.assert_array_equal(array[:], values)


@pytest.mark.parametrize("driver", LOCAL)
class TestBounds:
    def test_memory(self, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What waits is bounded, all arrays together; a chunk beyond the bound gets through."""
        monkeypatch.setattr(packing, "_LEAST_BYTES", 100_000)
        monkeypatch.setattr(packing, "_MOST_BYTES", 100_000)
        values = frames(50)
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 9)
            small = [h5.create_earray("/", f"a{n}", "u2", (128, 128)) for n in range(3)]
            large = h5.create_earray("/", "large", "u2", (4, 128, 128))
            budget = large.session.budget
            for index, frame in enumerate(values):
                small[index % 3].append(frame)
                assert budget.used <= 100_000
            large.append(values[:4])
            assert budget.used == values[:4].nbytes
            small[0].append(values[0])
            assert budget.used == values[0].nbytes
            h5.flush()
            assert budget.used == 0
            np.testing.assert_array_equal(small[1][:], values[1::3])

    def test_memory_of_the_process(self, driver: str, tmp_path: Path) -> None:
        values = frames(4, (1024, 1024))
        process = psutil.Process()
        with H5Backend(driver, _MANUAL) as h5:
            h5.open_file(tmp_path / "file.h5", "w")
            h5.define_compression("gzip", 1)
            array = h5.create_earray("/", "array", "u2", (1024, 1024))
            for _ in range(40):
                array.append(values[0])
            before = process.memory_info().rss
            for index in range(160):
                array.append(values[index % 4])
            # Of 320 MiB at most 64 wait, beside what they become and what the threads work in.
            assert process.memory_info().rss - before < 160 * 2**20
            assert len(array) == 200


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize("codec", ["gzip", "blosc", "blosc2"])
def test_noise_does_not_get_smaller(driver: str, codec: str, tmp_path: Path) -> None:
    """A filter that refuses is skipped; HDF5 reads it at once, also in this program."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 300, 300), np.uint8)
    with H5Backend(driver, _MANUAL) as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        h5.define_compression(codec)
        array = h5.create_earray("/", "array", "u1", (300, 300))
        for count, frame in enumerate(noise, 1):
            array.append(frame)
            np.testing.assert_array_equal(array[:], noise[:count])
            np.testing.assert_array_equal(array[count - 1], frame)
    with h5py.File(tmp_path / "file.h5") as file:
        np.testing.assert_array_equal(file["array"][:], noise)
        if codec == "blosc":
            assert file["array"].id.get_chunk_info(0).filter_mask


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_full_disk_loses_nothing(
    driver: str,
    before: int,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if another program takes the room between the question and the write."""
    values = np.random.default_rng(0).integers(0, 2**16, (17, 100, 200), np.uint16)
    ballast = Ballast(small_disk)
    with H5Backend(driver, _MANUAL) as h5:
        h5.open_file(small_disk / "file.h5", "w")
        h5.define_compression("gzip", 1)
        array = h5.create_earray("/", "array", "u2", (100, 200))
        for frame in values[:before]:
            array.append(frame)
        h5.flush()
        monkeypatch.setattr(array.session, "require_room", lambda *arguments: None)
        ballast.fill(leave=before * 100_000)
        taken = before
        for frame in values[before:]:
            try:
                array.append(frame)
            except StorageError:
                break
            taken += 1
        for _ in range(3):  # each try must find HDF5 as if it were the first
            with pytest.raises(StorageError):
                h5.flush()
        assert len(array) == taken
        monkeypatch.undo()
        ballast.drop()
        np.testing.assert_array_equal(array[:taken], values[:taken])


WRITER = """
import os, sys
import numpy as np
from h5backends import FlushPolicy, H5Backend
path, driver, codec, mode = sys.argv[1:]
frame = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128) % 251
h5 = H5Backend(driver, FlushPolicy(seconds=None))
h5.open_file(path, "w", swmr_mode=mode == "swmr")
h5.define_compression(codec)
array = h5.create_earray("/", "array", "u2", (128, 128))
if mode == "swmr":
    h5.enable_swmr()
print("ready", flush=True)
for number in range(2_000):
    array.append(frame + np.uint16(number))
    if number % 20 == 19:
        h5.flush()
        print(number + 1, flush=True)
    if mode == "exit" and number == 70:
        break
else:
    sys.stdin.read()
"""


def writer(path: Path, driver: str, codec: str, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), driver, codec, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def check_frames(values: np.ndarray) -> None:
    frame = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128) % 251
    numbers = np.arange(len(values), dtype=np.uint16)
    np.testing.assert_array_equal(values, frame + numbers[:, None, None])


class TestOtherProcesses:
    @pytest.mark.parametrize("codec", ["gzip", "zstd", "bitshuffle", "blosc2"])
    def test_a_reader_follows_and_the_writer_is_killed(self, codec: str, tmp_path: Path) -> None:
        path = tmp_path / "file.h5"
        process = writer(path, "h5py", codec, "swmr")
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            with h5py.File(path, "r", libver="latest", swmr=True) as file:
                array, seen = file["array"], 0
                for line in process.stdout:
                    flushed = int(line)
                    array.refresh()
                    assert len(array) >= flushed
                    check_frames(array[max(0, seen - 1) :] - np.uint16(max(0, seen - 1)))
                    seen = len(array)
                    if flushed >= 200:
                        break
        finally:
            process.kill()
            rest = process.communicate()[0].split("\n")
        flushed = max([flushed, *(int(line) for line in rest[:-1] if line)])
        with H5Backend("h5py") as h5:
            h5.open_file(path, "r")
            values = h5.read("/array")
        assert len(values) >= flushed
        check_frames(values)

    @pytest.mark.parametrize("driver", LOCAL)
    @pytest.mark.parametrize("wait_for", [60, 140, 220])
    def test_killed_without_swmr(self, driver: str, wait_for: int, tmp_path: Path) -> None:
        path = tmp_path / "file.h5"
        process = writer(path, driver, "gzip", "plain")
        assert process.stdout is not None
        flushed = 0
        try:
            assert process.stdout.readline() == "ready\n"
            while flushed < wait_for:
                flushed = int(process.stdout.readline())
        finally:
            process.kill()
            rest = process.communicate()[0].split("\n")
        flushed = max([flushed, *(int(line) for line in rest[:-1] if line)])
        subprocess.run([sys.executable, "-m", "h5backends", "repair", str(path)], check=True)
        with H5Backend(driver) as h5:
            h5.open_file(path, "r")
            values = h5.read("/array")
        assert len(values) >= flushed
        check_frames(values)

    @pytest.mark.parametrize("driver", LOCAL)
    def test_a_program_that_ends_without_closing(self, driver: str, tmp_path: Path) -> None:
        """The threads are gone by then; what waits is packed without them."""
        process = writer(tmp_path / "file.h5", driver, "gzip", "exit")
        process.communicate()
        assert process.returncode == 0
        with h5py.File(tmp_path / "file.h5") as file:
            assert len(file["array"]) == 71
            check_frames(file["array"][:])

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_fork_in_the_middle(self, tmp_path: Path) -> None:
        script = """
import os, sys
import numpy as np
from h5backends import FlushPolicy, H5Backend
values = np.random.default_rng(0).poisson(9, (60, 256, 256)).astype(np.uint16)
h5 = H5Backend("h5py", FlushPolicy(seconds=None))
h5.open_file(sys.argv[1], "w")
h5.define_compression("zstd", 9)
array = h5.create_earray("/", "array", "u2", (256, 256))
children = []
for number, frame in enumerate(values):
    array.append(frame)
    if number % 12 == 5:
        pid = os.fork()
        if not pid:
            own = H5Backend("h5py", FlushPolicy(seconds=None))
            own.open_file(sys.argv[1] + str(number), "w")
            own.define_compression("zstd", 9)
            own.create_earray("/", "array", "u2", (256, 256)).append(values)
            own.close_file()
            os._exit(0)
        children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
assert (array[:] == values).all()
h5.close_file()
"""
        path = tmp_path / "file.h5"
        done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
        assert done.returncode == 0
        values = np.random.default_rng(0).poisson(9, (60, 256, 256)).astype(np.uint16)
        for name in ("file.h5", "file.h55", "file.h553"):
            with h5py.File(tmp_path / name) as file:
                np.testing.assert_array_equal(file["array"][:], values)


WITHOUT = """
import sys
for name in ("hdf5plugin", "isal", "zlib_ng", "zstandard"):
    sys.modules[name] = None  # as if it were not installed
import numpy as np
from h5backends import H5Backend
h5 = H5Backend("tables")
h5.open_file(sys.argv[1], "w")
for codec in ("gzip", "blosc", "blosc2"):
    h5.define_compression(codec)
    h5.create_earray("/", codec, "u2", (128, 128)).append(np.load(sys.argv[2]))
h5.close_file()
"""


def test_without_the_packages_hdf5_does_the_work(tmp_path: Path) -> None:
    values = frames(10)
    np.save(tmp_path / "values.npy", values)
    arguments = [str(tmp_path / "file.h5"), str(tmp_path / "values.npy")]
    subprocess.run([sys.executable, "-c", WITHOUT, *arguments], check=True)
    assert hdf5plugin.FILTERS
    with h5py.File(tmp_path / "file.h5") as file:
        for codec in ("gzip", "blosc", "blosc2"):
            np.testing.assert_array_equal(file[codec][:], values)


@pytest.mark.parametrize("driver", LOCAL)
def test_threads_that_cannot_be_started(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is filtered twice, nothing waits for ever, and they are not asked for each time."""
    values, asked, start = frames(20), [], threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("h5backends-filter"):
            asked.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(workers, "_pools", {})
    monkeypatch.setattr(workers, "_again", {})
    monkeypatch.setattr(threading.Thread, "start", refuse)
    packed = []
    pack = Pipeline.pack
    monkeypatch.setattr(Pipeline, "pack", lambda *a: packed.append(a[1]) or pack(*a))
    with H5Backend(driver, _MANUAL) as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        h5.define_compression("gzip", 1)
        array = h5.create_earray("/", "array", "u2", values.shape[1:])
        for frame in values:
            array.append(frame)
        np.testing.assert_array_equal(array[:], values)
    assert len(packed) == len(values)
    assert 1 <= len(asked) <= 2  # to write with, and to read with
