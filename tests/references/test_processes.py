"""Real processes: killed while they write, and several that write at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends.errors import H5Error
from h5backends.nodes import CARRAY
from h5backends.references import H5FlowDataManager
from h5backends.superblock import FileState, file_state
from h5backends.swmr import repair
from tests.conftest import LOCAL, Place
from tests.references.child_writer import (
    CHILDREN,
    PARENTS,
    PART,
    SHARED,
    expected_pairs,
    manager,
    write_batch,
)

PROCESSES, TURNS = 4, 8


def described(place: Place) -> str:
    return json.dumps(vars(place))


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the writer program; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.references.child_writer", *arguments],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    word = process.stdout.readline().strip()
    assert word, "the writer ended"
    return word


def check_batches(dm: H5FlowDataManager, batches: int) -> None:
    """Batches that were flushed are there as a whole; what came after may be, and is right."""
    parents = len(dm.get_dset("a"))
    assert parents >= batches * PARENTS
    pairs = np.concatenate([expected_pairs(n) for n in range(batches)])
    found = dm["a", "b", : batches * PARENTS]
    for parent, row in enumerate(found):
        wanted = pairs[pairs[:, 0] == parent, 1] + 1
        values = row.compressed()
        assert values[: len(wanted)].tolist() == wanted.tolist()
        # One more at most: the first of the batch that was being written.
        assert values[len(wanted) :].tolist() in ([], [batches * CHILDREN + 1])
    everything = dm["a", "b", :].compressed()
    assert sorted(everything) == list(range(1, len(everything) + 1))


@pytest.mark.parametrize("driver", LOCAL)
@pytest.mark.parametrize("batches", [1, 4, 15])
def test_killed_while_it_writes(
    driver: str, batches: int, make_place: Callable[..., Place]
) -> None:
    place = make_place(driver)
    with child("run", described(place)) as process:
        while int(said(process)) < batches:
            pass
        process.kill()
        process.wait()
    mend(place)
    with manager(described(place), "r") as dm:
        check_batches(dm, batches)
    with child("run", described(place)) as process:  # goes on where the first one ended
        assert process.stdout is not None
        begun = int(said(process))
        assert begun > batches
        process.kill()
        process.wait()
    mend(place)
    with manager(described(place), "r") as dm:
        check_batches_again(dm, begun)


def check_batches_again(dm: H5FlowDataManager, batches: int) -> None:
    """The batch at which the first program died lacks its references, or has them; no others."""
    everything = dm["a", "b", :].compressed()
    assert len(np.unique(everything)) == len(everything)
    missing = batches * CHILDREN - len(everything)
    assert missing <= CHILDREN


def mend(place: Place) -> None:
    if file_state(place.location) is not FileState.CLOSED:
        repair(place.location)


@pytest.mark.parametrize("driver", LOCAL)
def test_killed_between_data_and_references(
    driver: str, make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    """Data without references read; pairs that no table names are not seen, and replaced."""
    place = make_place(driver)
    with child("between", described(place)) as process:
        said(process)
        process.kill()
        process.wait()
    if driver == "h5py":  # read as it is: nothing is written to it
        with manager(described(place), "r") as dm:
            check_between(dm)
    mend(place)
    with manager(described(place), "r") as dm:
        check_between(dm)
    with manager(described(place)) as dm:
        rows = dm.reserve_data("b", CHILDREN)
        dm.write_data("b", rows, np.arange(rows.start, rows.stop) + 1)
        dm.write_ref("a", "b", expected_pairs(2))
        assert "2 references at the end" in caplog.text
        write_batch(dm, 3)
        check_batches(dm, 4)
        assert len(dm.get_ref("a", "b")[0]) == 4 * CHILDREN


def check_between(dm: H5FlowDataManager) -> None:
    found = dm["a", "b", :]
    assert found.shape[0] == 3 * PARENTS
    assert found[2 * PARENTS :].mask.all()
    assert sorted(found.compressed()) == list(range(1, 2 * CHILDREN + 1))
    assert dm["a", :].tolist() == list(range(1, 3 * PARENTS + 1))
    assert len(dm.get_ref("a", "b")[0]) == 2 * CHILDREN + 2


def test_four_programs_write_at_the_same_time(make_place: Callable[..., Place]) -> None:
    """On a server: no row lost, none twice, and the same of references."""
    place = make_place("h5pyd")
    with manager(described(place)) as dm:
        dm.create_dset("parts", PART)
        dm.create_dset("turns", "i4")
        dm.create_dset("common", "i4")
        dm.create_ref("turns", "parts")
        dm.create_ref("common", "parts")
        dm.write_data("common", dm.reserve_data("common", SHARED), np.arange(SHARED))
    sizes: list[list[int]] = []
    with ExitStack() as stack:
        programs = [
            stack.enter_context(child("share", described(place), str(number), str(TURNS)))
            for number in range(PROCESSES)
        ]
        for program in programs:
            assert said(program) == "ready"
        for program in programs:
            assert program.stdin is not None
            program.stdin.write("go\n")
            program.stdin.flush()
        with manager(described(place), "r") as dm:
            check_meanwhile(dm)  # a reader sees whole references, whatever is going on
        for program in programs:
            sizes.append([int(said(program)) for _ in range(TURNS)])
            assert said(program) == "done"
            assert program.wait() == 0
    with manager(described(place), "r") as dm:
        parts = dm["parts", :]
        wanted = [
            (writer, turn, part)
            for writer, turns in enumerate(sizes)
            for turn, size in enumerate(turns)
            for part in range(size)
        ]
        assert sorted(parts.tolist()) == wanted
        names = dm["turns", :]
        assert sorted(names) == [w * 1000 + t for w in range(PROCESSES) for t in range(TURNS)]
        found = dm["turns", "parts", :]
        for name, row in zip(names, found, strict=True):
            writer, turn = divmod(int(name), 1000)
            mine = [tuple(part) for part in row.data[~row.mask["place"]].tolist()]
            assert mine == [(writer, turn, n) for n in range(sizes[writer][turn])]
        common = dm["common", "parts", :]
        kept = common.data[~common.mask["place"]].tolist()
        assert sorted(kept) == wanted
        backward = dm["parts", "common", :]
        assert backward[:, 0].tolist() == (np.arange(len(parts)) % SHARED).tolist()


def test_a_table_that_two_programs_change_at_once(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One program is overtaken by another between reading a row of a look-up table and writing."""
    place = make_place("h5pyd")
    with manager(described(place)) as slow, manager(described(place)) as fast:
        for dm in (slow, fast):
            dm.create_dset("a", "i4")
            dm.create_dset("b", "i4")
            dm.create_ref("a", "b")
        slow.reserve_data("a", 2)
        slow.write_data("b", slow.reserve_data("b", 3), [10, 11, 12])
        write = CARRAY.__setitem__
        overtaken = []

        def overtake(self: CARRAY, key: Any, value: Any) -> None:
            if self.path.endswith("ref_region") and not overtaken:
                overtaken.append(self.path)
                fast.write_ref("a", "b", [[1, 0], [1, 1]])
            write(self, key, value)

        monkeypatch.setattr(CARRAY, "__setitem__", overtake)
        slow.write_ref("a", "b", [[1, 2]])
        assert overtaken == ["/a/ref/b/ref_region"]
        for dm in (slow, fast):
            assert sorted(dm["a", "b", 1].compressed()) == [10, 11, 12]
            assert dm["b", "a", :].shape == (3, 1)
            assert not dm["b", "a", :].mask.any()


def test_the_tree_made_by_two_programs_at_once(make_place: Callable[..., Place]) -> None:
    place = make_place("h5pyd")
    failures: list[H5Error] = []

    def make() -> None:
        try:
            with manager(described(place)) as dm:
                for number in range(3):
                    dm.create_dset(f"stage/a{number}", "i4")
                    dm.create_dset(f"stage/b{number}", "i4")
                    dm.create_ref(f"stage/a{number}", f"stage/b{number}")
        except H5Error as exc:
            failures.append(exc)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with manager(described(place)) as dm:
        dm.write_data("stage/a2", dm.reserve_data("stage/a2", 1), [5])
        dm.write_data("stage/b2", dm.reserve_data("stage/b2", 1), [6])
        dm.write_ref("stage/b2", "stage/a2", [[0, 0]])
        assert dm["stage/a2", "stage/b2", 0].tolist() == [[6]]


def check_meanwhile(dm: H5FlowDataManager) -> None:
    for _ in range(5):
        found: Any = dm["common", "parts", :]
        kept = found.data[~found.mask["place"]]
        assert len(np.unique(kept)) == len(kept)
