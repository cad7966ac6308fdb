"""The sign of life: written, read, missed, forged, and judged from afar."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from h5backends import heartbeat
from h5backends.heartbeat import (
    Beat,
    Heartbeat,
    WriterState,
    WriterWatch,
    read_heartbeat,
    sidecar,
    writer_state,
)
from tests.swmr.writers import Writer, crashed, small_file, until

BEAT = 0.1
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot pause or fork")


def here(path: Path) -> Beat:
    """Return a beat of this very process."""
    heart = Heartbeat(path, BEAT)
    heart.start()
    beat = read_heartbeat(path)
    heart.stop()
    assert beat is not None
    return beat


def put(path: Path, beat: Beat) -> None:
    sidecar(path).write_text(json.dumps(asdict(beat)))


class Elsewhere:
    """A writer on another machine, as it is seen through a shared folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Its clocks are wrong by years; nothing may depend on them.
        self.beat = replace(
            here(path), place="another machine", host="lab-pc", time=0.0, tick=1e9, pid=1
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        until(lambda: read_heartbeat(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self.stall()

    def stall(self) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            self.beat = replace(self.beat, beat=self.beat.beat + 1)
            put(self.path, self.beat)
            self._over.wait(BEAT / 2)


# -- writing ----------------------------------------------------------------------------------
def test_start_beat_stop(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    heart = Heartbeat(path, interval=0.05)
    assert read_heartbeat(path) is None
    heart.start()
    first = read_heartbeat(path)
    assert first is not None
    assert (first.pid, first.beat, first.interval) == (os.getpid(), 1, 0.05)
    assert first.is_here
    assert first.is_alive_here
    heart.beat()
    assert read_heartbeat(path) == first, "a beat before its time costs nothing"

    def next_beat() -> bool:
        heart.beat()
        found = read_heartbeat(path)
        return found is not None and found.beat > 1 and found.token == first.token

    until(next_beat)
    heart.stop()
    heart.stop()
    heart.beat()
    assert [item.name for item in tmp_path.iterdir()] == ["f.h5"]


def test_the_sign_stands_beside_the_real_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = small_file(folder / "f.h5")
    assert sidecar(path) == folder.resolve() / ".f.h5.writer"
    if sys.platform != "win32":
        link = tmp_path / "link.h5"
        link.symlink_to(path)
        assert sidecar(link) == sidecar(path)


def test_tidied_away_it_comes_back(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    heart = Heartbeat(path, interval=0.02)
    heart.start()
    sidecar(path).unlink()

    def back() -> Beat | None:
        heart.beat()
        return read_heartbeat(path)

    assert until(back).pid == os.getpid()
    heart.stop()


def test_where_it_cannot_be_written_the_writer_goes_on(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "no such folder" / "f.h5", interval=0.01)
    heart.start()
    heart.beat()
    heart.stop()
    assert read_heartbeat(heart.path) is None


def test_another_writers_sign_is_left_alone(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    first, second = Heartbeat(path), Heartbeat(path)
    first.start()
    second.start()
    first.stop()
    assert read_heartbeat(path) is not None
    second.stop()
    assert read_heartbeat(path) is None


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_copy_does_not_touch_the_sign(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    heart = Heartbeat(path, interval=0.001)
    heart.start()
    before = read_heartbeat(path)
    child = os.fork()
    if child == 0:
        try:
            time.sleep(0.01)
            heart.beat()
            heart.stop()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert read_heartbeat(path) == before
    heart.stop()


def test_a_reader_never_sees_half_a_sign(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    heart = Heartbeat(path, interval=0.0)
    heart.start()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            heart.beat()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        beats = [read_heartbeat(path) for _ in range(2000)]
    finally:
        over.set()
        thread.join()
    heart.stop()
    assert None not in beats
    numbers = [beat.beat for beat in beats if beat is not None]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10


# -- nonsense ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"pid": "1"},
        {"pid": 1.5},
        {"beat": None},
        {"interval": [1]},
        {"token": 3},
        {"extra": 1},
        {"host": {}},
    ],
)
def test_signs_of_the_wrong_form(tmp_path: Path, change: dict[str, Any]) -> None:
    path = small_file(tmp_path / "f.h5")
    sidecar(path).write_text(json.dumps(asdict(here(path)) | change))
    assert read_heartbeat(path) is None
    assert writer_state(path) is WriterState.FINISHED


def test_signs_that_are_no_signs(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    whole = json.dumps(asdict(here(path))).encode()
    for text in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\0" * 1024,
        whole.replace(b"0.1", b"NaN"),
        b"[" * 4000,
    ):
        sidecar(path).write_bytes(text)
        assert read_heartbeat(path) is None
    for seed in range(100):
        chance = random.Random(seed)
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 5)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        sidecar(path).write_bytes(bytes(broken))
        assert isinstance(WriterWatch(path).state(), WriterState)


def test_an_absurd_interval_does_not_keep_anybody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    put(path, replace(here(path), interval=1e300))
    beat = read_heartbeat(path)
    assert beat is not None
    assert beat.interval <= 30
    put(path, replace(beat, interval=-1.0))
    assert read_heartbeat(path).interval > 0  # type: ignore[union-attr]


# -- judging ----------------------------------------------------------------------------------
def test_missing_and_finished_files(tmp_path: Path) -> None:
    assert writer_state(tmp_path / "none.h5") is WriterState.UNKNOWN
    path = small_file(tmp_path / "f.h5")
    assert writer_state(path) is WriterState.FINISHED
    (tmp_path / "text.h5").write_text("hello")
    assert writer_state(tmp_path / "text.h5") is WriterState.UNKNOWN


@pytest.mark.parametrize("kind", ["swmr", "plain", "tables"])
def test_a_writers_life(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, beat=BEAT) as writer:
        assert writer_state(path) is WriterState.WRITING
        beat = read_heartbeat(path)
        assert beat is not None
        assert beat.pid == writer.pid
        assert "child_writer.py" in str(beat)
        writer.close()
        assert writer_state(path) is WriterState.FINISHED
        assert read_heartbeat(path) is None
    with Writer(path, kind, beat=BEAT) as writer:
        writer.kill()
        assert writer_state(path) is WriterState.CRASHED
        assert read_heartbeat(path) is not None


@pytest.mark.parametrize("kind", ["swmr", "plain", "tables"])
def test_without_a_sign_the_system_tells(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind) as writer:
        assert writer_state(path) is WriterState.WRITING
        writer.kill()
        assert writer_state(path) is WriterState.CRASHED


@posix
def test_a_writer_that_is_stopped_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "swmr", beat=BEAT) as writer:
        watch = WriterWatch(path)
        assert watch.state() is WriterState.WRITING
        os.kill(writer.pid, signal.SIGSTOP)
        until(lambda: watch.state() is WriterState.STALLED)
        assert writer_state(path) is WriterState.STALLED
        os.kill(writer.pid, signal.SIGCONT)
        until(lambda: watch.state() is WriterState.WRITING)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files a process lost")
def test_a_writer_that_lives_on_without_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "swmr", beat=BEAT) as writer:
        assert writer.tell("drop") == "dropped"
        assert writer_state(path) is WriterState.WRITING
        assert writer.tell("quiet") == "quiet"
        until(lambda: writer_state(path) is WriterState.CRASHED)


def test_a_process_number_that_was_given_away_again(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "swmr")
    beat = here(path)
    put(path, beat)
    assert writer_state(path) is WriterState.WRITING
    put(path, replace(beat, start=beat.start - 100))
    assert writer_state(path) is WriterState.CRASHED


def test_a_writer_that_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    watch = WriterWatch(path)
    assert watch.state() is WriterState.UNKNOWN
    with Writer(path, "swmr", beat=BEAT) as writer:
        assert watch.state() is WriterState.WRITING
        writer.kill()
    assert watch.state() is WriterState.CRASHED
    with Writer(path, "swmr", beat=BEAT) as writer:
        assert watch.state() is WriterState.WRITING
        writer.close()
    assert watch.state() is WriterState.FINISHED


def test_a_file_that_is_being_created(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    heart = Heartbeat(path)
    heart.start()
    assert writer_state(path) is WriterState.WRITING
    path.touch()
    assert writer_state(path) is WriterState.WRITING
    heart.stop()
    assert writer_state(path) is WriterState.UNKNOWN


# -- over a shared folder ---------------------------------------------------------------------
@pytest.fixture(params=["swmr", "plain"])
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with a writer's mark; whether the writer lives depends on its sign."""
    path = tmp_path / "f.h5"
    crashed(path, request.param)
    return path


def test_a_writer_elsewhere_that_lives(left: Path) -> None:
    with Elsewhere(left):
        watch = WriterWatch(left)
        assert watch.state() is WriterState.UNKNOWN, "one look does not tell"
        until(lambda: watch.state() is WriterState.WRITING)
        assert writer_state(left) is WriterState.WRITING


def test_a_writer_elsewhere_that_falls_silent(left: Path) -> None:
    with Elsewhere(left) as elsewhere:
        watch = WriterWatch(left)
        until(lambda: watch.state() is WriterState.WRITING)
        elsewhere.stall()
        until(lambda: watch.state() is WriterState.STALLED)
        assert writer_state(left) is WriterState.STALLED
        until(lambda: watch.state() is WriterState.CRASHED)
        assert writer_state(left, patience=float("inf")) is WriterState.CRASHED


def test_a_writer_elsewhere_that_finished_without_taking_its_sign_away(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    put(path, replace(here(path), place="another machine"))
    assert writer_state(path) is WriterState.FINISHED


def test_a_mark_on_a_shared_folder_without_any_sign(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer_state(left) is WriterState.CRASHED
    monkeypatch.setattr(heartbeat, "network_file_system", lambda _: "nfs4")
    assert writer_state(left) is WriterState.UNKNOWN


@pytest.fixture(autouse=True)
def _nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    """No test leaves a thread of a writer elsewhere running."""
    before: Callable[[], int] = threading.active_count
    count = before()
    yield
    until(lambda: threading.active_count() <= count + 1)
