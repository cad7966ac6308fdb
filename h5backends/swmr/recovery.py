"""Find out what a crash left of a file, and mend it without touching a row.

A file that a dead writer left behind bears the writer's mark, and an end of allocation from before
its last rows. Taking off the mark alone makes it worse: the next program that opens the file for
writing cuts off everything behind that end. So the mark, the end and the checksum over both change
together, in one write of some 50 bytes, after the bytes that stood there were put aside.

Where a journal stands beside the file (see `h5backends.journal`), the flush that the crash cut
short is completed first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from h5backends.errors import (
    FileAccessError,
    FileBusyError,
    FileFormatError,
    FileMissingError,
    StorageError,
)
from h5backends.heartbeat import Beat, WriterState, read_heartbeat, sidecar, writer_state
from h5backends.holders import holders, writers
from h5backends.journal import Completed, complete, read_journal
from h5backends.localfile import busy_error, is_locked, os_error, os_errors
from h5backends.superblock import (
    FileState,
    Superblock,
    file_state,
    mended_end,
    patched,
    read_superblock,
)

__all__ = ["ArrayReport", "Report", "check", "repair"]

AfterRepair = Callable[[Path], Iterable[str]]
"""Something to do with a file that was just mended; returns what it did, in words."""

_QUIET = 1.5
"""Seconds that a file must not change before it is mended if nothing else tells that its writer
is dead."""
_GRACE = 10.0
"""Seconds that looking into a file may take beyond the time it was given, before it counts as
hung."""


@dataclass(frozen=True, slots=True)
class ArrayReport:
    """What can be read of one array.

    Parameters
    ----------
    path : str
        Absolute path in the file.
    shape : tuple of int or None
        Its extent; None if it has none or that cannot be told.
    dtype : str
        Its type, as numpy names it.
    rows : int
        How many rows from the start can be read.
    error : str or None
        What is wrong with it.
    note : str or None
        Why it was not looked at, or not to its end; nothing that is wrong with the file.
    """

    path: str
    shape: tuple[int, ...] | None
    dtype: str
    rows: int
    error: str | None = None
    note: str | None = None

    def __str__(self) -> str:
        extent = "no extent" if self.shape is None else str(self.shape)
        text = f"{self.path}: {extent} {self.dtype}"
        if self.error is not None:
            return f"{text}, {self.rows} rows can be read: {self.error}"
        return text if self.note is None else f"{text} ({self.note})"


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found, or `repair` did.

    Parameters
    ----------
    path : Path
        The file.
    state : FileState
        What its first bytes say now.
    writer : WriterState
        What is known about the program that writes, or wrote, it.
    who : str or None
        That program, where it is known.
    size, end : int
        Its size, and the end of allocation that its header records, in bytes; `end` is -1 where
        the header cannot be made sense of.
    opened : bool
        Whether a library could open it, or would be able to once it is mended.
    arrays : tuple of ArrayReport
        What can be read of it.
    problems : tuple of str
        What cannot, and why.
    actions : tuple of str
        What was done, or would be done, to mend it.
    done : bool
        Whether `actions` were done.
    backup : Path or None
        Where the bytes of the header were put aside.
    """

    path: Path
    state: FileState
    writer: WriterState
    who: str | None = None
    size: int = 0
    end: int = -1
    opened: bool = False
    arrays: tuple[ArrayReport, ...] = ()
    problems: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    done: bool = False
    backup: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything that was looked at can be read."""
        return self.opened and not self.problems and not any(a.error for a in self.arrays)

    @property
    def exit_code(self) -> int:
        """What a command ends with.

        0 whole and closed; 1 left by a crash, `repair` mends it; 2 damaged; 3 a writer has it;
        4 not an HDF5 file, or none at all.
        """
        if self.state in {FileState.MISSING, FileState.NOT_HDF5, FileState.EMPTY}:
            return 4 if self.writer is not WriterState.WRITING else 3
        if self.writer in {WriterState.WRITING, WriterState.STALLED} and not self.done:
            return 3
        if not self.is_whole:
            return 2
        return 0 if self.state is FileState.CLOSED else 1

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.path}"
        yield f"  state: {self.state.value}"
        who = f" ({self.who})" if self.who else ""
        yield f"  writer: {self.writer.value}{who}"
        if self.end >= 0:
            yield f"  size: {self.size:,} bytes; its header records {self.end:,}"
        if self.opened:
            yield f"  arrays: {len(self.arrays)}"
            yield from (f"    {array}" for array in self.arrays)
        if self.problems:
            yield "  problems:"
            yield from (f"    {problem}" for problem in self.problems)
        if self.actions:
            yield "  done:" if self.done else "  to be done by repair:"
            yield from (f"    {action}" for action in self.actions)


# -- looking ----------------------------------------------------------------------------------
def check(path: str | os.PathLike[str], seconds: float = 60.0) -> Report:
    """Tell the state of a file and what can be read of it, without changing anything.

    The file is looked into by a process of its own, so that one which is damaged, or made to do
    harm, cannot bring down or stop the caller.

    Parameters
    ----------
    path : str or Path
        The file.
    seconds : float
        Time to read data in; what is left then is only listed.

    Returns
    -------
    Report
        Also for a file that is missing or not HDF5.

    Raises
    ------
    FileAccessError
        The operating system does not let us read the file.
    """
    path = Path(path).expanduser().absolute()
    try:
        report = _outside(path)
    except OSError as exc:
        raise os_error(str(path), exc, "r") from exc
    how = _way_in(report)
    if how is None:
        return report
    return _inside(replace(report, actions=_plan(report)), how, seconds)


def _outside(path: Path) -> Report:
    """Report what can be told without opening the file."""
    if path.is_dir():
        return Report(
            path, FileState.NOT_HDF5, WriterState.UNKNOWN, problems=("it is a directory",)
        )
    state = file_state(path)
    report = Report(path, state, writer_state(path), who=_who(path))
    if state is FileState.MISSING:
        return replace(report, problems=("there is no such file",))
    report = replace(report, size=path.stat().st_size)
    try:
        block = read_superblock(path)
    except FileFormatError as exc:
        return replace(report, problems=(str(exc),))
    report = replace(report, end=block.end)
    if state is FileState.TRUNCATED:
        missing = block.end - block.file_size
        return replace(
            report, problems=(f"the last {missing:,} bytes are missing: copy the file again",)
        )
    return report


def _who(path: Path) -> str | None:
    beat = read_heartbeat(path)
    if beat is not None:
        return str(beat)
    return ", ".join(map(str, writers(path))) or None if path.exists() else None


def _way_in(report: Report) -> str | None:
    """Choose how to open a file to look into it; None if there is no way."""
    if report.end < 0:
        return None
    if report.state is FileState.SWMR_WRITING and report.writer is not WriterState.CRASHED:
        return "swmr"
    if report.writer in {WriterState.WRITING, WriterState.STALLED}:
        return None
    return "plain" if report.state is FileState.CLOSED else "mended"


def _plan(report: Report) -> tuple[str, ...]:
    """Say what `repair` would do."""
    state: FileState = report.state
    alive = report.writer in {WriterState.WRITING, WriterState.STALLED}
    if alive or report.end < 0 or state in {FileState.CLOSED, FileState.TRUNCATED}:
        return ()
    steps = []
    journal = read_journal(report.path)
    if journal is not None:
        steps.append(
            f"complete the last flush from the journal: {journal.nbytes:,} bytes at "
            f"{len(journal.pieces)} places"
        )
    if state in {FileState.WRITING, FileState.SWMR_WRITING}:
        steps.append("take off the mark of the writer")
    room = report.end - report.size
    if report.state is FileState.DAMAGED:
        steps.append(f"record an end of {report.size:,} bytes and a fitting checksum")
    elif room < 0:
        steps.append(f"move the recorded end from {report.end:,} to {report.size:,} bytes")
    elif room > 0:
        steps.append(f"fill up {room:,} bytes that were claimed at the end but never written")
    return tuple(steps)


def _inside(report: Report, how: str, seconds: float) -> Report:
    """Add what a process of its own finds in the file."""
    arrays: list[ArrayReport] = []
    problems: list[str] = []
    opened = False
    for finding in _probe(report.path, how, seconds):
        opened = opened or "opened" in finding
        if "array" in finding:
            arrays.append(_array_report(finding))
        problems.extend(str(finding[key]) for key in ("problem", "fatal") if key in finding)
    return replace(
        report, opened=opened, arrays=tuple(arrays), problems=(*report.problems, *problems)
    )


def _array_report(finding: dict[str, Any]) -> ArrayReport:
    shape = finding["shape"]
    return ArrayReport(
        finding["array"],
        None if shape is None else tuple(shape),
        finding["dtype"],
        finding["rows"],
        finding.get("error"),
        finding.get("note"),
    )


def _probe(path: Path, how: str, seconds: float) -> list[dict[str, Any]]:
    """Have a process look into a file; what becomes of the process is a finding too."""
    request = json.dumps({"path": str(path), "how": how, "seconds": seconds})
    package = str(Path(__file__).parents[2])
    search = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        answer = subprocess.run(
            # -P: nothing is to be imported from the folder that the data happen to be in.
            [sys.executable, "-P", "-m", "h5backends.swmr.probe"],
            input=request.encode(),
            capture_output=True,
            timeout=seconds + _GRACE,
            env={**os.environ, "PYTHONPATH": search},
            check=False,
        )
        output, ended = answer.stdout, f"died of it (code {answer.returncode})"
    except subprocess.TimeoutExpired as exc:
        output, ended = exc.stdout or b"", "hung on it"
    except OSError as exc:
        return [{"problem": f"cannot be looked into: no Python to start ({exc})"}]
    findings = [json.loads(line) for line in output.splitlines(keepends=True) if _is_whole(line)]
    if any("done" in finding or "fatal" in finding for finding in findings):
        return findings
    places = [finding["at"] for finding in findings if "at" in finding]
    where = places[-1] if places else "its header"
    return [*findings, {"problem": f"{where}: the HDF5 library {ended}"}]


def _is_whole(line: bytes) -> bool:
    return line.endswith(b"}\n") or line.endswith(b"}\r\n")


# -- mending ----------------------------------------------------------------------------------
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
