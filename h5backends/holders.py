"""Which running programs have a file open: asked only when something is already wrong."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from h5backends.shortage import is_shortage

__all__ = ["Holder", "holders", "program_name", "writers"]

_TIME_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """One running process that has the file open.

    Parameters
    ----------
    pid : int
        Its process number on this machine.
    program : str
        Its name, with the script it runs where it is an interpreter.
    writes : bool or None
        Whether it has the file open for writing; None where the system does not tell.
    """

    pid: int
    program: str
    writes: bool | None

    def __str__(self) -> str:
        who = "this program" if self.pid == os.getpid() else self.program
        return f"{who} (pid {self.pid})"


def holders(path: str | os.PathLike[str], time_limit: float = _TIME_LIMIT) -> list[Holder]:
    """List the processes of this machine that have a file open.

    What other users' programs have open is not always visible, nor is anything on another
    machine: an empty list means "none that can be seen".

    Parameters
    ----------
    path : path-like
        The file.
    time_limit : float
        Give up looking after this many seconds, and return who was found.

    Returns
    -------
    list of Holder
        Writers first.

    Raises
    ------
    OSError
        For want of descriptors or memory it cannot be told.
    """
    deadline = time.monotonic() + time_limit
    search = _by_descriptor if sys.platform == "linux" else _by_name
    try:
        found = dict(search(path, deadline))
    except OSError as exc:
        if is_shortage(exc):
            raise
        found = {}
    people = [Holder(pid, program_name(pid), writes) for pid, writes in found.items()]
    return sorted(people, key=lambda holder: (holder.writes is False, holder.pid))


def writers(path: str | os.PathLike[str], time_limit: float = _TIME_LIMIT) -> list[Holder]:
    """List the processes that may be writing a file: `holders` without the known readers."""
    return [holder for holder in holders(path, time_limit) if holder.writes is not False]


def program_name(pid: int) -> str:
    """Name the program of a process, with its script where it is an interpreter.

    Parameters
    ----------
    pid : int
        Process number.

    Returns
    -------
    str
        For instance ``"python scan.py"``; ``"a program"`` where the system does not tell.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        name: str = process.name()
        command = process.cmdline()
    except (psutil.Error, OSError):
        return "a program"
    if not name.lower().startswith("python"):
        return name
    arguments = [part for part in command[1:] if part]
    if arguments[:1] == ["-m"]:
        return " ".join([name, *arguments[:2]])
    if arguments and not arguments[0].startswith("-"):
        return f"{name} {os.path.basename(arguments[0])}"
    return name


def _by_descriptor(
    path: str | os.PathLike[str], deadline: float
) -> Iterator[tuple[int, bool | None]]:
    """Compare device and inode, so that links and other mounts of the file are seen too."""
    wanted = os.stat(path)
    yield from _by_lock(wanted)  # first, for a descriptor tells more and so comes to overwrite it
    for entry in os.listdir("/proc"):
        if time.monotonic() > deadline:
            return
        if entry.isdigit() and (writes := _has_open(entry, wanted)) is not None:
            yield int(entry), writes


def _has_open(process: str, wanted: os.stat_result) -> bool | None:
    """Tell whether a process has the file open for writing (True), reading (False) or not."""
    reads = None
    try:
        for descriptor in os.listdir(f"/proc/{process}/fd"):
            try:
                found = os.stat(f"/proc/{process}/fd/{descriptor}")
                if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino):
                    continue
                if _opened_for_writing(process, descriptor):
                    return True
                reads = False
            except OSError as exc:
                if is_shortage(exc):
                    raise
                continue  # closed meanwhile
    except OSError as exc:
        if is_shortage(exc):
            raise
        return reads  # ended meanwhile, or another user's
    return reads


def _opened_for_writing(process: str, descriptor: str) -> bool:
    with open(f"/proc/{process}/fdinfo/{descriptor}") as info:
        for line in info:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & (os.O_WRONLY | os.O_RDWR) != 0
    return True


def _by_lock(wanted: os.stat_result) -> Iterator[tuple[int, bool | None]]:
    """Read the table of file locks, which shows other users' programs too."""
    if sys.platform != "linux":
        return
    inode = f"{os.major(wanted.st_dev):02x}:{os.minor(wanted.st_dev):02x}:{wanted.st_ino}"
    try:
        with open("/proc/locks") as table:
            lines = table.readlines()
    except OSError as exc:
        if is_shortage(exc):
            raise
        return
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[5] == inode and int(fields[4]) > 0:
            yield int(fields[4]), fields[3] == "WRITE"


def _by_name(path: str | os.PathLike[str], deadline: float) -> Iterator[tuple[int, bool | None]]:
    """Compare names, where a process can be asked for the files it has open."""
    import psutil

    wanted = os.path.normcase(os.path.realpath(path))
    # Asking one process can be slow: begin with the likely ones.
    processes = sorted(
        psutil.process_iter(["name"]),
        key=lambda process: "python" not in (process.info["name"] or "").lower(),
    )
    for process in processes:
        if time.monotonic() > deadline:
            return
        try:
            files = process.open_files()
        except (psutil.Error, OSError) as exc:
            if isinstance(exc, OSError) and is_shortage(exc):
                raise
            continue
        for file in files:
            if os.path.normcase(os.path.realpath(file.path)) == wanted:
                mode = getattr(file, "mode", None)
                yield process.pid, None if mode is None else mode != "r"


def process_start(pid: int) -> float | None:
    """Return a number that tells one process from another that got the same number later.

    Parameters
    ----------
    pid : int
        Process number on this machine.

    Returns
    -------
    float or None
        When the process started, in a unit of the platform's own; None if it does not run.

    Raises
    ------
    OSError
        For want of descriptors or memory it cannot be told.
    """
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError as exc:
            if is_shortage(exc):
                raise
            return None
        # In clock ticks since the machine started, so that setting the clock changes nothing.
        return None if fields[0] in {b"Z", b"X"} else float(fields[19])
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def network_file_system(path: str | os.PathLike[str]) -> str | None:
    """Name the kind of network file system that a path is on, None for a local disk.

    Parameters
    ----------
    path : path-like
        A file or a folder; it need not exist.

    Returns
    -------
    str or None
        For instance ``"nfs4"``.
    """
    import psutil

    place = os.path.realpath(path)
    if place.startswith("\\\\"):
        return "a shared folder"
    mounts = psutil.disk_partitions(all=True)
    holding = [mount for mount in mounts if _is_inside(place, os.path.normcase(mount.mountpoint))]
    if not holding:
        return None
    mount = max(holding, key=lambda mount: len(mount.mountpoint))
    kind: str = mount.fstype.lower()
    remote = kind.startswith(_NETWORK) or "remote" in mount.opts.split(",")
    return (kind or "a shared folder") if remote else None


_NETWORK = (
    "nfs", "cifs", "smb", "afs", "ncp", "9p", "lustre", "gpfs", "beegfs", "ceph", "gluster",
    "glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.gluster", "orangefs", "pvfs", "panfs", "davfs",
    "webdav", "vboxsf", "fuse.vmhgfs", "afpfs",
)  # fmt: skip


def _is_inside(place: str, folder: str) -> bool:
    place = os.path.normcase(place)
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)
