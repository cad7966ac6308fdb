"""A schedule that neither drifts nor hurries after lost time."""

from __future__ import annotations

import time

import pytest

from savers.cli.cadence import Cadence
from savers.cli.console import Stop


def test_as_many_points_as_asked_for() -> None:
    cadence = Cadence(200.0, 0.25)
    began = time.monotonic()
    while cadence.wait(Stop()):
        pass
    assert cadence.taken + cadence.left_out == 50
    assert time.monotonic() - began >= 0.25


def test_work_takes_its_time_from_the_pause_not_from_the_schedule() -> None:
    cadence = Cadence(20.0, 0.5)
    began = time.monotonic()
    while cadence.wait(Stop()):
        _work(0.03)
    assert cadence.taken + cadence.left_out == 10
    # Ten pauses of a period after ten pieces of work would take 0.8 s.
    assert time.monotonic() - began < 0.75


def test_lost_moments_are_left_out_and_counted() -> None:
    cadence = Cadence(100.0, 1.0)
    assert cadence.wait(Stop())
    _work(0.2)
    assert cadence.wait(Stop())
    assert cadence.left_out >= 18
    assert cadence.worst < 0.2, "the latest moment is taken, not the one long ago"


@pytest.mark.parametrize("seconds", [0.001, None])
def test_at_least_one_point(seconds: float | None) -> None:
    assert Cadence(10.0, seconds).wait(Stop())


def test_stops_when_asked() -> None:
    stop = Stop()
    stop.number = 2
    cadence = Cadence(0.001)
    assert not cadence.wait(stop)
    assert cadence.taken == 0


def _work(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
