"""Files that the ranks of an MPI program open together, with an h5py built for parallel HDF5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s
from numpy.typing import NDArray

from h5backends.errors import H5Error, UnsupportedError
from h5backends.types import Box, Mode

__all__ = ["AVAILABLE", "on_first_rank", "open_together", "write_together"]

AVAILABLE = bool(h5py.get_config().mpi)
"""Whether the installed h5py can."""


def on_first_rank(comm: Any, action: Callable[[], Any]) -> Any:
    """Do something on the first rank, and have its outcome, result or error, on all.

    What the others would see depends on how far the first one is by then.
    """
    result: Any = None
    error: H5Error | None = None
    if comm.Get_rank() == 0:
        try:
            result = action()
        except H5Error as exc:
            error = exc
    result, error = comm.bcast((result, error), root=0)
    if error is not None:
        raise error
    return result


def open_together(
    open_file: Callable[[Any, str, Mode, Mapping[str, Any]], h5py.File],
    location: str,
    mode: Mode,
    exists: bool,
    arguments: Mapping[str, Any],
) -> h5py.File:
    """Open a file with all ranks of ``arguments["comm"]``.

    Parameters
    ----------
    open_file : callable
        Opens a file with h5py and translates its errors.
    location, mode
        As of :meth:`Driver.open`.
    exists : bool
        Whether the file is there, the same on all ranks.
    arguments : mapping
        For ``h5py.File``.

    Raises
    ------
    UnsupportedError
        The installed h5py cannot.
    """
    if not AVAILABLE:
        raise UnsupportedError(
            "this h5py cannot open a file in several MPI ranks",
            file=location,
            expected="h5py built with HDF5_MPI=ON against a parallel HDF5",
            remedy="See docs/how-to/references.md for how to build it.",
        )
    if mode == "a":
        mode = "r+" if exists else "x"
    return open_file(location, location, mode, {**arguments, "driver": "mpio"})


def write_together(dataset: h5d.DatasetID, box: Box | None, values: NDArray[Any]) -> None:
    """Write a box in one step with all ranks; None by a rank that has nothing to write."""
    space = dataset.get_space()
    if box is None:
        values = np.empty(1, values.dtype)
        memory = h5s.create_simple(values.shape)
        memory.select_none()
        space.select_none()
    else:
        memory = h5s.create_simple(values.shape)
        start, step = tuple(s.start for s in box), tuple(s.step for s in box)
        space.select_hyperslab(start, values.shape, step)
    transfer = h5p.create(h5p.DATASET_XFER)
    transfer.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)
    dataset.write(memory, space, np.ascontiguousarray(values), dxpl=transfer)
