"""The engine ``h5backends`` of xarray: ``xr.open_dataset(path, engine="h5backends")``.

Found by entry point. xarray imports it whenever it looks for engines, so that it loads nothing
of this package before a file is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from xarray.backends import BackendEntrypoint

if TYPE_CHECKING:
    import xarray as xr

    from h5backends.nodes import CARRAY

__all__ = ["H5BackendsEntrypoint"]

_ENDINGS = (".h5", ".hdf5", ".hdf", ".nxs", ".nx")


class H5BackendsEntrypoint(BackendEntrypoint):
    """Opens files of this package, and other HDF5 files, with coordinates and units.

    Values stay in the file until they are needed. A file that is being written in SWMR mode, or a
    domain on a server, has what its writer had flushed when it was opened.
    """

    description: ClassVar[str] = "HDF5 files with axes and units, also while they are written"
    url: ClassVar[str] = ""
    supports_groups: ClassVar[bool] = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether this could be a file for this engine, by its name alone."""
        if not isinstance(filename_or_obj, (str, os.PathLike)):
            return False
        name = os.fspath(filename_or_obj)
        return isinstance(name, str) and (
            name.startswith("hdf5://") or name.lower().endswith(_ENDINGS)
        )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        backend: str | None = None,
        endpoint: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> xr.Dataset:
        """Open all signals at and below a place as one dataset.

        Parameters
        ----------
        filename_or_obj : str or path-like
            A file, or a domain on a server.
        drop_variables : str or iterable of str, optional
            What to leave out.
        group : str, optional
            A group, or one array. By default the scan, or the group, that the file's own default
            plot belongs to.
        backend : str, optional
            The driver.
        endpoint, username, password : str, optional
            For a server.

        Raises
        ------
        FileError, RemoteError
            The file cannot be read.
        NodeNotFoundError
            There is no such group.
        """
        from savers.exporters.signals import signals_below
        from savers.interchange.groups import Dimensions

        opened = _Opened(filename_or_obj, backend, endpoint, username, password)
        node = opened.default() if group is None else opened.node(group)
        found = opened.dataset(node, signals_below(node), Dimensions(), drop_variables)
        found.set_close(opened.manager.close)
        return found

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        backend: str | None = None,
        endpoint: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> dict[str, xr.Dataset]:
        """Open every group at and below a place as a dataset of its own, by its path.

        Parameters and errors are those of :meth:`open_dataset`; `group` is the root by default.
        """
        opened = _Opened(filename_or_obj, backend, endpoint, username, password)
        top = opened.node(group or "/")
        found = opened.datasets(top, drop_variables)
        found["/"].set_close(opened.manager.close)
        return found

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        backend: str | None = None,
        endpoint: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> xr.DataTree:
        """Open a file as a tree of datasets, see :meth:`open_groups_as_dict`."""
        import xarray as xr

        found = self.open_groups_as_dict(
            filename_or_obj,
            drop_variables=drop_variables,
            group=group,
            backend=backend,
            endpoint=endpoint,
            username=username,
            password=password,
        )
        tree = xr.DataTree.from_dict(found)
        tree.set_close(found["/"]._close)
        return tree


class _Opened:
    """A file that is looked through."""

    def __init__(
        self,
        file: Any,
        backend: str | None,
        endpoint: str | None,
        username: str | None,
        password: str | None,
    ) -> None:
        from savers.interchange.stored import manager_of
        from savers.loader import DataLoader

        given = {"endpoint": endpoint, "username": username, "password": password}
        options = {name: value for name, value in given.items() if value is not None}
        self.manager = manager_of(os.fspath(file), backend, options)
        self._loader = DataLoader(self.manager.acquire())

    def node(self, path: str) -> Any:
        return self._loader.get_node(path)

    def default(self) -> Any:
        """Return the scan of what the file itself wants to be plotted, else its group, or root."""
        from savers.view.model.choice import array_to_plot

        root = self._loader.get_node("/")
        array = array_to_plot(root)
        if array is None:
            return root
        axes = self._loader.get_nav_group(array)
        return array.parent_node if axes is None else axes.parent_node

    def dataset(
        self, node: Any, arrays: list[CARRAY], dimensions: Any, drop: str | Iterable[str] | None
    ) -> xr.Dataset:
        from h5backends.nodes import GROUP
        from savers.interchange.groups import dataset_of

        group = node if isinstance(node, GROUP) else node.parent_node
        found = dataset_of(self._loader, self.manager, group, arrays, dimensions)
        return _without(found, drop)

    def datasets(self, top: Any, drop: str | Iterable[str] | None) -> dict[str, xr.Dataset]:
        """Return those of a group and of all below it, by their paths."""
        from savers.interchange.groups import datasets_below

        found = datasets_below(self._loader, self.manager, top)
        return {path: _without(dataset, drop) for path, dataset in found}


def _without(dataset: xr.Dataset, drop: str | Iterable[str] | None) -> xr.Dataset:
    names = [drop] if isinstance(drop, str) else list(drop or ())
    return dataset.drop_vars(names, errors="ignore")
