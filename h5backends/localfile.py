"""Local files: what is checked before a library touches one, and what its errors mean.

A library that is asked to open a file does harm before it complains: ``w`` cuts the file off and
only then finds that somebody else holds it, ``r+`` on a file that a crash left behind cuts off the
rows behind the recorded end. So everything that can be known beforehand is decided here, from the
directory entry and the first bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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
from h5backends.heartbeat import WriterState, read_heartbeat, writer_state
from h5backends.holders import Holder, holders, network_file_system, writers
from h5backends.shortage import is_shortage
from h5backends.superblock import FileState, file_state, read_superblock, state_of
from h5backends.types import Mode

__all__ = ["busy_error", "check_before_open", "is_locked", "os_error", "os_errors"]


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
        raise _occupied(path)
    if mode != "r":
        _check_writable(path)
    with os_errors(path, mode):
        if mode == "w":
            _check_replaceable(path)
        else:
            _check_content(path, mode, driver, swmr)


@contextlib.contextmanager
def os_errors(path: str, mode: Mode) -> Iterator[None]:
    """Have what the operating system raises come out as this package's errors.

    Parameters
    ----------
    path, mode
        As for :func:`os_error`.
    """
    try:
        yield
    except H5Error:  # some are OSErrors too
        raise
    except OSError as exc:
        raise os_error(path, exc, mode) from exc


def busy_error(path: str, exc: BaseException | None = None) -> FileBusyError:
    """Return the error that says who holds a file, as far as the system tells.

    Parameters
    ----------
    path : str
        The file.
    exc : Exception, optional
        What the library said.
    """
    return _busy(path, _seen(path), None if exc is None else _last_words(exc))


def os_error(path: str, exc: Exception, mode: Mode) -> H5Error:
    """Translate what a library or the system said about a local file.

    Parameters
    ----------
    path : str
        The file.
    exc : Exception
        An ``OSError``, or the library's own with HDF5's words in it.
    mode : {"r", "r+", "a", "w", "x"}
        What the file was, or was to be, opened for.

    Returns
    -------
    H5Error
        To be raised ``from exc``. An error that is one of ours already comes back as it is.
    """
    if isinstance(exc, H5Error):
        return exc
    text = str(exc)
    number = exc.errno if isinstance(exc, OSError) else None
    if number is None and (match := re.search(r"errno = (\d+)", text)):
        number = int(match.group(1))
    if number is not None and number in _NO_LOCKS:
        return FileAccessError(
            "the file system has no file locks",
            file=path,
            found=os.strerror(number),
            remedy="Open it with locking=False, and make sure that only one program writes it.",
        )
    if mode == "x" and "file exists" in text:
        return _occupied(path)  # HDF5's words for one that this program made a moment ago
    if "unable to lock file" in text or any(words in text for words in _HELD):
        return _held(path, exc)
    if number is not None and (error := _by_number(path, number, exc, mode)):
        return error
    if any(words in text for words in _MISSHAPEN):
        return FileFormatError(
            "not an HDF5 file, or a damaged one",
            file=path,
            found=_last_words(exc),
            remedy=f"What can still be read: h5backends check {path!r}.",
        )
    return StorageError("the file could not be worked with", file=path, found=_last_words(exc))


# -- before opening ---------------------------------------------------------------------------
def _check_missing(path: str, mode: Mode) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        what = "is not a folder" if os.path.exists(folder) else "does not exist"
        raise FileMissingError(f"the folder {folder!r} {what}", file=path)
    if mode in {"r", "r+"}:
        raise FileMissingError(_GONE, file=path, remedy="Modes 'a', 'w' and 'x' create one.")
    if mode == "x" and os.path.lexists(path):
        raise _occupied(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _not_writable(folder, path)


def _check_writable(path: str) -> None:
    if not os.access(path, os.W_OK):
        raise _not_writable(path, path)


def _check_replaceable(path: str) -> None:
    """Refuse ``w`` on a file that anybody holds: the library would cut it off before asking."""
    if is_locked(path):
        raise busy_error(path)
    state = file_state(path)
    if state in {FileState.CLOSED, FileState.NOT_HDF5, FileState.MISSING}:
        return
    if found := _living(path):
        raise _busy(path, found)
    if state in _MARKED:
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
    found = _living(path)
    if mode == "r" and found and all(holder.pid == os.getpid() for holder in found):
        return  # a library may share one open file with itself; it knows
    if found:
        raise _busy(path, found, swmr_reader=by_swmr and mode == "r")
    _refuse_unseen(path)
    # It may have closed the file and ended since the mark was read.
    if file_state(path) in _MARKED:
        raise _crashed(path)


def _living(path: str) -> list[Holder]:
    """List the programs that write a file: those seen here, else the one that gives a sign.

    For want of descriptors that cannot be told, and ``OSError`` is raised.
    """
    if found := writers(path):
        return found
    beat = read_heartbeat(path)
    if beat is None or writer_state(path) not in {WriterState.WRITING, WriterState.STALLED}:
        return []
    where = "" if beat.is_here else f" on {beat.host}"
    return [Holder(beat.pid, beat.program + where, True)]


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
    if found := _living(path):
        return _busy(path, found, "a file that is only being created")
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


_MARKED = {FileState.WRITING, FileState.SWMR_WRITING}


# -- the errors -------------------------------------------------------------------------------
_HELD = (
    "already open",
    "already opened",
    "not already open for SWMR writing",
    "unable to truncate a file which is already open",
)
"""HDF5's and PyTables' words for a file that is held, or bears a writer's mark."""

_MISSHAPEN = (
    "truncated file",
    "signature not found",
    "superblock",
    "incorrect metadata checksum",
    "addr overflow",
    "bad object header",
    "wrong B-tree signature",
    "bad local heap",
    "bad heap",
    "heap signature",
    "checksum",
    "inflate() failed",
    "filter returned failure",
    "does not appear to be an HDF5 file",
)
"""HDF5's and PyTables' words for bytes that make no sense."""

_NO_ROOM = {
    value for name in ("ENOSPC", "EDQUOT") if (value := getattr(errno, name, None)) is not None
}
_ROOM = "Make room, and try again: what was taken is kept."
_BROKEN = {
    value
    for name in ("EFBIG", "EIO", "ESTALE", "ENXIO")
    if (value := getattr(errno, name, None)) is not None
}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_NO_MORE = "no more files can be opened"
_CLOSE_SOME = "Close some, or raise the limit (ulimit -n); nothing was changed."
_HELD_NUMBERS = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK}
_NO_LOCKS = {
    value
    for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP")
    if (value := getattr(errno, name, None)) is not None
}
_ODD_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_NO_NAME = "the system does not take this name"
_GONE = "there is no such file"


def _by_number(path: str, number: int, exc: Exception, mode: Mode) -> H5Error | None:
    said = os.strerror(number)
    meanings: tuple[tuple[set[int], Callable[[], H5Error]], ...] = (
        (_HELD_NUMBERS, lambda: _held(path, exc)),
        ({errno.ENOENT, errno.ENOTDIR}, lambda: FileMissingError(_GONE, file=path, found=said)),
        ({errno.EEXIST}, lambda: _occupied(path)),
        ({errno.EISDIR}, lambda: FileFormatError("a directory, not a file", file=path)),
        ({errno.EROFS}, lambda: ReadOnlyError("the file is on read-only media", file=path)),
        ({errno.EACCES, errno.EPERM}, lambda: _not_allowed(path, mode, said)),
        (_TOO_MANY, lambda: StorageError(_NO_MORE, file=path, found=said, remedy=_CLOSE_SOME)),
        (_NO_ROOM, lambda: StorageError("the disk is full", file=path, found=said, remedy=_ROOM)),
        (_BROKEN, lambda: StorageError("the storage failed", file=path, found=said)),
        (_ODD_NAMES, lambda: FileAccessError(_NO_NAME, file=path, found=said)),
    )
    for numbers, error in meanings:
        if number in numbers:
            return error()
    return None


def _not_allowed(path: str, mode: Mode, said: str) -> H5Error:
    # Windows says "permission denied" for a file that another program holds.
    if os.access(path, os.R_OK if mode == "r" else os.R_OK | os.W_OK) and (found := _seen(path)):
        return _busy(path, found, said)
    return FileAccessError(
        f"no permission to {'read' if mode == 'r' else 'write'} the file", file=path, found=said
    )


def _held(path: str, exc: Exception) -> H5Error:
    """A library refused a file as held: say by whom, or that its writer is dead."""
    found = _seen(path)
    try:
        marked = file_state(path) in _MARKED
        if marked and all(holder.writes is False for holder in found):
            found = _living(path)
            if not found:
                return _crashed(path)
    except H5Error:
        raise
    except OSError:
        pass  # it cannot be told: then it is held, as the library says
    return _busy(path, found, None if found else _last_words(exc))


def _seen(path: str) -> list[Holder]:
    """List who holds a file, for the wording of an error: nobody where that cannot be told."""
    try:
        return holders(path)
    except OSError:
        return []


def _busy(
    path: str,
    found: list[Holder],
    said: str | None = None,
    *,
    swmr_reader: bool = False,
) -> FileBusyError:
    who = ", ".join(map(str, found)) or "another program"
    remedy = f"Close it there first: {who}."
    if swmr_reader:
        remedy = "Read it while it grows with open_h5_file_for_reading, or swmr_mode=True."
    return FileBusyError(f"the file is open in {who}", file=path, found=said, remedy=remedy)


def _crashed(path: str) -> FileCrashedError:
    return FileCrashedError(
        "the program that wrote the file died before closing it",
        file=path,
        remedy=f"Mend it with: h5backends repair {path!r}; then it opens as usual. "
        "To read it as it stands: open_h5_file_for_reading.",
    )


def _occupied(path: str) -> FileOccupiedError:
    return FileOccupiedError(
        "the file exists already", file=path, remedy="Mode 'a' adds to it, mode 'w' replaces it."
    )


def _not_a_file(path: str, kind: int) -> FileFormatError:
    words = "a directory" if stat.S_ISDIR(kind) else "a device or pipe"
    return FileFormatError(f"{words}, not a file", file=path)


def _not_writable(place: str, path: str) -> FileError:
    what = "the folder" if os.path.isdir(place) else "the file"
    if _on_read_only_medium(place):
        return ReadOnlyError(f"{what} is on read-only media", file=path)
    return FileAccessError(f"no permission to write {what}", file=path, found=Path(place).name)


def _on_read_only_medium(place: str) -> bool:
    if sys.platform == "win32":
        return False
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _last_words(exc: BaseException) -> str:
    """Return the end of a library's message: HDF5's traces end with what matters."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(exc).__name__
