"""What each rank of the MPI tests does; the name of a scenario and a file on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from h5backends import H5Backend
from h5backends.errors import (
    FileMissingError,
    FileOccupiedError,
    H5Error,
    SelectionError,
    ShapeError,
    UnsupportedError,
)
from h5backends.references import H5FlowDataManager

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()


def manager(path: str, mode: str = "a", **more: Any) -> H5FlowDataManager:
    return H5FlowDataManager(path, mode, mpi=True, **more)


def refused(kind: type[H5Error], action: Callable[[], object]) -> str:
    """Return the message of an error that must be raised, on every rank."""
    try:
        action()
    except kind as exc:
        return str(exc)
    raise AssertionError(f"rank {RANK}: no {kind.__name__}")


def events(path: str) -> None:
    """Every rank but the first has rows and references, of its own and of shared parents."""
    with manager(path) as dm:
        assert (dm.rank, dm.size) == (RANK, SIZE)
        dm.create_dset("shared", "i8")
        dm.create_dset("own", [("rank", "i4"), ("place", "i8")], (2,))
        dm.create_ref("shared", "own")
        dm.set_attrs("shared", units="mV", count=SIZE)
        both = dm.reserve_data("shared", 1)
        dm.write_data("shared", both, [RANK])
        for turn in range(3):
            count = RANK * 10
            rows = dm.reserve_data("own", count)
            assert rows.stop - rows.start == count
            block = np.zeros((count, 2), [("rank", "i4"), ("place", "i8")])
            block["rank"], block["place"] = RANK, np.arange(rows.start, rows.stop)[:, None]
            if count:  # a rank without rows does not write at all
                dm.write_data("own", rows, block)
            places = np.arange(rows.start, rows.stop)
            parents = (places + turn) % SIZE  # every rank adds to every parent
            dm.write_ref("own", "shared", np.stack([places, parents], 1))
        check_events(dm)
        dm.close_file()
        check_events(dm)


def check_events(dm: H5FlowDataManager) -> None:
    total = 3 * 10 * sum(range(SIZE))
    assert len(dm.get_dset("own")) == total
    own = dm["own", :]
    assert np.array_equal(own["place"][:, 0], np.arange(total))
    backward = dm["own", "shared", :]
    assert backward.shape == (total, 1)
    assert not backward.mask.any()
    forward = dm["shared", "own", :]["place"][:, :, 0]
    assert np.array_equal(np.sort(forward.compressed()), np.arange(total))
    assert sorted(dm["shared", :]) == list(range(SIZE))
    assert dm.get_attrs("shared")["count"] == SIZE


def grow(path: str) -> None:
    """An existing file is added to, once with rows and references from the last rank alone."""
    with manager(path) as dm:
        before = len(dm.get_dset("own"))
        last = RANK == SIZE - 1
        rows = dm.reserve_data("own", 2 if last else 0)
        if last:
            block = np.zeros((2, 2), dm.get_dset("own").dtype)
            block["place"] = [[before], [before + 1]]
            dm.write_data("own", rows, block)
        dm.write_ref("shared", "own", [[0, before], [0, before + 1]] if last else [])
        assert dm["own", "shared", [-1, -2]].shape == (2, 1)


def sections(path: str) -> None:
    """Ranks name rows: what is missing is made once, for all."""
    with manager(path) as dm:
        dm.create_dset("a", "i4")
        mine = slice(3 * RANK, 3 * RANK + 3)
        assert dm.reserve_data("a", mine) == mine
        assert len(dm.get_dset("a")) == 3 * SIZE
        dm.write_data("a", mine, [RANK] * 3)
        # One rank wants new rows, the others name rows or want none.
        spec = 5 if RANK == 0 else slice(0, 1) if RANK == 1 else 0
        rows = dm.reserve_data("a", spec)
        assert len(dm.get_dset("a")) == 3 * SIZE + 5
        if RANK == 0:
            assert rows == slice(3 * SIZE, 3 * SIZE + 5)
        dm.flush()
        COMM.Barrier()
        assert dm["a", ::3].tolist()[:SIZE] == list(range(SIZE))


def errors(path: str) -> None:
    """What is wrong on one rank is refused on all; nothing hangs, nothing is written."""
    last = RANK == SIZE - 1
    with manager(path) as dm:
        dm.create_dset("a", "i4")
        dm.create_dset("b", "i4")
        dm.create_ref("a", "b")
        rows = dm.reserve_data("a", 2)
        dm.write_data("a", rows, [1, 2])
        dm.write_data("b", dm.reserve_data("b", 1), [3])
        pair = [[rows.start, RANK]]
        words = refused(
            SelectionError, lambda: dm.write_ref("a", "b", [[0, 99]] if last else pair)
        )
        assert "99" in words
        refused(ShapeError, lambda: dm.write_ref("a", "b", [1, 2, 3] if last else pair))
        refused(SelectionError, lambda: dm.reserve_data("a", -1 if last else 1))
        assert len(dm.get_dset("a")) == 2 * SIZE
        assert len(dm.get_ref("a", "b")[0]) == 0
        dm.write_ref("a", "b", pair)
        assert dm["a", "b", rows].tolist() == [[3], [None]]
        refused(UnsupportedError, lambda: dm.get_dset("a").append(1))
        assert dm.get_dset("a").read().tolist() == [1, 2] * SIZE
    refused(FileMissingError, lambda: manager(path + ".missing", "r").exists("a"))
    refused(FileOccupiedError, lambda: manager(path, "x").exists("a"))
    with manager(path, "r") as dm:
        assert dm["a", "b", ::2].tolist() == [[3]] * SIZE


def compressed(path: str) -> None:
    """Compressed rows are written by all ranks in one step; some have none."""
    with manager(path, compression="gzip") as dm:
        dm.create_dset("a", "i4", (4,))
        dm.create_dset("b", "i4")
        dm.create_ref("a", "b")
        rows = dm.reserve_data("a", 1000 * RANK)
        dm.write_data("a", rows, np.full((1000 * RANK, 4), RANK))
        dm.write_data("b", dm.reserve_data("b", 1), [RANK])
        first = [[rows.start, RANK]] if RANK else []
        dm.write_ref("a", "b", first)
        own = np.zeros((rows.stop - rows.start, 4), "i4")
        wrong = own[:2] if RANK == SIZE - 1 else own
        refused(ShapeError, lambda: dm.write_data("a", rows, wrong))
        found = dm["a", :]
        expected = np.repeat(np.arange(SIZE), 1000 * np.arange(SIZE))
        assert np.array_equal(found, np.broadcast_to(expected[:, None], (expected.size, 4)))


def dropped(path: str) -> None:
    """What is not kept is shared by the ranks meanwhile, and its file is gone at the end."""
    with manager(path, drop_list=["scratch"]) as dm:
        dm.create_dset("scratch", "i4")
        dm.create_dset("kept", "i4")
        dm.create_ref("kept", "scratch")
        rows = dm.reserve_data("scratch", 2)
        dm.write_data("scratch", rows, [RANK, RANK])
        dm.write_data("kept", dm.reserve_data("kept", 1), [RANK])
        dm.write_ref("kept", "scratch", [[RANK, rows.start]])
        assert dm["kept", "scratch", :].tolist() == [[n] for n in range(SIZE)]
        assert len(list(Path(path).parent.glob("*.dropped-*"))) == 1
        dm.delete("kept")
        assert not dm.exists("kept")
        dm.create_dset("kept", "i4")
    COMM.Barrier()
    assert not list(Path(path).parent.glob("*.dropped-*"))


def facade(path: str) -> None:
    """The facade alone: ranks make the same tree and write parts of their own."""
    with H5Backend("h5py") as h5:
        h5.open_file(path, "a", comm=COMM)
        image = h5.create_carray("/", "image", shape=(SIZE, 8), dtype="f8")
        image[RANK] = np.full(8, RANK)
        rows = h5.create_earray("/", "rows", "i8")
        assert rows.reserve(SIZE) == slice(0, SIZE)
        rows[RANK] = RANK
        h5.flush()
        COMM.Barrier()
        assert image[:, 0].tolist() == rows[:].tolist() == list(range(SIZE))


def crash(path: str) -> None:
    """All ranks die between data and references."""
    dm = manager(path)
    dm.create_dset("a", "i4")
    dm.create_dset("b", "i4")
    dm.create_ref("a", "b")
    for _ in range(2):
        a, b = dm.reserve_data("a", 5), dm.reserve_data("b", 5)
        dm.write_data("a", a, np.arange(a.start, a.stop))
        dm.write_data("b", b, np.arange(b.start, b.stop))
        dm.write_ref("a", "b", np.stack([np.arange(5) + a.start, np.arange(5) + b.start], 1))
    dm.write_data("a", dm.reserve_data("a", 5), np.full(5, -1))
    ref, _ = dm.get_ref("a", "b")
    ref.reserve(7)  # the first thing that write_ref does
    dm.flush()
    COMM.Barrier()
    os._exit(9)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
    COMM.Barrier()
    print(f"rank {RANK} of {SIZE}: done", flush=True)
