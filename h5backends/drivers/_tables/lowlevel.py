"""HDF5 objects through PyTables' C extension alone, without the Python objects on top of it.

A ``tables.Node`` costs several times what HDF5 itself takes, keeps a length of its own, and
unpickles what it finds in attributes while it is being made. The extension types underneath do
none of that: they open, read and write. The names that start with ``_g_`` or ``_v_`` are theirs.
See `docs/explanations/decisions/0004-pytables-safety.md`.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import tables
from numpy.typing import NDArray
from tables import hdf5extension, utilsextension

from h5backends.drivers._tables.direct import find as find_direct
from h5backends.drivers._tables.opening import opened_before

__all__ = [
    "Dataset",
    "EArray",
    "FilterRequest",
    "Group",
    "H5File",
    "VLArray",
    "dataset_shape",
    "extents",
    "inferred_class",
    "is_chunked",
    "pending_failure",
    "stored_filters",
]


def pending_failure() -> str | None:
    """Return what HDF5 said about the call just made, None if it succeeded.

    PyTables does not look at the result of flushing and closing; the error stack of HDF5, which
    every call empties first, still holds it.
    """
    trace = tables.HDF5ExtError._dump_h5_backtrace()
    return None if not trace else "; ".join(str(entry[-1]) for entry in trace)


def extents(*numbers: int) -> NDArray[np.uint64]:
    """Return sizes or positions in the form in which HDF5 takes them."""
    return np.array(numbers, dtype=np.uint64)


class FilterRequest(NamedTuple):
    """What the extension reads off a ``tables.Filters``, without that class' restrictions."""

    complevel: int
    complib: str
    shuffle_bitshuffle: int
    fletcher32: bool


class H5File(hdf5extension.File):  # type: ignore[misc]
    """An open file.

    Parameters
    ----------
    path : str
        The file.
    mode : str
        'r', 'r+', 'a' or 'w'.
    params : dict
        PyTables' parameters.
    oldest : bool
        Whether a new file is to be of HDF5's oldest format.

    Attributes
    ----------
    checked : bool
        Whether what is made in it has checksums, and attributes of any length.
    """

    def __init__(self, path: str, mode: str, params: dict[str, Any], oldest: bool = False) -> None:
        self.filename = self._v_pathname = path
        self.mode = mode
        # The caller gives CLASS, VERSION and TITLE like all other attributes.
        self.params = params | {"PYTABLES_SYS_ATTRS": False}
        with opened_before(path, mode, self.params, oldest) as before:
            self._g_new(path, "r+" if before.new else mode, **self.params)
        self._v_new |= before.new
        self.checked = before.checked
        self._v_objectid = self._get_file_id()
        self.direct = find_direct(self._v_objectid, path)
        # HDF5 objects that nobody refers to any more, to be closed at the next opportunity.
        self.graveyard: deque[Any] = deque()


class Group(hdf5extension.Group):  # type: ignore[misc]
    """An open group."""

    __slots__ = ("_v_file", "_v_name", "_v_objectid", "_v_pathname")

    def __init__(self, file: H5File, parent: Any, name: str) -> None:
        self._v_file = file
        self._v_name = self._v_pathname = name
        self._g_new(parent, name, True)

    def open(self) -> Group:
        """Open an existing group."""
        self._v_objectid = self._g_open()
        return self

    def create(self) -> Group:
        """Create the group."""
        self._v_objectid = self._g_create()
        return self

    def content(self) -> Any:
        """Return the names of the groups, datasets, links and other things in it."""
        # The extension looks a group up again, by its name in the parent; as "." in itself it is
        # found whatever name and parent it was opened by.
        itself = Group(self._v_file, self, ".")
        itself._v_objectid = self._v_objectid
        return itself._g_list_group(self)

    def close(self) -> None:
        """Give the HDF5 object back."""
        self._g_close_group()


class Dataset(hdf5extension.UnImplemented):  # type: ignore[misc]
    """An open dataset of any type: its shape and its attributes, not its data."""

    __slots__ = ("_parent_id", "_v_file", "_v_name", "_v_objectid", "_v_pathname")

    def __init__(self, file: H5File, parent: Any, name: str) -> None:
        self._v_file = file
        self._v_name = self._v_pathname = name
        self._parent_id = parent._v_objectid
        self._g_new(parent, name, True)

    def open(self) -> Dataset:
        """Open an existing dataset."""
        direct = self._v_file.direct
        if direct is not None:
            self._v_objectid = direct.open(self._parent_id, self._v_name)
        else:
            _, _, self._v_objectid = self._open_unimplemented()
        return self

    def close(self) -> None:
        """Give the HDF5 object back."""
        direct = self._v_file.direct
        if direct is not None:
            direct.close(self._v_objectid)
        else:
            self._g_close()


def dataset_shape(file: H5File, path: str) -> tuple[int, ...]:
    """Return the extent of a dataset of any type."""
    dataset = Dataset(file, file, path)
    shape, _, _ = dataset._open_unimplemented()
    dataset._g_close()
    return tuple(map(int, shape))


class _Leaf:
    """What the two kinds of data share: the attributes that the extension expects."""

    maindim = 0
    extdim = -1
    byteorder = sys.byteorder
    _want_track_times = False
    _c_classid: str
    _v_version: str

    def __init__(self, file: H5File, path: str) -> None:
        self._v_file = self._v_parent = file
        self._v_name = self._v_pathname = path
        self._g_new(file, path, True)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Give the HDF5 objects back."""
        self._g_close()  # type: ignore[attr-defined]

    def reopen(self, path: str) -> None:
        """Close and open again, at the path where it is now."""
        self.close()
        self._v_name = self._v_pathname = path
        self._g_new(self._v_file, path, True)  # type: ignore[attr-defined]
        self.open()  # type: ignore[attr-defined]


# The extension looks at these two names when it changes the length of an array.
class EArray(_Leaf, hdf5extension.Array):  # type: ignore[misc]
    """An open array, growing or not."""

    atom: tables.Atom
    shape: tuple[int, ...]
    chunkshape: tuple[int, ...] | None
    filters: FilterRequest

    def open(self) -> EArray:
        """Open an existing array.

        Raises
        ------
        TypeError
            Its elements are of a type that PyTables does not know.
        """
        try:
            self._v_objectid, self.atom, self.shape, self.chunkshape = self._open_array()
        except BaseException:
            self.close()
            raise
        return self

    def create_contiguous(self, data: NDArray[Any]) -> EArray:
        """Create it in one piece; `data` with all strides zero stands for "nothing written"."""
        self._v_objectid, self.shape, _ = self._create_array(data, "", self.atom)
        self.chunkshape = None
        return self

    def create_chunked(self) -> EArray:
        """Create it in chunks, from the attributes set before."""
        self._v_objectid = self._create_carray("")
        return self


class VLArray(_Leaf, hdf5extension.VLArray):  # type: ignore[misc]
    """An open array of rows of any length."""

    atom: tables.Atom
    nrows: int
    chunkshape: tuple[int, ...]
    filters: FilterRequest

    def open(self) -> VLArray:
        """Open an existing array.

        Raises
        ------
        TypeError
            Its elements are of a type that PyTables does not know.
        """
        try:
            self._v_objectid, self.nrows, self.chunkshape, self.atom = self._open_array()
        except BaseException:
            self.close()
            raise
        return self

    def create(self) -> VLArray:
        """Create it, from the attributes set before."""
        self._v_objectid = self._create_array("")
        return self


def stored_filters(file: H5File, path: str) -> dict[str, tuple[int, ...]]:
    """Return name and client data of each filter of an array, in the order of the pipeline."""
    return utilsextension.get_filters(file._v_objectid, path) or {}


def is_chunked(file: H5File, path: str) -> bool:
    """Tell whether a dataset is stored in chunks."""
    return utilsextension.get_filters(file._v_objectid, path) is not None


def inferred_class(file: H5File, path: str) -> str:
    """Return the class that PyTables guesses from type and layout of a dataset."""
    return str(utilsextension.which_class(file._v_objectid, path))
