"""Files with random bytes changed: an answer in the end, and never a changed file."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import H5Backend
from h5backends.swmr import check
from tests.conftest import LOCAL

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("H5BACKENDS_CRASH", "quick") == "full"
READERS = ("h5py", "tables", "open_h5_file_for_reading")
HANGS_AFTER = 300.0


def make(path: Path, driver: str) -> bytes:
    """Make a file with something of everything; return its bytes."""
    chance = np.random.default_rng(1)
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        h5.create_earray("/", "plain", "float64", (4,)).append(chance.random((100, 4)))
        h5.define_compression("gzip", 1)
        h5.create_earray("/", "packed", "int32", (8,)).append(np.arange(800).reshape(100, 8))
        h5.define_compression("gzip", 1, fletcher32=True)
        h5.create_earray("/", "checked", "int32", (8,)).append(np.arange(1600).reshape(200, 8))
        h5.define_compression(None)
        group = h5.get_set_group("/", "group", units="mm", number=7)
        h5.create_earray(group, "late", "uint16", (3,)).append(np.ones((10, 3), "u2"))
    return path.read_bytes()


def flipped(content: bytes, seed: int) -> bytes:
    """Change one byte, or a few, anywhere; every third time where the metadata are."""
    chance = random.Random(seed)
    new = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 8])):
        end = len(new) if seed % 3 else min(len(new), 6000)
        new[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(new)


def read_all(reader: str, paths: list[Path]) -> tuple[dict[Path, Any], list[Path]]:
    """Read files in programs of their own; return what they found, and what killed them."""
    found: dict[Path, Any] = {}
    deadly: list[Path] = []
    left = list(paths)
    while left:
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.reader", reader, *map(str, left)],
            capture_output=True,
            timeout=HANGS_AFTER,
            cwd=ROOT,
            check=False,
        )
        said = [json.loads(line) for line in done.stdout.splitlines()]
        found.update((Path(answer["path"]), answer) for answer in said if "path" in answer)
        left = [path for path in left if path not in found]
        if left:
            assert done.returncode, done.stderr
            deadly.append(left.pop(0))
    return found, deadly


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
        assert "stranger" not in answer, f"{path}: {answer}"
        arrays = answer.get("arrays", {})
        if reader != "open_h5_file_for_reading":
            assert not [text for text in arrays.values() if text.startswith("library")], answer
        checked = arrays.get("/checked", right["/checked"])
        assert checked == right["/checked"] or "Error" in checked, f"{path}: wrong values pass"
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
