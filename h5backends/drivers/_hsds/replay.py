"""Give an HSDS again what it forgot."""

from __future__ import annotations

import time
from collections.abc import Iterable

from h5backends.drivers._hsds.http import Connection, Refused
from h5backends.drivers._hsds.kept import Kept, Note
from h5backends.drivers._hsds.types import shape_of
from h5backends.errors import RemoteError

__all__ = ["give_again"]

_PAUSE_SECONDS = 0.2


def give_again(http: Connection, notes: Iterable[Note], arrays: Iterable[Kept]) -> None:
    """Make all changes again, in order; those that are made already make no difference.

    Raises
    ------
    Away, Refused
        The server is not there, or fails altogether; the same call makes up for it.
    RemoteError
        Something cannot be given again; the message says what.
    """
    lost: list[str] = []
    for note in notes:
        try:
            note.redo(http)
        except Refused as exc:
            if exc.failed:
                raise
            lost.append(f"{note.what} ({exc})")
    for kept in arrays:
        lost += _give_array(http, kept)
    if lost:
        raise RemoteError(
            "the server was restarted, and does not take again what it had not stored",
            file=http.domain,
            found=f"not stored: {', '.join(lost)}",
            remedy="It is kept in memory while the file is open, and sent again at the next "
            "call. A damaged chunk is an empty file in the server's store: remove it.",
        )


def _give_array(http: Connection, kept: Kept) -> list[str]:
    """Give back one array; return what could not be."""
    try:
        _give_length(http, kept)
        try:
            _give_rows(http, kept)
        except Refused as exc:
            if not exc.failed or not _drop_damaged(http, kept):
                raise
            _give_rows(http, kept)
    except Refused as exc:
        return [f"{kept.what} ({'a chunk in its store is damaged' if exc.failed else exc})"]
    return []


def _give_length(http: Connection, kept: Kept) -> None:
    array = kept.array
    if not array.grows or array.length is None:
        return
    url = f"/datasets/{array.id}"
    found = shape_of(http.get(url)["shape"])[0]
    if array.reserved:
        if found < array.length:  # other programs do the same: never shorter than one of them
            http.extend(array.id, array.length - found)
        return
    if found > kept.most:
        raise Refused(409, f"it has {found} rows now: another program appends to it")
    if found < array.length or found > max(array.length, array.reach):
        http.put(f"{url}/shape", {"shape": [array.length, *array.row_shape]})


def _give_rows(http: Connection, kept: Kept) -> None:
    url = f"/datasets/{kept.array.id}/value"
    for rows in kept.rows:
        chosen = kept.selection(rows)
        params, data = {"select": chosen} if chosen else {}, bytes(rows.data)
        try:
            http.put_bytes(url, data, params)
        except Refused as exc:
            if not exc.failed:
                raise
            time.sleep(_PAUSE_SECONDS)  # the node may not be quite there yet
            http.put_bytes(url, data, params)


def _drop_damaged(http: Connection, kept: Kept) -> bool:
    """Have the server drop the chunks whose rows are all kept; tell whether it could.

    A chunk that was being stored when the server died is cut off, and the server fails whenever
    it comes near it. Making the array shorter removes chunks, if there is but one in a row;
    nothing else does.
    """
    array, start = kept.array, kept.held_from()
    if not array.grows or array.row_shape or start % array.chunk_rows:
        return False
    url = f"/datasets/{array.id}/shape"
    http.put(url, {"shape": [start]})
    http.put(url, {"shape": [array.length]})
    return True
