"""The words that describe data: how many dimensions, where from, how spread, what a node holds."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from h5backends.errors import DataError
from h5backends.types import GroupType, SaveType

__all__ = [
    "DataDim",
    "DataDistribution",
    "DataSource",
    "DataType",
    "GroupType",
    "NamedEnum",
    "SaveType",
    "UnknownNameError",
    "member",
]

_E = TypeVar("_E", bound=Enum)


class UnknownNameError(DataError, ValueError):
    """A word that is not one of an enumeration."""


class NamedEnum(Enum):
    """An enumeration whose members equal their names, and those of the same one elsewhere.

    Programs written for PyMoDAQ compare with text, ``data.dim == "Data0D"``; and a member of
    PyMoDAQ's enumeration is as good as ours.
    """

    @classmethod
    def names(cls) -> list[str]:
        """List the names of the members."""
        return [item.name for item in cls]

    @classmethod
    def values(cls) -> list[object]:
        """List the values of the members."""
        return [item.value for item in cls]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, str):
            return self.name == other
        if isinstance(other, Enum):
            return type(other).__name__ == type(self).__name__ and other.name == self.name
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)


class DataDim(NamedEnum):
    """How many dimensions data have, navigation aside; ``DataND`` with navigation."""

    Data0D = 0
    Data1D = 1
    Data2D = 2
    DataND = 3

    @property
    def dim_index(self) -> int:
        """The number of dimensions, 3 for ``DataND``."""
        return int(self.value)

    @classmethod
    def of_shape(cls, shape: tuple[int, ...]) -> DataDim:
        """Tell the dimensionality of an array without navigation axes.

        Parameters
        ----------
        shape : tuple of int
            A single element, ``(1,)`` or ``()``, counts as a scalar.
        """
        if shape in ((), (1,)):
            return cls.Data0D
        return {1: cls.Data1D, 2: cls.Data2D}.get(len(shape), cls.DataND)

    def __lt__(self, other: DataDim | str) -> bool:
        return self.dim_index < member(DataDim, other).dim_index

    def __le__(self, other: DataDim | str) -> bool:
        return self.dim_index <= member(DataDim, other).dim_index

    def __gt__(self, other: DataDim | str) -> bool:
        return self.dim_index > member(DataDim, other).dim_index

    def __ge__(self, other: DataDim | str) -> bool:
        return self.dim_index >= member(DataDim, other).dim_index


class DataSource(NamedEnum):
    """Where data come from: an instrument, or a computation."""

    raw = 0
    calculated = 1


class DataDistribution(NamedEnum):
    """How points lie: on a grid, or anywhere."""

    uniform = 0
    spread = 1


class DataType(NamedEnum):
    """What an array holds; the value starts the array's name."""

    data = "Data"
    axis = "Axis"
    live_scan = "Live"
    external_h5 = "ExtData"
    strings = "Strings"
    bkg = "Bkg"
    data_enlargeable = "EnlData"
    error = "ErrorBar"


def member(kind: type[_E], item: object) -> _E:
    """Return the member of an enumeration that is meant.

    Parameters
    ----------
    kind : type of Enum
        The enumeration.
    item : Enum or str
        A member; its name in any letter case; or a member of the same name of another package's
        enumeration.

    Raises
    ------
    UnknownNameError
        There is no such member.
    """
    if isinstance(item, kind):
        return item
    name = item.name if isinstance(item, Enum) else item
    if isinstance(name, str):
        lower = name.lower()
        for candidate in kind:
            if candidate.name.lower() == lower:
                return candidate
    raise UnknownNameError(
        f"this is not a {kind.__name__}",
        expected=", ".join(candidate.name for candidate in kind),
        found=repr(item),
    )
