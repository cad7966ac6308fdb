"""What is checked before a library touches a local file.

A library that is asked to open a file does harm before it complains: ``w`` cuts the file off and
only then finds that somebody else holds it, ``r+`` on a file that a crash left behind cuts off the
rows behind the recorded end. So everything that can be known beforehand is decided here, from the
directory entry and the first bytes.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from h5backends.errors import (
    FileAccessError,
    FileBusyError,
    FileCrashedError,
    FileError,
    FileFormatError,
    FileMissingError,
)
from h5backends.heartbeat import read_heartbeat
from h5backends.holders import network_file_system
from h5backends.local_errors import (
    GONE,
    MARKED,
    busy_error,
    crashed_error,
    held_error,
    living_writers,
    not_writable_error,
    occupied_error,
    os_error,
    os_errors,
)
from h5backends.shortage import is_shortage
from h5backends.superblock import FileState, file_state, read_superblock, state_of
from h5backends.types import Mode

__all__ = ["check_before_open", "is_locked"]


def check_before_open(path: str, mode: Mode, driver: str, swmr: bool = False) -> None:
    """Decide whether a library may open a local file in this mode, before it touches it.

    Costs one ``stat`` and one read of 128 bytes where all is well; running programs are searched
    only to say who holds a file.

    Parameters
    ----------
    path : str
        The file.
    mode : {"r", "r+", "a", "w", "x"}
        As in h5py.
    driver : str
        Name of the driver that wants to open it, for the messages.
    swmr : bool
        Reading as a SWMR reader: a SWMR writer's mark is then no obstacle.

    Raises
    ------
    FileMissingError
        ``r`` or ``r+`` of a file that is not there, or its folder is not there.
    FileOccupiedError
        ``x`` of a file that exists.
    FileFormatError
        A directory, an empty file, not HDF5, cut short, or damaged in its header.
    FileBusyError
        A running program holds it; also for ``w``, which would destroy its data.
    FileCrashedError
        A writer's mark is on it and the writer is gone, or bytes follow its recorded end.
    FileAccessError, ReadOnlyError
        The operating system or the medium does not allow it.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        _check_missing(path, mode)
        return
    except OSError as exc:
        raise os_error(path, exc, mode) from exc
    except ValueError as exc:
        raise FileAccessError("not a possible name of a file", file=path, found=exc) from exc
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file(path, status.st_mode)
    if mode == "x":
        raise occupied_error(path)
    if mode != "r":
        _check_writable(path)
    with os_errors(path, mode):
        if mode == "w":
            _check_replaceable(path)
        else:
            _check_content(path, mode, driver, swmr)


# -- before opening ---------------------------------------------------------------------------
def _check_missing(path: str, mode: Mode) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        what = "is not a folder" if os.path.exists(folder) else "does not exist"
        raise FileMissingError(f"the folder {folder!r} {what}", file=path)
    if mode in {"r", "r+"}:
        raise FileMissingError(GONE, file=path, remedy="Modes 'a', 'w' and 'x' create one.")
    if mode == "x" and os.path.lexists(path):
        raise occupied_error(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise not_writable_error(folder, path)


def _check_writable(path: str) -> None:
    if not os.access(path, os.W_OK):
        raise not_writable_error(path, path)


def _check_replaceable(path: str) -> None:
    """Refuse ``w`` on a file that anybody holds: the library would cut it off before asking."""
    if is_locked(path):
        raise busy_error(path)
    state = file_state(path)
    if state in {FileState.CLOSED, FileState.NOT_HDF5, FileState.MISSING}:
        return
    if found := living_writers(path):
        raise held_error(path, found)
    if state in MARKED:
        _refuse_unseen(path)


def _check_content(path: str, mode: Mode, driver: str, swmr: bool) -> None:
    try:
        block = read_superblock(path)
        state = state_of(block)
    except FileFormatError as exc:
        raise _formless(path, exc, driver) from exc
    if state is FileState.CLOSED or (
        mode == "r" and (state is FileState.OVERHANG or (swmr and block.swmr_writer))
    ):
        return
    if state is FileState.OVERHANG:
        raise FileCrashedError(
            "bytes follow the end that the file's header records; a library opening it for "
            "writing would cut them off",
            file=path,
            expected=f"{block.end} bytes",
            found=f"{block.file_size} bytes",
            remedy=f"Take them in with: h5backends repair {path!r}.",
        )
    if state is FileState.TRUNCATED:
        raise FileFormatError(
            "the file is cut short: its end is missing",
            file=path,
            expected=f"{block.end} bytes",
            found=f"{block.file_size} bytes",
            remedy=f"Copy it again from its source; what is left: h5backends check {path!r}.",
        )
    if state is FileState.DAMAGED:
        raise FileFormatError(
            "the file's header fails its checksum",
            file=path,
            remedy=f"What can still be read: h5backends check {path!r}.",
        )
    _check_marked(path, mode, block.swmr_writer)


def _check_marked(path: str, mode: Mode, by_swmr: bool) -> None:
    """A writer's mark is on the file: say whether the writer lives."""
    found = living_writers(path)
    if mode == "r" and found and all(holder.pid == os.getpid() for holder in found):
        return  # a library may share one open file with itself; it knows
    if found:
        raise held_error(path, found, swmr_reader=by_swmr and mode == "r")
    _refuse_unseen(path)
    # It may have closed the file and ended since the mark was read.
    if file_state(path) in MARKED:
        raise crashed_error(path)


def _refuse_unseen(path: str) -> None:
    """Refuse a marked file whose writer may be where it can neither be seen nor gives a sign."""
    kind = network_file_system(path)
    if kind is not None and read_heartbeat(path) is None:
        raise FileBusyError(
            "a writer's mark is on the file, and its writer may run on another machine",
            file=path,
            found=f"a network file system ({kind})",
            remedy=f"If you know that the writer is dead: h5backends repair {path!r}.",
        )


def _formless(path: str, exc: FileFormatError, driver: str) -> FileError:
    if found := living_writers(path):
        return held_error(path, found, "a file that is only being created")
    return FileFormatError(
        exc.what,
        file=path,
        expected=exc.expected or f"an HDF5 file, for the driver {driver!r}",
        found=exc.found,
        remedy="Mode 'w' would replace it.",
    )


def is_locked(path: str) -> bool:
    """Tell whether anybody, reader or writer, holds the lock that HDF5 takes on open files."""
    if sys.platform == "win32":
        return False  # the marks and the list of holders have to do
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as exc:
        if is_shortage(exc):
            raise
        return False  # what cannot be read is told by the next step
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as exc:
        return exc.errno in {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
    finally:
        os.close(descriptor)
    return False


def _not_a_file(path: str, kind: int) -> FileFormatError:
    words = "a directory" if stat.S_ISDIR(kind) else "a device or pipe"
    return FileFormatError(f"{words}, not a file", file=path)
