"""DataManagement: what all savers and loaders of data share: a file, names, numbers."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from h5backends.errors import DTypeError, NodeKindError, NodeNotFoundError
from h5backends.nodes import CARRAY, GROUP, Node
from h5backends.session import Session
from savers import layout
from savers.enums import DataType, SaveType
from savers.lookup import attribute, child, fresh
from savers.low_level import H5SaverLowLevel

__all__ = [
    "ArrayNumbers",
    "DataManagement",
    "Openable",
    "attribute",
    "child",
    "fresh",
    "open_saver",
]

Openable = H5SaverLowLevel | Path | str
"""What savers and loaders take for a file: a saver that is open, or where to open one."""


def open_saver(
    h5saver: Openable,
    save_type: SaveType | str = SaveType.custom,
    new_file: bool = False,
    metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> H5SaverLowLevel:
    """Return a saver as it is, or one that opens a path.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        The saver, or the file (the domain, on a server).
    save_type, new_file, metadata, **options
        For a path, see :meth:`savers.low_level.H5SaverLowLevel.from_file`: ``backend=``,
        ``swmr_mode=``, ``mode=``, ``flush_policy=``, ``endpoint=`` and so on.

    Raises
    ------
    DTypeError
        It is none of these, or options came with a saver that is open already.
    FileError
        The file cannot be opened.
    """
    if isinstance(h5saver, H5SaverLowLevel):
        given = {name for name, value in options.items() if value not in (None, False)}
        if given or new_file or metadata:
            raise DTypeError(
                "these options are for opening a file, and the saver has one open",
                found=", ".join(sorted(given | {"new_file" if new_file else "metadata"})),
                remedy="Give them to the saver.",
            )
        return h5saver
    if isinstance(h5saver, (str, Path)):
        return H5SaverLowLevel.from_file(h5saver, save_type, new_file, metadata, **options)
    raise DTypeError(
        "this is not a saver, nor the place of a file",
        expected="H5SaverLowLevel, Path or str",
        found=type(h5saver).__name__,
    )


class ArrayNumbers:
    """The next free number of the arrays of a kind in a group, counted and not searched.

    Names are listed for the first array of a kind only, so the ten thousandth costs what the
    tenth does.
    """

    def __init__(self) -> None:
        self._session: weakref.ref[Session] | None = None
        self._following: dict[tuple[str, DataType], int] = {}

    def following(self, group: GROUP, kind: DataType) -> int:
        """Return one more than the highest number in use, 0 without any.

        Parameters
        ----------
        group : GROUP
            Where the arrays are.
        kind : DataType
            What they hold.
        """
        if self._session is None or self._session() is not group.session:
            self._session = weakref.ref(group.session)
            self._following.clear()
        number = self._following.get((group.path, kind))
        if (
            number is not None
            # Not so if arrays were removed, or made by others, since the last time.
            and layout.array_name(kind, number) not in group
            and (not number or layout.array_name(kind, number - 1) in group)
        ):
            return number
        return layout.last_number(group.children_name(), layout.capitalize(kind.value)) + 1

    def used(self, group: GROUP, kind: DataType, number: int) -> None:
        """Take note that there is an array of this number now."""
        self._following[group.path, kind] = number + 1


class DataManagement:
    """Base of the savers and loaders of one type of data.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    new_file, metadata, save_type, **options
        For a path, see :func:`open_saver`.

    Attributes
    ----------
    data_type : DataType
        What the arrays hold that it saves.
    """

    data_type: ClassVar[DataType]

    def __init__(
        self,
        h5saver: Openable,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        save_type: SaveType | str = SaveType.custom,
        **options: Any,
    ) -> None:
        self._h5saver = open_saver(h5saver, save_type, new_file, metadata, **options)
        self._numbers = ArrayNumbers()

    @property
    def h5saver(self) -> H5SaverLowLevel:
        """The saver underneath."""
        return self._h5saver

    @property
    def raw_group(self) -> GROUP:
        """The group that data go into."""
        return self._h5saver.raw_group

    def isopen(self) -> bool:
        """Tell whether the file is open."""
        return self._h5saver.isopen()

    def close_file(self) -> None:
        """Write everything and close the file.

        Raises
        ------
        StorageError, RemoteError
            Something could not be written; the file stays open, close it again.
        """
        self._h5saver.close_file()

    def close(self) -> None:
        """Write everything and close the file, see :meth:`close_file`."""
        self.close_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_file()

    def __getattr__(self, name: str) -> Any:
        # Programs written for PyMoDAQ call the saver's own methods on this object.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._h5saver, name)

    # -- names and numbers ----------------------------------------------------------------------
    def get_last_node_name(self, where: str | Node) -> str | None:
        """Return the name of the array of this type with the highest number in a group.

        Parameters
        ----------
        where : str or Node
            The group.

        Returns
        -------
        str or None
            None if there is none.
        """
        number = self._numbers.following(self._get_group(where), self.data_type) - 1
        return None if number < 0 else layout.array_name(self.data_type, number)

    def get_node_from_index(self, where: str | Node, index: int) -> Node:
        """Return an array of this type by its number.

        Raises
        ------
        NodeNotFoundError
        """
        return self._h5saver.get_node(where, layout.array_name(self.data_type, index))

    def get_index_from_node_name(self, where: str | Node) -> int | None:
        """Return the number of an array of this type, None for other nodes."""
        return layout.array_number(self.data_type, self._get_node(where).name)

    def _get_node(self, where: str | Node) -> Node:
        return self._h5saver.get_node(where)

    def _get_group(self, where: str | Node) -> GROUP:
        node = self._h5saver.get_node(where)
        if not isinstance(node, GROUP):
            raise NodeKindError(
                "data go into a group",
                file=node.session.driver.location,
                node=node.path,
                found=type(node).__name__,
            )
        return node

    def _arrays_in(self, group: GROUP, kind: DataType | None = None) -> list[CARRAY]:
        """Return the arrays of a type directly in a group, by their number."""
        kind = kind or self.data_type
        numbers = (layout.array_number(kind, name) for name in group.children_name())
        found = []
        for number in sorted(n for n in numbers if n is not None):
            node = child(group, layout.array_name(kind, number))
            if isinstance(node, CARRAY):
                found.append(node)
        return found

    def _missing(self, node: Node, what: str) -> NodeNotFoundError:
        return NodeNotFoundError(what, file=node.session.driver.location, node=node.path)
