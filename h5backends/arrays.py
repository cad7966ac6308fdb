"""One array that may grow, whoever opened it: a node of ours, an h5py or h5pyd dataset, numpy."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers.base import SupportsSwmr
from h5backends.errors import FileClosedError, H5Error, StorageError, UnsupportedError
from h5backends.nodes import CARRAY
from h5backends.types import Box, Capability

__all__ = ["Array", "Followable", "Limits"]

_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)
"""What h5py and h5pyd raise for a dataset that is closed, gone or unreadable."""

_OPENING_SECONDS = 2.0
"""How long the writer of a part of an assembled array may take to let readers in."""

_T = TypeVar("_T")

Limits = tuple[int | None, ...]
"""The extent an array may grow to, in elements; None where it has no limit."""


@runtime_checkable
class Followable(Protocol):
    """All that a follower needs of an array.

    ``refresh()`` is called too where there is one, and ``maxshape`` is used where there is one.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent as far as it is known to this process."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    def __getitem__(self, item: Any) -> Any:
        """Read a part, given as a tuple of slices."""


class Array:
    """An array that may grow, with this package's errors in place of its library's.

    Parameters
    ----------
    source : Followable
        What to read from.
    """

    __slots__ = ("_is_unreadable", "_refresh", "can_grow", "native", "node", "source")

    def __init__(self, source: Followable) -> None:
        self.source = source
        self.node = source if isinstance(source, CARRAY) else None
        self.native: Any = source
        if self.node is not None:
            self.native = self.node.node
        self._is_unreadable = _is_virtual_in_file_object(self.native)
        refreshes, self.can_grow = _liveliness(source)
        self._refresh = getattr(source, "refresh", None) if refreshes else None

    @property
    def is_written_here(self) -> bool:
        """Whether this process may write to it: then it may change at any moment, unannounced."""
        return self.can_grow and self._refresh is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent when it was last refreshed."""
        try:
            shape = self.source.shape
        except _FOREIGN as exc:
            raise self.error_for(exc) from exc
        return () if shape is None else tuple(shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype: np.dtype[Any] = self._told("dtype")
        return dtype

    @property
    def maxshape(self) -> Limits:
        """The extent it may grow to; the present one for arrays that cannot grow."""
        limits = self._told("maxshape", of_library=True)
        if limits is not None:
            return tuple(limits)
        if self.node is not None:
            with self.node.session.lock:
                return self.node.session.driver.spec(self.node.handle).maxshape
        return self.shape

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunk shape; None without chunks, or where it is not known."""
        chunks = self._told("chunks")
        return tuple(chunks) if chunks else None

    def _told(self, name: str, of_library: bool = False) -> Any:
        """Return what the array, or the library's own object for it, says of itself."""
        try:
            return getattr(self.native if of_library else self.source, name, None)
        except _FOREIGN as exc:
            raise self.error_for(exc) from exc

    @property
    def name(self) -> str | None:
        """Path in the file, if it can be told."""
        if self.node is not None:
            return self.node.path if self.node.session.is_open else None
        try:
            return getattr(self.native, "name", None)
        except _FOREIGN:
            return None

    @property
    def file_path(self) -> str | None:
        """Path of the local file it is in, if it is in one."""
        path: Any = None
        if self.node is not None and Capability.LOCAL in self.node.session.driver.capabilities:
            path = self.node.session.driver.location
        try:
            # A dataset behind an external link is in another file than the one that was opened.
            own = getattr(getattr(self.native, "file", None), "filename", None)
        except _FOREIGN:
            own = None
        if isinstance(own, str) and os.path.isfile(own):
            path = own
        return os.path.abspath(path) if isinstance(path, str) and os.path.isfile(path) else None

    @property
    def is_assembled(self) -> bool:
        """Whether its values are in other files, whose changes the file itself does not show."""
        return bool(getattr(self.native, "is_virtual", False)) or bool(
            getattr(self.native, "external", None)
        )

    def refresh(self) -> None:
        """Take in what the writer flushed, the shape included."""
        if self._refresh is not None:
            self._patiently(self._refresh)

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box.

        Returns
        -------
        ndarray, the shape of the box, :attr:`dtype`
        """
        if self._is_unreadable:
            raise UnsupportedError(
                "HDF5 cannot read a virtual dataset in a file object: it would crash",
                node=self.name,
                remedy="Open the file by its path; if a crash left it behind, repair it first.",
            )
        return self._patiently(lambda: np.asarray(self.source[box]))

    def _patiently(self, look: Callable[[], _T]) -> _T:
        """Look, again for a while if a file that values are in is only being opened just then."""
        deadline: float | None = None
        while True:
            try:
                return look()
            except _FOREIGN as exc:
                error = self.error_for(exc)
                if isinstance(error, FileClosedError) or not self.is_assembled:
                    raise error from exc
                now = time.monotonic()
                deadline = now + _OPENING_SECONDS if deadline is None else deadline
                if now > deadline:
                    raise error from exc
            time.sleep(0.002)

    def error_for(self, exc: Exception) -> H5Error:
        """Return this package's error for what a library raised."""
        if isinstance(exc, H5Error):
            return exc
        try:
            closed = not self.native
        except _FOREIGN:  # the truth of a numpy array is ambiguous, but it is not closed
            closed = False
        if closed:
            return FileClosedError("the file is closed", remedy="Open it again.")
        return StorageError("the array cannot be read any more", node=self.name, found=exc)


def _is_virtual_in_file_object(native: Any) -> bool:
    """Tell whether values are in other files, which HDF5 would open as a Python file object."""
    h5py = sys.modules.get("h5py")
    if h5py is None or not isinstance(native, h5py.Dataset) or not native:
        return False
    return native.file.driver == "fileobj" and bool(native.is_virtual)


def _liveliness(source: Any) -> tuple[bool, bool]:
    """Tell whether an array has to be refreshed, and whether it can grow at all.

    What is not in SWMR mode is never refreshed: it gains nothing, and HDF5 fails on an array that
    is refreshed while it is open twice.
    """
    if isinstance(source, CARRAY):
        session = source.session
        driver = session.driver
        if session.writable:
            return False, True  # what this process itself writes is seen at once
        live = Capability.REFRESH in driver.capabilities
        if isinstance(driver, SupportsSwmr):
            live = live and driver.swmr_active
        return live, live
    h5py = sys.modules.get("h5py")
    if h5py is not None and isinstance(source, h5py.Dataset):
        if not source:
            return False, True  # closed: the first look says so
        writable = source.file.mode != "r"
        live = bool(source.file.swmr_mode) and not writable
        return live, live or writable
    live = hasattr(source, "refresh")
    return live, live
