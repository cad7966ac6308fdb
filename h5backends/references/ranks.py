"""The processes that write one file together: the ranks of an MPI program, or this one alone."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from typing import Any, TypeVar

from h5backends.errors import H5Error, UnsupportedError

__all__ = ["Ranks"]

_T = TypeVar("_T")


class Ranks:
    """Who works on the file.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm or None
        The communicator; None for this process alone.

    Attributes
    ----------
    rank, size : int
        Number of this process, and how many there are.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self.rank = 0 if comm is None else int(comm.Get_rank())
        self.size = 1 if comm is None else int(comm.Get_size())

    @classmethod
    def world(cls) -> Ranks:
        """Return all ranks of this MPI program.

        Raises
        ------
        UnsupportedError
            mpi4py is missing, or finds no MPI.
        """
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as exc:
            raise UnsupportedError(
                "mpi=True needs mpi4py and an MPI library",
                found=str(exc),
                remedy='Install them: python -m pip install "h5backends[mpi]", and your '
                "system's OpenMPI or MPICH.",
            ) from exc
        return cls(MPI.COMM_WORLD)

    @property
    def many(self) -> bool:
        """Whether the file is opened by several processes together."""
        return self.comm is not None

    def all(self, value: _T) -> list[_T]:
        """Return what every rank gave, in the order of the ranks."""
        return [value] if self.comm is None else list(self.comm.allgather(value))

    def to_first(self, value: _T) -> list[_T] | None:
        """Return what every rank gave, on the first rank; None on the others."""
        if self.comm is None:
            return [value]
        gathered = self.comm.gather(value, root=0)
        return None if gathered is None else list(gathered)

    def from_first(self, value: _T) -> _T:
        """Return what the first rank gave."""
        if self.comm is None:
            return value
        result: _T = self.comm.bcast(value, root=0)
        return result

    def wait(self) -> None:
        """Go on when all ranks have come here."""
        if self.comm is not None:
            self.comm.Barrier()

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """Do something that each rank does for itself, and fail on all if it fails on one.

        A rank that raised and left would let the others wait for it for ever.
        """
        error: Exception | None = None
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - raised below, on every rank
            error = exc
        if self.comm is None:
            if error is not None:
                raise error
            return
        errors = self.all(None if error is None else _portable(error))
        if error is not None:
            raise error
        for rank, other in enumerate(errors):
            if other is not None:
                if isinstance(other, H5Error):
                    other.what = f"{other.what} (on rank {rank})"
                raise other


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to other ranks."""
    try:
        pickle.dumps(error)
    except Exception:  # noqa: BLE001 - whatever a foreign error does when it is packed
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
