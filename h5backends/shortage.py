"""Errors of a system that ran out of something: they tell nothing about the file it was asked of.

"There is no journal", "nobody holds the file" and "its writer is dead" must not be concluded from
a lack of descriptors in this program.
"""

from __future__ import annotations

import errno

__all__ = ["is_shortage"]

_NUMBERS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def is_shortage(exc: OSError) -> bool:
    """Tell whether an error comes from a lack of descriptors or memory.

    Parameters
    ----------
    exc : OSError
        What the system said.
    """
    return exc.errno in _NUMBERS
