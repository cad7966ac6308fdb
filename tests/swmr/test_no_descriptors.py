"""A program without file descriptors concludes nothing about a file from that."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import FlushPolicy, H5Backend, open_h5_file_for_reading
from h5backends.errors import FileBusyError, H5Error, StorageError
from h5backends.heartbeat import WriterState, read_heartbeat, writer_state
from h5backends.holders import writers
from h5backends.journal import read_journal
from h5backends.localfile import is_locked
from h5backends.swmr import check, repair
from tests.few_descriptors import exhausted
from tests.swmr.writers import Writer

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="this system has no limit on descriptors that a program can set"
)

FEW = range(5)
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["swmr", "plain"])
def test_a_living_writer_is_never_taken_for_dead(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, beat=0.2 if kind == "swmr" else None):
        before = path.read_bytes()
        intruder = H5Backend("h5py")  # loading a library takes descriptors too
        for leave in FEW:
            with exhausted(leave):
                try:
                    assert writer_state(path) is WriterState.WRITING
                except OSError as exc:
                    assert not isinstance(exc, H5Error)
                for mode in ("a", "w"):
                    with pytest.raises((FileBusyError, StorageError)):
                        intruder.open_file(path, mode)
                with pytest.raises(H5Error):
                    repair(path)
                try:
                    assert check(path).writer is WriterState.WRITING
                    open_h5_file_for_reading(path)[0].close()
                except (StorageError, FileBusyError):
                    pass
        assert path.read_bytes() == before


def test_a_journal_is_not_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    arguments = ["h5py", str(path), "1", "dies", "0", "5"]
    command = [sys.executable, "-m", "tests.torture.journal_writer", *arguments]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd=_ROOT)
    whole = read_journal(path)
    assert whole is not None
    for leave in FEW:
        with exhausted(leave):
            try:
                assert read_journal(path) == whole
            except OSError:
                assert leave < 2


def test_who_holds_a_file_is_told_or_not(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "plain") as writer:
        for leave in FEW:
            with exhausted(leave):
                try:
                    assert [holder.pid for holder in writers(path)] == [writer.pid]
                    assert is_locked(str(path))
                except OSError:
                    assert leave < 3


@pytest.mark.parametrize("leave", FEW)
def test_a_writer_that_had_none_for_a_while(tmp_path: Path, leave: int) -> None:
    """Readers know it for what it is, once it can give a sign again, and when it is through."""
    path = tmp_path / "f.h5"
    h5 = H5Backend("h5py", FlushPolicy(seconds=None))
    h5.open_file(path, "w", swmr_mode=True)
    array: Any = h5.create_earray("/", "array", "f8")
    with exhausted(leave):
        h5.enable_swmr()
        array.append(np.arange(100.0))
        h5.flush()
    h5.session._heartbeat._next = float("-inf")  # type: ignore[union-attr] - as after a second
    h5.session.beat()
    beat = read_heartbeat(path)
    assert beat is not None
    assert beat.is_alive_here
    assert writer_state(path) is WriterState.WRITING
    with exhausted(leave):
        h5.close_file()
    assert writer_state(path) is WriterState.FINISHED
    with open_h5_file_for_reading(path)[0] as file:
        np.testing.assert_array_equal(file["array"][:], np.arange(100.0))


def test_a_driver_that_cannot_be_loaded_now_can_be_later(tmp_path: Path) -> None:
    code = """
    import sys
    from h5backends import H5Backend
    from h5backends.errors import H5Error
    from tests.few_descriptors import exhausted
    for leave in range(3):
        with exhausted(leave):
            try:
                H5Backend("tables")
            except H5Error:
                continue
    with H5Backend("tables") as h5:
        h5.open_file(sys.argv[1], "w")
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "f.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    assert done.returncode == 0, done.stderr
