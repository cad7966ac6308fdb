"""Every row of ``h5backends bench``, in its quick form: that it works, never how long it takes."""

from __future__ import annotations

import math
from importlib.util import find_spec

import pytest

from savers.bench import remote
from savers.bench.figures import Against, Unit
from savers.bench.harness import Row, Setting, measure
from savers.bench.registry import ROWS
from tests.benchmarks.conftest import use_server_of_the_tests


@pytest.fixture
def server(row: Row, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the tests, where the row looks for one."""
    if row in remote.ROWS:
        use_server_of_the_tests(request, monkeypatch)


def _has_peer(row: Row) -> bool:
    if row.peer is None or not row.peer.distribution:
        return False
    return find_spec(row.peer.distribution.replace("-", "_")) is not None


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row: Row, setting: Setting) -> None:
    *_, result = measure(row, setting)
    assert not result.failed, result.notes
    assert len(result.ours) == 2, result.notes
    assert (len(result.peer) == 2) == _has_peer(row)
    assert (len(result.limit) == 2) == bool(row.limit)
    for value in (*result.ours, *result.peer, *result.limit):
        assert math.isfinite(value)
        assert value > 0 or row.unit in {Unit.BYTES, Unit.SHARE}
    if row.unit is Unit.BYTES:  # not a time
        assert result.reached, result.ours


def test_names_and_bars() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.bar.value > 0
        assert row.title
        if row.bar.against is Against.PEER:
            assert row.peer is not None, row.name
        if row.bar.against is Against.LIMIT:
            assert row.limit, row.name
