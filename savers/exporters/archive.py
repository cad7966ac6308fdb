"""Export to numpy's own formats: an ``.npz`` archive of all arrays, or one array as ``.npy``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from h5backends.blocks import boxes
from h5backends.errors import NodeKindError
from h5backends.nodes import CARRAY, GROUP, VLARRAY, Node, StringARRAY
from h5backends.types import packed
from savers.exporters.base import Exporter, Progress
from savers.exporters.belonging import arrays_below, belonging, lines_of, refreshed, rows_of
from savers.loader import DataLoader
from savers.plain import plain

__all__ = ["NpyExporter", "NpzExporter"]


class NpzExporter(Exporter):
    """All arrays at and below a node, and what belongs to them, in one archive for ``numpy.load``.

    The key of an array is its path without the first slash. ``attributes.json`` holds the
    attributes of every node. Rows of different lengths are joined, with their lengths under the
    key and ``.lengths``; texts are a list in JSON under the key and ``.json``.

    Parameters
    ----------
    compressed : bool
        Whether to compress.
    """

    extension: ClassVar[str] = "npz"
    description: ClassVar[str] = "Archive of numpy"

    def __init__(self, compressed: bool = False) -> None:
        self._compression = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        parts = [refreshed(part) for part in belonging(loader, node)]
        arrays = [array for part in parts for array in arrays_below(part)]
        told = _Teller(progress, arrays)
        with zipfile.ZipFile(target, "x", self._compression) as archive:
            with archive.open("attributes.json", "w") as file:
                file.write(_as_json(_attributes(parts)))
            for array in arrays:
                self._add(archive, array, told)

    def _add(self, archive: zipfile.ZipFile, array: CARRAY, told: _Teller) -> None:
        # A name in the archive is UTF-8; other bytes in a path are written as escapes.
        key = array.path.lstrip("/").encode("utf-8", "backslashreplace").decode()

        def member(name: str) -> IO[bytes]:
            return archive.open(name, "w", force_zip64=True)

        if isinstance(array, StringARRAY):
            with member(f"{key}.json") as file:
                _write_texts(file, lines_of(array))
        elif isinstance(array, VLARRAY):
            lengths = np.array([len(row) for row in rows_of(array)], np.int64)
            with member(f"{key}.lengths.npy") as file:
                np.lib.format.write_array(file, lengths)
            with member(f"{key}.npy") as file:
                dtype = packed(array.dtype)
                _write_header(file, dtype, (int(lengths.sum()),))
                for row in rows_of(array, len(lengths)):
                    file.write(np.asarray(row, dtype).tobytes())
        elif array.dtype.hasobject:  # text of variable length, which other programs write
            with member(f"{key}.json") as file:
                file.write(_as_json(array.read().tolist()))
        else:
            with member(f"{key}.npy") as file:
                _write_array(file, array, told)


class NpyExporter(Exporter):
    """One array, for ``numpy.load``; without axes and units."""

    extension: ClassVar[str] = "npy"
    description: ClassVar[str] = "Array of numpy"

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        arrays = [a for a in arrays_below(node) if not isinstance(a, VLARRAY)]
        if isinstance(node, GROUP) or not arrays or arrays[0].dtype.hasobject:
            raise NodeKindError(
                "a file of this format holds one array",
                file=loader.h5saver.filename,
                node=node.path,
                expected="an array of numbers, flags, times or text of fixed width",
                found=type(node).__name__,
                remedy="Export it to npz.",
            )
        refreshed(node)
        with target.open("xb") as file:
            _write_array(file, arrays[0], _Teller(progress, arrays))


class _Teller:
    """Tells how many bytes are done, of several arrays."""

    def __init__(self, progress: Progress | None, arrays: list[CARRAY]) -> None:
        self._progress = progress
        self._total = sum(a.nbytes for a in arrays if not isinstance(a, VLARRAY))
        self._done = 0

    def add(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)


def _write_array(file: IO[bytes], array: CARRAY, told: _Teller) -> None:
    """Write an array block by block, in the order of its elements."""
    shape, dtype = array.shape, packed(array.dtype)
    _write_header(file, dtype, shape)
    for box in boxes(shape, dtype.itemsize):
        block = np.asarray(array[box], dtype)
        file.write(np.ascontiguousarray(block).tobytes())
        told.add(block.nbytes)


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, facts)


def _write_texts(file: IO[bytes], texts: Iterator[str]) -> None:
    file.write(b"[")
    for number, text in enumerate(texts):
        file.write((b",\n" if number else b"\n") + _as_json(text))
    file.write(b"\n]\n")


def _attributes(parts: list[Node]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def add(node: Node) -> None:
        found[node.path] = plain(node.attrs.to_dict())
        if isinstance(node, GROUP):
            for item in node.children().values():
                add(item)

    above = parts[0].parent_node
    while above is not None:
        found[above.path] = plain(above.attrs.to_dict())
        above = above.parent_node
    for part in parts:
        add(part)
    return dict(sorted(found.items()))


def _as_json(value: Any) -> bytes:
    # Halves of surrogate pairs, which a text may hold, are written as escapes.
    return json.dumps(value, allow_nan=False, ensure_ascii=True).encode("ascii")
