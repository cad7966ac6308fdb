"""Where followed arrays are: given as such, or by path in a file that may not exist yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from h5backends.arrays import Array, Followable
from h5backends.backend import H5Backend
from h5backends.drivers import registry
from h5backends.errors import (
    FileBusyError,
    FileFormatError,
    FileMissingError,
    FollowError,
    H5Error,
    NodeError,
    NodeKindError,
    NodeNotFoundError,
)
from h5backends.nodes import CARRAY, GROUP, Node
from h5backends.types import Capability

__all__ = ["Places"]

_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, TypeError)

_NOT_YET = (FileMissingError, FileBusyError, FileFormatError, NodeNotFoundError)
"""What may be otherwise in a moment, while a writer is only beginning."""


class Places:
    """Finds arrays by what the user gave for them, and keeps one object of each.

    HDF5 cannot read an array any more that is refreshed while it is open twice, so whatever is
    asked for again by the same path is the same object.

    Parameters
    ----------
    file : H5Backend, h5py.File, h5pyd.File, path or None
        Where paths of arrays are looked up. A path of a file is opened when the file is there,
        and belongs to this object.
    backend : str
        Driver for a file given by path.
    **options
        For that driver, such as ``endpoint=`` and ``username=``.
    """

    def __init__(self, file: Any = None, backend: str = "h5py", **options: Any) -> None:
        self._location = file if isinstance(file, (str, Path)) else None
        self._file = None if self._location is not None else file
        self._backend = backend
        self._options = options
        self._arrays: dict[Any, Array] = {}

    @property
    def is_owned(self) -> bool:
        """Whether the file was given by path and is opened here."""
        return self._location is not None

    def find(self, item: Any) -> Array:
        """Return one array.

        Parameters
        ----------
        item : Followable, str, or (file, str)
            The array itself, its path, or an open file and its path in there.

        Raises
        ------
        FollowError
            A path without a file, or something that is no array.
        NodeNotFoundError, NodeKindError
            There is nothing, or a group, at this path.
        """
        return self._arrays.get(_key(item)) or self._keep(item, self._resolved(item))

    def find_all(self, item: Any) -> list[Array]:
        """Return the arrays directly in a group, sorted by name; else the one array.

        Parameters
        ----------
        item : group, str, or anything that `find` takes
            The group, its path, or an array.
        """
        if _key(item) in self._arrays:
            return [self._arrays[_key(item)]]
        place = self._resolved(item)
        if not _is_group(place):
            return [self._keep(item, place)]
        try:
            names = sorted(place)
        except _FOREIGN as exc:
            raise NodeError("this group cannot be listed", node=str(item), found=exc) from exc
        children = [(place, name) for name in names]
        found = [child for child in children if isinstance(_look_up(*child), Followable)]
        return [self.find(child) for child in found]

    def _keep(self, item: Any, place: Any) -> Array:
        array = self._arrays[_key(item)] = Array(_checked(place))
        return array

    def _resolved(self, item: Any) -> Any:
        if isinstance(item, (str, Path)):
            return _look_up(self._opened(), str(item))
        return _look_up(*item) if isinstance(item, tuple) else item

    def _opened(self) -> Any:
        if self._file is None and self._location is not None:
            h5 = H5Backend(self._backend)
            swmr = Capability.SWMR_READ in registry.load(self._backend).capabilities
            h5.open_file(self._location, "r", swmr_mode=swmr, **self._options)
            self._file = h5
        if self._file is None:
            raise FollowError(
                "a path of an array needs a file to look it up in",
                remedy="Give file=, or the array itself.",
            )
        return self._file

    @contextmanager
    def beginning(self) -> Iterator[list[H5Error]]:
        """Collect what hinders because the writer has only begun; else let it through."""
        hindrances: list[H5Error] = []
        try:
            yield hindrances
        except _NOT_YET as exc:
            if not self.is_owned:
                raise
            hindrances.append(exc)
            # An array that is missing now is never seen by a reader that is already attached.
            self.close()

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self.is_owned and self._file is not None:
            file, self._file = self._file, None
            self._arrays.clear()
            file.close_file()


def _look_up(file: Any, path: str) -> Any:
    if isinstance(file, H5Backend):
        return file.get_node(path)
    try:
        return file[path]
    except (KeyError, ValueError, OSError) as exc:
        if isinstance(exc, H5Error):
            raise
        name = getattr(file, "filename", None)
        raise NodeNotFoundError("there is no such array", file=name, node=path) from exc


def _checked(item: Any) -> Followable:
    if isinstance(item, Node) and not isinstance(item, CARRAY):
        raise NodeKindError("this node is not an array", node=item.path, found=type(item).__name__)
    if not isinstance(item, Followable):
        raise FollowError(
            "this cannot be followed",
            expected="an array node, a dataset, or a path and file=",
            found=type(item).__name__,
        )
    return item


def _key(item: Any) -> Any:
    if isinstance(item, (str, Path)):
        return str(item)
    if isinstance(item, tuple):
        return (id(item[0]), *item[1:])
    return id(item)


def _is_group(place: Any) -> bool:
    return isinstance(place, GROUP) or (hasattr(place, "keys") and not hasattr(place, "shape"))
