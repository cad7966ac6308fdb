"""Calls of ``add_data`` that wait to be made, that failed, or that there is no room for."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Full
from typing import Any, Literal, NamedTuple

from h5backends.errors import H5Error

__all__ = ["Call", "Failure", "OnFull", "QueueFullError", "noted"]

OnFull = Literal["block", "drop", "raise"]

_NOTE = (
    "This is about an earlier add_data(). The data of the call that raises it were not taken; all "
    "before them are written, or kept."
)


class QueueFullError(H5Error, Full):
    """There is no room for more data that wait to be written."""


class Call(NamedTuple):
    """One call of ``add_data`` that waits."""

    values: tuple[Any, ...]
    keyword: dict[str, Any]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that the saver refused, with its data.

    Parameters
    ----------
    values : tuple
        The arguments by position.
    keyword : dict
        The arguments by name.
    error : BaseException
        Why it was refused.
    nbytes : int
        How much memory it takes, about.
    """

    values: tuple[Any, ...]
    keyword: dict[str, Any]
    error: BaseException
    nbytes: int = field(default=0, repr=False)


def noted(error: BaseException) -> BaseException:
    """Return an error with a note that it is not about the call that raises it."""
    if _NOTE not in getattr(error, "__notes__", ()):
        error.add_note(_NOTE)
    return error
