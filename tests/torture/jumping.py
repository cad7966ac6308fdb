"""Run a module whose wall clock jumps: ``python -m tests.torture.jumping MODULE ARGUMENT ...``."""

from __future__ import annotations

import random
import runpy
import sys
import time

_DAY = 86_400.0


def main() -> None:
    """Replace the wall clock, then run the module."""
    real, chance = time.time, random.Random()

    def jumping() -> float:
        return real() + chance.uniform(-_DAY, _DAY)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
