"""Which measurement a file holds: checksums and identifiers."""

from __future__ import annotations

import hashlib
import os
import uuid
from functools import lru_cache
from typing import Any

from h5backends.local_errors import os_error

__all__ = ["get_measurement_identifier", "md5sum"]

_WHOLE_FILE_BLOCK = 1 << 20


def md5sum(path: str | os.PathLike[str], blocksize: int = 65536, count: int = 0) -> str:
    """Return the MD5 sum of a file, or of its beginning.

    Parameters
    ----------
    path : str or Path
        The file.
    blocksize : int
        Bytes to read at once; 0 for the whole file, whatever `count` is.
    count : int
        How many blocks to read; 0 for all.

    Returns
    -------
    str
        32 hexadecimal digits. A file that did not change since is not read again.

    Raises
    ------
    FileError
        The file cannot be read.
    """
    name = os.path.abspath(path)
    try:
        state = os.stat(name)
        size = blocksize * count if blocksize > 0 and count > 0 else None
        return _md5sum(name, size, (state.st_size, state.st_mtime_ns, state.st_ino))
    except OSError as exc:
        raise os_error(name, exc, "r") from exc


@lru_cache(maxsize=256)
def _md5sum(name: str, size: int | None, state: tuple[int, int, int]) -> str:
    """Return the MD5 sum of the first `size` bytes; `state` tells one content from the next."""
    hasher = hashlib.md5(usedforsecurity=False)
    left = state[0] if size is None else min(size, state[0])
    with open(name, "rb") as file:
        while left and (block := file.read(min(left, _WHOLE_FILE_BLOCK))):
            hasher.update(block)
            left -= len(block)
    return hasher.hexdigest()


def get_measurement_identifier(h5: Any) -> str | None:
    """Return the identifier of the measurement in a file.

    Parameters
    ----------
    h5 : h5py.File, h5py.Group or GROUP
        Whose attributes to look at.

    Returns
    -------
    str or None
        The attribute ``experiment:run identifier``; without it, one that follows from time, date
        and setup; None where one of these is missing, too.
    """
    attrs = h5.attrs
    identifier = attrs.get("experiment:run identifier")
    if isinstance(identifier, bytes):
        identifier = identifier.decode("utf-8", "replace")
    if identifier is not None and str(identifier):
        return str(identifier)
    facts = [
        attrs.get(name) for name in ("experiment:time", "experiment:date", "setup:identifier")
    ]
    if not all(facts):
        return None
    text = "_".join(str(fact) for fact in facts)
    return str(uuid.UUID(hex=hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))
