"""``python -m h5backends`` is the command ``h5backends``.

The command belongs to a layer above this package, which must not know it. So it is found as it
was installed, by its entry point, just as drivers are.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points


def main() -> None:
    """Run the installed command ``h5backends``."""
    commands = entry_points(group="console_scripts", name="h5backends")
    if not commands:
        sys.exit("the command 'h5backends' is not installed: python -m pip install h5backends")
    next(iter(commands)).load()()


if __name__ == "__main__":
    main()
