"""Groups with a type and a number: found, and made."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from h5backends import creation
from h5backends.nodes import GROUP, Node
from h5backends.types import GroupType
from savers import layout
from savers.enums import DataDim, member
from savers.lookup import attribute
from savers.low_level.arrays import ArraySaver
from savers.numbering import Numbering

__all__ = ["GroupSaver"]

_MISSING = object()


class GroupSaver(ArraySaver):
    """A file with numbered groups."""

    _numbering: Numbering

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
            value = attribute(node, name, _MISSING)
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


def _type_name(group_type: Enum | str) -> str:
    return group_type.name if isinstance(group_type, Enum) else str(group_type)


def _is_of_type(group: GROUP, kind: str, number: int | None) -> bool:
    """Tell whether a group is of a type, by its attribute or, where that is empty, its name."""
    found = attribute(group, "type")
    if isinstance(found, str) and found:
        return found.lower() == kind.lower()
    return number is not None
