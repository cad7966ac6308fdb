"""Files with random bytes changed, and what may come of reading them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import H5Backend

__all__ = ["READERS", "faults_of", "flipped", "make", "read_all"]

ROOT = Path(__file__).parents[2]
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


def faults_of(answer: dict[str, Any], reader: str, right: dict[str, str]) -> Iterator[str]:
    """Say what is wrong with an answer: only errors of this package, and no wrong checksum."""
    if "stranger" in answer:
        yield f"an error of the library's: {answer['stranger']}"
    arrays: dict[str, str] = answer.get("arrays", {})
    strange = [text for text in arrays.values() if text.startswith("library")]
    if strange and reader != "open_h5_file_for_reading":
        yield f"errors of the library's: {strange}"
    checked = arrays.get("/checked", right["/checked"])
    if checked != right["/checked"] and "Error" not in checked:
        yield "wrong values with a checksum pass"
