"""What a measurement file is, beside its events: opened, described, handed to other processes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from h5backends.errors import MeasurementError
from h5backends.readers import ppid
from h5backends.readers.basins import read_basins, sort_basins
from h5backends.readers.confinement import Confinement
from h5backends.readers.content import read_logs, read_meta, read_tables
from h5backends.readers.events import Events
from h5backends.readers.identity import md5sum
from h5backends.readers.mapped import IndexMapping
from h5backends.readers.opening import Handle

if TYPE_CHECKING:
    import h5py

    from h5backends.backend import H5Backend

__all__ = ["Measurement"]

_MD5_BLOCKS = 80
"""Of 64 KiB: the first 5 MiB tell one file from another."""
_PIXEL_SIZE = "imaging:pixel size"
_GIVEN = ("image_cache_size", "image_chunk_size", "index_mapping", "basin_roots", "cache_bytes")
_READ_LATE = ("meta", "logs", "tables", "basins", "md5_5m")
"""What is read when it is asked for, unless it was given."""


class Measurement:
    """A measurement file; see :class:`h5backends.readers.rtdc.HDF5Data` for its parameters."""

    def __init__(
        self,
        path: str | os.PathLike[str] | h5py.File | H5Backend | BinaryIO,
        pixel_size: float | None = None,
        md5_5m: str | None = None,
        meta: Mapping[str, Any] | None = None,
        basins: Sequence[dict[str, Any]] | None = None,
        logs: Mapping[str, list[str]] | None = None,
        tables: Mapping[str, Any] | None = None,
        image_cache_size: int = 2,
        image_chunk_size: int = 1000,
        index_mapping: IndexMapping | None = None,
        *,
        basin_roots: Iterable[str | os.PathLike[str]] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self._set(
            Handle(path),
            {
                "pixel_size": pixel_size,
                "md5_5m": md5_5m,
                "meta": meta,
                "basins": basins,
                "logs": logs,
                "tables": tables,
                "image_cache_size": image_cache_size,
                "image_chunk_size": image_chunk_size,
                "index_mapping": index_mapping,
                "basin_roots": basin_roots,
                "cache_bytes": cache_bytes,
            },
        )
        self.image_chunk_size = _fitting(image_chunk_size, self.h5)

    def _set(self, handle: Handle, state: Mapping[str, Any]) -> None:
        self._handle = handle
        self._forget()
        self.path = handle.path
        for name in _READ_LATE:
            value = state[name]
            if value is not None:
                self.__dict__[name] = dict(value) if isinstance(value, Mapping) else value
        self.image_cache_size: int = state["image_cache_size"]
        self.image_chunk_size = int(state["image_chunk_size"])
        self.index_mapping: IndexMapping | None = state["index_mapping"]
        self.cache_bytes: int | None = state["cache_bytes"]
        roots = state["basin_roots"]
        if roots is None:
            roots = (
                [Path(os.path.abspath(self.path)).parent] if isinstance(self.path, Path) else []
            )
        self.basin_roots = tuple(os.path.abspath(root) for root in roots or ())
        self._pixel_size_given: float | None = None
        if state["pixel_size"] is not None:
            self.pixel_size = state["pixel_size"]

    # -- the file -------------------------------------------------------------------------------
    @property
    def h5(self) -> h5py.File:
        """The open file.

        Raises
        ------
        FileClosedError
            It was closed, or belongs to the parent process and has no path to open it by.
        """
        if self._handle.is_inherited:
            self._forget()
        return self._handle.get()

    def _forget(self) -> None:
        """Forget what came through the open file."""
        self.__dict__.pop("_opened_events", None)

    @property
    def _events(self) -> Events:
        _ = self.h5  # raises if it is closed, and begins anew after a fork
        return self._opened_events

    @cached_property
    def _opened_events(self) -> Events:
        confinement = Confinement(self.basin_roots)
        return Events(self.h5, self.index_mapping, lambda: self.basins, confinement)

    def close(self) -> None:
        """Close the file, unless it was given open, and those of its basins."""
        events = self.__dict__.get("_opened_events")
        if events is not None and not self._handle.is_inherited:
            events.close()
        self._forget()
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.path is None:
            raise MeasurementError(
                "a measurement in memory cannot go to another process",
                remedy="Write it to a file first.",
            )
        state = {name: self.__dict__.get(name) for name in _READ_LATE}
        state.update((name, getattr(self, name)) for name in _GIVEN)
        path = self.path
        state["path"] = Path(os.path.abspath(path)) if isinstance(path, Path) else path
        state["pixel_size"] = self._pixel_size_given
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(Handle(state["path"]), state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}>"

    # -- what it says beside its events ---------------------------------------------------------
    @cached_property
    def meta(self) -> dict[str, Any]:
        """Metadata: ``section:name`` to value."""
        return read_meta(self.h5)

    @cached_property
    def logs(self) -> dict[str, list[str]]:
        """Lines by the name of the log; those that are empty are left out."""
        return read_logs(self.h5)

    @cached_property
    def tables(self) -> dict[str, Any]:
        """Columns by name, or an array, by the name of the table."""
        return read_tables(self.h5)

    @cached_property
    def basins(self) -> list[dict[str, Any]]:
        """Definitions of basins, internal ones first, then by name."""
        return sort_basins(self.extract_basin_dicts(self.h5))

    @cached_property
    def md5_5m(self) -> str:
        """MD5 sum of the first 5 MiB; a random number for what is not in a file."""
        if isinstance(self.path, Path):
            return md5sum(self.path, 1 << 16, _MD5_BLOCKS)
        return uuid.uuid4().hex

    @property
    def meta_nest(self) -> dict[str, dict[str, Any]]:
        """The metadata as a dictionary of sections."""
        nested: dict[str, dict[str, Any]] = {}
        for name, value in self.meta.items():
            section, _, key = name.partition(":")
            nested.setdefault(section, {})[key] = value
        return nested

    @property
    def pixel_size(self) -> float:
        """Size of a pixel in micrometres, to eight digits; 0 if nothing says so."""
        return self.meta.get(_PIXEL_SIZE, 0)  # type: ignore[no-any-return]

    @pixel_size.setter
    def pixel_size(self, pixel_size: float) -> None:
        self._pixel_size_given = self.meta[_PIXEL_SIZE] = float(f"{pixel_size:.8f}")

    @staticmethod
    def extract_basin_dicts(h5: h5py.File, check: bool = True) -> list[dict[str, Any]]:
        """Return the definitions of basins in a file, see `basins.read_basins`."""
        return read_basins(h5, check)

    # -- pipeline identifiers -------------------------------------------------------------------
    def get_ppid(self) -> str:
        """Return the pipeline identifier of these data."""
        return self.get_ppid_from_ppkw(
            {"pixel_size": self.pixel_size, "index_mapping": self.index_mapping}
        )

    @classmethod
    def get_ppid_code(cls) -> str:
        """Return what stands for data of this kind."""
        return ppid.CODE

    @classmethod
    def get_ppid_from_ppkw(cls, kwargs: Mapping[str, Any]) -> str:
        """Return the pipeline identifier for ``pixel_size`` and ``index_mapping``."""
        return ppid.identifier(kwargs)

    @staticmethod
    def get_ppid_index_mapping(index_mapping: IndexMapping | None) -> str:
        """Return the part of a pipeline identifier that stands for an index mapping."""
        return ppid.index_mapping_part(index_mapping)

    @staticmethod
    def get_ppkw_from_ppid(dat_ppid: str) -> dict[str, Any]:
        """Return what a pipeline identifier was made from, see `ppid.keywords`."""
        return ppid.keywords(dat_ppid)


def _fitting(size: int, h5: Any) -> int:
    """Return a number of images, made to fit the HDF5 chunks of the images."""
    chunks = getattr(h5.get("events/image"), "chunks", None)
    if not chunks:
        return size
    rows = int(chunks[0])
    return max(size // rows, 1) * rows
