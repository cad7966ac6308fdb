"""Errors about local files: what a library or the system said, as ours, with who and what to do.

Who holds a file, whether its writer lives, whether it is the medium that is read only: asked when
there is an error to be worded, and not before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
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
from h5backends.holders import Holder, holders, writers
from h5backends.superblock import FileState, file_state
from h5backends.types import Mode

__all__ = [
    "GONE",
    "MARKED",
    "busy_error",
    "crashed_error",
    "held_error",
    "living_writers",
    "not_writable_error",
    "occupied_error",
    "os_error",
    "os_errors",
]

MARKED = {FileState.WRITING, FileState.SWMR_WRITING}
"""States of a file that bears a writer's mark."""

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
GONE = "there is no such file"
"""What is said of a file that is not there."""


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
    return held_error(path, _seen(path), None if exc is None else _last_words(exc))


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
        return occupied_error(path)  # HDF5's words for one that this program made a moment ago
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


def living_writers(path: str) -> list[Holder]:
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


def _by_number(path: str, number: int, exc: Exception, mode: Mode) -> H5Error | None:
    said = os.strerror(number)
    meanings: tuple[tuple[set[int], Callable[[], H5Error]], ...] = (
        (_HELD_NUMBERS, lambda: _held(path, exc)),
        ({errno.ENOENT, errno.ENOTDIR}, lambda: FileMissingError(GONE, file=path, found=said)),
        ({errno.EEXIST}, lambda: occupied_error(path)),
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
        return held_error(path, found, said)
    return FileAccessError(
        f"no permission to {'read' if mode == 'r' else 'write'} the file", file=path, found=said
    )


def _held(path: str, exc: Exception) -> H5Error:
    """A library refused a file as held: say by whom, or that its writer is dead."""
    found = _seen(path)
    try:
        marked = file_state(path) in MARKED
        if marked and all(holder.writes is False for holder in found):
            found = living_writers(path)
            if not found:
                return crashed_error(path)
    except H5Error:
        raise
    except OSError:
        pass  # it cannot be told: then it is held, as the library says
    return held_error(path, found, None if found else _last_words(exc))


def _seen(path: str) -> list[Holder]:
    """List who holds a file, for the wording of an error: nobody where that cannot be told."""
    try:
        return holders(path)
    except OSError:
        return []


def held_error(
    path: str,
    found: list[Holder],
    said: str | None = None,
    *,
    swmr_reader: bool = False,
) -> FileBusyError:
    """Return the error for a file that others have open.

    Parameters
    ----------
    path : str
        The file.
    found : list of Holder
        Who holds it; empty where that cannot be told.
    said : str, optional
        What the library said.
    swmr_reader : bool
        Whether it can be read while it grows.
    """
    who = ", ".join(map(str, found)) or "another program"
    remedy = f"Close it there first: {who}."
    if swmr_reader:
        remedy = "Read it while it grows with open_h5_file_for_reading, or swmr_mode=True."
    return FileBusyError(f"the file is open in {who}", file=path, found=said, remedy=remedy)


def crashed_error(path: str) -> FileCrashedError:
    """Return the error for a file whose writer died."""
    return FileCrashedError(
        "the program that wrote the file died before closing it",
        file=path,
        remedy=f"Mend it with: h5backends repair {path!r}; then it opens as usual. "
        "To read it as it stands: open_h5_file_for_reading.",
    )


def occupied_error(path: str) -> FileOccupiedError:
    """Return the error for a new file where there is one already."""
    return FileOccupiedError(
        "the file exists already", file=path, remedy="Mode 'a' adds to it, mode 'w' replaces it."
    )


def not_writable_error(place: str, path: str) -> FileError:
    """Return the error for a file or folder that may not be written.

    Parameters
    ----------
    place : str
        What may not be written: the file itself, or its folder.
    path : str
        The file.
    """
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
