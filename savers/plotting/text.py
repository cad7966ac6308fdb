"""Text of a file as matplotlib can draw it."""

from __future__ import annotations

from h5backends.file_text import readable

__all__ = ["plain"]


def plain(text: str) -> str:
    """Return a text that is drawn as it is read, with no dollar sign taken for mathematics."""
    return readable(text).replace("$", r"\$")
