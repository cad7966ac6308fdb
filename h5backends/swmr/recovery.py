"""Mend a file that a crash left behind, without touching a row.

A file that a dead writer left behind bears the writer's mark, and an end of allocation from before
its last rows. Taking off the mark alone makes it worse: the next program that opens the file for
writing cuts off everything behind that end. So the mark, the end and the checksum over both change
together, in one write of some 50 bytes, after the bytes that stood there were put aside.

Where a journal stands beside the file (see `h5backends.journal`), the flush that the crash cut
short is completed first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from h5backends.errors import (
    FileAccessError,
    FileBusyError,
    FileFormatError,
    FileMissingError,
    StorageError,
)
from h5backends.heartbeat import Beat, WriterState, read_heartbeat, sidecar, writer_state
from h5backends.holders import holders, writers
from h5backends.journal import Completed, complete
from h5backends.local_errors import busy_error, os_error, os_errors
from h5backends.localfile import is_locked
from h5backends.superblock import (
    FileState,
    Superblock,
    mended_end,
    patched,
    read_superblock,
)
from h5backends.swmr.inspection import Report, check

__all__ = ["repair"]

AfterRepair = Callable[[Path], Iterable[str]]
"""Something to do with a file that was just mended; returns what it did, in words."""

_QUIET = 1.5
"""Seconds that a file must not change before it is mended if nothing else tells that its writer
is dead."""


def repair(
    path: str | os.PathLike[str],
    dry_run: bool = False,
    backup: bool = True,
    seconds: float = 60.0,
    after_repair: Sequence[AfterRepair] = (),
) -> Report:
    """Mend a file that a crash left behind, so that every library opens it as usual.

    A flush that the crash cut short is completed from the journal beside the file. Else only the
    header changes: the writer's mark is taken off, the recorded end is moved to the end of the
    file and the checksum made to fit, in one write. Rows are never touched. What stood in the
    header before is put aside in ``<name>.superblock-backup``, and everything is put back if the
    file does not open afterwards.

    Parameters
    ----------
    path : str or Path
        The file.
    dry_run : bool
        Only report what would be done.
    backup : bool
        Whether to put the bytes of the header aside.
    seconds : float
        Time to read data in, each time the file is looked into.
    after_repair : sequence of callables
        Each is called with the path once the file is mended and closed, for instance to bring
        attributes up to date, and returns what it did in words.

    Returns
    -------
    Report
        Of a file that needed nothing, too: `Report.done` is then False and there are no actions.

    Raises
    ------
    FileMissingError
        There is no such file.
    FileBusyError
        A program has the file open, or on another machine still gives a sign of life.
    FileFormatError
        Not an HDF5 file, cut short, or so damaged that it would not open afterwards either.
    FileAccessError, ReadOnlyError
        The operating system or the medium does not allow it.
    StorageError
        The storage failed; the header is as it was.
    """
    path = Path(path).expanduser().absolute()
    before = check(path, seconds)
    if before.state is FileState.CLOSED:
        return before
    with os_errors(str(path), "r+"):
        _require_mendable(before)
        if dry_run:
            return before
        completed = complete(path)
        block = read_superblock(path)
        kept = _put_aside(path, block) if backup else None
        _write_header(path, block)
    after = check(path, seconds)
    if not after.opened or (before.is_whole and not after.is_whole):
        _put_back(path, block, completed)
        raise FileFormatError(
            "mending the header did not make the file readable; it was put back as it was",
            file=path,
            found="; ".join(after.problems),
        )
    if completed is not None:
        completed.confirm()
    _drop_dead_sign(path)
    notes = [note for work in after_repair for note in work(path)]
    return replace(after, actions=(*before.actions, *notes), done=True, backup=kept)


def _require_mendable(report: Report) -> None:
    """Raise unless mending is called for and safe."""
    path = report.path
    if report.state is FileState.MISSING:
        raise FileMissingError("there is no such file", file=path)
    if report.end < 0 or report.state is FileState.TRUNCATED:
        raise _beyond_mending(report)
    alive = writer_state(path, patience=float("inf"))
    if alive in {WriterState.WRITING, WriterState.STALLED}:
        raise _writer_lives(path, report)
    # A header that fails its checksum may have lost more than is mended: it must prove itself.
    if not report.opened or (report.state is FileState.DAMAGED and not report.is_whole):
        raise _beyond_mending(report)
    if not os.access(path, os.W_OK):
        raise FileAccessError("no permission to write the file", file=path)
    if alive is WriterState.UNKNOWN and _changes(path):
        raise FileBusyError(
            "the file changes: a program, here or on another machine, is writing it", file=path
        )
    if writers(path) or (is_locked(str(path)) and not holders(path)):
        raise busy_error(str(path))


def _beyond_mending(report: Report) -> FileFormatError:
    found = [*report.problems, *(str(array) for array in report.arrays if array.error)]
    return FileFormatError("the file cannot be mended", file=report.path, found="; ".join(found))


def _writer_lives(path: Path, report: Report) -> FileBusyError:
    beat: Beat | None = read_heartbeat(path)
    who = str(beat) if beat is not None else report.who or "a program"
    return FileBusyError(
        f"the writer of the file lives: {who}",
        file=path,
        remedy="Close the file there. If that program hangs, end it first.",
    )


def _changes(path: Path) -> bool:
    """Watch a file for a moment."""

    def look() -> tuple[int, int]:
        status = path.stat()
        return status.st_size, status.st_mtime_ns

    first = look()
    time.sleep(_QUIET)
    return look() != first


def _put_aside(path: Path, block: Superblock) -> Path:
    """Write the header's bytes beside the file, never over an earlier copy."""
    for number in range(1, 1000):
        ending = ".superblock-backup" if number == 1 else f".superblock-backup-{number}"
        place = path.with_name(path.name + ending)
        try:
            with open(place, "xb") as file:
                file.write(block.raw)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            continue
        return place
    raise StorageError("too many copies of the header beside the file", file=path)


def _write_header(path: Path, block: Superblock) -> None:
    """Change mark, end and checksum in one write."""
    with open(path, "r+b", buffering=0) as file:
        if mended_end(block) > block.file_size:
            # As HDF5 would have done next. Left short, the library would hand out the missing
            # part again and one array would overwrite another.
            file.truncate(mended_end(block))
        file.seek(block.offset)
        file.write(patched(block))
        os.fsync(file.fileno())


def _put_back(path: Path, block: Superblock, completed: Completed | None) -> None:
    try:
        with open(path, "r+b", buffering=0) as file:
            file.seek(block.offset)
            file.write(block.raw)
            file.truncate(block.file_size)
            os.fsync(file.fileno())
        if completed is not None:
            completed.undo()
    except OSError as exc:
        raise os_error(str(path), exc, "r+") from exc


def _drop_dead_sign(path: Path) -> None:
    try:
        sidecar(path).unlink(missing_ok=True)
    except OSError:
        return  # it says "crashed" beside a closed file, which every reader takes as finished
