"""Attributes through h5py's low-level calls, several times faster than its dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5s, h5t
from h5py._objects import phil

from h5backends.drivers import spill
from h5backends.drivers._h5py import bits
from h5backends.drivers._h5py.texts import TextReader
from h5backends.file_text import decoded, encoded
from h5backends.types import Stored

__all__ = ["delete", "names", "overwrite", "read", "read_all", "write"]

_TEXT = h5py.string_dtype("utf-8")
_TEXT_TYPE = h5t.py_create(_TEXT, logical=True)
_TEXT_MEMORY = h5t.py_create(_TEXT)
"""In the file a string, in memory a Python object: mixing them up reads a wild pointer."""
_TEXT_SIZE = 16
"""Bytes that one text of variable length takes: length, heap address and index."""
_ONE_TEXT = frozenset(
    {b"TITLE", b"CLASS", b"VERSION", b"FLAVOR", b"shape", b"dtype", b"subdtype", b"backend"}
)
"""Attributes of every node; their text is never an array of one text, which saves asking."""
_ObjectID = Any


def names(node: _ObjectID) -> list[str]:
    """List the names of a node's attributes, sorted."""
    found: list[str] = []
    h5a.iterate(node, lambda name: found.append(_text(name)))
    return sorted(name for name in found if not spill.is_hidden(name))


def read(node: _ObjectID, name: str, texts: TextReader | None) -> Stored:
    """Return one attribute.

    Parameters
    ----------
    node : h5py ObjectID
        The open object.
    name : str
        Name of the attribute.
    texts : callable or None
        See :func:`h5backends.drivers._h5py.texts.text_reader`.

    Raises
    ------
    KeyError
        There is none of this name.
    """
    raw = encoded(name)
    if not h5a.exists(node, raw):
        raise KeyError(name)
    if h5a.exists(node, _spill_mark(name)):
        return read_all(node, texts)[name]  # PyTables had to spread it over several
    with phil:
        return _read(node, node.id, raw, texts)


def read_all(node: _ObjectID, texts: TextReader | None) -> dict[str, Stored]:
    """Return all attributes of a node, sorted by name; see :func:`read`."""
    present: list[bytes] = []
    with phil:  # h5py's lock, as in each of its own calls
        h5a.iterate(node, present.append)
        number = node.id
        found = {_text(name): _read(node, number, name, texts) for name in sorted(present)}
    return spill.visible(found)


def _read(node: _ObjectID, number: int, name: bytes, texts: TextReader | None) -> Stored:
    known = name in _ONE_TEXT
    value = None if texts is None else texts(number, name, known)
    return _value(h5a.open(node, name), known) if value is None else value


def write(node: _ObjectID, values: Mapping[str, Stored]) -> None:
    """Create or replace attributes.

    One of the same type and shape is overwritten in place, which SWMR readers can follow; any
    other is written under a passing name first, so that no moment is without a value.
    """
    for name, value in values.items():
        _drop_parts(node, name)
        try:
            _write(node, name, value)
        except (OSError, RuntimeError) as exc:
            if "message is too large" not in str(exc):
                raise
            # A file in PyTables' old format: spread over several, as PyTables would find it.
            for part, content in spill.split(name, value).items():
                _write(node, part, content)


def _write(node: _ObjectID, name: str, value: Stored) -> None:
    raw = encoded(name)
    if overwrite(node, name, value):
        return
    array, kind, space = _prepare(value)
    memory = _TEXT_MEMORY if kind is _TEXT_TYPE else kind
    if not h5a.exists(node, raw):
        h5a.create(node, raw, kind, space).write(array, mtype=memory)
        return
    passing = raw + b".new"
    while h5a.exists(node, passing):
        passing += b"_"
    h5a.create(node, passing, kind, space).write(array, mtype=memory)
    h5a.delete(node, raw)
    h5a.rename(node, passing, raw)


def delete(node: _ObjectID, name: str) -> None:
    """Remove an attribute.

    Raises
    ------
    KeyError
        There is none of this name.
    """
    raw = encoded(name)
    if not h5a.exists(node, raw):
        raise KeyError(name)
    h5a.delete(node, raw)
    _drop_parts(node, name)


def _drop_parts(node: _ObjectID, name: str) -> None:
    """Remove what an attribute that is spread over several has beside itself."""
    if h5a.exists(node, _spill_mark(name)):
        found: list[str] = []
        h5a.iterate(node, lambda other: found.append(_text(other)))
        for part in spill.owned_by(name, found):
            h5a.delete(node, encoded(part))


def _spill_mark(name: str) -> bytes:
    return encoded(spill.HIDDEN + "TYPE." + name)


def overwrite(node: _ObjectID, name: str, value: Stored) -> bool:
    """Replace an attribute in place; False if there is none of the same type and shape."""
    raw = encoded(name)
    if not h5a.exists(node, raw):
        return False
    array, kind, _ = _prepare(value)
    present = h5a.open(node, raw)
    if not present.get_type().equal(kind) or present.shape != array.shape:
        return False
    present.write(array, mtype=_TEXT_MEMORY if kind is _TEXT_TYPE else kind)
    return True


def _prepare(value: Stored) -> tuple[np.ndarray[Any, Any], Any, Any]:
    """Return the value as an array that HDF5 takes, with its type and space in the file."""
    if isinstance(value, str):
        array = np.array(encoded(value), dtype=_TEXT)
        return array, _TEXT_TYPE, h5s.create(h5s.SCALAR)
    array = np.asarray(value)
    if array.dtype.kind == "U":
        raw = np.empty(array.shape, dtype=_TEXT)
        for index, text in np.ndenumerate(array):
            raw[index] = encoded(str(text))
        return raw, _TEXT_TYPE, _space(array.shape)
    array = np.require(array, requirements="C")
    return array, h5t.py_create(array.dtype, logical=True), _space(array.shape)


def _space(shape: tuple[int, ...]) -> Any:
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


def _value(attribute: h5a.AttrID, one_text: bool = False) -> Stored:
    if _size(attribute) == _TEXT_SIZE:
        # Nearly every attribute is one text: read it as such, without asking for type and shape.
        text = np.empty((), dtype=_TEXT)
        try:
            attribute.read(text, mtype=_TEXT_MEMORY)
            if one_text or attribute.get_space().get_simple_extent_type() == h5s.SCALAR:
                return _text(text.item())
        except (TypeError, OSError, ValueError):
            pass  # 16 bytes of something else, or an array of one text
    kind = attribute.get_type()
    space = attribute.get_space()
    null = space.get_simple_extent_type() == h5s.NULL
    if isinstance(kind, h5t.TypeStringID):
        # PyTables writes an empty text as an empty space.
        return "" if null else _read_text(attribute, kind)
    dtype = attribute.dtype
    if null:
        return np.empty(0, dtype)
    if h5t.check_vlen_dtype(dtype) is not None or dtype.hasobject:
        # Ragged or reference attributes of foreign files: shown as text, never followed.
        return f"<{dtype} attribute>"
    array = np.zeros(attribute.shape, dtype)
    if array.size:
        attribute.read(array)
    array = bits.as_written(kind, array)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "surrogateescape")
    return array if attribute.shape else array[()]


def _size(attribute: h5a.AttrID) -> int:
    try:
        return int(attribute.get_storage_size())
    except RuntimeError:
        return 0  # which h5py takes for a failure


def _read_text(attribute: h5a.AttrID, kind: h5t.TypeStringID) -> Stored:
    shape = attribute.shape
    if kind.is_variable_str():
        raw = np.empty(shape, dtype=_TEXT)
        memory = _TEXT_MEMORY
    else:
        raw = np.zeros(shape, f"S{kind.get_size()}")
        memory = kind  # HDF5 does not turn UTF-8 into the ASCII that numpy's type stands for
    if raw.size:
        attribute.read(raw, mtype=memory)
    if not shape:
        return _text(raw.item())
    return np.array([_text(item) for item in raw.flat], dtype=np.str_).reshape(shape)


def _text(raw: bytes | str | None) -> str:
    if isinstance(raw, str):
        return raw
    return decoded(raw or b"")
