"""Finding out what a crash left, and mending it."""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tables

from h5backends import localfile
from h5backends.errors import (
    FileAccessError,
    FileBusyError,
    FileFormatError,
    FileMissingError,
    H5Error,
)
from h5backends.heartbeat import WriterState, read_heartbeat
from h5backends.superblock import FileState, file_state, patched, read_superblock
from h5backends.swmr import check, inspection, recovery, repair
from tests.swmr.child_writer import expected
from tests.swmr.writers import (
    ALL_KINDS,
    PLAIN_KINDS,
    SWMR_KINDS,
    Writer,
    assert_rows,
    crashed,
    digest,
    small_file,
    until,
)

V110 = ("v110", "v110")


# -- check ------------------------------------------------------------------------------------
def test_a_finished_file(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    before = digest(path)
    report = check(path)
    assert (report.state, report.writer) == (FileState.CLOSED, WriterState.FINISHED)
    assert report.exit_code == 0
    assert report.actions == report.problems == ()
    (array,) = report.arrays
    assert (array.path, array.shape, array.rows, array.error) == (
        "/group/array",
        (200, 4),
        200,
        None,
    )
    assert "/group/array" in str(report)
    assert repair(path) == report, "a finished file needs nothing"
    assert digest(path) == before


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_file_that_is_being_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind) as writer:
        report = check(path)
        assert report.writer is WriterState.WRITING
        assert report.exit_code == 3
        assert report.who is not None
        assert str(writer.pid) in report.who
        assert report.opened == kind.startswith("swmr"), "only SWMR lets others look inside"
        for dry_run in (True, False):
            before = digest(path)
            with pytest.raises(FileBusyError, match=str(writer.pid)):
                repair(path, dry_run=dry_run)
            assert digest(path) == before
        writer.tell("append")
        writer.close()
    assert check(path).exit_code == 0


@pytest.mark.parametrize(
    ("content", "state", "code"),
    [
        (b"", FileState.EMPTY, 4),
        (b"hello", FileState.NOT_HDF5, 4),
        (b"\x89HDF\r\n\x1a\n", FileState.DAMAGED, 2),
        (b"\x89HDF\r\n\x1a\n\3" + bytes(90), FileState.DAMAGED, 2),
    ],
)
def test_what_is_no_file_to_work_with(
    tmp_path: Path, content: bytes, state: FileState, code: int
) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(content)
    report = check(path)
    assert (report.state, report.exit_code) == (state, code)
    assert report.problems
    with pytest.raises(FileFormatError):
        repair(path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["f.h5"]


def test_missing_files_and_folders(tmp_path: Path) -> None:
    report = check(tmp_path / "none.h5")
    assert (report.state, report.exit_code) == (FileState.MISSING, 4)
    with pytest.raises(FileMissingError):
        repair(tmp_path / "none.h5")
    assert check(tmp_path).exit_code == 4
    with pytest.raises(FileFormatError, match="directory"):
        repair(tmp_path)


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5", libver=V110)
    os.truncate(path, path.stat().st_size - 1000)
    before = digest(path)
    report = check(path)
    assert (report.state, report.exit_code) == (FileState.TRUNCATED, 2)
    assert "1,000 bytes are missing" in str(report)
    assert report.opened, "what is left can be looked into"
    with pytest.raises(FileFormatError, match="missing"):
        repair(path)
    assert digest(path) == before


def test_what_is_left_of_a_file(tmp_path: Path) -> None:
    """Rows are counted up to the first that cannot be read, and the others are not held up."""
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver=V110) as file:
        file.create_dataset("bad", data=np.arange(1000.0), chunks=(100,), fletcher32=True)
        file["good"] = np.arange(10)
        at = file["bad"].id.get_chunk_info(7).byte_offset
        file["bad"].attrs["units"] = "V"
    content = bytearray(path.read_bytes())
    content[at + 5] ^= 1
    path.write_bytes(content)
    report = check(path)
    bad, good = report.arrays
    assert report.exit_code == 2
    assert bad.rows == 700
    assert bad.error is not None
    assert "700 rows" in str(report)
    assert (good.rows, good.error) == (10, None)


def test_what_cannot_be_decoded_here_is_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((10,))
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10,))
        plan.set_filter(300, h5py.h5z.FLAG_OPTIONAL)  # a number nobody has registered
        array = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plan)
        array.write_direct_chunk((0,), bytes(80))
        file["virtual"] = 1
    report = check(path)
    assert report.exit_code == 0
    assert report.arrays[1].note is not None
    assert "compression" in report.arrays[1].note


FAR = 10 << 36
"""Rows: where one byte of an index can move a chunk to."""


def in_old_format(path: Path, rows: int) -> None:
    """Make a file with an index of chunks that has no checksum; ten rows are a chunk."""
    with h5py.File(path, "w", libver="earliest") as file:
        array = file.create_dataset(
            "x", (20, 4), "f8", maxshape=(None, 4), chunks=(10, 4), fletcher32=True
        )
        array[:rows] = expected(0, rows)


def replace_in(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


def key_of_chunk(row: int) -> bytes:
    """Return how the old index tells of a chunk: size, mask, and where it begins."""
    return struct.pack("<IIQQQ", 10 * 4 * 8 + 4, 0, row, 0, 0)


@pytest.mark.parametrize(("moved", "rows"), [(0, 0), (10, 10)])
def test_a_chunk_that_the_index_has_elsewhere(tmp_path: Path, moved: int, rows: int) -> None:
    path = tmp_path / "f.h5"
    in_old_format(path, 20)
    replace_in(path, key_of_chunk(moved), key_of_chunk(moved + FAR))
    with h5py.File(path) as file:
        assert not file["x"][moved : moved + 10].any()  # HDF5 sees nothing wrong
    report = check(path)
    (array,) = report.arrays
    assert report.exit_code == 2
    assert array.rows == rows
    assert str((moved, 0)) in str(array.error)
    assert str(moved + FAR) in str(array.error)


def test_gaps_and_chunks_left_behind_are_no_damage(tmp_path: Path) -> None:
    gap, behind = tmp_path / "gap.h5", tmp_path / "behind.h5"
    in_old_format(gap, 10)
    in_old_format(behind, 20)
    extent = struct.pack("<QQQQ", 20, 4, 2**64 - 1, 4)
    replace_in(behind, extent, struct.pack("<QQQQ", 10, 4, 2**64 - 1, 4))
    with h5py.File(behind) as file:
        assert file["x"].shape == (10, 4)
        assert file["x"].id.get_num_chunks() == 2
    assert [check(path).exit_code for path in (gap, behind)] == [0, 0]


def test_data_in_other_files_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    small_file(tmp_path / "other.h5")
    with h5py.File(path, "w", libver=V110) as file:
        layout = h5py.VirtualLayout((200, 4), "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "group/array", (200, 4))
        file.create_virtual_dataset("virtual", layout)
        file["link"] = h5py.ExternalLink("other.h5", "/")
        file["loop"] = h5py.SoftLink("/")
        file["again"] = file["/"]
    report = check(path)
    assert [array.path for array in report.arrays] == ["/virtual"]
    assert report.arrays[0].note is not None
    assert report.exit_code == 0


def test_data_that_take_too_long_are_only_listed(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    report = check(path, seconds=0)
    assert report.exit_code == 0
    assert report.arrays[0].note is not None
    assert "out of time" in report.arrays[0].note


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as a program")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("""echo '{"at": "/deep/x"}'; kill -SEGV $$""", "/deep/x: the HDF5 library died"),
        ("exit 3", "its header: the HDF5 library died"),
        ('echo \'{"at": "/x"}\'; exec sleep 100', "/x: the HDF5 library hung"),
    ],
)
def test_a_file_that_kills_or_hangs_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    path = small_file(tmp_path / "f.h5")
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(inspection, "_GRACE", 0.5)
    started = time.monotonic()
    report = check(path, seconds=0)
    assert time.monotonic() - started < 20
    assert report.problems[0].startswith(words)
    assert report.exit_code == 2


def test_no_python_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_file(tmp_path / "f.h5")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "no Python" in check(path).problems[0]


def test_nothing_is_imported_from_where_the_data_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_file(tmp_path / "f.h5")
    (tmp_path / "h5py.py").write_text("raise SystemExit('imported from beside the data')")
    monkeypatch.chdir(tmp_path)
    assert check(path).exit_code == 0


@pytest.mark.parametrize("kind", ["closed", "swmr", "plain", "tables"])
@pytest.mark.parametrize("seed", range(12))
def test_bytes_flipped_anywhere(tmp_path: Path, kind: str, seed: int) -> None:
    """An answer in the end, whatever the file does to the library; the file stays as it is."""
    path = tmp_path / "f.h5"
    if kind == "closed":
        small_file(path)
    else:
        crashed(path, kind)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 20])):
        # Metadata stand in the front of these files.
        content[chance.randrange(min(len(content), 4000))] = chance.randrange(256)
    path.write_bytes(content)
    report = check(path, seconds=5)
    assert report.exit_code in {0, 1, 2, 4}
    assert str(report)
    assert path.read_bytes() == content


# -- repair -----------------------------------------------------------------------------------
@pytest.mark.parametrize("beat", [None, 0.5])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_crashed_file_is_mended(tmp_path: Path, kind: str, beat: float | None) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, beat=beat) as writer:
        rows = writer.kill()
    before = path.read_bytes()

    found = check(path)
    assert found.writer is WriterState.CRASHED
    assert found.exit_code == 1
    assert found.arrays[0].rows >= rows
    planned = repair(path, dry_run=True)
    assert planned == found
    assert not planned.done
    assert path.read_bytes() == before

    report = repair(path)
    assert report.done
    assert report.exit_code == 0
    assert report.actions == planned.actions
    assert file_state(path) is FileState.CLOSED
    assert read_heartbeat(path) is None
    localfile.check_before_open(str(path), "r+", "h5py")

    after = path.read_bytes()
    block = read_superblock(path)
    changed = {i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y}
    assert changed <= set(range(block.offset, block.offset + len(block.raw)))
    assert report.backup is not None
    backup = report.backup.read_bytes()
    assert before[block.offset : block.offset + len(backup)] == backup

    with h5py.File(path, "r") as file:
        assert_rows(file, rows)
    with tables.open_file(path, "r") as file:
        np.testing.assert_array_equal(file.root.group.array[:rows], expected(0, rows))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_mended_file_grows_on(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    rows = crashed(path, kind)
    repair(path)
    with h5py.File(path, "r+") as file:
        array = file["group/array"]
        have = array.shape[0]
        array.resize(have + 500, axis=0)
        array[have:] = expected(have, have + 500)
        file.create_group("later")["x"] = np.arange(1000)
    with h5py.File(path, "r") as file:
        assert_rows(file, rows)
        np.testing.assert_array_equal(file["group/array"][:], expected(0, have + 500))
        np.testing.assert_array_equal(file["later/x"][:], np.arange(1000))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["swmr", "plain", "tables"])
def test_killed_at_a_random_moment(tmp_path: Path, kind: str, seed: int) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind, "run") as writer:
        until(lambda: writer.rows >= min(50 * 3**seed, 4000))
        rows = writer.kill()
    report = repair(path)
    assert report.exit_code == 0, str(report)
    with h5py.File(path, "r") as file:
        assert_rows(file, rows)
        found, have = file["group/array"][:], file["group/array"].shape[0]
        if kind == "tables":
            # Raw PyTables may write the extent before rows that were not flushed: they are fill.
            found[rows:][found[rows:] == 0] = expected(0, have)[rows:][found[rows:] == 0]
        np.testing.assert_array_equal(found, expected(0, have))


def test_why_the_mark_alone_must_not_be_cleared(tmp_path: Path) -> None:
    """What other tools do, and that it is both refused and mended here."""
    path, naive = tmp_path / "f.h5", tmp_path / "naive.h5"
    rows = crashed(path, "swmr")
    block = read_superblock(path)
    with open(path, "r+b") as file:
        file.write(patched(block, end=block.end))
    naive.write_bytes(path.read_bytes())
    with h5py.File(naive, "r+"):
        pass
    assert naive.stat().st_size < path.stat().st_size, "rows were cut off"

    assert check(path).exit_code == 1
    assert repair(path).exit_code == 0
    with h5py.File(path, "r") as file:
        assert_rows(file, rows)


def test_room_that_was_claimed_but_never_written(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    rows = crashed(path, "plain")
    block = read_superblock(path)
    with open(path, "r+b") as file:
        file.write(patched(block, end=block.file_size + 777, flags=block.flags))
    report = repair(path)
    assert "777 bytes" in str(report)
    assert path.stat().st_size == block.file_size + 777
    with h5py.File(path, "r") as file:
        assert_rows(file, rows)


@pytest.mark.parametrize("what", ["checksum", "flags", "end"])
def test_a_damaged_header_is_mended(tmp_path: Path, what: str) -> None:
    path = small_file(tmp_path / "f.h5", libver=V110)
    place = {"checksum": 45, "flags": 11, "end": 33}[what]
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    report = check(path)
    assert (report.state, report.exit_code) == (FileState.DAMAGED, 1)
    assert repair(path).exit_code == 0
    with h5py.File(path, "r") as file:
        assert_rows(file, 200)


def test_flipped_bytes_in_the_header_are_mended_or_left(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "swmr")
    whole = path.read_bytes()
    mended = 0
    for seed in range(12):
        chance = random.Random(seed)
        content = bytearray(whole)
        content[chance.randrange(8, 48)] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            report = repair(path, backup=False)
        except H5Error:
            assert path.read_bytes() == content, "refused, and left as it was"
            continue
        assert report.done
        assert path.read_bytes()[48:] == whole[48:], "no byte behind the header changed"
        with h5py.File(path, "r") as file:
            assert_rows(file, 1000)
        mended += 1
    assert mended > 2


def test_the_header_is_put_back_if_it_did_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain")
    before = path.read_bytes()
    write = recovery._write_header

    def spoil(path: Path, block: object) -> None:
        write(path, block)  # type: ignore[arg-type]
        with open(path, "r+b") as file:
            file.seek(40)
            file.write(b"\xff\xff")

    monkeypatch.setattr(recovery, "_write_header", spoil)
    with pytest.raises(FileFormatError, match="put back"):
        repair(path)
    assert path.read_bytes() == before


def test_an_earlier_backup_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    backups = []
    for _ in range(3):
        crashed(path, "swmr")
        report = repair(path)
        assert report.backup is not None
        backups.append(report.backup.name)
    assert backups == [f"f.h5.superblock-backup{end}" for end in ("", "-2", "-3")]
    crashed(path, "swmr")
    assert repair(path, backup=False).backup is None
    assert len(os.listdir(tmp_path)) == 4


def test_work_for_after_the_repair(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "swmr")

    def note(path: Path) -> list[str]:
        with h5py.File(path, "r+") as file:
            file["group"].attrs["mended"] = True
        return ["left a note"]

    assert repair(path, dry_run=True, after_repair=[note]).actions
    report = repair(path, after_repair=[note])
    assert report.actions[-1] == "left a note"
    with h5py.File(path, "r") as file:
        assert file["group"].attrs["mended"]


# -- refusals ---------------------------------------------------------------------------------
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot pause a program")
def test_a_stalled_writer_lives(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, "swmr", beat=0.05) as writer:
        os.kill(writer.pid, signal.SIGSTOP)
        until(lambda: check(path).writer is WriterState.STALLED)
        with pytest.raises(FileBusyError):
            repair(path)
        os.kill(writer.pid, signal.SIGCONT)
        writer.close()


@pytest.mark.parametrize("kind", [*SWMR_KINDS, *PLAIN_KINDS[:2]])
def test_a_reader_may_stay(tmp_path: Path, kind: str) -> None:
    from h5backends import open_h5_file_for_reading

    path = tmp_path / "f.h5"
    rows = crashed(path, kind)
    file, _ = open_h5_file_for_reading(path)
    with file:
        assert repair(path).exit_code == 0
        assert_rows(file, rows)


@pytest.mark.skipif(sys.platform == "win32", reason="needs HDF5's locks")
def test_a_lock_from_a_program_that_cannot_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain")
    before = digest(path)
    import fcntl

    for module in (inspection, recovery):
        monkeypatch.setattr(module, "writers", lambda _: [])
    monkeypatch.setattr(recovery, "holders", lambda _: [])
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(FileBusyError):
            repair(path)
    assert digest(path) == before


def test_on_a_shared_folder_without_any_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells whether the writer lives: a file that changes is left alone."""
    import threading

    path = tmp_path / "f.h5"
    crashed(path, "plain")
    monkeypatch.setattr("h5backends.heartbeat.network_file_system", lambda _: "nfs4")
    monkeypatch.setattr("h5backends.heartbeat.writers", lambda _: [])
    for module in (inspection, recovery):
        monkeypatch.setattr(module, "writers", lambda _: [])
    over = threading.Event()

    def elsewhere() -> None:
        while not over.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    try:
        before = path.read_bytes()
        with pytest.raises(FileBusyError, match="changes"):
            repair(path)
        assert path.read_bytes() == before
    finally:
        over.set()
        thread.join()
    assert repair(path).exit_code == 0


def test_a_backup_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain")
    before = digest(path)
    folder = tmp_path / "no such folder"
    monkeypatch.setattr(Path, "with_name", lambda self, name: folder / name)
    with pytest.raises(FileMissingError):
        repair(path)
    assert digest(path) == before


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may do everything"
)
def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain")
    path.chmod(0o444)
    with pytest.raises(FileAccessError):
        repair(path)
