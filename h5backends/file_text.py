"""Text as it stands in a file: UTF-8, or bytes of an older encoding, which come along unharmed.

Programs of other people name nodes in Latin-1 too. Such bytes are, in Python's text, lone
surrogates, as in names of files (PEP 383), and become the same bytes again on the way back.
"""

from __future__ import annotations

__all__ = ["decoded", "encoded", "is_of_bytes", "is_utf8", "readable"]

_LATIN = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
_HALVES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD) | _LATIN


def decoded(raw: bytes) -> str:
    """Return the text that bytes in a file stand for."""
    return raw.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    """Return the bytes in a file that a text stands for.

    Raises
    ------
    UnicodeEncodeError
        It holds half a character that no file can have given.
    """
    return text.encode("utf-8", "surrogateescape")


def is_utf8(text: str) -> bool:
    """Tell whether a text may be written: whether it is UTF-8 in the file."""
    return _can(text, "strict")


def is_of_bytes(text: str) -> bool:
    """Tell whether there may be such a text in a file, whatever its encoding there."""
    return _can(text, "surrogateescape")


def _can(text: str, errors: str) -> bool:
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """Return a text as people should see it, and as programs that draw and send can take it.

    Bytes that are not UTF-8 are taken for Latin-1, which they mostly are: a unit written as the
    bytes ``B5 6D`` is shown as "µm".
    """
    return text if text.isascii() else text.translate(_HALVES)
