"""Export to text: a table of columns as ``.csv``, lines and columns of numbers as ``.txt``."""

from __future__ import annotations

import codecs
import csv
import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TextIO

import numpy as np

from h5backends.nodes import CARRAY, VLARRAY, Node, StringARRAY
from savers.enums import UnknownNameError
from savers.exporters.axis_column import AxisColumn
from savers.exporters.base import Exporter, Progress
from savers.exporters.belonging import lines_of, refreshed, rows_of
from savers.exporters.cells import CELLS_AT_ONCE, as_cells, parts_of, time_unit
from savers.exporters.table import Table, heading
from savers.loader import DataLoader

__all__ = ["CsvExporter", "TextExporter"]

_WIDEST = 10_000
"""Numbers in a line; a matrix with more becomes a table of columns."""


class CsvExporter(Exporter):
    """A table: one line for each element, with its position on every axis and all its values.

    The first line says what the columns are, with units. Of a group all signals below it become
    columns, if they share shape and axes.

    Parameters
    ----------
    delimiter : str
        Between two cells.
    encoding : str
        Of the text; Excel wants ``"utf-8-sig"``.
    """

    extension: ClassVar[str] = "csv"
    description: ClassVar[str] = "Table"

    def __init__(self, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        try:
            kind = codecs.lookup(encoding).name
        except LookupError as exc:
            raise UnknownNameError("unknown encoding of text", found=encoding) from exc
        # Halves of surrogate pairs, which a text may hold, are kept where that is possible.
        self._unknown = "surrogatepass" if kind.startswith("utf") else "backslashreplace"

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        with target.open("x", encoding=self._encoding, newline="", errors=self._unknown) as file:
            writer = csv.writer(file, delimiter=self._delimiter, lineterminator="\n")
            if isinstance(node, StringARRAY):
                refreshed(node)
                writer.writerow([node.name])
                writer.writerows([line] for line in lines_of(node))
            elif isinstance(node, VLARRAY):
                writer.writerow(["row", "position", *parts_of(node.dtype, "value")])
                writer.writerows(_ragged(node))
            else:
                table = Table.of(loader, node)
                writer.writerow(_header(table))
                _write_rows(table, writer.writerows, progress)


class TextExporter(Exporter):
    """Lines of numbers for ``numpy.loadtxt``, below a head that says what they are.

    An array of two and more dimensions has a line for each element of all but the last one; the
    last axis stands in the head. Everything else is a table as in ``.csv``, with tabs. A log is
    written line by line.
    """

    extension: ClassVar[str] = "txt"
    description: ClassVar[str] = "Text"

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        with target.open("x", encoding="utf-8", newline="\n", errors="surrogatepass") as file:
            if isinstance(node, StringARRAY):
                refreshed(node)
                file.writelines(f"{line}\n" for line in lines_of(node))
                return
            if isinstance(node, VLARRAY):
                file.write(f"# file: {_line(loader.h5saver.filename)}\n# node: {node.path}\n")
                for row in rows_of(node):
                    cells = zip(*as_cells(row), strict=True)
                    file.write("\t".join(str(c) for values in cells for c in values) + "\n")
                return
            table = Table.of(loader, node)
            _write_head(file, table)
            if table.is_matrix and table.shape[-1] <= _WIDEST:
                _write_matrix(file, table, progress)
            else:
                file.write("# " + "\t".join(map(_line, _header(table))) + "\n")
                writer = csv.writer(file, delimiter="\t", lineterminator="\n")
                _write_rows(table, writer.writerows, progress, flags_as_numbers=True)


# -- tables -------------------------------------------------------------------------------------


def _header(table: Table) -> list[str]:
    names = [heading(_named(axis), axis.units) for axis in table.axes]
    for node, name, units in table.columns:
        unit = units or time_unit(node.dtype)
        names += [heading(part, unit) for part in parts_of(node.dtype, name)]
    return names


def _named(axis: AxisColumn) -> str:
    return axis.label or f"axis {axis.index}"


def _write_rows(
    table: Table,
    write: Callable[[Any], object],
    progress: Progress | None,
    flags_as_numbers: bool = False,
) -> None:
    done, total = 0, int(np.prod(table.shape))
    for box in table.blocks():
        columns = [np.ravel(axis.at(box)) for axis in table.axes]
        columns += [np.ravel(table.read(node, box)) for node, _, _ in table.columns]
        if flags_as_numbers:
            columns = [c.astype(np.uint8) if c.dtype == bool else c for c in columns]
        length = len(columns[-1])
        for start in range(0, length, CELLS_AT_ONCE):
            part = slice(start, start + CELLS_AT_ONCE)
            cells = [cells for column in columns for cells in as_cells(column[part])]
            write(zip(*cells, strict=True))
        done += length
        if progress is not None:
            progress(done, total)


def _ragged(node: VLARRAY) -> Iterator[Sequence[Any]]:
    for number, row in enumerate(rows_of(node)):
        columns = list(as_cells(row))
        for position, cells in enumerate(zip(*columns, strict=True)):
            yield (number, position, *cells)


# -- a matrix -----------------------------------------------------------------------------------


def _write_head(file: TextIO, table: Table) -> None:
    facts = [("file", table.file), ("node", table.path), ("shape", str(table.shape))]
    for signal in table.signals:
        stamp = signal.node.attrs.get("timestamp")
        facts.append(("signal", heading(signal.name, signal.units)))
        facts += [("origin", signal.origin)] if signal.origin else []
        facts += [("time", _iso(stamp))] if isinstance(stamp, float) else []
    for axis in table.axes:
        note = "; differs from point to point, see csv, npz or h5" if axis.moved else ""
        facts.append((f"axis {axis.index}", heading(_named(axis), axis.units) + note))
    file.writelines(f"# {name}: {_line(value)}\n" for name, value in facts)


def _write_matrix(file: TextIO, table: Table, progress: Progress | None) -> None:
    """Write one line for each element of all axes but the last."""
    last = len(table.shape) - 1
    outer = [axis for axis in table.axes if axis.index != last]
    ((node, _, _),) = table.columns
    for axis in table.axes:
        if axis.index == last:
            (positions,) = as_cells(axis.along(slice(0, table.shape[last], 1)))
            names = [heading(_named(a), a.units) for a in outer]
            file.write("# " + "\t".join([*map(_line, names), *map(str, positions)]) + "\n")
    done, total = 0, int(np.prod(table.shape))
    for box in table.blocks():
        lines = _matrix_lines(table, node, box, outer)
        file.writelines("\t".join(map(str, cells)) + "\n" for cells in lines)
        done += int(np.prod([part.stop - part.start for part in box]))
        if progress is not None:
            progress(done, total)


def _matrix_lines(
    table: Table, node: CARRAY, box: tuple[slice, ...], outer: Sequence[AxisColumn]
) -> Iterator[list[Any]]:
    width = table.shape[-1]
    # A wide line may be cut by the block only where it is wider than a block: never here.
    block = table.read(node, box).reshape(-1, width)
    heads = [np.ravel(axis.at((*box[:-1], slice(0, 1, 1)))) for axis in outer]
    if block.dtype == bool:
        block = block.astype(np.uint8)
    at_once = max(1, CELLS_AT_ONCE // max(1, width))
    for start in range(0, len(block), at_once):
        part = slice(start, start + at_once)
        columns = [cells for head in heads for cells in as_cells(head[part])]
        (values,) = as_cells(block[part].ravel())
        for number in range(len(block[part])):
            row = values[number * width : (number + 1) * width]
            yield [*(column[number] for column in columns), *row]


def _iso(seconds: float) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return str(seconds)
    return moment.isoformat()


def _line(text: object) -> str:
    """Return a text without line breaks and tabs, which would end a line or a cell of the head."""
    return " ".join(str(text).split())
