"""Folders of the local file system: what is in one, and making one with those above it."""

from __future__ import annotations

import os

from h5backends.errors import FileFormatError
from h5backends.local_errors import os_error

__all__ = ["make", "names"]


def names(folder: str) -> list[str]:
    """Return the names of the files and folders directly in a folder; none without the folder.

    Parameters
    ----------
    folder : str
        Path of the folder.

    Raises
    ------
    FileError
        The system does not let this user look, or it is not a folder.
    """
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except (NotADirectoryError, FileExistsError) as exc:
        raise _no_folder(folder) from exc
    except (OSError, ValueError) as exc:
        raise os_error(folder, exc, "r") from exc


def make(folder: str) -> None:
    """Make a folder, and those above it that are missing; one that is there is left as it is.

    Parameters
    ----------
    folder : str
        Path of the folder.

    Raises
    ------
    FileError
        The system does not let this user make it, or a file has its name.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except (NotADirectoryError, FileExistsError) as exc:
        raise _no_folder(folder) from exc
    except (OSError, ValueError) as exc:
        raise os_error(folder, exc, "w") from exc


def _no_folder(folder: str) -> FileFormatError:
    return FileFormatError(
        "there is a file where a folder is needed",
        file=folder,
        remedy="Choose another folder, or move the file.",
    )
