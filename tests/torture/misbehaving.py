"""A torture that finds something, hangs, crashes or leaves a process behind.

For the tests of the tortures themselves; ``H5BACKENDS_MISBEHAVE`` decides.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

from tests.torture.course import CannotBeDoneError, Course

NAME = "misbehaving"


def run(course: Course) -> None:
    """Do what the environment asks for."""
    for number, folder in course.rounds(6):  # a third, in no time
        course.load["rounds"] += 1
        course.compare("rows", np.arange(10), np.arange(10))
        if number == 0:
            continue
        match os.environ["H5BACKENDS_MISBEHAVE"]:
            case "lose":
                course.compare("rows", np.arange(8), np.arange(10))
            case "raise":
                with course.attempt("here"):
                    raise RuntimeError("on purpose")
            case "hang":
                time.sleep(600)
            case "crash":
                os.abort()
            case "leave":
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            case "cannot":
                raise CannotBeDoneError("this is no machine for it")
        (folder / "left").touch()
