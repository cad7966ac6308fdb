"""Several measurements as one, without copying their events."""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import FileOccupiedError, H5Error, MeasurementError, ShapeError
from h5backends.filters import register_plugins
from h5backends.local_errors import os_error
from h5backends.readers.content import reading
from h5backends.readers.rtdc import HDF5Data
from h5backends.swmr.reader import open_h5_file_for_reading

__all__ = ["concatenated_hdf5_data"]

_COMPUTED = ("frame", "time")
"""Features that count from the beginning of a measurement, so that they cannot be joined."""
_LIBVER = ("v110", "v110")


def concatenated_hdf5_data(
    paths: Sequence[str | os.PathLike[str]],
    path_out: bool | str | os.PathLike[str] | None = True,
    compute_frame: bool = True,
    features: Sequence[str] | None = None,
    *,
    overwrite: bool = False,
) -> HDF5Data:
    """Return several measurements as one, made of virtual datasets.

    Parameters
    ----------
    paths : sequence of path
        The measurements, in order. Metadata are those of the first.
    path_out : path, True or None
        A file to write; True for one in the temporary folder that is there until this program
        ends; None for none: HDF5 then reads whole files into memory, and the result cannot go
        to other processes.
    compute_frame : bool
        Whether to number the frames, feature ``frame``, on from one measurement to the next.
    features : sequence of str, optional
        What to take; by default all that the first file has. ``time`` and, but for
        `compute_frame`, ``frame`` are left out: they begin anew in every file.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    HDF5Data
        Basins are not part of it.

    Raises
    ------
    MeasurementError
        There are no files, or one lacks a feature.
    ShapeError
        Images of one file have another shape than those of the first.
    FileOccupiedError
        `path_out` exists.
    FileError
        A file cannot be read or written.

    Warns
    -----
    UserWarning
        A single file, which needs no joining; a feature that is no dataset and is left out.
    """
    import h5py

    if isinstance(paths, (str, os.PathLike)) or not len(paths):
        raise MeasurementError("there is nothing to join", expected="a list of one or more files")
    if len(paths) == 1:
        warnings.warn("a single file needs no joining: HDF5Data reads it faster", stacklevel=2)
    files = [Path(os.path.realpath(path)) for path in paths]
    parts = _Parts(list(features or ()))
    for path in files:
        with _opened(path) as h5:
            parts.add(path, h5, compute_frame)
    roots = sorted({path.parent for path in files})
    if path_out is None:
        return HDF5Data(_in_memory(parts, compute_frame), basin_roots=roots)
    path = _target(path_out, files, overwrite)
    with _translated(path), h5py.File(path, "w", libver=_LIBVER) as out:
        parts.write(out, compute_frame)
    return HDF5Data(path, basin_roots=roots)


@dataclass
class _Parts:
    """What was found in the files, one after the other."""

    features: list[str]
    meta: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    dtypes: dict[str, list[np.dtype[Any]]] = field(default_factory=dict)
    frames: list[NDArray[Any]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    size: int = 0

    def add(self, path: Path, h5: Any, compute_frame: bool) -> None:
        """Take in what a file has."""
        import h5py

        events = h5.get("events", {})
        if not self.files:
            self.features = self.features or sorted(events)
            self.meta = dict(h5.attrs)
        wanted = [name for name in self.features if name not in _COMPUTED]
        missing = sorted(set(self.features) - set(events))
        if compute_frame and "frame" not in events:
            missing.append("frame")
        if missing:
            raise MeasurementError(
                "a file lacks features that were to be joined",
                file=path,
                expected=", ".join(sorted(set(missing))),
                found=", ".join(sorted(events)) or "no events",
                remedy="Name those that all files have in features=; compute_frame=False does "
                "without frames.",
            )
        lengths = set()
        for name in wanted:
            with reading(f"/events/{name}"):
                item = events[name]
            if not isinstance(item, h5py.Dataset):
                if not self.files:
                    warnings.warn(f"{name!r} is no dataset: it is left out", stacklevel=4)
                continue
            self._check(path, name, item)
            self.shapes.setdefault(name, []).append(item.shape)
            self.dtypes.setdefault(name, []).append(item.dtype)
            lengths.add(item.shape[0])
        if compute_frame:
            with reading("/events/frame"):
                self.frames.append(events["frame"][:])
            lengths.add(len(self.frames[-1]))
        if len(lengths) > 1:
            raise ShapeError(
                "the features of a file differ in length", file=path, found=sorted(lengths)
            )
        self.size += lengths.pop() if lengths else 0
        self.files.append(path)

    def _check(self, path: Path, name: str, item: Any) -> None:
        first = self.shapes.get(name)
        expected = f"shape (n, {', '.join(map(str, first[0][1:]))})" if first else "an axis"
        if not item.shape or (first and first[0][1:] != item.shape[1:]):
            raise ShapeError(
                "a feature does not continue that of the first file",
                file=path,
                node=item.name,
                expected=expected,
                found=str(item.shape),
            )
        if bool(first) != bool(self.files):
            raise MeasurementError(
                "a feature is a dataset in some files only", file=path, node=item.name
            )

    def write(self, out: Any, compute_frame: bool) -> None:
        """Write them as one measurement."""
        import h5py

        out.attrs.update(self.meta)
        for name, shapes in self.shapes.items():
            shape = (sum(s[0] for s in shapes), *shapes[0][1:])
            layout = h5py.VirtualLayout(shape, np.result_type(*self.dtypes[name]))
            start = 0
            for path, part in zip(self.files, shapes, strict=True):
                if part[0]:
                    source = h5py.VirtualSource(str(path), f"events/{name}", part)
                    layout[start : start + part[0]] = source
                start += part[0]
            out.create_virtual_dataset(f"/events/{name}", layout, fillvalue=0)
        if compute_frame:
            out["/events/frame"] = _numbered_on(self.frames)
        out.attrs["experiment:event count"] = self.size


def _numbered_on(frames: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return numbers of frames that go on from one file to the next."""
    result, last = [np.zeros(0, np.uint64)], 0
    for part in frames:
        if part.size:
            numbers = part.astype(np.int64)  # floats in some files
            numbers += last + 1 - numbers[0]
            last = int(numbers[-1])
            result.append(numbers.astype(np.uint64))
    return np.concatenate(result)


# -- files --------------------------------------------------------------------------------------
@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    register_plugins()
    h5, _ = open_h5_file_for_reading(path)
    try:
        yield h5
    finally:
        h5.close()


def _target(
    path_out: bool | str | os.PathLike[str], files: Sequence[Path], overwrite: bool
) -> Path:
    """Return where to write to."""
    if path_out is True:
        number, name = tempfile.mkstemp(prefix="joined-", suffix=".rtdc")
        os.close(number)
        atexit.register(_remove, name, os.getpid())
        return Path(name)
    if not isinstance(path_out, (str, os.PathLike)):
        raise MeasurementError(
            "this does not say where to write", expected="a path, True or None", found=path_out
        )
    path = Path(os.path.abspath(path_out))
    if Path(os.path.realpath(path)) in files:
        raise FileOccupiedError("the result cannot replace what it is made of", file=path)
    if path.exists() and not overwrite:
        raise FileOccupiedError(
            "the file exists", file=path, remedy="To replace it: overwrite=True."
        )
    return path


def _in_memory(parts: _Parts, compute_frame: bool) -> Any:
    """Return an open file that is nowhere else.

    Made by the core driver: virtual datasets in a Python file object crash HDF5 (2.0), which opens
    their sources with the driver of the file that they are in.
    """
    import h5py

    out = h5py.File(f"joined-{uuid.uuid4().hex}", "w", driver="core", backing_store=False)
    parts.write(out, compute_frame)
    return out


def _remove(name: str, owner: int) -> None:
    """Remove a temporary file at the end of the program that made it."""
    if os.getpid() == owner:
        with suppress(OSError):  # still open on Windows
            os.unlink(name)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except H5Error:
        raise
    except OSError as exc:
        raise os_error(str(path), exc, "w") from exc
