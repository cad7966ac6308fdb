"""Notice other programs that change the arrays this one appends to."""

from __future__ import annotations

from collections.abc import Iterable

from h5backends.drivers._hsds.array import Array
from h5backends.drivers._hsds.http import Connection, Refused
from h5backends.drivers._hsds.kept import Kept
from h5backends.drivers._hsds.types import shape_of
from h5backends.errors import RemoteError

__all__ = ["interference", "lengths"]


def lengths(http: Connection, kept: Iterable[Kept]) -> list[tuple[Array, int]]:
    """Ask how long the growing arrays are; -1 for one that is gone.

    Raises
    ------
    Away, Refused
    """
    found = []
    for array in [item.array for item in kept if item.array.grows]:
        try:
            shape = shape_of(http.get(f"/datasets/{array.id}")["shape"])
        except Refused as exc:
            if not exc.missing:
                raise
            shape = (-1,)
        found.append((array, shape[0]))
    return found


def interference(http: Connection, kept: Kept, found: int) -> RemoteError | None:
    """Tell whether rows are not where this process believes them to be.

    Parameters
    ----------
    http : Connection
        To have a look at the rows.
    kept : Kept
        What is kept of the array.
    found : int
        Its length on the server, -1 if it is gone.

    Returns
    -------
    RemoteError or None
        What to raise.
    """
    array = kept.array
    if 0 <= found <= kept.most or array.shared or (array.reserved and found >= 0):
        return None
    array.shared = True  # the next append looks first
    gone = found < 0
    if not gone and _in_place(http, kept):
        return None  # the other program began behind the last of our rows
    arrived = f"{found} rows, in the order in which they arrived"
    return RemoteError(
        f"another program {'removed' if gone else 'appends to'} this array",
        file=http.domain,
        node=array.path,
        expected=f"{kept.most} rows",
        found=f"nothing; not stored: {kept.what}" if gone else arrived,
        remedy="Let one program write an array, or give each an array of its own.",
    )


def _in_place(http: Connection, kept: Kept) -> bool:
    """Tell whether the last rows that were appended stand where they should."""
    for rows in reversed(kept.rows):
        if rows.select is None:
            params = {"select": kept.span(rows.start, rows.stop)}
            return http.get_bytes(f"/datasets/{kept.array.id}/value", params) == rows.data
    return True
