"""H5SaverLowLevel: a file in PyMoDAQ's layout, its numbered groups, its arrays, its log."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from h5backends import codec, creation
from h5backends.backend import H5Backend
from h5backends.errors import (
    AttributeValueError,
    FileFormatError,
    FileMissingError,
    H5Error,
    ReadOnlyError,
    ShapeError,
    SwmrError,
)
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node, StringARRAY
from h5backends.policy import FlushPolicy
from h5backends.superblock import read_superblock
from h5backends.types import Capability, GroupType, OpenOptions, SaveType
from savers import layout
from savers.enums import DataDim, DataType, member
from savers.log import LogARRAY, fold_logs, live_logs
from savers.numbering import Numbering

__all__ = ["H5SaverLowLevel"]

_log = logging.getLogger(__name__)

DEFAULT_BACKEND = "h5py"
"""It has SWMR, direct chunk writes, and nothing to start."""

_SWMR_SUPERBLOCK = 3


class H5SaverLowLevel(H5Backend):
    """A file in PyMoDAQ's layout, of any driver.

    Parameters
    ----------
    save_type : SaveType or str
        What the file is recorded for.
    backend : str, optional
        Name of a driver; ``"h5py"`` by default.
    flush_policy : FlushPolicy, optional
        When appended rows are written, see :class:`~h5backends.backend.H5Backend`.

    Attributes
    ----------
    h5_file_path : Path or None
        Folder of the file (of the domain, on a server).
    h5_file_name : str or None
        Name of the file.
    save_type : SaveType
        What the file is recorded for.
    fill_value : float
        Value of the points of a scan that nobody has written yet, NaN unless it is set. Types
        that cannot hold it have their zero instead, see :func:`savers.layout.default_fill`.

    Raises
    ------
    UnknownNameError, UnknownDriverError, DriverNotInstalledError

    Examples
    --------
    >>> saver = H5SaverLowLevel.from_file("scan.h5", new_file=True)
    >>> scan = saver.add_scan_group(title="first scan")
    >>> saver.add_log("lamp is on")
    >>> scan.path, saver.get_set_logger()[0]
    ('/RawData/Scan000', 'lamp is on')
    >>> saver.close_file()
    """

    def __init__(
        self,
        save_type: SaveType | str = "scan",
        backend: str | None = None,
        *,
        flush_policy: FlushPolicy | None = None,
    ) -> None:
        self.save_type = member(SaveType, save_type)
        self.h5_file_path: PurePath | None = None
        self.h5_file_name: str | None = None
        self.file_loaded = False
        self.fill_value: float = np.nan
        self._raw_group_name = layout.RAW_GROUP
        self._logger_array: LogARRAY | None = None
        self._logger_where: str | None = None
        self._numbering = Numbering()
        self._flush_interval = 0
        self._write_count = 0
        super().__init__(backend or DEFAULT_BACKEND, flush_policy)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        save_type: SaveType | str = "scan",
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        swmr_mode: bool = False,
        mode: str = "a",
        *,
        backend: str | None = None,
        flush_policy: FlushPolicy | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a saver and open its file, as the constructor and :meth:`init_file` do.

        Parameters
        ----------
        path : str or Path
            The file, or the domain on a server.
        save_type : SaveType or str
            What the file is recorded for.
        new_file, metadata, swmr_mode, mode, **kwargs
            See :meth:`init_file`.
        backend, flush_policy
            See the class.
        """
        saver = cls(save_type, backend, flush_policy=flush_policy)
        saver.init_file(
            path,
            new_file=new_file,
            metadata=metadata,
            swmr_mode=swmr_mode,
            mode=mode,
            **kwargs,
        )
        return saver

    # -- the file -------------------------------------------------------------------------------
    def init_file(
        self,
        file_name: str | Path,
        raw_group_name: str = layout.RAW_GROUP,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        swmr_mode: bool = False,
        mode: str = "a",
        **kwargs: Any,
    ) -> bool:
        """Open a file, or create it with the raw group and the log in it.

        An existing file is only ever replaced when this call asks for it, by ``new_file=True``
        (or ``mode="w"``). Without that it is opened and kept as it is; in a file that a recording
        program left in SWMR mode, log lines and attributes are brought up to date first.

        Parameters
        ----------
        file_name : str or Path
            The file. A name that no file has and that does not look like HDF5 gets ``.h5`` behind
            it.
        raw_group_name : str
            Name of the group that data go into.
        new_file : bool
            Create the file, **replacing one that exists**.
        metadata : mapping, optional
            Attributes of the raw group of a new file. Not changed.
        swmr_mode : bool
            Prepare for :meth:`enable_swmr`; with ``mode="r"`` follow a file while it is written.
        mode : {"a", "r", "r+", "x"}
            Open or create; read only; open what exists; create what does not exist.
        **kwargs
            For the library underneath, such as ``endpoint=`` of a server.

        Returns
        -------
        bool
            Whether a new file was made.

        Raises
        ------
        FileError
            One of its kinds: missing, busy, crashed, not HDF5, not allowed; nothing was changed.
        SwmrError
            SWMR with a driver that lacks it, or with an existing file that was not made for it.
            PyMoDAQ replaces such a file by an empty one; here it is left alone.
        RemoteError
            The server does not answer, or refuses.
        AttributeValueError
            A value of `metadata` cannot be stored; nothing was changed.
        """
        if new_file and mode in ("r", "r+"):
            raise ValueError(f"new_file=True creates a file, mode={mode!r} does not")
        creation.encoded(metadata)  # what cannot be stored must not cost an existing file
        location, exists = self._locate(file_name, kwargs)
        mode = "w" if new_file else mode
        new = mode in ("w", "x") or (mode == "a" and not exists)
        if swmr_mode and not new and mode != "r":
            self._require_swmr_format(location)
        self.open_file(location, mode, swmr_mode=swmr_mode, **kwargs)
        self._remember(location, raw_group_name)
        try:
            if new:
                self._furnish(metadata or {})
            elif mode != "r":
                self._mend()
            self._ready()
        except BaseException:
            self.close_file()
            raise
        return new

    def _locate(self, file_name: str | Path, options: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the file that is meant, and whether it exists."""
        if not isinstance(file_name, (str, os.PathLike)) or not str(file_name):
            raise FileMissingError(
                "no file was named", expected="a path or domain", found=repr(file_name)
            )
        extra = OpenOptions(extra=options)
        location = self._driver.normalise(file_name)
        if self._driver.exists(location, extra):
            return location, True
        if Capability.LOCAL in self._driver.capabilities and os.path.isdir(location):
            return location, False  # opening it says what is wrong
        location = layout.file_name(location)
        return location, self._driver.exists(location, extra)

    def _require_swmr_format(self, location: str) -> None:
        """Raise if an existing local file is of a format that SWMR cannot work with."""
        wanted = Capability.SWMR_WRITE | Capability.LOCAL
        if wanted not in self._driver.capabilities:
            return  # opening it says what is wrong
        try:
            version = read_superblock(location).version
        except FileFormatError:
            return  # so does opening this
        if version < _SWMR_SUPERBLOCK:
            raise SwmrError(
                "the file exists and was not made for SWMR; it was left as it is",
                file=location,
                expected=f"superblock version {_SWMR_SUPERBLOCK}",
                found=f"version {version}",
                remedy="Record into another file, open this one without swmr_mode, or pass "
                "new_file=True to replace it.",
            )

    def _remember(self, location: str, raw_group_name: str) -> None:
        remote = Capability.REMOTE in self._driver.capabilities
        path = PurePosixPath(location) if remote else Path(location)
        self.h5_file_path, self.h5_file_name = path.parent, path.name
        self._raw_group_name = raw_group_name
        self._logger_array = self._logger_where = None
        self._write_count = 0

    def _furnish(self, metadata: Mapping[str, Any]) -> None:
        """Give a new file its attributes and its raw group."""
        now = datetime.datetime.now()  # the laboratory's own time, as PyMoDAQ has it
        self.root().attrs.update(
            {
                "file": self.h5_file_name,
                "date": now.date().isoformat(),
                "time": now.time().isoformat(),
                "NX_class": "NXroot",
                "default": self._raw_group_name,
            }
        )
        self._make_raw_group(metadata)

    def _make_raw_group(self, metadata: Mapping[str, Any]) -> GROUP:
        attrs = {"type": self.save_type.name, "NX_class": "NXentry", **metadata}
        return creation.create_group(
            self.session, self.root(), self._raw_group_name, "Recorded data", attrs
        )

    def _mend(self) -> None:
        """Bring a file up to date whose writer ended, or died, while SWMR was on."""
        if self.root().attrs.get("swmr_active", False):
            self.reconcile_swmr_attrs()
        elif live_logs(self.root()):
            fold_logs(self)

    def _ready(self) -> None:
        """Make raw group and log in a file that lacks them, unless it is only read."""
        if not self.session.writable:
            return
        if self._raw_group_name not in self.root():
            self._make_raw_group({})
        self.get_set_logger()

    def close_file(self) -> None:
        """Write everything and close the file; without an open file does nothing.

        Log lines written while SWMR was on are folded back into the log. If somebody holds the
        file just then they stay where they are, readable, until it is opened for writing again.

        Raises
        ------
        StorageError, RemoteError
            See :meth:`h5backends.backend.H5Backend.close_file`.
        """
        waiting = self.isopen() and self.session.frozen and bool(self._stream_length())
        location, options = self.filename if waiting else "", dict(self._extra)
        super().close_file()
        self._logger_array = None
        if waiting:
            self._fold_closed(location, options)

    def _stream_length(self) -> int:
        stream = None if self._logger_array is None else self._logger_array.stream
        return 0 if stream is None else len(stream)

    def _fold_closed(self, location: str, options: dict[str, Any]) -> None:
        try:
            with H5Backend(self.backend) as again:
                again.open_file(location, "r+", **options)
                fold_logs(again)
        except H5Error as exc:
            # The lines are safe in the file, and closing has done what it is for.
            _log.warning("%s: the log is folded back at the next opening: %s", location, exc)

    def save_file(self, filename: str | Path | None = None, overwrite: bool = False) -> None:
        """Write a copy of the file; without a name, flush it.

        Parameters
        ----------
        filename : str or Path, optional
            Where to.
        overwrite : bool
            Whether a file that is there may be replaced.

        Raises
        ------
        FileOccupiedError
            There is a file already.
        """
        if filename is None or not str(filename):
            self.flush()
        else:
            self.save_file_as(filename, overwrite=overwrite)

    @property
    def h5_file(self) -> Any:
        """The library's own file object; None without an open file."""
        return self.h5file

    @property
    def raw_group(self) -> GROUP:
        """The group that data go into; in a file read that has none, the root.

        Raises
        ------
        FileClosedError
        """
        root = self.root()
        if self._raw_group_name not in root and not self.session.writable:
            return root
        return self._group(f"/{self._raw_group_name}")

    # -- SWMR -----------------------------------------------------------------------------------
    def enable_swmr(self) -> None:
        """Let readers in: from now on the structure is fixed, and arrays grow.

        The log goes on: its lines reach readers with the data.

        Raises
        ------
        UnsupportedError, SwmrError
            See :meth:`h5backends.backend.H5Backend.enable_swmr`.
        """
        if self.swmr_mode and self.is_swmr_capable and not self.session.frozen:
            self._logger().declare_stream()
        super().enable_swmr()

    def reconcile_swmr_attrs(self) -> None:
        """Bring the file up to date after SWMR: log lines, ``shape`` attributes, ``swmr_active``.

        Raises
        ------
        ReadOnlyError, StructureFrozenError
            The file cannot be changed now.
        """
        fold_logs(self)
        self._logger_array = None
        super().reconcile_swmr_attrs()

    def set_swmr_flush_interval(self, interval: int) -> None:
        """Set how often :meth:`tick_flush` flushes for SWMR readers.

        The flush policy goes on beside it.

        Parameters
        ----------
        interval : int
            Every so many logical writes; 0 leaves it to the flush policy.

        Raises
        ------
        ValueError
            Negative, or not a whole number.
        """
        if int(interval) != interval or interval < 0:
            raise ValueError(f"the flush interval must be 0, 1, 2, ..., not {interval!r}")
        self._flush_interval = int(interval)
        self._write_count = 0

    def tick_flush(self) -> None:
        """Count one logical write, and flush when the interval is reached.

        Does nothing unless SWMR is active and an interval is set. Savers call it once a point.
        """
        if self._flush_interval and self.is_swmr_active:
            self._write_count += 1
            if self._write_count % self._flush_interval == 0:
                self.flush()

    # -- the log --------------------------------------------------------------------------------
    def get_set_logger(self, where: Node | str | None = None) -> LogARRAY:
        """Return the array that takes log lines, made if it is missing.

        :meth:`add_log` writes to it from now on.

        Parameters
        ----------
        where : Node or str, optional
            The group it is in; the raw group by default.

        Returns
        -------
        LogARRAY
            Works while SWMR is on, too.

        Raises
        ------
        ReadOnlyError, StructureFrozenError
            It is missing and cannot be made now.
        """
        group = self.raw_group if where is None else self._group(where)
        session = self.session
        with session.lock:
            if layout.LOGGER not in group:
                if not session.writable:
                    raise ReadOnlyError(
                        "the file has no log, and was opened for reading only",
                        file=self.filename,
                        node=group.path,
                    )
                self.add_string_array(group, layout.LOGGER, metadata={"type": "log"})
            node = group.get_child(layout.LOGGER)
            self._logger_array = LogARRAY(session, node.handle)
            self._logger_where = group.path
        return self._logger_array

    def add_log(self, msg: str) -> None:
        """Append one line to the log.

        Parameters
        ----------
        msg : str
            Any text.

        Raises
        ------
        DTypeError
            Not a text.
        """
        self._logger().append(msg)

    def _logger(self) -> LogARRAY:
        logger = self._logger_array
        if logger is None or logger.session is not self.session:
            logger = self.get_set_logger(self._logger_where)
        return logger

    # -- arrays ---------------------------------------------------------------------------------
    def add_string_array(
        self,
        where: Node | str,
        name: str,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> StringARRAY:
        """Create a growing array of text.

        Parameters
        ----------
        where : Node or str
            The group to make it in.
        name, title : str
            Its name and title.
        metadata : mapping, optional
            More attributes. Not changed.
        """
        attrs = {"data_type": DataType.strings.name, **_own(metadata, name)}
        array = self.create_vlarray(where, name, "string", title, metadata=attrs)
        assert isinstance(array, StringARRAY)
        return array

    def add_array(
        self,
        where: GROUP | str,
        name: str,
        data_type: DataType | str,
        array_to_save: ArrayLike | None = None,
        data_shape: tuple[int, ...] | None = None,
        array_type: DTypeLike | None = None,
        fill_value: Any = None,
        data_dimension: DataDim | str | None = None,
        scan_shape: tuple[int, ...] = (),
        add_scan_dim: bool = False,
        enlargeable: bool = False,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        *,
        chunks: tuple[int, ...] | None = None,
    ) -> CARRAY | EARRAY:
        """Create an array with the attributes that loaders and browsers need.

        Parameters
        ----------
        where : GROUP or str
            The group to make it in.
        name : str
            Its name; the first letter is capitalised.
        data_type : DataType or str
            What it holds.
        array_to_save : array_like, optional
            Its content. Of an enlargeable array only the type is taken, nothing is appended.
        data_shape : tuple of int, optional
            Shape of one point (with `add_scan_dim`), of one row (with `enlargeable`), or of the
            whole array.
        array_type : dtype, optional
            Type of the elements; by default that of `array_to_save`, else float64.
        fill_value : number, optional
            Value of points that nobody has written; by default :attr:`fill_value`, or zero where
            the type cannot hold that.
        data_dimension : DataDim or str, optional
            Dimensionality; by default that of the shape of a point.
        scan_shape : tuple of int
            Shape of the scan.
        add_scan_dim : bool
            Make an array of ``scan_shape + data_shape`` to be filled point by point; a point of
            shape ``(1,)`` takes no axis of its own. Space is taken when points are written.
        enlargeable : bool
            Make an ``EARRAY`` that grows row by row, otherwise a ``CARRAY``.
        title : str
            Its title.
        metadata : mapping, optional
            More attributes. Not changed.
        chunks : tuple of int, optional
            Chunk shape; chosen for you.

        Returns
        -------
        CARRAY or EARRAY

        Raises
        ------
        ShapeError
            No shape is given, or it disagrees with the content.
        DTypeError
            The type cannot be stored, or `fill_value` does not fit it.
        AttributeValueError
            `metadata` has a value that cannot be stored, or a name that says how the array is.
        """
        kind = member(DataType, data_type)
        values = None if array_to_save is None else np.asarray(array_to_save)
        point = _point_shape(values, data_shape, name)
        dimension = member(DataDim, data_dimension or DataDim.of_shape(point))
        attrs = {"data_type": kind.name, "data_dimension": dimension.name, **_own(metadata, name)}
        name = layout.capitalize(name)
        if enlargeable:
            dtype = array_type or (np.float64 if values is None else values.dtype)
            return self.create_earray(
                where,
                name,
                dtype,
                None if data_shape is None else point,
                title,
                chunks=chunks,
                fill_value=fill_value,
                metadata=attrs,
            )
        shape = point
        if add_scan_dim:
            shape = tuple(int(n) for n in scan_shape) + (() if point == (1,) else point)
        if values is not None:
            _check_shape(values.shape, shape, name)
            return self.create_carray(
                where, name, values, title, dtype=array_type, chunks=chunks, metadata=attrs
            )
        dtype = np.dtype(array_type or np.float64)
        fill = layout.default_fill(dtype, self.fill_value) if fill_value is None else fill_value
        return self.create_carray(
            where,
            name,
            None,
            title,
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=fill,
            metadata=attrs,
        )

    # -- finding groups and nodes ---------------------------------------------------------------
    def get_groups(self, where: str | GROUP, group_type: GroupType | Enum | str) -> list[GROUP]:
        """Return the groups of a type directly in a group, by their number.

        Parameters
        ----------
        where : str or GROUP
            Where to look.
        group_type : GroupType or str
            Their type.
        """
        kind = _type_name(group_type)
        stem = layout.group_stem(kind)
        found: list[tuple[int, str, GROUP]] = []
        for name, node in self.get_children(where).items():
            number = layout.number_of(name, stem)
            if isinstance(node, GROUP) and _is_of_type(node, kind, number):
                found.append((-1 if number is None else number, name, node))
        return [node for _, _, node in sorted(found, key=lambda item: item[:2])]

    def get_last_group(
        self, where: str | GROUP, group_type: GroupType | Enum | str
    ) -> GROUP | None:
        """Return the group of a type with the highest number, None without any."""
        groups = self.get_groups(where, group_type)
        return groups[-1] if groups else None

    def get_node_from_attribute_match(
        self, where: str | Node, attr_name: str, attr_value: Any
    ) -> Node | None:
        """Return the first node at or below a place that has an attribute of this value.

        Parameters
        ----------
        where : str or Node
            Where to start.
        attr_name : str
            Name of the attribute.
        attr_value : object
            Its value.

        Returns
        -------
        Node or None
            None if there is no such node.
        """
        name = "TITLE" if attr_name == "title" else attr_name
        for node in self.walk_nodes(where):
            value = _attribute(node, name)
            if value is not _MISSING and np.array_equal(value, attr_value):
                return node
        return None

    def get_node_from_title(self, where: str | Node, title: str) -> Node | None:
        """Return the first node at or below a place that has this title, None without one."""
        return self.get_node_from_attribute_match(where, "TITLE", title)

    # -- making groups --------------------------------------------------------------------------
    def get_set_group(self, where: str | Node, name: str, title: str = "", **kwargs: Any) -> GROUP:
        """Return a group, made if it is missing; it becomes the current group.

        Parameters
        ----------
        where : str or Node
            The group it is in.
        name : str
            Its name.
        title : str
            Title of a new group.
        **kwargs
            Attributes of a new group.
        """
        group = super().get_set_group(where, name, title, **kwargs)
        self._numbering.noticed(group)
        return group

    def add_data_group(
        self,
        where: str | GROUP,
        data_dim: DataDim | str,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
        group_name: str | None = None,
    ) -> GROUP:
        """Return the group for data of one dimensionality, made if it is missing.

        Parameters
        ----------
        where : str or GROUP
            The group it is in.
        data_dim : DataDim or str
            The dimensionality.
        title : str
            Title of a new group.
        settings_as_xml : str
            Attribute ``settings`` of a new group.
        metadata : mapping, optional
            More attributes of a new group. Not changed.
        group_name : str, optional
            Its name, by default that of the dimensionality.
        """
        dim = member(DataDim, data_dim)
        attrs = {**(metadata or {}), "settings": settings_as_xml}
        return self.add_group(group_name or dim.name, GroupType.data, where, title, attrs)

    def add_incremental_group(
        self,
        group_type: GroupType | Enum | str,
        where: str | GROUP,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create a group of a type with the next number behind its name: ``Scan000``, ...

        The number is one more than the highest present, compared as numbers; gaps are not filled.

        Parameters
        ----------
        group_type : GroupType or str
            Its type.
        where : str or GROUP
            The group it is in.
        title : str
            Its title.
        settings_as_xml : str
            Attribute ``settings``.
        metadata : mapping, optional
            More attributes. Not changed.

        Raises
        ------
        NodeNotFoundError, NodeNameError, ReadOnlyError, StructureFrozenError
        """
        kind = _type_name(group_type)
        parent = self._group(where)
        attrs = {
            "settings": settings_as_xml,
            # PyMoDAQ gives channels no type.
            "type": "" if kind.lower() == GroupType.ch.name else kind.lower(),
            **(metadata or {}),
        }
        session = parent.session
        with session.lock:
            number = self._numbering.following(parent, kind)
            name = layout.group_name(kind, number)
            group = creation.create_group(session, parent, name, title, attrs)
            self._numbering.used(parent, kind, number)
        self._current_group = group
        return group

    def add_act_group(
        self,
        where: str | GROUP,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create the next actuator group, see :meth:`add_incremental_group`."""
        return self.add_incremental_group(
            GroupType.actuator, where, title, settings_as_xml, metadata
        )

    def add_move_group(
        self,
        where: str | GROUP,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create the next actuator group, as :meth:`add_act_group`."""
        return self.add_act_group(where, title, settings_as_xml, metadata)

    def add_det_group(
        self,
        where: str | GROUP,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create the next detector group, see :meth:`add_incremental_group`."""
        return self.add_incremental_group(
            GroupType.detector, where, title, settings_as_xml, metadata
        )

    def add_ch_group(
        self,
        where: str | GROUP,
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create the next channel group, see :meth:`add_incremental_group`."""
        return self.add_incremental_group(GroupType.ch, where, title, settings_as_xml, metadata)

    def add_generic_group(
        self,
        where: str | GROUP = "/RawData",
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
        group_type: GroupType | Enum | str = GroupType.scan,
    ) -> GROUP:
        """Create the next group of a type, with a ``description`` to be filled in.

        Parameters
        ----------
        where, title, settings_as_xml, metadata
            See :meth:`add_incremental_group`.
        group_type : GroupType or str
            Its type.
        """
        attrs = {"description": "", **(metadata or {})}
        return self.add_incremental_group(group_type, where, title, settings_as_xml, attrs)

    def add_scan_group(
        self,
        where: str | GROUP = "/RawData",
        title: str = "",
        settings_as_xml: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Create the next scan group: :meth:`add_generic_group` with ``GroupType.scan``."""
        return self.add_generic_group(where, title, settings_as_xml, metadata, GroupType.scan)


_MISSING = object()


def _attribute(node: Node, name: str) -> Any:
    """Return one attribute, ``_MISSING`` without it, at the cost of one look-up."""
    session = node.session
    with session.lock:
        session.require_alive()
        try:
            stored = session.driver.read_attr(node.handle, name)
        except KeyError:
            return _MISSING
    return codec.decode(name, stored)


def _type_name(group_type: Enum | str) -> str:
    return group_type.name if isinstance(group_type, Enum) else str(group_type)


def _is_of_type(group: GROUP, kind: str, number: int | None) -> bool:
    """Tell whether a group is of a type, by its attribute or, where that is empty, its name."""
    found = _attribute(group, "type")
    if isinstance(found, str) and found:
        return found.lower() == kind.lower()
    return number is not None


def _point_shape(values: Any, data_shape: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    if data_shape is not None:
        return tuple(int(n) for n in data_shape)
    if values is None:
        raise ShapeError(
            "an array needs content, or a shape",
            node=name,
            expected="array_to_save or data_shape",
        )
    shape: tuple[int, ...] = values.shape
    return shape


def _check_shape(found: tuple[int, ...], wanted: tuple[int, ...], name: str) -> None:
    if found != wanted:
        raise ShapeError(
            "the content does not have the shape that was asked for",
            node=name,
            expected=str(wanted),
            found=str(found),
        )


def _own(metadata: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return attributes that a caller gave, unless they would say how the array is stored."""
    taken = layout.PROTECTED_ATTRIBUTES.intersection(metadata or ())
    if taken:
        raise AttributeValueError(
            "these attributes describe the array itself and cannot be given",
            node=name,
            found=", ".join(sorted(taken)),
            remedy="Use other names.",
        )
    return dict(metadata or {})
