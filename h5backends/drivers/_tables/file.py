"""The PyTables driver's file: opened, flushed, closed, and left alone after a fork."""

from __future__ import annotations

import os
import threading

from tables import hdf5extension

from h5backends import lifetime, localfile
from h5backends.drivers._journal.hooks import tap
from h5backends.drivers._journal.tap import Tap
from h5backends.drivers._tables.attributes import Attributes
from h5backends.drivers._tables.errors import Translation, closed_error, failure, read_only
from h5backends.drivers._tables.lowlevel import H5File, pending_failure
from h5backends.drivers._tables.native import SafeFile
from h5backends.drivers._tables.parameters import library_parameters, wants_oldest_format
from h5backends.drivers._tables.tree import Tree
from h5backends.errors import UnsupportedError
from h5backends.types import Mode, OpenOptions, Stored

__all__ = ["LOCK", "OpenFile"]

LOCK = threading.RLock()
"""PyTables keeps a register of open files and nodes for the whole process, and the HDF5 it comes
with takes one thread at a time, whatever the file: one lock for all of them."""

if hasattr(os, "register_at_fork"):
    # Another thread may have held it in the parent; nobody does in the child.
    os.register_at_fork(after_in_child=LOCK._at_fork_reinit)  # type: ignore[attr-defined]

_WHOLE_FILE = 1
"""HDF5's ``H5F_SCOPE_GLOBAL``."""

_ROOT_ATTRIBUTES: dict[str, Stored] = {
    "CLASS": "GROUP",
    "PYTABLES_FORMAT_VERSION": "2.1",
    "TITLE": "",
    "VERSION": "1.0",
}


class OpenFile:
    """One open file.

    Parameters
    ----------
    location : str
        Absolute path.
    mode : {"r", "r+", "a", "w", "x"}
        As in h5py.
    options : OpenOptions
        Title of a new file, parameters of PyTables; as in h5py, ``libver='earliest'`` for a new
        file that HDF5 1.8 can read.

    Raises
    ------
    FileError
        One of its kinds, see :mod:`h5backends.errors`.
    UnsupportedError
        SWMR, or a parameter that PyTables does not have.
    """

    def __init__(self, location: str, mode: Mode, options: OpenOptions) -> None:
        if options.swmr:
            # PyTables itself takes the word and ignores it.
            raise UnsupportedError(
                "PyTables has no SWMR mode", file=location, remedy="Take the driver 'h5py'."
            )
        self.location = location
        self.mode: Mode = mode
        self.is_open = False
        self.in_users_hands = False
        self._native: SafeFile | None = None
        self.journal: Tap | None = None
        extra = dict(options.extra)
        self._oldest = wants_oldest_format(extra.pop("libver", None))
        self._params = library_parameters(extra, mode != "r")
        localfile.check_before_open(location, mode, "tables")
        with LOCK, self.translate():
            self._open(options.title)

    def _open(self, title: str) -> None:
        mode = self.mode
        if mode == "x":
            # Claim the name first: PyTables would replace what appeared there meanwhile.
            os.close(os.open(self.location, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        self.low = H5File(self.location, "w" if mode == "x" else mode, self._params, self._oldest)
        new = self.low._v_new
        if mode != "r" and self._params.get("DRIVER") in {None, "H5FD_SEC2"}:
            self.journal = tap(
                hdf5extension.__file__, self.low._v_objectid, self.location, self.flush,
                keep_lock=True, new=new,
            )  # fmt: skip
        self.attributes = Attributes(self.low, self.low.checked)
        self.tree = Tree(self.low, self.attributes)
        self.is_open = True
        if new:
            self.attributes.write(self.tree.root, _ROOT_ATTRIBUTES | {"TITLE": title})

    def translate(self, node: str | None = None, writing: bool = False) -> Translation:
        """Return the context in which PyTables' errors become ours."""
        guard = self.journal.writing if writing and self.journal is not None else self.journal
        return Translation(self.location, self.mode, node, guard)

    def require_open(self, node: str | None = None) -> None:
        """Raise ``FileClosedError`` if the file is closed."""
        if not self.is_open:
            raise closed_error(self.location, node)

    def require_writable(self, node: str | None = None) -> None:
        """Raise ``ReadOnlyError`` if the file is open for reading."""
        self.require_open(node)
        if self.mode == "r":
            raise read_only(self.location, node)

    def tables_file(self) -> SafeFile:
        """Return PyTables' own object for the file, opened when first asked for."""
        self.require_open()
        if self._native is None or not self._native.isopen:
            mode = "r" if self.mode == "r" else "r+"
            with self.translate():
                self._native = SafeFile(self.location, mode, self.attributes, self._params)
        return self._native

    def forget_natively(self, path: str) -> None:
        """Let PyTables' own objects at and below a path go, for it moves or vanishes."""
        if self._native is not None and self._native.isopen:
            self._native.forget(path)

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self.require_open()
        if self.mode == "r":
            return
        with self.translate():
            self._flush_natively()
            self.low._flush_file(_WHOLE_FILE)
            if said := pending_failure():
                raise failure(said, self.location, self.mode, "flushing")

    def _flush_natively(self) -> None:
        """Flush what was opened through PyTables' own object for the file.

        HDF5 writes the values of what was opened through this identifier of the file, but the
        metadata of everything: only after ours as well is the file consistent.
        """
        if self._native is None or not self._native.isopen:
            return
        if self.journal is not None:
            self.journal.paused = True
        try:
            self._native.flush()
        finally:
            if self.journal is not None:
                self.journal.paused = False

    def close(self) -> None:
        """Write everything and close; a second call does nothing."""
        if not self.is_open:
            return
        said = None
        with self.translate():
            if self.mode != "r":
                self._flush_natively()
                self.low._flush_file(_WHOLE_FILE)
            self.is_open = False
            if self._native is not None and self._native.isopen:
                self._native.close()
            self.tree.close()
            self.attributes.close()
            if self.mode != "r":
                self.low._flush_file(_WHOLE_FILE)
                said = pending_failure()
            self.low._close_file()
            said = said or pending_failure()
            if said:
                raise failure(said, self.location, self.mode, "closing")

    def fileno(self) -> int:
        """Return the operating system's descriptor."""
        self.require_open()
        with self.translate():
            # PyTables reads a whole word where HDF5 keeps an int.
            return int(self.low.fileno()) & 0xFFFFFFFF

    def fsync(self) -> None:
        """Flush, then wait until the storage device has the data."""
        if self.journal is not None:
            self.journal.sync = True
        self.flush()
        if self.mode != "r":
            os.fsync(self.fileno())

    def abandon(self) -> None:
        """Make this copy of the file harmless after ``fork``."""
        if not self.is_open:
            return
        # The file is the parent's: not for it is what HDF5 still writes when this process ends.
        lifetime.divert(self.fileno())
        self.is_open = False
