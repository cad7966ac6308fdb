"""A ``tables.File`` for users and for tables of compound rows, which unpickles nothing.

PyTables runs pickles that stand in a file: in attributes (it reads all attributes of a group when
it opens it), in old ``FILTERS`` and ``FIELD_n_FILL`` attributes, in the rows of an ``ObjectAtom``.
Here its own node classes are used with another attribute set and without ``ObjectAtom``. Only
files opened here are concerned; PyTables itself is not changed.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray
from tables import attributeset
from tables import group as table_group

from h5backends.drivers._tables import filters as codecs
from h5backends.drivers._tables.arrays import atom_of
from h5backends.drivers._tables.attributes import Attributes
from h5backends.drivers._tables.lowlevel import (
    Dataset,
    Group,
    H5File,
    is_chunked,
    stored_filters,
)
from h5backends.drivers.base import box_shape
from h5backends.errors import DTypeError
from h5backends.types import ArraySpec, Box, NodeKind

__all__ = ["Records", "SafeFile", "check_columns", "create_records"]


class _SafeAttributeSet(attributeset.AttributeSet):  # type: ignore[misc]
    """PyTables' attribute set, with the values as they stand in the file."""

    def __getattr__(self, name: str) -> Any:
        if name not in self._v_attrnames:
            raise AttributeError(f"there is no attribute {name!r} in {self._v__nodepath!r}")
        file = self._v__nodefile
        value: Any = file.safe_attributes.read_all(self._v_node, [name]).get(name)
        if name == "FILTERS":
            value = _unpacked_filters(value)
        self.__dict__[name] = value
        return value


def _unpacked_filters(value: Any) -> tables.Filters | None:
    """Return the filters that an integer stands for; old files hold a pickle instead."""
    if not isinstance(value, np.integer):
        return None
    try:
        return tables.Filters._unpack(value)
    except (ValueError, TypeError):
        return None


def _made(kind: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a node of PyTables' own class whose attributes are read safely from the start."""
    node = kind.__new__(kind)
    node.__dict__["_AttributeSet"] = _SafeAttributeSet
    node.__init__(*args, **kwargs)
    if isinstance(node, tables.VLArray) and isinstance(node.atom, tables.ObjectAtom):
        node.atom = node.atom.base  # rows are then the bytes of the pickle
    return node


class _SafeRoot(table_group.RootGroup):  # type: ignore[misc]
    """The root group: all nodes of a file are loaded by its root."""

    _AttributeSet = _SafeAttributeSet

    def _g_get_gchild_attr(self, name: str, attribute: str) -> Any:
        return self._child_attribute(Group(self._v_file, self, name).open(), attribute)

    def _g_get_lchild_attr(self, name: str, attribute: str) -> Any:
        return self._child_attribute(Dataset(self._v_file, self, name).open(), attribute)

    def _child_attribute(self, child: Group | Dataset, attribute: str) -> Any:
        # PyTables' own shortcut reads whatever is there into room for one string.
        try:
            value = self._v_file.safe_attributes.read_all(child).get(attribute)
            return value if isinstance(value, str) else None
        finally:
            child.close()

    def _g_load_child(self, childname: str) -> Any:
        kind = self._g_check_has_child(childname)
        if kind == "Group":
            return _made(self._g_get_child_group_class(childname), self, childname, new=False)
        if kind == "Leaf":
            leaf_class = self._g_get_child_leaf_class(childname, warn=False)
            try:
                return _made(leaf_class, self, childname)
            except (TypeError, ValueError, KeyError, tables.HDF5ExtError):
                return _made(tables.UnImplemented, self, childname)
        others = {
            "SoftLink": tables.link.SoftLink,
            "ExternalLink": tables.link.ExternalLink,
            "Unknown": tables.unimplemented.Unknown,
        }
        return _made(others.get(kind, tables.UnImplemented), self, childname)


class SafeFile(tables.File):  # type: ignore[misc]
    """A ``tables.File`` on a file that is open already in this process.

    HDF5 shares the file between the two, so both see the same content.
    """

    def __init__(self, path: str, mode: str, attributes: Attributes, params: Any) -> None:
        self.safe_attributes = attributes
        self.direct = attributes.direct
        params = params | {"USER_BLOCK_SIZE": 0}  # for new files; this one has what was asked for
        super().__init__(path, mode, **{name.lower(): v for name, v in params.items()})
        # PyTables' register is there to complain at exit about files that nobody closed; this
        # one is the driver's to close.
        tables.file._open_files.remove(self)

    def close(self) -> None:
        """Close this view of the file; the driver's own stays open."""
        if self.isopen:
            tables.file._open_files.add(self)
            super().close()

    def _File__get_root_group(self, root_uep: str, title: str, filters: Any) -> Any:  # noqa: N802
        # Stands in for a private method of tables.File, hence the mangled name.
        self._v_objectid = self._get_file_id()
        self.root_uep = "/"
        self.format_version = "2.1"
        return _SafeRoot(self, "/", title=title, new=False, filters=filters)

    def enable_undo(self, filters: Any = None) -> None:
        """Leave the undo log of a foreign file alone."""

    def forget(self, path: str) -> None:
        """Close what is loaded at and below a path, for it is about to move or go."""
        self._node_manager.close_subtree(path)
        for known in (self._node_manager.cache, self._node_manager.registry):
            node = known.pop(path, None)
            if node is not None and node._v_isopen and path != "/":
                node._f_close()

    def table(self, path: str) -> tables.Table:
        """Return the table at a path, whatever its ``CLASS`` says."""
        parent, _, name = path.rpartition("/")
        loaded = self._node_manager.registry.get(path)
        if isinstance(loaded, tables.Table) and loaded._v_isopen:
            return loaded
        self.forget(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _made(tables.Table, self.get_node(parent or "/"), name)


class Records:
    """An open table: an array of compound elements along one axis."""

    __slots__ = ("__weakref__", "chunks", "dtype", "filters", "low")

    def __init__(self, table: tables.Table, file: H5File, path: str) -> None:
        self.low = table
        self.dtype = _with_flags(table.description)
        chunked = is_chunked(file, path)
        self.chunks = tuple(map(int, table.chunkshape)) if chunked else None
        self.filters = codecs.read(stored_filters(file, path))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, in a tuple."""
        return (int(self.low.nrows),)

    @property
    def length(self) -> int:
        """Number of rows."""
        return int(self.low.nrows)

    def read(self, box: Box) -> NDArray[Any]:
        """Read rows."""
        (rows,) = box
        if not box_shape(box)[0]:
            return np.empty(0, self.dtype)
        return np.asarray(self.low.read(rows.start, rows.stop, rows.step)).view(self.dtype)

    def write(self, box: Box, values: NDArray[Any]) -> None:
        """Write rows inside the extent."""
        (rows,) = box
        if box_shape(box)[0]:
            self.low.modify_rows(rows.start, rows.stop, rows.step, self._stored(values))
            self.low.flush()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        if len(rows):
            self.low.append(self._stored(rows))
            self.low.flush()

    def _stored(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(rows, self.dtype).view(self.low.dtype)

    def refresh(self, path: str) -> None:
        """Do nothing: a table counts its rows for everybody."""

    def resize(self, length: int) -> None:
        """Set the number of rows."""
        present = int(self.low.nrows)
        if length > present:
            self.append(np.zeros(length - present, self.dtype))
        elif length < present:
            self.low.truncate(length)


def _with_flags(description: tables.Description) -> np.dtype[Any]:
    """Return the type of a table's rows, with h5py's booleans as such.

    They are an enumeration of FALSE and TRUE in the file, and numbers to PyTables.
    """
    stored = np.dtype(description._v_dtype)
    formats: list[Any] = []
    for name in stored.names:
        column = description._v_colobjects[name]
        if isinstance(column, tables.Description):
            formats.append(_with_flags(column))
        else:
            formats.append((bool, stored[name].shape) if _is_flag(column) else stored[name])
    offsets = [stored.fields[name][1] for name in stored.names]
    return np.dtype(
        {
            "names": stored.names,
            "formats": formats,
            "offsets": offsets,
            "itemsize": stored.itemsize,
        }
    )


def _is_flag(column: tables.Col) -> bool:
    if not isinstance(column, tables.EnumCol) or column.base.dtype != np.int8:
        return False
    return {name: int(value) for name, value in column.enum} == {"FALSE": 0, "TRUE": 1}


def check_columns(dtype: np.dtype[Any], kind: NodeKind) -> None:
    """Raise ``DTypeError`` unless PyTables can hold rows of a compound type."""
    if kind is NodeKind.VLARRAY:
        raise DTypeError(
            "PyTables cannot hold rows of any length with compound elements",
            expected="bool, integers, floats, complex numbers or bytes",
            found=str(dtype),
        )
    for name in dtype.names or ():
        column = dtype[name].base
        if column.names:
            check_columns(column, kind)
        else:
            atom_of(column)


def create_records(
    file: SafeFile, low: H5File, path: str, spec: ArraySpec, data: NDArray[Any] | None
) -> Records:
    """Create a table.

    Parameters
    ----------
    file, low : SafeFile, H5File
        The file, as PyTables sees it and as it is open here.
    path : str
        Absolute path of the new table.
    spec : ArraySpec
        Of one axis, with compound elements.
    data : ndarray or None
        First content.
    """
    asked = codecs.request(spec.filters)
    parent, _, name = path.rpartition("/")
    with warnings.catch_warnings():
        # About names that are no Python identifiers and tables with many columns.
        warnings.simplefilter("ignore")
        filters = tables.Filters(
            complevel=asked.complevel,
            complib=asked.complib or "zlib",
            shuffle=bool(asked.shuffle_bitshuffle),
            fletcher32=asked.fletcher32,
        )
        table = file.create_table(
            parent or "/", name, np.dtype(spec.dtype), filters=filters, chunkshape=spec.chunks
        )
    records = Records(table, low, path)
    if data is not None:
        records.append(data)
    elif spec.shape[0]:
        fill = np.zeros(spec.shape, spec.dtype)
        if spec.fill is not None:
            fill[...] = spec.fill
        records.append(fill)
    return records
