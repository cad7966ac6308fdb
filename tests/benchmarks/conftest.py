"""Where benchmarks write, and the server that they talk to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from savers.bench import machine
from savers.bench.harness import Setting


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where the system has one: the disk would drown what is compared."""
    with machine.folder() as (path, _):
        yield path


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    setting = Setting(tmp_path_factory.mktemp("bench"), quick=True)
    with setting.resources:
        yield setting


def use_server_of_the_tests(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have what looks for a server find that of the tests."""
    if sys.platform == "win32":
        pytest.skip("HSDS is reached through a Unix socket here, which Windows lacks")
    hsds: Any = request.getfixturevalue("hsds")
    monkeypatch.setenv("HS_ENDPOINT", hsds.endpoint)
    monkeypatch.setenv("HS_USERNAME", hsds.username)
    monkeypatch.setenv("HS_PASSWORD", hsds.password)
