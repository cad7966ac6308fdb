"""The facade's makers: groups, arrays and their compression."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from numpy.typing import ArrayLike, DTypeLike

from h5backends import creation, filters
from h5backends.facade.tree import TreeFacade
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node
from h5backends.types import GroupType

__all__ = ["MakingFacade"]


class MakingFacade(TreeFacade):
    """What can be made."""

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
        parent = self._group(where)
        session = parent.session
        with session.lock:
            if name in parent:
                group = self._group(f"{parent.path.rstrip('/')}/{name}")
            else:
                group = creation.create_group(session, parent, name, title, kwargs)
        self._current_group = group
        return group

    def add_group(
        self,
        group_name: str,
        group_type: GroupType | str,
        where: str | Node,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> GROUP:
        """Return a group of a type, made if it is missing.

        Parameters
        ----------
        group_name : str
            Its name; a new group's first letter is capitalised.
        group_type : GroupType or str
            What it holds, stored as the attribute ``type``.
        where : str or Node
            The group it is in.
        title : str
            Title of a new group.
        metadata : mapping, optional
            Attributes of a new group.
        """
        parent = self._group(where)
        kind = group_type.name if isinstance(group_type, Enum) else str(group_type)
        session = parent.session
        with session.lock:
            creation.check_name(group_name, parent.path, session.driver.location)
            for name in (group_name, group_name[:1].upper() + group_name[1:]):
                if name in parent:
                    return self._group(f"{parent.path.rstrip('/')}/{name}")
            attrs = {"type": kind.lower(), "backend": self.backend, **(metadata or {})}
            return creation.create_group(session, parent, name, title, attrs)

    def define_compression(
        self,
        compression: str | None,
        compression_opts: int | None = None,
        *,
        shuffle: bool | None = None,
        fletcher32: bool = False,
    ) -> None:
        """Set the compression of the arrays made from now on.

        Parameters
        ----------
        compression : str or None
            ``gzip`` (or ``zlib``, the same), ``lzf``, ``zstd``, ``lz4``, ``blosc``, ``blosc2``,
            ``bitshuffle``; None for none.
        compression_opts : int or None
            Effort; 0 with gzip means none, None the codec's default.
        shuffle : bool or None
            Rearrange bytes by significance first; None for where it helps.
        fletcher32 : bool
            Store a checksum with every chunk.

        Raises
        ------
        UnsupportedError
            The driver cannot write it; the message says what would help.
        """
        wanted = filters.parse(
            compression, compression_opts, shuffle=shuffle, fletcher32=fletcher32
        )
        filters.check(wanted, self._driver)
        self.compression = wanted

    def create_carray(
        self,
        where: str | Node,
        name: str,
        obj: ArrayLike | None = None,
        title: str = "",
        *,
        shape: tuple[int, ...] | None = None,
        dtype: DTypeLike | None = None,
        chunks: tuple[int, ...] | None = None,
        fill_value: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CARRAY:
        """Create an array of fixed extent.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        obj : array_like, optional
            Its content: numbers, bool, text, bytes, times, structured.
        title : str
            Its title.
        shape, dtype : optional
            Extent and type of an array to be filled later; space is taken when it is written.
        chunks : tuple of int, optional
            Chunk shape; chosen for you.
        fill_value : optional
            Value of the elements nobody wrote, zero by default.
        metadata : mapping, optional
            More attributes.

        Raises
        ------
        ValueError
            Neither `obj` nor `shape` and `dtype` were given.
        DTypeError, NodeExistsError, NodeNameError
            It cannot be made; nothing was.
        """
        if obj is None and (shape is None or dtype is None):
            raise ValueError("create_carray needs data, or a shape and a dtype")
        parent = self._group(where)
        return creation.create_fixed(
            parent.session,
            parent,
            name,
            obj,
            title=str(title),
            compression=self.compression,
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            fill=fill_value,
            metadata=metadata,
        )

    def create_earray(
        self,
        where: str | Node,
        name: str,
        dtype: DTypeLike,
        data_shape: tuple[int, ...] | None = None,
        title: str = "",
        *,
        chunks: tuple[int, ...] | None = None,
        fill_value: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> EARRAY:
        """Create an array that grows along its first axis.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        dtype : dtype
            Type of the elements.
        data_shape : tuple of int, optional
            Shape of one row; none for scalars.
        title : str
            Its title.
        chunks : tuple of int, optional
            Chunk shape; chosen for streams: about 64 KiB of rows, one frame for images.
        fill_value : optional
            Value of elements nobody wrote.
        metadata : mapping, optional
            More attributes.
        """
        parent = self._group(where)
        return creation.create_growing(
            parent.session,
            parent,
            name,
            dtype,
            () if data_shape is None else data_shape,
            title=str(title),
            compression=self.compression,
            chunks=chunks,
            fill=fill_value,
            metadata=metadata,
        )

    def create_vlarray(
        self,
        where: str | Node,
        name: str,
        dtype: DTypeLike,
        title: str = "",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> VLARRAY:
        """Create a growing array of rows of any length.

        Parameters
        ----------
        where : str or Node
            The group to make it in.
        name : str
            Its name.
        dtype : dtype or "string"
            Type of the elements of a row; ``"string"`` for an array of text.
        title : str
            Its title.
        metadata : mapping, optional
            More attributes.

        Returns
        -------
        VLARRAY
            A :class:`StringARRAY` for text.
        """
        parent = self._group(where)
        return creation.create_ragged(
            parent.session, parent, name, dtype, title=str(title), metadata=metadata
        )
