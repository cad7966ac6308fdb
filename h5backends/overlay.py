"""A file as it would read once it is mended, without a byte of it being changed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from h5backends.journal import read_journal
from h5backends.superblock import mended_end, patched, read_superblock

__all__ = ["MendedFile"]


class MendedFile:
    """A read-only file object that shows a file as `repair` would leave it.

    What a dead writer left behind bears its mark and, often, an end of allocation from before its
    last rows; an HDF5 library refuses the one and cannot see past the other. Here the mark is
    off and everything up to the end of the file counts. A flush that was cut short is completed
    from the journal. To be given to ``h5py.File(..., "r")``.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    FileMissingError, FileFormatError
        There is no such file, or its header cannot be made sense of.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._descriptor = -1
        self.name = os.fspath(Path(path).absolute())
        self._journal = read_journal(path)
        block = read_superblock(path)
        self._start = block.offset
        self._header = patched(block)
        # Room that was claimed but never filled reads as zeros, as HDF5 would have left it.
        self._size = mended_end(block)
        self._position = 0
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __repr__(self) -> str:
        # h5py takes this for the name of the file.
        return self.name

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as in `io.RawIOBase`."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the position on, all that are left if negative."""
        left = max(0, self._size - self._position)
        buffer = bytearray(left if size < 0 else min(size, left))
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill a buffer from the position on and return how many bytes were there."""
        view = memoryview(buffer).cast("B")
        start = self._position
        count = max(0, min(len(view), self._size - start))
        with self._lock:
            os.lseek(self._descriptor, start, os.SEEK_SET)
            done = 0
            while done < count and (part := os.read(self._descriptor, count - done)):
                view[done : done + len(part)] = part
                done += len(part)
        view[done:count] = bytes(count - done)
        if self._journal is not None:
            self._journal.lay_over(view[:count], start)
        self._mend(view[:count], start)
        self._position = start + count
        return count

    def _mend(self, view: memoryview, start: int) -> None:
        """Put the mended header over what was read."""
        first = max(start, self._start)
        last = min(start + len(view), self._start + len(self._header))
        if first < last:
            part = self._header[first - self._start : last - self._start]
            view[first - start : last - start] = part

    def write(self, data: bytes) -> int:
        """Refuse: nothing is ever written here."""
        raise PermissionError(f"{self.name} is open for reading only")

    def truncate(self, size: int | None = None) -> int:
        """Refuse: nothing is ever written here."""
        raise PermissionError(f"{self.name} is open for reading only")

    def flush(self) -> None:
        """Do nothing: there is nothing to write."""
