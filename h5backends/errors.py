"""The errors of h5backends: what went wrong, where, and what to do about it.

Every error names the file, the node, what was expected, what was found and a
remedy, as far as each is known. Each also inherits the builtin exception that a
caller would catch without knowing this package::

    H5Error
    ├── NodeError                     something about a node of the tree
    │   ├── NodeNotFoundError         (KeyError)
    │   ├── AttributeMissingError     (KeyError)
    │   ├── NodeExistsError           (ValueError)
    │   ├── NodeNameError             (ValueError)
    │   └── NodeKindError             (TypeError)
    ├── DataError                     a value does not fit
    │   ├── ShapeError                (ValueError)
    │   ├── DTypeError                (TypeError)
    │   ├── SelectionError            (IndexError)
    │   ├── PipelineIdentifierError   (ValueError)
    │   └── AttributeValueError       (TypeError)
    ├── FileError                     something about the file as a whole
    │   ├── FileMissingError          (FileNotFoundError)
    │   ├── FileOccupiedError         (FileExistsError)
    │   ├── FileFormatError           (OSError)
    │   ├── FileBusyError             (BlockingIOError)
    │   ├── FileCrashedError          (OSError)
    │   ├── FileAccessError           (PermissionError)
    │   ├── FileClosedError           (ValueError)
    │   ├── ReadOnlyError             (PermissionError)
    │   ├── StorageError              (OSError)
    │   └── MeasurementError          (ValueError) a measurement, or what it refers to, is amiss
    │       └── BasinIdentifierMismatchError
    ├── RemoteError                   (ConnectionError)
    │   └── RemoteAccessError         (PermissionError)
    ├── UnsupportedError              (RuntimeError) the driver lacks a capability
    ├── SwmrError                     (RuntimeError)
    │   └── StructureFrozenError      the tree cannot change while SWMR is on
    ├── FollowError                   (RuntimeError) what is to be followed cannot be
    └── DriverError
        ├── UnknownDriverError        (ValueError)
        └── DriverNotInstalledError   (ImportError)
"""

from __future__ import annotations

__all__ = [
    "AttributeMissingError",
    "AttributeValueError",
    "BasinIdentifierMismatchError",
    "DTypeError",
    "DataError",
    "DriverError",
    "DriverNotInstalledError",
    "FileAccessError",
    "FileBusyError",
    "FileClosedError",
    "FileCrashedError",
    "FileError",
    "FileFormatError",
    "FileMissingError",
    "FileOccupiedError",
    "FollowError",
    "H5Error",
    "MeasurementError",
    "NodeError",
    "NodeExistsError",
    "NodeKindError",
    "NodeNameError",
    "NodeNotFoundError",
    "PipelineIdentifierError",
    "ReadOnlyError",
    "RemoteAccessError",
    "RemoteError",
    "SelectionError",
    "ShapeError",
    "StorageError",
    "StructureFrozenError",
    "SwmrError",
    "UnknownDriverError",
    "UnsupportedError",
]


class H5Error(Exception):
    """Base of every error this package raises.

    Parameters
    ----------
    what : str
        What went wrong, in one clause.
    file, node : str, optional
        Where: the location of the file and the path of the node.
    expected, found : str, optional
        What should have been there, and what was.
    remedy : str, optional
        What the caller can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        file: object = None,
        node: object = None,
        expected: object = None,
        found: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.file = None if file is None else str(file)
        self.node = None if node is None else str(node)
        self.expected = None if expected is None else str(expected)
        self.found = None if found is None else str(found)
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.what
        where = ", ".join(
            f"{label} {value!r}"
            for label, value in (("node", self.node), ("file", self.file))
            if value is not None
        )
        if where:
            text += f" ({where})"
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.found is not None:
            text += f"; found {self.found}"
        if self.remedy:
            text += f". {self.remedy}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments need help to cross a process boundary.
        return _rebuild, (type(self), self.what), dict(self.__dict__)


def _rebuild(kind: type[H5Error], what: str) -> H5Error:
    return kind(what)


class NodeError(H5Error):
    """Something about a node of the tree."""


class NodeNotFoundError(NodeError, KeyError):
    """No node has this path."""


class AttributeMissingError(NodeError, KeyError):
    """The node has no attribute of this name."""


class NodeExistsError(NodeError, ValueError):
    """A node of this name exists already."""


class NodeNameError(NodeError, ValueError):
    """A name that no node can have."""


class NodeKindError(NodeError, TypeError):
    """The node is of a kind that cannot do this."""


class DataError(H5Error):
    """A value does not fit where it should go; nothing was written."""


class ShapeError(DataError, ValueError):
    """The shape of the data does not fit the array."""


class DTypeError(DataError, TypeError):
    """The type of the data does not fit the array, or no driver can hold it."""


class SelectionError(DataError, IndexError):
    """An index or slice that the array does not have."""


class PipelineIdentifierError(DataError, ValueError):
    """A pipeline identifier that cannot be read back."""


class AttributeValueError(DataError, TypeError):
    """A value that cannot be stored as an attribute."""


class FileError(H5Error):
    """Something about the file as a whole."""


class FileMissingError(FileError, FileNotFoundError):
    """There is no such file."""


class FileOccupiedError(FileError, FileExistsError):
    """The file exists and was not to be replaced."""


class FileFormatError(FileError, OSError):
    """Not an HDF5 file, or a damaged one."""


class FileBusyError(FileError, BlockingIOError):
    """Another process, or another handle, holds the file."""


class FileCrashedError(FileError, OSError):
    """The program that wrote the file died before it could close it."""


class FileAccessError(FileError, PermissionError):
    """The operating system does not allow it."""


class FileClosedError(FileError, ValueError):
    """The file is closed, or belongs to the parent process."""


class ReadOnlyError(FileError, PermissionError):
    """The file was opened for reading only."""


class StorageError(FileError, OSError):
    """The storage failed: disk full, quota, an input/output error."""


class MeasurementError(FileError, ValueError):
    """A measurement is not as it should be, or what it refers to does not fit it."""


class BasinIdentifierMismatchError(MeasurementError):
    """A measurement refers to a file that holds another measurement."""


class RemoteError(H5Error, ConnectionError):
    """The server did not answer, or answered with a failure."""


class RemoteAccessError(RemoteError, PermissionError):
    """The server refuses this user."""


class UnsupportedError(H5Error, RuntimeError):
    """The driver lacks a capability; the message says which driver has it."""


class SwmrError(H5Error, RuntimeError):
    """A step of single-writer-multiple-reader operation is out of order."""


class StructureFrozenError(SwmrError):
    """The tree cannot change while readers are attached to the file."""


class FollowError(H5Error, RuntimeError):
    """What is to be followed is missing, does not fit together, or was replaced meanwhile."""


class DriverError(H5Error):
    """Something about a driver."""


class UnknownDriverError(DriverError, ValueError):
    """No driver is registered under this name."""


class DriverNotInstalledError(DriverError, ImportError):
    """The driver's library is not installed."""
