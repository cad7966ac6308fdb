"""The first bytes of an HDF5 file: who has it open, where it ends, and whether it is whole.

Everything here is decided from the bytes, so that a file held by another program, left behind by
a dead one, or damaged can be judged before an HDF5 library touches it. Layout: "HDF5 File Format
Specification", section II.A, superblock versions 0 to 3.
"""

from __future__ import annotations

import codecs
import os
import struct
import time
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from h5backends.errors import FileFormatError, FileMissingError
from h5backends.journal import read_journal

__all__ = [
    "HEAD_SIZE",
    "SIGNATURE",
    "FileState",
    "Superblock",
    "checksum",
    "file_state",
    "looks_like",
    "mended_end",
    "parse",
    "patched",
    "read_superblock",
    "state_of",
]

SIGNATURE = b"\x89HDF\r\n\x1a\n"

HEAD_SIZE = 128
"""Bytes that are enough for any superblock with addresses of up to 8 bytes."""

_WRITER = 0x01
_SWMR = 0x04
_ADDRESS_SIZES = (2, 4, 8)
_LARGEST_CLAIM = 2**34
_MASK = 0xFFFFFFFF
_TORN_READS = 5
_TORN_PAUSE = 0.002


class FileState(Enum):
    """What the first bytes of a file say about it."""

    CLOSED = "closed"
    """An HDF5 file that nobody holds for writing and that is as long as it says."""
    SWMR_WRITING = "open in a SWMR writer"
    """Marked by a SWMR writer, which lives or has crashed: the bytes are the same."""
    WRITING = "open in a writer"
    """Marked by a writer without SWMR, or by its journal; it lives or has crashed."""
    OVERHANG = "longer than its header says"
    """Not marked, yet bytes follow the end of allocation; a library opening it for writing cuts
    them off. Left behind by clearing a crashed file's marks without mending its length."""
    TRUNCATED = "cut short"
    """Not marked, and shorter than its end of allocation: bytes are missing."""
    DAMAGED = "damaged in its header"
    """The signature is there, the header behind it makes no sense or fails its checksum."""
    NOT_HDF5 = "not an HDF5 file"
    EMPTY = "empty"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Superblock:
    """The superblock of one file as it was read.

    Parameters
    ----------
    version : int
        0 to 3.
    flags : int
        File consistency flags; 0 closed, bit 0 open for writing, bit 2 SWMR.
    base, extension, eoa, root : int or None
        Addresses as stored, in bytes; None for the undefined address. `eoa` is the end of
        allocation, `root` the object header of the root group. Versions 0 and 1 have no
        `extension`.
    driver_info : int or None
        Address of the driver information block (versions 0 and 1), None where there is none.
    offset : int
        Where the superblock starts in the file: 0, or the size of the user block.
    file_size : int
        Size of the file in bytes when it was read.
    address_size : int
        Bytes of an address.
    raw : bytes
        The superblock itself, up to and with its checksum (versions 0 and 1: up to the addresses).
    checksum_ok : bool
        Whether the stored checksum fits; versions 0 and 1 have none and always fit.
    journalled : bool
        Whether a journal stands beside the file that says that a flush may have been cut short;
        the superblock is then the one from after that flush.
    """

    version: int
    flags: int
    base: int
    extension: int | None
    eoa: int
    root: int | None
    driver_info: int | None
    offset: int
    file_size: int
    address_size: int
    raw: bytes
    checksum_ok: bool
    journalled: bool = False

    @property
    def writer_open(self) -> bool:
        """Whether a writer marked the file, SWMR or not."""
        return self.flags & (_WRITER | _SWMR) != 0

    @property
    def swmr_writer(self) -> bool:
        """Whether a SWMR writer marked the file."""
        return self.flags & _SWMR != 0

    @property
    def end(self) -> int:
        """End of allocation as a position in the file; a user block may have been put in front."""
        return self.eoa + self.offset - self.base


def checksum(data: bytes) -> int:
    """Return the checksum that HDF5 keeps of its metadata: Jenkins' lookup3, started at 0.

    Parameters
    ----------
    data : bytes
        What to sum up.

    Returns
    -------
    int
        32 bits.
    """
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    # The last 1 to 12 bytes go through the final round, everything before through the others.
    words: tuple[int, ...] = struct.unpack(
        f"<{(len(data) + 3) // 4}I", data + b"\0" * (-len(data) % 4)
    )
    blocks = max(0, (len(words) - 1) // 3)
    for i in range(0, 3 * blocks, 3):
        a += words[i]
        b += words[i + 1]
        c += words[i + 2]
        for k in (4, 6, 8, 16, 19, 4):
            c &= _MASK
            a = ((a - c) & _MASK) ^ (((c << k) | (c >> (32 - k))) & _MASK)
            c += b
            a, b, c = b, c, a
    if not words:
        return c
    tail = (*words[3 * blocks :], 0, 0)
    a, b, c = (a + tail[0]) & _MASK, (b + tail[1]) & _MASK, (c + tail[2]) & _MASK
    for k in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - ((b << k) | (b >> (32 - k)))) & _MASK
        a, b, c = b, c, a
    return b


def parse(head: bytes, file_size: int, offset: int = 0, name: object = None) -> Superblock:
    """Take a superblock apart.

    Parameters
    ----------
    head : bytes
        What stands at `offset` in the file, up to `HEAD_SIZE` bytes.
    file_size : int
        Size of the whole file in bytes.
    offset : int
        Position of the superblock in the file.
    name : path-like, optional
        The file, for the message.

    Raises
    ------
    FileFormatError
        No superblock of version 0 to 3 stands here, or it is cut off.
    """
    if not head.startswith(SIGNATURE):
        raise FileFormatError("not an HDF5 file", file=name, found=looks_like(head))
    if len(head) < 9:
        raise _cut(name, 9, len(head))
    version = head[8]
    if version > 3:
        raise FileFormatError(
            "damaged HDF5 file: unknown superblock version",
            file=name,
            expected="0 to 3",
            found=version,
        )
    return (_parse_old if version < 2 else _parse_new)(head, file_size, offset, name)


def _parse_new(head: bytes, file_size: int, offset: int, name: object) -> Superblock:
    if len(head) < 12:
        raise _cut(name, 48, len(head))
    size = _address_size(head[9], name)
    need = 16 + 4 * size
    if len(head) < need:
        raise _cut(name, need, len(head))
    base, extension, eoa, root = (_address(head, 12 + i * size, size) for i in range(4))
    if base is None or eoa is None:
        raise FileFormatError("damaged HDF5 file: no end of allocation in its header", file=name)
    return Superblock(
        version=head[8],
        flags=head[11],
        base=base,
        extension=extension,
        eoa=eoa,
        root=root,
        driver_info=None,
        offset=offset,
        file_size=file_size,
        address_size=size,
        raw=head[:need],
        checksum_ok=int.from_bytes(head[need - 4 : need], "little") == checksum(head[: need - 4]),
    )


def _parse_old(head: bytes, file_size: int, offset: int, name: object) -> Superblock:
    start = 28 if head[8] == 1 else 24
    if len(head) < start:
        raise _cut(name, start + 32, len(head))
    size = _address_size(head[13], name)
    need = start + 4 * size
    if len(head) < need + 2 * size:
        raise _cut(name, need + 2 * size, len(head))
    base, _, eoa, driver_info = (_address(head, start + i * size, size) for i in range(4))
    if base is None or eoa is None:
        raise FileFormatError("damaged HDF5 file: no end of allocation in its header", file=name)
    return Superblock(
        version=head[8],
        flags=int.from_bytes(head[20:24], "little"),
        base=base,
        extension=None,
        eoa=eoa,
        root=_address(head, need + size, size),
        driver_info=driver_info,
        offset=offset,
        file_size=file_size,
        address_size=size,
        raw=head[:need],
        checksum_ok=True,
    )


def _cut(name: object, need: int, found: int) -> FileFormatError:
    return FileFormatError(
        "damaged HDF5 file: cut off inside its header",
        file=name,
        expected=f"a header of {need} bytes",
        found=f"{found} bytes",
    )


def _address_size(size: int, name: object) -> int:
    if size not in _ADDRESS_SIZES:
        raise FileFormatError(
            "damaged HDF5 file: impossible size of addresses",
            file=name,
            expected="2, 4 or 8 bytes",
            found=size,
        )
    return size


def _address(head: bytes, position: int, size: int) -> int | None:
    field = head[position : position + size]
    return None if field == b"\xff" * size else int.from_bytes(field, "little")


def read_superblock(path: str | os.PathLike[str]) -> Superblock:
    """Read the superblock of a file without opening it with a library.

    A superblock that fails its checksum is read again a few times: its writer may have been in
    the middle of replacing it.

    Parameters
    ----------
    path : path-like
        The file; it may be held by a writer.

    Returns
    -------
    Superblock

    Raises
    ------
    FileMissingError
        There is no such file.
    FileFormatError
        It is not an HDF5 file, is empty, or its header is cut off or makes no sense. A wrong
        checksum alone is not an error here: see `Superblock.checksum_ok`.
    OSError
        The operating system does not let us read it.
    """
    for attempt in range(_TORN_READS):
        block = _read_once(path)
        if block.checksum_ok:
            break
        if attempt + 1 < _TORN_READS:
            time.sleep(_TORN_PAUSE)
    return block


def _read_once(path: str | os.PathLike[str]) -> Superblock:
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below, kept out of this try
    except FileNotFoundError as exc:
        raise FileMissingError("there is no such file", file=Path(path)) from exc
    with file:
        # HDF5's mark shows that the file is being written; the journal is a second one, which
        # files of the older formats have no other than.
        journal = read_journal(path)

        def head_at(place: int) -> bytes:
            file.seek(place)
            head = bytearray(file.read(HEAD_SIZE) or b"")
            if journal is not None:
                journal.lay_over(memoryview(head), place)
            return bytes(head)

        size = os.fstat(file.fileno()).st_size
        head = head_at(0)
        if size == 0 or not head:
            raise FileFormatError("not an HDF5 file", file=Path(path), found="an empty file")
        first, offset = head, 0
        while not head.startswith(SIGNATURE):
            # A user block before the superblock has a size of 512, 1024, 2048 ... bytes.
            offset = offset * 2 or 512
            if offset >= size:
                return parse(first, size, 0, Path(path))
            head = head_at(offset)
    block = parse(head, size, offset, Path(path))
    return block if journal is None else replace(block, journalled=True)


def state_of(block: Superblock) -> FileState:
    """Tell the state of a file from its superblock."""
    if not block.checksum_ok:
        return FileState.DAMAGED
    if block.writer_open:
        return FileState.SWMR_WRITING if block.swmr_writer else FileState.WRITING
    if block.journalled:
        return FileState.WRITING
    if block.end < block.file_size:
        return FileState.OVERHANG
    # With a driver of several members (multi, split, family) one member is never the whole.
    if block.end > block.file_size and block.driver_info is None:
        return FileState.TRUNCATED
    return FileState.CLOSED


def file_state(path: str | os.PathLike[str]) -> FileState:
    """Tell the state of a file from its first bytes, without opening it with a library.

    Parameters
    ----------
    path : path-like
        The file; it need not exist.

    Returns
    -------
    FileState

    Raises
    ------
    OSError
        The operating system does not let us read it, or it is a directory.
    """
    try:
        return state_of(read_superblock(path))
    except FileMissingError:
        return FileState.MISSING
    except FileFormatError:
        return _formless(path)


def _formless(path: str | os.PathLike[str]) -> FileState:
    """Tell apart what `read_superblock` could not read."""
    with open(path, "rb") as file:
        head = file.read(len(SIGNATURE))
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return FileState.EMPTY
        offset = 0
        while offset < size:
            file.seek(offset)
            found = file.read(len(SIGNATURE))
            if found == SIGNATURE:
                return FileState.DAMAGED
            offset = offset * 2 or 512
    return FileState.DAMAGED if SIGNATURE.startswith(head) else FileState.NOT_HDF5


def mended_end(block: Superblock) -> int:
    """Return where the allocation of a file that a crash left behind has to end.

    That is the end of the file, so that every row in it counts. A writer that died between
    claiming room and filling it recorded an end behind that of the file; this is believed only of
    a writer's header that is sound.

    Parameters
    ----------
    block : Superblock
        The superblock as read.

    Returns
    -------
    int
        A position in the file.
    """
    claimed = block.end - block.file_size
    believed = (
        (block.writer_open or block.journalled)
        and block.checksum_ok
        and 0 < claimed <= _LARGEST_CLAIM
    )
    return block.end if believed else block.file_size


def patched(block: Superblock, *, end: int | None = None, flags: int = 0) -> bytes:
    """Return the superblock with other flags, another end of allocation and a fitting checksum.

    Parameters
    ----------
    block : Superblock
        The superblock as read.
    end : int, optional
        End of allocation as a position in the file; that of `mended_end` where nothing is given.
    flags : int
        File consistency flags, 0 for "closed".

    Returns
    -------
    bytes
        As long as ``block.raw``, to stand at ``block.offset``.

    Raises
    ------
    FileFormatError
        The addresses of this header are too short for that end.
    """
    if end is None:
        end = mended_end(block)
    size = block.address_size
    eoa = end - block.offset + block.base
    if not 0 <= eoa < 2 ** (8 * size):
        raise FileFormatError(
            "damaged HDF5 file: it is too large for the addresses in its header",
            found=f"addresses of {size} bytes",
        )
    field = eoa.to_bytes(size, "little")
    raw = bytearray(block.raw)
    if block.version < 2:
        start = 28 if block.version == 1 else 24
        raw[20:24] = flags.to_bytes(4, "little")
        raw[start + 2 * size : start + 3 * size] = field
        return bytes(raw)
    raw[11] = flags
    raw[12 + 2 * size : 12 + 3 * size] = field
    raw[-4:] = checksum(bytes(raw[:-4])).to_bytes(4, "little")
    return bytes(raw)


_LOOKS = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a zip archive (also .npz, .xlsx, .zarr.zip)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a numpy .npy array"),
    (b"CDF", "a classic netCDF file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x0e\x03\x13\x01", "an HDF4 file"),
    (b"MATLAB 5.0", "a MATLAB file older than version 7.3"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"version https://git-lfs", "a git-lfs pointer, not the data"),
)


def looks_like(head: bytes) -> str:
    """Say in words what a file that is not HDF5 looks like, from its first bytes."""
    if not head:
        return "an empty file"
    for magic, words in _LOOKS:
        if head.startswith(magic):
            return words
    if SIGNATURE.startswith(head):
        return f"the first {len(head)} bytes of an HDF5 file"
    if not head.strip(b"\0"):
        return "zeros"
    try:
        # The incremental decoder forgives a character cut in half at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(head[:48])
    except UnicodeDecodeError:
        text = "\0"
    if all(char.isprintable() or char in "\r\n\t" for char in text):
        return f"text beginning with {text[:40]!r}"
    return f"bytes beginning with {head[:8].hex(' ')}"
