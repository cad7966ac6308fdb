"""Folders on an HSDS: what is in one, and making one with those above it."""

from __future__ import annotations

import posixpath
from typing import Any

from h5backends.drivers._hsds.domain import look_up, patiently
from h5backends.drivers._hsds.http import Connection, Refused
from h5backends.errors import FileFormatError

__all__ = ["make", "names"]

_MANY = 1000
"""How many names are asked for at a time."""


def names(http: Connection, retries: int) -> list[str]:
    """Return the names of the files and folders directly in a folder; none without the folder.

    Parameters
    ----------
    http : Connection
        The way to the folder.
    retries : int
        How often to ask a server that does not answer.
    """
    found: list[str] = []
    asked: dict[str, Any] = {"domain": f"{http.domain.rstrip('/')}/", "Limit": _MANY}
    while True:
        try:
            part = patiently(lambda: http.get("/domains", asked), retries)["domains"]
        except Refused as exc:
            if exc.missing:
                return found
            raise
        found += [posixpath.basename(str(domain["name"]).rstrip("/")) for domain in part]
        if len(part) < _MANY:
            return found
        asked["Marker"] = part[-1]["name"]


def make(http: Connection, retries: int) -> None:
    """Make a folder, and those above it that are missing; one that is there is left as it is.

    Parameters
    ----------
    http : Connection
        The way to the folder.
    retries : int
        How often to ask a server that does not answer.

    Raises
    ------
    FileFormatError
        A file has its name.
    """
    described = look_up(http, retries)
    if described is not None:
        if "root" in described:
            raise FileFormatError(
                "there is a file on the server where a folder is needed", file=http.domain
            )
        return
    _put(http, http.domain, retries)


def _put(http: Connection, folder: str, retries: int) -> None:
    def put() -> None:
        http.send("PUT", "/", {"domain": folder}, document={"folder": True})

    try:
        patiently(put, retries)
    except Refused as exc:
        if exc.status == 409:
            return  # someone else made it a moment ago
        above = posixpath.dirname(folder)
        if not exc.missing or above in ("", "/"):
            raise
        _put(http, above, retries)
        _put(http, folder, retries)
