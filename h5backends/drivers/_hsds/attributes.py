"""Attributes of the nodes of an HSDS: several with one request, in both directions."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from h5backends.drivers._hsds.http import Connection
from h5backends.drivers._hsds.session import HsdsSession
from h5backends.drivers._hsds.types import attribute_json, attribute_value
from h5backends.errors import AttributeValueError, NodeNotFoundError
from h5backends.types import Stored

__all__ = ["delete", "described", "names", "put", "read", "read_all"]

_DOCUMENT_BYTES = 900_000
"""HSDS takes documents up to 1 MiB."""
_SEPARATOR = "\x1f"


def names(session: HsdsSession, url: str, path: str) -> list[str]:
    """List the names of a node's attributes, sorted."""
    answer = session.ask(lambda http: http.get(f"{url}/attributes"), path)
    return sorted(item["name"] for item in answer["attributes"])


def read(session: HsdsSession, url: str, path: str, name: str) -> Stored:
    """Return one attribute.

    Raises
    ------
    KeyError
        There is none of this name.
    """
    return attribute_value(_look_up(session, url, path, name, {"IncludeData": 1}))


def read_all(session: HsdsSession, url: str, path: str) -> dict[str, Stored]:
    """Return all attributes of a node, sorted by name."""
    params = {"IncludeData": 1}
    answer = session.ask(lambda http: http.get(f"{url}/attributes", params), path)
    found = sorted(answer["attributes"], key=lambda item: str(item["name"]))
    return {item["name"]: attribute_value(item) for item in found}


def described(
    session: HsdsSession, path: str, values: Mapping[str, Stored]
) -> list[dict[str, Any]]:
    """Describe attributes to the server, in as few documents as it takes.

    Raises
    ------
    AttributeValueError
        HSDS cannot hold one of them.
    """
    parts: list[dict[str, Any]] = []
    room = 0
    for name, value in values.items():
        item = attribute_json(name, value)
        size = len(json.dumps(item)) + len(json.dumps(name))
        if size > _DOCUMENT_BYTES:
            raise AttributeValueError(
                f"the attribute {name!r} is too large for HSDS",
                file=session.location,
                node=path,
                expected=f"at most {_DOCUMENT_BYTES} bytes as JSON",
                found=f"{size} bytes",
                remedy="Store it as an array.",
            )
        if not parts or size > room:
            parts.append({})
            room = _DOCUMENT_BYTES
        parts[-1][name] = item
        room -= size
    return parts


def put(session: HsdsSession, url: str, path: str, part: dict[str, Any]) -> None:
    """Create or replace the attributes of one document of :func:`described`."""

    def send(http: Connection, items: dict[str, Any] = part) -> None:
        http.put(f"{url}/attributes", {"attributes": items}, {"replace": 1})

    session.ask(send, path, changes=True)
    for name, item in part.items():
        what = f"the attribute {name} of {path}"
        again = functools.partial(send, items={name: item})
        session.kept.keep_change(_id(url), f"attribute {name}", what, again)


def delete(session: HsdsSession, url: str, path: str, name: str) -> None:
    """Remove one attribute.

    Raises
    ------
    KeyError
        There is none of this name.
    """
    _look_up(session, url, path, name, {})  # HSDS itself does not mind
    params = {"attr_names": name, "separator": _SEPARATOR}

    def send(http: Connection) -> None:
        http.delete(f"{url}/attributes", params)

    session.ask(send, path, changes=True)
    what = f"the removal of the attribute {name} of {path}"
    session.kept.keep_change(_id(url), f"attribute {name}", what, send)


def _look_up(
    session: HsdsSession, url: str, path: str, name: str, params: dict[str, Any]
) -> dict[str, Any]:
    document = {"attr_names": [name]}
    try:
        answer = session.ask(lambda http: http.post(f"{url}/attributes", document, params), path)
    except NodeNotFoundError as exc:
        session.ask(lambda http: http.get(url), path)  # raises if it is the node that is gone
        raise KeyError(name) from exc
    found: dict[str, Any] = answer["attributes"][0]
    return found


def _id(url: str) -> str:
    return url.rpartition("/")[2]
