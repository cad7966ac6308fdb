"""Measure a piece of work here, in a peer and at its physical limit, in turns in one run.

Machines are noisy and never alike, so no figure stands alone. Every work also checks its result:
a figure for the wrong work would be worse than none.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from h5backends.errors import H5Error
from savers.bench.figures import Bar, Result, Unit
from savers.bench.peers import Peer

__all__ = [
    "LOCAL",
    "Row",
    "RowSkippedError",
    "Setting",
    "Work",
    "Works",
    "WrongResultError",
    "clock",
    "measure",
    "quiet",
    "require",
    "take_turns",
]

LOCAL = ("h5py", "tables")
"""The drivers of local files, which have rows of their own."""

QUICK_ROUNDS = 2

Work = Callable[[], float]
"""Does the work once and returns its figure in the unit of the row."""

T = TypeVar("T")


class RowSkippedError(Exception):
    """A row cannot be measured here; the message says why."""


class WrongResultError(H5Error):
    """What was measured did not do its work."""


@dataclass
class Setting:
    """What all rows of a run share.

    Parameters
    ----------
    folder : Path
        For files that several rows share; each row has a folder of its own in it.
    quick : bool
        Only prove that they work; the figures then mean little.
    """

    folder: Path
    quick: bool = False
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Closed at the end of the run."""
    row_folder: Path | None = None
    """The folder of the row that is being measured."""
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def size(self, quick: int, full: int) -> int:
        """Return how much work there is to do."""
        return quick if self.quick else full

    def path(self, name: str) -> Path:
        """Return the path of a file that does not exist yet, removed with its row."""
        return (self.row_folder or self.folder) / f"{next(self._numbers)}-{name}"

    def shared_path(self, name: str) -> Path:
        """Return the path of a file that other rows use as well."""
        return self.folder / f"{next(self._numbers)}-{name}"

    @contextlib.contextmanager
    def own_folder(self) -> Iterator[None]:
        """Have a folder for one row."""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            self.row_folder = Path(name)
            try:
                yield
            finally:
                self.row_folder = None

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what several rows share, made by the first that asks."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def peer(self, peer: Peer) -> Any:
        """Return the modules of a peer, None if it is not installed."""
        return self.once(peer.name, peer.load)


@dataclass
class Works:
    """The works of a row.

    Parameters
    ----------
    ours : callable
        This project's.
    peer, limit : callable or None
        The peer's, None where it is not installed; and the physical limit's, where there is one.
    """

    ours: Work
    peer: Work | None = None
    limit: Work | None = None


@dataclass(frozen=True)
class Row:
    """One line of the comparison.

    Parameters
    ----------
    name : str
        What selects it.
    title : str
        What is done.
    unit : Unit
        What its figures are.
    bar : Bar
        What must be reached.
    prepare : callable
        Gets a :class:`Setting`; a context in which the :class:`Works` can be done.
    peer : Peer or None
        With what it is compared.
    limit : str
        What its physical limit is, in words; empty without one.
    rounds : int
        How often, in a full run.
    note : str
        What a reader must know of it.
    """

    name: str
    title: str
    unit: Unit
    bar: Bar
    prepare: Callable[[Setting], AbstractContextManager[Works]]
    peer: Peer | None = None
    limit: str = ""
    rounds: int = 7
    note: str = ""


def measure(row: Row, setting: Setting) -> Iterator[Result]:
    """Do the works of a row in turns.

    Yields
    ------
    Result
        The same object after every round, so that there is something to show when it is
        interrupted; at last also if the row could not be measured.
    """
    result = Result(row.name, row.unit, row.bar, notes=[row.note] if row.note else [])
    try:
        with quiet(), setting.own_folder(), row.prepare(setting) as works:
            if row.peer is not None and works.peer is None:
                result.notes.append(row.peer.why_missing())
            for number in range(QUICK_ROUNDS if setting.quick else row.rounds):
                take_turns(works, result, number)
                yield result
    except RowSkippedError as exc:
        result.notes.append(str(exc))
    except Exception as exc:  # noqa: BLE001 - told with the table; the other rows go on
        result.failed = True
        result.notes.append(f"failed: {type(exc).__name__}: {exc}")
    yield result


def take_turns(works: Works, result: Result, number: int) -> None:
    """Do each work once; every other round the peer comes last.

    Parameters
    ----------
    works : Works
        What to do. A peer that fails is taken out.
    result : Result
        Gets the figures.
    number : int
        Number of the round.
    """

    def peer() -> None:
        if works.peer is None:
            return
        try:
            result.peer.append(works.peer())
        except Exception as exc:  # noqa: BLE001 - its cell stays empty, and the reason is told
            works.peer = None
            result.peer.clear()
            result.notes.append(f"the peer failed: {type(exc).__name__}: {exc}")

    def limit() -> None:
        if works.limit is not None:
            result.limit.append(works.limit())

    if number % 2 == 0:
        peer()
        limit()
    result.ours.append(works.ours())
    if number % 2 == 1:
        limit()
        peer()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what other packages warn of; it is not about what is measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def clock(work: Callable[[], object], units: int) -> float:
    """Return the seconds per unit that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / units


def require(holds: object, what: str) -> None:
    """Check a result.

    Raises
    ------
    WrongResultError
        It does not hold.
    """
    if not holds:
        raise WrongResultError(f"a measured work went wrong: {what}")
