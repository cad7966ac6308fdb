"""The short form of the crash campaign; ``python -m tests.crash`` is the full one."""

from __future__ import annotations

import os
import sys

import pytest

from tests.crash.campaign import KINDS, campaign, places, table

# The seeds differ from run to run, so that every run looks elsewhere.
FIRST = int(os.environ.get("H5BACKENDS_CRASH_SEED", os.getpid() * 100))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(kind: str) -> None:
    driver = kind.split(",", maxsplit=1)[0]
    if driver == "h5pyd" and sys.platform == "win32":
        pytest.skip("HSDS is reached through a Unix socket here, which Windows lacks")
    with places(driver) as make_place:
        found = campaign(kind, 3 if driver == "h5pyd" else 4, make_place, FIRST)
    print("\n" + table([found]))
    assert found.is_clean, [*found.lost, *found.torn]
