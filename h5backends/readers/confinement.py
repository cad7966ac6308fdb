"""Which files a measurement may lead to: none outside of the folders that the caller allows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from h5backends.errors import FileAccessError, H5Error, MeasurementError
from h5backends.readers.content import reading

__all__ = ["Confinement"]

_DEEPEST = 16
"""How many links and virtual datasets may follow one another."""


class Confinement:
    """Folders that files may be in; what is elsewhere is refused before it is opened.

    Parameters
    ----------
    roots : iterable of path
        The folders; everything below them is allowed. Links of the file system count as what
        they lead to.
    """

    def __init__(self, roots: Iterable[str | os.PathLike[str]]) -> None:
        self.roots = tuple(Path(os.path.realpath(root)) for root in roots)

    def allows(self, path: Path) -> bool:
        """Tell whether a file may be read."""
        if os.name == "nt" and PureWindowsPath(path).drive.startswith("\\\\"):
            # Only to look at a share would hand our credentials to its server.
            return any(Path(os.path.normpath(path)).is_relative_to(root) for root in self.roots)
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self.roots)

    def refusal(self, path: object, file: object, node: object = None) -> FileAccessError:
        """Return the error for a file that may not be read."""
        allowed = ", ".join(repr(str(root)) for root in self.roots) or "no folder at all"
        return FileAccessError(
            "the measurement leads to a file outside of the folders that it may lead to",
            file=file,
            node=node,
            expected=f"a file in {allowed}",
            found=path,
            remedy="If you trust the file, name that folder in basin_roots=.",
        )

    def find(self, paths: Sequence[str], folder: Path | None, file: object) -> Path | None:
        """Return the first of some paths that is a file.

        Parameters
        ----------
        paths : sequence of str
            Absolute, or relative to `folder`.
        folder : Path or None
            Where the file that names them is.
        file : object
            That file, for errors.

        Returns
        -------
        Path or None
            None if there is none of them.

        Raises
        ------
        FileAccessError
            None that is allowed is there, but one that is not.
        """
        refused: Path | None = None
        for text in paths:
            path = Path(text)
            if not path.is_absolute():
                if folder is None:
                    continue
                path = folder / path
            try:
                if not self.allows(path):
                    refused = refused or (path if _is_remote(path) or path.is_file() else None)
                elif path.is_file():
                    return path
            except (OSError, ValueError) as exc:  # a name that no file can have
                raise MeasurementError(
                    "a path in the measurement cannot be a file's", file=file, found=repr(text)
                ) from exc
        if refused is not None:
            raise self.refusal(refused, file)
        return None

    # -- inside of HDF5 files -------------------------------------------------------------------
    def check(self, group: Any, name: str, depth: int = 0) -> None:
        """Make sure that reading a node opens no file that is not allowed.

        Parameters
        ----------
        group : h5py.Group
            Where it is.
        name : str
            Its path from there.
        depth : int
            How many links led here.

        Raises
        ------
        FileAccessError
            A link, a virtual dataset or external storage leads out.
        MeasurementError
            Links follow one another without end, or cannot be checked.
        """
        import h5py

        if depth > _DEEPEST:
            raise MeasurementError(
                "links follow one another without end", file=group.file.filename, node=name
            )
        here = group.file if name.startswith("/") else group
        for part in name.split("/"):
            if not part:
                continue
            with reading(f"{here.name}/{part}"):
                link = here.get(part, getlink=True)
            if isinstance(link, h5py.SoftLink):
                self.check(here, link.path, depth + 1)
            elif isinstance(link, h5py.ExternalLink):
                self._check_elsewhere(here, link.filename, link.path, depth)
            with reading(f"{here.name}/{part}"):
                here = here[part]
        if isinstance(here, h5py.Dataset):
            self._check_storage(here, depth)

    def _check_storage(self, dataset: Any, depth: int) -> None:
        with reading(dataset.name):
            external = dataset.external or ()
            sources = dataset.virtual_sources() if dataset.is_virtual else ()
        for name, *_ in external:
            self._check_file(dataset, name)
        for source in {(s.file_name, s.dset_name) for s in sources}:
            self._check_elsewhere(dataset, *source, depth)

    def _check_elsewhere(self, item: Any, filename: str, path: str, depth: int) -> None:
        """Check a node of another file, without anything else being opened first."""
        import h5py

        if filename == ".":
            self.check(item.file, path, depth + 1)
            return
        for target in self._check_file(item, filename):
            try:
                with reading(target), h5py.File(target, "r") as file:
                    self.check(file, path, depth + 1)
            except (FileAccessError, MeasurementError):
                raise
            except H5Error:
                continue  # nothing there that could be read

    def _check_file(self, item: Any, filename: str | bytes) -> list[Path]:
        """Return the files that HDF5 may take for a name, all of which are allowed."""
        name = os.fsdecode(filename)
        if "%" in name:
            raise MeasurementError(
                "a virtual dataset with a pattern for its files cannot be checked",
                file=item.file.filename,
                node=item.name,
                found=name,
            )
        # HDF5 looks beside the file and in the current folder.
        folder = os.path.dirname(os.path.abspath(os.fsdecode(item.file.filename)))
        beside = os.path.abspath(os.path.join(folder, name))
        candidates = {Path(beside), Path(os.path.abspath(name))}
        candidates |= {Path(folder, Path(name).name)} if os.path.isabs(name) else set()
        for path in candidates:
            if not self.allows(path) and (os.path.isabs(name) or path.exists()):
                raise self.refusal(path, item.file.filename, item.name)
        return [path for path in candidates if self.allows(path) and path.is_file()]


def _is_remote(path: Path) -> bool:
    return os.name == "nt" and PureWindowsPath(path).drive.startswith("\\\\")
