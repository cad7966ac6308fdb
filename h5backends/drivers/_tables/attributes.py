"""Attributes of PyTables files: read and written without a pickle.

What reads them is :mod:`~h5backends.drivers._tables.reader` in files that PyTables made, and
:mod:`~h5backends.drivers._tables.direct` in others; values beyond the 64 KiB that an object header
of HDF5's oldest format can hold are spread as :mod:`~h5backends.drivers.spill` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers import spill
from h5backends.drivers._tables.by_name import by_name
from h5backends.drivers._tables.direct import Direct
from h5backends.drivers._tables.lowlevel import Dataset, Group, H5File
from h5backends.drivers._tables.reader import AttributeSet, Subject, ThroughExtension
from h5backends.drivers._tables.text import REFERENCE_SIZE, TextWriter
from h5backends.errors import AttributeValueError
from h5backends.file_text import encoded
from h5backends.types import Stored

__all__ = ["Attributes"]

_FIXED = frozenset({"CLASS", "VERSION", "FLAVOR", "PYTABLES_FORMAT_VERSION"})
"""Short words that PyTables looks for in every node; it keeps them in the node's header."""

_NOTHING: dict[str, Stored] = {}


class Attributes:
    """The attributes of the nodes of one file.

    Parameters
    ----------
    file : H5File
        The open file.
    long : bool
        Whether objects of this file hold attributes of any length (superblock 2 and later).
    """

    def __init__(self, file: H5File, long: bool) -> None:
        self._file = file
        self._long = long
        self.direct = file.direct
        self._writer = Subject(file)
        self._set = AttributeSet(self._writer)
        self._texts = TextWriter(file.direct) if file.direct is not None else None
        self._reader: Direct | ThroughExtension = ThroughExtension(file.direct)
        self._by_name = None if file.direct is None else by_name(file.direct.library)
        self._usual: dict[int, list[str] | None] = {}  # number of attributes -> their names
        self._lists: Callable[[Any], list[str]] = self._set._g_list_attr
        if file.direct is not None and not _made_by_pytables(file, file.direct):
            # The extension dies of names that are not UTF-8, which other programs may write.
            self._reader = direct = file.direct
            self._lists = lambda node: direct.attribute_names(node._v_objectid)

    def stored_names(self, node: Any) -> list[str]:
        """List the names of all attributes in the file, in no order."""
        return self._lists(node)

    def names(self, node: Any) -> list[str]:
        """List the names of a node's attributes, sorted."""
        return sorted(name for name in self.stored_names(node) if not spill.is_hidden(name))

    def read(self, node: Any, name: str) -> Stored:
        """Return one attribute.

        Raises
        ------
        KeyError
            There is none of this name.
        """
        names = self.stored_names(node)
        if name not in names:
            raise KeyError(name)
        wanted = [name, *spill.owned_by(name, names)]
        return spill.visible(self._reader.read(node, wanted))[name]

    def read_all(
        self,
        node: Any,
        names: list[str] | None = None,
        known: dict[str, Stored] = _NOTHING,
    ) -> dict[str, Stored]:
        """Return all attributes of a node, sorted by name.

        Parameters
        ----------
        node : Group or Dataset
            The open object.
        names : list of str, optional
            Names of its attributes, where they were listed before.
        known : dict
            Those that were read before.
        """
        names = self.stored_names(node) if names is None else names
        found = self._reader.read(node, [name for name in names if name not in known])
        return dict(sorted(spill.visible(found | known).items()))

    def read_class(self, group: Group, child: str) -> str | None:
        """Return ``CLASS`` of a dataset in a group, None if that needs the dataset to be open."""
        if self._by_name is None:
            return None
        return self._by_name.text(group._v_objectid, encoded(child), b"CLASS")

    def read_all_by_name(self, group: Group, child: str) -> dict[str, Stored] | None:
        """Return all attributes of a dataset in a group, as :meth:`read_all`.

        Their names cannot be listed without opening the dataset. But what has as many attributes
        as another, and each of that other's, has no more.

        Returns
        -------
        dict or None
            None if the dataset has to be opened for that.
        """
        functions, group_id, raw = self._by_name, group._v_objectid, encoded(child)
        if functions is None:
            return None
        count = functions.count(group_id, raw)
        if count not in self._usual:
            self._usual[count] = self._names_of(group, child, count)
        names = self._usual[count]
        if names is None:
            return None
        found: dict[str, Stored] = {}
        for name in names:
            text = functions.text(group_id, raw, encoded(name))
            if text is None:
                self._usual[count] = None  # not asked again: asking in vain takes as long
                return None
            found[name] = text
        return dict(sorted(spill.visible(found).items()))

    def _names_of(self, group: Group, child: str, count: int) -> list[str] | None:
        node = Dataset(self._file, group, child).open()
        try:
            names = self.stored_names(node)
        finally:
            node.close()
        return names if len(names) == count else None

    def read_one(self, node: Any, name: str) -> Stored:
        """Return one attribute that is there, as it is in the file."""
        return self._reader.read(node, (name,))[name]

    def write(self, node: Any, values: Mapping[str, Stored]) -> None:
        """Create or replace attributes.

        Raises
        ------
        AttributeValueError
            HDF5 has no equivalent of a value; those before it are written.
        """
        self._writer._v_objectid = node._v_objectid
        present: list[str] = []
        if not self._long and values:
            present = [name for name in self.stored_names(node) if spill.is_hidden(name)]
        for name, value in values.items():
            _check(name, value)
            for part in spill.owned_by(name, present):
                self._set._g_remove(self._writer, part)
            if not self._long and self._size(name, value) > spill.LIMIT:
                for part, content in spill.split(name, value).items():
                    self._write_one(node, part, content)
            else:
                self._write_one(node, name, value)

    def _write_one(self, node: Any, name: str, value: Stored) -> None:
        if self._texts is not None and _is_text(value) and name not in _FIXED:
            self._texts.write(node, name, value)
        else:
            self._set._g_setattr(self._writer, name, _native(name, value))

    def _size(self, name: str, value: Stored) -> int:
        """Return the bytes that a value takes in the header of its node."""
        if not _is_text(value):
            return int(np.asarray(value).nbytes)
        if self._texts is not None and name not in _FIXED:
            return REFERENCE_SIZE * np.size(value)
        return int(_fixed_text(value).nbytes)

    def close(self) -> None:
        """Give the HDF5 objects back."""
        if self._texts is not None:
            self._texts.close()

    def delete(self, node: Any, name: str) -> None:
        """Remove one attribute.

        Raises
        ------
        KeyError
            There is none of this name.
        """
        names = self.stored_names(node)
        if name not in names:
            raise KeyError(name)
        self._writer._v_objectid = node._v_objectid
        for part in [name, *spill.owned_by(name, names)]:
            self._set._g_remove(self._writer, part)


def _made_by_pytables(file: H5File, direct: Direct) -> bool:
    if file._v_new:
        return True
    root = Group(file, file, "/").open()
    try:
        return bool(direct.H5Aexists(root._v_objectid, b"PYTABLES_FORMAT_VERSION") > 0)
    finally:
        root.close()


def _is_text(value: Stored) -> TypeGuard[str | NDArray[np.str_]]:
    return isinstance(value, str) or value.dtype.kind == "U"


def _check(name: str, value: Any) -> None:
    """Raise for what PyTables would pickle, or cut at a NUL."""
    kind = "U" if isinstance(value, str) else getattr(getattr(value, "dtype", None), "kind", "O")
    fault = None
    if kind not in "biufcSU":
        fault = f"{type(value).__name__} {getattr(value, 'dtype', '')}".rstrip()
    elif kind == "U":
        texts = [str(text) for text in np.asarray(value).flat]
        if any("\0" in text for text in texts):
            fault = "text with a NUL inside"
        elif any("\ud800" <= char <= "\udfff" for text in texts for char in text):
            fault = "text with half of a surrogate pair"
    if fault is not None:
        raise AttributeValueError(
            f"the attribute {name!r} cannot hold this value",
            expected="text, or numbers and flags of numpy",
            found=fault,
        )


def _fixed_text(value: str | NDArray[np.str_]) -> NDArray[np.bytes_]:
    encoded = [str(text).encode() for text in np.asarray(value).flat]
    width = max(map(len, encoded), default=0)
    return np.array(encoded, dtype=f"S{max(1, width)}").reshape(np.shape(value))


def _native(name: str, value: Stored) -> Any:
    """Return a value in the form that the extension writes natively."""
    if isinstance(value, str):
        return np.array(str(value))
    if _is_text(value):
        return _fixed_text(value)
    if name == "EXTDIM":
        return np.asarray(value, np.int32)
    # PyTables reads attributes in other byte orders as they stand in the file.
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
