"""Basins: where a measurement says that more of its features are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from h5backends.errors import BasinIdentifierMismatchError, MeasurementError
from h5backends.readers.content import lines, members
from h5backends.readers.identity import get_measurement_identifier

if TYPE_CHECKING:
    from h5backends.readers.events import Events
    from h5backends.readers.mapped import IndexMapping

__all__ = ["Basin", "check_identifier", "read_basins", "sort_basins"]

_KNOWN = ("internal", "file")


@dataclass(frozen=True)
class Basin:
    """A basin that was opened.

    Parameters
    ----------
    group : h5py.Group or None
        Where its features are; None if its file is not there.
    features : tuple of str
        Those that are in the group and may be taken from it.
    declared : sequence of str or None
        Those that may be taken; None for all.
    index_mapping : int, slice, list, ndarray or None
        Which of its events are those of the measurement.
    events : Events or None
        Those of its file, already mapped; None for an internal basin.
    length : int or None
        How many events it must have; None where a mapping says which ones are taken.
    """

    group: Any = None
    features: tuple[str, ...] = ()
    declared: Sequence[str] | None = None
    index_mapping: IndexMapping | None = None
    events: Events | None = None
    length: int | None = None

    def offers(self, feature: str) -> bool:
        """Tell whether a feature may be taken from it, or from basins of its own."""
        return self.declared is None or feature in self.declared


def read_basins(h5: Any, check: bool = True) -> list[dict[str, Any]]:
    """Return the definitions of basins in a file, in the order of their keys.

    Parameters
    ----------
    h5 : h5py.File
        The measurement.
    check : bool
        Leave out what cannot be used: kinds other than internal ones and files, mappings that
        are not there.

    Raises
    ------
    MeasurementError
        A definition is not JSON, or not one of a basin.
    """
    found = []
    for _, dataset in members(h5, "basins"):
        definition = _parsed("\n".join(lines(dataset)), h5, dataset.name)
        if check:
            if definition["type"] not in _KNOWN:
                continue
            mapping = definition.get("mapping")
            if mapping is not None and mapping not in h5.get("events", ()):
                continue
        found.append(definition)
    return found


def sort_basins(basins: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return basins in the order in which they are asked: internal ones first, then by name."""
    return sorted(basins, key=lambda b: (b["type"] != "internal", str(b.get("name", ""))))


def _parsed(content: str, h5: Any, node: str) -> dict[str, Any]:
    try:
        definition = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise MeasurementError(
            "the definition of a basin is not JSON",
            file=h5.file.filename,
            node=node,
            found=exc,
            remedy="To read the file without its basins: basins=[].",
        ) from exc
    wrong = _what_is_wrong(definition)
    if wrong is not None:
        raise MeasurementError(
            "this does not define a basin",
            file=h5.file.filename,
            node=node,
            expected=wrong,
            found=content[:200],
            remedy="To read the file without its basins: basins=[].",
        )
    assert isinstance(definition, dict)
    return definition


def _what_is_wrong(definition: object) -> str | None:
    """Return what a definition should have, None if it has all."""
    if not isinstance(definition, dict) or not isinstance(definition.get("type"), str):
        return "an object with a type"
    if definition["type"] not in _KNOWN:
        return None
    if not _is_texts(definition.get("paths")) or not definition["paths"]:
        return "paths: a list of strings"
    features = definition.get("features")
    if features is not None and not (_is_texts(features) and all(map(_is_name, features))):
        return "features: a list of names"
    if features is None and definition["type"] == "internal":
        return "features: a list of names, in an internal basin"
    mapping, identifier = definition.get("mapping"), definition.get("identifier")
    if mapping is not None and not (isinstance(mapping, str) and _is_name(mapping)):
        return "mapping: the name of a feature"
    if identifier is not None and not isinstance(identifier, str):
        return "identifier: a string"
    return None


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_name(name: str) -> bool:
    return bool(name) and "/" not in name and name != "."


def check_identifier(expected: str | None, h5: Any, name: object) -> None:
    """Make sure that a file holds the measurement that it should.

    Parameters
    ----------
    expected : str or None
        Its identifier; None for any.
    h5 : h5py.File
        The file.
    name : object
        What the basin is called.

    Raises
    ------
    BasinIdentifierMismatchError
        It holds another one.
    """
    if expected is None:
        return
    found = get_measurement_identifier(h5)
    if found != expected:
        raise BasinIdentifierMismatchError(
            f"the file does not match the basin {name!r}: it holds another measurement",
            file=h5.filename,
            expected=f"the identifier {expected!r}",
            found=repr(found),
        )
