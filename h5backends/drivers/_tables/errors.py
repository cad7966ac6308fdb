"""What PyTables raises -> this package's errors: the one place where that happens."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

import tables

from h5backends.errors import (
    DTypeError,
    FileClosedError,
    FileFormatError,
    H5Error,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    StorageError,
)
from h5backends.local_errors import os_error
from h5backends.types import Mode

__all__ = ["Translation", "closed_error", "failure", "read_only", "translated"]


class Translation:
    """A context in which errors of PyTables become ours.

    Parameters
    ----------
    location : str
        The file.
    mode : str
        The mode it is open in.
    node : str, optional
        What is being worked with.
    guard : context manager, optional
        To be in while PyTables is at work.
    """

    __slots__ = ("guard", "location", "mode", "node")

    def __init__(
        self,
        location: str,
        mode: Mode,
        node: str | None = None,
        guard: AbstractContextManager[None] | None = None,
    ) -> None:
        self.location = location
        self.mode = mode
        self.node = node
        self.guard = guard

    def __enter__(self) -> None:
        if self.guard is not None:
            self.guard.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.guard is not None:
            self.guard.__exit__(kind, exc, trace)
        if exc is not None:
            self.raise_ours(exc)

    def raise_ours(self, exc: BaseException) -> None:
        """Raise our error for one of PyTables; return if it is none."""
        if isinstance(exc, H5Error):
            exc.file = exc.file or self.location
            exc.node = exc.node or self.node
            return
        if isinstance(exc, Exception) and type(exc) is not KeyError:
            error = translated(exc, self.location, self.mode, self.node)
            if error is not None:
                raise error from exc


def translated(exc: Exception, location: str, mode: Mode, node: str | None) -> H5Error | None:
    """Return the error to raise instead of PyTables', None for one that is not PyTables' business.

    Parameters
    ----------
    exc : Exception
        What was raised.
    location, mode, node
        As for :class:`Translation`.
    """
    if isinstance(exc, (tables.ClosedNodeError, tables.ClosedFileError)):
        return closed_error(location, node)
    if isinstance(exc, tables.FileModeError):
        return read_only(location, node)
    if isinstance(exc, tables.NoSuchNodeError):
        return NodeNotFoundError("there is no such node", file=location, node=node)
    if isinstance(exc, tables.NodeError):
        return NodeExistsError(
            "a node of this name exists already", file=location, node=node, found=str(exc)
        )
    if isinstance(exc, tables.HDF5ExtError):
        return _of_hdf5(exc, location, mode, node)
    if isinstance(exc, OSError):
        return os_error(location, exc, mode)
    if isinstance(exc, SystemError):  # its extension, on names and sizes that make no sense
        return FileFormatError(
            "the file is damaged",
            file=location,
            node=node,
            found=str(exc),
            remedy=f"What can still be read: h5backends check {location!r}.",
        )
    if isinstance(exc, (TypeError, ValueError)):
        return DTypeError(
            "PyTables cannot do this with these data", file=location, node=node, found=str(exc)
        )
    return None


def closed_error(location: str, node: str | None) -> FileClosedError:
    """Return the error for work with a closed file."""
    return FileClosedError("the file is closed", file=location, node=node, remedy="Open it again.")


def read_only(location: str, node: str | None) -> ReadOnlyError:
    """Return the error for writing to a file opened for reading."""
    return ReadOnlyError(
        "the file is open for reading only",
        file=location,
        node=node,
        remedy="Open it with mode 'r+' or 'a'.",
    )


def failure(said: str, location: str, mode: Mode, to_do: str) -> H5Error:
    """Return the error for what HDF5 said about a call that PyTables did not look at.

    Parameters
    ----------
    said : str
        What :func:`pending_failure` returned.
    location, mode
        The file.
    to_do : str
        What was being done, as in "flushing".
    """
    error = os_error(location, OSError(said), mode)
    error.what = f"{error.what} while {to_do} it"
    return error


def _of_hdf5(exc: Exception, location: str, mode: Mode, node: str | None) -> H5Error:
    text = str(exc)
    if "no write intent on file" in text:
        return read_only(location, node)
    if "already exists" in text:
        return NodeExistsError("a node of this name exists already", file=location, node=node)
    # The trace stands before PyTables' own words.
    trace, _, said = text.rpartition("End of HDF5 error back trace")
    error = os_error(location, OSError(trace or said), mode)
    error.node = node
    if isinstance(error, StorageError):
        error.found = " ".join(said.split()) or error.found
    return error
