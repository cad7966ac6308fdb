"""One point of a scan: where it is, and the way to write what was measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from h5backends.errors import NodeExistsError, SelectionError
from savers.interchange import DataLike, ExportLike

__all__ = ["Point"]


class Point:
    """A point of a scan, made by the scan.

    Attributes
    ----------
    number : int
        Points visited before it since the program began.
    indexes : tuple of int
        Its place in the arrays of the scan; empty where the scan grows.
    positions : tuple of float
        Where it is, one number for each axis, in the units of the axes.
    written : bool
        Whether :meth:`write` was called.
    """

    __slots__ = ("_labels", "_put", "indexes", "number", "positions", "written")

    def __init__(
        self,
        number: int,
        indexes: tuple[int, ...],
        positions: tuple[Any, ...],
        labels: list[str],
        put: Callable[[Point, tuple[Any, ...], Mapping[str, Any]], None],
    ) -> None:
        self.number = number
        self.indexes = indexes
        self.positions = positions
        self.written = False
        self._labels = labels
        self._put = put

    def __getitem__(self, axis: str | int) -> Any:
        """Return the position on one axis, by its name or number.

        Raises
        ------
        SelectionError
            The scan has no such axis.
        """
        try:
            number = self._labels.index(axis) if isinstance(axis, str) else axis
            return self.positions[number]
        except (ValueError, IndexError, TypeError) as exc:
            raise SelectionError(
                "the scan has no such axis",
                expected=", ".join(map(repr, self._labels)) or "none: this is a log",
                found=repr(axis),
            ) from exc

    def write(self, *data: DataLike | ExportLike | Mapping[str, Any], **values: Any) -> None:
        """Write everything that was measured at this point, at once.

        Either all of it is in the file afterwards, or nothing.

        Parameters
        ----------
        *data : DataWithAxes, DataToExport or mapping
            Data that bring their name, units and axes; or values by name, for names that Python
            does not take for an argument.
        **values
            Values by name: a number, an array of any shape, a list of arrays for a signal of
            several channels, a quantity with its units, or data.

        Raises
        ------
        ShapeError
            Signals are missing or new, or have another shape than at the first point.
        DTypeError
            Values of another type, such as NaN among integers.
        NodeExistsError
            The point was written before.
        FileClosedError
            The scan was closed.
        StorageError, RemoteError
            Earlier points could not be written. They are kept in memory, this one was not taken;
            it can be written again.
        """
        if self.written:
            raise NodeExistsError(
                "this point of the scan was written before",
                found=f"positions {self.positions}" if self.positions else f"number {self.number}",
                remedy="Give all values of a point in one call.",
            )
        self._put(self, data, values)
        self.written = True

    def __repr__(self) -> str:
        where = ", ".join(
            f"{label}={position}"
            for label, position in zip(self._labels, self.positions, strict=True)
        )
        return f"Point({where})" if where else f"Point({self.number})"
