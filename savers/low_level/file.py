"""The file as a whole: opened or created, furnished, brought up to date, closed."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from h5backends import creation
from h5backends.backend import H5Backend
from h5backends.errors import FileFormatError, FileMissingError, H5Error, SwmrError
from h5backends.nodes import GROUP
from h5backends.superblock import read_superblock
from h5backends.types import Capability, OpenOptions, SaveType
from savers import layout
from savers.log import fold_logs, live_logs
from savers.low_level.swmr import SwmrSaver

__all__ = ["FileSaver"]

_log = logging.getLogger(__name__)

_SWMR_SUPERBLOCK = 3


class FileSaver(SwmrSaver):
    """A file in PyMoDAQ's layout that is opened and closed."""

    save_type: SaveType
    h5_file_path: PurePath | None
    h5_file_name: str | None

    def init_file(
        self,
        file_name: str | Path,
        raw_group_name: str = layout.RAW_GROUP,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        swmr_mode: bool = False,
        mode: str = "a",
        **kwargs: Any,
    ) -> bool:
        """Open a file, or create it with the raw group and the log in it.

        An existing file is only ever replaced when this call asks for it, by ``new_file=True``
        (or ``mode="w"``). Without that it is opened and kept as it is; in a file that a recording
        program left in SWMR mode, log lines and attributes are brought up to date first.

        Parameters
        ----------
        file_name : str or Path
            The file. A name that no file has and that does not look like HDF5 gets ``.h5`` behind
            it.
        raw_group_name : str
            Name of the group that data go into.
        new_file : bool
            Create the file, **replacing one that exists**.
        metadata : mapping, optional
            Attributes of the raw group of a new file. Not changed.
        swmr_mode : bool
            Prepare for :meth:`enable_swmr`; with ``mode="r"`` follow a file while it is written.
        mode : {"a", "r", "r+", "x"}
            Open or create; read only; open what exists; create what does not exist.
        **kwargs
            For the library underneath, such as ``endpoint=`` of a server.

        Returns
        -------
        bool
            Whether a new file was made.

        Raises
        ------
        FileError
            One of its kinds: missing, busy, crashed, not HDF5, not allowed; nothing was changed.
        SwmrError
            SWMR with a driver that lacks it, or with an existing file that was not made for it.
            PyMoDAQ replaces such a file by an empty one; here it is left alone.
        RemoteError
            The server does not answer, or refuses.
        AttributeValueError
            A value of `metadata` cannot be stored; nothing was changed.
        """
        if new_file and mode in ("r", "r+"):
            raise ValueError(f"new_file=True creates a file, mode={mode!r} does not")
        creation.encoded(metadata)  # what cannot be stored must not cost an existing file
        location, exists = self._locate(file_name, kwargs)
        mode = "w" if new_file else mode
        new = mode in ("w", "x") or (mode == "a" and not exists)
        if swmr_mode and not new and mode != "r":
            self._require_swmr_format(location)
        self.open_file(location, mode, swmr_mode=swmr_mode, **kwargs)
        self._remember(location, raw_group_name)
        try:
            if new:
                self._furnish(metadata or {})
            elif mode != "r":
                self._mend()
            self._ready()
        except BaseException:
            self.close_file()
            raise
        return new

    def _locate(self, file_name: str | Path, options: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the file that is meant, and whether it exists."""
        if not isinstance(file_name, (str, os.PathLike)) or not str(file_name):
            raise FileMissingError(
                "no file was named", expected="a path or domain", found=repr(file_name)
            )
        extra = OpenOptions(extra=options)
        location = self._driver.normalise(file_name)
        if self._driver.exists(location, extra):
            return location, True
        if Capability.LOCAL in self._driver.capabilities and os.path.isdir(location):
            return location, False  # opening it says what is wrong
        location = layout.file_name(location)
        return location, self._driver.exists(location, extra)

    def _require_swmr_format(self, location: str) -> None:
        """Raise if an existing local file is of a format that SWMR cannot work with."""
        wanted = Capability.SWMR_WRITE | Capability.LOCAL
        if wanted not in self._driver.capabilities:
            return  # opening it says what is wrong
        try:
            version = read_superblock(location).version
        except FileFormatError:
            return  # so does opening this
        if version < _SWMR_SUPERBLOCK:
            raise SwmrError(
                "the file exists and was not made for SWMR; it was left as it is",
                file=location,
                expected=f"superblock version {_SWMR_SUPERBLOCK}",
                found=f"version {version}",
                remedy="Record into another file, open this one without swmr_mode, or pass "
                "new_file=True to replace it.",
            )

    def _remember(self, location: str, raw_group_name: str) -> None:
        remote = Capability.REMOTE in self._driver.capabilities
        path = PurePosixPath(location) if remote else Path(location)
        self.h5_file_path, self.h5_file_name = path.parent, path.name
        self._raw_group_name = raw_group_name
        self._logger_array = self._logger_where = None
        self._write_count = 0

    def _furnish(self, metadata: Mapping[str, Any]) -> None:
        """Give a new file its attributes and its raw group."""
        now = datetime.datetime.now()  # the laboratory's own time, as PyMoDAQ has it
        self.root().attrs.update(
            {
                "file": self.h5_file_name,
                "date": now.date().isoformat(),
                "time": now.time().isoformat(),
                "NX_class": "NXroot",
                "default": self._raw_group_name,
            }
        )
        self._make_raw_group(metadata)

    def _make_raw_group(self, metadata: Mapping[str, Any]) -> GROUP:
        attrs = {"type": self.save_type.name, "NX_class": "NXentry", **metadata}
        return creation.create_group(
            self.session, self.root(), self._raw_group_name, "Recorded data", attrs
        )

    def _mend(self) -> None:
        """Bring a file up to date whose writer ended, or died, while SWMR was on."""
        if self.root().attrs.get("swmr_active", False):
            self.reconcile_swmr_attrs()
        elif live_logs(self.root()):
            fold_logs(self)

    def _ready(self) -> None:
        """Make raw group and log in a file that lacks them, unless it is only read."""
        if not self.session.writable:
            return
        if self._raw_group_name not in self.root():
            self._make_raw_group({})
        self.get_set_logger()

    def close_file(self) -> None:
        """Write everything and close the file; without an open file does nothing.

        Log lines written while SWMR was on are folded back into the log. If somebody holds the
        file just then they stay where they are, readable, until it is opened for writing again.

        Raises
        ------
        StorageError, RemoteError
            See :meth:`h5backends.backend.H5Backend.close_file`.
        """
        waiting = self.isopen() and self.session.frozen and bool(self._stream_length())
        location, options = self.filename if waiting else "", dict(self._extra)
        super().close_file()
        self._logger_array = None
        if waiting:
            self._fold_closed(location, options)

    def _stream_length(self) -> int:
        stream = None if self._logger_array is None else self._logger_array.stream
        return 0 if stream is None else len(stream)

    def _fold_closed(self, location: str, options: dict[str, Any]) -> None:
        try:
            with H5Backend(self.backend) as again:
                again.open_file(location, "r+", **options)
                fold_logs(again)
        except H5Error as exc:
            # The lines are safe in the file, and closing has done what it is for.
            _log.warning("%s: the log is folded back at the next opening: %s", location, exc)

    def save_file(self, filename: str | Path | None = None, overwrite: bool = False) -> None:
        """Write a copy of the file; without a name, flush it.

        Parameters
        ----------
        filename : str or Path, optional
            Where to.
        overwrite : bool
            Whether a file that is there may be replaced.

        Raises
        ------
        FileOccupiedError
            There is a file already.
        """
        if filename is None or not str(filename):
            self.flush()
        else:
            self.save_file_as(filename, overwrite=overwrite)

    @property
    def h5_file(self) -> Any:
        """The library's own file object; None without an open file."""
        return self.h5file
