"""Find out what state a file is in and what of it can be read, without changing a byte.

The header tells the state; what can be read is tried in a program of its own, which a damaged file
may bring down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from h5backends.errors import FileFormatError
from h5backends.heartbeat import WriterState, read_heartbeat, writer_state
from h5backends.holders import writers
from h5backends.journal import read_journal
from h5backends.local_errors import os_error
from h5backends.superblock import FileState, file_state, read_superblock

__all__ = ["ArrayReport", "Report", "check"]

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
