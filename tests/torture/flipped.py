"""Files with bytes changed: whoever reads them gets an answer in the end, and changes nothing."""

from __future__ import annotations

from pathlib import Path

from h5backends.swmr import check
from tests.conftest import LOCAL
from tests.crash.flipping import READERS, faults_of, flipped, make, read_all
from tests.torture.course import Course

NAME = "flipped bytes"
_BATCH = 200
_SHORT = 20


def run(course: Course) -> None:
    """Change bytes of files, batch by batch, and read them by every way there is."""
    whole: dict[str, tuple[bytes, dict[str, str]]] = {}
    for driver in LOCAL:
        path = course.folder / f"{driver}.h5"
        content = make(path, driver)
        found, _ = read_all("h5py", [path])
        whole[driver] = content, found[path]["arrays"]
    size = _BATCH if course.seconds >= 10 else _SHORT
    ways = [(driver, reader) for reader in READERS for driver in LOCAL]
    for number, folder in course.rounds(len(ways)):
        driver, reader = ways[number % len(ways)]
        first = number * _BATCH
        with course.attempt(f"{driver} by {reader}, seeds from {first}"):
            _batch(course, folder, *whole[driver], reader, range(first, first + size))


def _batch(
    course: Course, folder: Path, content: bytes, right: dict[str, str], reader: str, seeds: range
) -> None:
    contents = {}
    for seed in seeds:
        path = folder / f"{seed}.h5"
        contents[path] = flipped(content, seed)
        path.write_bytes(contents[path])
    found, deadly = read_all(reader, list(contents))
    course.finding.tried += len(contents)
    course.load["killed the library, not the program"] += len(deadly)
    for path, changed in contents.items():
        course.require(path.read_bytes() == changed, f"{path.name} was changed by reading it")
    for path, answer in found.items():
        for words in faults_of(answer, reader, right):
            course.problem(f"{path.name}: {words}")
    for path in [*deadly[:1], *list(contents)[:1]]:
        report = check(path, seconds=5)  # which does survive them
        course.require(report.exit_code in {0, 1, 2, 4}, f"{path.name}: {report}")
        course.require(path.read_bytes() == contents[path], f"check changed {path.name}")
