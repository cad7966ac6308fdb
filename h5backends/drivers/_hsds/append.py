"""Rows to the end of a dataset on an HSDS: each exactly once, whatever happens on the way.

The server's own append extends the dataset and writes the rows in one request. When its outcome
is open, because the connection broke, the length tells what became of it; the rows that are there
are written again (the length is stored before them), the others are appended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Away, Connection, Refused
from h5backends.drivers._hsds.session import HsdsSession
from h5backends.drivers._hsds.types import pack_rows, select, shape_of
from h5backends.drivers._hsds.values import resize
from h5backends.errors import NodeNotFoundError, RemoteError, ShapeError

__all__ = ["append_ragged", "append_rows", "reserve"]

_DOCUMENT_BYTES = 700_000
"""HSDS takes documents up to 1 MiB; base64 makes four bytes of three."""
_RAGGED_ROW_BYTES = 1_000_000
_RAGGED_BYTES = 4 * 1024 * 1024
_CHUNKS = 4
"""Chunks that one request may touch: the server writes them one after the other, and a reader
that looks meanwhile sees the new length but not yet the last of them."""

_Pack = Callable[[int, int], bytes]


def append_rows(session: HsdsSession, array: Array, start: int, rows: NDArray[Any]) -> None:
    """Append a block of rows of one shape behind the first `start` rows.

    Raises
    ------
    RemoteError
        It did not succeed; part of the rows may be stored, and the same call completes them. Or
        the array does not have the length it should have.
    """
    _require(session, array)
    values = np.ascontiguousarray(rows, array.dtype)
    stop = start + len(values)
    longer = (array.length or 0) > stop and start >= array.foreign
    if longer or not array.row_bytes:
        resize(session, array, stop)
    if not array.row_bytes:
        return

    def pack(first: int, last: int) -> bytes:
        return values[first:last].tobytes()

    for first, last in _parts(array, start, len(values)):
        _append(session, array, start, (first, last), pack)


def append_ragged(session: HsdsSession, array: Array, rows: Sequence[NDArray[Any]]) -> None:
    """Append rows that have lengths of their own.

    Raises
    ------
    ShapeError
        A row is longer than HSDS takes; nothing was appended.
    RemoteError
        As for :func:`append_rows`.
    """
    _require(session, array)
    values = [np.ascontiguousarray(row, array.dtype).reshape(-1) for row in rows]
    start = array.length or 0
    longest = max((row.nbytes for row in values), default=0)
    if longest > _RAGGED_ROW_BYTES:
        raise ShapeError(
            "a row is too long for HSDS",
            file=session.location,
            node=array.path,
            expected=f"at most {_RAGGED_ROW_BYTES} bytes in each row of variable length",
            found=f"{longest} bytes",
            remedy="Divide it, or store it as an array of its own.",
        )

    def pack(first: int, last: int) -> bytes:
        return pack_rows(values[first:last])

    first = size = 0
    for last, row in enumerate(values, start=1):
        size += row.nbytes
        full = last - first >= _CHUNKS * array.chunk_rows or size >= _RAGGED_BYTES
        if full or last == len(values):
            _append(session, array, start, (first, last), pack)
            first, size = last, 0


def reserve(session: HsdsSession, array: Array, count: int) -> int:
    """Make an array longer by rows that are written later, by this process alone.

    Returns
    -------
    int
        The first of the new rows.

    Raises
    ------
    RemoteError
        The server did not answer. It may have made the array longer: rows that nobody writes.
    """
    _require(session, array)

    def send(http: Connection) -> int:
        start = http.extend(array.id, count)
        if start < (array.length or 0):
            # Rows that are in use: what it had not stored comes first, then another try.
            raise Away("it was restarted, and has forgotten how long the array was")
        return start

    array.reserved = True
    start = session.ask(send, array.path, changes=True)
    array.length = array.reach = array.foreign = start + count
    session.kept.keep_length(array)
    return start


def _require(session: HsdsSession, array: Array) -> None:
    session.require_writable(array.path)
    if array.gone:
        raise NodeNotFoundError("this array was removed", file=session.location, node=array.path)


def _parts(array: Array, start: int, count: int) -> Iterator[tuple[int, int]]:
    """Cut a block so that each part is one document and touches few chunks."""
    chunk = array.chunk_rows
    most = max(1, _DOCUMENT_BYTES // array.row_bytes)
    first = 0
    while first < count:
        position = start + first
        boundary = (position // chunk + _CHUNKS) * chunk
        last = min(count, first + most, boundary - start)
        yield first, last
        first = last


def _append(
    session: HsdsSession, array: Array, start: int, rows: tuple[int, int], pack: _Pack
) -> None:
    """Append some rows of a block that begins at row `start` of the array."""
    first, last = rows
    begin, end = start + first, start + last
    data = pack(first, last)
    with session.translate(array.path):
        session.kept.make_room(len(data))
        if array.length == begin:
            session.kept.hold_tail(array)

    def send(http: Connection) -> None:
        unsettled = array.shared or array.reach != begin or array.length != begin
        present = _settle(http, array, begin, end) if unsettled else 0
        if present:
            box = (slice(begin, begin + present, 1), *(slice(0, n, 1) for n in array.row_shape))
            again = pack(first, first + present)
            http.put_bytes(f"/datasets/{array.id}/value", again, {"select": select(box)})
        if begin + present < end:
            # A request that was given up may still be carried out: each counts.
            array.reach = max(array.reach, begin + present) + end - begin - present
            rest = pack(first + present, last) if present else data
            _send(http, array, end - begin - present, rest)
        if unsettled:
            _settle(http, array, begin, end)  # and may have been, after we looked

    try:
        session.ask(send, array.path, changes=True)
    except RemoteError as exc:
        if isinstance(exc.__cause__, Refused):
            _take_back(session, array)
        raise
    array.length = array.reach = max(end, array.length or 0)
    session.kept.keep_rows(array, begin, end, data)


def _take_back(session: HsdsSession, array: Array) -> None:
    """After a refusal: the server extends the dataset before it looks at the rows."""
    length = array.length or 0
    if array.reach > length:
        document = {"shape": [length, *array.row_shape]}
        with contextlib.suppress(RemoteError):
            session.ask(
                lambda http: http.put(f"/datasets/{array.id}/shape", document),
                array.path,
                changes=True,
            )
            array.reach = length


def _send(http: Connection, array: Array, count: int, data: bytes) -> None:
    if array.ragged or len(data) > _DOCUMENT_BYTES:
        # Ragged rows are read to their end by the server before it does anything. A single large
        # row is not: while it is on its way, readers can see fill values in its place.
        http.put_bytes(f"/datasets/{array.id}/value", data, {"append": count})
    else:
        http.append(array.id, count, data)


def _settle(http: Connection, array: Array, begin: int, end: int) -> int:
    """Find out how many of the rows `begin` to `end` the server has, and no more than these.

    Raises
    ------
    RemoteError
        The length cannot be the work of this process alone.
    """
    path = f"/datasets/{array.id}"
    found = shape_of(http.get(path)["shape"])[0]
    length = array.length or 0
    if max(end, length) < found <= array.reach:
        found = max(end, length)
        http.put(f"{path}/shape", {"shape": [found, *array.row_shape]})
    if begin < array.foreign or not begin <= found <= max(end, length):
        raise RemoteError(
            "the array on the server does not have the length it should have",
            file=http.domain,
            node=array.path,
            expected=f"{begin} rows",
            found=f"{found} rows; the new rows were not appended",
            remedy="Only one program at a time can append to an array: open the file again to "
            "continue behind the rows that are there.",
        )
    return min(found, end) - begin
