"""Open a file for reading whatever its writer is doing, and keep up with what it writes.

How a file is opened is decided from its first bytes and its writer's sign of life; nothing is
tried out on the file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from h5backends.errors import (
    FileBusyError,
    FileClosedError,
    FileError,
    FileFormatError,
    H5Error,
    StorageError,
)
from h5backends.heartbeat import WriterState, WriterWatch
from h5backends.holders import network_file_system, writers
from h5backends.local_errors import busy_error, os_error, os_errors
from h5backends.localfile import check_before_open
from h5backends.overlay import MendedFile
from h5backends.superblock import FileState, file_state

if TYPE_CHECKING:
    import h5py

__all__ = [
    "HasArrays",
    "Refreshable",
    "collect_datasets",
    "is_file_swmr_active",
    "open_h5_file_for_reading",
    "refresh_cached",
    "refresh_datasets",
]

_PATIENCE = 0.4
"""Seconds to wait for a file that is just being created, switched to SWMR or closed."""
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05

Locking = bool | Literal["best-effort"] | None


@runtime_checkable
class Refreshable(Protocol):
    """An array that can be brought up to date: an h5py or h5pyd dataset, or a node of ours."""

    def refresh(self) -> Any:
        """Take in what the writer flushed, the shape included."""


@runtime_checkable
class HasArrays(Protocol):
    """A group that lists the arrays below it, as a node of ours does."""

    def walk_arrays(self) -> Iterator[tuple[str, Any]]:
        """Iterate over absolute path and node of each array."""


# -- opening ----------------------------------------------------------------------------------
def open_h5_file_for_reading(
    filepath: str | os.PathLike[str],
    swmr: bool | Literal["auto"] = "auto",
    locking: Locking = None,
) -> tuple[h5py.File, bool]:
    """Open a local HDF5 file for reading, whether it is finished, being written, or left behind.

    A file that a crash left behind is shown as it stands, up to its writer's last flush, through
    an overlay; the file itself is never changed. A file that is just being created, switched to
    SWMR or closed is waited for, for some tenths of a second.

    Parameters
    ----------
    filepath : str or Path
        The file.
    swmr : bool or "auto"
        ``"auto"`` takes part in SWMR if a SWMR writer has the file and is not known to be dead.
        True always opens as a SWMR reader; False never does.
    locking : bool, "best-effort" or None
        As in h5py. None does without a lock beside a SWMR writer, where a reader's lock would
        keep the writer from opening the file again, and leaves it to the library else.

    Returns
    -------
    file : h5py.File
        Open for reading.
    is_swmr : bool
        Whether it takes part in SWMR: datasets then show new rows after ``refresh()``. False for
        a finished file and for one that a crash left behind.

    Raises
    ------
    FileMissingError
        There is no such file.
    FileBusyError
        A writer without SWMR has it, or any writer and `swmr` is False.
    FileCrashedError
        `swmr` is True and the writer died without having switched to SWMR.
    FileFormatError
        Not an HDF5 file, cut short, or damaged.
    FileAccessError, StorageError
        The operating system does not allow it, or has no descriptor left.
    """
    path = os.fspath(Path(filepath).expanduser().absolute())
    if swmr not in {True, False, "auto"}:
        raise ValueError(f"swmr must be True, False or 'auto', not {swmr!r}")
    deadline = time.monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    with os_errors(path, "r"):
        while True:
            try:
                return _open_now(path, swmr, locking)
            except FileError as exc:
                if time.monotonic() >= deadline or not _may_pass(path, exc):
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _open_now(path: str, swmr: bool | Literal["auto"], locking: Locking) -> tuple[h5py.File, bool]:
    state = file_state(path) if os.path.isfile(path) else None
    if swmr is True or state in {None, FileState.CLOSED}:
        check_before_open(path, "r", "h5py", swmr=swmr is True)
        return _library(path, locking, swmr is True)
    if state in {FileState.SWMR_WRITING, FileState.WRITING}:
        return _open_marked(path, state, swmr, locking)
    if state is FileState.OVERHANG:
        return _mended(path), False
    check_before_open(path, "r", "h5py")
    # It was mended, finished or replaced since we looked.
    return _library(path, locking, False)


def _open_marked(
    path: str, state: FileState, swmr: bool | Literal["auto"], locking: Locking
) -> tuple[h5py.File, bool]:
    """Open a file that bears a writer's mark."""
    living = WriterWatch(path).state()
    if living is WriterState.CRASHED:
        return _mended(path), False
    if living is WriterState.FINISHED:
        return _library(path, locking, False)
    if state is FileState.SWMR_WRITING and swmr == "auto":
        return _library(path, locking, True)
    if {holder.pid for holder in writers(path)} == {os.getpid()}:
        return _library(path, locking, False)  # a library shares an open file with itself
    raise _why_not(path, state, living)


def _library(path: str, locking: Locking, swmr: bool) -> tuple[h5py.File, bool]:
    import h5py

    beside_writer = swmr and locking is None
    try:
        try:
            file = h5py.File(path, "r", swmr=swmr, locking=False if beside_writer else locking)
        except OSError as exc:
            # The writer is in this very process, and opened the file with its lock.
            if not (beside_writer and "flag values don't match" in str(exc)):
                raise
            file = h5py.File(path, "r", swmr=swmr)
    except OSError as exc:
        raise os_error(path, exc, "r") from exc
    return file, bool(file.swmr_mode)


def _mended(path: str) -> h5py.File:
    import h5py

    try:
        file = h5py.File(MendedFile(path), "r")
        try:
            len(file)  # opening alone does not look at the root group
        except BaseException:
            file.close()
            raise
    except H5Error:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as exc:
        raise FileFormatError(
            "the file was left behind by a crash, and cannot be read as it stands",
            file=path,
            found=exc,
            remedy=f"For what is left of it: h5backends check {path!r}.",
        ) from exc
    return file


def _why_not(path: str, state: FileState, living: WriterState) -> FileBusyError:
    error = busy_error(path)
    if state is FileState.SWMR_WRITING:
        error.remedy = "Leave swmr at 'auto' to read it while it grows."
        return error
    error.expected = "a writer in SWMR mode"
    error.found = f"a writer without SWMR; {living.value}"
    error.remedy = (
        "Have the writer call enable_swmr() once its groups and arrays exist, or wait until it "
        "closes the file."
    )
    if living is WriterState.UNKNOWN and (kind := network_file_system(path)):
        error.remedy = (
            f"The file is on a network file system ({kind}), so its writer may run on another "
            f"machine. If you know that it is dead: h5backends repair {path!r}."
        )
    return error


def _may_pass(path: str, exc: FileError) -> bool:
    """Tell whether an obstacle may be gone in a moment."""
    if isinstance(exc, FileBusyError):
        return True
    if not isinstance(exc, FileFormatError):
        return False
    # A new file is empty until its writer first flushes it.
    try:
        return os.path.isfile(path) and file_state(path) in {FileState.EMPTY, FileState.DAMAGED}
    except OSError:
        return False


def is_file_swmr_active(filepath: str | os.PathLike[str]) -> bool:
    """Tell whether a SWMR writer has a file open now.

    Parameters
    ----------
    filepath : str or Path
        The file.

    Returns
    -------
    bool
        False for a finished file, one that is not there or is not HDF5, one whose writer does
        without SWMR, and one whose writer is known to be dead, whatever its attribute
        ``swmr_active`` says.

    Raises
    ------
    FileAccessError
        The operating system does not let us read the file.
    """
    path = os.fspath(filepath)
    try:
        if file_state(path) is not FileState.SWMR_WRITING:
            return False
        finished = {WriterState.CRASHED, WriterState.FINISHED}
        return WriterWatch(path).state() not in finished
    except IsADirectoryError:
        return False
    except OSError as exc:
        raise os_error(path, exc, "r") from exc


# -- keeping up -------------------------------------------------------------------------------
def collect_datasets(group: Any) -> dict[str, Any]:
    """List every dataset below a group, to be kept up to date with `refresh_cached`.

    Parameters
    ----------
    group : h5py.Group, h5py.File, or an object with ``walk_arrays()``
        Where to begin. A facade's group works as well.

    Returns
    -------
    dict
        Absolute path to dataset (or array node). Soft and external links are not followed.
    """
    if isinstance(group, HasArrays):
        return dict(group.walk_arrays())
    found: dict[str, Any] = {}

    def visit(_: str, item: Any) -> None:
        if isinstance(item, Refreshable):
            found[item.name] = item  # type: ignore[attr-defined]

    path = str(getattr(group, "name", "/"))
    with _translated(path, group):
        group.visititems(visit)
    return found


def refresh_cached(cache: Mapping[str, Any]) -> None:
    """Bring the datasets of `collect_datasets` up to date, their shapes included.

    Parameters
    ----------
    cache : mapping
        Path to dataset or array node.

    Raises
    ------
    FileClosedError
        The file was closed meanwhile.
    StorageError
        A dataset cannot be read any more.
    """
    for path, dataset in cache.items():
        with _translated(path, dataset):
            dataset.refresh()


def refresh_datasets(group: Any) -> None:
    """Bring every dataset below a group up to date.

    Datasets that are fetched from the file afterwards have their new shape. An h5py dataset object
    that was fetched before keeps the shape that it remembers; for those use `refresh_cached`,
    which is also cheaper when polling.

    Parameters
    ----------
    group : h5py.Group, h5py.File, or an object with ``walk_arrays()``
        Where to begin.

    Raises
    ------
    FileClosedError, StorageError
        As for `refresh_cached`.

    Notes
    -----
    HDF5 (1.14 and 2.0) cannot read an array of several axes any more, "can't insert duplicate
    key", if it is refreshed while it is open through two handles. So what the caller holds open
    is refreshed through the caller's own handle. Do not hold two objects of one dataset.
    """
    h5py = sys.modules.get("h5py")
    if h5py is None or not isinstance(group, h5py.Group):
        refresh_cached(collect_datasets(group))
        return
    with _translated(str(group.name), group):
        addresses = _addresses(group)
        held = _held_datasets(group)
    for path, address in addresses.items():
        with _translated(path, group):
            for identifier in held.get(address, ()):
                borrowed = h5py.h5d.DatasetID(identifier)
                borrowed.locked = True  # it stays the caller's to close
                borrowed.refresh()
            if address not in held:
                group.file[path].refresh()


def _addresses(group: h5py.Group) -> dict[str, int]:
    """Map the path of every dataset below a group to its address, keeping none of them open."""
    import h5py

    found: dict[str, int] = {}

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[item.name] = h5py.h5o.get_info(item.id).addr

    group.visititems(visit)
    return found


def _held_datasets(group: h5py.Group) -> dict[int, list[int]]:
    """Map addresses of a file's datasets to the identifiers that they are open through."""
    from h5py import h5f, h5i, h5o

    found: dict[int, list[int]] = {}
    # The objects in this list hold the identifiers too, which must be over before any refresh.
    for item in h5f.get_obj_ids(h5i.get_file_id(group.id), h5f.OBJ_DATASET):
        found.setdefault(h5o.get_info(item).addr, []).append(item.id)
    return found


@contextlib.contextmanager
def _translated(path: str, item: Any) -> Iterator[None]:
    try:
        yield
    except H5Error:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as exc:
        if not item:  # what h5py and h5pyd make of a closed file
            raise FileClosedError(
                "the file is closed", node=path, remedy="Open it again."
            ) from exc
        raise StorageError("the node cannot be read any more", node=path, found=exc) from exc
