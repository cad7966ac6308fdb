"""Attributes through PyTables' own extension: the fastest way for the text it wrote itself.

``AttributeSet._g_getattr`` of the extension reads what HDF5 holds; the unpickling sits in the
Python class above it, which is not used. What is not text is read again directly, see
:mod:`h5backends.drivers._tables.direct`. Where that library cannot be reached, what the extension
does not know by itself is added here: HDF5 booleans (enumerations, as h5py writes them), and
types it would read beyond its buffer are refused. Numbers in the other byte order then come back
as they stand in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import hdf5extension, utilsextension

from h5backends.drivers._tables.direct import Direct
from h5backends.file_text import decoded
from h5backends.types import Stored

__all__ = ["AttributeSet", "Subject", "ThroughExtension", "is_boolean"]


class _UnknownTypeError(Exception):
    """The attribute is of a type that is not read here; the message names it."""


class _Alarm:
    """A node's name, for PyTables' complaints only: asked for it, PyTables is about to warn.

    Raising here keeps the warning from being made at all, in whatever thread, without touching
    the program's warning filters.
    """

    def __str__(self) -> str:
        raise _UnknownTypeError("unknown")


class Subject:
    """What the extension wants to know about the node whose attributes it handles.

    Parameters
    ----------
    file : object
        The open file; for reading, what stands for it.
    """

    __slots__ = ("_v_file", "_v_name", "_v_objectid")

    def __init__(self, file: Any) -> None:
        self._v_file = file
        self._v_name = _Alarm()
        self._v_objectid = 0


class _TypeQuestion(dict[str, Any]):
    """Parameters that mark a question about a type as ours; filled with what was found."""

    members: dict[str, Any] | None = None


class _Marked:
    """Stands for the file while an attribute is read."""

    def __init__(self, question: _TypeQuestion) -> None:
        self.params = question


class AttributeSet(hdf5extension.AttributeSet):  # type: ignore[misc]
    """The extension's access to attributes."""

    _v_node = "this node"  # only ever printed

    def __init__(self, subject: Subject) -> None:
        self._v_unimplemented: list[str] = []
        self._g_new(subject)


_np_type = utilsextension.hdf5_to_np_ext_type


def _safe_type(
    type_id: int, pure_numpy_types: bool = True, atom: bool = False, ptparams: Any = None
) -> tuple[Any, Any]:
    """Answer PyTables' question for the numpy type of an attribute that is not a plain scalar.

    Questions of other users of PyTables go to its own function. Compound and array types are
    refused: their size in the file can be larger than PyTables reserves for them.
    """
    if type(ptparams) is not _TypeQuestion:
        return _np_type(type_id, pure_numpy_types, atom, ptparams)  # type: ignore[no-any-return]
    try:
        kind, shape = _np_type(type_id)
    except TypeError as exc:
        if "H5T_ENUM" not in str(exc):
            if "variable length strings" in str(exc):
                raise
            raise _UnknownTypeError(str(exc).partition("``")[2].partition("``")[0]) from exc
        kind, shape = _np_type(type_id, False)
        if shape == ():
            enum, base = utilsextension.load_enum(type_id)
            ptparams.members = dict(enum)
            return base.str, ()
    if shape != () or not isinstance(kind, str):
        raise _UnknownTypeError("H5T_ARRAY" if shape else "H5T_COMPOUND")
    return kind, shape


def is_boolean(members: Mapping[str, Any]) -> bool:
    """Tell whether an HDF5 enumeration is what h5py makes of numpy's bool."""
    return dict(members) == {"FALSE": 0, "TRUE": 1}


class ThroughExtension:
    """Reads attributes of the nodes of one file.

    Parameters
    ----------
    direct : Direct or None
        What to read all but text with, where it can be reached.
    """

    def __init__(self, direct: Direct | None) -> None:
        self._direct = direct
        self._question = _TypeQuestion()
        self._subject = Subject(_Marked(self._question))
        self._set = AttributeSet(self._subject)

    def read(self, node: Any, names: Iterable[str]) -> dict[str, Stored]:
        """Return attributes of an open object which are there."""
        subject, get, direct = self._subject, self._set._g_getattr, self._direct
        subject._v_objectid = node._v_objectid
        found: dict[str, Stored] = {}
        # PyTables asks a function of its own for the type of all but plain scalars. Who else
        # calls it meanwhile gets its answer, see _safe_type.
        hdf5extension.hdf5_to_np_ext_type = _safe_type
        try:
            for name in names:
                try:
                    value = get(subject, name)
                    as_text = _TEXTS.get(type(value))
                    if as_text is not None:  # nearly all are
                        found[name] = as_text(value)
                        continue
                    if direct is not None:
                        value = direct.read_one(node, name)
                except _UnknownTypeError as exc:
                    value = f"<attribute of type {exc}, which is not read>"
                    if direct is not None:
                        value = direct.read_one(node, name)
                except UnicodeDecodeError as exc:
                    value = exc.object
                found[name] = self._plain(value)
        finally:
            hdf5extension.hdf5_to_np_ext_type = _np_type
        return found

    def _plain(self, value: Any) -> Stored:
        """Return what the extension read in the form that drivers return."""
        members, self._question.members = self._question.members, None
        if members is not None and is_boolean(members):
            value = np.asarray(value, bool)
            return value if value.ndim else np.bool_(value[()])
        as_text = _TEXTS.get(type(value))
        if as_text is not None:
            return as_text(value)
        if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
            return _text_array(value)
        return value  # type: ignore[no-any-return]


def _cut(text: str) -> str:
    return str(text).partition("\0")[0]


def _decoded(raw: bytes) -> str:
    return decoded(bytes(raw).partition(b"\0")[0])


_TEXTS: dict[type, Callable[[Any], str]] = {
    np.str_: _cut,
    str: _cut,
    np.bytes_: _decoded,
    bytes: _decoded,
}
"""What the extension returns for a text, and how it becomes one."""


def _text_array(value: NDArray[Any]) -> NDArray[np.str_]:
    texts = [item if isinstance(item, str) else _decoded(item) for item in value.flat]
    return np.array(texts, dtype=np.str_).reshape(value.shape)
