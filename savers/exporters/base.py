"""What an export format is, and how a new file appears: whole, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from h5backends.errors import (
    FileAccessError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    StorageError,
)
from h5backends.nodes import Node
from savers.loader import DataLoader

__all__ = ["Exporter", "Progress", "new_file"]

Progress = Callable[[int, int], None]
"""Called with what is done so far and what there is in all, in the same unit."""


class Exporter(ABC):
    """Writes a node of a file, and what is below it, into a file of another format.

    Subclass it and name the subclass in the entry point group ``h5backends.exporters``. The
    options of the format are keyword arguments of its constructor.

    Attributes
    ----------
    extension : str
        Of the files, without the dot; several formats may share one.
    other_extensions : tuple of str
        That files of this format may have, too.
    description : str
        For a list to choose from.
    """

    extension: ClassVar[str]
    other_extensions: ClassVar[tuple[str, ...]] = ()
    description: ClassVar[str]

    @abstractmethod
    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        """Write a node into a new file.

        Arrays may be larger than memory: read them by slices, for instance those of
        :func:`h5backends.blocks.boxes`.

        Parameters
        ----------
        loader : DataLoader
            The file that is exported from; gives data with their axes, lazily if asked to.
        node : Node
            What to export.
        target : Path
            A file, or a folder, that does not exist yet. It gets its final name when this method
            has returned.
        progress : callable, optional
            To be told how far it is.
        """


@contextmanager
def new_file(target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a place to write to, and put the file in its place when it is complete.

    Parameters
    ----------
    target : Path
        Where the file shall be in the end.
    overwrite : bool
        Whether a file that is there may be replaced.

    Yields
    ------
    Path
        In the same folder; nothing of it is left if the block raises.

    Raises
    ------
    FileOccupiedError
        There is a file already, or a folder.
    FileMissingError
        There is no such folder to put it in.
    FileAccessError, StorageError
        The operating system refuses.
    """
    if target.is_dir():
        raise FileOccupiedError("this is a folder, not a file to export to", file=target)
    if not overwrite and target.exists():
        raise _occupied(target)
    if not target.parent.is_dir():
        raise FileMissingError(
            "the folder to export to does not exist", file=target, expected=str(target.parent)
        )
    part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        if not overwrite and not part.is_dir():  # a folder takes no name that is taken
            _reserve(target)
        os.replace(part, target)
    except H5Error as exc:
        if exc.file == str(part):  # which nobody gets to see
            exc.file = str(target)
        raise
    except OSError as exc:
        raise _translated(exc, target) from exc
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(FileNotFoundError):
            part.unlink()


def _reserve(target: Path) -> None:
    """Take a name that nobody has taken meanwhile; renaming alone would replace a file."""
    try:
        target.open("xb").close()
    except FileExistsError as exc:
        raise _occupied(target) from exc


def _occupied(target: Path) -> FileOccupiedError:
    return FileOccupiedError(
        "there is a file of this name already",
        file=target,
        remedy="Choose another name, or pass overwrite=True to replace it.",
    )


def _translated(error: OSError, target: Path) -> H5Error:
    denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    kind = FileAccessError if denied else StorageError
    return kind("the export cannot be written", file=target, found=error.strerror or str(error))
