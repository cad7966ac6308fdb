"""PyMoDAQ's string elements: one pickled ``str`` each, read without unpickling anything.

A pickle is a program. The reader here understands the handful of instructions that build one
string and refuses all others, so that nothing in a file can run.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode", "encode"]

_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_HARMLESS = frozenset({"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})


def encode(text: str) -> NDArray[np.uint8]:
    """Return the bytes that PyMoDAQ expects for one string.

    Parameters
    ----------
    text : str
        Any text, lone surrogates included.

    Returns
    -------
    ndarray of uint8, shape (n,)
    """
    return np.frombuffer(pickle.dumps(text, protocol=4), np.uint8)


def decode(element: NDArray[np.uint8] | bytes) -> str:
    """Return the string that one element holds.

    An element that is not a pickled string comes back as the text of its bytes (Latin-1 where it
    is not UTF-8), never executed.

    Parameters
    ----------
    element : ndarray of uint8, shape (n,), or bytes
    """
    raw = bytes(element) if isinstance(element, bytes) else np.asarray(element, np.uint8).tobytes()
    text = _pickled_text(raw)
    if text is not None:
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _pickled_text(raw: bytes) -> str | None:
    """Return the one string of a pickle that does nothing else, None for anything else."""
    found: Any = None
    stopped = False
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            if opcode.name in _TEXT and found is None:
                found = argument
            elif opcode.name == "STOP":
                stopped = True
            elif opcode.name not in _HARMLESS:
                return None
    except (ValueError, UnicodeDecodeError, IndexError):
        return None
    return found if stopped and isinstance(found, str) else None
