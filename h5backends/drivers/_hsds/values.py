"""Values of the datasets of an HSDS: boxes read and written in requests of bearable size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Away, Connection
from h5backends.drivers._hsds.session import HsdsSession
from h5backends.drivers._hsds.types import select, unpack_rows
from h5backends.drivers.base import box_shape
from h5backends.errors import DTypeError
from h5backends.types import Box

__all__ = ["read", "read_ragged", "resize", "write"]

_PART_BYTES = 8 * 1024 * 1024
_RAGGED_ROWS = 4096


def read(session: HsdsSession, array: Array, box: Box) -> NDArray[Any]:
    """Read a box into a new array."""
    session.require_open()
    if array.length is None:
        return _read(session, array, (), ())
    values = np.empty(box_shape(box), array.dtype)
    if values.size:
        for part, rows in _parts(array, box):
            values[rows] = _read(session, array, part, values[rows].shape[: len(box)])
    return values


def _read(session: HsdsSession, array: Array, box: Box, shape: tuple[int, ...]) -> NDArray[Any]:
    url = f"/datasets/{array.id}/value"
    params = {"select": select(box)} if box else {}
    if array.text:
        answer = session.ask(lambda http: http.get(url, params), array.path)
        return np.array(answer["value"], dtype=object).reshape(shape)
    size = array.dtype.itemsize * math.prod(shape)

    def fetch(http: Connection) -> bytes:
        data = http.get_bytes(url, params)
        if len(data) != size:
            raise Away(f"it sent {len(data)} of {size} bytes")
        return data

    data = bytearray(session.ask(fetch, array.path))  # so that the caller may change the values
    return np.frombuffer(data, array.dtype).reshape((*shape, *array.dtype.shape))


def write(session: HsdsSession, array: Array, box: Box, values: NDArray[Any]) -> None:
    """Write a box inside the extent."""
    session.require_writable(array.path)
    if array.text:
        raise DTypeError(
            "texts of variable length cannot be written", file=session.location, node=array.path
        )
    if not values.size:
        return
    if array.length is None:
        _write(session, array, (), values)
        return
    for part, rows in _parts(array, box):
        _write(session, array, part, values[rows])


def _write(session: HsdsSession, array: Array, box: Box, values: NDArray[Any]) -> None:
    data = np.ascontiguousarray(values, array.dtype).tobytes()
    chosen = select(box) if box else ""
    params = {"select": chosen} if box else {}
    with session.translate(array.path):
        session.kept.make_room(len(data))
    url = f"/datasets/{array.id}/value"
    session.ask(lambda http: http.put_bytes(url, data, params), array.path, changes=True)
    session.kept.keep_box(array, chosen, box[0] if box else slice(0, 1, 1), data)


def _parts(array: Array, box: Box) -> Iterator[tuple[Box, slice]]:
    """Cut a box along the first axis; with each part goes where it stands in the box."""
    first, count = box[0], box_shape(box)[0]
    row_bytes = array.dtype.itemsize * math.prod(box_shape(box[1:]))
    most = max(1, _PART_BYTES // max(1, row_bytes))
    for begin in range(0, count, most):
        end = min(count, begin + most)
        start = first.start + begin * first.step
        stop = first.start + (end - 1) * first.step + 1
        yield (slice(start, stop, first.step), *box[1:]), slice(begin, end)


def resize(session: HsdsSession, array: Array, length: int) -> None:
    """Set the length of a growing array."""
    session.require_writable(array.path)
    before = array.length or 0
    if length < before:
        with session.translate(array.path):
            session.kept.before_shortening(array, length)
    url, document = f"/datasets/{array.id}/shape", {"shape": [length, *array.row_shape]}
    session.ask(lambda http: http.put(url, document), array.path, changes=True)
    array.length = array.reach = length
    array.foreign = min(array.foreign, length)
    if length < before:
        session.kept.shorten(array, before)
    else:
        session.kept.keep_length(array)


def read_ragged(session: HsdsSession, array: Array, start: int, stop: int) -> list[NDArray[Any]]:
    """Read rows that have lengths of their own."""
    rows: list[NDArray[Any]] = []
    for first in range(start, stop, _RAGGED_ROWS):
        last = min(stop, first + _RAGGED_ROWS)

        def fetch(http: Connection, first: int = first, last: int = last) -> list[NDArray[Any]]:
            params = {"select": f"[{first}:{last}]"}
            data = http.get_bytes(f"/datasets/{array.id}/value", params)
            try:
                return unpack_rows(data, last - first, array.dtype)
            except ValueError as exc:
                raise Away(f"it sent {exc}") from exc

        rows += session.ask(fetch, array.path)
    return rows
