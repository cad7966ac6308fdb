"""One dataset of an HSDS: how it is described there, and how long it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.chunks import block_chunks
from h5backends.drivers._hsds import types
from h5backends.errors import UnsupportedError
from h5backends.file_text import decoded, encoded
from h5backends.types import ArraySpec, Filters, NodeKind

__all__ = ["CODECS", "Array", "creation"]

_CONTIGUOUS_BYTES = 1024 * 1024
"""Fixed arrays up to this size are one object on the server; HSDS keeps larger ones in chunks."""

_CODEC_NAMES = {"gzip": "gzip", "lz4": "lz4", "zstd": "zstd", "blosc": "blosclz"}
"""Our names -> HSDS's, of the codecs that give back what was written after a restart."""
_WITH_LEVEL = frozenset({"gzip", "lz4"})
# "shuffle" only together with a codec: alone, HSDS 1.0.2 stores the bytes as they are and
# unshuffles them when it reads them again. It takes "bitshuffle" and "fletcher32" but does
# nothing with them.
CODECS = frozenset({*_CODEC_NAMES, "shuffle"})


class Array:
    """A dataset as this process knows it; shared by all handles that stand for it.

    Parameters
    ----------
    described : dict
        The server's description of the dataset.
    path : str
        Where it stands in the tree, for messages.

    Attributes
    ----------
    length : int or None
        Rows that the server has confirmed; None for a scalar.
    reach : int
        Rows that it may have: more than `length` while the outcome of a request is open.
    gone : bool
        Whether this process has removed it.
    shared : bool
        Whether another program was seen to append too.
    reserved : bool
        Whether this process takes rows as several programs do, each its own.
    foreign : int
        Rows that were there before this process appended: never to be written again.
    dtype : numpy.dtype
        Type of an element (of one element of a row, if ragged).
    """

    def __init__(self, described: dict[str, Any], path: str) -> None:
        self.id: str = described["id"]
        self.path = path
        kind = described["type"]
        self.dtype = types.dtype_of(kind)
        self.ragged = types.is_ragged(kind)
        self.text = types.is_text(kind)
        self._creation: dict[str, Any] = described.get("creationProperties") or {}
        shape = types.shape_of(described["shape"])
        maxdims = described["shape"].get("maxdims") or shape
        self.grows = bool(shape) and maxdims[0] in (0, "H5S_UNLIMITED")
        self.row_shape = shape[1:]
        self.length: int | None = shape[0] if shape else None
        self.reach = self.foreign = self.length or 0
        self.gone = self.shared = self.reserved = False
        layout = self._creation.get("layout") or described.get("layout") or {}
        dims = layout.get("dims") if str(layout.get("class")).startswith("H5D_CHUNKED") else None
        self.chunks: tuple[int, ...] | None = tuple(dims) if dims else None
        if not shape:
            self.chunks = None

    def update(self, described: dict[str, Any]) -> None:
        """Take over the length that the server tells, unless a request of ours is open."""
        shape = types.shape_of(described["shape"])
        if self.length is not None and self.reach <= self.length:
            if self.length != shape[0]:
                self.foreign = shape[0]
            self.shared = False
            self.length = self.reach = shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The extent, as far as known here."""
        return () if self.length is None else (self.length, *self.row_shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; 0 if rows have lengths of their own."""
        return 0 if self.ragged else self.dtype.itemsize * math.prod(self.row_shape)

    @property
    def chunk_rows(self) -> int:
        """Rows of one chunk."""
        return self.chunks[0] if self.chunks else max(1, self.length or 1)

    @property
    def inferred_kind(self) -> NodeKind:
        """What the array is if nothing says so."""
        if self.ragged:
            return NodeKind.VLARRAY
        return NodeKind.EARRAY if self.grows else NodeKind.CARRAY

    def spec(self, kind: NodeKind) -> ArraySpec:
        """Describe the array in this package's terms."""
        filters = _filters(self._creation.get("filters") or ())
        fill = self._creation.get("fillValue")
        if fill is not None:
            fill = None if self.ragged or self.text else _fill_value(fill, self.dtype)
        return ArraySpec(kind, self.dtype, self.shape, self.chunks, filters, fill)


def creation(spec: ArraySpec) -> dict[str, Any]:
    """Return what HSDS must be told to create such an array.

    Raises
    ------
    DTypeError, UnsupportedError
        HSDS cannot hold it.
    """
    kind = types.type_json(spec.dtype)
    if spec.kind is NodeKind.VLARRAY:
        kind = {"class": "H5T_VLEN", "size": "H5T_VARIABLE", "base": kind}
    shape: Any = list(spec.shape) if spec.shape else "H5S_SCALAR"
    body: dict[str, Any] = {"type": kind, "shape": shape}
    if spec.kind is not NodeKind.CARRAY:
        body["maxdims"] = [0, *spec.shape[1:]]
    properties: dict[str, Any] = {}
    chunks = _chunks(spec)
    if chunks is not None:
        properties["layout"] = {"class": "H5D_CHUNKED", "dims": list(chunks)}
    filters = _filters_json(spec.filters)
    if filters and chunks is not None:
        properties["filters"] = filters
    if spec.fill is not None:
        properties["fillValue"] = _fill_json(np.asarray(spec.fill, spec.dtype))
    if properties:
        body["creationProperties"] = properties
    return body


def _chunks(spec: ArraySpec) -> tuple[int, ...] | None:
    """Choose chunks that HSDS takes: none beyond an extent that cannot grow."""
    fixed = spec.kind is NodeKind.CARRAY
    if not spec.shape or (fixed and 0 in spec.shape):
        return None
    chunks = spec.chunks
    if chunks is None:
        if fixed and spec.dtype.itemsize * math.prod(spec.shape) <= _CONTIGUOUS_BYTES:
            return None
        chunks = block_chunks(spec.shape, spec.dtype.itemsize)
    limits = spec.shape if fixed else (None, *spec.shape[1:])
    return tuple(
        size if limit is None else min(size, max(1, limit))
        for size, limit in zip(chunks, limits, strict=True)
    )


def _filters_json(filters: Filters) -> list[dict[str, Any]]:
    known = filters.codec is None or filters.codec in _CODEC_NAMES
    if not known or filters.fletcher32 or (filters.shuffle and filters.codec is None):
        raise UnsupportedError(
            "HSDS cannot store this array as asked",
            expected=f"one of {', '.join(sorted(_CODEC_NAMES))}, alone or with shuffle",
            found=str(filters),
            remedy="Take one of these, or no compression.",
        )
    if filters.codec is None:
        return []
    described: dict[str, Any] = {"class": "H5Z_FILTER_DEFLATE", "id": 1}
    if filters.codec != "gzip":
        described = {"class": "H5Z_FILTER_USER", "name": _CODEC_NAMES[filters.codec]}
    if filters.level is not None and filters.codec in _WITH_LEVEL:
        described["level"] = filters.level
    shuffle = [{"class": "H5Z_FILTER_SHUFFLE", "id": 2}] if filters.shuffle else []
    return [*shuffle, described]


def _filters(described: Any) -> Filters:
    codec, level, shuffle = None, None, False
    names = {theirs: ours for ours, theirs in _CODEC_NAMES.items()} | {"deflate": "gzip"}
    for item in described:
        name = item.get("name")
        if item.get("class") == "H5Z_FILTER_SHUFFLE":
            shuffle = True
        elif name in names or item.get("class") == "H5Z_FILTER_DEFLATE":
            codec, level = names.get(name, "gzip"), item.get("level")
    return Filters(codec, level, shuffle)


def _fill_json(fill: NDArray[Any]) -> Any:
    value = fill.item()
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, bytes):
        return decoded(value)
    return value


def _fill_value(described: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "c":
        described = complex(*described)
    elif dtype.names:
        described = tuple(described)
    elif dtype.kind == "S":
        described = encoded(described)
    value: Any = np.array(described, dtype)
    return value[()]
