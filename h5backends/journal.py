"""The journal beside a file: what a flush is about to overwrite, so that a kill cannot tear it.

HDF5 replaces metadata in place, one piece after the other, and a program killed in between leaves
a mixture of two states. While a file is recorded without SWMR, everything that would change bytes
of the last complete flush is held back, and at the end of the next flush written to
``.<name>.journal`` first and then to the file. So the file is at every moment either as the last
flush left it, or can be brought to the next one with the journal. The journal is taken away when
the file is closed.

This module knows the journal's form and how to read a file through it; no HDF5 library is used.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from h5backends.shortage import is_shortage

__all__ = [
    "Completed",
    "Journal",
    "JournalFile",
    "Piece",
    "complete",
    "discard",
    "lay_over",
    "read_journal",
    "sample",
    "sidecar",
]

Piece = tuple[int, bytes]
"""Position in the file, and what belongs there."""

Reader = Callable[[int, int], bytes]
"""Position and size -> the bytes there, fewer at the end of the file."""

_MAGIC = b"H5BREDO1"
# Magic, number of pieces, bytes behind the header, length of the file that is surely there,
# device and inode, checksum of the samples, of what is behind the header, and of the header.
_HEADER = struct.Struct("<8sIQQQQII")
_CHECK = struct.Struct("<I")
_ENTRY = struct.Struct("<QQ")
_START = _HEADER.size + _CHECK.size

_SAMPLES = 8
_SAMPLE_SIZE = 256
_LARGEST = 2**31
"""More is never held back."""
_KEPT = 2**20
"""Bytes that the journal keeps on the disk between flushes: room that need not be found again."""
_LATE_NS = 60 * 10**9
"""A file that changed so much later than its journal was changed by somebody else."""
_BINARY: int = getattr(os, "O_BINARY", 0)


def sidecar(path: str | os.PathLike[str]) -> Path:
    """Return where a file's journal stands, a link to the file followed."""
    real = os.path.realpath(path) if os.path.islink(path) else os.fspath(path)
    folder, name = os.path.split(real)
    return Path(folder, f".{name}.journal")


def discard(path: str | os.PathLike[str]) -> None:
    """Take away what an earlier file of this name may have left."""
    with contextlib.suppress(OSError):
        sidecar(path).unlink(missing_ok=True)


def sample(read: Reader, end: int, pieces: Sequence[Piece]) -> int:
    """Sum up some places of a file as they read with pieces laid over it.

    Parameters
    ----------
    read : callable
        Reads the file.
    end : int
        Bytes of it that count.
    pieces : sequence of Piece
        What is laid over it.

    Returns
    -------
    int
        32 bits.
    """
    total = 0
    last = max(0, end - _SAMPLE_SIZE)
    for place in sorted({number * last // (_SAMPLES - 1) for number in range(_SAMPLES)}):
        block = bytearray(read(place, min(_SAMPLE_SIZE, end - place)))
        lay_over(memoryview(block), place, pieces)
        total = zlib.crc32(block, total)
    return total


def lay_over(view: memoryview, start: int, pieces: Iterable[Piece]) -> None:
    """Put pieces over what was read from position `start` of a file."""
    stop = start + len(view)
    for place, data in pieces:
        first, last = max(start, place), min(stop, place + len(data))
        if first < last:
            view[first - start : last - start] = data[first - place : last - place]


@dataclass(frozen=True, slots=True)
class Journal:
    """A flush that was complete in memory, and perhaps not in the file.

    Parameters
    ----------
    pieces : tuple of Piece
        What belongs into the file.
    end : int
        Length of the file, in bytes, that is surely there.
    """

    pieces: tuple[Piece, ...]
    end: int

    @property
    def nbytes(self) -> int:
        """How many bytes belong into the file."""
        return sum(len(data) for _, data in self.pieces)

    def lay_over(self, view: memoryview, start: int) -> None:
        """Put the pieces over what was read from position `start` of the file."""
        lay_over(view, start, self.pieces)


# -- completing -------------------------------------------------------------------------------
class Completed:
    """A flush that was cut short, and was completed from the journal.

    Parameters
    ----------
    path : Path
        The data file.
    before : tuple of Piece
        What stood in it.
    """

    def __init__(self, path: Path, before: tuple[Piece, ...]) -> None:
        self._path = path
        self._before = before
        self._done = sidecar(path).with_suffix(".journal-done")

    def confirm(self) -> None:
        """Take the journal away."""
        with contextlib.suppress(OSError):
            self._done.unlink(missing_ok=True)

    def undo(self) -> None:
        """Put everything back as it was, the journal too.

        Raises
        ------
        OSError
            The storage failed.
        """
        _write_into(self._path, self._before)
        self._done.replace(sidecar(self._path))
        os.utime(sidecar(self._path))


def complete(path: Path) -> Completed | None:
    """Complete a flush that was cut short, from the journal beside the file.

    Parameters
    ----------
    path : Path
        The data file, which nobody has open for writing.

    Returns
    -------
    Completed or None
        None if there was nothing to complete.

    Raises
    ------
    OSError
        The storage failed; the journal is still there, to try again.
    """
    journal = read_journal(path)
    if journal is None:
        return None
    before = []
    with open(path, "rb", buffering=0) as file:
        for place, data in journal.pieces:
            file.seek(place)
            before.append((place, file.read(len(data)) or b""))
    completed = Completed(path, tuple(before))
    os.utime(sidecar(path))  # it goes on being the younger one, should this be cut short too
    _write_into(path, journal.pieces)
    sidecar(path).replace(completed._done)
    return completed


def _write_into(path: Path, pieces: Iterable[Piece]) -> None:
    with open(path, "r+b", buffering=0) as file:
        for place, data in pieces:
            file.seek(place)
            file.write(data)
        os.fsync(file.fileno())


# -- reading ----------------------------------------------------------------------------------
def read_journal(path: str | os.PathLike[str]) -> Journal | None:
    """Read the journal beside a file, if it says that a flush may have been cut short.

    Parameters
    ----------
    path : path-like
        The data file.

    Returns
    -------
    Journal or None
        None where there is none, where it is not complete (then the file was not touched yet), and
        where it belongs to another file or the file was changed since by another program.

    Raises
    ------
    OSError
        For want of descriptors or memory it cannot be told.
    """
    try:
        descriptor = os.open(sidecar(path), os.O_RDONLY | _BINARY)
    except OSError as exc:
        if is_shortage(exc):
            raise
        return None
    try:
        return _read(descriptor, path)
    except (OSError, struct.error) as exc:
        if isinstance(exc, OSError) and is_shortage(exc):
            raise
        return None
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str | os.PathLike[str]) -> Journal | None:
    head = os.read(descriptor, _START)
    if len(head) < _START or not head.startswith(_MAGIC):
        return None
    if _CHECK.unpack(head[_HEADER.size :])[0] != zlib.crc32(head[: _HEADER.size]):
        return None
    _, count, nbytes, end, device, inode, samples, check = _HEADER.unpack(head[: _HEADER.size])
    if nbytes > _LARGEST or count * _ENTRY.size > nbytes:
        return None
    body = _all_of(descriptor, nbytes)
    if zlib.crc32(body) != check:
        return None
    journal = Journal(tuple(_pieces(body, count)), end)
    written = os.fstat(descriptor)
    fits = _fits(path, journal, samples, (device, inode), written.st_mtime_ns)
    return journal if fits else None


def _all_of(descriptor: int, nbytes: int) -> bytes:
    parts = []
    while nbytes > 0 and (part := os.read(descriptor, min(nbytes, 2**24))):
        parts.append(part)
        nbytes -= len(part)
    return b"".join(parts)


def _pieces(body: bytes, count: int) -> Iterable[Piece]:
    position = count * _ENTRY.size
    for number in range(count):
        place, size = _ENTRY.unpack_from(body, number * _ENTRY.size)
        yield place, body[position : position + size]
        position += size


def _fits(
    path: str | os.PathLike[str],
    journal: Journal,
    samples: int,
    origin: tuple[int, int],
    written_ns: int,
) -> bool:
    """Tell whether a journal belongs to a file as it stands now."""
    descriptor = os.open(path, os.O_RDONLY | _BINARY)
    try:
        status = os.fstat(descriptor)
        is_original = (status.st_dev, status.st_ino) == origin
        if is_original and status.st_mtime_ns - written_ns > _LATE_NS:
            return False

        def read(place: int, size: int) -> bytes:
            os.lseek(descriptor, place, os.SEEK_SET)
            return os.read(descriptor, size)

        return (
            status.st_size >= journal.end and sample(read, journal.end, journal.pieces) == samples
        )
    finally:
        os.close(descriptor)


# -- writing ----------------------------------------------------------------------------------
class JournalFile:
    """The journal of a file that this process writes; it is made when it is first needed.

    Parameters
    ----------
    path : path-like
        The data file.
    identity : tuple of int
        Its device and inode.
    """

    def __init__(self, path: str | os.PathLike[str], identity: tuple[int, int]) -> None:
        self.path = sidecar(path)
        self._identity = identity
        self._descriptor = -1

    def write(self, pieces: Sequence[Piece], end: int, samples: int, sync: bool) -> None:
        """Note what is about to be written into the file.

        Parameters
        ----------
        pieces : sequence of Piece
            What, and where.
        end : int
            Bytes of the file that stay whatever happens.
        samples : int
            `sample` of the file with the pieces.
        sync : bool
            Whether to wait until the storage device has it.

        Raises
        ------
        OSError
            It cannot be written; the file may be written to all the same, without this safety.
        """
        index = b"".join(_ENTRY.pack(place, len(data)) for place, data in pieces)
        body = b"".join([index, *(data for _, data in pieces)])
        head = _HEADER.pack(
            _MAGIC, len(pieces), len(body), end, *self._identity, samples, zlib.crc32(body)
        )
        self._put(head + _CHECK.pack(zlib.crc32(head)) + body)
        if sync:
            os.fsync(self._descriptor)

    def clear(self) -> None:
        """Note that the file is complete."""
        if self._descriptor >= 0:
            self._put(bytes(len(_MAGIC)))
            if os.fstat(self._descriptor).st_size > _KEPT:
                os.ftruncate(self._descriptor, _KEPT)

    def remove(self) -> None:
        """Take the journal away; a second call does nothing."""
        if self._descriptor >= 0:
            self.leave()
            with contextlib.suppress(OSError):
                self.path.unlink()

    def leave(self) -> None:
        """Close it and let it stand."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _put(self, content: bytes) -> None:
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | _BINARY
            self._descriptor = os.open(self.path, flags, 0o644)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]
