"""The next number of a numbered group: found once per parent and type, then counted."""

from __future__ import annotations

import weakref

from h5backends.nodes import GROUP
from h5backends.session import Session
from savers import layout

__all__ = ["Numbering"]


class Numbering:
    """Knows the last number used for each type of group in each parent.

    Names are listed for the first group of a type only, so the ten thousandth costs what the
    tenth does.
    """

    def __init__(self) -> None:
        self._session: weakref.ref[Session] | None = None
        self._last: dict[tuple[str, str], int] = {}

    def following(self, parent: GROUP, kind: str) -> int:
        """Return one more than the highest number in use; the session's lock is held.

        Parameters
        ----------
        parent : GROUP
            Where the groups are.
        kind : str
            Their type.
        """
        if self._session is None or self._session() is not parent.session:
            self._session = weakref.ref(parent.session)
            self._last.clear()
        last = self._last.get((parent.path, layout.group_stem(kind)))
        if (
            last is not None
            # Not so if groups were removed, or made by others, since the last time.
            and layout.group_name(kind, last) in parent
            and layout.group_name(kind, last + 1) not in parent
        ):
            return last + 1
        return layout.last_number(parent.children_name(), layout.group_stem(kind)) + 1

    def used(self, parent: GROUP, kind: str, number: int) -> None:
        """Take note that a group of this number exists now."""
        self._last[parent.path, layout.group_stem(kind)] = number

    def noticed(self, group: GROUP) -> None:
        """Take note of a group that was made under a name of the caller's choice."""
        if not self._last:
            return
        parent, _, name = group.path.rpartition("/")
        stem = name.rstrip("0123456789")
        last = self._last.get((parent, stem))
        number = layout.number_of(name, stem)
        if last is not None and number is not None and number > last:
            self._last[parent, stem] = number
