"""Growing arrays of rows that each have their own length: numbers, or text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from h5backends import pickled_text
from h5backends.buffer import RaggedBuffer
from h5backends.errors import DTypeError, NodeKindError, ShapeError
from h5backends.nodes.array import EARRAY

__all__ = ["VLARRAY", "StringARRAY"]


class VLARRAY(EARRAY):
    """A growing array of rows, each with its own length."""

    __slots__ = ()

    def _ragged(self) -> RaggedBuffer:
        session = self._session
        # A ragged row is of variable length, which readers of a SWMR file cannot follow.
        session.require_unfrozen("append rows of variable length", self.path)
        return session.ragged(self._handle)

    def append(self, data: ArrayLike, expand: bool = True) -> None:
        """Append one row.

        Parameters
        ----------
        data : array_like, shape (n,)
            The row; any length, 0 included.
        expand : bool
            Ignored; here for the common signature.

        Raises
        ------
        ShapeError, DTypeError
            It is not one-dimensional or not of the array's type.
        """
        row = self._conform(data, self.dtype)
        if row.ndim > 1:
            raise ShapeError(
                "a row of variable length has one axis",
                file=self._session.driver.location,
                node=self.path,
                found=f"shape {row.shape}",
            )
        self._ragged().append(np.array(row).reshape(-1))

    def read(self) -> Any:
        """Return all rows.

        Returns
        -------
        list of ndarray, each of shape (n,) and :attr:`dtype`
        """
        return self[:]

    def __getitem__(self, item: Any) -> Any:
        session = self._session
        with session.lock:
            session.settle(self._handle)
            length = session.driver.shape(self._handle)[0]
            if isinstance(item, tuple) and len(item) < 2:
                item = item[0] if item else ...
            if item is ...:
                item = slice(None)
            if not isinstance(item, slice):
                self._select(item)
                picks = np.arange(length)[item]
                if not np.ndim(picks):
                    rows = session.driver.read_ragged(self._handle, int(picks), int(picks) + 1)
                    return self._decode(rows)[0]
                return [self[int(index)] for index in picks]
            wanted = range(*item.indices(length))
            if not wanted:
                return []
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1])
            rows = self._decode(session.driver.read_ragged(self._handle, low, high + 1))
            return [rows[index - low] for index in wanted]

    def __setitem__(self, key: Any, value: ArrayLike) -> None:
        raise NodeKindError(
            "rows of variable length cannot be overwritten, only appended",
            file=self._session.driver.location,
            node=self.path,
        )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        rows = self.read()
        result = np.empty(len(rows), dtype=object)
        for index, row in enumerate(rows):
            result[index] = row
        return result

    def _decode(self, rows: list[NDArray[Any]]) -> list[Any]:
        return rows


class StringARRAY(VLARRAY):
    """A growing array of text, held as PyMoDAQ holds it."""

    __slots__ = ()

    def append(self, data: Any, expand: bool = True) -> None:
        """Append one text.

        Parameters
        ----------
        data : str
            Any text.
        expand : bool
            Ignored; here for the common signature.

        Raises
        ------
        DTypeError
            Not a text.
        """
        self._ragged().append(self.string_to_array(data))

    def _decode(self, rows: list[NDArray[Any]]) -> list[Any]:
        return [self.array_to_string(row) for row in rows]

    def array_to_string(self, array: NDArray[np.uint8]) -> str:
        """Return the text that one stored element holds; nothing in it is executed."""
        return pickled_text.decode(array)

    def string_to_array(self, string: str) -> NDArray[np.uint8]:
        """Return the bytes that PyMoDAQ expects for one text.

        Returns
        -------
        ndarray of uint8, shape (n,)
        """
        if not isinstance(string, str):
            raise DTypeError(
                "this array holds text",
                file=self._session.driver.location,
                node=self.path,
                expected="str",
                found=type(string).__name__,
                remedy="Convert it with str(...) first.",
            )
        return pickled_text.encode(string)
