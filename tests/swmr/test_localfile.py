"""What is checked before a library touches a file, and what its errors are made into."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import psutil
import pytest
import tables

from h5backends import holders, local_errors, localfile
from h5backends.errors import (
    FileAccessError,
    FileBusyError,
    FileCrashedError,
    FileError,
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    ReadOnlyError,
    StorageError,
)
from h5backends.heartbeat import Heartbeat
from h5backends.local_errors import busy_error, os_error
from h5backends.localfile import check_before_open
from h5backends.superblock import patched, read_superblock
from h5backends.types import MODES, Mode
from tests.swmr.writers import ALL_KINDS, Writer, crashed, digest, small_file

WRITING: tuple[Mode, ...] = ("r+", "a", "w")
EXISTING: tuple[Mode, ...] = ("r", "r+", "a")


def check(path: Path, mode: Mode, swmr: bool = False) -> None:
    check_before_open(str(path), mode, "h5py", swmr)


def refusal(path: Path, mode: Mode, swmr: bool = False) -> H5Error:
    """Return the error, and make sure that asking left the file as it was."""
    before = digest(path) if path.is_file() else None
    with pytest.raises(H5Error) as caught:
        check(path, mode, swmr)
    assert before == (digest(path) if path.is_file() else None)
    assert caught.value.file == str(path)
    assert isinstance(caught.value, OSError)
    return caught.value


# -- what is there ----------------------------------------------------------------------------
def test_a_good_file_passes_without_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_file(tmp_path / "f.h5", libver=("v110", "v110"))

    def searched(*_: object) -> list[holders.Holder]:
        raise AssertionError("programs were searched although all is well")

    monkeypatch.setattr(local_errors, "writers", searched)
    monkeypatch.setattr(local_errors, "holders", searched)
    for mode in ("r", "r+", "a", "w"):
        check(path, mode)
    assert isinstance(refusal(path, "x"), FileOccupiedError)
    for mode in ("a", "w", "x"):
        check(tmp_path / "new.h5", mode)
    assert not (tmp_path / "new.h5").exists()


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_missing_file(tmp_path: Path, mode: Mode) -> None:
    error = refusal(tmp_path / "none.h5", mode)
    assert isinstance(error, FileMissingError)
    assert isinstance(error, FileNotFoundError)


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_folder_is_named(tmp_path: Path, mode: Mode) -> None:
    assert str(tmp_path / "no") in str(refusal(tmp_path / "no" / "f.h5", mode))
    file = tmp_path / "file"
    file.write_bytes(b"x")
    error = refusal(file / "f.h5", mode)
    assert isinstance(error, FileMissingError)
    assert "is not a folder" in str(error)


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_and_a_device_are_not_files(tmp_path: Path, mode: Mode) -> None:
    error = refusal(tmp_path, mode)
    assert isinstance(error, FileFormatError)
    assert "directory" in str(error)
    if os.path.exists("/dev/null"):
        assert isinstance(refusal(Path("/dev/null"), mode), FileFormatError)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["x" * 300, "nul\0l"])
def test_impossible_names(tmp_path: Path, name: str, mode: Mode) -> None:
    with pytest.raises(FileError) as caught:
        check(tmp_path / name, mode)
    if sys.platform != "win32":
        assert isinstance(caught.value, FileAccessError)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links(tmp_path: Path) -> None:
    link, target = tmp_path / "link.h5", tmp_path / "f.h5"
    link.symlink_to(target)
    assert isinstance(refusal(link, "r"), FileMissingError)
    assert isinstance(refusal(link, "x"), FileOccupiedError)
    with Writer(target, "swmr"):
        assert isinstance(refusal(link, "w"), FileBusyError)


@pytest.mark.parametrize("mode", EXISTING)
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"a,b\n1,2\n", "text"), (b"\x89PNG\r\n\x1a\n", "PNG"), (bytes(99), "zeros")],
)
def test_not_hdf5(tmp_path: Path, content: bytes, words: str, mode: Mode) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(content)
    error = refusal(path, mode)
    assert isinstance(error, FileFormatError)
    assert words in str(error)
    check(path, "w")


@pytest.mark.parametrize("options", [{}, {"libver": ("v110", "v110")}])
def test_header_cut_at_every_byte(tmp_path: Path, options: dict[str, Any]) -> None:
    path = small_file(tmp_path / "f.h5", **options)
    whole = path.read_bytes()
    for size in range(100):
        path.write_bytes(whole[:size])
        for mode in EXISTING:
            assert isinstance(refusal(path, mode), FileFormatError)


@pytest.mark.parametrize("mode", EXISTING)
def test_cut_short_and_damaged(tmp_path: Path, mode: Mode) -> None:
    path = small_file(tmp_path / "f.h5", libver=("v110", "v110"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    error = refusal(path, mode)
    assert isinstance(error, FileFormatError)
    assert "cut short" in str(error)
    assert str(len(whole)) in str(error)
    path.write_bytes(whole[:44] + bytes(4) + whole[48:])
    assert "checksum" in str(refusal(path, mode))


def test_bytes_behind_the_recorded_end_are_not_cut_off(tmp_path: Path) -> None:
    """Clearing a crashed file's mark alone leaves a file that ``r+`` would cut rows off."""
    path = tmp_path / "f.h5"
    crashed(path, "swmr")
    block = read_superblock(path)
    with open(path, "r+b") as file:
        file.write(patched(block, end=block.end))
    for mode in ("r+", "a"):
        error = refusal(path, mode)
        assert isinstance(error, FileCrashedError)
        assert "repair" in str(error)
    check(path, "r")


# -- who has it -------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_writer_that_lives_and_dies(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    swmr = kind.startswith("swmr")
    with Writer(path, kind) as writer:
        for mode in ("r", *WRITING):
            error = refusal(path, mode)
            assert isinstance(error, FileBusyError)
            assert str(writer.pid) in str(error)
            assert "child_writer.py" in str(error)
        assert isinstance(refusal(path, "x"), FileOccupiedError)
        if swmr:
            check(path, "r", swmr=True)
        else:
            assert isinstance(refusal(path, "r", swmr=True), FileBusyError)
        writer.kill()
    for mode in EXISTING:
        error = refusal(path, mode)
        assert isinstance(error, FileCrashedError)
        assert "h5backends repair" in str(error)
    check(path, "w")
    if swmr:
        check(path, "r", swmr=True)


def test_a_reader_that_holds_the_file_is_no_hindrance_but_for_w(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    with h5py.File(path, "r"):
        for mode in EXISTING:
            check(path, mode)
        if sys.platform != "win32":
            error = refusal(path, "w")
            assert isinstance(error, FileBusyError)
            assert "this program" in str(error)


def test_the_programs_own_file(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["x"] = 1
        file.flush()
        check(path, "r")
        for mode in WRITING:
            assert "this program" in str(refusal(path, mode))


def test_a_file_that_is_only_being_created(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with open(path, "wb"):
        error = refusal(path, "r")
    assert isinstance(error, FileBusyError)
    assert "being created" in str(error)


def test_a_sign_of_life_counts_where_the_program_cannot_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "swmr")
    heart = Heartbeat(path)
    heart.start()
    try:
        for mode in WRITING:
            assert str(os.getpid()) in str(refusal(path, mode))
    finally:
        heart.stop()
    check(path, "w")
    # No sign, and a place where the writer may run on another machine: it is not replaced.
    monkeypatch.setattr(localfile, "network_file_system", lambda _: "nfs4")
    for mode in WRITING:
        error = refusal(path, mode)
        assert isinstance(error, FileBusyError)
        assert "nfs4" in str(error)


@pytest.mark.parametrize("search", ["_by_descriptor", "_by_name"])
def test_finding_holders(tmp_path: Path, search: str) -> None:
    if search == "_by_descriptor" and sys.platform != "linux":
        pytest.skip("only Linux lists descriptors under /proc")
    path = tmp_path / "f.h5"
    with Writer(path, "swmr") as writer:
        found = dict(getattr(holders, search)(path, time.monotonic() + 20))
    assert found.get(writer.pid, "absent") in {True, None}
    with open(path, "rb"):
        found = dict(getattr(holders, search)(path, time.monotonic() + 20))
    assert found.get(os.getpid(), "absent") in {False, None}


def test_the_search_for_holders_ends_in_time(tmp_path: Path) -> None:
    path = small_file(tmp_path / "f.h5")
    with open(path, "r+b"):
        assert [holder.pid for holder in holders.writers(path)] == [os.getpid()]
        started = time.monotonic()
        assert holders.holders(path, time_limit=-1) == []
        assert time.monotonic() - started < 1
    assert holders.holders(path) == []
    assert holders.holders(tmp_path / "none.h5") == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the table of locks")
def test_a_lock_without_a_descriptor_in_sight(tmp_path: Path) -> None:
    """The table of locks names the program also where its descriptors are another user's."""
    path = tmp_path / "f.h5"
    with Writer(path, "plain") as writer:
        assert (writer.pid, True) in list(holders._by_lock(path.stat()))


def test_names_of_programs() -> None:
    assert "python" in holders.program_name(os.getpid()).lower()
    assert holders.program_name(2**22 + 12345) == "a program"


def test_local_disks_are_not_network_file_systems(tmp_path: Path) -> None:
    assert holders.network_file_system("\\\\server\\share\\f.h5") is None or os.name == "nt"
    remote = holders.network_file_system(tmp_path)
    kind = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    assert remote is None or remote in kind.values()


# -- permission -------------------------------------------------------------------------------
NOBODY = 65534
TRY = """
import os, sys
import psutil
from h5backends.localfile import check_before_open
if os.geteuid() == 0:
    os.setuid(int(sys.argv[2]))  # the superuser may do everything, so somebody else has to try
for mode in ("r", "r+", "a", "w"):
    try:
        check_before_open(sys.argv[1], mode, "h5py")
    except Exception as exc:
        print(mode, type(exc).__name__)
    else:
        print(mode, "passed")
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are other things on Windows")
@pytest.mark.parametrize(
    ("rights", "answers"),
    [
        (0o444, ["r passed", "r+ FileAccessError", "a FileAccessError", "w FileAccessError"]),
        (0o000, [f"{mode} FileAccessError" for mode in ("r", "r+", "a", "w")]),
    ],
)
def test_without_permission(public_folder: Path, rights: int, answers: list[str]) -> None:
    path = small_file(public_folder / "f.h5")
    path.chmod(rights)
    answer = subprocess.run(
        [sys.executable, "-c", TRY, str(path), str(NOBODY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines() == answers


MOUNTED = """
import os, subprocess, sys
folder, program = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", folder], check=True)
import h5py, numpy
from h5backends.local_errors import os_error
from h5backends.localfile import check_before_open
path = os.path.join(folder, "f.h5")
def attempt(work, mode):
    try:
        work()
    except Exception as exc:
        error = os_error(path, exc, mode)
        print(mode, type(error).__name__, flush=True)
exec(program)
os._exit(0)
"""


def on_a_disk_of_its_own(folder: Path, program: str) -> list[str]:
    """Run a program that sees a small disk mounted on a folder, and return what it prints."""
    if shutil.which("unshare") is None:
        pytest.skip("no way to mount a disk without asking an administrator")
    start = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*start, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody but an administrator mount a disk")
    answer = subprocess.run(
        [*start, sys.executable, "-c", MOUNTED, str(folder), program],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.splitlines()


def test_read_only_media(tmp_path: Path) -> None:
    answers = on_a_disk_of_its_own(
        tmp_path,
        """
h5py.File(path, "w").close()
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
for mode in ("r", "r+", "a", "w"):
    attempt(lambda: check_before_open(path, mode, "h5py"), mode)
path = os.path.join(folder, "new.h5")
attempt(lambda: check_before_open(path, "x", "h5py"), "x")
attempt(lambda: h5py.File(path, "x"), "library")
""",
    )
    wanted = [f"{mode} ReadOnlyError" for mode in ("r+", "a", "w", "x", "library")]
    assert answers == wanted


def test_a_full_disk(tmp_path: Path) -> None:
    answers = on_a_disk_of_its_own(
        tmp_path,
        """
file = h5py.File(path, "w")
attempt(lambda: file.create_dataset("x", data=numpy.zeros(100_000)), "w")
""",
    )
    assert answers == ["w StorageError"]


# -- what libraries say -----------------------------------------------------------------------
def said_by_h5py(path: Path, mode: Mode, **options: Any) -> OSError:
    with pytest.raises(OSError, match="nable to") as caught:
        h5py.File(path, mode, **options)
    return caught.value


def test_h5py_on_missing_occupied_and_misshapen_files(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    for mode, content, kind in (
        ("r", None, FileMissingError),
        ("r+", None, FileMissingError),
        ("x", b"x", FileOccupiedError),
        ("r", b"not HDF5", FileFormatError),
        ("r", b"", FileFormatError),
    ):
        if content is not None:
            path.write_bytes(content)
        error = os_error(str(path), said_by_h5py(path, mode), mode)
        assert type(error) is kind
        assert error.file == str(path)
    small_file(path)
    os.truncate(path, path.stat().st_size - 1)
    assert type(os_error(str(path), said_by_h5py(path, "r"), "r")) is FileFormatError


@pytest.mark.parametrize("kind", ["swmr", "plain", "tables"])
def test_h5py_and_tables_on_a_file_that_is_held(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    with Writer(path, kind) as writer:
        error = os_error(str(path), said_by_h5py(path, "r"), "r")
        assert type(error) is FileBusyError
        assert str(writer.pid) in str(error)
        with pytest.raises(tables.HDF5ExtError) as caught:
            tables.open_file(path, "r")
        error = os_error(str(path), caught.value, "r")
        assert type(error) is FileBusyError
        assert str(writer.pid) in str(error)
        writer.kill()
    if kind != "tables":
        error = os_error(str(path), said_by_h5py(path, "r"), "r")
        assert type(error) is FileCrashedError


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EIO, StorageError),
        (errno.EMFILE, StorageError),
        (errno.EACCES, FileAccessError),
        (errno.EPERM, FileAccessError),
        (errno.ENOLCK, FileAccessError),
        (errno.EROFS, ReadOnlyError),
        (errno.EISDIR, FileFormatError),
        (errno.EAGAIN, FileBusyError),
        (errno.ENOENT, FileMissingError),
        (errno.ENOTDIR, FileMissingError),
        (errno.EEXIST, FileOccupiedError),
        (errno.ENAMETOOLONG, FileAccessError),
        (errno.ECHILD, StorageError),
    ],
)
def test_errors_of_the_system(tmp_path: Path, number: int, kind: type[H5Error]) -> None:
    path = str(small_file(tmp_path / "f.h5"))
    said = OSError(number, os.strerror(number))
    assert type(os_error(path, said, "r+")) is kind
    # HDF5 puts the number into its text, and h5py does not always give it apart.
    words = f"file write failed: errno = {number}, error message = '{os.strerror(number)}'"
    assert type(os_error(path, RuntimeError(words), "r+")) is kind


def test_errors_of_ours_pass(tmp_path: Path) -> None:
    ours = FileMissingError("gone", file="f.h5")
    assert os_error("f.h5", ours, "r") is ours
    assert busy_error(str(tmp_path / "f.h5")).found is None
    assert "another program" in str(busy_error(str(tmp_path / "f.h5"), OSError("unable to lock")))
