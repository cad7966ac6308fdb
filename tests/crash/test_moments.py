"""A file as it stands after each single write of its writer can be mended, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.moments import Moments, can_record, record, replay, replay_power_failures
from tests.crash.writer import Request

FULL = os.environ.get("H5BACKENDS_CRASH", "quick") == "full"
ROUNDS = 120 if FULL else 16  # from round 15 on, groups are removed too

pytestmark = pytest.mark.skipif(
    not can_record(), reason="needs Linux and a C compiler to record what a program writes"
)


def _request(folder: Path, driver: str, **kwargs: object) -> Request:
    work = folder / "work"
    work.mkdir()
    (folder / "replay").mkdir()
    arguments = {"seed": 1, "rounds": ROUNDS, **kwargs}
    announce = str(work / "announced")
    return Request(driver, str(work / "f.h5"), announce=announce, **arguments)  # type: ignore[arg-type]


@pytest.mark.skipif(not FULL, reason="takes minutes: H5BACKENDS_CRASH=full runs it")
def test_what_it_is_good_for_with_swmr(tmp_path: Path) -> None:
    """Linux ends a write at the edge of a page when its program is killed."""
    request = _request(tmp_path, "h5py", swmr=True, journal=False, seed=250, rounds=60)
    found = replay(request, record(request, tmp_path), tmp_path / "replay")
    assert [loss for loss in found.lost if "after round -1" not in loss or "frames: " in loss]


def _replayed(folder: Path, driver: str, **kwargs: object) -> Moments:
    request = _request(folder, driver, **kwargs)
    return replay(request, record(request, folder), folder / "replay")


@pytest.mark.parametrize(("driver", "swmr"), [("h5py", True), ("h5py", False), ("tables", False)])
def test_every_moment_is_a_good_one(tmp_path: Path, driver: str, swmr: bool) -> None:
    found = _replayed(tmp_path, driver, swmr=swmr)
    print(f"\n  {driver}, {'SWMR' if swmr else 'plain'}: {found.tried} moments, none lost a row")
    assert found.tried > 10 * ROUNDS
    assert not found.lost, found.lost[0]
    assert not found.torn, found.torn[0]


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_what_the_journal_is_good_for(tmp_path: Path, driver: str) -> None:
    """Without it the library loses rows: the test above can fail."""
    found = _replayed(tmp_path, driver, journal=False, rounds=ROUNDS if FULL else 5)
    print(f"\n  {driver} without journal: {len(found.lost)} of {found.tried} moments lost rows")
    assert found.lost


@pytest.mark.parametrize("driver", ["h5py", "tables"])
def test_power_failures(tmp_path: Path, driver: str) -> None:
    """With ``FlushPolicy(fsync=True)``, whatever the device has not written yet may be missing."""
    request = _request(tmp_path, driver, fsync=True)
    changes = record(request, tmp_path)
    for seed in range(4 if FULL else 1):
        count = 500 if FULL else 60
        found = replay_power_failures(request, changes, tmp_path / "replay", count, seed)
        assert found.tried == count
        assert not found.lost, found.lost[0]
