"""Start, watch and kill the program that scans, and check what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from savers import DataLoader
from tests.conftest import Place
from tests.savers.scan_program import measured

ROOT = Path(__file__).parents[2]


class Program:
    """A running scan.

    Parameters
    ----------
    place : Place
        Where it records.
    axes : str
        Which of the scans.
    **task
        See ``tests.savers.scan_program``.
    """

    def __init__(self, place: Place, axes: str, **task: Any) -> None:
        options = {"backend": place.driver, **place.options, **task.pop("options", {})}
        about = {"location": place.location, "axes": axes, "options": options, **task}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.savers.scan_program", json.dumps(about)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.visited: list[int] = []
        word, _, done = self.hear().partition(" ")
        if word != "begun":
            self.__exit__(None, None, None)
            raise AssertionError(f"it ended with {self.process.returncode}")
        self.begun = int(done)

    def hear(self) -> str:
        """Wait for the next thing it says; empty at its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def follow(self, points: int | None = None) -> list[int]:
        """Wait until so many points are safe, or until the end; return their numbers."""
        while points is None or len(self.visited) < points:
            said = self.hear()
            if said in ("end", ""):
                break
            self.visited.append(int(said))
        return self.visited

    def go_on(self) -> None:
        """Say the word that it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> list[int]:
        """Kill it where it stands; return the points that were safe by then."""
        self.process.kill()
        self.process.wait(60)
        return self.follow()

    def end(self) -> list[int]:
        """Wait for its end; return the points it wrote."""
        visited = self.follow()
        assert self.process.wait(60) == 0
        return visited

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def loaded(place: Place, name: str, where: str = "/RawData") -> Any:
    """Load one signal."""
    with DataLoader(place.location, backend=place.driver, **place.options) as loader:
        return loader.load_data_from_name_origin(name, where=where)


def check(place: Place, numbers: Iterable[int], shape: tuple[int, ...] = ()) -> None:
    """Check that the file holds exactly these points, each where it belongs and complete."""
    wanted = {name: [] for name in measured(0)}
    for number in numbers:
        for name, value in measured(number).items():
            wanted[name].append(value)
    for name, values in wanted.items():
        array = np.array(values)
        found = loaded(place, name)
        if shape:
            array = array.reshape(*shape, *array.shape[1:])
        np.testing.assert_array_equal(found.data[0], array, err_msg=name)
        assert found.data[0].dtype == array.dtype
