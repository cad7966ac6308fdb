"""Look into a suspect file, as a program of its own that may die or hang without harm.

Run as ``python -m h5backends.swmr.probe``, with the request as JSON on the standard input. Every
finding is one line of JSON on the standard output, written at once, so that what was found before
the file killed this program is known.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from h5backends.file_text import decoded, encoded

__all__ = ["main"]

_BLOCK = 16 * 2**20
"""Bytes read at a time."""
_LARGEST_ROW = 256 * 2**20
"""Bytes of one row (or of a fixed array in one piece) that are still read to try them."""
_MEMORY = 4 * 2**30
"""Bytes of address space: enough for any sane chunk, too little to bring the machine down."""
_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, OverflowError)
"""What h5py makes of nonsense in a file."""
_NO_FILTER = (
    "not registered",
    "can't open directory",
    "unable to load",
    "filter is not available",
)
"""HDF5's words for a compression it has no code for."""


def main() -> None:
    """Answer one request."""
    _limit_memory()
    request: dict[str, Any] = json.load(sys.stdin)
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401 - so that its filters can be decoded
    import h5py

    deadline = time.monotonic() + request["seconds"]
    try:
        file = _open(h5py, request["path"], request["how"])
    except _FOREIGN as exc:
        _say(fatal=f"cannot be opened: {_words(exc)}")
        return
    _say(opened=True)
    try:
        for finding in _look(h5py, file, deadline):
            _say(**finding)
    except _FOREIGN as exc:
        _say(problem=f"the tree cannot be walked to its end: {_words(exc)}")
    _say(done=True)
    # Closing a damaged file may fail in ways that say nothing new.
    sys.stdout.flush()
    os._exit(0)


def _open(h5py: Any, path: str, how: str) -> Any:
    if how == "swmr":
        return h5py.File(path, "r", swmr=True, locking=False)
    if how == "mended":
        from h5backends.overlay import MendedFile

        return h5py.File(MendedFile(path), "r")
    return h5py.File(path, "r", locking=False)


def _look(h5py: Any, file: Any, deadline: float) -> Iterator[dict[str, Any]]:
    """Visit every object once, attributes and data included."""
    seen = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        _say(at=path)
        try:
            item = file[encoded(path)]
            info = h5py.h5o.get_info(item.id)
        except _FOREIGN as exc:
            yield {"problem": f"{path}: {_words(exc)}"}
            continue
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        yield from _attributes(path, item)
        if isinstance(item, h5py.Dataset):
            yield _array(path, item, deadline)
        elif isinstance(item, h5py.Group):
            try:
                links, hard = item.id.links, h5py.h5l.TYPE_HARD
                names = [decoded(raw) for raw in item.id if links.get_info(raw).type == hard]
            except _FOREIGN as exc:
                yield {"problem": f"{path}: its members cannot be listed: {_words(exc)}"}
                continue
            waiting.extend(f"{path.rstrip('/')}/{name}" for name in sorted(names, reverse=True))


def _attributes(path: str, item: Any) -> Iterator[dict[str, Any]]:
    try:
        names = list(item.attrs)
    except _FOREIGN as exc:
        yield {"problem": f"{path}: its attributes cannot be listed: {_words(exc)}"}
        return
    for name in names:
        try:
            item.attrs[name]
        except _FOREIGN as exc:
            yield {"problem": f"{path}: attribute {name!r}: {_words(exc)}"}


def _array(path: str, dataset: Any, deadline: float) -> dict[str, Any]:
    """Describe one dataset; ``error`` for what is wrong with it, ``note`` for what is not."""
    found: dict[str, Any] = {"array": path, "shape": None, "dtype": "?", "rows": 0}
    try:
        found["shape"], found["dtype"] = dataset.shape, str(dataset.dtype)
        found |= _readable_rows(dataset, deadline)
    except _FOREIGN as exc:
        found |= _complaint(exc)
    return found


def _complaint(exc: BaseException) -> dict[str, Any]:
    words = _words(exc)
    if any(hint in words for hint in _NO_FILTER):
        return {"note": f"not looked at: its compression cannot be undone here ({words})"}
    return {"error": words}


def _readable_rows(dataset: Any, deadline: float) -> dict[str, Any]:
    """Read from the start on until something stands in the way."""
    shape = dataset.shape
    if shape is None:
        return {}
    if dataset.is_virtual or dataset.external:
        return {"note": "not looked at: its data are in other files"}
    if shape == ():
        dataset[()]
        return {}
    row = dataset.dtype.itemsize
    for extent in shape[1:]:
        row *= extent
    if row > _LARGEST_ROW:
        return {"note": "not looked at: its rows are too large"}
    step = _step(dataset, row)
    for start in range(0, shape[0], step):
        if time.monotonic() > deadline:
            return {"rows": start, "note": "not looked at to its end: out of time"}
        try:
            dataset[start : start + step]
        except _FOREIGN as exc:
            good = _rows_before(dataset, start, min(start + step, shape[0]))
            return {"rows": good} | _complaint(exc)
    return {"rows": shape[0]} | _misplaced(dataset, deadline)


def _misplaced(dataset: Any, deadline: float) -> dict[str, Any]:
    """Look for chunks that the index has at other places than where they belong.

    The index of older formats has no checksum: where a byte of it changed, a chunk is missing
    inside of the array, which HDF5 reads as if nobody had written it, and one is too many
    outside. Either alone is no fault: arrays may have gaps, and a writer that was killed leaves
    chunks behind the rows that it had flushed.
    """
    shape, chunks = dataset.shape, dataset.chunks
    if not chunks or not hasattr(dataset.id, "chunk_iter"):
        return {}
    inside: set[tuple[int, ...]] = set()
    outside: list[tuple[int, ...]] = []

    def sort_in(chunk: Any) -> bool | None:
        offset = chunk.chunk_offset
        fits = all(o < n and not o % c for o, n, c in zip(offset, shape, chunks, strict=True))
        inside.add(offset) if fits else outside.append(offset)
        return True if time.monotonic() > deadline else None  # True ends it

    try:
        if dataset.id.chunk_iter(sort_in):
            return {"note": "its index was not looked at to its end: out of time"}
    except _FOREIGN as exc:
        return {"error": f"the index of its chunks cannot be gone through: {_words(exc)}"}
    places = (range(0, n, c) for n, c in zip(shape, chunks, strict=True))
    missing = next((offset for offset in itertools.product(*places) if offset not in inside), None)
    if missing is None or not outside:
        return {}
    return {
        "rows": missing[0],
        "error": f"the chunk that belongs at {missing} is not there, but there is one at "
        f"{outside[0]}, outside of the array: its index was changed",
    }


def _step(dataset: Any, row: int) -> int:
    """Rows to read at a time: whole chunks, some megabytes."""
    rows = max(1, _BLOCK // max(1, row))
    if dataset.chunks:
        rows = max(dataset.chunks[0], rows // dataset.chunks[0] * dataset.chunks[0])
        if rows * row > _LARGEST_ROW:
            rows = max(1, _BLOCK // max(1, row))
    return int(rows)


def _rows_before(dataset: Any, good: int, bad: int) -> int:
    """Narrow down how many rows can be read, knowing that not all of them can."""
    first = good
    while good + 1 < bad:
        middle = (good + bad) // 2
        try:
            dataset[first:middle]
            good = middle
        except _FOREIGN:
            bad = middle
    return good


def _words(exc: BaseException) -> str:
    text = str(exc).strip("'\"") or type(exc).__name__
    return text.splitlines()[-1][:200]


def _say(**finding: Any) -> None:
    sys.stdout.write(json.dumps(finding) + "\n")
    sys.stdout.flush()


def _limit_memory() -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError):
        return  # not every system lets itself be told


if __name__ == "__main__":
    main()
