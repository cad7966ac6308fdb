"""Arrays of fixed extent, and arrays that grow row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from h5backends.buffer import RowBuffer
from h5backends.conform import conform
from h5backends.drivers.base import SupportsRefresh, SupportsReserve
from h5backends.errors import DataError, NodeKindError, SelectionError, ShapeError
from h5backends.nodes.base import Node, shown
from h5backends.selection import Selection, select
from h5backends.types import Box, Capability, Filters, Handle

if TYPE_CHECKING:
    from h5backends.session import Session

__all__ = ["CARRAY", "EARRAY"]


class CARRAY(Node):
    """An array of fixed extent; reads and writes like a numpy array.

    numpy, dask and xarray can take it as it is: it has ``shape``, ``dtype``, ``ndim``,
    ``chunks`` and slices lazily.
    """

    __slots__ = ()

    @property
    def array(self) -> Any:
        """The library's own object, see :attr:`Node.node`."""
        return self.node

    @property
    def shape(self) -> tuple[int, ...]:
        """Current extent, rows still in memory included."""
        session = self._session
        with session.lock:
            session.require_alive()
            pending = session.pending(self._handle)
            return pending.shape if pending else session.driver.shape(self._handle)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.storage(self._handle).dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the elements in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunk shape; None for contiguous storage."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.spec(self._handle).chunks

    @property
    def filters(self) -> Filters:
        """Compression."""
        with self._session.lock:
            self._session.require_alive()
            return self._session.driver.spec(self._handle).filters

    def refresh(self) -> None:
        """See what the writer flushed meanwhile (the file is open for SWMR reading, or remote).

        Raises
        ------
        UnsupportedError
            The driver cannot follow a growing file.
        """
        session = self._session
        with session.lock:
            session.require_alive()
            session.driver.require(Capability.REFRESH, "follow an array while it is written")
            if isinstance(session.driver, SupportsRefresh):
                session.driver.refresh(self._handle)

    def read(self) -> Any:
        """Return the whole array.

        Returns
        -------
        ndarray, shape :attr:`shape`, :attr:`dtype`
        """
        return np.asarray(self[...], self.dtype)

    def append(self, data: ArrayLike, expand: bool = True) -> None:
        """Refuse: an array of fixed extent cannot grow.

        Parameters
        ----------
        data, expand : object
            As of :meth:`EARRAY.append`.

        Raises
        ------
        NodeKindError
            Always.
        """
        raise NodeKindError(
            "an array of fixed extent cannot grow",
            file=self._session.driver.location,
            node=self.path,
            expected="an EARRAY",
            found=type(self).__name__,
            remedy="Make it with create_earray, or overwrite a part of it: array[...] = data.",
        )

    def __getitem__(self, item: Any) -> Any:
        session = self._session
        with session.lock:
            session.settle(self._handle)
            chosen = self._select(item)
            blocks = [session.driver.read(self._handle, box) for box in chosen.boxes]
            storage = session.storage(self._handle)
        block = storage.from_stored(_join(blocks, chosen.axis))
        result = block if chosen.key is None else block[chosen.key]
        return result[()] if isinstance(result, np.ndarray) and not result.ndim else result

    def __setitem__(self, key: Any, value: ArrayLike) -> None:
        session = self._session
        with session.lock:
            session.require_writable(self.path)
            session.settle(self._handle)
            chosen = self._select(key)
            storage = session.storage(self._handle)
            values = self._conform(value, storage.dtype)
            blocks = self._overlay(chosen, values)
            session.require_room(sum(block.nbytes for block in blocks), kept=True)
            for box, block in zip(chosen.boxes, blocks, strict=True):
                if block.size:
                    session.driver.write(self._handle, box, storage.to_stored(block))
            session.touch()

    def _overlay(self, chosen: Selection, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the content of each box with the values in their places."""
        lengths = [_lengths(box) for box in chosen.boxes]
        sizes = [shape[chosen.axis] if shape else 1 for shape in lengths]
        shape = list(lengths[0])
        if shape:
            shape[chosen.axis] = sum(sizes)
        if chosen.covers:
            block = np.empty(shape, values.dtype)
        else:
            driver, storage = self._session.driver, self._session.storage(self._handle)
            stored = [driver.read(self._handle, box) for box in chosen.boxes]
            block = storage.from_stored(_join(stored, chosen.axis)).copy()
        try:
            block[... if chosen.key is None else chosen.key] = values
        except (ValueError, IndexError) as exc:
            raise ShapeError(
                "the values do not fit the selection",
                file=self._session.driver.location,
                node=self.path,
                expected=f"something that broadcasts to the selected part of {self.shape}",
                found=f"shape {values.shape}",
            ) from exc
        if not shape:
            return [block]
        return np.split(block, np.cumsum(sizes)[:-1], axis=chosen.axis)

    def _conform(self, value: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            return conform(value, dtype)
        except DataError as exc:
            exc.node, exc.file = self.path, self._session.driver.location
            raise

    def _select(self, item: Any) -> Selection:
        try:
            return select(item, self._session.driver.shape(self._handle))
        except SelectionError as exc:
            exc.node, exc.file = self.path, self._session.driver.location
            raise

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array of a file cannot be used without a copy: copy=False")
        return np.asarray(self.read(), dtype=dtype)

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError(f"{self.path} is a scalar and has no length")
        return shape[0]

    def __bool__(self) -> bool:
        return True  # like a group; the truth of an array would be ambiguous

    def __repr__(self) -> str:
        return shown(self, lambda: f"{self}\n  shape := {self.shape}\n  dtype := {self.dtype}")


class EARRAY(CARRAY):
    """An array that grows along its first axis."""

    __slots__ = ("_rows",)

    def __init__(self, session: Session, handle: Handle) -> None:
        super().__init__(session, handle)
        self._rows: RowBuffer | None = None

    def append(self, data: ArrayLike, expand: bool = True) -> None:
        """Append one row, or a block of rows.

        The rows are collected in memory and written by the file's flush policy; reading this
        array always includes them.

        Parameters
        ----------
        data : array_like, shape ``shape[1:]`` or ``(k, *shape[1:])``
            One row or `k` rows; copied.
        expand : bool
            Whether `k` numbers are `k` rows where a row has the shape ``(1,)``.

        Raises
        ------
        ShapeError, DTypeError
            The data do not fit; the array is as it was.
        ReadOnlyError, FileClosedError
            The file does not take data.
        StorageError, RemoteError
            Earlier rows could not be written. They are kept; `data` was not taken.
        """
        rows = self._rows
        if rows is None or rows.detached:
            rows = self._rows = self._session.rows(self._handle)
        rows.append(data, expand)

    def reserve(self, rows: int, shared: bool = False) -> slice:
        """Make the array longer by rows that hold the fill value, to be written later.

        On a server that several programs write to, each gets rows of its own, however close
        together they ask. Where the ranks of an MPI program have the file open, all must ask for
        the same.

        Parameters
        ----------
        rows : int
            How many.
        shared : bool
            Whether it must hold between programs; without it, only within this one.

        Returns
        -------
        slice
            The new rows: ``array[slice] = data``.

        Raises
        ------
        UnsupportedError
            `shared`, with a driver whose files belong to one program at a time.
        ShapeError
            A negative number.
        ReadOnlyError, FileClosedError, StorageError, RemoteError
            The file does not take data.
        """
        session = self._session
        with session.lock:
            session.require_writable(self.path)
            driver, handle = session.driver, self._handle
            if shared:
                driver.require(Capability.RESERVE, "reserve rows for several programs")
            if rows < 0:
                raise ShapeError("a number of rows cannot be negative", found=rows, node=self.path)
            if session.pending(handle) is not None:
                session.forget(self.path)  # it counts the rows by itself
            start = driver.shape(handle)[0]
            if rows and isinstance(driver, SupportsReserve):
                start = driver.reserve(handle, rows)
            elif rows:
                session.require_room()
                driver.resize(handle, start + rows)
                session.write_length(handle, start + rows)
            if rows:
                session.touch()
        return slice(start, start + rows)


def _join(blocks: list[NDArray[Any]], axis: int) -> NDArray[Any]:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(len(range(s.start, s.stop, s.step)) for s in box)
