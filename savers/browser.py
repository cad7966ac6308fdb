"""H5BrowserUtil: look around in a file from a script, and export what is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from h5backends.drivers import registry
from h5backends.errors import FileMissingError
from h5backends.nodes import GROUP, Node
from savers.exporters import Progress, find
from savers.exporters.base import new_file
from savers.exporters.belonging import refreshed
from savers.exporters.registry import file_filters
from savers.loader import DataLoader
from savers.lookup import is_live
from savers.low_level import DEFAULT_BACKEND, H5SaverLowLevel
from savers.node_info import NodeInfo, tree_lines

__all__ = ["H5BrowserUtil"]

_REMOTE = ("hdf5://", "http://", "https://", "http+unix://")


class H5BrowserUtil(H5SaverLowLevel):
    """Looks into files and exports from them. Nothing is changed in a file given by its path.

    A file that another program is writing in SWMR mode, or that such a program left behind, is
    opened for following it; what is shown and exported is what its writer has flushed.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str, optional
        A saver with an open file, which stays its own: closing the browser leaves it open. Or the
        file to open for reading. A text that is the name of a driver is the `backend`, as in
        PyMoDAQ; then, and without anything, :meth:`open_file` opens a file.
    backend : str, optional
        Name of a driver; by default ``"h5py"``, and ``"h5pyd"`` for ``hdf5://...`` and with
        ``endpoint=``.
    **options
        For the library underneath, such as ``endpoint=`` of a server.

    Raises
    ------
    FileError
        The file cannot be read.
    UnknownDriverError, DriverNotInstalledError
        There is no such driver, or its library is missing.

    Examples
    --------
    >>> with H5BrowserUtil("scan.h5") as browser:                       # doctest: +SKIP
    ...     print(browser.tree())
    ...     browser.export_data("/RawData/Scan000/Data1D/CH00", "spectra.csv")
    """

    def __init__(
        self,
        h5saver: H5SaverLowLevel | Path | str | None = None,
        backend: str | None = None,
        **options: Any,
    ) -> None:
        self._borrowed = False
        if isinstance(h5saver, str) and h5saver in registry.driver_names():
            h5saver, backend = None, backend or h5saver
        if isinstance(h5saver, H5SaverLowLevel):
            super().__init__(h5saver.save_type, h5saver.backend)
            self._borrow(h5saver)
            return
        remote = "endpoint" in options or str(h5saver or "").startswith(_REMOTE)
        super().__init__(backend=backend or ("h5pyd" if remote else DEFAULT_BACKEND))
        if h5saver is not None:
            self._open_for_reading(h5saver, options)

    def _borrow(self, saver: H5SaverLowLevel) -> None:
        self._session, self._borrowed = saver.session, True
        self._extra, self.file_path = dict(saver._extra), saver.file_path
        self.h5_file_path, self.h5_file_name = saver.h5_file_path, saver.h5_file_name
        self._raw_group_name = saver._raw_group_name

    def _open_for_reading(self, file: Path | str, options: dict[str, Any]) -> None:
        location, exists = self._locate(file, options)
        if not exists and not os.path.isdir(location):  # opening that says what is wrong
            raise FileMissingError("there is no such file to browse", file=location)
        live = is_live(self._driver, location)
        self.init_file(location, mode="r", swmr_mode=live, **options)

    def close_file(self) -> None:
        """Close the file; one that belongs to a saver is only let go."""
        if self._borrowed:
            self._session, self._current_group, self._borrowed = None, None, False
            return
        super().close_file()

    # -- looking --------------------------------------------------------------------------------
    def tree(
        self, where: str | Node = "/", depth: int | None = None, attributes: bool = False
    ) -> str:
        """Return a drawing of a part of the file: names, kinds, shapes, types, units, titles.

        Parameters
        ----------
        where : str or Node
            Where to start.
        depth : int, optional
            How many levels below to go; None for all.
        attributes : bool
            Whether to show attributes too.
        """
        node = refreshed(self.get_node(where))
        return "\n".join(tree_lines(node, depth, attributes))

    def get_node_info(self, where: str | Node) -> NodeInfo:
        """Return what a node is: kind, shape, type, units, chunks, compression, attributes.

        Parameters
        ----------
        where : str or Node
        """
        node = self.get_node(where)
        return NodeInfo.of(node if isinstance(node, GROUP) else refreshed(node))

    def get_h5_attributes(
        self, node_path: str | Node
    ) -> tuple[dict[str, Any], list[Any], Any, list[Any]]:
        """Return the attributes of a node, and those that hold settings and pictures once more.

        Parameters
        ----------
        node_path : str or Node

        Returns
        -------
        attributes : dict
            All of them.
        settings : list
            The values of those with ``settings`` in their name, ``scan_settings`` aside.
        scan_settings : object
            The value of ``scan_settings``, None if it is missing or empty.
        pixmaps : list
            The values of those with ``pixmap`` in their name.
        """
        attrs = self.get_node(node_path).attrs.to_dict()
        settings = [v for k, v in attrs.items() if "settings" in k and "scan_settings" not in k]
        scan_settings = attrs.get("scan_settings")
        if isinstance(scan_settings, str) and not scan_settings:
            scan_settings = None
        return attrs, settings, scan_settings, [v for k, v in attrs.items() if "pixmap" in k]

    def get_h5file_scans(self, where: str | Node = "/") -> list[dict[str, Any]]:
        """Return the groups and arrays at and below a place that have a picture of their data.

        Parameters
        ----------
        where : str or Node
            Where to look.

        Returns
        -------
        list of dict
            ``scan_name`` (names of the group above and of the node), ``path``, and ``data``, the
            picture in the attribute ``pixmap2D``.
        """
        found = []
        for node in self.walk_nodes(where):
            attrs = node.attrs
            if "pixmap2D" in attrs:
                parent = node.parent_node
                above = "" if parent is None else f"{parent.name}_"
                found.append(
                    {"scan_name": above + node.name, "path": node.path, "data": attrs["pixmap2D"]}
                )
        return found

    # -- exporting ------------------------------------------------------------------------------
    def export_data(
        self,
        node_path: str | Node = "/",
        filesavename: str | Path = "datafile.h5",
        filter: str | None = None,  # noqa: A002 - PyMoDAQ's name
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> Path:
        """Write a node into a new file of another format.

        ``.csv`` and ``.txt`` hold one signal, or several of the same shape and axes. ``.npz`` and
        ``.h5`` hold anything, a whole file included; an array brings its axes, error bars and
        background along, and in ``.h5`` loads as it does here. Values are read block by block.
        The file has its name only when it is complete.

        Parameters
        ----------
        node_path : str or Node
            What to export.
        filesavename : str or Path
            The new file; its extension says the format.
        filter : str, optional
            Name or description of the format, where the extension does not say it.
        overwrite : bool
            Whether a file that is there may be replaced.
        progress : callable, optional
            Called with what is done so far and what there is in all.
        **options
            Of the format: ``backend=`` for h5 (a driver of local files), ``compressed=`` for npz,
            ``delimiter=`` and ``encoding=`` for csv.

        Returns
        -------
        Path
            The new file.

        Raises
        ------
        FileOccupiedError
            There is a file already.
        UnknownNameError
            There is no such format.
        NodeNotFoundError, NodeKindError, ShapeError, DTypeError
            There is no such node, or the format cannot hold it.
        FileMissingError, FileAccessError, StorageError
            The file cannot be written; nothing of it is left.
        TypeError
            The format has no such option.
        """
        node = self.get_node(node_path)
        target = Path(filesavename)
        exporter = find(target.suffix[1:], filter)(**options)
        with new_file(target, overwrite) as part:
            exporter.export(DataLoader(self), node, part, progress)
        return target

    @staticmethod
    def get_file_filters() -> str:
        """Return the export formats as file dialogs of Qt take them: ``Table (*.csv);;...``."""
        return file_filters()
