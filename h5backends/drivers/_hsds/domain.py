"""Domains, the files of an HSDS: where they are, and opening them in the modes of h5py."""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, TypeVar

from h5backends.drivers._hsds.http import Away, Connection, Refused
from h5backends.errors import (
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    RemoteAccessError,
)
from h5backends.types import Mode

__all__ = ["look_up", "normalise", "obtain", "patiently", "require_update"]

_T = TypeVar("_T")
_SCHEME = re.compile(r"hdf5:/+", re.IGNORECASE)


def normalise(location: str | Path) -> str:
    """Bring a location into the form ``/home/user/file.h5``.

    Raises
    ------
    FileFormatError
        It cannot be a file on a server.
    """
    text = location.as_posix() if isinstance(location, PurePath) else str(location)
    domain = _SCHEME.sub("/", text, count=1)
    parts = domain.split("/")
    wrong = not domain.startswith("/") or "\\" in domain or {".", ".."} & set(parts)
    if wrong or not posixpath.basename(domain):
        raise FileFormatError(
            "this is not the location of a file on an HSDS",
            file=text,
            expected="hdf5://home/<user>/<file>.h5 or /home/<user>/<file>.h5",
            remedy="Give the full path on the server; the server itself is given as endpoint=.",
        )
    return "/" + "/".join(part for part in parts if part)


def patiently(operation: Callable[[], _T], retries: int) -> _T:
    """Make a request; repeat it a few times, within seconds, if the server does not answer."""
    for attempt in range(retries):
        try:
            return operation()
        except Away:
            time.sleep(min(0.1 * 2**attempt, 1.0))
    return operation()


def look_up(http: Connection, retries: int) -> dict[str, Any] | None:
    """Return the server's description of the domain (or folder), None if there is none."""
    try:
        return patiently(lambda: http.get("/"), retries)
    except Refused as exc:
        if exc.missing:
            return None
        raise


def obtain(http: Connection, mode: Mode, retries: int) -> tuple[str, bool]:
    """Open, create or replace the domain.

    Returns
    -------
    root : str
        Id of the root group.
    created : bool
        Whether the domain is new.

    Raises
    ------
    FileMissingError, FileOccupiedError, FileFormatError, RemoteAccessError
        As the mode has it.
    """
    described = look_up(http, retries)
    if described is not None and "root" not in described:
        raise FileFormatError(
            "this is a folder on the server, not a file",
            file=http.domain,
            remedy=f"Give a file in it: {http.domain}/<file>.h5",
        )
    if described is None and mode in ("r", "r+"):
        raise FileMissingError(
            "there is no such file on the server",
            file=http.domain,
            remedy=f"The server is {http.endpoint}; mode='a' would create the file.",
        )
    if described is not None and mode == "x":
        raise FileOccupiedError("the file exists already on the server", file=http.domain)
    if described is not None and mode == "w":
        http.delete("/")
        described = None
    if described is not None:
        return str(described["root"]), False
    return _create(http, mode), True


def _create(http: Connection, mode: Mode) -> str:
    try:
        answer = http.send("PUT", "/", document={})
    except Refused as exc:
        if exc.missing:
            raise _no_folder(http) from exc
        if exc.status == 409 and mode == "x":
            raise FileOccupiedError("the file exists already", file=http.domain) from exc
        if exc.status != 409:
            raise
        return str(http.get("/")["root"])  # someone else made it a moment ago
    return str(answer.json()["root"])


def _no_folder(http: Connection) -> FileMissingError:
    """Say which of the folders above the domain is missing."""
    folder = posixpath.dirname(http.domain)
    missing = folder
    while folder not in ("", "/"):
        try:
            http.get("/", {"domain": folder})
            break
        except Refused:
            missing = folder
            folder = posixpath.dirname(folder)
    return FileMissingError(
        f"the server has no folder {missing}/ to create the file in",
        file=http.domain,
        remedy=f"Make it first: h5pyd.Folder('{missing}/', mode='w'), or hstouch {missing}/",
    )


def require_update(http: Connection, about: dict[str, Any]) -> None:
    """Raise ``RemoteAccessError`` if this user may not change the domain."""
    if about.get("isadmin"):
        return
    for name in (about.get("username"), "default"):
        try:
            permitted = http.get(f"/acls/{name}")["acl"].get("update")
        except Refused as exc:
            if exc.missing:
                continue
            raise
        if permitted:
            return
        break
    else:
        return  # through a group of users, which only the server knows
    raise RemoteAccessError(
        f"the user {about.get('username')} may read this file on the server but not change it",
        file=http.domain,
        remedy="Open it with mode='r', or ask its owner: hsacl FILE +ru USER.",
    )
