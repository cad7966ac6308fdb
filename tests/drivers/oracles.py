"""Oracles: closed files read with the raw libraries, nothing of h5backends in between."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import h5py
import hdf5plugin
import numpy as np
import tables
from h5py import h5t

from h5backends.drivers import registry
from h5backends.testing import Seen
from h5backends.types import NodeKind

__all__ = ["look_with_h5py", "look_with_h5pyd", "look_with_memory", "look_with_tables"]


# -- h5py ---------------------------------------------------------------------------------------
def look_with_h5py(location: str) -> dict[str, Seen]:
    """Read a file with raw h5py."""
    with h5py.File(location, "r") as file:
        found = {"/": _h5py_node(file["/"])}
        file.visititems(lambda name, node: found.__setitem__(f"/{name}", _h5py_node(node)))
        return found


assert hdf5plugin.FILTERS  # importing it lets h5py read every codec


def _h5py_node(node: Any) -> Seen:
    attrs = _joined_parts({name: _h5py_attribute(node.attrs, name) for name in node.attrs})
    if isinstance(node, h5py.Group):
        return Seen(NodeKind.GROUP, attrs)
    bits = _bits(node.id.get_type())
    if h5py.check_vlen_dtype(node.dtype) is not None:
        return Seen(NodeKind.VLARRAY, attrs, [_as_bool(np.asarray(row), bits) for row in node[:]])
    kind = NodeKind.EARRAY if node.maxshape[:1] == (None,) else NodeKind.CARRAY
    values = np.asarray(node[()], None if node.shape else node.dtype)
    return Seen(kind, attrs, _as_bool(values, bits))


def _h5py_attribute(attrs: Any, name: str) -> Any:
    value = attrs[name]
    bits = _bits(attrs.get_id(name).get_type())
    return _as_bool(value, bits) if bits else _plain(value)


def _bits(kind: Any) -> Any:
    """Find where a type holds PyTables' booleans: as bits, which h5py shows as ``uint8``."""
    if isinstance(kind, (h5t.TypeVlenID, h5t.TypeArrayID)):
        return _bits(kind.get_super())
    if isinstance(kind, h5t.TypeCompoundID):
        names = [kind.get_member_name(index).decode() for index in range(kind.get_nmembers())]
        found = {name: _bits(kind.get_member_type(index)) for index, name in enumerate(names)}
        return {name: bits for name, bits in found.items() if bits}
    return isinstance(kind, h5t.TypeBitfieldID)


def _as_bool(values: Any, bits: Any) -> Any:
    if isinstance(bits, dict) and bits:
        kinds = [
            (name, bool if name in bits else values.dtype[name]) for name in values.dtype.names
        ]
        return values.astype(kinds)
    return values.astype(bool) if bits is True else values


def _joined_parts(attrs: dict[str, Any]) -> dict[str, Any]:
    """Join what is documented to be spread over attributes ``H5B_...`` for its length."""
    shown = {name: value for name, value in attrs.items() if not name.startswith("H5B_")}
    for name in [name.removeprefix("H5B_TYPE.") for name in attrs if name.startswith("H5B_TYPE.")]:
        parts = sorted(key for key in attrs if re.fullmatch(rf"H5B_PART\.\d+\.{name}", key))
        raw = b"".join(attrs[part].tobytes() for part in parts)
        kind = attrs[f"H5B_TYPE.{name}"]
        if kind == "text":
            shown[name] = raw.decode()
        else:
            dtype, shape = kind.split(" ", 1)
            shown[name] = np.frombuffer(raw, dtype).reshape(ast.literal_eval(shape))
    return shown


def _plain(value: Any) -> Any:
    """Bring text to ``str``, arrays of text to kind ``U``, and leave numbers as they are."""
    if isinstance(value, (h5py.Empty, type(None))):
        return "" if value is None or value.dtype.kind in "SO" else np.empty(0, value.dtype)
    if isinstance(value, (str, bytes)):
        return value.decode() if isinstance(value, bytes) else str(value)
    array = np.asarray(value)
    if array.dtype.kind in "OS":
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.flat]
        return np.array(texts, np.str_).reshape(array.shape)
    return value


# -- PyTables -----------------------------------------------------------------------------------
def look_with_tables(location: str) -> dict[str, Seen]:
    """Read a file with raw PyTables."""
    with tables.open_file(location, "r") as file:
        return {node._v_pathname: _tables_node(node) for node in file.walk_nodes("/")}


_SYSTEM = {"CLASS", "VERSION", "TITLE", "EXTDIM", "FLAVOR", "PSEUDOATOM"}


def _tables_node(node: Any) -> Seen:
    found = node._v_attrs
    names = [name for name in found._v_attrnames if name not in _SYSTEM]
    attrs = _joined_parts({name: _plain(found[name]) for name in names})
    attrs["TITLE"] = str(node._v_title)
    if isinstance(node, tables.Group):
        return Seen(NodeKind.GROUP, attrs)
    if isinstance(node, tables.VLArray):
        return Seen(NodeKind.VLARRAY, attrs, [np.asarray(row) for row in node[:]])
    kind = NodeKind.EARRAY if isinstance(node, tables.EArray) else NodeKind.CARRAY
    return Seen(kind, attrs, np.asarray(node.read(), None if node.shape else node.dtype))


# -- h5pyd --------------------------------------------------------------------------------------
def look_with_h5pyd(location: str, **login: str) -> dict[str, Seen]:
    """Read a domain with raw h5pyd, without its cache."""
    import h5pyd

    file = h5pyd.File(location, "r", use_cache=False, **login)
    try:
        found: dict[str, Seen] = {}
        _walk_h5pyd(file["/"], "/", found)
        return found
    finally:
        file.close()


def _walk_h5pyd(node: Any, path: str, found: dict[str, Seen]) -> None:
    attrs = {name: _remote_value(_remote_attribute(node, name)) for name in node.attrs}
    if hasattr(node, "dtype"):
        found[path] = _h5pyd_array(node, attrs)
        return
    found[path] = Seen(NodeKind.GROUP, attrs)
    for name in node:
        _walk_h5pyd(node[name], f"{path.rstrip('/')}/{name}", found)


def _h5pyd_array(node: Any, attrs: Mapping[str, Any]) -> Seen:
    base = (node.dtype.metadata or {}).get("vlen")
    if isinstance(base, np.dtype):
        rows = [np.asarray(node[index], base) for index in range(node.shape[0])]
        return Seen(NodeKind.VLARRAY, attrs, [row.reshape(-1) for row in rows])
    kind = NodeKind.EARRAY if node.maxshape[:1] in ((None,), (0,)) else NodeKind.CARRAY
    if node.shape and node.shape == node.maxshape:
        kind = NodeKind.CARRAY
    if not all(node.shape):
        values = np.empty(node.shape, node.dtype)
    else:
        values = np.asarray(node[()], None if node.shape else node.dtype)
    return Seen(kind, attrs, _joined(values))


def _joined(values: np.ndarray) -> np.ndarray:
    """Put complex numbers together, which h5pyd hands out as pairs."""
    if values.dtype.names == ("r", "i"):
        kind = np.dtype(f"c{2 * values.dtype['r'].itemsize}")
        return np.ascontiguousarray(values).view(kind).reshape(values.shape)
    return values


def _remote_attribute(node: Any, name: str) -> Any:
    try:
        return node.attrs[name]
    except KeyError:
        return node.attrs[quote(name, safe="")]  # h5pyd leaves "/" and "?" in the request as is


def _remote_value(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, (np.ndarray, np.generic)) and plain.dtype.names:
        joined = _joined(np.asarray(plain))
        return joined if np.ndim(plain) else joined[()]
    return plain


# -- memory -------------------------------------------------------------------------------------
def look_with_memory(location: str) -> dict[str, Seen]:
    """Look at the dictionaries of the memory driver themselves."""
    kind: Any = registry.load("memory")
    root = kind._files[location]
    found: dict[str, Seen] = {}
    _walk_memory(root, "/", found)
    return found


def _walk_memory(node: Any, path: str, found: dict[str, Seen]) -> None:
    if node.kind is NodeKind.GROUP:
        found[path] = Seen(node.kind, node.attrs)
    else:
        values = node.ragged if node.kind is NodeKind.VLARRAY else node.values
        found[path] = Seen(node.kind, node.attrs, values)
    for name, child in node.children.items():
        _walk_memory(child, f"{path.rstrip('/')}/{name}", found)
