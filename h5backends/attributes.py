"""The attributes of a node, as a mapping of Python values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from h5backends import codec
from h5backends.errors import AttributeMissingError, AttributeValueError, StructureFrozenError
from h5backends.file_text import is_utf8
from h5backends.types import Stored

if TYPE_CHECKING:
    from h5backends.nodes import Node

__all__ = ["Attributes", "stored_name"]


class Attributes(MutableMapping[str, Any]):
    """The attributes of one node.

    Values come back as they were set: text, numbers, bool, None, bytes, dates and times, tuples,
    lists, dicts, numpy scalars and arrays. ``title`` is another name for ``TITLE``.

    Parameters
    ----------
    node : Node
        The node they belong to.
    """

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def node(self) -> Node:
        """The node they belong to."""
        return self._node

    @property
    def attrs_name(self) -> list[str]:
        """The names, sorted."""
        session = self._node.session
        with session.lock:
            session.require_alive()
            return session.driver.attr_names(self._node.handle)

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes at once, cheaper than one after the other."""
        session = self._node.session
        with session.lock:
            session.require_alive()
            stored = session.driver.read_attrs(self._node.handle)
        return codec.decode_all(stored)

    def __getitem__(self, item: str) -> Any:
        name = _sought_name(item)
        session = self._node.session
        with session.lock:
            session.require_alive()
            try:
                stored = session.driver.read_attr(self._node.handle, name)
            except KeyError as exc:
                raise self._missing(name) from exc
        return codec.decode(name, stored)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several attributes, in one step where the driver can."""
        values = dict(*args, **kwargs)
        stored = _encoded(self._node, values)
        session = self._node.session
        with session.lock:
            session.require_writable(self._node.path)
            if session.frozen:
                self._check_frozen(stored)
            session.require_room(sum(map(_nbytes, stored.values())), kept=True)
            session.driver.write_attrs(self._node.handle, stored)
            session.touch()

    def __delitem__(self, key: str) -> None:
        name = _sought_name(key)
        session = self._node.session
        with session.lock:
            session.require_unfrozen(f"delete the attribute {name!r}", self._node.path)
            try:
                session.driver.delete_attr(self._node.handle, name)
            except KeyError as exc:
                raise self._missing(name) from exc
            session.touch()

    def __contains__(self, key: object) -> bool:
        return ("TITLE" if key == "title" else key) in self.attrs_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.attrs_name)

    def __len__(self) -> int:
        return len(self.attrs_name)

    def __str__(self) -> str:
        return f"{self._node.path}.attrs ({type(self).__name__}), {len(self)} attributes"

    def __repr__(self) -> str:
        lines = [f"    {name} := {value!r}" for name, value in self.to_dict().items()]
        return "\n".join([f"{self}:", *lines])

    def _missing(self, name: str) -> AttributeMissingError:
        return AttributeMissingError(
            f"there is no attribute {name!r}",
            file=self._node.session.driver.location,
            node=self._node.path,
            found=", ".join(self.attrs_name) or "none at all",
        )

    def _check_frozen(self, stored: Mapping[str, Stored]) -> None:
        """Let only through what readers of a SWMR file see: an overwrite of the same size."""
        driver = self._node.session.driver
        present = driver.read_attrs(self._node.handle)
        for name, value in stored.items():
            old = present.get(name)
            same = (
                isinstance(old, (np.generic, np.ndarray))
                and isinstance(value, (np.generic, np.ndarray))
                and old.dtype == value.dtype
                and old.dtype.kind != "U"
                and old.shape == value.shape
            )
            if not same:
                raise StructureFrozenError(
                    f"cannot set the attribute {name!r} while SWMR is active: readers attached to "
                    "the file would not see it, or fail",
                    file=driver.location,
                    node=self._node.path,
                    expected="an existing number or array of numbers, replaced by one of the same "
                    "type and shape",
                    remedy="Set it before enable_swmr() or after finalize_swmr(keep_open=True).",
                )


def _nbytes(value: Stored) -> int:
    return 4 * len(value) if isinstance(value, str) else value.nbytes


def stored_name(key: object) -> str:
    """Return the name that an attribute is stored by.

    Raises
    ------
    AttributeValueError
        Not a text, empty, or with characters that no file takes.
    """
    name = _sought_name(key)
    if not is_utf8(name):
        raise _name_error(key)
    return name


def _sought_name(key: object) -> str:
    """Return the name of an attribute that may be there; other programs' need not be UTF-8."""
    if not isinstance(key, str) or not key or "\0" in key:
        raise _name_error(key)
    return "TITLE" if key == "title" else key


def _name_error(key: object) -> AttributeValueError:
    return AttributeValueError(
        "the name of an attribute must be a text that is neither empty nor holds a NUL",
        found=repr(key),
    )


def _encoded(node: Node, values: Mapping[Any, Any]) -> dict[str, Stored]:
    try:
        named = {stored_name(key): value for key, value in values.items()}
        return {name: codec.encode(name, value) for name, value in named.items()}
    except AttributeValueError as exc:
        exc.node, exc.file = node.path, node.session.driver.location
        raise
