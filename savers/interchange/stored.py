"""Values of a file as xarray takes them: read when they are needed, wherever that is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray, CachingFileManager
from xarray.core import indexing

from h5backends.nodes import CARRAY
from savers.browser import H5BrowserUtil

__all__ = ["OpenFile", "StoredArray", "manager_of"]


class OpenFile(H5BrowserUtil):
    """A file that is open for reading, as xarray closes it."""

    def close(self) -> None:
        """Close the file."""
        self.close_file()


def manager_of(file: str, backend: str | None, options: dict[str, Any]) -> CachingFileManager[Any]:
    """Return what opens a file when it is needed, also in other processes, and closes it."""
    return CachingFileManager(OpenFile, file, kwargs={"backend": backend, **options})


class StoredArray(BackendArray):
    """An array of a file.

    Parameters
    ----------
    manager : CachingFileManager
        Opens the file.
    node : CARRAY
        The array.
    shape : tuple of int
        The part from its beginning that is meant; a last dimension of one element may be missing.
    """

    def __init__(
        self, manager: CachingFileManager[Any], node: CARRAY, shape: tuple[int, ...]
    ) -> None:
        self._manager = manager
        self._path = node.path
        self.shape = shape
        self.dtype = node.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        within = [
            slice(*k.indices(n)) if isinstance(k, slice) else k
            for k, n in zip(key, self.shape, strict=True)
        ]
        with self._manager.acquire_context() as file:
            node = file.get_node(self._path)
            within += [0] * (node.ndim - len(within))
            return np.asarray(node[tuple(within)], self.dtype)
