"""Files with random bytes changed: an answer in the end, and never a changed file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from h5backends.swmr import check
from tests.conftest import LOCAL
from tests.crash.flipping import READERS, faults_of, flipped, make, read_all

FULL = os.environ.get("H5BACKENDS_CRASH", "quick") == "full"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("driver", LOCAL)
def test_read_by_every_way(tmp_path: Path, driver: str, reader: str) -> None:
    """Errors of this package, or the bytes as they stand; with a checksum, an error."""
    whole = make(tmp_path / "whole.h5", driver)
    intact, _ = read_all(reader, [tmp_path / "whole.h5"])
    right = intact[tmp_path / "whole.h5"]["arrays"]
    contents = {}
    for seed in range(400 if FULL else 30):
        path = tmp_path / f"{seed}.h5"
        contents[path] = flipped(whole, seed)
        path.write_bytes(contents[path])
    found, deadly = read_all(reader, list(contents))
    for path, content in contents.items():
        assert path.read_bytes() == content, f"{path} was changed by reading it"
    for path, answer in found.items():
        assert not list(faults_of(answer, reader, right)), f"{path}: {answer}"
    print(f"\n  {driver} by {reader}: {len(found)} answered, {len(deadly)} killed the library")
    for path in deadly[:3]:
        report = check(path, seconds=5)  # which does survive them
        assert report.exit_code in {0, 1, 2, 4}
        assert path.read_bytes() == contents[path]


@pytest.mark.parametrize("driver", LOCAL)
def test_looked_at_by_check(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "f.h5"
    whole = make(path, driver)
    for seed in range(300 if FULL else 8):
        content = flipped(whole, seed)
        path.write_bytes(content)
        report = check(path, seconds=5)
        assert report.exit_code in {0, 1, 2, 4}
        assert str(report)
        assert path.read_bytes() == content
