"""Rows of what importing costs beyond numpy."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from savers.bench import process
from savers.bench.figures import Unit, at_most
from savers.bench.harness import Row, Setting, Works
from savers.bench.peers import PYMODAQ, home_variables

__all__ = ["ROWS"]

_IMPORT = """
import time, numpy
start = time.process_time()
import {}
print(time.process_time() - start)
"""


@contextmanager
def _import(package: str, setting: Setting) -> Iterator[Works]:
    home = setting.folder / "import-home"
    home.mkdir(exist_ok=True)
    # A home of its own: pymodaq_data writes into it. Compiled files are kept, as usual.
    environment = os.environ | home_variables(home)

    def seconds(name: str) -> float:
        return process.number("-c", _IMPORT.format(name), env=environment)

    there = setting.peer(PYMODAQ) is not None
    seconds(package)
    if there:
        seconds("pymodaq_data")
    yield Works(
        lambda: seconds(package),
        (lambda: seconds("pymodaq_data")) if there else None,
    )


ROWS = tuple(
    Row(
        f"import-{package}",
        f"import {package}, beyond numpy; processor time",
        Unit.SECONDS,
        at_most(0.060),
        functools.partial(_import, package),
        PYMODAQ,
    )
    for package in ("h5backends", "savers")
)
