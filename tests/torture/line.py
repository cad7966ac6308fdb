"""The process of one torture: ``python -m tests.torture.line MODULE SECONDS SEED FOLDER``.

What it finds goes to the standard output, one line of JSON after each round; the last one counts.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

from tests.torture.course import CannotBeDoneError, Course


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
        sys.exit(130)
    finally:
        course.publish()


if __name__ == "__main__":
    main()
