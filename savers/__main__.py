"""``python -m savers`` is the command ``h5backends``."""

from savers.cli import main

if __name__ == "__main__":
    main()
