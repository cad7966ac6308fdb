"""Which files may be looked at: one, or those in a folder; each opened once for all viewers."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

from h5backends.errors import FileAccessError, FileMissingError
from savers.layout import H5_SUFFIXES
from savers.view.model.source import Address, Source

__all__ = ["Library"]

_MOST = 1000
"""Files listed of a folder at most, the newest ones."""
_LOOKED_AT = 100_000
"""Directory entries looked at for that."""


class Library:
    """The files that are served.

    Parameters
    ----------
    address : Address
        A file, or a folder of local files.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._sources: dict[str, tuple[Source, int]] = {}
        self._lock = threading.Lock()
        self.is_folder = os.path.isdir(address.location)
        """Whether it is a folder."""

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self._address.name

    def names(self) -> list[str]:
        """Return the HDF5 files in the folder by their way from it, the newest first."""
        root = Path(self._address.location)
        found: list[tuple[float, str]] = []
        looked_at = 0
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                suffix = os.path.splitext(name)[1].lower()
                if not name.startswith(".") and ("h5" in suffix or suffix in H5_SUFFIXES):
                    path = Path(folder, name)
                    try:
                        changed = path.stat().st_mtime
                    except OSError:
                        continue  # removed since, or a link that leads nowhere
                    found.append((changed, path.relative_to(root).as_posix()))
            looked_at += len(files)
            if looked_at > _LOOKED_AT:
                break
        return [name for _, name in sorted(found, reverse=True)[:_MOST]]

    def find(self, name: str | None) -> Address:
        """Return where a file is that a viewer asks for.

        Parameters
        ----------
        name : str or None
            Its way from the folder; None for the newest one, or for the one file there is.

        Raises
        ------
        FileAccessError
            It is not in the folder, by whatever way: up, absolute, or over a link.
        FileMissingError
            There is no such file, or none at all.
        """
        if not self.is_folder:
            if name:
                raise self._outside(name)
            return self._address
        if not name:
            names = self.names()
            if not names:
                raise FileMissingError(
                    "there is no HDF5 file in this folder yet", file=self._address.location
                )
            name = names[0]
        root = os.path.realpath(self._address.location)
        try:
            path = os.path.realpath(os.path.join(root, name))
            inside = os.path.commonpath([root, path]) == root and path != root
        except ValueError:  # another drive, or no possible name
            inside = False
        if not inside:
            raise self._outside(name)
        if not os.path.isfile(path):
            raise FileMissingError("there is no such file", file=path)
        return replace(self._address, location=path)

    def _outside(self, name: str) -> FileAccessError:
        return FileAccessError(
            "only what the command was started with can be looked at",
            file=name,
            expected=f"a file in {self._address.location}"
            if self.is_folder
            else self._address.location,
        )

    def borrow(self, address: Address) -> Source:
        """Return the source of a file, the same for all viewers; give it back with `give_back`."""
        with self._lock:
            source, count = self._sources.get(address.location, (None, 0))
            source = source or Source(address)
            self._sources[address.location] = (source, count + 1)
            return source

    def give_back(self, source: Source) -> None:
        """Close a file that nobody looks at any more."""
        with self._lock:
            location = source.address.location
            _, count = self._sources[location]
            if count > 1:
                self._sources[location] = (source, count - 1)
                return
            del self._sources[location]
            source.close()

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            sources = [source for source, _ in self._sources.values()]
            self._sources.clear()
        for source in sources:
            source.close()
