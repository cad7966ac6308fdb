"""Where in a file large pieces begin: at addresses that are fast to copy to.

Copying from memory into a file takes a tenth longer where the two addresses differ by what is no
multiple of 32 bytes, and twice as long where the one in the file is ahead by a few bytes, within
their pages. Buffers of cameras, and arrays of numpy, begin at multiples of 16 or more.
"""

from __future__ import annotations

__all__ = ["ALIGNMENT", "LEAST_BYTES"]

ALIGNMENT = 64
"""Bytes; a line of the processor's cache."""
LEAST_BYTES = 256 * 1024
"""Pieces from this size on are aligned. The gaps between those that are no multiple long are never
filled, but HDF5 remembers each, in 240 bytes of memory: a thousandth of what such a piece has."""
