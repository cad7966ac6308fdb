"""When a recording goes on in another file, and what its files are called."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from pathlib import Path

from h5backends.drivers import registry
from h5backends.errors import UnsupportedError
from h5backends.types import Capability

__all__ = ["Rotation", "part_name", "parts_beside", "require_virtual"]

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to go on in another file. Exactly one of the limits is given.

    The file that the program names becomes the **master**: it shows all scans as if they were in
    it, and holds no data itself. They are in files beside it with a number behind their name,
    each a complete file of its own.

    Parameters
    ----------
    bytes : int or None
        A scan goes on in another file when the next points would make one larger than this
        (before compression). Grids are cut between two steps of their slowest axis.
    points : int or None
        The same after so many points.
    scans : int or None
        Another file after so many scans; none is cut.

    Raises
    ------
    ValueError
        Not exactly one of them, or it is not positive.

    Examples
    --------
    >>> Rotation(scans=100)
    Rotation(bytes=None, points=None, scans=100)
    """

    bytes: int | None = None
    points: int | None = None
    scans: int | None = None

    def __post_init__(self) -> None:
        given = [limit for limit in (self.bytes, self.points, self.scans) if limit is not None]
        if len(given) != 1 or operator.index(given[0]) < 1:
            raise ValueError(
                "Rotation takes exactly one of bytes, points and scans, a positive whole number, "
                f"not {self}"
            )

    def rows(self, point_bytes: int, row_points: int) -> int:
        """Return how many steps of the slowest axis go into one file.

        Parameters
        ----------
        point_bytes : int
            Bytes of one point.
        row_points : int
            Points of one step, 1 for scans that grow.
        """
        if self.points is not None:
            return max(1, self.points // row_points)
        assert self.bytes is not None
        return max(1, self.bytes // (row_points * max(1, point_bytes)))


def require_virtual(driver: str) -> None:
    """Refuse drivers that cannot make a master file.

    Raises
    ------
    UnsupportedError
    """
    if Capability.VIRTUAL not in registry.load(driver).capabilities:
        raise UnsupportedError(
            f"the driver {driver!r} cannot join several files in one: it has no virtual arrays",
            expected="one of: " + ", ".join(registry.drivers_with(Capability.VIRTUAL)),
            remedy="Take another driver, or leave rotate out and record into one file. Nothing "
            "was written.",
        )


def part_name(master: Path, number: int) -> str:
    """Return the name of a file with data: ``map_0007.h5`` beside ``map.h5``."""
    return f"{master.stem}_{number:0{_DIGITS}d}{master.suffix}"


def parts_beside(master: Path) -> list[int]:
    """Return the numbers of the files with data that exist, sorted."""
    pattern = re.compile(f"{re.escape(master.stem)}_(\\d{{{_DIGITS},}}){re.escape(master.suffix)}")
    found = (pattern.fullmatch(path.name) for path in master.parent.iterdir())
    return sorted(int(match[1]) for match in found if match)
