"""The h5pyd driver and a server that dies: every row is there at the end, once and in order.

The service runs with its default settings, as it would elsewhere, and is killed without warning.
The oracle is h5pyd itself, after another kill: what it reads was really stored.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from h5backends import FlushPolicy, H5Backend
from h5backends.drivers.h5pyd_ import H5pydDriver
from h5backends.errors import NodeNotFoundError, RemoteError
from h5backends.types import ArraySpec, Filters, NodeKind, OpenOptions
from tests.hsds import HSDS, h5pyd, why_unavailable

pytestmark = [
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
    pytest.mark.filterwarnings("default::ResourceWarning"),  # h5pyd's, of the connections cut
]

EARRAY, CARRAY, VLARRAY = NodeKind.EARRAY, NodeKind.CARRAY, NodeKind.VLARRAY


@pytest.fixture(scope="module")
def hsds() -> Iterator[HSDS]:
    # Default settings, but for how long it tries to read a chunk that cannot be read.
    with HSDS(settings={"dn_max_retries": 2}) as service:
        yield service


@pytest.fixture
def domain(hsds: HSDS, request: pytest.FixtureRequest) -> str:
    if not hsds.running:
        hsds.start()  # a test that failed left it dead
    return f"{hsds.home}{abs(hash(request.node.nodeid)):x}.h5"


def opened(hsds: HSDS, domain: str, mode: Any = "a", **extra: Any) -> H5pydDriver:
    return H5pydDriver.open(domain, mode, OpenOptions(extra={**hsds.login, **extra}))


@contextlib.contextmanager
def stored(hsds: HSDS, domain: str) -> Iterator[Any]:
    """The file as the server has it on disk."""
    hsds.kill()
    hsds.start()
    with contextlib.closing(h5pyd.File(domain, "r", use_cache=False, **hsds.login)) as file:
        yield file


def array(
    driver: H5pydDriver, name: str, *row: int, kind: NodeKind = EARRAY, chunk: int = 100
) -> Any:
    spec = ArraySpec(kind, np.dtype("f8"), (0, *row), (chunk, *row))
    return driver.create_array(driver.root(), name, spec, None, {"CLASS": kind.value})


def numbers(start: int, stop: int, *row: int) -> Any:
    return np.arange(start + 1.0, stop + 1).reshape(-1, *[1] * len(row)) + np.zeros(row)


# -- the premise ------------------------------------------------------------------------------
def test_the_server_forgets_what_does_not_rest(hsds: HSDS, domain: str) -> None:
    """Should this fail one day, HSDS has become better and the retention can become simpler."""
    with contextlib.closing(h5pyd.File(domain, "w", use_cache=False, **hsds.login)) as file:
        rows = file.create_dataset(
            "rows", shape=(0,), maxshape=(None,), dtype="f8", chunks=(1000,)
        )
        file.flush()
        for n in range(16):
            rows.resize((n + 1,))
            rows[n] = n + 1
            if n == 8:
                thread = threading.Thread(target=file.flush)
                thread.start()  # "Tells the service to complete any pending updates"
            time.sleep(0.25)
        thread.join()
    with stored(hsds, domain) as file:
        assert file["rows"].shape == (0,)


# -- recording through it ---------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_recording_goes_on_through_kills(hsds: HSDS, domain: str, seed: int) -> None:
    generator = random.Random(seed)
    driver = opened(hsds, domain, "w")
    rows, frames = array(driver, "rows"), array(driver, "frames", 20, 30, chunk=1)
    ragged = array(driver, "ragged", kind=VLARRAY)
    to_rows, to_frames = driver.appender(rows), driver.appender(frames)
    done = threading.Event()
    kills = [generator.uniform(0.05, 2.5) for _ in range(2)]
    killer = threading.Thread(target=_kill_and_start, args=(hsds, kills, generator, done))
    killer.start()
    total = step = 0
    try:
        while not done.is_set():
            count = generator.choice((1, 5, 250))
            with driver.lock:
                to_rows.append(total, numbers(total, total + count))
                to_frames.append(step, numbers(step, step + 1, 20, 30))
                driver.append_ragged(ragged, list(numbers(total, total + count, 1)))
                driver.write_attr(rows, "step", np.int64(step))
                if step % 10 == 0:
                    driver.create_group(driver.root(), f"g{step}", {"made": str(step)})
                total, step = total + count, step + 1
            time.sleep(generator.choice((0.0, 0.01, 0.1)))
    finally:
        killer.join()
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, total))
        assert np.array_equal(file["frames"][:], numbers(0, step, 20, 30))
        assert [float(row[0]) for row in file["ragged"][:]] == list(numbers(0, total))
        assert file["rows"].attrs["step"] == step - 1
        groups = [name for name in file if name.startswith("g")]
        assert len(groups) == -(-step // 10)
        assert all(file[name].attrs["made"] == name[1:] for name in groups)


def _kill_and_start(
    hsds: HSDS, delays: list[float], generator: random.Random, done: threading.Event
) -> None:
    try:
        for delay in delays:
            time.sleep(delay)
            hsds.kill()
            time.sleep(generator.choice((0.0, 0.3)))
            hsds.start()
        time.sleep(1.0)
    finally:
        done.set()


@pytest.mark.parametrize("end", ["kill", "shut_down"])
def test_down_and_up_between_two_appends(hsds: HSDS, domain: str, end: str) -> None:
    # No request fails, and an orderly end forgets as much as a sudden one.
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 250))
    getattr(hsds, end)()
    hsds.start()
    appender.append(250, numbers(250, 253))
    with contextlib.closing(opened(hsds, domain, "r")) as reader:
        found = reader.read(reader.get("/rows"), (slice(0, 253, 1),))
        assert np.array_equal(found, numbers(0, 253))
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 253))


def test_killed_while_nobody_appends(hsds: HSDS, domain: str) -> None:
    # The background notices, without any call.
    driver = opened(hsds, domain, "w")
    driver.appender(array(driver, "rows")).append(0, numbers(0, 250))
    hsds.kill()
    hsds.start()
    deadline = time.monotonic() + 20
    while driver._session.kept.pending and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not driver._session.kept.pending
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 250))
    driver.close()


def test_structure_and_attributes(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    root = driver.root()
    driver.create_group(root, "removed", {})
    driver.create_group(root, "replaced", {"which": "old"})
    driver.write_attrs(root, {"kept": "old", "gone": "x"})
    driver.fsync()
    group = driver.create_group(root, "group", {"TITLE": "naïve"})
    inner = driver.create_group(group, "inner", {})
    data = np.random.default_rng(0).random((300, 40))
    spec = ArraySpec(CARRAY, data.dtype, data.shape, (100, 40), Filters("gzip", 1))
    driver.create_array(inner, "data", spec, data, {"units": "V"})
    driver.move(inner, root, "moved")
    driver.remove(driver.get("/removed"))
    driver.remove(driver.get("/replaced"))
    driver.create_group(root, "replaced", {"which": "new"})
    driver.write_attr(root, "kept", "new")
    driver.delete_attr(root, "gone")
    driver.write(
        driver.get("/moved/data"), (slice(1, 300, 2), slice(0, 40, 3)), np.zeros((150, 14))
    )
    data[1::2, ::3] = 0
    hsds.kill()
    hsds.start()
    driver.flush()
    assert driver.child_names(root) == ["group", "moved", "replaced"]
    driver.close()
    with stored(hsds, domain) as file:
        assert sorted(file) == ["group", "moved", "replaced"]
        assert list(file["group"]) == []
        assert dict(file["group"].attrs) == {"TITLE": "naïve"}
        assert dict(file["replaced"].attrs) == {"which": "new"}
        assert dict(file.attrs) == {"kept": "new"}
        assert np.array_equal(file["moved/data"][...], data)
        assert dict(file["moved/data"].attrs) == {"units": "V"}


def test_objects_that_were_not_even_stored(hsds: HSDS, domain: str) -> None:
    # HSDS stores new groups and datasets at once; another kind of store might lose them.
    driver = opened(hsds, domain, "w")
    group = driver.create_group(driver.root(), "group", {"TITLE": "x"})
    rows = array(driver, "rows")
    driver.appender(rows).append(0, numbers(0, 250))
    driver.move(rows, group, "moved")
    hsds.kill()
    for stored_object in (driver.identity(group), driver.identity(rows)):
        hsds.lose(stored_object)
    hsds.start()
    driver.appender(rows).append(250, numbers(250, 260))
    driver.close()
    with stored(hsds, domain) as file:
        assert dict(file["group"].attrs) == {"TITLE": "x"}
        assert np.array_equal(file["group/moved"][:], numbers(0, 260))


def test_an_array_made_shorter(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 950))
    driver.fsync()
    appender.append(950, numbers(950, 1000))
    driver.write(rows, (slice(940, 960, 1),), np.zeros(20))
    driver.resize(rows, 555)
    appender.append(555, -numbers(555, 600))
    hsds.kill()
    hsds.start()
    appender.append(600, -numbers(600, 601))
    driver.close()
    with stored(hsds, domain) as file:
        wanted = np.concatenate([numbers(0, 555), -numbers(555, 601)])
        assert np.array_equal(file["rows"][:], wanted)


# -- what was let go is stored ----------------------------------------------------------------
def test_memory_is_given_back_and_what_was_let_go_is_stored(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows", chunk=1000)
    appender = driver.appender(rows)
    total, most = 0, 0
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline:  # never a second of rest
        appender.append(total, numbers(total, total + 400))
        total += 400
        with driver.lock:
            most = max(most, driver._session.kept.kept_bytes)
        time.sleep(0.02)
    with driver.lock:
        kept = driver._session.kept._arrays[driver.identity(rows)]
        first_kept = min(part.start for part in kept.rows)
        driver.abandon()  # as if this program had died
    assert first_kept > total / 4
    assert most < 0.8 * 8 * total
    hsds.kill()
    hsds.start()
    with contextlib.closing(h5pyd.File(domain, "r+", use_cache=False, **hsds.login)) as file:
        assert file["rows"].shape[0] < total  # the length never rested
        file["rows"].resize((total,))
        assert np.array_equal(file["rows"][:first_kept], numbers(0, first_kept))


def test_bounded_memory(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w", keep_bytes=1_000_000)
    rows = array(driver, "rows", 1000, chunk=10)
    appender = driver.appender(rows)
    for n in range(0, 400, 40):  # 320 kB each, 3.2 MB
        appender.append(n, numbers(n, n + 40, 1000))
        assert driver._session.kept.kept_bytes <= 1_000_000
    driver._session.kept._end.set()  # no help from the background
    hsds.kill()
    hsds.start()
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 400, 1000))


def test_fsync_is_durable_for_all_that_was_written(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    driver.appender(rows).append(0, numbers(0, 250))
    driver.write_attr(rows, "a", "b")
    driver.fsync()
    driver.abandon()  # as if this program had died
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 250))
        assert file["rows"].attrs["a"] == "b"


def test_nothing_written_nothing_to_wait_for(hsds: HSDS, domain: str) -> None:
    opened(hsds, domain, "w").close()
    start = time.monotonic()
    opened(hsds, domain, "a").close()
    assert time.monotonic() - start < 0.5


def test_no_thread_is_left(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    driver.appender(array(driver, "rows")).append(0, numbers(0, 5))
    assert any(thread.name == "HSDS storage" for thread in threading.enumerate())
    driver.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(thread.name == "HSDS storage" for thread in threading.enumerate()):
            return
        time.sleep(0.05)
    pytest.fail("the thread still runs")


# -- chunks that were being written when the server died --------------------------------------
@pytest.mark.parametrize("kind", [EARRAY, VLARRAY])
def test_a_damaged_chunk_is_made_anew(hsds: HSDS, domain: str, kind: NodeKind) -> None:
    # Also the rows that were stored long ago, by a session before this one.
    def append(driver: H5pydDriver, start: int, stop: int) -> None:
        rows = driver.get("/rows")
        if kind is VLARRAY:
            driver.append_ragged(rows, list(numbers(start, stop, 1)))
        else:
            driver.appender(rows).append(start, numbers(start, stop))

    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows", kind=kind)
    append(driver, 0, 230)
    driver.close()
    driver = opened(hsds, domain, "a")
    append(driver, 230, 250)
    driver.fsync()
    append(driver, 250, 270)
    time.sleep(2.5)  # the background lets go of what it may
    append(driver, 270, 280)
    hsds.kill()
    hsds.damage(driver.identity(rows), "2")
    hsds.start()
    append(driver, 280, 330)
    driver.close()
    with stored(hsds, domain) as file:
        found = np.array([np.ravel(row)[0] for row in file["rows"][:]])
        assert np.array_equal(found, numbers(0, 330))


def test_a_chunk_is_kept_while_its_last_rows_are_not_stored(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 250))
    driver.fsync()
    appender.append(250, numbers(250, 252))
    waiting = threading.Thread(target=driver._session.kept.tend)
    waiting.start()
    total = 252
    while waiting.is_alive():  # on past the end of the chunk while the server is waited for
        appender.append(total, numbers(total, total + 2))
        total += 2
    assert total > 300
    hsds.kill()
    hsds.damage(driver.identity(rows), "2")
    hsds.start()
    appender.append(total, numbers(total, total + 5))
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, total + 5))


def test_a_damaged_chunk_of_frames_is_reported(hsds: HSDS, domain: str) -> None:
    # HSDS has no request that would remove it; once somebody has, nothing is missing.
    driver = opened(hsds, domain, "w")
    frames = array(driver, "frames", 20, 30, chunk=1)
    appender = driver.appender(frames)
    appender.append(0, numbers(0, 5, 20, 30))
    driver.fsync()
    appender.append(5, numbers(5, 8, 20, 30))
    driver._session.kept._end.set()
    hsds.kill()
    path = hsds.damage(driver.identity(frames), "6_0_0")
    hsds.start()
    for _ in range(2):
        with pytest.raises(RemoteError, match=r"rows 5 to 7 of /frames \(a chunk.*damaged"):
            appender.append(8, numbers(8, 9, 20, 30))
    path.unlink()
    appender.append(8, numbers(8, 9, 20, 30))
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["frames"][:], numbers(0, 9, 20, 30))


def test_values_written_over_rows_that_are_still_kept(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    driver.appender(rows).append(0, numbers(0, 250))
    driver.write(rows, (slice(150, 230, 1),), np.zeros(80))
    driver.fsync()  # the rows of the last chunk stay in memory, and what was written over them
    driver.appender(rows).append(250, numbers(250, 251))
    hsds.kill()
    hsds.start()
    driver.close()
    wanted = numbers(0, 251)
    wanted[150:230] = 0
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], wanted)


# -- when it cannot be helped -----------------------------------------------------------------
def test_a_server_that_stays_away(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w", timeout=1.0)
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 250))
    hsds.kill()
    start = time.monotonic()
    with pytest.raises(RemoteError, match=r"does not answer.*Start the server") as info:
        appender.append(250, numbers(250, 300))
    assert info.value.node == "/rows"
    assert 1.0 < time.monotonic() - start < 4
    start = time.monotonic()
    for call in (
        lambda: appender.append(250, numbers(250, 300)),
        lambda: driver.read(rows, (slice(0, 250, 1),)),
        driver.flush,
        driver.fsync,
    ):
        with pytest.raises(RemoteError):
            call()
    assert time.monotonic() - start < 1  # patience is over until it is back
    with pytest.raises(RemoteError, match=r"cannot be closed.*rows 0 to 249 of /rows"):
        driver.close()
    assert driver.is_open
    hsds.start()
    appender.append(250, numbers(250, 300))
    driver.close()
    assert not driver.is_open
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 300))


def test_many_files_on_a_server_that_stays_away(hsds: HSDS, domain: str) -> None:
    """It is waited for once: a program with many files must be able to end."""
    folder = domain.removesuffix(".h5")
    drivers = [opened(hsds, f"{folder}-{n}.h5", "w", timeout=2.0) for n in range(3)]
    for driver in drivers:
        driver.appender(array(driver, "rows")).append(0, numbers(0, 250))
        driver._session.kept._end.set()  # the background would be the first to wait
    hsds.kill()
    took = []
    for driver in drivers:
        start = time.monotonic()
        with pytest.raises(RemoteError, match="does not answer"):
            driver.close()
        took.append(time.monotonic() - start)
    assert took[0] > 2
    assert max(took[1:]) < 1
    hsds.start()
    for driver in drivers:  # nothing is lost, and a second absence is waited for again
        driver.close()
    again = [opened(hsds, f"{folder}-{n}.h5", "a", timeout=2.0) for n in range(2)]
    hsds.kill()
    for driver in again:
        start = time.monotonic()
        with pytest.raises(RemoteError):
            driver.write_attr(driver.root(), "a", "b")
        took.append(time.monotonic() - start)
        driver.abandon()
    assert took[-2] > 2
    assert took[-1] < 1
    with stored(hsds, f"{folder}-2.h5") as file:
        assert np.array_equal(file["rows"][:], numbers(0, 250))


def test_rows_of_any_length_of_which_the_server_took_some(hsds: HSDS, domain: str) -> None:
    """They go to it in several requests: those that arrived are not sent once more as others."""
    count = 12
    with H5Backend("h5pyd", FlushPolicy(seconds=None)) as h5:
        h5.open_file(domain, "w", timeout=1.0, **hsds.login)
        array = h5.create_vlarray("/", "rows", "f8")
        for number in range(count):
            array.append(np.full(100_000, float(number)))
        driver = h5.session.driver
        there = driver.get("/rows")

        def kill_in_the_middle() -> None:
            deadline = time.monotonic() + 60
            while not driver.shape(there)[0] and time.monotonic() < deadline:
                time.sleep(0.001)
            hsds.kill()

        killer = threading.Thread(target=kill_in_the_middle)
        killer.start()
        with pytest.raises(RemoteError):
            h5.flush()
        killer.join()
        assert 0 < driver.shape(there)[0] < count
        hsds.start()
        h5.flush()
        assert len(array) == count
    with stored(hsds, domain) as file:
        assert [float(row[0]) for row in file["rows"][:]] == list(range(count))


def test_closing_again_when_the_server_is_back(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w", timeout=0.2)
    driver.appender(array(driver, "rows")).append(0, numbers(0, 250))
    hsds.kill()
    with pytest.raises(RemoteError):
        driver.close()
    hsds.start()
    driver.close()
    with stored(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], numbers(0, 250))


def test_a_file_that_is_gone_is_reported_with_its_rows(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 250))
    driver._session.kept._end.set()  # the background would report it to the log first
    hsds.kill()
    hsds.start()
    opened(hsds, domain, "w").close()  # someone replaces the file meanwhile
    with pytest.raises(RemoteError, match=r"not stored: .*rows 0 to 249 of /rows"):
        appender.append(250, numbers(250, 251))
    with pytest.raises(RemoteError, match="rows 0 to 249 of /rows"):
        driver.close()
    driver.abandon()


def test_an_array_that_someone_removed(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    rows = array(driver, "rows")
    appender = driver.appender(rows)
    appender.append(0, numbers(0, 5))
    driver.native.DELETE(f"/datasets/{driver.identity(rows)}")
    with pytest.raises(NodeNotFoundError, match="/rows"):
        appender.append(5, numbers(5, 6))
    with pytest.raises(RemoteError, match=r"removed this array.*/rows"):
        driver.close()
    driver.close()  # said once


_OTHERS = r"another program appends|does not have the length"


def _end_with_an_append(driver: H5pydDriver, rows: Any) -> None:
    driver.fsync()
    driver.appender(rows).append(15, numbers(15, 16))


def test_two_programs_that_append_without_looking(hsds: HSDS, domain: str) -> None:
    first = opened(hsds, domain, "w")
    rows = array(first, "rows")
    with contextlib.closing(opened(hsds, domain, "r+")) as second:
        theirs = second.appender(second.get("/rows"))
        for n in range(3):
            first.appender(rows).append(5 * n, numbers(5 * n, 5 * n + 5))
            with contextlib.suppress(RemoteError):
                theirs.append(5 * n, -numbers(5 * n, 5 * n + 5))
        # The background may have noticed first; then the next append tells it.
        with pytest.raises(RemoteError, match=_OTHERS):
            _end_with_an_append(second, second.get("/rows"))
    with pytest.raises(RemoteError, match=_OTHERS):
        _end_with_an_append(first, rows)
    first.close()
    with stored(hsds, domain) as file:  # nothing was written over, nothing is missing
        found = list(file["rows"][:])
        assert sorted(found) == sorted([*numbers(0, 15), *-numbers(0, 15)])


# -- rows that several programs take ------------------------------------------------------------
def test_reserved_rows_are_given_again(hsds: HSDS, domain: str) -> None:
    """Two programs write rows of their own; the server forgets, and is told again by both."""
    with contextlib.closing(opened(hsds, domain, "w")) as first:
        array(first, "rows")
        first.fsync()
        with contextlib.closing(opened(hsds, domain, "r+")) as second:
            taken = {}
            for driver, count in ((first, 30), (second, 40), (first, 50)):
                start = driver.reserve(driver.get("/rows"), count)
                box = (slice(start, start + count, 1),)
                driver.write(driver.get("/rows"), box, numbers(start, start + count))
                taken[start] = count
            assert taken == {0: 30, 30: 40, 70: 50}
            hsds.kill()
            hsds.start()
            start = first.reserve(first.get("/rows"), 10)  # nobody else's, also now
            assert start >= 120
            box = (slice(start, start + 10, 1),)
            first.write(first.get("/rows"), box, numbers(start, start + 10))
            second.fsync()
        first.fsync()
    with stored(hsds, domain) as file:
        values = file["rows"][:]
        assert np.array_equal(values[:120], numbers(0, 120))
        assert np.array_equal(values[start : start + 10], numbers(start, start + 10))
