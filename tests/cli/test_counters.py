"""Counters of this machine, against what psutil says, and when it says nothing."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from savers.counters import Counter, available_counters


def test_families_are_those_that_psutil_has() -> None:
    counters = {counter.name: counter for counter in available_counters()}
    assert len(counters["cpu_percent"].labels) == psutil.cpu_count()
    assert counters["memory"].labels == ("used", "available")
    assert ("disk" in counters) == (psutil.disk_io_counters() is not None)
    assert ("temperature" in counters) == bool(getattr(psutil, "sensors_temperatures", dict)())


def test_values_are_those_of_psutil() -> None:
    counters = {counter.name: counter for counter in available_counters()}
    before = psutil.net_io_counters()
    sent, received = counters["network"].read()
    after = psutil.net_io_counters()
    assert before.bytes_sent <= sent <= after.bytes_sent
    assert before.bytes_recv <= received <= after.bytes_recv
    used, available = counters["memory"].read()
    assert 0 < used + available <= 1.1 * psutil.virtual_memory().total


@pytest.mark.parametrize("error", [OSError, RuntimeError, psutil.AccessDenied])
def test_what_cannot_be_read_is_nan(error: type[Exception]) -> None:
    def broken() -> dict[str, float]:
        raise error

    row = Counter("x", "", "", ("a", "b"), broken).read()
    assert row.shape == (2,)
    assert np.isnan(row).all()


def test_a_sensor_that_went_away() -> None:
    found = {"a": 1.0, "b": 2.0}
    counter = Counter("x", "", "", ("a", "b"), lambda: found)
    del found["a"]
    found["new"] = 3.0
    np.testing.assert_array_equal(counter.read(), [np.nan, 2.0])
