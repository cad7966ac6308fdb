"""The files that a comparison is written to: never one that is there already, unless asked to."""

from __future__ import annotations

import os
import re
from pathlib import Path

from h5backends.errors import FileMissingError, FileOccupiedError, StorageError

__all__ = ["BEGIN", "END", "Output", "marks"]


def marks(name: str) -> tuple[str, str]:
    """Return the lines of a Markdown file between which a command writes."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


BEGIN, END = marks("bench")
"""Those of the comparison."""


class Output:
    """A text file.

    Parameters
    ----------
    path : Path
        Where it goes.
    overwrite : bool
        Whether a file that is there may be replaced.
    mark : str
        In a file that is there, and has the lines of :func:`marks` of this name, what stands
        between them is replaced instead. Empty: the whole file.

    Raises
    ------
    FileOccupiedError
        There is such a file, without marks, and it is not to be replaced.
    FileMissingError
        There is no such folder.
    StorageError
        The file cannot be read.
    """

    def __init__(self, path: Path, *, overwrite: bool, mark: str = "") -> None:
        self._path = path
        begin, end = marks(mark)
        self._between = re.compile(f"(?<={begin}\n).*?(?={end})", re.DOTALL)
        self._around: str | None = None
        if not path.parent.is_dir():
            raise FileMissingError(
                "there is no such folder", file=str(path.parent), remedy="Make it first."
            )
        if not path.exists():
            return
        if mark and path.is_file():
            self._around = self._marked()
        if self._around is None and not (overwrite and path.is_file()):
            lines = f", or lines {begin} and {end} in it," if mark else ""
            raise FileOccupiedError(
                "the file is there already",
                file=str(path),
                remedy=f"Choose another name; --overwrite{lines} says that it may be replaced.",
            )

    def _marked(self) -> str | None:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise StorageError("cannot be read", file=str(self._path), found=str(exc)) from exc
        return text if self._between.search(text) else None

    def write(self, text: str) -> None:
        """Write it as a whole, also again.

        Raises
        ------
        StorageError
            It cannot be written; what was there before still is.
        """
        if self._around is not None:
            # A function: backslashes in the text mean nothing.
            text = self._between.sub(lambda _: f"\n{text}\n", self._around, count=1)
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, self._path)
        except OSError as exc:
            beside.unlink(missing_ok=True)
            raise StorageError("cannot be written", file=str(self._path), found=str(exc)) from exc
