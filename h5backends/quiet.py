"""Logging that is quiet by default, but for errors: what is lost is told to somebody."""

from __future__ import annotations

import logging

__all__ = ["QuietHandler"]


class QuietHandler(logging.NullHandler):
    """Lets errors through to standard error in programs that have not set logging up."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Show an error if nobody else does; drop everything else."""
        last = logging.lastResort
        if record.levelno >= logging.ERROR and last is not None and not logging.root.handlers:
            last.handle(record)
        return True
