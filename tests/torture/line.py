"""The process of one torture: ``python -m tests.torture.line MODULE SECONDS SEED FOLDER``.

What it finds goes to the standard output, one line of JSON after each round; the last one counts.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from pathlib import Path

import psutil

from tests.torture.course import CannotBeDoneError, Course
from tests.torture.programs import TIME_LIMIT


def main() -> None:
    """Go through the course that the arguments ask for."""
    module, seconds, seed, folder = sys.argv[1:]
    logging.disable(logging.CRITICAL)  # each fault is warned of, and that is as it should be
    torture = importlib.import_module(module)
    course = Course(torture.NAME, float(seconds), int(seed), Path(folder))
    try:
        torture.run(course)
        course.finding.ended = True
    except CannotBeDoneError as exc:
        course.finding.skipped = str(exc)
    except KeyboardInterrupt:
        _end_children()
        sys.exit(130)
    finally:
        course.publish()


def _end_children() -> None:
    """Wait for programs that nobody knows of: Ctrl-C came while they were being started."""
    children = psutil.Process().children()
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=TIME_LIMIT)


if __name__ == "__main__":
    main()
