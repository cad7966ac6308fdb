"""A long recording with a reader beside it: memory, descriptors and latency stay as they are."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.torture.course import Course
from tests.torture.programs import Program
from tests.torture.rows import numbered, stored

NAME = "soak"
_MOST_GROWTH = 20 * 2**20
"""Bytes of memory that either program may grow by after its first quarter."""
_ENOUGH = 12
"""With fewer samples nothing is flat or otherwise."""


class _Sample(NamedTuple):
    """What a program says of itself once a second.

    Parameters
    ----------
    points : int
        How many it wrote, or saw.
    memory : int
        Bytes.
    descriptors : int
        How many it has open.
    latency : float
        From the append to the frame in the follower, median of this second, in milliseconds.
    """

    points: int
    memory: int
    descriptors: int
    latency: float


def run(course: Course) -> None:
    """Record as long as there is time."""
    with course.attempt("writer and follower"):
        _soak(course, course.folder / "soak.h5")


def _soak(course: Course, path: Path) -> None:
    with (
        Program("tests.torture.soak_writer", path, course.seconds) as writer,
        Program("tests.torture.soak_reader", path) as reader,
    ):
        samples: dict[str, list[_Sample]] = {"writer": [], "follower": []}
        limit = 3 * course.seconds + 60
        small = _listen(course, writer, samples["writer"])
        for name, program in (("writer", writer), ("follower", reader)):
            code = program.wait(limit)
            course.require(code == 0, f"the {name} ended with code {code}: {program.errors}")
        samples["follower"] = [_parsed(said) for said in _rest(reader)]
    points = int(writer.last.split()[1])
    seen = int(reader.last.split()[1])
    course.require(seen == points, f"the follower saw {seen} of {points} points")
    course.load["points"] += points
    course.load["files recorded beside"] += small
    course.compare("keys", stored(path, "keys"), numbered(points + 1, 1))
    course.compare("rows", stored(path, "rows")[:, 1], np.arange(float(points)))
    frames = stored(path, "frames")
    course.compare("frames", frames[:, 0, 0], (np.arange(points) % 60_000).astype("u2"))
    course.finding.flushed += seen
    for name, found in samples.items():
        _require_flat(course, name, found)


def _listen(course: Course, writer: Program, samples: list[_Sample]) -> int:
    """Hear what the writer says until it is through; return the files it recorded beside."""
    small = 0
    while not (said := writer.hear()).startswith("done"):
        points, memory, descriptors, small = map(int, said.split())
        samples.append(_Sample(points, memory, descriptors, 0.0))
        course.finding.load = f"{points:,} points so far"
        course.publish()
    return small


def _parsed(said: str) -> _Sample:
    points, memory, descriptors, latency = said.split()
    return _Sample(int(points), int(memory), int(descriptors), float(latency))


def _rest(program: Program) -> list[str]:
    """All that a program said before its last words."""
    said = []
    while not (words := program.hear()).startswith("done"):
        said.append(words)
    return said


def _require_flat(course: Course, name: str, samples: list[_Sample]) -> None:
    if len(samples) < _ENOUGH:
        return
    quarter = len(samples) // 4
    late = samples[quarter:]
    growth = max(s.memory for s in late[-quarter:]) - max(s.memory for s in late[:quarter])
    more = max(s.descriptors for s in late[-quarter:]) - max(s.descriptors for s in late[:quarter])
    words = f"{name}: {growth / 2**20:+.1f} MiB, {more:+d} descriptors"
    course.require(growth <= _MOST_GROWTH, f"memory grows: {words}")
    course.require(more <= 0, f"descriptors grow: {words}")
    latencies = [s.latency for s in late if s.latency]
    if latencies:
        half = len(latencies) // 2
        first, last = (statistics.median(part) for part in (latencies[:half], latencies[half:]))
        # Other programs want the machine too: only what grows without end is told apart.
        course.require(last <= 5 * first + 20, f"latency grows: {first:.1f} to {last:.1f} ms")
        words += f", latency {first:.1f} then {last:.1f} ms"
    course.flat.append(words)
