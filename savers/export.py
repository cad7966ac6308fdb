"""DataToExportSaver: bundles of data, each signal in a channel group of its dimensionality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from h5backends.creation import create_group
from h5backends.errors import NodeKindError
from h5backends.nodes import GROUP, Node
from savers import layout
from savers.background import BkgSaver
from savers.data import DataToExport, DataWithAxes
from savers.enums import DataType, SaveType
from savers.errors import ErrorSaverLoader
from savers.interchange import DataLike, ExportLike, as_export
from savers.management import DataManagement, Openable
from savers.signal import DataSaverLoader
from savers.viewers import point_to

__all__ = ["DataToExportSaver"]

_Key = tuple[str, str, int]
"""Name, origin, and which one of several of that name and origin."""


class DataToExportSaver(DataManagement):
    """Saves bundles of data: ``Data1D/CH00``, ``Data1D/CH01``, ... below a group.

    A signal is known by its name and origin: the same one goes to the same channel again.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    save_type : SaveType or str
        For a path: what the file is recorded for.
    new_file : bool
        For a path: create the file, **replacing one that exists**.
    metadata : mapping, optional
        For a path: attributes of a new file's raw group.
    **options
        For a path, see :func:`savers.management.open_saver`.
    """

    data_type = DataType.data

    def __init__(
        self,
        h5saver: Openable,
        save_type: SaveType | str = SaveType.custom,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(h5saver, new_file, metadata, save_type, **options)
        self._data_saver: DataSaverLoader = DataSaverLoader(self._h5saver)
        self._bkg_saver = BkgSaver(self._h5saver)
        self._error_saver = ErrorSaverLoader(self._h5saver)
        self._channels: dict[tuple[object, str], dict[_Key, str]] = {}

    @staticmethod
    def channel_formatter(ind: int) -> str:
        """Return the name of the group of a signal: ``CH00``, ..., ``CH100``."""
        return layout.channel_name(ind)

    def add_data(
        self,
        where: str | Node,
        data: ExportLike | DataLike,
        settings_as_xml: str = "",
        **kwargs: Any,
    ) -> None:
        """Save a bundle, all of it or nothing.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataToExport
            Ours, or any like it; data alone are a bundle of one. Not changed.
        settings_as_xml : str
            Settings of the instrument, an attribute of the channel groups.
        **kwargs
            More attributes of the channel groups.

        Raises
        ------
        H5Error
            See :meth:`savers.signal.DataSaverLoader.add_data`.
        """
        group = self._get_group(where)
        attrs = group_attributes(settings_as_xml, kwargs)
        with group.session.hold(), ExitStack() as whole:
            for channel, dwa in self._each(group, as_export(data), attrs):
                whole.enter_context(self._data_saver.all_or_nothing(channel))
                self._data_saver.add_data(channel, dwa)

    def add_bkg(self, where: str | Node, data: ExportLike | DataLike) -> None:
        """Save a bundle as the background of the data of the same names and origins.

        Parameters
        ----------
        where : str or Node
            The group that the data are in.
        data : DataToExport
            The background.
        """
        group = self._get_group(where)
        with group.session.hold():
            for channel, dwa in self._each(group, as_export(data), {}):
                self._bkg_saver.add_data(channel, dwa, save_axes=False)

    def add_error(self, where: str | Node, data: ExportLike | DataLike) -> None:
        """Save a bundle as the error bars of the data of the same names and origins.

        Parameters
        ----------
        where : str or Node
            The group that the data are in.
        data : DataToExport
            Data whose arrays are the error bars; of data that have error bars themselves, these.
        """
        group = self._get_group(where)
        with group.session.hold():
            for channel, dwa in self._each(group, as_export(data), {}):
                bars = dwa if dwa.errors is None else dwa.errors_as_dwa()
                self._error_saver.add_data(channel, bars, save_axes=False)

    # -- channels -------------------------------------------------------------------------------
    def _each(
        self, where: GROUP, data: DataToExport, attrs: Mapping[str, Any]
    ) -> Iterable[tuple[GROUP, DataWithAxes]]:
        """Iterate over the signals of a bundle and their channel groups, made where missing."""
        seen: Counter[tuple[str, str, str]] = Counter()
        for dwa in data:
            same = (dwa.dim.name, dwa.name, dwa.origin)
            yield self._channel(where, dwa, seen[same], attrs), dwa
            seen[same] += 1

    def _channel(
        self, where: GROUP, data: DataWithAxes, repeat: int, attrs: Mapping[str, Any]
    ) -> GROUP:
        """Return the channel group of a signal, made if it is missing."""
        session = where.session
        dim_group = self._dim_group(where, data.dim.name)
        key = (data.name, data.origin, repeat)
        channels = self._known(dim_group)
        name = channels.get(key)
        if name is not None and name not in dim_group:
            del self._channels[session, dim_group.path]  # removed by somebody
            channels = self._known(dim_group)
            name = channels.get(key)
        if name is None:
            number = layout.last_number(channels.values(), "CH") + 1
            while layout.channel_name(number) in dim_group:
                number += 1
            name = layout.channel_name(number)
            about = {"type": "ch", "origin": data.origin, **attrs}
            create_group(session, dim_group, name, data.name, about)
            channels[key] = name
        found = dim_group.get_child(name)
        assert isinstance(found, GROUP)
        return found

    def _dim_group(self, where: GROUP, name: str) -> GROUP:
        if name not in where:
            made = create_group(where.session, where, name, "", {"NX_class": "NXcollection"})
            point_to(made)
            return made
        found = where.get_child(name)
        if not isinstance(found, GROUP):
            raise NodeKindError("data need this place for a group", node=found.path)
        return found

    def _known(self, dim_group: GROUP) -> dict[_Key, str]:
        """Return the channels of a group, read from the file once."""
        place = (dim_group.session, dim_group.path)
        channels = self._channels.get(place)
        if channels is None:
            channels = self._channels[place] = {}
            seen: Counter[tuple[str, str]] = Counter()
            names = [n for n in dim_group.children_name() if layout.number_of(n, "CH") is not None]
            for name in sorted(names, key=lambda n: layout.number_of(n, "CH") or 0):
                attrs = dim_group.get_child(name).attrs
                same = (str(attrs.get("TITLE", "")), str(attrs.get("origin", "")))
                channels[*same, seen[same]] = name
                seen[same] += 1
        return channels


def group_attributes(settings_as_xml: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a channel group from what a caller gave."""
    return {**({"settings": settings_as_xml} if settings_as_xml else {}), **more}
